use std::collections::BTreeSet;
use std::ops::Range;

use omadm_card::CardTrouble;
use omadm_card::reading::{
    CardDocument, CardEntry, CardIdentity, CardOutcome, CardReading, DocumentEncoding,
};
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc;
use omadm_mo::{NodeAddress, SrvId, TreeError, TreeView as _};

use super::verdict::{Doubt, Look};
use super::{
    EntryFinding, EntryOutcome, ReaderFinding, ReaderState, SwitchOn, SwitchOnDecision, storage,
};
use crate::plan::bootstrap::{Part, Planned, plan_part, servers_of};
use crate::plan::planned_device::PlannedDevice;
use crate::plan::{CredentialCheck, Delivery, TreePlan};
use crate::{
    Account, BootstrapMethod, BootstrapPolicy, BootstrapSource, CardBrought, CardOrigin,
    ChannelSecurity, DeviceView, DeviceWrite as _, EventId, Fault, PayloadHash, Refusal,
};

/// One check: what the entries are, and what the device is.
pub(super) struct Check<'a> {
    pub(super) view: &'a dyn DeviceView,
    pub(super) registry: &'a MoRegistry,
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

enum Content<'a> {
    Nothing,
    OtherGeneration,
    Unreadable(CardTrouble),
    Invalid(Refusal),
    Document(&'a CardDocument, Vec<SrvId>),
}

impl<'a> Check<'a> {
    pub(super) fn new(
        view: &'a dyn DeviceView,
        registry: &'a MoRegistry,
        policy: &'a BootstrapPolicy,
        credentials: &'a dyn CredentialCheck,
        switch_on: &'a SwitchOn<'a>,
    ) -> Self {
        let content = |entry: &'a CardEntry| match &entry.content {
            Err(trouble) => Content::Unreadable(*trouble),
            Ok(None) => Content::Nothing,
            Ok(Some(document)) if document.encoding() != DocumentEncoding::Json => {
                Content::OtherGeneration
            }
            Ok(Some(document)) => {
                let digest = PayloadHash::of_sha256(document.sha256);
                let mut refused = switch_on.refused.iter();
                let refused = refused.find(|(other, _)| *other == digest);
                match servers_of(document.bytes(), switch_on.limits, registry) {
                    _ if let Some((_, refusal)) = refused => Content::Invalid(refusal.clone()),
                    Ok(servers) => Content::Document(document, servers),
                    Err(refusal) => Content::Invalid(refusal),
                }
            }
        };
        let mut entries = Vec::new();
        for reading in switch_on.readings {
            if let CardOutcome::Read(found) = &reading.outcome {
                entries.extend(found.iter().map(|entry| Entry {
                    reading,
                    entry,
                    content: content(entry),
                }));
            }
        }
        Self {
            view,
            registry,
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
        let mut claimed: BTreeSet<SrvId> = BTreeSet::new();
        for (n, entry) in self.entries.iter().enumerate() {
            let first = decision.plan.steps.len();
            let outcome = match &entry.content {
                Content::Nothing => EntryOutcome::Nothing,
                Content::OtherGeneration => EntryOutcome::OtherGeneration,
                Content::Unreadable(trouble) => EntryOutcome::Unreadable(*trouble),
                Content::Invalid(refusal) => EntryOutcome::Refused(refusal.clone()),
                Content::Document(document, servers) => {
                    let left_out = claimed.clone();
                    claimed.extend(servers.iter().cloned());
                    match self.apply_entry(n, document, left_out, &mut device) {
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
        device
            .add_accounts_to(&mut decision.plan)
            .map_err(storage)?;
        Ok(Tried::Decided(Box::new(decision)))
    }

    /// Applies a document to `device`; none where there is nothing to apply.
    fn apply_entry(
        &self,
        n: usize,
        document: &CardDocument,
        left_out: BTreeSet<SrvId>,
        device: &mut PlannedDevice<'_>,
    ) -> Result<(EntryOutcome, Option<Planned>), Refusal> {
        let Some(Entry {
            reading,
            entry,
            content: Content::Document(_, all),
        }) = self.entries.get(n)
        else {
            return Ok((EntryOutcome::Nothing, None));
        };
        let mut servers = all.clone();
        servers.retain(|id| !left_out.contains(id));
        if servers.is_empty() && !all.is_empty() {
            return Ok((EntryOutcome::Overruled(all.clone()), None));
        }
        let card = reading.identity.as_ref().map(CardIdentity::to_string);
        let origin = CardOrigin {
            reader: reading.reader.as_str().to_owned(),
            card: card.unwrap_or_default(),
            oid: entry.oid.to_string(),
            path: entry.path.to_string(),
            digest: PayloadHash::of_sha256(document.sha256),
            at: self.switch_on.at,
            brought: CardBrought::Account,
            unverified: false,
        };
        if self
            .is_unchanged(&servers, &origin, device)
            .map_err(storage)?
        {
            Self::seen_again(&origin, device).map_err(storage)?;
            return Ok((EntryOutcome::Unchanged(servers), None));
        }
        let source = BootstrapSource::Card(origin.card.clone());
        let delivery = self.delivery(document.bytes(), BootstrapMethod::Smartcard, source, n);
        let part = Part {
            left_out,
            card: Some(origin),
        };
        let planned = self.plan_part(&*device, &delivery, &part)?;
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
            let root = NodeAddress::root(dm_acc::moid(), account.miid.clone());
            let brought = account.last_of_a_card();
            if brought.is_none_or(|one| one.digest != origin.digest)
                || device.kind(&root)?.is_none()
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
    ) -> Result<Planned, Refusal> {
        plan_part(
            view,
            self.registry,
            self.policy,
            self.credentials,
            delivery,
            part,
        )
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

    /// The SrvIDs that valid documents on cards have, be they applied or refused by policy.
    pub(super) fn on_cards(&self) -> BTreeSet<SrvId> {
        let servers = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.content {
                Content::Document(_, servers) => Some(servers),
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
        let document = self.entry.content.as_ref().ok().and_then(Option::as_ref);
        EntryFinding {
            reader: self.reading.reader.clone(),
            card: self.reading.identity.clone(),
            oid: self.entry.oid.clone(),
            path: self.entry.path.clone(),
            digest: document.map(|document| PayloadHash::of_sha256(document.sha256)),
            steps,
            outcome,
        }
    }
}

/// Adds what a plan does to the tree; accounts are added once, at the end.
pub(super) fn add(whole: &mut TreePlan, plan: TreePlan) {
    whole.steps.extend(plan.steps);
    whole.rights.extend(plan.rights);
    whole.shadows.extend(plan.shadows);
}
