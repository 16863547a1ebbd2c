use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use omadm_bootstrap::{Account, CompletionState, DeviceView, EventId, Utc};
use omadm_dm1::credential::MacHeader;
use omadm_dm1::syncml::{
    AlertCode, CmdId, Command, Encoding, Location, Message, Meta, Status, StatusCode, SyncHdr,
    VER_DTD,
};
use omadm_mo::{Scheme, ServerUri, TreeError, TreeLayout};

use super::account_facts::AccountFacts;
use super::authentication::{ClientProof, NonceMaker, ServerProof};
use super::bootstrap_event::{event, first_message, plain};
use super::effect::{Dm1Effect, Dm1Fault, Dm1Input, Dm1Outcome, Dm1Request, Dm1SessionEvent};
use super::ending::plan_failure;
use super::large_object::ObjectIn;
use super::opening::{Dm1Opening, Dm1Reason, Dm1Set};
use super::outbox::{About, Frame, Outbox, Outgoing, Packed, Unpacked};
use super::reverting::Reverting;
use super::run::Run;
use crate::client::{Cause, EffectId};

/// One DM 1.x session of the client: fed with inputs, drained of effects. Reads the tree through a snapshot lent for one call.
pub struct Dm1ClientSession {
    /// None where there was no account to open it with.
    talk: Option<Box<Talk>>,
    effects: VecDeque<Dm1Effect>,
}

/// A session that has an account.
pub(super) struct Talk {
    pub(super) opening: Dm1Opening,
    pub(super) layout: Arc<TreeLayout>,
    pub(super) facts: AccountFacts,
    pub(super) client: ClientProof,
    pub(super) server: ServerProof,
    pub(super) nonces: NonceMaker,
    pub(super) session: u16,
    session_id: String,
    msg_id: u32,
    /// Of the last answer.
    server_msg_id: Option<u32>,
    pub(super) encoding: Encoding,
    pub(super) other_encoding_tried: bool,
    to: ServerUri,
    /// What the server takes, once it has said so.
    max_msg_size: Option<u64>,
    pub(super) max_obj_size: Option<u64>,
    pub(super) outbox: Outbox,
    /// What the server's statuses settle.
    pub(super) refs: BTreeMap<(u32, CmdId), About>,
    pub(super) object: ObjectIn,
    /// The bootstrap that is reported.
    pub(super) event: Option<EventId>,
    /// The event was left out to see if the server then goes on (§6.3).
    pub(super) withheld: Option<EventId>,
    /// The server took a message of ours without a challenge: it knows what we take.
    pub(super) taken: bool,
    /// Whether the former set still has to be restored: the server was not met yet (M25).
    pub(super) reverts: bool,
    pub(super) state: State,
    next_id: u64,
    pub(super) effects: VecDeque<Dm1Effect>,
}

pub(super) enum State {
    Sent(Box<Sent>),
    Running(Box<Run>),
    /// The former set is being restored before the message is carried out (M25).
    Reverting(EffectId, Box<Reverting>),
    /// What a session in vain leaves behind is being stored.
    Ending(EffectId, Dm1Outcome),
    Over,
}

/// A message that is out.
pub(super) struct Sent {
    message: Message,
    request: Dm1Request,
    /// What it holds of the outbox.
    pub(super) content: Vec<Outgoing>,
    repeated: bool,
    /// The server's package is complete, so that ours may be: where this message is not its end, there is more to say.
    may_end: bool,
    /// The session is over whatever comes back.
    pub(super) leaves: Option<Dm1Outcome>,
}

/// What our messages have at least room for, whatever the server says it takes. Local limit.
const LEAST_MESSAGE: u64 = 512;

impl Sent {
    /// Whether the rest of our package waits to be asked for (§1.5/4).
    pub(super) const fn goes_on(&self) -> bool {
        self.may_end && !self.message.r#final
    }
}

impl Dm1ClientSession {
    /// Begins a session: the first effects report it and send its first message.
    #[must_use]
    pub fn start(opening: Dm1Opening, layout: Arc<TreeLayout>, view: &dyn DeviceView) -> Self {
        match Talk::open(opening, layout, view) {
            Ok(Some(talk)) => Self {
                talk: Some(Box::new(talk)),
                effects: VecDeque::new(),
            },
            Ok(None) | Err(_) => Self {
                talk: None,
                effects: over(Dm1Outcome::NoAccount).into(),
            },
        }
    }

