use std::collections::BTreeMap;

use omadm_bootstrap::EventData;
use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_dm1::syncml::{Data, Encoding, StatusCode};

use super::causes::{
    Aborter, ChallengeCause, HeldCause, Irregularity, MessageRefusal, NotSentCause,
};
use super::{ClientNonces, Dm1SessionState, Identified, KeptSecret, LastEvent};

/// A message as it reached the endpoint.
#[derive(Clone, Copy, Debug)]
pub struct MessageIn<'a> {
    /// The octets of the document, after removal of any transfer coding: what a MAC is over (M22).
    pub body: &'a [u8],
    /// What [`super::identify`] read of it.
    pub identified: &'a Identified,
    /// The header `x-syncml-hmac`.
    pub mac: Option<&'a str>,
    /// The token that the request came with: that of `RespURI` (M02).
    pub token: Option<&'a str>,
    /// What it came on.
    pub channel: Channel<'a>,
}

/// What a message came on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Channel<'a> {
    /// TLS: nobody on the way reads along.
    pub encrypted: bool,
    /// Names the connection among all nodes, for as long as it lasts. A client that ignores `RespURI` is served on it (M02).
    pub connection: Option<&'a str>,
    /// Fingerprint of a client certificate that was verified and belongs to the account's device. It serves such a client, too; an account whose
    /// credential is the transport's is proven by it.
    pub certificate: Option<&'a str>,
}

/// What one message leads to. The reply leaves only after delta and state are durable.
#[derive(Clone, Debug)]
pub struct Dm1Step {
    /// The session of the account from now on. One that has ended is kept for repeats (M03) until its deadline.
    pub state: Option<Dm1SessionState>,
    /// What became known.
    pub delta: Dm1Delta,
    /// What to answer.
    pub reply: Dm1Reply,
}

/// An answer: 200.
#[derive(Clone, PartialEq, Eq)]
pub struct Dm1Reply {
    /// The DM message. It may hold secrets.
    pub body: Vec<u8>,
    /// Its serialization: that of the request (M09).
    pub encoding: Encoding,
    /// Value of the header `x-syncml-hmac`, where the server proves itself so.
    pub mac: Option<String>,
}

/// What became known by a message; stored in one commit, before the reply leaves. Members that are none stay as they are.
#[derive(Clone, Debug, Default)]
pub struct Dm1Delta {
    /// Names the session that the events belong to.
    pub session: Option<String>,
    /// The message is proven, by itself or by its session: no other changes anything of the account (M12). Clears the failures of its source.
    pub proven: bool,
    /// A Cred was there and did not match: counted for account and source (M20). All that an unproven message changes.
    pub failed: bool,
    /// The nonces of the client's credential from now on.
    pub client_nonces: Option<ClientNonces>,
    /// The nonce of the server's credential from now on.
    pub server_nonce: Option<Nonce>,
    /// All secrets of the client's direction from now on.
    pub client_secrets: Option<Vec<KeptSecret>>,
    /// All secrets of the server's direction from now on.
    pub server_secrets: Option<Vec<KeptSecret>>,
    /// The account belongs to this device from now on.
    pub dev_id: Option<String>,
    /// The account's place on the device.
    pub account_uri: Option<String>,
    /// A bootstrap event to be stored; [`Dm1Delta::last_event`] counts from now on.
    pub bootstrap: Option<BootstrapReport>,
    /// The last event from now on.
    pub last_event: Option<LastEvent>,
    /// The rotation that was due is under way.
    pub rotated: bool,
    /// Leaves of `./DevInfo` by their paths below it.
    pub dev_info: Option<BTreeMap<String, String>>,
    /// What happened, in order.
    pub events: Vec<Dm1Event>,
}

impl Dm1Delta {
    /// Whether what the client was provisioned with came back and counts again.
    #[must_use]
    pub fn recovers_client(&self) -> bool {
        self.events
            .contains(&Dm1Event::Recovered(Direction::Client))
    }
}

/// A bootstrap event (§6.2) from a proven message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapReport {
    /// What it tells.
    pub data: EventData,
    /// `Source/LocURI`: the account on the device.
    pub source: Option<String>,
}

