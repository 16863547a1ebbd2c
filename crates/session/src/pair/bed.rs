use omadm_bootstrap::plan::{BootstrapPlan, Delivery, SkippedItem, TreePlan, plan_bootstrap};
use omadm_bootstrap::{
    BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView as _, EventId, Refusal, Utc,
};
use omadm_dm2::Alert;
use omadm_mo::{SrvId, TreeView as _};

use super::{DeviceEnd, Fault, FaultPlan, Moment, Seed, ServerEnd};
use crate::client::{
    Cause, ClientSession, Effect, Input, Opening, Outcome, SessionEvent, SessionReason,
};

/// A device and its server, the link between them, and the time.
pub struct Pair {
    /// The time; it goes on when somebody waits.
    pub now: Utc,
    /// The device.
    pub end: DeviceEnd,
    /// The server.
    pub server: ServerEnd,
    /// What goes wrong.
    pub faults: FaultPlan,
    /// What the client told, in order.
    pub told: Vec<SessionEvent>,
    /// What must never happen and did.
    pub violations: Vec<Violation>,
    /// Alerts for the next session; they wait until they were delivered.
    pub alerts: Vec<Alert>,
    pub(super) seed: Seed,
    pub(super) requests: u32,
    effects: u32,
    pub(super) applies: u32,
}

/// What a delivery led to.
#[derive(Clone, PartialEq, Debug)]
pub enum Delivered {
    /// Applied; these servers are owed a completion.
    Applied(Vec<SrvId>, Vec<SkippedItem>),
    /// The same document was applied before, and its completion is still owed (D88).
    Already,
    /// Refused; the tree is as it was.
    Refused(Refusal),
    /// The tree did not take it; it is as it was.
    NotStored(Cause),
    /// The client died on the way; the tree tells whether before or after the commit.
    Died,
}

/// Where a run came to rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Nothing is owed any more; so many sessions were tried.
    Acknowledged(u32),
    /// This many sessions were not enough.
    StillOwed(u32),
}

/// Something that must never happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The owed completion was cleared before the server had it durably (D60, B-30).
    ClearedEarly(SrvId, EventId),
}

/// Sends stop here once the client is dead.
struct Dead;

impl Pair {
    /// After this many milliseconds nobody waits for an answer any more (D01).
    pub const READ_TIMEOUT_MILLIS: u32 = 300_000;
    /// A restart of the client takes this many milliseconds.
    pub const RESTART_MILLIS: i64 = 5_000;

