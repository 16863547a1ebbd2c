use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BootstrapKind, BootstrapMethod, EventId, PayloadHash, ProfileFormat, Utc};

/// Where a document came from: compared when an account is replaced (D58) and when an item is delivered again (D75).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootstrapSource {
    /// The factory image.
    FactoryImage,
    /// The card with this identity.
    Card(String),
    /// The bootstrap server at this origin, authenticated.
    Server(String),
    /// A WAP push that says it is from this number or address. Nothing proves that; the document is proved by its MAC.
    WapPush(String),
}

/// How the channel was protected on which the document came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelSecurity {
    /// TLS, both ends authenticated by certificates.
    MutualTls,
    /// TLS, the server by its certificate, the client by a bootstrap code (D81).
    TlsWithBootstrapCode,
    /// Read from the device's own storage or card.
    Local,
    /// Neither encrypted nor authenticated end to end. Never accepted (DESIGN §11.5).
    Open,
}

/// How an account came to be: the bootstrap type information (`dm20.md` §12.2, DESIGN §11.1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Provenance {
    /// By which of the four methods.
    pub method: BootstrapMethod,
    /// In which form.
    pub format: ProfileFormat,
    /// For the first time or again.
    pub kind: BootstrapKind,
    /// How many bootstraps were applied to this account, this one included.
    pub seq: u32,
    /// When; none without a clock.
    pub at: Option<Utc>,
    /// Names this bootstrap.
    pub event_id: EventId,
    /// Hash of the document's bytes.
    pub payload_hash: PayloadHash,
    /// From whom.
    pub source: BootstrapSource,
    /// Over which channel.
    pub channel: ChannelSecurity,
}

/// For people: `factory image`, `card ID`, the server's origin.
impl fmt::Display for BootstrapSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FactoryImage => f.write_str("factory image"),
            Self::Card(card) => write!(f, "card {card}"),
            Self::Server(origin) => f.write_str(origin),
            Self::WapPush(from) => write!(f, "a WAP push of {from}"),
        }
    }
}
