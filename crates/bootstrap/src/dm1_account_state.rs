use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_dm1::syncml::Encoding;
use serde::{Deserialize, Serialize};

use crate::PayloadHash;
use crate::dm1::{Dm1Security, Dm1Shadow};

/// What a client keeps of a DM 1.x account from one session to the next, beside the account's nodes.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Dm1AccountState {
    /// The nonce of the server's credential before the one in the tree: valid until that one was used, since the message that told it may be lost
    /// (`dm1x.md` M17).
    #[serde(with = "nonce")]
    pub previous_server_nonce: Option<Nonce>,
    /// The type of our credential that the server accepted last: what an account without `AAuthPref` begins with (§4.6).
    #[serde(with = "credential_type")]
    pub last_type: Option<CredentialType>,
    /// The encoding that the server took where it refused the one that its session began in: the next ones begin in it (M09).
    #[serde(with = "encoding")]
    pub encoding: Option<Encoding>,
    /// Sessions in a row that ended in exhausted authentication (M20, M25).
    pub exhausted: u32,
    /// Sessions in a row that the server broke off while the event stood in their first message. At [`Self::EVENT_FAILURES`] the next one goes without it (§6.3).
    pub broken_with_event: u8,
    /// SessionIDs of the last [`Self::SESSIONS`] sessions, oldest first: none of them is used again (M01).
    pub sessions: Vec<u16>,
    /// What was verified when the account was bootstrapped: `sec` of the event.
    pub security: Option<Dm1Security>,
    /// What the bootstrap held beside the account and was passed over, by MO identifier or type: `skip` of the event.
    pub skipped: Vec<String>,
    /// Documents that were pushed and applied, oldest first, at most [`Self::PUSHED`] (M24).
    pub pushed: Vec<PayloadHash>,
    /// What the last bootstrap replaced, until a session with the new set was mutually authenticated (M25).
    pub shadow: Option<Dm1Shadow>,
    /// Whether the account fell back to what it was: `rev` of the event (M25).
    pub reverted: bool,
}

impl Dm1AccountState {
    /// After how many broken sessions the event is left out once (§6.3).
    pub const EVENT_FAILURES: u8 = 2;
    /// How many SessionIDs are remembered (M01).
    pub const SESSIONS: usize = 32;
    /// How many pushed documents are remembered (M24).
    pub const PUSHED: usize = 32;
    /// After how many exhausted authentications the set before the last bootstrap is tried (M25).
    pub const EXHAUSTED: u32 = 5;

    /// Of an account that had no session yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            previous_server_nonce: None,
            last_type: None,
            encoding: None,
            exhausted: 0,
            broken_with_event: 0,
            sessions: Vec::new(),
            security: None,
            skipped: Vec::new(),
            pushed: Vec::new(),
            shadow: None,
            reverted: false,
        }
    }

    /// Whether the next session leaves the event out to see if it is what the server breaks sessions off for (§6.3).
    #[must_use]
    pub const fn withholds_event(&self) -> bool {
        self.broken_with_event >= Self::EVENT_FAILURES
    }

    /// Whether the set before the last bootstrap is due to be tried, where it is kept (M25).
    #[must_use]
    pub const fn shadow_is_due(&self) -> bool {
        self.exhausted >= Self::EXHAUSTED
    }

    /// A SessionID of two octets of entropy: never 0, and none of the remembered ones (M01).
    #[must_use]
    pub fn next_session(&self, entropy: [u8; 2]) -> u16 {
        let mut session = u16::from_be_bytes(entropy).max(1);
        while self.sessions.contains(&session) {
            session = session.checked_add(1).unwrap_or(1);
        }
        session
    }

    /// Remembers a pushed document that is applied now.
    pub fn was_pushed(&mut self, document: PayloadHash) {
        self.pushed.retain(|known| *known != document);
        self.pushed.push(document);
        let forgotten = self.pushed.len().saturating_sub(Self::PUSHED);
        self.pushed.drain(..forgotten);
    }

    /// Whether a pushed document was applied before and a newer one since (M24).
    #[must_use]
    pub fn is_replay(&self, document: PayloadHash) -> bool {
        self.pushed.contains(&document) && self.pushed.last() != Some(&document)
    }

    /// Remembers a SessionID.
    pub fn used(&mut self, session: u16) {
        self.sessions.push(session);
        let forgotten = self.sessions.len().saturating_sub(Self::SESSIONS);
        self.sessions.drain(..forgotten);
    }

    /// Milliseconds to wait after this many sessions in vain: for an event that is owed 1 minute doubling to a day, and after exhausted authentications
    /// 15 minutes doubling to a day; the longer of both (§3.2/6, §6.3, M20). `jitter` 0 is 20 % less, 255 is 20 % more.
    #[must_use]
    pub fn wait_millis(&self, attempts: u32, jitter: u8) -> i64 {
        const DAY: i64 = 24 * 60;
        let doubled = |minutes: i64, times: u32| (minutes << times.min(12)).min(DAY);
        let owed = doubled(1, attempts.saturating_sub(1));
        let minutes = match self.exhausted {
            0 => owed,
            exhausted => owed.max(doubled(15, exhausted - 1)),
        };
        minutes * 60 * (800 + 400 * i64::from(jitter) / 255)
    }
}

