//! The conformance kit: drives any DM Server or DM Client through the items of the static conformance tables and the obligations of bootstrap, and reports.
//!
//! The kit needs nothing of its peer but what the protocol gives it. What the peer has to do of its own accord, a hook asks for. A check of what the
//! reachable text of the standard leaves open has the number of omadm's decision for its level; a peer that decided otherwise *differs*, it does not fail.

pub mod client;
pub mod item;
pub mod peer;
pub mod reach;
pub mod report;
pub mod server;

mod check;
mod hello;
mod hook;
mod http_end;
mod transcript;
mod verdict;
mod wire;

pub use check::Check;
pub use hook::{Hook, HookCall};
pub use transcript::Exchange;
pub use verdict::{Judged, Level, Verdict};
