//! The server's end of a DM session: `advance` takes the stored state and a package, and says what to store and what to answer.

mod advance;
mod dev_info;
mod state;
mod step;

pub use advance::advance;
pub use state::{SentCommand, SessionState, SessionStateError};
pub use step::{
    CommandOutcome, DeviceFacts, PackageIn, Refusal, Reply, SessionDelta, SessionEvent, Step,
};
