//! Suites over the whole workspace; they live in `tests/`. What they check with, and can be checked itself, is here.

pub mod capture;
pub mod conformance;
pub mod guide;
pub mod house;
pub mod kill;
pub mod process;
pub mod smsc;
pub use omadm_lab::soak;
