use omadm_bootstrap::plan::TreePlan;
use omadm_bootstrap::{BootstrapKind, BootstrapMethod, EventId, Utc};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Alert, Encoding, Message};
use omadm_mo::{DevId, ExecOutcome, SrvId, TreeError, TreeVersion, TreeView as _};

use super::{Dm1Credentials, Dm1Device, Dm1ServerEnd, opening};
use crate::client::Cause;
use crate::client::dm1::{
    Dm1ClientSession, Dm1Effect, Dm1Input, Dm1Limits, Dm1Opening, Dm1Outcome, Dm1Request,
    Dm1Response, Dm1SessionEvent, Dm1Set, UserAnswer,
};
use crate::pair::{Fault, FaultPlan, Moment, Pair, Seed};

/// A device and its server, the link between them, and the time.
#[derive(Clone)]
pub struct Dm1Pair {
    /// The time.
    pub now: Utc,
    /// The device.
    pub device: Dm1Device,
    /// The server.
    pub server: Dm1ServerEnd,
    /// How messages are serialized.
    pub encoding: Encoding,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// Another server's manners: what becomes of a message of the server's before the client reads it. A credential in the header stays good, a MAC does not.
    pub rewrite: Option<fn(&mut Message)>,
    /// With which credentials the next sessions are tried.
    pub set: Dm1Set,
    /// Generic alerts that the client's next sessions take along.
    pub alerts: Vec<Alert>,
    /// What the client takes of the server.
    pub limits: Dm1Limits,
    /// What the client told, in order.
    pub told: Vec<Dm1SessionEvent>,
    seed: Seed,
    requests: u32,
    effects: u32,
    applies: u32,
}

/// How a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dm1SessionEnd {
    /// As the client's machine says.
    Finished(Dm1Outcome),
    /// The client died.
    Died,
}

impl Dm1Pair {
    /// A device that is not bootstrapped, and a server that has an account for it without secrets. None where one of the names cannot be one.
    #[must_use]
    pub fn new(server: &str, dev_id: &str, endpoint: &str, encoding: Encoding) -> Option<Self> {
        let srv_id = SrvId::parse(server).ok()?;
        let device = DevId::parse(dev_id).ok()?;
        Some(Self {
            now: Utc(1_767_268_800_000),
            device: Dm1Device::new(srv_id, device, endpoint),
            server: Dm1ServerEnd::new(server, dev_id, endpoint, [42; 32]),
            encoding,
            faults: FaultPlan::none(),
            rewrite: None,
            set: Dm1Set::Current,
            alerts: Vec::new(),
            limits: Dm1Limits::default(),
            told: Vec::new(),
            seed: Seed::new(0),
            requests: 0,
            effects: 0,
            applies: 0,
        })
    }

    /// How many requests, effects and applied plans there were so far: the positions a fault can have.
    #[must_use]
    pub const fn counts(&self) -> (u32, u32, u32) {
        (self.requests, self.effects, self.applies)
    }

    /// Faults count from here.
    pub fn begin(&mut self, faults: FaultPlan) {
        self.faults = faults;
        self.requests = 0;
        self.effects = 0;
        self.applies = 0;
    }

    /// The device is bootstrapped with these.
    ///
    /// # Errors
    ///
    /// What its tree says.
    pub fn bootstrap(
        &mut self,
        credentials: &Dm1Credentials,
        method: BootstrapMethod,
        kind: BootstrapKind,
    ) -> Result<(), Cause> {
        let event_id = EventId::of(self.seed.octets());
        self.device
            .bootstrap(self.now, credentials, method, kind, event_id)
    }

