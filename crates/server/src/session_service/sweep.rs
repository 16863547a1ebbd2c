//! The sweep over sessions whose time is over. Any node may run it, several at once too: each session ends in a commit at its device's epoch, so one of
//! them ends it.

use omadm_mo::DevId;

use super::queue::Queue;
use super::{elsewhere, over};
use crate::entropy::correlation;
use crate::model::{ExchangeDelta, SessionChange};
use crate::node::{Node, event};
use crate::store::{CommitError, StoreError};

/// Sessions taken at once.
const PAGE: usize = 100;

/// Ends the sessions that got no package in time; answers how many it ended.
pub(crate) async fn sweep(node: &Node) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let mut ended = 0;
        for dev_id in node.store.expired_sessions(node.now(), PAGE).await? {
            ended += usize::from(end(node, &dev_id).await?);
        }
        all += ended;
        // A page of which one stays is not taken again at once: what keeps it may last.
        if ended < PAGE {
            return Ok(all);
        }
    }
}

/// Ends a device's session in a commit of its own; false where it goes on, or the device moved on in between and the next sweep has to look again.
async fn end(node: &Node, dev_id: &DevId) -> Result<bool, StoreError> {
    let Some(device) = node.store.device(dev_id).await? else {
        return Ok(false);
    };
    let now = node.now();
    // Read again behind the epoch: what was seen before it may be old.
    let sessions = node.store.sessions(dev_id).await?;
    let Some(session) = sessions.iter().find(|session| session.expires_at <= now) else {
        return Ok(false);
    };
    let correlation = correlation();
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), now);
    delta.session = SessionChange::End(session.generation);
    let over = over(node, dev_id, session, now);
    let told = over.into_iter().map(|kind| event(kind, &correlation));
    delta.events.extend(told);
    let elsewhere = elsewhere(node, dev_id, &sessions, session.generation);
    let mut queue = Queue::load(node, &device, &elsewhere).await?;
    queue.lose_all(&mut delta, &correlation);
    delta.commands.extend(queue.changes());
    match node.store.commit(delta).await {
        Ok(_) => {
            tracing::info!(correlation, device = %dev_id, "session ended");
            Ok(true)
        }
        Err(CommitError::Conflict | CommitError::Busy) => Ok(false),
        Err(CommitError::Store(error)) => Err(error),
        Err(error) => {
            tracing::error!(device = %dev_id, %error, "a session could not be ended");
            Ok(false)
        }
    }
}
