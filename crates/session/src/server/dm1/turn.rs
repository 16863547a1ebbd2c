//! One proven message, from what it says to the answer.

use std::collections::BTreeSet;

use omadm_bootstrap::generation::{Decision, Generation};
use omadm_bootstrap::{PayloadHash, Utc};
use omadm_dm1::credential::{CredentialType, Nonce, derive};
use omadm_dm1::syncml::{AlertCode, Chal, CmdId, Command, Message, Status, StatusCode};
use omadm_mo::Secret;

use super::advance::aborted;
use super::answer::{Answer, Frame, chal};
use super::causes::{AbortReason, Aborter, Irregularity};
use super::generations::{drop_set_aside, forget_coming, set_aside, settle};
use super::opening::Opening;
use super::own_proof::Accepted;
use super::proof::{Match, NonceKind};
use super::received::UNUSED;
use super::state::{Rotation, SentCommand1, StoredStatus, fingerprint};
use super::step::{CommandOutcome1, Direction, Dm1Delta, Dm1Event, Dm1Step, Outcome};
use super::{AccountFacts, ClientNonces, Dm1SessionState, KeptSecret, MessageIn, ServerFacts};

/// Most commands of one message that are owed a status; a message with more is not carried out (413).
pub(super) const MAX_OWED: usize = 256;

/// A proven message in work.
pub(super) struct Turn<'a> {
    pub(super) now: Utc,
    entropy: &'a [u8; 32],
    pub(super) server: &'a ServerFacts,
    pub(super) account: &'a AccountFacts,
    pub(super) message: MessageIn<'a>,
    pub(super) state: Dm1SessionState,
    pub(super) delta: Dm1Delta,
    pub(super) client_secrets: Vec<KeptSecret>,
    pub(super) server_secrets: Vec<KeptSecret>,
    /// Statuses of this message's commands, in their order.
    pub(super) statuses: Vec<StoredStatus>,
    header_code: StatusCode,
    header_chal: Option<Chal>,
    /// Queued commands that got their outcome by this message.
    pub(super) settled: Vec<String>,
    /// Chunks of the client's broke off: it is told (1225).
    pub(super) is_broken: bool,
    /// The client ended the session (1223).
    pub(super) is_aborted: bool,
}

/// What the answer says after its statuses.
pub(super) enum Saying {
    /// Nothing more: the session is over.
    End,
    /// An alert; the package goes on, or the session is aborted.
    Alert(AlertCode, bool),
    /// Commands, with whether the package ends with them.
    Commands(Vec<(Command, SentCommand1)>, bool),
}

impl<'a> Turn<'a> {
    pub(super) fn new(opening: &Opening<'a>, state: Dm1SessionState) -> Self {
        let account = opening.account;
        Self {
            now: opening.now,
            entropy: opening.entropy,
            server: opening.server,
            account,
            message: opening.message,
            delta: Dm1Delta {
                session: Some(state.id.clone()),
                proven: true,
                ..Dm1Delta::default()
            },
            state,
            client_secrets: account.client_secrets.clone(),
            server_secrets: account
                .server
                .as_ref()
                .map_or_else(Vec::new, |server| server.secrets.clone()),
            statuses: Vec::new(),
            header_code: StatusCode::OK,
            header_chal: None,
            settled: Vec::new(),
            is_broken: false,
            is_aborted: false,
        }
    }

    pub(super) fn derived<const N: usize>(&self, label: &str) -> [u8; N] {
        derive(&Secret::new(self.entropy.to_vec()), &[label.as_bytes()])
    }

    pub(super) fn irregular(&mut self, what: Irregularity) {
        self.delta.events.push(Dm1Event::Irregular(what));
    }

