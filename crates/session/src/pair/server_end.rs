use std::collections::BTreeMap;

use omadm_bootstrap::generation::SecretScope;
use omadm_bootstrap::{BootstrapComplete, EventId, Utc};
use omadm_dm2::{Command, StatusCode, media_type};
use omadm_mo::CacheValidator;
use omadm_mo::json::{Json, JsonLimits};

use super::secret_ring::Judged;
use super::{SecretRing, Seed};
use crate::client::{Request, Response};
use crate::server::{
    CommandOutcome, DeviceFacts, KnownInstance, PackageIn, Reply, SessionDelta, SessionEvent,
    SessionState, Step, WantedCommand, advance, cacheable_target,
};

/// The server: the reducer, and what it made durable for one device.
#[derive(Clone, Debug)]
pub struct ServerEnd {
    /// The command queue.
    pub queue: Vec<QueuedCommand>,
    /// Whether DevInfo is read in a session that reports BootstrapComplete.
    pub read_dev_info: bool,
    /// Bounds of what it reads.
    pub limits: JsonLimits,
    /// The completed bootstraps. A completion without EventId is not among them.
    pub completions: BTreeMap<EventId, BootstrapComplete>,
    /// How often a completion came, repetitions and those without EventId included.
    pub completions_received: u32,
    /// DevInfo as it was last read.
    pub dev_info: Option<Json>,
    /// Everything that happened, in order.
    pub events: Vec<SessionEvent>,
    /// Which secrets open a session; none takes every device at its word.
    pub secrets: Option<SecretRing>,
    /// What the server proves its Notifications with; none where it does not.
    pub notification: Option<SecretRing>,
    /// The running session in its stored form.
    session: Option<String>,
}

/// A command of the queue.
#[derive(Clone, Debug)]
pub struct QueuedCommand {
    /// Names it.
    pub id: String,
    /// The command.
    pub command: Command,
    /// In how many answers it stood.
    pub sends: u32,
    /// Whether it waits for an operator: an EXEC whose outcome is unknown (D02).
    pub held: bool,
    /// Its answer, once that is durable.
    pub outcome: Option<CommandOutcome>,
}

/// What a package leads to, not durable yet.
pub(super) struct Prepared(Step, Option<Judged>);

