//! The policy file of a DM Client (`dm20.md` §14.8, D61): which bootstraps it accepts, from whom, and whom it trusts. Closed by default: no source, no anchor.

mod asked_program;
mod card_policy;
mod client_policy;
mod dm1_policy;
mod http_login_file;
mod notification_files;
mod policy_error;
mod policy_file;
mod policy_files;
mod psk_file;
mod smpp_files;

#[cfg(test)]
mod tests;

pub use asked_program::AskedProgram;
pub use card_policy::{CardPolicy, CardReaderName};
pub use client_policy::{
    ClientPolicy, ConfiguredSource, ListenAddresses, LocalTrust, NetworkPolicy, ReportTimes,
    ShowCommand, SourceTrust,
};
pub use dm1_policy::Dm1Policy;
pub use http_login_file::HttpLoginFile;
pub use notification_files::NotificationFiles;
pub use policy_error::{PolicyError, PolicyFault};
pub use policy_files::PolicyFileError;
pub(crate) use policy_files::certificates;
pub use psk_file::PskFile;
pub use smpp_files::SmppFiles;
