//! The main job, end to end in one process: a DM Server and a DM Client over mutual TLS on loopback, one bootstrap, one DM session.

mod device;
mod nodes;
mod scenario;
mod timeline;

pub use scenario::{Demo, DemoError, DemoOptions, DemoProfile, DemoStore, Kept};
pub use timeline::{Line, Timeline, Who};

use serde::Serialize;

/// What one bootstrap came to: a row of the summary, a line of `--json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BootstrapRow {
    /// `factory`, `smartcard`, `client-initiated` or `server-initiated`.
    pub method: String,
    /// DevID.
    pub device: String,
    /// SrvID of the account it brought.
    pub account: String,
    /// State of the server's durable record.
    pub state: String,
    /// Whether the client still owes its completion.
    pub owed: bool,
    /// From the fetch to the end of the DM session.
    pub duration_ms: u64,
    /// HTTP exchanges of the device.
    pub exchanges: u64,
    /// TLS connections of the device.
    pub connections: u64,
    /// Durable commits of the server.
    pub commits: u64,
}

impl BootstrapRow {
    /// Whether the server's record says `completed` and the client owes nothing any more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == "completed" && !self.owed
    }
}
