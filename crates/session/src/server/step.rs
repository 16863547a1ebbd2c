use omadm_bootstrap::BootstrapComplete;
use omadm_dm2::{Alert, Command, StatusCode};
use omadm_mo::CacheValidator;
use omadm_mo::json::Json;

use super::{SentCommand, SessionState};

/// What the reducer is told about the device beside the session itself.
#[derive(Clone, PartialEq, Debug)]
pub struct DeviceFacts {
    /// Commands the server wants answered, in order, as they stand before this package: those whose status is due included, those that wait for an
    /// operator not. Each Package#2 takes of them what has room ([`super::MAX_COMMANDS`], [`super::MAX_OCTETS`]) until none is left. Those that this
    /// package answers are passed over, so the caller may take them off when the answer is durable. END is passed over too: the reducer sends it.
    pub wanted: Vec<WantedCommand>,
    /// Whether DevInfo is to be read in a session that reports BootstrapComplete.
    pub read_dev_info: bool,
    /// Whether a bootstrap completed before and DevInfo is still unknown: it is then read in any session. A device that died between the two
    /// does not report its completion again.
    pub dev_info_missing: bool,
    /// 16 fresh random octets: the cookie of a session that begins now.
    pub entropy: [u8; 16],
}

/// A command the server wants answered.
#[derive(Clone, PartialEq, Debug)]
pub struct WantedCommand {
    /// Names it over all sessions in which it is sent (D02).
    pub id: String,
    /// The command.
    pub command: Command,
    /// The cache validator of the instance, where the server has kept what the command reads of it as it was then; sent with a command that has a
    /// [`super::cacheable_target`].
    pub cv: Option<CacheValidator>,
}

/// A package as it reached the session URI. The sender was authenticated before.
#[derive(Clone, Copy, Debug)]
pub enum PackageIn<'a> {
    /// Package#1, told by its `Content-Type`.
    Package1 {
        /// The body.
        body: &'a [u8],
    },
    /// Package#3, told by its `Content-Type`.
    Package3 {
        /// The body.
        body: &'a [u8],
        /// The cookie it came with; none where the client keeps none (D02).
        cookie: Option<&'a str>,
    },
}

/// What one package leads to. The reply leaves only after the delta and the state are durable.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The session from now on; none where it ended.
    pub state: Option<SessionState>,
    /// What became known.
    pub delta: SessionDelta,
    /// What to answer.
    pub reply: Reply,
}

/// What became known by a package.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct SessionDelta {
    /// Names the session that the events belong to; none where there is nothing to tell.
    pub session: Option<String>,
    /// BootstrapComplete alerts: each completes a record, accepted once or many times (D27).
    pub completions: Vec<BootstrapComplete>,
    /// DevInfo's leaves as a JSON object, where they were read.
    pub dev_info: Option<Json>,
    /// What happened, in order.
    pub events: Vec<SessionEvent>,
}

/// What happened in a session.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionEvent {
    /// It began with these session-cause alerts.
    Started {
        /// Their URNs.
        causes: Vec<String>,
    },
    /// It answers the Notification of this NOTIFICATION-ID.
    Notified {
        /// The id.
        notification_id: u16,
    },
    /// An older one of the same device was over with it.
    Superseded {
        /// The older session.
        session: String,
        /// Its commands whose outcome is unknown (D02). An EXEC among them was not sent again; the caller keeps it back until an operator decides.
        outcome_unknown: Vec<SentCommand>,
        /// From the package that carried them until now.
        duration_ms: u64,
    },
    /// A command stands in the answer to this package; again, where the answer is given a second time.
    Sent {
        /// The command.
        command: SentCommand,
        /// How often this answer was given, this time included.
        given: u32,
    },
    /// A command was answered.
    Answered(CommandOutcome),
    /// An alert came that is no session cause.
    Alert(Alert),
    /// It ended by END.
    Ended,
}

/// A command with its status.
#[derive(Clone, PartialEq, Debug)]
pub struct CommandOutcome {
    /// The queued command; none for one that the server sent by itself.
    pub id: Option<String>,
    /// Name and parameters, without the validator that the server added.
    pub command: Vec<String>,
    /// Its status.
    pub status: StatusCode,
    /// From the package that carried it to its answer.
    pub duration_ms: u64,
    /// `Status.URI`: where an HGET stored its data.
    pub uris: Vec<String>,
    /// What a GET brought (D12), as the device wrote it: an MO serialization in compact form. Nobody has checked it.
    pub result: Option<String>,
    /// The cache validator that came with it, where it is a whole instance.
    pub cv: Option<String>,
    /// The validator that was sent, where the device says that it still holds (304): what the server has kept under it is the result.
    pub unchanged: Option<String>,
}

/// What to answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// 200 with this Package#2.
    Package2 {
        /// The body.
        body: Vec<u8>,
        /// Value for the cookie `omadm-session`, where it has to be set.
        set_cookie: Option<String>,
    },
    /// An HTTP error; nothing changes but what the delta says.
    Refused(Refusal),
}

/// Most alerts of one package, session causes among them. Each is an event that is stored: a package of small ones would grow a hundredfold.
pub const MAX_ALERTS: usize = 1000;

/// Why a package is refused (D70). The device is at fault.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Not JSON within the limits; 400.
    #[error("the body is not acceptable JSON: {0}")]
    Json(#[from] omadm_mo::json::JsonError),
    /// JSON, but not the package that the media type says; 400.
    #[error("the package violates its schema: {0}")]
    Package(#[from] omadm_dm2::PackageError),
    /// A Package#1 without session-cause alert; 400.
    #[error("the Package#1 carries no session-cause alert")]
    NoSessionCause,
    /// As many statuses as commands are due; 400.
    #[error("the Package#3 has {found} statuses for {expected} commands")]
    StatusCount {
        /// Commands that were sent.
        expected: usize,
        /// Statuses that came.
        found: usize,
    },
    /// More alerts than a package may bring; 413.
    #[error("the package has {found} alerts, more than the {MAX_ALERTS} that are taken at once")]
    TooManyAlerts {
        /// Alerts that came.
        found: usize,
    },
    /// A Package#3 without a running session, or of an older one; 409.
    #[error("no session is running that this Package#3 could belong to")]
    NoSession,
}

impl Refusal {
    /// The HTTP status (D70).
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Json(omadm_mo::json::JsonError::TooLarge { .. }) | Self::TooManyAlerts { .. } => {
                413
            }
            Self::NoSession => 409,
            _ => 400,
        }
    }
}