    /// The opening message is proven: its secret counts, its nonce is consumed, and the next one is given.
    pub(super) fn opened(&mut self, found: Match, decision: Decision, is_basic: bool) {
        let used = self.client_secrets.get(found.secret);
        let bootstrap = used.and_then(|kept| Some(kept.brought.as_ref()?.by.clone()));
        let bootstrap = bootstrap.filter(|bootstrap| {
            let waits = |kept: &KeptSecret| {
                kept.is_of(bootstrap) && kept.standing.generation == Generation::Pending
            };
            decision != Decision::Accept || self.server_secrets.iter().any(waits)
        });
        match decision {
            Decision::Promote if bootstrap.is_some() => {
                self.delta
                    .events
                    .push(Dm1Event::Promoted(Direction::Client));
                self.state.server.from_pending = true;
                forget_coming(&mut self.server_secrets);
                // Ours of that bootstrap is on the device too: the next that is used ends it, though this device may never ask us for it.
                for kept in &mut self.server_secrets {
                    kept.standing.coming &= !bootstrap.as_ref().is_some_and(|by| kept.is_of(by));
                }
                self.delta.server_secrets = Some(self.server_secrets.clone());
            }
            Decision::Promote => {
                self.delta
                    .events
                    .push(Dm1Event::Promoted(Direction::Client));
                self.state.server.from_pending = true;
                // Both went in one command.
                drop_set_aside(&mut self.server_secrets);
                self.arrived(Direction::Server);
            }
            Decision::Recover => {
                self.delta
                    .events
                    .push(Dm1Event::Recovered(Direction::Client));
                self.state.server.from_boot = true;
                self.state.rotation = Rotation::Due;
                set_aside(&mut self.server_secrets);
                self.delta.server_secrets = Some(self.server_secrets.clone());
            }
            Decision::Accept | Decision::Refuse(_) | Decision::Hold(_) => {}
        }
        if matches!(decision, Decision::Promote | Decision::Recover) {
            settle(&mut self.client_secrets, decision, found.secret);
            if decision == Decision::Recover || bootstrap.is_some() {
                forget_coming(&mut self.client_secrets);
            }
            self.delta.client_secrets = Some(self.client_secrets.clone());
        }
        self.state.server.bootstrap = bootstrap;
        if !is_basic {
            self.consume(found.nonce);
        }
        if !self.state.per_message {
            self.header_code = StatusCode::AUTHENTICATED;
        }
    }

    /// The nonce of this message is used up; the header's status gives the next one.
    pub(super) fn consume(&mut self, kind: NonceKind) {
        let next = Nonce::of_entropy(&self.derived("next nonce"));
        let kept = &self.account.client_nonces;
        self.delta.client_nonces = Some(ClientNonces {
            package: kept.package.clone().filter(|_| kind != NonceKind::Package),
            next: Some(next.clone()),
            proofs: kept.proofs.wrapping_add(1),
        });
        self.header_chal = Some(chal(self.credential(), Some(&next)));
        self.state.next_nonce = Some(next.base64());
    }

    fn credential(&self) -> CredentialType {
        if self.message.mac.is_some() {
            CredentialType::Mac
        } else {
            CredentialType::Md5
        }
    }

    /// The older session of the account is over.
    pub(super) fn supersede(&mut self, older: &Dm1SessionState) {
        let session = older.id.clone();
        self.delta.events.push(Dm1Event::Superseded { session });
        for sent in &older.sent {
            self.outcome(sent, Outcome::Unknown);
        }
        let own = older.own_outcomes(self.now).map(Dm1Event::OwnOutcome);
        self.delta.events.extend(own);
        // What goes in chunks is not carried out before the last of them.
    }

