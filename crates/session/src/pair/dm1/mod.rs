//! Both ends of DM 1.x sessions in one place, under virtual time, with a link that loses, doubles and breaks, and ends that die (`dm1x.md` §6.6).

mod bed;
mod device;
mod opening;
mod server_end;

pub use bed::{Dm1Pair, Dm1SessionEnd};
pub use device::{Dm1Credentials, Dm1Device};
pub use opening::opening;
pub use server_end::Dm1ServerEnd;
