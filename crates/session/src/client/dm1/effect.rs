use omadm_bootstrap::CompletionState;
use omadm_bootstrap::plan::TreePlan;
use omadm_dm1::syncml::StatusCode;
use omadm_mo::{ExecOutcome, Node, NodeAddress, ServerUri, SrvId, TreeVersion};

use super::user_alert::{UserAlert, UserAnswer};
use crate::client::{Cause, EffectId};

/// What the machine asks its host to do. Each effect with an id is answered once.
#[derive(Clone, PartialEq, Debug)]
pub enum Dm1Effect {
    /// POST a message; answered by [`Dm1Input::Response`] or [`Dm1Input::SendFailed`].
    Send(Dm1Request),
    /// Read instances whose values live outside the store, whole.
    ReadLive(EffectId, Vec<NodeAddress>),
    /// Apply a plan as one transaction.
    Apply(EffectId, TreePlan),
    /// Execute a node. Where the outcome is [`ExecOutcome::Later`], a generic alert with this correlator brings the result in a later session.
    Exec(EffectId, NodeAddress, Option<String>),
    /// Show something to whoever uses the device, or ask (§1.3).
    AskUser(EffectId, UserAlert),
    /// Tell whoever watches.
    Report(Dm1SessionEvent),
    /// The session is over; nothing follows.
    Finish(Dm1Outcome),
}

/// A message on its way. `Cache-Control: no-store`, no content coding (M09); `Accept` lists both media types.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dm1Request {
    /// Where to: the account's address, or the last `RespURI`.
    pub to: ServerUri,
    /// Its media type.
    pub content_type: &'static str,
    /// Value of `x-syncml-hmac`, where the credential is a MAC (§3.4).
    pub mac: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dm1Response {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
    /// `x-syncml-hmac`.
    pub mac: Option<String>,
    /// The body. A host that got more than `max_msg_size` octets says [`Cause::TooLarge`] instead.
    pub body: Vec<u8>,
}

/// What the host tells the machine.
#[derive(Clone, PartialEq, Debug)]
pub enum Dm1Input {
    /// The server answered.
    Response(Dm1Response),
    /// The message did not get an answer. With [`Cause::SessionTooLong`] it ends the session in any state.
    SendFailed(Cause),
    /// Answer to [`Dm1Effect::ReadLive`], in the order asked.
    ReadLiveDone(EffectId, Result<Vec<(NodeAddress, Node)>, Cause>),
    /// Answer to [`Dm1Effect::Apply`].
    ApplyDone(EffectId, Result<TreeVersion, Cause>),
    /// Answer to [`Dm1Effect::Exec`].
    ExecDone(EffectId, Result<ExecOutcome, Cause>),
    /// Answer to [`Dm1Effect::AskUser`].
    UserAnswered(EffectId, UserAnswer),
    /// End the session now; what is owed stays owed.
    Cancel,
}

/// How a session ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dm1Outcome {
    /// The server had nothing more to do.
    #[error("{}", if *.server_proven { "the server had nothing more to do" } else { "the server did not prove itself: nothing that it sent was taken" })]
    Ended {
        /// Whether it proved itself; if not, nothing of what it sent was taken (§3.2/8).
        server_proven: bool,
    },
    /// Every attempt of ours to prove ourselves was refused (M20), or the challenge could not be answered.
    #[error("the server did not believe any credential of ours")]
    NotBelieved,
    /// The server asked for a weaker credential than the account's (M19).
    #[error("the server asks for a weaker credential than the account has")]
    WeakerAsked,
    /// The server did not prove itself within its attempts (M20), or a message of it had a wrong MAC afterwards (M22).
    #[error("the server did not prove itself")]
    ServerNotProven,
    /// HTTP status other than 200 (M10).
    #[error("the server answered with HTTP status {status}")]
    Refused {
        /// Its status.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// The server gave our header this status.
    #[error("the server refused the header: {0}")]
    HeaderRefused(StatusCode),
    /// The server broke the session off: Alert 1223.
    #[error("the server broke it off")]
    Aborted,
    /// The server's answer cannot be read, or breaks the rules of a session.
    #[error(transparent)]
    Fault(Dm1Fault),
    /// A message got no answer, nor did its repeat (M03).
    #[error("a message got no answer: {0}")]
    Lost(Cause),
    /// The host cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// There is no usable account, or the tree cannot be read.
    #[error("there is no usable account, or the tree cannot be read")]
    NoAccount,
}

/// What is wrong with a server's answer. The server is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dm1Fault {
    /// Not a DM message.
    #[error("the answer is no DM message: {0}")]
    Unreadable(String),
    /// A `VerDTD` other than 1.2 and 1.3.
    #[error("the answer has a VerDTD that is not known")]
    DtdVersion,
    /// A `VerProto` other than DM/1.2 and DM/1.3.
    #[error("the answer has a VerProto that is not known")]
    ProtocolVersion,
    /// Another `SessionID`.
    #[error("the answer belongs to another session")]
    Session,
    /// A `MsgID` that is not above that of the message before: a repeat, or disorder (M03).
    #[error("the answer's MsgID is not above the last one")]
    MsgId,
    /// A `RespURI` that is none, not even beside the address that was asked, or leads from https to http (M02).
    #[error("the answer's RespURI cannot be followed")]
    RespUri,
    /// It takes messages so small that nothing can be told to it.
    #[error("the server takes messages of {0} octets only")]
    MaxMsgSize(u64),
    /// More messages than [`super::Dm1Limits::messages`].
    #[error("the session does not come to an end")]
    Endless,
}

/// What happened, for whoever watches.
#[derive(Clone, PartialEq, Debug)]
pub enum Dm1SessionEvent {
    /// The session begins.
    Started {
        /// The server.
        server: SrvId,
        /// Whether a bootstrap is reported.
        event: bool,
    },
    /// The server answered the report of a bootstrap, and that is stored: `Acked` or `Unsupported` (M27).
    EventSettled {
        /// The server.
        server: SrvId,
        /// Where it stands.
        state: CompletionState,
    },
    /// The account was given its former credentials back: with these the server was met (M25).
    Reverted {
        /// The server.
        server: SrvId,
    },
    /// The server answered an alert of [`super::Dm1Opening::alerts`] for good: it need not be sent again.
    AlertAnswered {
        /// Its position there.
        index: usize,
        /// The status.
        status: StatusCode,
    },
    /// A command got its status.
    Command {
        /// Its name.
        name: String,
        /// What it was about.
        targets: Vec<String>,
        /// Its status.
        status: StatusCode,
    },
    /// The session is over.
    Ended(Dm1Outcome),
}
