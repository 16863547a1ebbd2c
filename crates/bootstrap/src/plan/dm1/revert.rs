use omadm_mo::standard::DmAcc1;
use omadm_mo::standard::dm_acc::names;
use omadm_mo::{Node, SrvId, TreeError, TreeView, Value};

use crate::plan::{PlanStep, TreePlan};
use crate::{Account, BootstrapKind, CompletionState, DeviceView, EventId, OwedCompletion, Utc};

/// The account as it was before its last bootstrap, to open one session with (M25); none where nothing is kept.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn former_account(view: &dyn TreeView, account: &Account) -> Result<Option<DmAcc1>, TreeError> {
    let Some(shadow) = &account.dm1.shadow else {
        return Ok(None);
    };
    let node = view.subtree(&account.address())?;
    Ok(node.and_then(|node| DmAcc1::from_node(&shadow.put_into(&node)).ok()))
}

/// A session with the set of the last bootstrap was mutually authenticated: what it replaced is forgotten (§5.8/3). None where nothing is kept.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn plan_proof(view: &dyn DeviceView, srv_id: &SrvId) -> Result<Option<TreePlan>, TreeError> {
    let kept = |account: &Account| account.dm1.shadow.is_some();
    let Some(mut account) = view.account(srv_id)?.filter(kept) else {
        return Ok(None);
    };
    account.dm1.shadow = None;
    account.dm1.exhausted = 0;
    let mut plan = TreePlan::at(view.version());
    plan.accounts.push(account);
    Ok(Some(plan))
}

/// A session with the former set succeeded after the new one was refused: the former is restored, the new one dropped, and the event that tells so is owed
/// (M25). None where nothing is kept.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn plan_revert(
    view: &dyn DeviceView,
    srv_id: &SrvId,
    event_id: EventId,
    at: Option<Utc>,
) -> Result<Option<TreePlan>, TreeError> {
    let Some(account) = view.account(srv_id)? else {
        return Ok(None);
    };
    let root = account.address();
    let node = view.subtree(&root)?.unwrap_or_else(Node::empty);
    let Some((account, node)) = reverted_account(&account, &node, event_id) else {
        return Ok(None);
    };
    let mut plan = TreePlan::at(view.version());
    plan.time = at;
    plan.steps.push(PlanStep::Replace { at: root, node });
    plan.accounts.push(account);
    Ok(Some(plan))
}

/// An account and its instance as they are once its former set is restored, the event owed under this name; none where nothing is kept (M25).
#[must_use]
pub fn reverted_account(
    account: &Account,
    node: &Node,
    event_id: EventId,
) -> Option<(Account, Node)> {
    let mut account = account.clone();
    let mut node = account.dm1.shadow.take()?.put_into(node);
    account.provenance.kind = BootstrapKind::Re;
    account.provenance.event_id = event_id;
    account.dm1.reverted = true;
    account.dm1.exhausted = 0;
    account.dm1.previous_server_nonce = None;
    account.dm1.last_type = None;
    account.dm1.broken_with_event = 0;
    account.owed = Some(OwedCompletion::fresh());
    for (name, value) in [
        (names::KIND, BootstrapKind::Re.node_value()),
        (names::EVENT_ID, account.provenance.event_id.as_str()),
        (names::STATE, CompletionState::Reverted.node_value()),
    ] {
        let path = names::bootstrap_type();
        let path = names::path(&[name])
            .names()
            .iter()
            .fold(path, |path, name| path.child(name.clone()));
        node.put(&path, Value::chr(value).into());
    }
    Some((account, node))
}
