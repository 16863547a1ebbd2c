//! The server's end of a DM session: `advance` takes the stored state and a package, and says what to store and what to answer.

mod advance;
mod caching;
mod dev_info;
pub mod dm1;
pub mod queue;
mod sending;
mod state;
mod step;

pub use advance::advance;
pub use caching::{CacheTarget, KnownInstance, cacheable_target};
pub use sending::{MAX_COMMANDS, MAX_OCTETS};
pub use state::{SentCommand, SessionState, SessionStateError};
pub use step::{
    CommandOutcome, DeviceFacts, MAX_ALERTS, PackageIn, Refusal, Reply, SessionDelta, SessionEvent,
    Step, WantedCommand,
};