    /// The next thing to do; none until the next input.
    pub fn poll_effect(&mut self) -> Option<Dm1Effect> {
        match &mut self.talk {
            Some(talk) => talk.effects.pop_front(),
            None => self.effects.pop_front(),
        }
    }

    /// Whether [`Dm1Effect::Finish`] was given out or waits to be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let talk = self.talk.as_ref();
        talk.is_none_or(|talk| matches!(talk.state, State::Over))
    }

    /// Takes an input. `view` is the tree as it is now. An answer to an effect that nobody waits for is passed over.
    pub fn handle_input(&mut self, now: Utc, view: &dyn DeviceView, input: Dm1Input) {
        if let Some(talk) = &mut self.talk {
            talk.handle_input(now, view, input);
        }
    }
}

impl Talk {
    fn open(
        opening: Dm1Opening,
        layout: Arc<TreeLayout>,
        view: &dyn DeviceView,
    ) -> Result<Option<Self>, TreeError> {
        let nonces = NonceMaker::new(opening.entropy);
        let facts = AccountFacts::read(view, &opening.server, opening.set, nonces.event())?;
        let Some(facts) = facts else {
            return Ok(None);
        };
        let kept = &facts.account.dm1;
        let session = match opening.reason {
            Dm1Reason::Triggered { session } => session,
            Dm1Reason::Client => kept.next_session(nonces.session()),
        };
        let tls = facts.endpoint.scheme() == Scheme::Https;
        let owed = facts.account.owed.is_some();
        let event_id = owed.then(|| facts.account.provenance.event_id.clone());
        let withholds = kept.withholds_event();
        let mut talk = Self {
            client: ClientProof::new(facts.client.clone(), tls, kept.last_type),
            server: ServerProof::new(
                facts.server.clone(),
                tls,
                kept.previous_server_nonce.clone(),
            ),
            nonces,
            session,
            session_id: format!("{session:X}"),
            msg_id: 0,
            server_msg_id: None,
            encoding: kept.encoding.unwrap_or(opening.encoding),
            other_encoding_tried: false,
            to: facts.endpoint.clone(),
            max_msg_size: None,
            max_obj_size: None,
            outbox: Outbox::default(),
            refs: BTreeMap::new(),
            object: ObjectIn::default(),
            event: event_id.clone().filter(|_| !withholds),
            withheld: event_id.filter(|_| withholds),
            taken: false,
            reverts: opening.set == Dm1Set::Former,
            state: State::Over,
            next_id: 0,
            effects: VecDeque::new(),
            opening,
            layout,
            facts,
        };
        talk.report(Dm1SessionEvent::Started {
            server: talk.opening.server.clone(),
            event: talk.event.is_some(),
        });
        let event = talk.event.is_some().then(|| talk.event_alert());
        for outgoing in first_message(&talk.opening, event) {
            talk.outbox.push(outgoing);
        }
        talk.send(view, None, None, true, None);
        Ok(Some(talk))
    }

    fn event_alert(&self) -> omadm_dm1::syncml::Alert {
        let uri = self.layout.loc_uri(&self.facts.root);
        let uri = uri.map(|uri| uri.to_string()).unwrap_or_default();
        event(
            &self.facts.account,
            &uri,
            self.opening.event_type.as_deref(),
        )
    }

    fn handle_input(&mut self, now: Utc, view: &dyn DeviceView, input: Dm1Input) {
        let state = std::mem::replace(&mut self.state, State::Over);
        match (state, input) {
            (State::Over, _) => {}
            (_, Dm1Input::Cancel) => self.close(Dm1Outcome::Cancelled),
            (State::Ending(id, outcome), Dm1Input::ApplyDone(done, _)) if id == done => {
                self.close(outcome);
            }
            (State::Ending(_, outcome), Dm1Input::SendFailed(_)) => self.close(outcome),
            (_, Dm1Input::SendFailed(cause @ Cause::SessionTooLong(_))) => {
                self.finish(view, Dm1Outcome::Lost(cause));
            }
            (State::Sent(sent), Dm1Input::SendFailed(cause)) => self.unsent(view, sent, cause),
            (State::Sent(sent), Dm1Input::Response(response)) => {
                self.answered(now, view, sent, &response);
            }
            (State::Reverting(id, reverting), Dm1Input::ApplyDone(done, applied)) if id == done => {
                self.reverted(now, view, *reverting, applied);
            }
            (State::Running(run), input) => self.resume(now, view, *run, input),
            (state, _) => self.state = state,
        }
    }

