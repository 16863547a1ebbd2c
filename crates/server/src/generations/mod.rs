//! Generations of a device's secrets (DESIGN §4, D83): what the use of one does to the others, rotations, and the way back of a device that was rolled back.
//! What counts is decided in `omadm_bootstrap::generation`; here it is read from the records and written into deltas.

mod book;
mod delivery;
mod operator;
mod pair;
mod rotate;

pub(crate) use book::Book;
pub(crate) use delivery::{answered, document};
pub(crate) use operator::{accept, revoke, take_back};
pub(crate) use pair::{join, split};
pub(crate) use rotate::{Reason, RotateError, Rotation, SHA256_DIGEST, rotate_into};
