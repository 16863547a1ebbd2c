//! Both ends of a DM session in one value: a device in memory, the server's reducer with what it made durable, a lossy link and virtual time.
//!
//! For tests and for the simulator. A [`FaultPlan`] says what goes wrong and when; it is a value, so a failing run is repeated by printing it.

mod acme;
mod bed;
mod device_end;
pub mod dm1;
mod fault;
mod fixed_object;
mod link;
mod secret_ring;
mod seed;
mod server_end;

pub use acme::acme;
pub use bed::{Delivered, Pair, Settled, Violation};
pub use device_end::{DeviceEnd, Repository, Upload};
pub use fault::{Fault, FaultPlan, Moment};
pub use fixed_object::FixedObject;
pub use secret_ring::SecretRing;
pub use seed::Seed;
pub use server_end::{QueuedCommand, ServerEnd};
