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
    /// Tries that were begun.
    pub attempts: u32,
    /// When the next one is due, or where one is under way, when it is given up as lost with its node; none where there is none to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Utc>,
    /// What came in the way of the last one, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What goes to the device. A document goes over mutual TLS alone; every other carrier brings a Notification, upon which the device fetches it (D56, D84).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushCarrierKind {
    /// The document, by HTTPS POST to the device's bootstrap listener.
    Direct,
    /// A Notification.
    Notification,
}

impl PushCarrierKind {
    /// The stable name in API and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Notification => "notification",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Direct, Self::Notification]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}
