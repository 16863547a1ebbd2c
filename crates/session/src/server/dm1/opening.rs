//! A message that no proven session vouches for: it proves itself, or is challenged (§3.2, M12, M19, M20).

use omadm_bootstrap::generation::Decision;
use omadm_bootstrap::{EventData, Utc};
use omadm_dm1::credential::{CredentialType, derive};
use omadm_dm1::syncml::{AlertCode, Command, Message, StatusCode};

use super::advance::refused;
use super::answer::{Answer, Frame, chal, encode, plain};
use super::causes::{ChallengeCause, Irregularity, MessageRefusal};
use super::challenge::{Challenges, hex};
use super::generations::{Judgement, Proven, judge};
use super::proof::{Match, NonceKind, Shown, evaluate, shown};
use super::state::StoredStatus;
use super::step::{Dm1Delta, Dm1Event, Dm1Step};
use super::turn::Turn;
use super::{AccountFacts, Dm1SessionState, MessageIn, RespUriUse, ServerFacts, alerts};

/// Creds that are evaluated in one session (M20).
const ATTEMPTS: u8 = 3;

/// A message with what there is to judge it by.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) now: Utc,
    pub(super) entropy: &'a [u8; 32],
    pub(super) server: &'a ServerFacts,
    pub(super) account: &'a AccountFacts,
    pub(super) message: MessageIn<'a>,
}

/// A bootstrap event in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reported {
    /// It was stored before; its acknowledgement may have got lost.
    Known,
    /// It is stored with this message, once that is proven.
    New,
}

/// Why a message is challenged.
struct Challenge {
    code: StatusCode,
    /// Creds evaluated in this session, this one included.
    attempts: u8,
    /// It counts against account and source.
    failed: bool,
    events: Vec<Dm1Event>,
}

impl<'a> Opening<'a> {
    /// Begins a session, or challenges. `older` is the session the account has; it ends only where this one is proven (M11).
    pub(super) fn open(self, older: Option<Dm1SessionState>) -> Dm1Step {
        let read = match self.message.identified.message() {
            Ok(read) => read,
            Err(fault) => {
                let why = MessageRefusal::Unreadable(fault.clone());
                return refused(self.server, older, &self.message, why);
            }
        };
        if self.account.by_certificate && self.message.channel.certificate.is_some() {
            return self.begin(older, read, None);
        }
        match self.prove() {
            Ok((found, decision)) => self.begin(older, read, Some((found, decision))),
            Err(challenge) => self.challenge(older, Some(read), challenge),
        }
    }

    /// Proves one more message of a session in which each has to prove itself.
    pub(super) fn prove_within(&self) -> Result<NonceKind, Box<Dm1Step>> {
        match self.prove() {
            Ok((found, Decision::Accept)) => Ok(found.nonce),
            Ok(_) => Err(Challenge {
                code: StatusCode::INVALID_CREDENTIALS,
                attempts: 0,
                failed: false,
                events: Vec::new(),
            }),
            Err(challenge) => Err(challenge),
        }
        .map_err(|challenge| {
            let read = self.message.identified.message().ok();
            Box::new(self.challenge(None, read, challenge))
        })
    }

