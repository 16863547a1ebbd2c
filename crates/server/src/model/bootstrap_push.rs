use omadm_bootstrap::Utc;
use serde::{Deserialize, Serialize};

/// How a server-initiated bootstrap reaches its device (`dm20.md` §14.6), and how far that is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapPush {
    /// What goes to the device.
    pub carrier: PushCarrierKind,
    /// Its push address.
    pub to: String,
    /// SERVER-ID of the Notification without its `bs:`; none where the document itself goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the Notification is proved with where the operator told it: sealed for this record, in base64. Gone once the record ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// SEC and MAC of a WAP push; what they were made with is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<PushSecurity>,
    /// Tries that were begun.
    pub attempts: u32,
    /// When the next one is due, or where one is under way, when it is given up as lost with its node; none where there is none to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Utc>,
    /// What came in the way of the last one, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// SEC and MAC as a WAP push bears them (`push.md` §4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushSecurity {
    /// `networkid`, `userpin` or `both`.
    pub sec: PushSec,
    /// HMAC-SHA1 over the document: 40 hexadecimal digits.
    pub mac: String,
}

/// What a WAP push is signed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushSec {
    /// The subscriber's IMSI or the device's ESN: `NETWPIN`.
    NetworkId,
    /// A PIN that the user types: `USERPIN`.
    UserPin,
    /// Both: `USERNETWPIN`.
    Both,
}

impl PushSec {
    /// The stable name in API and store; the event's `sec`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetworkId => "networkid",
            Self::UserPin => "userpin",
            Self::Both => "both",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::NetworkId, Self::UserPin, Self::Both]
            .into_iter()
            .find(|sec| sec.name() == name)
    }

    /// What it is worth, to whoever chose it (`push.md` §4, `dm1x.md` §5.10).
    #[must_use]
    pub const fn worth(self) -> &'static str {
        match self {
            Self::NetworkId => {
                "An IMSI or ESN is an identifier and no secret: whoever knows it can forge such a push. With a PIN beside it (sec = \"both\") it is worth more."
            }
            Self::UserPin => {
                "Whoever records the push finds a PIN of 4 digits at once, and one of 8 within the hour: let the PIN count once and not for long, and give it to the user by another way."
            }
            Self::Both => {
                "Whoever records the push and knows the IMSI or ESN finds the PIN by trying: let the PIN count once and not for long."
            }
        }
    }
}

/// What goes to the device. A document of DM 2.0 goes over mutual TLS alone; every other carrier brings a Notification, upon which the device fetches it
/// (D56, D84).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushCarrierKind {
    /// The document, by HTTPS POST to the device's bootstrap listener.
    Direct,
    /// A Notification.
    Notification,
    /// The document of DM 1.x as a WAP push, signed with what the network or the user knows, and in clear (`push.md` §4).
    Wap,
}

impl PushCarrierKind {
    /// The stable name in API and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Notification => "notification",
            Self::Wap => "wap",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Direct, Self::Notification, Self::Wap]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}
