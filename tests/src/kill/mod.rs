//! Kill tests: a DM Client or DM Server in a process of its own halts at a chosen step, and its parent ends it there by SIGKILL. Nothing of it unwinds, and
//! nothing is in the product for it: the steps are the calls of its observers, of its clock and of its store.

mod bootstrap;
mod client_process;
mod completion;
mod counted_store;
mod device;
mod device_state;
mod dm1;
mod instants;
mod nodes;
mod registry;
mod rotation;
mod server;
mod server_process;
mod site;
mod step;
mod victim;
mod walk;
mod work;

pub use bootstrap::{Bootstrap, Case};
pub use client_process::run as run_client;
pub use device::{Device, finish, finish_with_card, finish_with_push};
pub use device_state::DeviceState;
pub use dm1::{Dm1Case, Dm1Speech, Dm1Work};
pub use instants::Instants;
pub use nodes::{First, Nodes};
pub use rotation::{Rotation, finish_with_sessions};
pub use server::Server;
pub use server_process::run as run_server;
pub use site::{Site, wanted_site};
pub use step::Steps;
pub use victim::{Told, Victim};
pub use walk::{Disturbed, Halt, Killed};
pub use work::Work;

use std::time::Duration;

/// What ends a harness that cannot go on.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Longest that one bootstrap with its session may take, a restart of its server included.
pub const PATIENCE: Duration = Duration::from_secs(60);
