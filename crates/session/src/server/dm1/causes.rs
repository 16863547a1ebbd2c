//! Why the server does not do what a message or a command asks.

use omadm_dm1::credential::CredentialType;
use omadm_dm1::syncml::{MessageFault, StatusCode};

/// A body that has no DM message for an answer (M10). The peer is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dm1Refusal {
    /// 400.
    #[error("the body has no SyncHdr that can be read: {0}")]
    Unreadable(MessageFault),
    /// 413.
    #[error("the message is larger than the server takes")]
    TooLarge,
}

impl Dm1Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::Unreadable(_) => 400,
            Self::TooLarge => 413,
        }
    }
}

/// Why a message is answered with nothing but a status of its header. The peer is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageRefusal {
    /// 505: `VerDTD` is none of §1.1.
    #[error("VerDTD {0:?} is neither 1.2 nor 1.3")]
    VerDtd(String),
    /// 513: `VerProto` is none of §1.1.
    #[error("VerProto {0:?} is neither DM/1.2 nor DM/1.3")]
    VerProto(String),
    /// 400: the body behind the header cannot be read (M10).
    #[error("the body behind its SyncHdr cannot be read: {0}")]
    Unreadable(MessageFault),
}

impl MessageRefusal {
    /// The status of the header.
    #[must_use]
    pub const fn code(&self) -> StatusCode {
        match self {
            Self::VerDtd(_) => StatusCode::DTD_VERSION,
            Self::VerProto(_) => StatusCode::PROTOCOL_VERSION,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Why a message is challenged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeCause {
    /// It has no Cred.
    Missing,
    /// Its Cred is weaker than this type, which the account has, or cannot be read: it is not evaluated (M19).
    NotEvaluated(CredentialType),
    /// It is proven, by a nonce that is not fresh enough for what its secret would do (§6.5).
    Stale,
    /// Its Cred matches no secret of the account under any nonce that counts (M20).
    Wrong,
}

/// Why a provisioned secret does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldCause {
    /// It was revoked.
    Revoked,
    /// No bootstrap event came with it, and the device's model is not known to send none (§6.5/9).
    WithoutEvent,
    /// It was proven in clear by a credential that can be replayed, on a channel that can be read.
    Replayable,
}

/// Who aborted a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aborter {
    /// The client.
    Client,
    /// The server, for this reason.
    Server(AbortReason),
}

/// Why the server aborted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbortReason {
    /// The body behind the header cannot be read.
    #[error("a message could not be read: {0}")]
    Unreadable(MessageFault),
    /// The same `MsgID` with another body (M03).
    #[error("a message number came again with another message")]
    Repeated,
    /// More messages in one package than are taken.
    #[error("a package of the device did not end")]
    Endless,
    /// Results that are held for commands grew beyond the limit.
    #[error("the results of commands grew beyond the limit")]
    TooLarge,
    /// Our own credential was not accepted (M20).
    #[error("the device accepted no credential of the server")]
    ServerRefused,
}

/// Something to know about a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Irregularity {
    /// `MsgID` skips (M03).
    #[error("MsgID skips")]
    MsgIdGap,
    /// Commands of one message share a `CmdID`; they are carried out in order (M13).
    #[error("commands of one message share CmdID {0:?}")]
    CmdIdRepeated(String),
    /// The first message has no session alert.
    #[error("the first message has no session alert")]
    NoSessionAlert,
    /// The first package has no `DevInfo`.
    #[error("the first package has no DevInfo")]
    NoDevInfo,
    /// A `Status` or `Results` that refers to nothing that is due.
    #[error("a Status or Results refers to nothing that is due")]
    UnknownReference,
    /// A command of the client's is answered with an error.
    #[error("the device's {command} is answered {code}")]
    CommandRefused {
        /// Its name.
        command: String,
        /// Its status.
        code: StatusCode,
    },
    /// The encoding changed within the session (M09).
    #[error("the encoding changed within the session")]
    EncodingChanged,
    /// Secrets are to be replaced, and nobody said where they lie on the device.
    #[error("secrets are to be replaced, and nobody said where they lie on the device")]
    UnknownAccount,
}

/// Why a command cannot be sent to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSentCause {
    /// It is larger than the messages or objects that the device takes.
    TooLarge,
    /// The session's serialization cannot hold it.
    NotWritable,
    /// It is none that a server sends.
    NoCommand,
    /// The device broke the chunks off (1225).
    ChunksBroken,
}
