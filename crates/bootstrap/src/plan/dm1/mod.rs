//! What a device does with a bootstrap of DM 1.x (`dm1x.md` §5.7, §5.8, M23 to M25). One document is one plan.

mod bootstrap;
mod delivery;
mod revert;

pub(super) use bootstrap::plan_part;
pub use bootstrap::{plan_bootstrap, plan_either};
pub use delivery::{Dm1Delivery, Dm1Rules};
pub use revert::{former_account, plan_proof, plan_revert, reverted_account};
