use std::time::Duration;

use omadm_bootstrap::plan::TreePlan;
use omadm_dm2::{CommandName, StatusCode};
use omadm_mo::{
    ExecOutcome, ManagedObjectError, Node, NodeAddress, ServerUri, SrvId, TreeError, TreeVersion,
};

use super::address_rule::AddressRule;

use super::dm1::Dm1Outcome;

/// Ties an effect to its answer. Each is answered once, in any order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EffectId(pub u64);

/// What the machine asks its host to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// POST a package; answered by [`Input::Response`] or [`Input::SendFailed`].
    Send(Request),
    /// HTTP GET for an HGET.
    Fetch(EffectId, ServerUri),
    /// HTTP PUT or POST of a serialized document in this media type.
    Upload(EffectId, UploadMethod, ServerUri, &'static str, Vec<u8>),
    /// Read instances whose values live outside the store, whole.
    ReadLive(EffectId, Vec<NodeAddress>),
    /// Apply a plan as one transaction.
    Apply(EffectId, TreePlan),
    /// Execute a node. With a ServerURI the result goes there in a new session (§5.4), and so it goes to `SrvURI` where the outcome is
    /// [`ExecOutcome::Later`]; the host sees to that, beyond its own death.
    Exec(EffectId, NodeAddress, Option<ServerUri>),
    /// Tell whether the device's policy lets requests go to an address, as it resolves now. Anything but [`Cause::Forbidden`] is a yes.
    Permit(EffectId, ServerUri),
    /// Start a UI session in the browser component; answered once it started or could not be, not when it ends (`dm20.md` §5.2, D18).
    Show(EffectId, ServerUri),
    /// Tell whoever watches.
    Report(SessionEvent),
    /// The session is over; nothing follows.
    Finish(Outcome),
}

/// A package on its way to the server. Adds to the usual headers: `OMADM-DevID`, `Content-Type`, `Accept`.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Where to.
    pub to: ServerUri,
    /// Its media type.
    pub content_type: &'static str,
    /// What may come back.
    pub accept: &'static str,
    /// The cookies the server set in this session (D02): the `Cookie` of the request.
    pub cookie: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The server's answer to a package.
#[derive(Clone, PartialEq, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The cookies of the session from now on, where the answer sets any.
    pub set_cookie: Option<String>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// `Retry-After` in seconds.
    pub retry_after: Option<u32>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `OMADM-Accept`: what may format the bodies of later PUT and POST requests (§3.1).
    pub omadm_accept: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What an HGET brought.
#[derive(Clone, PartialEq, Debug)]
pub struct Fetched {
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// PUT or POST.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UploadMethod {
    /// HPUT
    Put,
    /// HPOST
    Post,
}

/// Why an effect did not succeed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Cause {
    /// The repository answered with this HTTP status.
    #[error("the repository answered with HTTP status {0}")]
    Status(u16),
    /// No connection, or it broke.
    #[error("the server could not be reached: {0}")]
    Unreachable(String),
    /// The server's certificate is not trusted for this address (D80).
    #[error("the server is not trusted: {0}")]
    ServerNotTrusted(String),
    /// The server refused the TLS handshake.
    #[error("the server refused the TLS handshake: {0}")]
    HandshakeRefused(String),
    /// More octets than the limit.
    #[error("the answer is larger than {0} octets")]
    TooLarge(usize),
    /// The device's policy forbids the address.
    #[error("the device's policy forbids this address: {0}")]
    Forbidden(AddressRule),
    /// The server did not end the session in the time that the device's policy gives it.
    #[error("the session did not end within {0:?}")]
    SessionTooLong(Duration),
    /// The tree changed since the plan was made.
    #[error("the tree changed in the meantime")]
    Stale,
    /// The tree store failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The plug-in refused.
    #[error(transparent)]
    ManagedObject(#[from] ManagedObjectError),
    /// The browser component did not start.
    #[error("the browser component did not start: {0}")]
    Browser(String),
}

/// What the host tells the machine.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// The server answered the package.
    Response(Response),
    /// The package did not get an answer. With [`Cause::SessionTooLong`] it ends the session in any state.
    SendFailed(Cause),
    /// Answer to [`Effect::Fetch`].
    FetchDone(EffectId, Result<Fetched, Cause>),
    /// Answer to [`Effect::Upload`]: any 2xx is `Ok`.
    UploadDone(EffectId, Result<(), Cause>),
    /// Answer to [`Effect::ReadLive`], in the order asked.
    ReadLiveDone(EffectId, Result<Vec<(NodeAddress, Node)>, Cause>),
    /// Answer to [`Effect::Apply`].
    ApplyDone(EffectId, Result<TreeVersion, Cause>),
    /// Answer to [`Effect::Exec`].
    ExecDone(EffectId, Result<ExecOutcome, Cause>),
    /// Answer to [`Effect::Permit`].
    PermitDone(EffectId, Result<(), Cause>),
    /// Answer to [`Effect::Show`].
    ShowDone(EffectId, Result<(), Cause>),
    /// End the session now; what is owed stays owed.
    Cancel,
}

/// How a session ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Outcome {
    /// The server sent END.
    #[error("END")]
    Ended,
    /// The server answered a package with an HTTP error (D07).
    #[error(
        "the server answered with HTTP status {status}{}",
        behind_colon(detail)
    )]
    Refused {
        /// Its status.
        status: u16,
        /// Its `Retry-After` in seconds.
        retry_after: Option<u32>,
        /// Its body as text, cut to 512 octets: for the log.
        detail: String,
        /// Whether an earlier package of this session got 2xx.
        after_first_answer: bool,
    },
    /// A package got no answer.
    #[error("a package got no answer: {0}")]
    Lost(Cause),
    /// The server's answer is no Package#2 (D11).
    #[error("the answer is no Package#2: {0}")]
    Unparsable(String),
    /// A session of DM 1.x that did not end as it should, for a reason that DM 2.0 does not have.
    #[error(transparent)]
    Dm1(Box<Dm1Outcome>),
    /// The host cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// The account is gone, or the tree cannot be read.
    #[error("the account is gone, or the tree cannot be read")]
    NoAccount,
}

/// What happened, for whoever watches.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionEvent {
    /// The session begins.
    Started {
        /// The server.
        server: SrvId,
        /// Whether it carries BootstrapComplete.
        bootstrap_complete: bool,
    },
    /// The server acknowledged the completion, and the owed flag is cleared durably.
    CompletionAcknowledged {
        /// The server.
        server: SrvId,
    },
    /// The server has the alerts that the session began with, in 2xx (D25).
    AlertsDelivered {
        /// How many of them.
        count: usize,
    },
    /// A command got its status.
    Command {
        /// Which; none for a name that is no command.
        name: Option<CommandName>,
        /// The command as the server wrote it.
        text: String,
        /// Its status.
        status: StatusCode,
    },
    /// The session is over.
    Ended(Outcome),
}

/// Text for the end of a sentence, if there is any.
fn behind_colon(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}
