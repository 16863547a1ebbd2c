//! Package#0, the DM Notification: a server asks a client to open a session, or to fetch its bootstrap (`dm20.md` §11).

mod digest;
mod error;
mod explain;
mod judge;
mod option;
mod read;
mod replay;
mod server_id;

use omadm_mo::Secret;

pub use digest::{AbsentDigest, Authenticated, DigestCheck, DigestRefusal, NotificationKey};
pub use error::{Package0Error, Package0Problem};
pub use explain::ExplainedField;
pub use judge::{Accepted, Addressee, Ignored};
pub use option::OptionName;
pub use read::{OptionAt, ReceivedPackage0};
pub use replay::{Clock, ReplayRefusal, ReplayWindow};
pub use server_id::{BootstrapSourceId, ServerId, ServerIdError};

/// Media type of a Notification, where a carrier needs one (D40).
pub const MEDIA_TYPE: &str = "application/vnd.oma.dm.notification";
/// VER as written, and as read unless the caller says otherwise (D35).
pub const VERSION: u8 = 1;
/// Octets of SHA256-DIGEST (§11.3).
pub const DIGEST_OCTETS: usize = 32;
/// Octets of the header: VER (4 bits), OC (5), RESERVED (7).
pub const HEADER_OCTETS: usize = 2;
/// Octets of the longest Notification the layout can carry: header, and 31 options with two octets before 270 of value (D36).
pub const MAX_OCTETS: usize = HEADER_OCTETS + MAX_OPTIONS * (2 + MAX_VALUE);
/// The highest OC.
const MAX_OPTIONS: usize = 31;
/// Octets of the longest option value (D36).
const MAX_VALUE: usize = ESCAPE as usize + u8::MAX as usize;
/// The Option Length that says that an extension octet follows (D36).
const ESCAPE: u8 = 15;

/// What a Notification says. SERVER-ID alone is required (D37).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package0 {
    /// SERVER-ID: who wants to be called.
    pub server_id: ServerId,
    /// PREFERRED-CON-TYPE.
    pub preferred_connection: Option<PreferredConnection>,
    /// NOTIFICATION-ID.
    pub notification_id: Option<u16>,
    /// SHA256-DIGEST as it stands there; [`Self::sealed`] computes it, [`ReceivedPackage0::check_digest`] judges it.
    pub digest: Option<[u8; DIGEST_OCTETS]>,
    /// TIMESTAMP: POSIX seconds of sending.
    pub timestamp: Option<u64>,
    /// REQ-MOS: `MOS` is wanted in Package#1.
    pub req_mos: bool,
}

/// PREFERRED-CON-TYPE: a preference only, which the client may not be able to follow (§11.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PreferredConnection {
    /// 0x00
    AnyAvailable,
    /// 0x01: GSM, CDMA, UMTS, LTE and the like.
    Cellular,
    /// 0x02: IEEE 802.11.
    Wlan,
    /// 0x03
    Wireline,
}

impl PreferredConnection {
    /// The connection of an octet. One that §11.3 does not list asks for nothing a client could follow, so it counts as `ANY_AVAILABLE`.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        match octet {
            0x01 => Self::Cellular,
            0x02 => Self::Wlan,
            0x03 => Self::Wireline,
            _ => Self::AnyAvailable,
        }
    }

    /// Its octet.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::AnyAvailable => 0x00,
            Self::Cellular => 0x01,
            Self::Wlan => 0x02,
            Self::Wireline => 0x03,
        }
    }

    /// Its name in the specification.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnyAvailable => "ANY_AVAILABLE",
            Self::Cellular => "CELLULAR",
            Self::Wlan => "WLAN",
            Self::Wireline => "WIRELINE",
        }
    }
}

impl Package0 {
    /// A Notification with SERVER-ID alone.
    #[must_use]
    pub const fn new(server_id: ServerId) -> Self {
        Self {
            server_id,
            preferred_connection: None,
            notification_id: None,
            digest: None,
            timestamp: None,
            req_mos: false,
        }
    }

    /// The octets on the wire: VER 1, RESERVED 0, options in order of their numbers, TIMESTAMP in 4 octets (8 from the year 2106 on).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let server_id = self.server_id.to_string();
        writer.option(OptionName::ServerId, server_id.as_bytes());
        if let Some(connection) = self.preferred_connection {
            writer.option(OptionName::PreferredConType, &[connection.octet()]);
        }
        if let Some(id) = self.notification_id {
            writer.option(OptionName::NotificationId, &id.to_be_bytes());
        }
        if let Some(digest) = &self.digest {
            writer.option(OptionName::Sha256Digest, digest);
        }
        if let Some(seconds) = self.timestamp {
            match u32::try_from(seconds) {
                Ok(short) => writer.option(OptionName::Timestamp, &short.to_be_bytes()),
                Err(_) => writer.option(OptionName::Timestamp, &seconds.to_be_bytes()),
            }
        }
        if self.req_mos {
            writer.option(OptionName::ReqMos, &[]);
        }
        writer.finish()
    }

    /// The Notification with the SHA256-DIGEST of a server's secret and auth-data (§11.4); every other field has to be final.
    #[must_use]
    pub fn sealed(mut self, secret: &Secret, auth_data: &[u8]) -> Self {
        self.digest = Some([0; DIGEST_OCTETS]);
        let key = NotificationKey { secret, auth_data };
        self.digest = Some(key.digest(&self.encode()));
        self
    }
}

/// Writes options; what it is given fits the layout by the types of [`Package0`].
#[derive(Default)]
struct Writer {
    options: u8,
    last: u8,
    body: Vec<u8>,
}

impl Writer {
    fn option(&mut self, name: OptionName, value: &[u8]) {
        let delta = name.number() - self.last;
        let head = |length: u8| (delta << 4) | length;
        // At most 255 octets, by `ServerId`.
        let length = u8::try_from(value.len()).unwrap_or(u8::MAX);
        match length.checked_sub(ESCAPE) {
            None => self.body.push(head(length)),
            Some(more) => self.body.extend([head(ESCAPE), more]),
        }
        self.body.extend(value);
        self.last = name.number();
        self.options += 1;
    }

    fn finish(self) -> Vec<u8> {
        let header = (u16::from(VERSION) << 12) | (u16::from(self.options) << 7);
        let mut octets = header.to_be_bytes().to_vec();
        octets.extend(self.body);
        octets
    }
}

#[cfg(test)]
mod tests;