    /// A device that is not bootstrapped and a server that does not know it, at noon of the first day of 2026.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            now: Utc(1_767_268_800_000),
            end: DeviceEnd::new(),
            server: ServerEnd::new(),
            faults,
            told: Vec::new(),
            violations: Vec::new(),
            alerts: Vec::new(),
            seed: Seed::new(0),
            requests: 0,
            effects: 0,
            applies: 0,
        }
    }

    /// The same pair with other cookies and EventIds.
    #[must_use]
    pub const fn seeded(mut self, seed: u64) -> Self {
        self.seed = Seed::new(seed);
        self
    }

    /// How many requests, effects and applied plans there were so far: the positions a fault can have.
    #[must_use]
    pub const fn counts(&self) -> (u32, u32, u32) {
        (self.requests, self.effects, self.applies)
    }

    /// Whether a completion is owed.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.next_owed().is_some()
    }

    /// Delivers a document as fetched from a bootstrap server over mutual TLS. A plan that became stale is made again.
    pub fn deliver(&mut self, document: &[u8], origin: &str) -> Delivered {
        self.deliver_by(document, BootstrapMethod::ClientInitiated, origin)
    }

    /// The same by any method; `from` is the origin of a server, or the identity of a card.
    pub fn deliver_by(
        &mut self,
        document: &[u8],
        method: BootstrapMethod,
        from: &str,
    ) -> Delivered {
        let event_id = EventId::of(self.seed.octets());
        let (source, channel) = match method {
            BootstrapMethod::Factory => (BootstrapSource::FactoryImage, ChannelSecurity::Local),
            BootstrapMethod::Smartcard => (
                BootstrapSource::Card(from.to_owned()),
                ChannelSecurity::Local,
            ),
            BootstrapMethod::ClientInitiated | BootstrapMethod::ServerInitiated => (
                BootstrapSource::Server(from.to_owned()),
                ChannelSecurity::MutualTls,
            ),
        };
        for _ in 0..4 {
            let delivery = Delivery {
                document,
                method,
                source: source.clone(),
                channel,
                at: Some(self.now),
                event_id: event_id.clone(),
                consent: false,
                after_reset: false,
                limits: self.end.limits,
            };
            let end = &self.end;
            let planned =
                match plan_bootstrap(&end.device, &end.registry, &end.policy, end, &delivery) {
                    Err(refusal) => return Delivered::Refused(refusal),
                    Ok(BootstrapPlan::AlreadyApplied) => return Delivered::Already,
                    Ok(BootstrapPlan::Apply(planned)) => planned,
                };
            let effect = self.count_effect();
            if self.dies(Moment::Before, effect) {
                return Delivered::Died;
            }
            let applied = self.apply(&planned.plan);
            if self.dies(Moment::After, effect) {
                return Delivered::Died;
            }
            match applied {
                Ok(()) => return Delivered::Applied(planned.servers, planned.skipped),
                Err(Cause::Stale) => {}
                Err(cause) => return Delivered::NotStored(cause),
            }
        }
        Delivered::NotStored(Cause::Stale)
    }

    /// Runs one session; none where the client died in it.
    pub fn run_session(&mut self, server: &SrvId) -> Option<Outcome> {
        let opening = Opening {
            reason: SessionReason::Client,
            to: None,
            server: server.clone(),
            alerts: self.alerts.clone(),
            report_type: true,
            browser: false,
            live: self.end.live(),
            limits: self.end.limits,
        };
        let mut session =
            ClientSession::start(opening, self.end.registry.clone(), &self.end.device);
        loop {
            let effect = session.poll_effect()?;
            let answer = match effect {
                Effect::Finish(outcome) => return Some(outcome),
                Effect::Report(event) => {
                    if matches!(event, SessionEvent::AlertsDelivered { .. }) {
                        self.alerts.clear();
                    }
                    self.told.push(event);
                    continue;
                }
                effect => match self.carry_out(effect) {
                    Ok(answer) => answer,
                    Err(Dead) => {
                        self.now = self.now.plus_millis(Self::RESTART_MILLIS);
                        return None;
                    }
                },
            };
            self.watch();
            if let Some(input) = answer {
                session.handle_input(&self.end.device, input);
            }
        }
    }

    /// Tries what is owed by the schedule of D60, in virtual time, and at once after a restart; gives up after `bound` sessions.
    pub fn settle(&mut self, bound: u32) -> Settled {
        let mut restarted = false;
        for tried in 0..bound {
            let Some((server, not_before)) = self.next_owed() else {
                return Settled::Acknowledged(tried);
            };
            if !restarted {
                self.now = self.now.max(not_before.unwrap_or(self.now));
            }
            match self.run_session(&server) {
                None => restarted = true,
                Some(outcome) => {
                    restarted = false;
                    self.postpone(&server, &outcome);
                }
            }
        }
        if self.owes() {
            Settled::StillOwed(bound)
        } else {
            Settled::Acknowledged(bound)
        }
    }

    fn next_owed(&self) -> Option<(SrvId, Option<Utc>)> {
        let accounts = self.end.device.accounts().unwrap_or_default();
        let owed = accounts
            .into_iter()
            .filter_map(|account| Some((account.srv_id, account.owed?.not_before)));
        owed.min_by_key(|(_, not_before)| *not_before)
    }

    /// Notes a failed attempt. Where the tree does not take the note the wait is only remembered by the clock.
    fn postpone(&mut self, server: &SrvId, outcome: &Outcome) {
        let Ok(Some(mut account)) = self.end.device.account(server) else {
            return;
        };
        let retry_after = match outcome {
            Outcome::Refused { retry_after, .. } => *retry_after,
            _ => None,
        };
        let jitter = u8::try_from(self.seed.below(256)).unwrap_or(0);
        let Some(owed) = &account.owed else { return };
        let failed = owed.after_failure(self.now, jitter, retry_after);
        let not_before = failed.not_before;
        account.owed = Some(failed);
        let mut plan = TreePlan::at(self.end.device.version());
        plan.accounts.push(account);
        if self.apply(&plan).is_err() {
            self.now = self.now.max(not_before.unwrap_or(self.now));
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Result<Option<Input>, Dead> {
        let n = self.count_effect();
        if self.dies(Moment::Before, n) {
            return Err(Dead);
        }
        let answer = match effect {
            Effect::Send(request) => Some(match self.exchange(&request) {
                Ok(response) => Input::Response(response),
                Err(cause) => Input::SendFailed(cause),
            }),
            Effect::Apply(id, plan) => {
                let applied = self.apply(&plan);
                Some(Input::ApplyDone(
                    id,
                    applied.map(|()| self.end.device.version()),
                ))
            }
            effect => self.end.perform(effect),
        };
        if self.dies(Moment::After, n) {
            self.watch();
            return Err(Dead);
        }
        Ok(answer)
    }

    const fn count_effect(&mut self) -> u32 {
        self.effects += 1;
        self.effects - 1
    }

    /// A dead client is dead for this effect alone.
    fn dies(&self, moment: Moment, effect: u32) -> bool {
        self.faults.has(Fault::ClientDies(moment, effect))
    }

    fn watch(&mut self) {
        for account in self.end.device.accounts().unwrap_or_default() {
            let event_id = account.provenance.event_id;
            let early = account.owed.is_none() && !self.server.completions.contains_key(&event_id);
            let violation = Violation::ClearedEarly(account.srv_id, event_id);
            if early && !self.violations.contains(&violation) {
                self.violations.push(violation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::plan::TreePlan;
    use omadm_bootstrap::{DeviceView as _, MemoryDevice};
    use omadm_mo::TreeView as _;

    use super::{Delivered, Pair, Settled, Violation};
    use crate::pair::FaultPlan;

    const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"a","SrvURI":"https://a/","Name":"A",
        "Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"}}}}}]"#;

    fn clear(device: &mut MemoryDevice) {
        let mut plan = TreePlan::at(device.version());
        plan.accounts = device.accounts().unwrap();
        plan.accounts[0].owed = None;
        device.apply(&plan).unwrap();
    }

    #[test]
    fn a_completion_cleared_before_the_server_has_it_is_noticed() {
        let mut pair = Pair::new(FaultPlan::none());
        assert!(matches!(
            pair.deliver(DOCUMENT.as_bytes(), "https://a:443"),
            Delivered::Applied(..)
        ));
        pair.watch();
        assert_eq!(pair.violations, []);
        clear(&mut pair.end.device);
        pair.watch();
        pair.watch();
        assert!(matches!(
            pair.violations.as_slice(),
            [Violation::ClearedEarly(..)]
        ));
    }

    #[test]
    fn a_refused_document_says_why() {
        let mut pair = Pair::new(FaultPlan::none());
        assert!(matches!(
            pair.deliver(b"[]", "https://a:443"),
            Delivered::Refused(_)
        ));
        assert_eq!(pair.settle(3), Settled::Acknowledged(0));
    }
}
