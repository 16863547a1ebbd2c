use std::collections::BTreeSet;
use std::ops::Range;

use omadm_card::reading::{CardEntry, CardIdentity, CardOutcome, CardReading};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{SrvId, TreeError, TreeView as _};

use super::content::{Content, Reading};
use super::verdict::{Doubt, Look};
use super::{
    EntryFinding, EntryOutcome, ReaderFinding, ReaderState, SwitchOn, SwitchOnDecision, storage,
};
use crate::plan::bootstrap::{Part, Planned, plan_part};
use crate::plan::dm1::{self, Dm1Delivery};
use crate::plan::planned_device::PlannedDevice;
use crate::plan::{BootstrapPlan, CredentialCheck, Delivery, TreePlan};
use crate::{
    Account, BootstrapMethod, BootstrapPolicy, BootstrapSource, CardBootstrap, CardBrought,
    CardOrigin, ChannelSecurity, DeviceView, DeviceWrite as _, EventId, Fault, PayloadHash,
    ProfileFormat, Refusal,
};

/// One check: what the entries are, and what the device is.
pub(super) struct Check<'a> {
    pub(super) view: &'a dyn DeviceView,
    pub(super) documents: Reading<'a>,
    policy: &'a BootstrapPolicy,
    credentials: &'a dyn CredentialCheck,
    pub(super) switch_on: &'a SwitchOn<'a>,
    entries: Vec<Entry<'a>>,
}

/// How far one attempt came.
pub(super) enum Tried {
    Decided(Box<SwitchOnDecision>),
    /// The entry of this number is invalid.
    Invalid(usize, Refusal),
}

