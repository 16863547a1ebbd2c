//! The bootstrap profile: what an operator writes once, and every carrier's bytes are built from (DESIGN §4).
//!
//! A profile is TOML; [`BootstrapProfile::read`] refuses keys it does not know with their place. What differs from device to device stands as
//! `{dev_id}` and `{server}` in texts, or as a credential that is to be issued: [`BootstrapProfile::needs`] lists what the caller has to bring.

mod build;
mod build_error;
mod dm1;
mod mo_data;
mod model;
mod placeholder;
mod read;
mod template;
mod validate;

pub use build::{HttpLogin, IssuedCredential, NotificationSecret, ProfileInputs};
pub use build_error::BuildError;
pub use dm1::{
    CharacteristicProfile, CpVersion, Dm1Auth, Dm1BuildError, Dm1Credentials, Dm1Package,
    Dm1Profile,
};
pub use mo_data::MoDataProblem;
pub use model::{
    AccountProfile, BootstrapProfile, BootstrapServerProfile, CredentialKind, CredentialSlot,
    HttpProfile, MoProfile, Need, NotiProfile, PushProfile, TrspProfile,
};
pub use read::ProfileError;
pub use template::{Template, template};
pub use validate::{Finding, Severity, size_limit, validate};

#[cfg(test)]
mod tests;
