//! The end of a session whose time is over, as it is told: which session, and the server's own commands that got no status in it. Of queued ones the queue tells.

use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use omadm_session::server::{SentCommand, SessionState};

use crate::dm1_service::{own_outcome, stored_session};
use crate::model::{DmGeneration, EventKind, SessionRow};
use crate::node::Node;

/// Why such a session was aborted (D02).
const NO_PACKAGE: &str = "no package came for 15 minutes";
/// Why one of DM 1.x was (`dm1x.md` §1.5/9).
const NO_MESSAGE: &str = "no message came for an hour";

/// Why one of DM 1.x was that nobody can read.
const UNREADABLE: &str = "the stored session cannot be read";

/// What is told of this session, which got nothing in time, or was stored by another version of this program. Nothing of one that ended, and was kept for
/// repeats alone.
pub(crate) fn over(node: &Node, dev_id: &DevId, row: &SessionRow, now: Utc) -> Vec<EventKind> {
    let aborted = |reason: &str, session| EventKind::SessionAborted {
        reason: reason.to_owned(),
        session,
    };
    match row.generation {
        DmGeneration::Dm2 => match SessionState::from_text(&row.state) {
            Ok(state) => {
                let aborted = aborted(NO_PACKAGE, Some(state.id.clone()));
                let own = unanswered(&state.sent, &state.id, state.waited_ms(now));
                std::iter::once(aborted).chain(own).collect()
            }
            Err(error) if row.expires_at > now => vec![aborted(&error.to_string(), None)],
            Err(_) => vec![aborted(NO_PACKAGE, None)],
        },
        DmGeneration::Dm1 => match stored_session(node, dev_id, &row.state) {
            Some(state) if state.ended => Vec::new(),
            Some(state) => {
                let aborted = aborted(NO_MESSAGE, Some(state.id.clone()));
                let own = state.own_outcomes(now).map(|own| own_outcome(&own));
                std::iter::once(aborted).chain(own).collect()
            }
            None if row.expires_at > now => vec![aborted(UNREADABLE, None)],
            None => vec![aborted(NO_MESSAGE, None)],
        },
    }
}

/// The server's own commands among those of a session that is over.
pub(super) fn unanswered(
    sent: &[SentCommand],
    session: &str,
    duration_ms: u64,
) -> impl Iterator<Item = EventKind> {
    let own = sent.iter().filter(|sent| sent.id.is_none());
    own.map(move |sent| EventKind::CommandUnanswered {
        command: sent.words.first().cloned().unwrap_or_default(),
        uri: sent.words.get(1).cloned(),
        duration_ms: Some(duration_ms),
        id: None,
        session: Some(session.to_owned()),
    })
}
