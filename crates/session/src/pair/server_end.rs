use std::collections::BTreeMap;

use omadm_bootstrap::{BootstrapComplete, EventId, Utc};
use omadm_dm2::{Command, media_type};
use omadm_mo::json::{Json, JsonLimits};

use super::Seed;
use crate::client::{Request, Response};
use crate::server::{
    DeviceFacts, PackageIn, Reply, SessionDelta, SessionEvent, SessionState, Step, advance,
};

/// The server: the reducer, and what it made durable for one device.
#[derive(Clone, Debug)]
pub struct ServerEnd {
    /// Commands to be answered; one goes when its answer is durable.
    pub wanted: Vec<Command>,
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
    /// The running session in its stored form.
    session: Option<String>,
}

/// What a package leads to, not durable yet.
pub(super) struct Prepared(Step);

impl ServerEnd {
    /// A server that knows nothing of the device, and reads its DevInfo.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            wanted: Vec::new(),
            read_dev_info: true,
            limits: JsonLimits {
                depth: 64,
                octets: 1 << 20,
            },
            completions: BTreeMap::new(),
            completions_received: 0,
            dev_info: None,
            events: Vec::new(),
            session: None,
        }
    }

    /// The running session.
    #[must_use]
    pub fn session(&self) -> Option<SessionState> {
        SessionState::from_text(self.session.as_deref()?).ok()
    }

    pub(super) fn prepare(&self, now: Utc, request: &Request, seed: &mut Seed) -> Prepared {
        let facts = DeviceFacts {
            wanted: self.wanted.clone(),
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
        Prepared(advance(now, self.session(), &facts, package, self.limits))
    }

    /// Makes it durable; only then the answer leaves.
    pub(super) fn commit(&mut self, prepared: Prepared) -> Response {
        let Step {
            state,
            delta,
            reply,
        } = prepared.0;
        self.session = state.map(|state| state.to_text());
        self.store(delta);
        let mut response = Response {
            status: 200,
            set_cookie: None,
            location: None,
            retry_after: None,
            content_type: Some(media_type::PACKAGE2.to_owned()),
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
            if let Some(event_id) = completion.event_id.clone() {
                self.completions.entry(event_id).or_insert(completion);
            }
        }
        self.dev_info = delta.dev_info.or_else(|| self.dev_info.take());
        for event in &delta.events {
            if let SessionEvent::Answered(outcome) = event {
                let answered = |command: &Command| command.write() == outcome.command;
                if let Some(n) = self.wanted.iter().position(answered) {
                    self.wanted.remove(n);
                }
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