    /// A message whose exchange broke is repeated once, the same octets (M03).
    fn unsent(&mut self, view: &dyn DeviceView, mut sent: Box<Sent>, cause: Cause) {
        if let Some(outcome) = sent.leaves.take() {
            return self.finish(view, outcome);
        }
        if sent.repeated || !matches!(cause, Cause::Unreachable(_)) {
            return self.finish(view, Dm1Outcome::Lost(cause));
        }
        sent.repeated = true;
        self.effects
            .push_back(Dm1Effect::Send(sent.request.clone()));
        self.state = State::Sent(sent);
    }

    /// HTTP 415: the same message in the other encoding, once (M09). Whether there is one.
    pub(super) fn send_in_other_encoding(&mut self, mut sent: Box<Sent>) -> Result<(), Box<Sent>> {
        if self.other_encoding_tried {
            return Err(sent);
        }
        self.other_encoding_tried = true;
        self.encoding = match self.encoding {
            Encoding::Xml => Encoding::Wbxml,
            Encoding::Wbxml => Encoding::Xml,
        };
        let Ok(body) = sent.message.encode(self.encoding) else {
            return Err(sent);
        };
        sent.request = self.request(body);
        self.effects
            .push_back(Dm1Effect::Send(sent.request.clone()));
        self.state = State::Sent(sent);
        Ok(())
    }

    /// The number of our last message.
    pub(super) const fn last_msg_id(&self) -> u32 {
        self.msg_id
    }

    /// Takes the `MsgID` of an answer: above the one before (M03). Gaps are let be.
    pub(super) fn takes_msg_id(&mut self, msg_id: u32) -> bool {
        let above = self.server_msg_id.is_none_or(|last| msg_id > last);
        if above {
            self.server_msg_id = Some(msg_id);
        }
        above
    }

    pub(super) fn is_session(&self, session_id: &str) -> bool {
        self.session_id == session_id
    }

    /// Takes what the header says of the session: sizes, and where the next message goes (M02).
    pub(super) fn takes_header(&mut self, header: &SyncHdr) -> Result<(), Dm1Fault> {
        self.max_msg_size = header.meta.max_msg_size.or(self.max_msg_size);
        self.max_obj_size = header.meta.max_obj_size.or(self.max_obj_size);
        let Some(uri) = &header.resp_uri else {
            return Ok(());
        };
        let uri = self.to.join(uri.trim()).map_err(|_| Dm1Fault::RespUri)?;
        let opens = self.to.scheme() == Scheme::Https && uri.scheme() == Scheme::Http;
        if opens {
            return Err(Dm1Fault::RespUri);
        }
        self.to = uri;
        Ok(())
    }

    /// Octets that results may have in a message of their own.
    pub(super) fn room(&self) -> usize {
        let around = 700 + self.to.as_str().len() + self.opening.dev_info.dev_id.as_str().len();
        self.limit().saturating_sub(around)
    }

    /// Octets of our messages that the server takes. One that said nothing gets no more than it takes of us (M07).
    fn limit(&self) -> usize {
        let own = self.opening.limits.max_msg_size;
        let limit = self
            .max_msg_size
            .map_or(own, |max| usize::try_from(max).unwrap_or(usize::MAX));
        // Nobody builds what a peer merely claims to hold.
        limit.min(own.max(1 << 20))
    }

