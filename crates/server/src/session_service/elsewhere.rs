use std::collections::BTreeSet;

use omadm_mo::DevId;
use omadm_session::server::SessionState;

use crate::dm1_service::stored_session;
use crate::model::{DmGeneration, SessionRow};
use crate::node::Node;

/// Queued commands that a session of the other generation sent and awaits the outcome of: a session of this one neither sends nor loses them. One whose time
/// is over has them until it is ended.
pub(crate) fn elsewhere(
    node: &Node,
    dev_id: &DevId,
    sessions: &[SessionRow],
    own: DmGeneration,
) -> BTreeSet<String> {
    let others = sessions.iter().filter(|row| row.generation != own);
    others.flat_map(|row| commands(node, dev_id, row)).collect()
}

fn commands(node: &Node, dev_id: &DevId, row: &SessionRow) -> Vec<String> {
    match row.generation {
        DmGeneration::Dm2 => {
            let sent = SessionState::from_text(&row.state).map(|state| state.sent);
            let ids = sent.unwrap_or_default().into_iter().map(|sent| sent.id);
            ids.flatten().collect()
        }
        DmGeneration::Dm1 => {
            let state = stored_session(node, dev_id, &row.state).filter(|state| !state.ended);
            state.map_or_else(Vec::new, |state| {
                state.open_commands().map(str::to_owned).collect()
            })
        }
    }
}