impl ServerEnd {
    /// A server that knows nothing of the device, and reads its DevInfo.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            queue: Vec::new(),
            read_dev_info: true,
            limits: JsonLimits {
                depth: 64,
                octets: 1 << 20,
            },
            completions: BTreeMap::new(),
            completions_received: 0,
            dev_info: None,
            events: Vec::new(),
            secrets: None,
            notification: None,
            session: None,
        }
    }

    /// Queues a command; answers its id.
    pub fn queue(&mut self, command: Command) -> String {
        let id = self.queue.len().to_string();
        self.queue.push(QueuedCommand {
            id: id.clone(),
            command,
            sends: 0,
            held: false,
            outcome: None,
        });
        id
    }

    /// Whether every command was answered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.queue.iter().all(|queued| queued.outcome.is_some())
    }

    /// What is to be answered, with the validators of what earlier answers brought.
    fn wanted(&self) -> Vec<WantedCommand> {
        let open = self.queue.iter();
        let open = open.filter(|queued| queued.outcome.is_none() && !queued.held);
        let wanted = open.map(|queued| WantedCommand {
            id: queued.id.clone(),
            command: queued.command.clone(),
            cv: self.validator(&queued.command),
        });
        wanted.collect()
    }

    /// The validator of the newest answer that brought the whole instance, where what a GET reads of it is known by that.
    fn validator(&self, command: &Command) -> Option<CacheValidator> {
        let is_get = matches!(command, Command::Get { .. });
        let target = cacheable_target(command).filter(|_| is_get)?;
        let answers = self.queue.iter().rev().filter_map(|it| it.outcome.as_ref());
        let mut known = answers.filter_map(|answer| {
            KnownInstance::read(answer.result.as_ref()?.as_bytes(), JsonLimits::default())
        });
        let known = known.find(|known| target.is_within(&known.at))?;
        let shows = target.is_root() || known.part(&target).is_some();
        Some(known.cv).filter(|_| shows)
    }

    /// A rotation was answered.
    fn arrived(&mut self, outcome: &CommandOutcome) {
        let rings = [
            (&mut self.secrets, SecretScope::Session),
            (&mut self.notification, SecretScope::Notification),
        ];
        for (ring, scope) in rings {
            if let (Some(ring), Some(id)) = (ring, &outcome.id) {
                ring.answered(id, outcome.status == StatusCode::OK, scope);
            }
        }
    }

    fn queued(&mut self, id: Option<&String>) -> Option<&mut QueuedCommand> {
        self.queue.iter_mut().find(|it| Some(&it.id) == id)
    }

    /// The running session.
    #[must_use]
    pub fn session(&self) -> Option<SessionState> {
        SessionState::from_text(self.session.as_deref()?).ok()
    }

    /// `secret` is the name of what the device proves itself with on this connection.
    pub(super) fn prepare(
        &self,
        now: Utc,
        request: &Request,
        secret: Option<&[u8]>,
        seed: &mut Seed,
    ) -> Prepared {
        let facts = DeviceFacts {
            wanted: self.wanted(),
            read_dev_info: self.read_dev_info,
            dev_info_missing: self.completions_received > 0 && self.dev_info.is_none(),
            entropy: seed.octets(),
        };
        let package = if request.content_type == media_type::PACKAGE1 {
            PackageIn::Package1 {
                body: &request.body,
            }
        } else {
            PackageIn::Package3 {
                body: &request.body,
                cookie: request.cookie.as_deref(),
            }
        };
        let step = advance(now, self.session(), &facts, package, self.limits);
        let begins = request.content_type == media_type::PACKAGE1;
        let judged = self.secrets.as_ref().filter(|_| begins).map(|ring| {
            let completes = !step.delta.completions.is_empty();
            ring.judge(secret.unwrap_or_default(), completes, true)
        });
        Prepared(step, judged)
    }

    /// Makes it durable; only then the answer leaves.
    pub(super) fn commit(&mut self, prepared: Prepared) -> Response {
        let Prepared(step, judged) = prepared;
        if let (Some(ring), Some(judged)) = (&mut self.secrets, judged) {
            ring.settle(judged);
            if !judged.counts() {
                return Response {
                    status: 403,
                    set_cookie: None,
                    location: None,
                    retry_after: None,
                    content_type: None,
                    omadm_accept: None,
                    body: Vec::new(),
                };
            }
        }
        let Step {
            state,
            delta,
            reply,
        } = step;
        self.session = state.map(|state| state.to_text());
        self.store(delta);
        let mut response = Response {
            status: 200,
            set_cookie: None,
            location: None,
            retry_after: None,
            content_type: Some(media_type::PACKAGE2.to_owned()),
            omadm_accept: None,
            body: Vec::new(),
        };
        match reply {
            Reply::Package2 { body, set_cookie } => {
                response.set_cookie = set_cookie;
                response.body = body;
            }
            Reply::Refused(refusal) => {
                response.status = refusal.http_status();
                response.content_type = None;
                response.body = refusal.to_string().into_bytes();
            }
        }
        response
    }

    fn store(&mut self, delta: SessionDelta) {
        for completion in delta.completions {
            self.completions_received += 1;
            if let Some(ring) = &mut self.notification {
                ring.installed();
            }
            if let Some(event_id) = completion.event_id.clone() {
                self.completions.entry(event_id).or_insert(completion);
            }
        }
        self.dev_info = delta.dev_info.or_else(|| self.dev_info.take());
        for event in &delta.events {
            match event {
                SessionEvent::Sent { command, .. } => {
                    if let Some(queued) = self.queued(command.id.as_ref()) {
                        queued.sends += 1;
                    }
                }
                SessionEvent::Answered(outcome) => {
                    self.arrived(outcome);
                    if let Some(queued) = self.queued(outcome.id.as_ref()) {
                        queued.outcome = Some(outcome.clone());
                    }
                }
                SessionEvent::Superseded {
                    outcome_unknown, ..
                } => {
                    for sent in outcome_unknown.iter().filter(|sent| sent.is_exec()) {
                        if let Some(queued) = self.queued(sent.id.as_ref()) {
                            queued.held = true;
                        }
                    }
                }
                SessionEvent::Started { .. }
                | SessionEvent::Notified { .. }
                | SessionEvent::Alert(_)
                | SessionEvent::Ended => {}
            }
        }
        self.events.extend(delta.events);
    }
}

impl Default for ServerEnd {
    fn default() -> Self {
        Self::new()
    }
}
