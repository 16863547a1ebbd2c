//! The main job, end to end in one process: a DM Server and DM Clients over mutual TLS on loopback, a bootstrap by each method, their DM sessions; of
//! DM 2.0, or of DM 1.x.

mod demo_error;
mod demo_row;
mod device;
mod dm1;
mod event_log;
mod measured;
mod nodes;
mod options;
mod scenario;
mod stage;
mod timeline;

pub use demo_error::DemoError;
pub use demo_row::{DemoRow, DemoSecrets, DemoStep};
pub use options::{DemoGeneration, DemoMethod, DemoOptions, DemoProfile, DemoStore};
pub use scenario::{Demo, Kept};
pub use timeline::{Line, Timeline, Who};
