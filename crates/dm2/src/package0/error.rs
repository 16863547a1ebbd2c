use super::{OptionName, ServerIdError};

/// Octets that are no Notification; it is discarded without an answer (`dm20.md` §11.3). Its sender is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("octet {at}: {problem}")]
pub struct Package0Error {
    /// Offset of the octet from which on it is wrong; the first is 0.
    pub at: usize,
    /// What is wrong there.
    pub problem: Package0Problem,
}

/// The ways octets can fail to be a Notification.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Package0Problem {
    /// Ends inside the header.
    #[error("the header has 2 octets (§11.2), here {0}")]
    Header(usize),
    /// A version that is not accepted.
    #[error("VER {0} is not accepted (§11.2, D35)")]
    Version(u8),
    /// Ends before the last option that OC announces.
    #[error("OC says {said} options, {found} are there (§11.2, D37)")]
    OptionCount {
        /// OC.
        said: u8,
        /// How many were read.
        found: u8,
    },
    /// Ends inside an option.
    #[error("option {number} needs {needs} more octets, {has} are there (§11.2, D36)")]
    Truncated {
        /// The option's number.
        number: u16,
        /// Octets that it announces from here on.
        needs: usize,
        /// Octets that are left.
        has: usize,
    },
    /// An option that was there already.
    #[error("option {0} occurs twice (§11.3, D37)")]
    Repeated(u16),
    /// Octets behind the last option.
    #[error("octets left behind the last option that OC announces: {0} (§11.2, D37)")]
    Trailing(usize),
    /// A value of a length that its option does not have.
    #[error("{option} has {expected} octets (§11.3), here {found}")]
    Length {
        /// The option.
        option: OptionName,
        /// Which lengths it has.
        expected: &'static str,
        /// The value's length.
        found: usize,
    },
    /// No SERVER-ID that an account or a bootstrap source could have.
    #[error("SERVER-ID (§11.3): {0}")]
    ServerId(#[from] ServerIdError),
    /// SERVER-ID is not there.
    #[error("SERVER-ID is missing (§11.3, D37)")]
    NoServerId,
}
