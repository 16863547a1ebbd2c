use omadm_mo::standard::dm_acc;
use omadm_mo::{Node, NodeAddress, TreeError};

use super::{PlanStep, ShadowChange, TreePlan};
use crate::{Account, AccountShadow, DeviceView, SessionSet, ShadowCause};

/// Adds to a plan what becomes of the shadow of each account whose session set the plan changes (D82): the former set is kept. One that is kept already was
/// the last one in use, and stays; a plan that brings it back ends it.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn plan_shadows(
    view: &dyn DeviceView,
    plan: &mut TreePlan,
    by: ShadowCause,
) -> Result<(), TreeError> {
    let touches_accounts = |step: &PlanStep| step.address().moid == dm_acc::moid();
    if !plan.steps.iter().any(touches_accounts) {
        return Ok(());
    }
    // Those of DM 1.x keep theirs beside the account (M25).
    for account in view.accounts()?.into_iter().filter(|one| !one.is_dm1()) {
        let Some((before, after)) = sets(view, plan, &account)? else {
            continue;
        };
        if after.as_ref() == Some(&before) {
            continue;
        }
        let kept = view.shadow(&account.srv_id)?;
        let set = kept.map_or(before, |kept| kept.set);
        let shadow = (after.as_ref() != Some(&set)).then_some(AccountShadow {
            set,
            since: plan.expected,
            by,
            refusals: 0,
        });
        plan.shadows.push(ShadowChange {
            srv_id: account.srv_id,
            shadow,
        });
    }
    Ok(())
}

/// An account's set now, and after the plan.
fn sets(
    view: &dyn DeviceView,
    plan: &TreePlan,
    account: &Account,
) -> Result<Option<(SessionSet, Option<SessionSet>)>, TreeError> {
    let root = NodeAddress::root(dm_acc::moid(), account.miid.clone());
    let own = |step: &&PlanStep| {
        let at = step.address();
        at.moid == root.moid && at.miid == root.miid
    };
    if !plan.steps.iter().any(|step| own(&step)) {
        return Ok(None);
    }
    let Some(mut node) = view.subtree(&root)? else {
        return Ok(None);
    };
    let Some(before) = SessionSet::of(&node) else {
        return Ok(None);
    };
    for step in plan.steps.iter().filter(own) {
        match step {
            PlanStep::Add { root, .. } => node = root.clone(),
            PlanStep::Replace { at, node: new } if at.path.is_root() => node = new.clone(),
            PlanStep::Replace { at, node: new } => {
                node.put(&at.path, new.clone());
            }
            PlanStep::Remove { at } if at.path.is_root() => node = Node::empty(),
            PlanStep::Remove { at } => {
                node.remove(&at.path);
            }
            PlanStep::Rename { at, name } => {
                if let Some((parent, _)) = at.path.split_last()
                    && let Some(renamed) = node.remove(&at.path)
                {
                    node.put(&parent.child(name.clone()), renamed);
                }
            }
        }
    }
    Ok(Some((before, SessionSet::of(&node))))
}
