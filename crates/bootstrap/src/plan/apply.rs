use omadm_mo::{NodeAddress, TreeError, TreeVersion};

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
                device.put(&NodeAddress::root(moid.clone(), miid.clone()), root)?;
                device.set_creator(moid, miid, creator.as_ref())?;
            }
            PlanStep::Replace { at, node } => device.put(at, node)?,
            PlanStep::Remove { at } => device.remove(at)?,
        }
    }
    for account in &plan.accounts {
        device.put_account(account)?;
    }
    for srv_id in &plan.removed_accounts {
        device.remove_account(srv_id)?;
    }
    Ok(())
}