    /// What the message says, and the answer.
    pub(super) fn receive(mut self, read: &Message) -> Dm1Step {
        let header = &read.header;
        if self.state.last_msg_id != 0 && header.msg_id > self.state.last_msg_id.saturating_add(1) {
            self.irregular(Irregularity::MsgIdGap);
        }
        if self.message.identified.encoding() != self.state.encoding() {
            self.irregular(Irregularity::EncodingChanged);
            self.state.wbxml = !self.state.wbxml;
        }
        self.state.max_msg_size = header.meta.max_msg_size.or(self.state.max_msg_size);
        self.state.max_obj_size = header.meta.max_obj_size.or(self.state.max_obj_size);
        self.state.messages += 1;
        if self.state.messages > self.server.limits.messages {
            return self.abort(AbortReason::Endless);
        }
        match self.our_proof(read) {
            Accepted::Yes => {}
            Accepted::Challenged => return self.prove_again(),
            Accepted::Never => return self.abort(AbortReason::ServerRefused),
        }
        let owed =
            |command: &&Command| !matches!(command, Command::Status(_) | Command::Results(_));
        if read.commands.iter().filter(owed).count() > MAX_OWED {
            self.header_code = StatusCode::TOO_LARGE;
            return self.abort(AbortReason::TooLarge);
        }
        self.look_for_repeated_ids(read);
        for command in &read.commands {
            self.command(read.header.msg_id, command);
        }
        if self.is_aborted {
            self.delta.events.push(Dm1Event::Aborted {
                by: Aborter::Client,
            });
            self.leave_open();
            return self.answer(Saying::End);
        }
        if self.held() > self.held_limit() {
            return self.abort(AbortReason::TooLarge);
        }
        if read.r#final {
            self.package_ended();
        } else if self.state.was_final {
            // §1.5/4: nothing but the request for the rest.
            return self.answer(Saying::Alert(AlertCode::NEXT_MESSAGE, false));
        }
        let saying = self.next_package();
        self.answer(saying)
    }

    fn command(&mut self, msg_id: u32, command: &Command) {
        let code = match command {
            Command::Status(status) => return self.status(status),
            Command::Results(results) => self.results(results),
            _ if command.cmd_id().is_none() => Some(StatusCode::BAD_REQUEST),
            Command::Alert(alert) if alert.items.is_empty() => Some(self.alert(alert)),
            Command::Alert(_) | Command::Replace(_) => Some(match self.whole(command) {
                Err(code) => code,
                Ok(Command::Alert(alert)) => self.alert(&alert),
                Ok(Command::Replace(replace)) => self.dev_info(&replace),
                Ok(_) => StatusCode::COMMAND_FAILED,
            }),
            Command::Add(_)
            | Command::Copy(_)
            | Command::Delete(_)
            | Command::Get(_)
            | Command::Exec(_)
            | Command::Atomic(_)
            | Command::Sequence(_) => Some(StatusCode::NOT_SUPPORTED),
            Command::Other(other) => Some(if UNUSED.contains(&&*other.name) {
                StatusCode::NOT_SUPPORTED
            } else {
                StatusCode::NOT_IMPLEMENTED
            }),
        };
        if let Some(code) = code {
            if !code.is_success() {
                let command = command.name().to_owned();
                self.irregular(Irregularity::CommandRefused { command, code });
            }
            self.statuses.push(StoredStatus::of(msg_id, command, code));
        }
    }

    fn look_for_repeated_ids(&mut self, read: &Message) {
        let mut seen = BTreeSet::new();
        let ids = read.commands.iter().filter_map(Command::cmd_id);
        let repeated = ids.map(CmdId::as_str).find(|id| !seen.insert(*id));
        if let Some(id) = repeated {
            self.irregular(Irregularity::CmdIdRepeated(id.to_owned()));
        }
    }

    /// The client's package is complete: what has no status now will get none (§1.5, M04).
    fn package_ended(&mut self) {
        self.state.messages = 0;
        self.state.chunk_in = None;
        self.broken_off();
        self.rotation_ended();
        let open = self.state.open_commands_sent();
        self.state.chunk_out = self
            .state
            .chunk_out
            .take()
            .filter(|chunk| !open.contains(&chunk.id));
        for sent in std::mem::take(&mut self.state.sent) {
            let outcome = sent.outcome();
            self.outcome(&sent, outcome);
        }
        if self.state.opens() && self.delta.dev_info.is_none() {
            self.irregular(Irregularity::NoDevInfo);
        }
    }

    /// What was sent and has no outcome gets the one that it may have been carried out.
    fn leave_open(&mut self) {
        for sent in std::mem::take(&mut self.state.sent) {
            let outcome = sent.outcome();
            self.outcome(&sent, outcome);
            if sent.id.is_none() {
                self.own_outcome(&sent, sent.told_code());
            }
        }
        self.state.chunk_in = None;
        self.state.object_in = None;
        self.state.chunk_out = None;
    }

    /// A queued command has its outcome.
    pub(super) fn outcome(&mut self, sent: &SentCommand1, outcome: Outcome) {
        if let Some(id) = &sent.id {
            self.settled.push(id.clone());
            let duration = self.now.millis_since(sent.sent_at);
            self.delta.events.push(Dm1Event::Outcome(CommandOutcome1 {
                id: id.clone(),
                outcome,
                duration_ms: u64::try_from(duration).unwrap_or_default(),
            }));
        }
    }

    /// A command of the server's own has its outcome.
    pub(super) fn own_outcome(&mut self, sent: &SentCommand1, code: Option<StatusCode>) {
        let outcome = sent.own_outcome(&self.state.id, code, self.now);
        self.delta.events.push(Dm1Event::OwnOutcome(outcome));
    }

    /// The client challenged our credential: nothing was carried out, and none of the statuses of the last package counted. All of it goes once more (M06).
    fn prove_again(mut self) -> Dm1Step {
        self.delta.events.push(Dm1Event::ServerChallenged);
        if let Some(nonce) = self
            .state
            .next_nonce
            .clone()
            .filter(|_| !self.state.per_message)
        {
            self.header_code = StatusCode::AUTHENTICATED;
            self.header_chal = Nonce::of_base64(&nonce)
                .ok()
                .map(|nonce| chal(CredentialType::Md5, Some(&nonce)));
        }
        self.statuses = self.state.statuses.clone();
        for sent in std::mem::take(&mut self.state.sent) {
            if sent.id.is_none() {
                self.own_outcome(&sent, None);
            }
        }
        self.state.chunk_out = None;
        self.rotation_again();
        self.state.messages = 0;
        let saying = self.next_package();
        self.answer(saying)
    }

    /// The session cannot go on.
    pub(super) fn abort(mut self, reason: AbortReason) -> Dm1Step {
        if matches!(reason, AbortReason::Unreadable(_) | AbortReason::Repeated) {
            self.header_code = StatusCode::BAD_REQUEST;
            self.header_chal = None;
        }
        self.leave_open();
        self.delta.events.push(aborted(reason));
        self.state.ended = true;
        self.answer(Saying::Alert(AlertCode::SESSION_ABORT, true))
    }

    /// The frame of the next message of ours.
    fn frame(&self) -> Frame<'_> {
        Frame {
            server: self.server,
            ver_proto: &self.state.ver_proto,
            session_id: &self.state.session_id,
            msg_id: self.state.msg_id.wrapping_add(1),
            dev_id: &self.state.dev_id,
            token: &self.state.token,
        }
    }

    /// An answer with its statuses, header and all, before what it says.
    pub(super) fn draft(&self) -> (Answer, omadm_dm1::syncml::SyncHdr) {
        let mut answer = Answer::default();
        let msg_ref = self.message.identified.msg_id();
        answer.header_status(msg_ref, self.header_code, self.header_chal.clone());
        for status in &self.statuses {
            answer.status(status);
        }
        (answer, self.frame().header())
    }

    fn answer(mut self, saying: Saying) -> Dm1Step {
        let (mut answer, mut header) = self.draft();
        let cred = self.cred_for(&mut header);
        let mut r#final = true;
        if self.is_broken {
            answer.alert(AlertCode::NO_END_OF_DATA);
        }
        match saying {
            Saying::End => {
                self.state.ended = true;
                if !self.is_aborted {
                    self.delta.events.push(Dm1Event::Ended);
                }
            }
            Saying::Alert(code, ends) => {
                answer.alert(code);
                r#final = ends;
            }
            Saying::Commands(commands, ends) => {
                r#final = ends;
                for (command, mut sent) in commands {
                    sent.number(answer.upcoming(), header.msg_id, &command);
                    answer.command(command);
                    let told = match &sent.id {
                        Some(id) => Dm1Event::Sent { id: id.clone() },
                        None => Dm1Event::OwnSent(sent.own_command()),
                    };
                    self.delta.events.push(told);
                    self.state.sent.push(sent);
                }
                self.state.was_final = ends;
            }
        }
        let encoding = self.state.encoding();
        let body = super::answer::encode(&answer.message(header, r#final), encoding);
        let mac = cred.and_then(|mac| mac.over(&body));
        let state = &mut self.state;
        state.is_first = state.last_msg_id == 0;
        state.last_msg_id = self.message.identified.msg_id();
        state.last_request = fingerprint(self.message.body);
        state.keep_reply(&body);
        state.last_mac.clone_from(&mac);
        state.last_at = self.now;
        state.msg_id = state.msg_id.wrapping_add(1);
        state.statuses = std::mem::take(&mut self.statuses);
        Dm1Step {
            state: Some(self.state),
            delta: self.delta,
            reply: super::Dm1Reply {
                body,
                encoding,
                mac,
            },
        }
    }
}

impl StoredStatus {
    pub(super) fn of(msg_ref: u32, command: &Command, code: StatusCode) -> Self {
        let source_refs = match command {
            Command::Alert(alert) => alert.items.iter(),
            _ => [].iter(),
        };
        Self {
            msg_ref,
            cmd_ref: command.cmd_id().map(|id| id.as_str().to_owned()),
            cmd: command.name().to_owned(),
            source_refs: source_refs
                .filter_map(|item| item.source.as_ref())
                .take(1)
                .map(|source| source.uri.clone())
                .collect(),
            code: code.0,
        }
    }
}

/// What is kept of a secret to know it again.
pub(super) fn secret_hash(secret: &Secret) -> String {
    PayloadHash::of(secret.expose()).to_hex()
}

/// The status of our header in a message.
pub(super) fn status_of_header(read: &Message, msg_id: u32) -> Option<&Status> {
    let mut of_header = read
        .statuses()
        .filter(|status| status.is_of_header() && status.msg_ref.is_none_or(|at| at == msg_id));
    of_header.next()
}
