//! Whole bootstraps measured against their floor, in one run on one machine (DESIGN §9).
//!
//! Arms take turns. A *floor* makes the TLS connection of a bootstrap, three empty HTTP exchanges on it and two durable commits of the bytes
//! that a bootstrap commits, and nothing else. The other arms bootstrap: document fetched, planned and applied, DM session with BootstrapComplete,
//! DevInfo read, END, against [`omadm_server::DmServer`]. All use the same certificates, the same runtimes and the same HTTP client.
//!
//! The first floor commits to a file and is what every back end is measured against, so that their ratios can be compared with each other. The second
//! commits to PostgreSQL, one INSERT of as many bytes through as many connections as a node has: what the second ratio adds to 1 is ours, what the
//! first has on top is what another process and its network protocol cost. Commits are the same, two in each bootstrap, of the same bytes.
//!
//! PostgreSQL is another process: its CPU is told apart from that of both ends, and stands in the line "everything" together with theirs.
//!
//! With two nodes a device connects to one of them, the next to the other; a bootstrap stays one connection with three exchanges.
//!
//! The client is the DM session machine over a tree in memory, not the DM Client's store: what is measured is the protocol at both
//! ends and the server's durability, not the fsync of a device's flash.

mod bed;
mod commit_octets;
mod cpu;
mod device;
mod floor;
pub mod idle_client;
mod postgres;
mod registrar;
mod report;
mod run;
mod sample;
pub mod sessions;
mod stand;
mod stored;
pub mod tree;
pub mod wbxml;
mod wire;

pub use bed::{Bed, Setup};
pub use commit_octets::CommitOctets;
pub use report::{Report, write_csv};
pub use run::{Plan, Round, run};
pub use sample::{Arm, Sample};

/// What stopped a benchmark. It ends at the first thing that goes wrong, and nobody but its reader tells one from another.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;

/// What a peer or a store did that no bootstrap of a benchmark should meet.
#[derive(Debug, thiserror::Error)]
pub enum Unexpected {
    /// An answer had another status.
    #[error("exchange {exchange} was answered with HTTP status {status}: {body}")]
    Status {
        /// Counted from 1 on its connection.
        exchange: u32,
        /// The status.
        status: u16,
        /// The body as text.
        body: String,
    },
    /// The document was not applied.
    #[error("the document was not applied: {0}")]
    NotApplied(String),
    /// The session ended otherwise than by END.
    #[error("the session ended with {0}")]
    Session(String),
    /// The completion is still owed.
    #[error("the completion is still owed after the session")]
    StillOwed,
    /// A connection was resumed where a cold handshake is to be measured.
    #[error("the TLS session was resumed")]
    Resumed,
    /// The server issued no certificate for a device.
    #[error("the server issued no certificate")]
    NoCertificate,
    /// The state directory was in use before.
    #[error("the state directory is not a fresh one")]
    NotFresh,
    /// The bed was not set up with what a plan asks for.
    #[error("the bed has no such arm")]
    NoSuchArm,
    /// A server in a process of its own did not start, or ended by itself.
    #[error("the server's process ended")]
    ServerEnded,
    /// A client in a process of its own did not start, or ended by itself.
    #[error("the client's process ended")]
    ClientEnded,
    /// The system tells nothing of a process's memory.
    #[error("the system does not tell the anonymous memory of a process (Linux does)")]
    MemoryUnknown,
    /// The writer of the floor is gone.
    #[error("the floor's writer ended")]
    WriterGone,
}
