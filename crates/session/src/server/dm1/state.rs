use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::{EventId, PayloadHash, Utc};
use omadm_dm1::syncml::{Data, Encoding};
use omadm_mo::Secret;
use serde::{Deserialize, Serialize};

use super::AppAuthNames;
use super::object_in::ObjectIn;
use super::step::{OwnOutcome1, ResultItem};

/// A running session of DM 1.x as the store keeps it: everything a node needs to answer the next message. Only a proven session has one (M12).
///
/// It holds the last answer and the token of its `RespURI`, and with them secrets: it is sealed where it is stored, and `Debug` tells its name only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dm1SessionState {
    /// Version of this form.
    pub(super) version: u32,
    /// Names it in events: 16 hexadecimal digits that lead back to nothing.
    pub id: String,
    /// The token in `RespURI` (M02).
    pub(super) token: String,
    /// `SessionID`.
    pub session_id: String,
    /// The DevId of both ends' headers.
    pub dev_id: String,
    /// When it began.
    pub started_at: Utc,
    /// When its last message was answered.
    pub last_at: Utc,
    /// It is over; kept so that a repeated message gets its answer again (M03).
    pub ended: bool,
    /// Messages are WBXML.
    pub(super) wbxml: bool,
    /// The connection that the opening message came on.
    pub(super) connection: Option<String>,
    /// The client certificate that it came under.
    pub(super) certificate: Option<String>,
    /// Version of the protocol that the client speaks.
    pub(super) ver_proto: String,
    /// Each message has to prove itself: the client got 200, not 212.
    pub(super) per_message: bool,
    /// `MsgID` of the client's last message.
    pub(super) last_msg_id: u32,
    /// SHA-256 of its octets.
    pub(super) last_request: String,
    /// The answer it got, base64.
    pub(super) last_reply: String,
    /// Its MAC header.
    pub(super) last_mac: Option<String>,
    /// No message but the opening one was answered yet.
    pub(super) is_first: bool,
    /// `MsgID` of our last message.
    pub(super) msg_id: u32,
    /// What the client takes in a message, as announced last.
    pub(super) max_msg_size: Option<u64>,
    /// What it takes as an object.
    pub(super) max_obj_size: Option<u64>,
    /// Messages of the client's package so far.
    pub(super) messages: u32,
    /// `NextNonce` that was given with 212 or 200, for M06.
    pub(super) next_nonce: Option<String>,
    /// Statuses of our last package other than that of the header, for M06.
    pub(super) statuses: Vec<StoredStatus>,
    /// Where our own proof stands.
    pub(super) server: ServerProof,
    /// Commands whose status or results are due.
    pub(super) sent: Vec<SentCommand1>,
    /// Results of the client's that come in chunks.
    pub(super) chunk_in: Option<ChunkIn>,
    /// A command of the client's whose object comes in chunks.
    #[serde(default)]
    pub(super) object_in: Option<ObjectIn>,
    /// Our package ended with our last message.
    pub(super) was_final: bool,
    /// An object of ours that goes in chunks.
    pub(super) chunk_out: Option<ChunkOut>,
    /// How far replacing the secrets is.
    pub(super) rotation: Rotation,
    /// Which node below `AppAuth` is whose.
    pub(super) app_auth: Option<AppAuthNames>,
    /// The nodes below `AppAuth`, as the device told them.
    pub(super) app_auth_nodes: Vec<String>,
    /// `LocURI` of the account on the device.
    pub(super) account_uri: Option<String>,
}

/// Our own proof in a session.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ServerProof {
    /// How often the client challenged it.
    pub(super) challenges: u32,
    /// The nonce of its last challenge, base64.
    pub(super) nonce: Option<String>,
    /// Hash of the secret that our last message was proven with.
    pub(super) used: Option<String>,
    /// The nonce that it was made with was the client's challenge, not the stored one.
    pub(super) by_challenge: bool,
    /// Rank of the secret that the next proof is made with, in the order of M21.
    pub(super) rank: u32,
    /// The client said 212: no further proof.
    pub(super) is_done: bool,
    /// It begins with what was provisioned (§6.5): the client's direction was recovered.
    pub(super) from_boot: bool,
    /// It begins with what is pending: the client proved itself with its pending secret.
    pub(super) from_pending: bool,
    /// It begins with what came by this bootstrap, with the secret that the client proved itself with.
    #[serde(default)]
    pub(super) bootstrap: Option<EventId>,
}

/// A status that was sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredStatus {
    pub(super) msg_ref: u32,
    pub(super) cmd_ref: Option<String>,
    pub(super) cmd: String,
    pub(super) source_refs: Vec<String>,
    pub(super) code: u16,
}

/// A command that was sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SentCommand1 {
    /// The queued command; none for one that the server sends by itself.
    pub(super) id: Option<String>,
    /// `MsgID` and `CmdID` it went with; in chunks: of the last one.
    pub(super) msg_id: u32,
    pub(super) cmd_id: u32,
    /// Its name.
    pub(super) name: String,
    /// Of one that the server sends by itself: the node above all that it is about, for events.
    #[serde(default)]
    pub(super) uri: Option<String>,
    /// `CmdID`s of the members of an Atomic or Sequence, in order.
    pub(super) members: Vec<u32>,
    pub(super) sent_at: Utc,
    pub(super) code: Option<u16>,
    pub(super) member_codes: Vec<Option<u16>>,
    pub(super) results: Vec<StoredItem>,
}

/// An item of `Results`, whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredItem {
    pub(super) uri: String,
    pub(super) format: String,
    pub(super) r#type: String,
    pub(super) data: StoredData,
}

