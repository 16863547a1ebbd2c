//! The sweep over sessions whose time is over. Any node may run it, several at once too: each session ends in a commit at its device's epoch, so one of
//! them ends it.

use omadm_mo::DevId;
use omadm_session::server::SessionState;

use super::NO_PACKAGE;
use super::queue::Queue;
use crate::dm1_service::stored_session;
use crate::entropy::correlation;
use crate::model::{EventKind, ExchangeDelta, SessionChange};
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
    let session = node.store.session(dev_id).await?;
    let Some(session) = session.filter(|session| session.expires_at <= now) else {
        return Ok(false);
    };
    let correlation = correlation();
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), now);
    delta.session = SessionChange::End;
    let of_dm1 = stored_session(node, dev_id, &session.state);
    // One of DM 1.x that ended was kept for repeats alone.
    if of_dm1.as_ref().is_none_or(|state| !state.ended) {
        let of_dm2 = SessionState::from_text(&session.state).ok();
        let aborted = EventKind::SessionAborted {
            reason: if of_dm1.is_some() {
                "no message came for an hour".to_owned()
            } else {
                NO_PACKAGE.to_owned()
            },
            session: of_dm2
                .map(|state| state.id)
                .or_else(|| of_dm1.map(|state| state.id)),
        };
        delta.events.push(event(aborted, &correlation));
    }
    let mut queue = Queue::load(node, &device).await?;
    queue.lose_all(&mut delta, &correlation);
    delta.commands.extend(queue.changes());
    match node.store.commit(delta).await {
        Ok(_) => {
            tracing::info!(correlation, device = %dev_id, "session ended: {NO_PACKAGE}");
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
