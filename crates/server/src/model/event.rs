use omadm_bootstrap::{BootstrapFailureCause, Utc};
use omadm_mo::DevId;
use serde::{Deserialize, Serialize};

/// Something that happened to a device or at the server: the one catalogue that log, API, metrics and webhooks read. Append-only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Ties the events of one exchange together, and the log lines about it; 16 hexadecimal digits.
    pub correlation: String,
}

/// What happened. The names are stable; members may be added, never taken away. Never holds a secret.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "snake_case"
)]
pub enum EventKind {
    /// The operator registered the device.
    DeviceRegistered,
    /// A credential was made known for the device.
    CredentialAdded {
        /// `certificate`, `bootstrap-code`, `psk` or `http-user`.
        proof: String,
        /// The certificate's SHA-256, for people to compare.
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A credential opens nothing any more.
    CredentialRevoked {
        /// The certificate's SHA-256.
        fingerprint: Option<String>,
        /// The PSK identity or the HTTP user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A bootstrap was made for the device.
    BootstrapDrafted {
        /// The record.
        bootstrap: String,
        /// Its profile.
        profile: String,
        /// Its method.
        method: String,
    },
    /// The device fetched its document for the first time.
    BootstrapFetched {
        /// The record.
        bootstrap: String,
    },
    /// The device reported BootstrapComplete.
    BootstrapCompleted {
        /// The record; none where the server had none open.
        bootstrap: Option<String>,
        /// How the device was bootstrapped, as it said.
        method: Option<String>,
        /// First or again, as it said.
        kind: Option<String>,
        /// The device's EventId.
        event_id: Option<String>,
    },
    /// A bootstrap ended without completion.
    BootstrapEnded {
        /// The record.
        bootstrap: String,
        /// `failed`, `expired` or `superseded`.
        state: String,
        /// The cause's code.
        cause: Option<String>,
    },
    /// The device refused the document it fetched.
    BootstrapRefused {
        /// The record.
        bootstrap: String,
        /// The cause's code.
        cause: String,
        /// The failing item of the document.
        item: Option<String>,
        /// The node or server concerned.
        uri: Option<String>,
        /// What exactly the device found.
        detail: Option<String>,
    },
    /// A DM session began.
    SessionStarted {
        /// The session-cause alerts.
        causes: Vec<String>,
    },
    /// A running session ended because the device opened another.
    SessionSuperseded,
    /// A command was answered.
    CommandAnswered {
        /// The command's name.
        command: String,
        /// Its ClientURI or ServerURI.
        uri: Option<String>,
        /// The status code.
        status: u16,
        /// From the package that carried it to its answer.
        duration_ms: u64,
    },
    /// A generic alert came.
    AlertReceived {
        /// Its AlertType.
        alert_type: String,
        /// Its SourceURI.
        source: Option<String>,
    },
    /// The session ended as the protocol has it.
    SessionEnded,
    /// The session ended otherwise.
    SessionAborted {
        /// Why, as a sentence.
        reason: String,
    },
    /// A request was refused.
    RequestRefused {
        /// The URI's path.
        path: String,
        /// The HTTP status it got.
        status: u16,
        /// The cause's code where it has one.
        cause: Option<String>,
        /// The DevID the request claimed.
        claimed: Option<String>,
        /// SHA-256 of the certificate it came with.
        fingerprint: Option<String>,
        /// The certificate's subject, for people.
        subject: Option<String>,
        /// What is wrong, as a sentence.
        detail: String,
    },
}

/// An event with its place in the log.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredEvent {
    /// Its global position, given afterwards; none until then. Consumers resume after the last position they saw.
    pub position: Option<u64>,
    /// The device; none where no record names it.
    pub dev_id: Option<DevId>,
    /// Its number among the device's events; from 1, dense.
    pub seq: u64,
    /// When.
    pub at: Utc,
    /// What.
    pub event: Event,
}

/// How far the global positions are behind the events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventLag {
    /// The last position given; 0 before the first.
    pub position: u64,
    /// Events that have none yet.
    pub waiting: u64,
    /// When the one that waits longest happened.
    pub since: Option<Utc>,
}

impl EventKind {
    /// The cause it carries.
    #[must_use]
    pub fn cause(&self) -> Option<BootstrapFailureCause> {
        match self {
            Self::BootstrapEnded { cause, .. } | Self::RequestRefused { cause, .. } => {
                cause.as_deref().and_then(BootstrapFailureCause::from_code)
            }
            Self::BootstrapRefused { cause, .. } => BootstrapFailureCause::from_code(cause),
            _ => None,
        }
    }
}
