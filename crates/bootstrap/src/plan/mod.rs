//! From a delivered document to a changed DM tree: plan, preview, apply.

mod account_item;
mod acknowledgement;
mod apply;
mod bootstrap;
mod delivery;
pub mod dm1;
mod document;
mod node_changes;
mod placement;
mod planned_device;
mod preview;
mod shadow;
mod switch_on;
mod tree_plan;

pub use acknowledgement::{plan_acknowledgement, plan_proof};
pub use apply::{ApplyError, apply};
pub use bootstrap::{BootstrapPlan, Planned, plan_bootstrap};
pub use delivery::{CredentialCheck, Delivery};
pub use document::{SkippedItem, SkippedReason};
pub use placement::{Placement, PlacementError, merge_permanent, new_miid};
pub use planned_device::PlannedDevice;
pub use preview::{Preview, PreviewAction, PreviewLine, preview};
pub use shadow::plan_shadows;
pub use switch_on::{
    AccountFate, AccountFinding, EntryFinding, EntryOutcome, ReaderFinding, ReaderState, SwitchOn,
    SwitchOnDecision, SwitchOnOccasion, plan_switch_on,
};
pub use tree_plan::{PlanStep, PropertiesChange, RightsChange, ShadowChange, TreePlan};
