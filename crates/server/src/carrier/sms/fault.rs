use std::time::Duration;

use omadm_push::sms::SegmentError;
use omadm_smpp::{MessageFate, Status};

/// Why a push did not reach a device by SMS.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SmsFault {
    /// There is no link to the SMSC.
    #[error("{why}")]
    NoLink {
        /// What the link says.
        why: String,
        /// Whether the SMSC or the trust in it says no.
        refused: bool,
    },
    /// The SMSC refused a part.
    #[error("it refused SMS {part} of {of}: {status}")]
    Refused {
        /// Which one, from 1.
        part: usize,
        /// Of how many.
        of: usize,
        /// What it said.
        status: Status,
    },
    /// The SMSC takes no more for now.
    #[error("it took not all of it within {} s: {status}", after.as_secs())]
    Throttled {
        /// What it said.
        status: Status,
        /// How long it was tried.
        after: Duration,
    },
    /// The SMSC did not answer.
    #[error("it did not say within {} s whether it takes it; it may arrive all the same", after.as_secs())]
    Unanswered {
        /// How long it was waited for.
        after: Duration,
    },
    /// It does not fit.
    #[error("it is too long: {0}")]
    TooLong(SegmentError),
    /// A receipt says that a part did not arrive.
    #[error("SMS {part} of {of} {}", fate.words())]
    Undelivered {
        /// Which one, from 1.
        part: usize,
        /// Of how many.
        of: usize,
        /// What became of it.
        fate: MessageFate,
    },
    /// This server is ending.
    #[error("this server is ending")]
    Ending,
}

impl SmsFault {
    /// Whether another try of the same message comes to the same (`push.md` §8).
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::TooLong(_) => true,
            Self::Refused { status, .. } => matches!(status.0, 0x0B | 0x45),
            Self::NoLink { .. }
            | Self::Throttled { .. }
            | Self::Unanswered { .. }
            | Self::Undelivered { .. }
            | Self::Ending => false,
        }
    }

    /// What an operator can do about it.
    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::NoLink { refused: true, .. } => {
                "Check system_id, password and tls in the file of --smpp against what the SMSC has for this server."
            }
            Self::NoLink { refused: false, .. } => {
                "Check host, port and tls in the file of --smpp, and whether the SMSC runs; the server goes on trying."
            }
            Self::Refused { status, .. } => match status.0 {
                0x0B => "Check the number: the SMSC has no route to it.",
                0x0A | 0x48 => {
                    "Check `source` in the file of --smpp: the SMSC does not let this server send from it."
                }
                _ => "Ask the SMSC's operator what this status means there, then send it again.",
            },
            Self::Throttled { .. } => {
                "Send it again later, or have the SMSC's operator raise this server's rate."
            }
            Self::Unanswered { .. } => {
                "Look at the device's events whether it answered before it is sent again."
            }
            Self::TooLong(_) => {
                "Shorten the SrvID of the account, or raise `parts` in the file of --smpp."
            }
            Self::Undelivered { .. } => {
                "Check the number and whether the device is in reach, then send it again."
            }
            Self::Ending => "Send it again once the server runs.",
        }
    }
}
