use omadm_mo::standard::dm_acc::names;
use omadm_mo::{Node, NodeKind, SrvId, TreeError, TreeVersion, Value};

use super::{PlanStep, ShadowChange, TreePlan};
use crate::{CompletionState, DeviceView, EventId};

/// Plans what a server's 2xx to its Package#1 settles (D60): nothing is owed for this event any more, and `Ext/Bootstrap/State` says `acked`. None where
/// this completion is not owed: the answer to an older event does not settle a newer bootstrap.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn plan_acknowledgement(
    view: &dyn DeviceView,
    server: &SrvId,
    event_id: &EventId,
) -> Result<Option<TreePlan>, TreeError> {
    let account = view.account(server)?;
    let owed = account.filter(|a| a.owed.is_some() && a.provenance.event_id == *event_id);
    let Some(mut account) = owed else {
        return Ok(None);
    };
    account.owed = None;
    let mut plan = TreePlan::at(view.version());
    let root = account.address();
    let values = root.with_path(names::bootstrap_type());
    if view.kind(&values)? == Some(NodeKind::Interior) {
        let state = names::path(&[names::EXT, names::BOOTSTRAP, names::STATE]);
        let acked = Node::Leaf(Value::chr(CompletionState::Acked.node_value()));
        plan.steps.push(PlanStep::Replace {
            at: root.with_path(state),
            node: acked,
        });
    }
    plan.accounts.push(account);
    Ok(Some(plan))
}

/// Plans all that a server's 2xx to its Package#1 settles: the completion of this event, where the package reported one, and the shadow of the account, where
/// the session was opened with the set that followed it (D82). None where there is nothing to settle.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn plan_proof(
    view: &dyn DeviceView,
    server: &SrvId,
    event_id: Option<&EventId>,
    shadow_since: Option<TreeVersion>,
) -> Result<Option<TreePlan>, TreeError> {
    let acknowledged = match event_id {
        Some(event_id) => plan_acknowledgement(view, server, event_id)?,
        None => None,
    };
    let mut plan = acknowledged.unwrap_or_else(|| TreePlan::at(view.version()));
    let kept = view.shadow(server)?.map(|shadow| shadow.since);
    if kept.is_some() && kept == shadow_since {
        plan.shadows.push(ShadowChange {
            srv_id: server.clone(),
            shadow: None,
        });
    }
    Ok((!plan.is_empty()).then_some(plan))
}
