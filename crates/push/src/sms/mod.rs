//! A datagram in SMS user data (`push.md` §3): application ports, concatenation, and what is done with the parts at either end.

mod join;
mod reassembler;
mod segment;
mod user_data;

pub use join::{JoinError, join};
pub use reassembler::{Dropped, Reassembler, ReassemblyLimits, Taken};
pub use segment::{PARTS, SegmentError, segment};
pub use user_data::{Part, UserData, UserDataError};

/// Octets of the user data of one SMS, its header included.
pub const USER_DATA_OCTETS: usize = 140;

/// 16-bit application ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ports {
    /// Whom it is for.
    pub destination: u16,
    /// Whom it is from; receivers ignore it.
    pub source: u16,
}

impl Ports {
    /// Those of a connectionless push.
    pub const PUSH: Self = Self {
        destination: crate::PUSH_PORT,
        source: crate::SOURCE_PORT,
    };
}

/// What ties the parts of one message together. Not to be used again for a destination within the validity period.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reference {
    /// 8 bits: one octet more for the payload.
    Octet(u8),
    /// 16 bits.
    Word(u16),
}