mod nonce {
    use omadm_dm1::credential::Nonce;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        nonce: &Option<Nonce>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match nonce {
            Some(nonce) => serializer.serialize_some(&nonce.base64()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Nonce>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| Nonce::of_base64(&text).map_err(D::Error::custom))
            .transpose()
    }
}

mod credential_type {
    use omadm_dm1::credential::CredentialType;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        kind: &Option<CredentialType>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match kind {
            Some(kind) => serializer.serialize_some(kind.aauth_type()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<CredentialType>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.and_then(|text| CredentialType::of_account(&text)))
    }
}

mod encoding {
    use omadm_dm1::syncml::Encoding;
    use serde::{Deserialize, Deserializer, Serializer};

    const XML: &str = "xml";
    const WBXML: &str = "wbxml";

    pub(super) fn serialize<S: Serializer>(
        encoding: &Option<Encoding>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match encoding {
            Some(Encoding::Xml) => serializer.serialize_some(XML),
            Some(Encoding::Wbxml) => serializer.serialize_some(WBXML),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Encoding>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(match text.as_deref() {
            Some(XML) => Some(Encoding::Xml),
            Some(WBXML) => Some(Encoding::Wbxml),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Dm1AccountState;
    use omadm_dm1::credential::{CredentialType, Nonce};
    use omadm_dm1::syncml::Encoding;

    #[test]
    fn m01_a_session_id_is_never_0_and_none_of_the_last_32() {
        let mut state = Dm1AccountState::new();
        assert_eq!(state.next_session([0, 0]), 1);
        for used in 1..=40 {
            state.used(used);
        }
        assert_eq!(state.sessions.len(), 32);
        assert_eq!(state.next_session([0, 0]), 1, "1 was long ago");
        assert_eq!(state.next_session([0, 9]), 41);
        state.used(u16::MAX);
        assert_eq!(state.next_session([0xff, 0xff]), 1);
    }

    #[test]
    fn m20_back_off_doubles_from_a_quarter_of_an_hour_to_a_day() {
        let mut state = Dm1AccountState::new();
        let minutes = |state: &Dm1AccountState, attempts| state.wait_millis(attempts, 128) / 60_000;
        assert_eq!([1, 2, 5, 30].map(|n| minutes(&state, n)), [1, 2, 16, 1440]);
        let waits = [1, 2, 3, 99].map(|exhausted| {
            state.exhausted = exhausted;
            minutes(&state, 1)
        });
        assert_eq!(waits, [15, 30, 60, 1440]);
    }

    #[test]
    fn the_state_is_written_and_read_back_and_may_be_absent() {
        let state = Dm1AccountState {
            previous_server_nonce: Some(Nonce::of_entropy(&[7; 48])),
            last_type: Some(CredentialType::Mac),
            encoding: Some(Encoding::Xml),
            exhausted: 2,
            broken_with_event: 1,
            sessions: vec![5],
            ..Dm1AccountState::new()
        };
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(
            serde_json::from_str::<Dm1AccountState>(&text).unwrap(),
            state
        );
        assert_eq!(
            serde_json::from_str::<Dm1AccountState>("{}").unwrap(),
            Dm1AccountState::new()
        );
        assert!(!format!("{state:?}").contains("Hh"), "no nonce is told");
    }
}