    /// One session from its first message to its end.
    pub fn session(&mut self) -> Dm1SessionEnd {
        self.now = self.now.plus_millis(Pair::RESTART_MILLIS);
        let mut session = self.open();
        while let Some(effect) = session.poll_effect() {
            let n = self.effects;
            self.effects += 1;
            if self.faults.has(Fault::ClientDies(Moment::Before, n)) {
                return Dm1SessionEnd::Died;
            }
            let input = match effect {
                Dm1Effect::Send(request) => Some(match self.exchange(&request) {
                    Ok(response) => Dm1Input::Response(response),
                    Err(cause) => Dm1Input::SendFailed(cause),
                }),
                Dm1Effect::Apply(id, plan) => Some(Dm1Input::ApplyDone(id, self.apply(&plan))),
                Dm1Effect::ReadLive(id, _) => Some(Dm1Input::ReadLiveDone(id, Ok(Vec::new()))),
                Dm1Effect::Exec(id, ..) => Some(Dm1Input::ExecDone(id, Ok(ExecOutcome::Done))),
                Dm1Effect::AskUser(id, _) => Some(Dm1Input::UserAnswered(id, UserAnswer::Ok)),
                Dm1Effect::Report(event) => {
                    self.told.push(event);
                    None
                }
                Dm1Effect::Finish(outcome) => return Dm1SessionEnd::Finished(outcome),
            };
            if self.faults.has(Fault::ClientDies(Moment::After, n)) {
                return Dm1SessionEnd::Died;
            }
            if let Some(input) = input {
                session.handle_input(self.now, &self.device.tree, input);
            }
        }
        Dm1SessionEnd::Died
    }

    /// The request of a session that would be opened now, without opening it.
    #[must_use]
    pub fn first_request(&mut self) -> Option<Dm1Request> {
        let mut session = self.open();
        std::iter::from_fn(|| session.poll_effect()).find_map(|effect| match effect {
            Dm1Effect::Send(request) => Some(request),
            _ => None,
        })
    }

    /// Brings a request to the server, outside of any session of the client's.
    pub fn post(&mut self, request: &Dm1Request) -> Dm1Response {
        let prepared = self.server.prepare(self.now, request, &mut self.seed);
        self.server.commit(prepared)
    }

    fn open(&mut self) -> Dm1ClientSession {
        let mut entropy = [0; 32];
        entropy[..16].copy_from_slice(&self.seed.octets());
        let device = &self.device;
        let server = device.server.clone();
        let opening = Dm1Opening {
            set: self.set,
            alerts: self.alerts.clone(),
            limits: self.limits,
            ..opening(server, device.dev_id.clone(), self.encoding, entropy)
        };
        Dm1ClientSession::start(opening, device.layout.clone(), &device.tree)
    }

    fn exchange(&mut self, request: &Dm1Request) -> Result<Dm1Response, Cause> {
        let n = self.requests;
        self.requests += 1;
        let lost = |what: &str| Err(Cause::Unreachable(what.to_owned()));
        if self.faults.has(Fault::DropRequest(n)) {
            return lost("the request was lost");
        }
        let prepared = self.server.prepare(self.now, request, &mut self.seed);
        if self.faults.has(Fault::ServerDies(Moment::Before, n)) {
            return lost("the server died before its commit");
        }
        let mut response = self.server.commit(prepared);
        if self.faults.has(Fault::DuplicateRequest(n)) {
            let again = self.server.prepare(self.now, request, &mut self.seed);
            response = self.server.commit(again);
        }
        if self.faults.has(Fault::ServerDies(Moment::After, n)) {
            return lost("the server died after its commit");
        }
        if self.faults.has(Fault::DropReply(n)) {
            return lost("the answer was lost");
        }
        if self.faults.has(Fault::TruncateReply(n)) {
            response.body.truncate(response.body.len() / 2);
        }
        if let Some(rewrite) = self.rewrite {
            response.body = self.rewritten(rewrite, response.body);
        }
        Ok(response)
    }

    fn rewritten(&self, rewrite: fn(&mut Message), body: Vec<u8>) -> Vec<u8> {
        let Ok(mut message) = Message::decode(&body, self.encoding, MarkupLimits::MESSAGE) else {
            return body;
        };
        rewrite(&mut message);
        message.encode(self.encoding).unwrap_or(body)
    }

    fn apply(&mut self, plan: &TreePlan) -> Result<TreeVersion, Cause> {
        let n = self.applies;
        self.applies += 1;
        let tree = &mut self.device.tree;
        if self.faults.has(Fault::TreeChanges(n)) {
            let change = TreePlan::at(tree.version());
            super::super::device_end::applied(tree, &change)?;
        }
        if self.faults.has(Fault::Stale(n)) {
            return Err(Cause::Stale);
        }
        if self.faults.has(Fault::NoRoom(n)) {
            return Err(Cause::Tree(TreeError::NoRoom));
        }
        super::super::device_end::applied(tree, plan)
    }
}
