use omadm_bootstrap::{PayloadHash, Utc};
use omadm_dm2::{Command, CommandName};
use omadm_mo::CacheValidator;
use serde::{Deserialize, Serialize};

use super::WantedCommand;

/// A running session as the store keeps it: everything a node needs to answer the next package (DESIGN §3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionState {
    /// Version of this form.
    version: u32,
    /// Names it in events: 16 hexadecimal digits. It does not tell the cookie, and stays when the cookie changes.
    pub id: String,
    /// SHA-256 of the cookie, in hex; the cookie itself is not kept.
    pub(super) cookie_hash: String,
    /// When it began.
    pub started_at: Utc,
    /// The commands of the last Package#2, whose statuses are due.
    pub sent: Vec<SentCommand>,
    /// When that Package#2 was made; where the same Package#1 came again: when it was given again.
    pub sent_at: Utc,
    /// How often it was given.
    #[serde(default = "once")]
    pub(super) given: u32,
    /// Fingerprint of the last package that was accepted.
    pub(super) last_request: String,
    /// The answer it got: given again when the same package comes again.
    pub(super) last_reply: String,
}

/// A command the server sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SentCommand {
    /// The queued command; none for one that the server sent by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name and parameters, without the validator that the server added.
    pub words: Vec<String>,
    /// The cache validator it was sent with (§10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<String>,
}

/// A stored session that cannot be read: made by another version. The session is over, the device opens a new one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the stored session has version {found:?}, this program reads {}",
    SessionState::VERSION
)]
pub struct SessionStateError {
    /// The version found, where one was.
    pub found: Option<u32>,
}

/// What is taken of a session that was stored without the number.
const fn once() -> u32 {
    1
}

/// SHA-256 in hex, after the number of the package: #1 and #3 are told apart by media type, so the same bytes can be either.
pub(super) fn fingerprint(package: u8, body: &[u8]) -> String {
    format!("{package}:{}", PayloadHash::of(body).to_hex())
}

/// What is kept of a cookie.
pub(super) fn cookie_hash(cookie: &str) -> String {
    PayloadHash::of(cookie.as_bytes()).to_hex()
}

/// What events call the session: half of a hash, so nothing leads back to the cookie, and another one than is kept of it.
fn session_id(cookie: &str) -> String {
    let mut id = PayloadHash::of(format!("omadm session {cookie}").as_bytes()).to_hex();
    id.truncate(16);
    id
}

impl SentCommand {
    /// A command of the server's own.
    pub(super) fn own(command: &Command) -> Self {
        Self {
            id: None,
            words: command.write(),
            cv: None,
        }
    }

    pub(super) fn of(wanted: &WantedCommand) -> Self {
        Self {
            id: Some(wanted.id.clone()),
            cv: wanted
                .cv
                .as_ref()
                .filter(|_| super::cacheable_target(&wanted.command).is_some())
                .map(|cv| CacheValidator::as_str(cv).to_owned()),
            ..Self::own(&wanted.command)
        }
    }

    /// Whether it is not to be repeated by itself once its outcome is unknown (D02).
    #[must_use]
    pub fn is_exec(&self) -> bool {
        self.words
            .first()
            .is_some_and(|name| name == CommandName::Exec.as_str())
    }
}

impl SessionState {
    /// The version this program writes and reads.
    pub const VERSION: u32 = 2;

    /// A session that begins now. Nothing is sent yet.
    pub(super) fn begin(now: Utc, cookie: &str) -> Self {
        Self {
            version: Self::VERSION,
            id: session_id(cookie),
            cookie_hash: cookie_hash(cookie),
            started_at: now,
            sent: Vec::new(),
            sent_at: now,
            given: 0,
            last_request: String::new(),
            last_reply: String::new(),
        }
    }

    /// Holds the commands that answer this request, and the answer.
    pub(super) fn send(&mut self, now: Utc, request: String, sent: Vec<SentCommand>, reply: &str) {
        self.sent = sent;
        self.sent_at = now;
        self.given = 1;
        self.last_request = request;
        reply.clone_into(&mut self.last_reply);
    }

    /// Milliseconds that the last Package#2 waits for its statuses; 0 where the clock went back.
    #[must_use]
    pub fn waited_ms(&self, now: Utc) -> u64 {
        u64::try_from(now.millis_since(self.sent_at)).unwrap_or_default()
    }

    /// Writes it for the store.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`SessionStateError`] where another version wrote it, or it is damaged.
    pub fn from_text(text: &str) -> Result<Self, SessionStateError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let found = serde_json::from_str::<Version>(text)
            .ok()
            .map(|head| head.version);
        let state = serde_json::from_str::<Self>(text)
            .ok()
            .filter(|state| state.version == Self::VERSION);
        state.ok_or(SessionStateError { found })
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;
    use omadm_dm2::Command;
    use omadm_mo::CacheValidator;

    use super::super::WantedCommand;
    use super::{SentCommand, SessionState, SessionStateError, fingerprint};

    fn state() -> SessionState {
        let get = Command::read(&["GET", "urn:oma:mo:m:1.0/1/"]).unwrap();
        let wanted = WantedCommand {
            id: "7".to_owned(),
            command: get.clone(),
            cv: Some(CacheValidator::new("5f-1")),
        };
        let mut state = SessionState::begin(Utc(5), "c00c1e");
        let sent = vec![SentCommand::own(&get), SentCommand::of(&wanted)];
        state.send(Utc(6), fingerprint(1, b"{}"), sent, "{\"CMD\":[]}");
        state
    }

    #[test]
    fn a_stored_session_is_read_as_it_was_written() {
        assert_eq!(SessionState::from_text(&state().to_text()), Ok(state()));
    }

    #[test]
    fn a_session_that_was_stored_without_how_often_its_answer_was_given_gave_it_once() {
        let text = state().to_text();
        let without = text.replacen(r#""given":1,"#, "", 1);
        assert_ne!(text, without);
        assert_eq!(SessionState::from_text(&without), Ok(state()));
    }

    #[test]
    fn a_session_of_another_version_is_refused_with_the_version_it_has() {
        let later = state()
            .to_text()
            .replacen(r#""version":2"#, r#""version":3"#, 1);
        let refused = |found| Err(SessionStateError { found });
        assert_eq!(SessionState::from_text(&later), refused(Some(3)));
        let reshaped = r#"{"version":7,"anything":[]}"#;
        assert_eq!(SessionState::from_text(reshaped), refused(Some(7)));
        for damaged in ["", "{}", "[]", r#"{"version":"1"}"#] {
            assert_eq!(
                SessionState::from_text(damaged),
                refused(None),
                "{damaged:?}"
            );
        }
    }

    #[test]
    fn sessions_have_names_that_do_not_tell_their_cookies() {
        let [one, other] = ["c00c1e", "c00c1f"].map(|cookie| SessionState::begin(Utc(5), cookie));
        assert_ne!(one.id, other.id);
        assert_eq!(one.id.len(), 16);
        assert!(!one.cookie_hash.contains(&one.id));
    }

    #[test]
    fn the_cookie_itself_is_not_kept() {
        let text = state().to_text();
        assert!(!text.contains("c00c1e"), "{text}");
    }

    #[test]
    fn the_same_bytes_are_another_request_as_another_package() {
        assert_ne!(fingerprint(1, b"{}"), fingerprint(3, b"{}"));
    }
}