    /// Sends what waits, as far as it fits.
    pub(super) fn send(
        &mut self,
        view: &dyn DeviceView,
        first: Option<Status>,
        last: Option<AlertCode>,
        may_end: bool,
        leaves: Option<Dm1Outcome>,
    ) {
        if self.msg_id >= self.opening.limits.messages {
            return self.finish(view, Dm1Outcome::Fault(Dm1Fault::Endless));
        }
        if let Some(max) = self.max_msg_size.filter(|max| *max < LEAST_MESSAGE) {
            return self.finish(view, Dm1Outcome::Fault(Dm1Fault::MaxMsgSize(max)));
        }
        self.msg_id += 1;
        let frame = Frame {
            header: self.header(),
            first,
            last: last.map(|code| Command::Alert(plain(code))),
            encoding: self.encoding,
            limit: self.limit(),
            max_obj_size: self.max_obj_size,
            may_end,
        };
        let Packed {
            message,
            body,
            sent,
            refs,
            untold,
        } = match self.outbox.pack(frame) {
            Ok(packed) => packed,
            Err(Unpacked::TooSmall) => {
                let max = self.max_msg_size.unwrap_or_default();
                return self.finish(view, Dm1Outcome::Fault(Dm1Fault::MaxMsgSize(max)));
            }
            Err(Unpacked::Markup(fault)) => {
                let failed = TreeError::Damaged(fault.to_string().into());
                return self.finish(view, Dm1Outcome::Lost(Cause::Tree(failed)));
            }
        };
        for index in untold {
            // It never takes more: nothing is gained by telling it again.
            let status = StatusCode::TOO_LARGE;
            self.report(Dm1SessionEvent::AlertAnswered { index, status });
        }
        for (cmd_id, about) in refs {
            if about != About::Nothing {
                self.refs.insert((self.msg_id, cmd_id), about);
            }
        }
        let request = self.request(body);
        self.effects.push_back(Dm1Effect::Send(request.clone()));
        self.state = State::Sent(Box::new(Sent {
            message,
            request,
            content: sent,
            repeated: false,
            may_end,
            leaves,
        }));
    }

    fn header(&self) -> SyncHdr {
        let limits = self.opening.limits;
        // Until the server has taken a message: it may keep nothing of a challenge (M12, M16).
        let sizes = !self.taken;
        SyncHdr {
            ver_dtd: VER_DTD.into(),
            ver_proto: self.layout.version().ver_proto().into(),
            session_id: self.session_id.clone(),
            msg_id: self.msg_id,
            target: Location::new(self.to.as_str()),
            source: Location {
                uri: self.opening.dev_info.dev_id.as_str().to_owned(),
                name: self.client.user().map(str::to_owned),
            },
            resp_uri: None,
            cred: self.client.cred(),
            meta: Meta {
                max_msg_size: sizes.then_some(limits.max_msg_size as u64),
                max_obj_size: sizes.then_some(limits.max_obj_size as u64),
                ..Meta::default()
            },
        }
    }

    fn request(&self, body: Vec<u8>) -> Dm1Request {
        let mac = self.client.mac(&body);
        Dm1Request {
            to: self.to.clone(),
            content_type: self.encoding.media_type(),
            mac: mac.as_ref().map(MacHeader::value),
            body,
        }
    }

    /// The status of the server's header, the first of a message.
    pub(super) fn header_status(&self, code: StatusCode) -> Status {
        Status {
            cmd_id: None,
            msg_ref: self.server_msg_id,
            cmd_ref: Some(CmdId::header()),
            cmd: Some("SyncHdr".into()),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            chal: None,
            code: Some(code),
            items: Vec::new(),
        }
    }

    pub(super) fn report(&mut self, event: Dm1SessionEvent) {
        self.effects.push_back(Dm1Effect::Report(event));
    }

    /// Ends the session; what it leaves behind for the next one is stored before.
    pub(super) fn finish(&mut self, view: &dyn DeviceView, outcome: Dm1Outcome) {
        match plan_failure(self, view, &outcome) {
            Ok(Some(plan)) => {
                let id = self.id();
                self.effects.push_back(Dm1Effect::Apply(id, plan));
                self.state = State::Ending(id, outcome);
            }
            Ok(None) | Err(_) => self.close(outcome),
        }
    }

    fn close(&mut self, outcome: Dm1Outcome) {
        self.state = State::Over;
        self.effects.extend(over(outcome));
    }

    pub(super) const fn id(&mut self) -> EffectId {
        self.next_id += 1;
        EffectId(self.next_id)
    }

    /// The account as it is now.
    pub(super) fn account(&self, view: &dyn DeviceView) -> Option<Account> {
        view.account(&self.opening.server).ok().flatten()
    }

    /// What the answer to the event, or going on without it, comes to.
    pub(super) fn event_state(&self, code: StatusCode) -> Option<CompletionState> {
        match code {
            StatusCode::OK | StatusCode::ACCEPTED => Some(CompletionState::Acked),
            StatusCode::NOT_SUPPORTED | StatusCode::UNSUPPORTED_FORMAT => {
                Some(CompletionState::Unsupported)
            }
            _ => None,
        }
    }
}

fn over(outcome: Dm1Outcome) -> [Dm1Effect; 2] {
    [
        Dm1Effect::Report(Dm1SessionEvent::Ended(outcome.clone())),
        Dm1Effect::Finish(outcome),
    ]
}