/// Which side proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The client to the server: `CLCRED`.
    Client,
    /// The server to the client: `SRVCRED`.
    Server,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dm1Event {
    /// A session began.
    Started {
        /// The device says it follows a trigger (1200).
        triggered: bool,
        /// How the client proved itself; none where its certificate did.
        credential: Option<CredentialType>,
    },
    /// The older session of the account is over by it (M11).
    Superseded {
        /// The older session.
        session: String,
    },
    /// The message is answered with a status of its header alone; its credential was not looked at.
    Refused(MessageRefusal),
    /// The message proves nothing: nothing else is known of it.
    Challenged(ChallengeCause),
    /// The attempts of a session, or of account or source, are used up (M20).
    AttemptsExhausted,
    /// A secret counts, which was sent earlier and is used for the first time.
    Promoted(Direction),
    /// The device was rolled back to what it was provisioned with: that counts again (§6.5).
    Recovered(Direction),
    /// New secrets were made and are on their way.
    Rotating,
    /// The device refused a new secret.
    RotationRefused {
        /// Of this direction.
        direction: Direction,
        /// With this status.
        code: StatusCode,
    },
    /// A provisioned secret was proven, and policy does not let it count: an operator has to decide (§6.5).
    RecoveryHeld {
        /// Why.
        cause: HeldCause,
    },
    /// An account was proven by another device than it belongs to (§6.5/6); an operator has to decide.
    OtherDevice {
        /// The DevId that is claimed.
        claimed: String,
    },
    /// A secret that a recovery replaced was used while its successor is not in place: two hold the account (§6.5).
    TwoHolders,
    /// The client challenged the server's credential (M06).
    ServerChallenged,
    /// The client accepted no credential of the server: the session ends.
    ServerRefused,
    /// A bootstrap event that was known already, or one that its Status could not confirm.
    BootstrapSeen {
        /// Its number.
        seq: u32,
    },
    /// A queued command stands in the answer to this message.
    Sent {
        /// Its id.
        id: String,
    },
    /// A queued command has its outcome.
    Outcome(CommandOutcome1),
    /// A command that nobody queued stands in the answer to this message.
    OwnSent(OwnCommand1),
    /// Such a command has its outcome.
    OwnOutcome(OwnOutcome1),
    /// A generic alert or client event that is none of the standard's own (1224, 1226).
    Alert(ReceivedAlert),
    /// The client speaks of something that it must not, in a way that harms nothing: for the log.
    Irregular(Irregularity),
    /// The session was aborted.
    Aborted {
        /// By the client (1223), or by the server.
        by: Aborter,
    },
    /// It ended in order.
    Ended,
}

/// What became of a queued command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome1 {
    /// Its id.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// From the message that carried it to its answer.
    pub duration_ms: u64,
}

/// A command that the server sends by itself: it asks whose credentials lie where, or replaces secrets. What it carries is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCommand1 {
    /// Its name; `Atomic` or `Sequence` for several in one.
    pub name: String,
    /// The node above all that it is about.
    pub uri: Option<String>,
}

/// What became of a command that the server sent by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnOutcome1 {
    /// The command.
    pub command: OwnCommand1,
    /// The session that it was sent in.
    pub session: String,
    /// Its status; none where none came that counts.
    pub code: Option<StatusCode>,
    /// From the message that carried it until this was known.
    pub duration_ms: u64,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device answered.
    Answered {
        /// The status of the command; for an Atomic or Sequence its own.
        code: StatusCode,
        /// Those of the members of an Atomic or Sequence, in order; none where the device gave none.
        members: Vec<Option<StatusCode>>,
        /// What a `Get` brought.
        results: Vec<ResultItem>,
    },
    /// It was sent, and the package ended without its status, or the session did: it may have been carried out.
    Unknown,
    /// It was not sent, and cannot be.
    NotSent(NotSentCause),
}

/// An item of `Results`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultItem {
    /// `Source/LocURI`.
    pub uri: String,
    /// `Format`, `chr` where absent.
    pub format: String,
    /// `Type`.
    pub r#type: String,
    /// The value, put together of its chunks.
    pub data: Data,
}

/// An alert of the client's as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedAlert {
    /// 1224 or 1226.
    pub code: u16,
    /// `Correlator`.
    pub correlator: Option<String>,
    /// `Source/LocURI`.
    pub source: Option<String>,
    /// `Meta/Type` as written.
    pub r#type: String,
    /// `Meta/Format`.
    pub format: String,
    /// `Meta/Mark`.
    pub mark: Option<String>,
    /// `Data`.
    pub data: Option<Data>,
}

impl std::fmt::Debug for Dm1Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dm1Reply")
            .field("encoding", &self.encoding)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}