    fn challenges(&self) -> Challenges<'a> {
        Challenges {
            key: &self.server.key,
            account: &self.account.user,
            proofs: self.account.client_nonces.proofs,
            session_id: &self.message.identified.header().session_id,
            now: self.now,
        }
    }

    fn prove(&self) -> Result<(Match, Decision), Challenge> {
        let header = self.message.identified.header();
        let challenges = self.challenges();
        let before = challenges.attempts(self.message.token);
        let shown = shown(&self.message, self.account.credential);
        if matches!(shown, Shown::Nothing) {
            return Err(Challenge {
                code: StatusCode::CREDENTIALS_MISSING,
                attempts: before,
                failed: false,
                events: vec![Dm1Event::Challenged(ChallengeCause::Missing)],
            });
        }
        let wrong = |attempts, failed, event| {
            Err(Challenge {
                code: StatusCode::INVALID_CREDENTIALS,
                attempts,
                failed,
                events: vec![event],
            })
        };
        let is_exempt = self.message.channel.certificate.is_some();
        let too_many = self.account.failures.are_too_many() && !is_exempt;
        // Compared all the same: neither time nor the attempts that the answer counts tell an account that is let alone from one that nobody knows (M19).
        let found = evaluate(self.account, &challenges, header.msg_id, &shown).found;
        if before >= ATTEMPTS {
            return wrong(before, false, Dm1Event::AttemptsExhausted);
        }
        let attempts = before + 1;
        if too_many {
            return wrong(attempts, false, Dm1Event::AttemptsExhausted);
        }
        let kept = found.and_then(|found| self.account.client_secrets.get(found.secret));
        let (Some(found), Some(kept)) = (found, kept) else {
            let cause = match shown {
                Shown::NotEvaluated => ChallengeCause::NotEvaluated(self.account.credential),
                _ => ChallengeCause::Wrong,
            };
            return wrong(attempts, true, Dm1Event::Challenged(cause));
        };
        let claimed = &header.source.uri;
        let proven = Proven {
            nonce: found.nonce,
            has_event: self.event() == Some(Reported::New)
                || self.account.model.quirks.recovery_without_event
                || self.account.accepted,
            same_device: self
                .account
                .dev_id
                .as_ref()
                .is_none_or(|due| due == claimed),
            encrypted: self.message.channel.encrypted,
        };
        match judge(kept, proven, self.server.policy) {
            Judgement::Counts(decision) => Ok((found, decision)),
            Judgement::Again => {
                let stale = Dm1Event::Challenged(ChallengeCause::Stale);
                wrong(attempts, false, stale)
            }
            Judgement::TwoHolders => wrong(attempts, false, Dm1Event::TwoHolders),
            Judgement::Held(cause) => wrong(attempts, false, Dm1Event::RecoveryHeld { cause }),
            Judgement::OtherDevice => {
                let claimed = claimed.clone();
                wrong(attempts, false, Dm1Event::OtherDevice { claimed })
            }
        }
    }

    /// Whether the message reports a bootstrap. It steers what a proven secret may do, and with which of its own the server proves itself; it grants nothing
    /// (§6.5/1).
    fn event(&self) -> Option<Reported> {
        let read = self.message.identified.message().ok()?;
        let alerts = read.commands.iter().filter_map(|command| match command {
            Command::Alert(alert) => Some(alert),
            _ => None,
        });
        let events =
            alerts.filter_map(|alert| alerts::bootstrap_event(alert, &self.server.event_types));
        let reported = events.flatten().map(|(data, _): (EventData, _)| {
            if alerts::is_known(&data, self.account.last_event.as_ref()) {
                Reported::Known
            } else {
                Reported::New
            }
        });
        reported.max()
    }

    /// 401 or 407 for the header with a challenge, the same for each command, and no command of ours (§1.5/11). Nothing is stored but the failure.
    fn challenge(
        &self,
        older: Option<Dm1SessionState>,
        read: Option<&Message>,
        challenge: Challenge,
    ) -> Dm1Step {
        let header = self.message.identified.header();
        let challenges = self.challenges();
        let random: [u8; 16] = derive(&self.seed(), &[b"unproven"]);
        let token = challenges.token(challenge.attempts, &random);
        let frame = Frame {
            server: self.server,
            ver_proto: &header.ver_proto,
            session_id: &header.session_id,
            msg_id: header.msg_id,
            dev_id: &header.source.uri,
            token: &token,
        };
        let nonce = challenges.given(header.msg_id);
        let due = self.account.credential;
        let nonce = (due != CredentialType::Basic).then_some(&nonce);
        let mut answer = Answer::default();
        answer.header_status(header.msg_id, challenge.code, Some(chal(due, nonce)));
        for status in owed(read, challenge.code) {
            answer.status(&status);
        }
        if challenge.attempts >= ATTEMPTS {
            answer.alert(AlertCode::SESSION_ABORT);
        }
        let encoding = self.message.identified.encoding();
        let body = encode(&answer.message(frame.header(), true), encoding);
        Dm1Step {
            state: older,
            delta: Dm1Delta {
                failed: challenge.failed,
                events: challenge.events,
                ..Dm1Delta::default()
            },
            reply: plain(body, encoding),
        }
    }

    fn begin(
        self,
        older: Option<Dm1SessionState>,
        read: &Message,
        proven: Option<(Match, Decision)>,
    ) -> Dm1Step {
        let header = self.message.identified.header();
        let credential = proven.map(|_| self.credential());
        let per_message = match credential {
            Some(CredentialType::Mac) => true,
            Some(CredentialType::Md5) => {
                self.account.model.quirks.resp_uri == RespUriUse::IgnoresAndReconnects
            }
            Some(CredentialType::Basic) | None => false,
        };
        let seed = self.seed();
        let id: [u8; 8] = derive(&seed, &[b"session"]);
        let token: [u8; 16] = derive(&seed, &[b"session token"]);
        let state = Dm1SessionState {
            version: Dm1SessionState::VERSION,
            id: hex(&id),
            token: hex(&token),
            session_id: header.session_id.clone(),
            dev_id: header.source.uri.clone(),
            started_at: self.now,
            last_at: self.now,
            ended: false,
            wbxml: self.message.identified.encoding() == omadm_dm1::syncml::Encoding::Wbxml,
            connection: self.message.channel.connection.map(str::to_owned),
            certificate: self.message.channel.certificate.map(str::to_owned),
            ver_proto: header.ver_proto.clone(),
            per_message,
            last_msg_id: 0,
            last_request: String::new(),
            last_reply: String::new(),
            last_mac: None,
            is_first: true,
            // Each message of the client's has one answer, those before the proof included.
            msg_id: header.msg_id.wrapping_sub(1),
            max_msg_size: None,
            max_obj_size: None,
            messages: 0,
            next_nonce: None,
            statuses: Vec::new(),
            server: Default::default(),
            sent: Vec::new(),
            chunk_in: None,
            object_in: None,
            was_final: true,
            chunk_out: None,
            rotation: Default::default(),
            app_auth: self.account.model.quirks.app_auth.clone(),
            app_auth_nodes: Vec::new(),
            account_uri: self.account.account_uri.clone(),
        };
        let mut turn = Turn::new(&self, state);
        if let Some(older) = older.filter(|older| !older.ended) {
            turn.supersede(&older);
        }
        turn.delta.events.push(Dm1Event::Started {
            triggered: has_alert(read, AlertCode::SERVER_INITIATED),
            credential,
        });
        if self.account.dev_id.is_none() {
            turn.delta.dev_id = Some(header.source.uri.clone());
        }
        if let Some((found, decision)) = proven {
            turn.heed(self.event(), found);
            turn.opened(found, decision, credential == Some(CredentialType::Basic));
        }
        turn.choose_generation();
        turn.take_rotation_up();
        if !has_session_alert(&self.message) {
            turn.irregular(Irregularity::NoSessionAlert);
        }
        turn.receive(read)
    }

    /// The type that the message was proven with.
    fn credential(&self) -> CredentialType {
        match shown(&self.message, self.account.credential) {
            Shown::Mac { .. } => CredentialType::Mac,
            Shown::Basic(_) => CredentialType::Basic,
            Shown::Md5(_) | Shown::Nothing | Shown::NotEvaluated => CredentialType::Md5,
        }
    }

    fn seed(&self) -> omadm_mo::Secret {
        omadm_mo::Secret::new(self.entropy.to_vec())
    }
}

/// Statuses of a message's commands with one code. Results are owed none, nor are statuses.
pub(super) fn owed(read: Option<&Message>, code: StatusCode) -> Vec<StoredStatus> {
    let Some(read) = read else {
        return Vec::new();
    };
    let owed = read
        .commands
        .iter()
        .filter(|command| !matches!(command, Command::Status(_) | Command::Results(_)));
    owed.take(super::turn::MAX_OWED)
        .map(|command| StoredStatus::of(read.header.msg_id, command, code))
        .collect()
}

/// Whether it is a package 1.
pub(super) fn has_session_alert(message: &MessageIn<'_>) -> bool {
    message.identified.message().is_ok_and(|read| {
        has_alert(read, AlertCode::SERVER_INITIATED) || has_alert(read, AlertCode::CLIENT_INITIATED)
    })
}

fn has_alert(read: &Message, code: AlertCode) -> bool {
    read.commands.iter().any(|command| match command {
        Command::Alert(alert) => alert.code == Some(code),
        _ => false,
    })
}
