//! DM bootstrap: from an authored profile to document bytes, and from a delivered document to a changed DM tree.
//!
//! The way of a document on the device is `dm20.md` §14.6.1: provenance, policy, parse, plan, preview, apply. [`plan::plan_bootstrap`] is that way up to
//! the [`plan::TreePlan`]; [`plan::apply`] carries a plan out inside one transaction of whatever store there is.

pub mod dm1;
pub mod generation;
pub mod plan;
pub mod profile;

mod access;
mod account;
mod card_bootstrap;
mod card_origin;
mod cause;
mod compare;
mod completion;
mod dm1_account_state;
mod event_data;
mod event_id;
mod fetch_schedule;
mod memory_device;
mod method;
mod package;
mod policy;
mod provenance;
mod push_security;
mod sealed_image;
mod shadow;
mod subscription;
mod time;
mod wap_push;

pub use access::GovernedInstance;
pub use account::{Account, DeviceView, DeviceWrite, ProvidedInstance};
pub use card_bootstrap::{CardBootstrap, NoCardBootstrap};
pub use card_origin::{CardBrought, CardOrigin, FactoryBeneath};
pub use cause::{BootstrapFailureCause, Refusal};
pub use compare::{ComparedValue, Difference, compare, servers_of};
pub use completion::{BootstrapComplete, OwedCompletion, RetrySchedule};
pub use dm1_account_state::Dm1AccountState;
pub use event_data::{EventData, EventDataFault};
pub use event_id::{EventId, EventIdError};
pub use fetch_schedule::FetchSchedule;
pub use memory_device::MemoryDevice;
pub use method::{BootstrapKind, BootstrapMethod, CompletionState, ProfileFormat};
pub use omadm_mo::Fault;
pub use package::{BootstrapPackage, PayloadHash, PayloadHashError};
pub use policy::{BootstrapPolicy, MethodPolicy};
pub use provenance::{BootstrapSource, ChannelSecurity, Provenance};
pub use push_security::{
    AwaitedPin, MAX_DOCUMENT, PinJudged, PushFault, PushJudged, PushKeys, PushProof,
    PushedBootstrap, push_key,
};
pub use sealed_image::{SealedImage, SealedImageError};
pub use shadow::{AccountShadow, SessionSet, ShadowCause};
pub use subscription::{DefaultSource, Subscription};
pub use time::Utc;
pub use wap_push::{PushSigner, SignError, profile_of};
