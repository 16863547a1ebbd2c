//! The binary `omadm` as a user runs it: real processes, started, watched, signalled, never left behind.

mod binary;
mod card;
mod desk;
mod device;
mod running;
mod server;
mod wanted;

pub(crate) use binary::NO_SERVICE;
pub use binary::{Ended, Omadm, binary, omadm};
pub use card::Card;
pub use desk::Desk;
pub use device::Device;
pub use running::{Running, Signal};
pub use server::Server;
pub use wanted::Wanted;

use std::path::PathBuf;
use std::time::Duration;

/// Longest that a command of the suites may take: a hundred times what it needs on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A file of the repository's `profiles/`.
#[must_use]
pub fn profiles(name: &str) -> PathBuf {
    crate::house::root().join("profiles").join(name)
}

/// The DDF of the further management object of the full profile.
#[must_use]
pub fn reporting_ddf() -> PathBuf {
    profiles("ddf/reporting-1.0.ddf")
}