struct Entry<'a> {
    reading: &'a CardReading,
    entry: &'a CardEntry,
    content: Content<'a>,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        view: &'a dyn DeviceView,
        registry: &'a MoRegistry,
        policy: &'a BootstrapPolicy,
        credentials: &'a dyn CredentialCheck,
        switch_on: &'a SwitchOn<'a>,
    ) -> Self {
        let documents = Reading {
            registry,
            limits: switch_on.limits,
            dm1: policy.dm1.then_some(switch_on.dm1),
            refused: switch_on.refused,
        };
        let mut entries = Vec::new();
        for reading in switch_on.readings {
            if let CardOutcome::Read(found) = &reading.outcome {
                entries.extend(found.iter().map(|entry| Entry {
                    reading,
                    entry,
                    content: documents.content(entry),
                }));
            }
        }
        Self {
            view,
            documents,
            policy,
            credentials,
            switch_on,
            entries,
        }
    }

    pub(super) fn invalidate(&mut self, entry: usize, refusal: Refusal) {
        if let Some(entry) = self.entries.get_mut(entry) {
            entry.content = Content::Invalid(refusal);
        }
    }

    /// Plans removal and application one upon the other. What goes makes room first, in one transaction with what comes: no one sees the order.
    pub(super) fn attempt(&self) -> Result<Tried, Refusal> {
        let mut device = PlannedDevice::over(self.view).map_err(storage)?;
        let mut decision = SwitchOnDecision::nothing(self.view.version());
        decision.readers = self
            .switch_on
            .readings
            .iter()
            .map(|one| self.finding(one))
            .collect();
        self.judge_accounts(&mut device, &mut decision)?;
        self.judge_objects(&mut device, &mut decision.plan)
            .map_err(storage)?;
        decision.plan.time = self.switch_on.at;
        let dm2 = self.dm2_servers(&device).map_err(storage)?;
        let mut claimed: BTreeSet<SrvId> = BTreeSet::new();
        for (n, entry) in self.entries.iter().enumerate() {
            let first = decision.plan.steps.len();
            let outcome = match &entry.content {
                Content::Nothing => EntryOutcome::Nothing,
                Content::Foreign => EntryOutcome::Foreign,
                Content::OtherGeneration => EntryOutcome::OtherGeneration,
                Content::Unreadable(trouble) => EntryOutcome::Unreadable(*trouble),
                Content::Invalid(refusal) => EntryOutcome::Refused(refusal.clone()),
                Content::Document(document, servers) => {
                    let before = claimed.clone();
                    let first = |id: &&SrvId| !is_dm1(document) || !dm2.contains(*id);
                    claimed.extend(servers.iter().filter(first).cloned());
                    match self.apply_entry(entry, n, (&before, &dm2), &mut device) {
                        Ok((outcome, None)) => outcome,
                        Ok((outcome, Some(planned))) => {
                            decision.servers.extend(planned.servers);
                            decision.skipped.extend(planned.skipped);
                            add(&mut decision.plan, planned.plan);
                            outcome
                        }
                        Err(refusal) => match refusal.cause.fault() {
                            Fault::Content => return Ok(Tried::Invalid(n, refusal)),
                            Fault::Environment => return Err(refusal),
                            _ => EntryOutcome::Refused(refusal),
                        },
                    }
                }
            };
            let steps = first..decision.plan.steps.len();
            decision.entries.push(entry.finding(outcome, steps));
        }
        // One of DM 1.x takes the place of none of DM 2.0: that one went before, with all that was kept for it.
        let before = self.view.accounts().map_err(storage)?;
        let after = device.accounts().map_err(storage)?;
        for old in before.into_iter().filter(|one| !one.is_dm1()) {
            let is_again = |one: &Account| one.is_dm1() && one.srv_id == old.srv_id;
            if after.iter().any(is_again) {
                decision.plan.removed_accounts.push(old.srv_id);
            }
        }
        device
            .add_accounts_to(&mut decision.plan)
            .map_err(storage)?;
        Ok(Tried::Decided(Box::new(decision)))
    }

    /// Servers beside whose accounts none of DM 1.x is applied: a card has one of DM 2.0 for them, or the device (`dm1x.md` M23).
    fn dm2_servers(&self, device: &PlannedDevice<'_>) -> Result<BTreeSet<SrvId>, TreeError> {
        let accounts = device.accounts()?.into_iter();
        let dm2 = accounts.filter(|one| !one.is_dm1());
        let mut all = self.on_cards(false);
        all.extend(dm2.map(|one| one.srv_id));
        Ok(all)
    }

    /// Applies a document to `device`; none where there is nothing to apply. Of servers that entries before it have, and of those that DM 2.0 has where it is of
    /// DM 1.x, nothing is.
    fn apply_entry(
        &self,
        found: &Entry<'_>,
        n: usize,
        (claimed, dm2): (&BTreeSet<SrvId>, &BTreeSet<SrvId>),
        device: &mut PlannedDevice<'_>,
    ) -> Result<(EntryOutcome, Option<Planned>), Refusal> {
        let Entry {
            reading,
            entry,
            content: Content::Document(document, all),
        } = found
        else {
            return Ok((EntryOutcome::Nothing, None));
        };
        let mut left_out = claimed.clone();
        let mut servers = all.clone();
        servers.retain(|id| !claimed.contains(id));
        if servers.is_empty() && !all.is_empty() {
            return Ok((EntryOutcome::Overruled(all.clone()), None));
        }
        if is_dm1(document) {
            left_out.extend(dm2.iter().cloned());
            let beside = servers.clone();
            servers.retain(|id| !dm2.contains(id));
            if servers.is_empty() && !beside.is_empty() {
                return Ok((EntryOutcome::BesideDm2(beside), None));
            }
        }
        let card = reading.identity.as_ref().map(CardIdentity::to_string);
        let origin = CardOrigin {
            reader: reading.reader.as_str().to_owned(),
            card: card.unwrap_or_default(),
            oid: entry.oid.to_string(),
            path: entry.path.to_string(),
            digest: document.digest,
            at: self.switch_on.at,
            brought: CardBrought::Account,
            unverified: false,
        };
        if self
            .is_unchanged(&servers, document, &origin, device)
            .map_err(storage)?
        {
            Self::seen_again(&origin, device).map_err(storage)?;
            return Ok((EntryOutcome::Unchanged(servers), None));
        }
        let source = BootstrapSource::Card(origin.card.clone());
        let delivery = self.delivery(document.octets, BootstrapMethod::Smartcard, source, n);
        let part = Part {
            left_out,
            card: Some(origin),
        };
        let BootstrapPlan::Apply(planned) = self.plan_part(&*device, &delivery, &part)? else {
            return Ok((EntryOutcome::Unchanged(servers), None));
        };
        device.apply(&planned.plan).map_err(storage)?;
        Ok((
            EntryOutcome::Applied(planned.servers.clone()),
            Some(planned),
        ))
    }

    /// D51: the digest is the one last applied, and what it brought is there. `reapply` makes no difference while the completion is still owed (D88).
    fn is_unchanged(
        &self,
        servers: &[SrvId],
        document: &CardBootstrap<'_>,
        origin: &CardOrigin,
        device: &PlannedDevice<'_>,
    ) -> Result<bool, TreeError> {
        let accounts = device.accounts()?;
        let settled = |account: &Account| !self.switch_on.reapply || account.owed.is_some();
        if servers.is_empty() {
            let again = |one: &CardOrigin| {
                let objects = one.brought != CardBrought::Account;
                objects && one.is_at(&origin.card, &origin.path) && one.digest == origin.digest
            };
            let mut accounts = accounts.iter();
            return Ok(accounts.any(|one| settled(one) && one.cards.iter().any(again)));
        }
        for srv_id in servers {
            let found = accounts.iter().find(|one| one.srv_id == *srv_id);
            let Some(account) = found.filter(|one| settled(one)) else {
                return Ok(false);
            };
            let brought = account.last_of_a_card();
            if account.is_dm1() != is_dm1(document)
                || brought.is_none_or(|one| one.digest != origin.digest)
                || device.kind(&account.address())?.is_none()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Notes through which reader, and on which card, what was applied before stands now.
    fn seen_again(origin: &CardOrigin, device: &mut PlannedDevice<'_>) -> Result<(), TreeError> {
        for mut account in device.accounts()? {
            if account.see_again(origin) {
                device.put_account(&account)?;
            }
        }
        Ok(())
    }

    pub(super) fn plan_part(
        &self,
        view: &dyn DeviceView,
        delivery: &Delivery<'_>,
        part: &Part,
    ) -> Result<BootstrapPlan, Refusal> {
        let (registry, policy) = (self.documents.registry, self.policy);
        let Some(dm1) = Dm1Delivery::of(delivery) else {
            let planned = plan_part(view, registry, policy, self.credentials, delivery, part)?;
            return Ok(BootstrapPlan::Apply(planned));
        };
        let dm1 = Dm1Delivery {
            reapply: part.card.is_some() && self.switch_on.reapply,
            ..dm1
        };
        dm1::plan_part(view, registry, policy, self.switch_on.dm1, &dm1, part)
    }

    /// A document of this device's own storage or card; `n` tells its event from those of the others.
    pub(super) fn delivery<'d>(
        &self,
        document: &'d [u8],
        method: BootstrapMethod,
        source: BootstrapSource,
        n: usize,
    ) -> Delivery<'d> {
        let event = u128::from_be_bytes(self.switch_on.entropy) ^ n as u128;
        Delivery {
            document,
            method,
            source,
            channel: ChannelSecurity::Local,
            at: self.switch_on.at,
            event_id: EventId::of(event.to_be_bytes()),
            consent: self.switch_on.agreed.contains(&PayloadHash::of(document)),
            after_reset: self.switch_on.after_reset,
            limits: self.switch_on.limits,
        }
    }

    /// The SrvIDs that valid documents on cards have, be they applied or refused by policy. By one of DM 1.x no account of DM 2.0 is on a card; one of DM 2.0
    /// takes the place of either.
    pub(super) fn on_cards(&self, dm1: bool) -> BTreeSet<SrvId> {
        let servers = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.content {
                Content::Document(found, servers) if dm1 || !is_dm1(found) => Some(servers),
                _ => None,
            });
        servers.flatten().cloned().collect()
    }

    /// Whether a card has a document without account at this place.
    pub(super) fn has_objects_at(&self, origin: &CardOrigin) -> bool {
        self.entries.iter().any(|entry| {
            let card = entry.reading.identity.as_ref().map(CardIdentity::to_string);
            let at = origin.is_at(&card.unwrap_or_default(), &entry.entry.path.to_string());
            at && matches!(&entry.content, Content::Document(_, servers) if servers.is_empty())
        })
    }

    pub(super) fn looks(&self) -> Vec<Look> {
        let doubt = |state: &ReaderState| match state {
            ReaderState::Read | ReaderState::NoBootstrap | ReaderState::NoCard => None,
            ReaderState::Rejected(_) => Some(Doubt::Rejected),
            ReaderState::Undetermined(_) | ReaderState::InvalidEntry => Some(Doubt::Undetermined),
        };
        let look = |reading: &CardReading| Look {
            reader: reading.reader.as_str().to_owned(),
            card: reading.identity.as_ref().map(CardIdentity::to_string),
            doubt: doubt(&self.finding(reading).state),
        };
        self.switch_on.readings.iter().map(look).collect()
    }

    fn finding(&self, reading: &CardReading) -> ReaderFinding {
        let state = match &reading.outcome {
            CardOutcome::Read(_) => self.entries_state(reading),
            CardOutcome::NoBootstrap => ReaderState::NoBootstrap,
            CardOutcome::NoCard => ReaderState::NoCard,
            CardOutcome::Rejected(why) => ReaderState::Rejected(*why),
            CardOutcome::Undetermined(why) => ReaderState::Undetermined(*why),
        };
        ReaderFinding {
            reader: reading.reader.clone(),
            card: reading.identity.clone(),
            state,
        }
    }

    /// One doubtful entry makes its reader doubtful.
    fn entries_state(&self, reading: &CardReading) -> ReaderState {
        let own = self
            .entries
            .iter()
            .filter(|one| one.reading.reader == reading.reader);
        own.fold(ReaderState::Read, |state, entry| {
            match (&entry.content, state) {
                (Content::Unreadable(why), ReaderState::Read) => ReaderState::Undetermined(*why),
                (Content::Invalid(_), ReaderState::Read) => ReaderState::InvalidEntry,
                (_, state) => state,
            }
        })
    }
}

impl Entry<'_> {
    fn finding(&self, outcome: EntryOutcome, steps: Range<usize>) -> EntryFinding {
        let file = self.entry.content.as_ref().ok().and_then(Option::as_ref);
        let document = file.and_then(|file| CardBootstrap::of(file).ok());
        let raw = || file.map(|file| PayloadHash::from_octets(file.sha256));
        EntryFinding {
            reader: self.reading.reader.clone(),
            card: self.reading.identity.clone(),
            oid: self.entry.oid.clone(),
            path: self.entry.path.clone(),
            format: document.map(|one| one.format),
            digest: document.map(|one| one.digest).or_else(raw),
            steps,
            outcome,
        }
    }
}

fn is_dm1(document: &CardBootstrap<'_>) -> bool {
    document.format != ProfileFormat::Dm2
}

/// Adds what a plan does to the tree; accounts are added once, at the end.
pub(super) fn add(whole: &mut TreePlan, plan: TreePlan) {
    whole.steps.extend(plan.steps);
    whole.rights.extend(plan.rights);
    whole.shadows.extend(plan.shadows);
    whole.properties.extend(plan.properties);
}