/// Content of an item: text, or base64 of octets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoredData {
    Text(String),
    Base64(String),
}

/// Chunks that came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChunkIn {
    /// The `Get` it answers.
    pub(super) msg_ref: u32,
    pub(super) cmd_ref: u32,
    pub(super) uri: String,
    pub(super) format: String,
    pub(super) r#type: String,
    /// What was announced.
    pub(super) size: Option<u64>,
    /// What came so far, base64 where `is_text` is false.
    pub(super) data: StoredData,
}

/// Chunks that go.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChunkOut {
    /// The queued command.
    pub(super) id: String,
    /// Octets of its data that went.
    pub(super) offset: u64,
}

/// How far the replacement of both secrets is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Rotation {
    /// None is under way.
    #[default]
    Idle,
    /// Due.
    Due,
    /// The device was asked for the nodes below `AppAuth`.
    AskedNodes,
    /// It was asked for their levels.
    AskedLevels,
    /// Due as a Sequence: an Atomic was refused (M21).
    DueInSequence,
    /// Sent as an Atomic.
    SentAtomic,
    /// Sent as a Sequence.
    SentSequence,
    /// Over in this session.
    Done,
}

/// A stored session that cannot be read: another version wrote it. The device opens a new one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the stored DM 1.x session has version {found:?}, this program reads {}",
    Dm1SessionState::VERSION
)]
pub struct Dm1SessionStateError {
    /// The version found, where one was.
    pub found: Option<u32>,
}

impl Dm1SessionState {
    /// The version this program writes and reads.
    pub const VERSION: u32 = 1;
    /// How long a session lives after its last message (§1.5/9).
    pub const IDLE_MILLIS: i64 = 60 * 60 * 1000;

    /// SHA-256 of the token in hex: what a row can be found by without keeping the token in clear. See [`token_hash`].
    #[must_use]
    pub fn token_hash(&self) -> String {
        token_hash(&self.token)
    }

    /// When it is over by itself.
    #[must_use]
    pub const fn deadline(&self) -> Utc {
        self.last_at.plus_millis(Self::IDLE_MILLIS)
    }

    /// Queued commands that were sent and have no outcome yet: where the session is swept, their outcome is unknown.
    pub fn open_commands(&self) -> impl Iterator<Item = &str> {
        let sent = self.sent.iter().filter_map(|sent| sent.id.as_deref());
        let chunked = self.chunk_out.iter().map(|chunk| chunk.id.as_str());
        sent.chain(chunked)
    }

    /// What is known now of the commands that the server sent by itself: where the session is swept, it is what became of them.
    pub fn own_outcomes(&self, now: Utc) -> impl Iterator<Item = OwnOutcome1> {
        let own = self.sent.iter().filter(|sent| sent.id.is_none());
        own.map(move |sent| sent.own_outcome(&self.id, sent.told_code(), now))
    }

    /// Queued commands whose status is due.
    pub(super) fn open_commands_sent(&self) -> Vec<String> {
        self.sent
            .iter()
            .filter_map(|sent| sent.id.clone())
            .collect()
    }

    /// Whether no message of it was answered yet.
    pub(super) const fn opens(&self) -> bool {
        self.last_msg_id == 0
    }

    pub(super) fn last_reply(&self) -> Vec<u8> {
        STANDARD.decode(&self.last_reply).unwrap_or_default()
    }

    pub(super) fn keep_reply(&mut self, body: &[u8]) {
        self.last_reply = STANDARD.encode(body);
    }

    /// Whether the messages are WBXML or XML.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        if self.wbxml {
            Encoding::Wbxml
        } else {
            Encoding::Xml
        }
    }

    /// Writes it for the store, which seals it.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        Secret::new(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`Dm1SessionStateError`] where another version wrote it, or it is damaged.
    pub fn from_text(text: &[u8]) -> Result<Self, Dm1SessionStateError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let found = serde_json::from_slice::<Version>(text).ok();
        let state = serde_json::from_slice::<Self>(text).ok();
        state
            .filter(|state| state.version == Self::VERSION)
            .ok_or_else(|| Dm1SessionStateError {
                found: found.map(|head| head.version),
            })
    }
}

impl std::fmt::Debug for Dm1SessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dm1SessionState")
            .field("id", &self.id)
            .field("session_id", &self.session_id)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What a session's row can be found by for the token that a request came with.
#[must_use]
pub fn token_hash(token: &str) -> String {
    PayloadHash::of(token.as_bytes()).to_hex()
}

pub(super) fn fingerprint(body: &[u8]) -> String {
    PayloadHash::of(body).to_hex()
}

impl StoredData {
    pub(super) fn of(data: &Data) -> Self {
        match data {
            Data::Text(text) => Self::Text(text.clone()),
            Data::Octets(octets) => Self::Base64(STANDARD.encode(octets)),
        }
    }

    pub(super) fn data(&self) -> Data {
        match self {
            Self::Text(text) => Data::Text(text.clone()),
            Self::Base64(text) => Data::Octets(STANDARD.decode(text).unwrap_or_default()),
        }
    }

    /// Octets as the decoder delivers them (M08).
    pub(super) fn len(&self) -> u64 {
        let octets = match self {
            Self::Text(text) => text.len(),
            Self::Base64(text) => base64::decoded_len_estimate(text.len())
                .saturating_sub(text.bytes().rev().take_while(|b| *b == b'=').count()),
        };
        octets as u64
    }
}

impl StoredItem {
    pub(super) fn item(&self) -> ResultItem {
        ResultItem {
            uri: self.uri.clone(),
            format: self.format.clone(),
            r#type: self.r#type.clone(),
            data: self.data.data(),
        }
    }
}
