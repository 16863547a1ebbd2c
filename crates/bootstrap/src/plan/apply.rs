use omadm_mo::standard::{dm_acc, dm_acc1};
use omadm_mo::{AccessList, NodeAddress, SrvId, TreeError, TreeVersion};

use super::node_changes::NodeChanges;
use super::{PlanStep, TreePlan};
use crate::DeviceWrite;

/// Why a plan was not carried out. Nothing may be committed then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The tree changed since the plan was made; plan again.
    #[error("the plan was made for version {} of the tree, which is at {}", expected.0, found.0)]
    Stale {
        /// The plan's version.
        expected: TreeVersion,
        /// The tree's.
        found: TreeVersion,
    },
    /// The storage failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Carries a plan out inside the caller's transaction. On an error the caller has to drop the transaction.
///
/// # Errors
/// [`ApplyError`] where the plan is stale or the storage fails.
pub fn apply(plan: &TreePlan, device: &mut dyn DeviceWrite) -> Result<(), ApplyError> {
    let found = device.version();
    if found != plan.expected {
        return Err(ApplyError::Stale {
            expected: plan.expected,
            found,
        });
    }
    let changes = NodeChanges::of(plan, device)?;
    for srv_id in &plan.removed_accounts {
        device.remove_account(srv_id)?;
        changes.forget_server(device, srv_id)?;
    }
    for step in &plan.steps {
        match step {
            PlanStep::Add {
                moid,
                miid,
                root,
                creator,
            } => {
                if let Ok(counted) = miid.as_str().parse() {
                    device.count_miids(moid, counted)?;
                }
                let at = NodeAddress::root(moid.clone(), miid.clone());
                changes.put(device, &at, root)?;
                device.put(&at, root)?;
                device.set_creator(moid, miid, creator.as_ref())?;
                let is_account = *moid == dm_acc::moid() || *moid == dm_acc1::moid();
                let given = creator.as_ref().filter(|_| !is_account);
                let access = given.map_or_else(AccessList::none, AccessList::of_creator);
                device.set_access(moid, miid, &access)?;
            }
            PlanStep::Replace { at, node } => {
                changes.put(device, at, node)?;
                device.put(at, node)?;
            }
            PlanStep::Remove { at } => {
                changes.remove(device, at)?;
                device.remove(at)?;
            }
            PlanStep::Rename { at, name } => changes.rename(device, at, name)?,
        }
    }
    for change in &plan.properties {
        let mut properties = device.properties(&change.at)?;
        properties.acl.clone_from(&change.acl);
        properties.title.clone_from(&change.title);
        if change.live || device.kind(&change.at)?.is_some() {
            device.set_properties(&change.at, &properties)?;
        }
    }
    for change in &plan.rights {
        device.set_access(&change.moid, &change.miid, &change.access)?;
    }
    for account in &plan.accounts {
        device.put_account(account)?;
    }
    let stands = |srv_id: &SrvId| {
        let new = plan.accounts.iter().any(|one| one.srv_id == *srv_id);
        new || !plan.removed_accounts.contains(srv_id)
    };
    for change in plan.shadows.iter().filter(|one| stands(&one.srv_id)) {
        device.set_shadow(&change.srv_id, change.shadow.as_ref())?;
    }
    Ok(())
}
