//! Package 0 of DM 1.x, the notification that asks a device for a session (§7, `push.md` §5.4).

use subtle::ConstantTimeEq as _;

use crate::credential::{Nonce, UserHash};

/// The media type.
pub const MEDIA_TYPE: &str = "application/vnd.syncml.notification";
/// The version we send: 1.1, which the text for DM 1.2 demands.
pub const VERSION: u16 = 11;
/// The versions we read, in tenths.
pub const VERSIONS_READ: std::ops::RangeInclusive<u16> = 10..=13;

const DIGEST: usize = 16;
/// Version, ui-mode, initiator, future use, session id and the length of the server identifier.
const FIXED: usize = 8;

/// What a Package 0 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// In tenths.
    pub version: u16,
    /// How much of the session the user is to see.
    pub ui_mode: UiMode,
    /// Who wanted it.
    pub initiator: Initiator,
    /// 1 to 65535; `SessionID` of the session it causes.
    pub session_id: u16,
    /// The account's `ServerID`, at most 255 octets.
    pub server_id: String,
    /// What a vendor adds.
    pub vendor: Vec<u8>,
}

/// `ui-mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UiMode {
    /// Not specified.
    Unspecified,
    /// The user need not notice.
    Background,
    /// The user is told.
    Informative,
    /// The user is asked.
    UserInteraction,
}

impl UiMode {
    const ALL: [Self; 4] = [
        Self::Unspecified,
        Self::Background,
        Self::Informative,
        Self::UserInteraction,
    ];

    /// As people write it: `unspecified`, `background`, `informative` or `interactive`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Background => "background",
            Self::Informative => "informative",
            Self::UserInteraction => "interactive",
        }
    }

    /// Reads [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// `initiator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// The user or the device.
    Client,
    /// The server.
    Server,
}

/// A Package 0 as it came; nothing in it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedTrigger<'a> {
    trigger: Trigger,
    digest: &'a [u8],
    digested: &'a [u8],
}

/// Octets that are no Package 0; they are dropped without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggerFault {
    /// Shorter than its fixed part or its server identifier.
    #[error("a Package 0 has at least {} octets and a server identifier of the length it tells", DIGEST + FIXED)]
    TooShort,
    /// A version other than 1.0 to 1.3.
    #[error("version {0} (in tenths); 10 to 13 are read")]
    Version(u16),
    /// Session id 0.
    #[error("session id 0")]
    NoSession,
    /// A server identifier that is empty or no UTF-8.
    #[error("the server identifier is empty or not UTF-8")]
    ServerId,
}

impl Trigger {
    /// The octets, signed with the server's credential: the user is the server identifier, the password the secret of `SRVCRED`.
    ///
    /// # Errors
    ///
    /// [`TriggerFault`] of a value that cannot be sent.
    pub fn encode(&self, key: &UserHash, nonce: &[u8]) -> Result<Vec<u8>, TriggerFault> {
        let trigger = self.digested()?;
        Ok([&key.digest_with(nonce, &trigger)[..], &trigger].concat())
    }

    /// `SessionID` of the session (§1.2): hexadecimal, upper case, without leading zeros.
    #[must_use]
    pub fn session_text(&self) -> String {
        format!("{:X}", self.session_id)
    }

    fn digested(&self) -> Result<Vec<u8>, TriggerFault> {
        if !VERSIONS_READ.contains(&self.version) {
            return Err(TriggerFault::Version(self.version));
        }
        if self.session_id == 0 {
            return Err(TriggerFault::NoSession);
        }
        let length = match u8::try_from(self.server_id.len()) {
            Ok(length) if length > 0 => length,
            _ => return Err(TriggerFault::ServerId),
        };
        let head = u64::from(self.version) << 30
            | (self.ui_mode as u64) << 28
            | (self.initiator as u64) << 27;
        let mut octets = head.to_be_bytes()[3..].to_vec();
        octets.extend(self.session_id.to_be_bytes());
        octets.push(length);
        octets.extend(self.server_id.as_bytes());
        octets.extend(&self.vendor);
        Ok(octets)
    }
}

impl<'a> ReceivedTrigger<'a> {
    /// Reads a Package 0. Set bits of `future use` are passed over.
    ///
    /// # Errors
    ///
    /// [`TriggerFault`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, TriggerFault> {
        let (digest, digested) = octets
            .split_at_checked(DIGEST)
            .ok_or(TriggerFault::TooShort)?;
        let (fixed, rest) = digested
            .split_first_chunk::<FIXED>()
            .ok_or(TriggerFault::TooShort)?;
        let [v, u, _, _, _, high, low, length] = *fixed;
        let version = u16::from_be_bytes([v, u]) >> 6;
        if !VERSIONS_READ.contains(&version) {
            return Err(TriggerFault::Version(version));
        }
        let session_id = u16::from_be_bytes([high, low]);
        if session_id == 0 {
            return Err(TriggerFault::NoSession);
        }
        let (server_id, vendor) = rest
            .split_at_checked(usize::from(length))
            .ok_or(TriggerFault::TooShort)?;
        let server_id = std::str::from_utf8(server_id)
            .ok()
            .filter(|id| !id.is_empty())
            .ok_or(TriggerFault::ServerId)?;
        let trigger = Trigger {
            version,
            ui_mode: match u >> 4 & 3 {
                0 => UiMode::Unspecified,
                1 => UiMode::Background,
                2 => UiMode::Informative,
                _ => UiMode::UserInteraction,
            },
            initiator: if u >> 3 & 1 == 1 {
                Initiator::Server
            } else {
                Initiator::Client
            },
            session_id,
            server_id: server_id.to_owned(),
            vendor: vendor.to_vec(),
        };
        Ok(Self {
            trigger,
            digest,
            digested,
        })
    }

    /// What it says, proven or not.
    #[must_use]
    pub const fn unproven(&self) -> &Trigger {
        &self.trigger
    }

    /// What it says, if its digest was made with this credential and nonce. In constant time.
    #[must_use]
    pub fn proven(&self, key: &UserHash, nonce: &Nonce) -> Option<&Trigger> {
        let due = key.digest_with(nonce.octets(), self.digested);
        bool::from(due.ct_eq(self.digest)).then_some(&self.trigger)
    }
}
