//! The sweep over sessions whose time is over. Any node may run it, several at once too: each session ends in a commit at its device's epoch, so one of
//! them ends it.

use omadm_mo::DevId;
use omadm_session::server::SessionState;

use super::queue::Queue;
use super::{NO_PACKAGE, elsewhere};
use crate::dm1_service::stored_session;
use crate::entropy::correlation;
use crate::model::{DmGeneration, EventKind, ExchangeDelta, SessionChange};
use crate::node::{Node, event};
use crate::store::{CommitError, StoreError};

/// Why a session of DM 1.x whose time is over was aborted (`dm1x.md` §1.5/9).
const NO_MESSAGE: &str = "no message came for an hour";
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
    let (reason, id, ended) = match session.generation {
        DmGeneration::Dm2 => {
            let state = SessionState::from_text(&session.state).ok();
            (NO_PACKAGE, state.map(|state| state.id), false)
        }
        DmGeneration::Dm1 => {
            let state = stored_session(node, dev_id, &session.state);
            // One that ended was kept for repeats alone.
            let ended = state.as_ref().is_some_and(|state| state.ended);
            (NO_MESSAGE, state.map(|state| state.id), ended)
        }
    };
    if !ended {
        let aborted = EventKind::SessionAborted {
            reason: reason.to_owned(),
            session: id,
        };
        delta.events.push(event(aborted, &correlation));
    }
    let elsewhere = elsewhere(node, dev_id, &sessions, session.generation);
    let mut queue = Queue::load(node, &device, &elsewhere).await?;
    queue.lose_all(&mut delta, &correlation);
    delta.commands.extend(queue.changes());
    match node.store.commit(delta).await {
        Ok(_) => {
            tracing::info!(correlation, device = %dev_id, reason, "session ended");
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
