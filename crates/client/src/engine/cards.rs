//! The cards of the device (`smartcard.md` §9): looked at when it is switched on, when a card is inserted, and again while a result was in doubt.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::plan::dm1::Dm1Rules;
use omadm_bootstrap::plan::{
    EntryFinding, EntryOutcome, Preview, ReaderState, SwitchOn, SwitchOnDecision, SwitchOnOccasion,
    plan_switch_on, preview,
};
use omadm_bootstrap::{
    BootstrapFailureCause as Failure, BootstrapMethod, CardBootstrap, DeviceView as _, Refusal,
    RetrySchedule,
};
use omadm_card::reading::{CardOutcome, CardReading, ReaderName};
use omadm_mo::{Secret, SrvId, TreeError};
use omadm_session::client::Cause;
use tokio::sync::watch;
use tokio::time::Instant;

use super::bootstrap::{REPLANS, storage};
use super::card_consent::Known;
use super::{Engine, entropy};
use crate::observer::ClientEvent;
use crate::reader::{CardEvent, CardReaders};

/// What came of a look at the cards.
#[derive(Clone, PartialEq, Debug)]
pub enum CardCheck {
    /// Policy turns smartcard bootstrap off, or the device has no card readers: no card was touched, nothing was removed (D1).
    Off,
    /// This was decided, and is applied, durably.
    Done(Box<SwitchOnDecision>),
    /// It could not be applied: everything is as before.
    Failed(Refusal),
}

/// The readers, and what is known of the checks.
pub(crate) struct CardDesk {
    readers: Option<Arc<dyn CardReaders>>,
    /// Whether unchanged content is applied again (D51).
    reapply: bool,
    /// One check at a time.
    checking: tokio::sync::Mutex<()>,
    /// Told when a check has taken accounts away.
    removed: watch::Sender<()>,
}

/// The readers a check is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum CardLook {
    /// All of them: the device was switched on.
    SwitchOn,
    /// These: a card was inserted, or they were in doubt.
    At(Vec<ReaderName>),
}

/// What is to be looked at again, and when.
struct Doubt {
    look: CardLook,
    /// Checks that ended in doubt, one after the other.
    failures: u32,
    due: Instant,
}

/// How long an insertion is waited for at a stretch: the end of the client is noticed within it.
const GLANCE: Duration = Duration::from_secs(1);

impl CardDesk {
    pub(crate) fn new(readers: Option<Arc<dyn CardReaders>>, reapply: bool) -> Self {
        Self {
            readers,
            reapply,
            checking: tokio::sync::Mutex::default(),
            removed: watch::Sender::new(()),
        }
    }
}

impl Engine {
    /// The readers, unless policy turns smartcard bootstrap off.
    fn card_readers(&self) -> Option<Arc<dyn CardReaders>> {
        let method = self.config.policy.method(BootstrapMethod::Smartcard);
        self.cards.readers.clone().filter(|_| method.enabled)
    }

    /// Looks at the cards, decides, and applies: what is new, and what is gone, in one transaction.
    pub(super) async fn check_cards(&self, look: &CardLook) -> Result<CardCheck, TreeError> {
        let Some(readers) = self.card_readers() else {
            return Ok(CardCheck::Off);
        };
        let _alone = self.cards.checking.lock().await;
        let readings = Arc::new(self.read_cards(readers, look).await?);
        let (mut known, mut replans) = (Known::default(), 0);
        loop {
            let decided = self.decide(Arc::clone(&readings), look, &known).await?;
            let decision = match decided {
                Ok((decision, _)) => decision,
                Err(refusal) => return self.check_failed(refusal).await,
            };
            if let Some(entry) = known.unasked(&decision) {
                self.ask_about(&readings, look, entry, &mut known).await?;
                continue;
            }
            if decision.plan.is_empty() {
                return self.checked(decision, &known, &readings).await;
            }
            let applied = self.host.apply_or_tell(decision.plan.clone()).await;
            let Err(not) = applied else {
                return self.checked(decision, &known, &readings).await;
            };
            match not.cause {
                Cause::Stale if replans < REPLANS => replans += 1,
                Cause::Stale => {
                    let kept = Failure::StorageFailed.refusal();
                    return self
                        .check_failed(kept.because("the tree kept changing"))
                        .await;
                }
                Cause::Tree(TreeError::NoRoom) => {
                    return self.check_failed(storage(TreeError::NoRoom)).await;
                }
                Cause::Tree(error) => return Err(error),
                cause => {
                    let refusal = Failure::InvalidInstance.refusal().because(cause);
                    if let Some(refusal) = known.refuse(&decision, not.step, refusal) {
                        return self.check_failed(refusal).await;
                    }
                }
            }
        }
    }

    /// What a check would decide now, and what that would change; nothing is changed. None where smartcard bootstrap is off.
    pub(crate) async fn preview_cards(
        &self,
    ) -> Result<Option<(SwitchOnDecision, Preview)>, Refusal> {
        let Some(readers) = self.card_readers() else {
            return Ok(None);
        };
        let _alone = self.cards.checking.lock().await;
        let look = CardLook::SwitchOn;
        let readings = self.read_cards(readers, &look).await.map_err(storage)?;
        let known = Known::default();
        let decided = self.decide(Arc::new(readings), &look, &known).await;
        decided.map_err(storage)?.map(Some)
    }

    async fn read_cards(
        &self,
        readers: Arc<dyn CardReaders>,
        look: &CardLook,
    ) -> Result<Vec<CardReading>, TreeError> {
        let look = look.clone();
        let read = self.host.run(move |_| {
            Ok(match &look {
                CardLook::SwitchOn => readers.read(None),
                CardLook::At(only) => readers.read(Some(only)),
            })
        });
        read.await
    }

    pub(super) async fn decide(
        &self,
        readings: Arc<Vec<CardReading>>,
        look: &CardLook,
        known: &Known,
    ) -> Result<Result<(SwitchOnDecision, Preview), Refusal>, TreeError> {
        let event = entropy().map_err(|error| TreeError::Storage(error.to_string().into()))?;
        let image = self.image_beneath().await?;
        let (policy, limits, at) = (self.config.policy.clone(), self.config.limits, self.now());
        let (credentials, reapply) = (self.credentials(), self.cards.reapply);
        let known = known.clone();
        let occasion = match look {
            CardLook::SwitchOn => SwitchOnOccasion::SwitchOn,
            CardLook::At(_) => SwitchOnOccasion::Insertion,
        };
        let decided = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            let switch_on = SwitchOn {
                readings: &readings,
                occasion,
                reapply,
                agreed: &known.agreed,
                refused: &known.refused,
                after_reset: host.store.is_after_factory_reset()?,
                at: Some(at),
                entropy: event,
                limits,
                dm1: &Dm1Rules::default(),
                factory_image: image.as_ref().map(Secret::expose),
            };
            let decided = plan_switch_on(&view, &host.registry, &policy, &credentials, &switch_on);
            Ok(match decided {
                Ok(decision) => {
                    let shown = preview(&decision.plan, &view)?;
                    Ok((decision, shown))
                }
                Err(refusal) => Err(refusal),
            })
        });
        decided.await
    }

    /// The factory image, where a card took the place of one of its accounts (§14.3). One that cannot be read is told, and is not there.
    async fn image_beneath(&self) -> Result<Option<Secret>, TreeError> {
        let accounts = self.host.run(|host| host.store.snapshot()?.accounts());
        let beneath = accounts.await?.iter().any(|one| one.factory.is_some());
        if !beneath {
            return Ok(None);
        }
        match self.read_factory_image().await? {
            Some(Ok(image)) => Ok(Some(image)),
            Some(Err(refusal)) => {
                self.tell(&ClientEvent::Refused(refusal));
                Ok(None)
            }
            None => Ok(None),
        }
    }

    async fn checked(
        &self,
        mut decision: SwitchOnDecision,
        known: &Known,
        readings: &[CardReading],
    ) -> Result<CardCheck, TreeError> {
        known.tell_why(&mut decision);
        if decision.removed().next().is_some() {
            self.cards.removed.send_replace(());
        }
        self.tell(&ClientEvent::CardsChecked(Box::new(decision.clone())));
        for item in &decision.skipped {
            self.tell(&ClientEvent::Skipped(item.clone()));
        }
        if !decision.servers.is_empty() {
            let servers = decision.servers.clone();
            self.tell(&ClientEvent::Applied { servers });
            self.desk.bell.notify_one();
        }
        let mut refused = false;
        for entry in &decision.entries {
            let EntryOutcome::Refused(refusal) = &entry.outcome else {
                continue;
            };
            refused = true;
            if let Some(document) = document_of(readings, entry) {
                self.tell_servers(document, refusal, BootstrapMethod::Smartcard)
                    .await;
            }
            self.remember(refusal, BootstrapMethod::Smartcard).await;
            self.tell(&ClientEvent::Refused(refusal.clone()));
        }
        if !refused && !decision.servers.is_empty() {
            self.forget_failures().await?;
        }
        Ok(CardCheck::Done(Box::new(decision)))
    }

    async fn check_failed(&self, refusal: Refusal) -> Result<CardCheck, TreeError> {
        self.remember(&refusal, BootstrapMethod::Smartcard).await;
        self.tell(&ClientEvent::Refused(refusal.clone()));
        Ok(CardCheck::Failed(refusal))
    }

    /// Until `stop` holds true: an inserted card is a switch-on for its reader (D54), a reader in doubt is looked at again. Mere removal changes nothing.
    pub(super) async fn watch_cards(
        &self,
        first: CardCheck,
        stop: watch::Receiver<bool>,
    ) -> Result<(), TreeError> {
        let Some(readers) = self.card_readers() else {
            return Ok(());
        };
        let mut doubt = Doubt::after(&first, CardLook::SwitchOn, None);
        while !*stop.borrow() {
            let due = doubt.as_ref().map(|doubt| doubt.due);
            let patience = due.map_or(GLANCE, |due| {
                due.saturating_duration_since(Instant::now()).min(GLANCE)
            });
            let watching = Arc::clone(&readers);
            let changed = self.host.run(move |_| Ok(watching.changed(patience)));
            let changed = changed.await?;
            if *stop.borrow() {
                break;
            }
            let inserted = changed.filter(|change| change.event == CardEvent::Inserted);
            if let Some(change) = inserted {
                let look = CardLook::At(vec![change.reader]);
                let check = self.check_cards(&look).await?;
                doubt = Doubt::after(&check, look, doubt);
            } else if let Some(due) = doubt.take_if(|doubt| doubt.due <= Instant::now()) {
                let check = self.check_cards(&due.look).await?;
                let look = due.look.clone();
                doubt = Doubt::after(&check, look, Some(due).filter(|_| is_doubtful(&check)));
            }
        }
        Ok(())
    }

    /// What a session waits for, unless a check takes the server's account away meanwhile: then the session ends.
    pub(super) async fn unless_removed<I>(
        &self,
        server: &SrvId,
        removals: &mut watch::Receiver<()>,
        waited_for: impl Future<Output = I>,
        removed: I,
    ) -> I {
        tokio::pin!(waited_for);
        loop {
            tokio::select! {
                input = &mut waited_for => return input,
                changed = removals.changed() => {
                    let id = server.clone();
                    let account = self.host.run(move |host| host.store.snapshot()?.account(&id));
                    if matches!(account.await, Ok(None)) {
                        return removed;
                    }
                    if changed.is_err() {
                        return waited_for.await;
                    }
                }
            }
        }
    }

    /// Tells of the accounts that checks take away from now on.
    pub(super) fn card_removals(&self) -> watch::Receiver<()> {
        self.cards.removed.subscribe()
    }
}

impl Doubt {
    /// What is to be looked at again after a check. Where nothing at all was definite, everything: there may be no service yet, or no reader.
    fn after(check: &CardCheck, look: CardLook, before: Option<Self>) -> Option<Self> {
        let again = match check {
            CardCheck::Off => return None,
            CardCheck::Failed(_) => look,
            CardCheck::Done(decision) => {
                let doubtful: Vec<_> = decision
                    .readers
                    .iter()
                    .filter(|one| is_in_doubt(&one.state))
                    .map(|one| one.reader.clone())
                    .collect();
                if look == CardLook::SwitchOn && doubtful.len() == decision.readers.len() {
                    CardLook::SwitchOn
                } else {
                    CardLook::At(doubtful)
                }
            }
        };
        let looked_at = |reader: &ReaderName| match check {
            CardCheck::Done(decision) => decision.readers.iter().any(|one| one.reader == *reader),
            CardCheck::Off | CardCheck::Failed(_) => false,
        };
        let failures = before.as_ref().map_or(0, |before| before.failures);
        let look = match (again, before.map(|before| before.look)) {
            (CardLook::SwitchOn, _) | (_, Some(CardLook::SwitchOn)) => CardLook::SwitchOn,
            (CardLook::At(mut readers), Some(CardLook::At(others))) => {
                readers.extend(others.into_iter().filter(|one| !looked_at(one)));
                readers.sort();
                readers.dedup();
                CardLook::At(readers)
            }
            (again, None) => again,
        };
        if look == CardLook::At(Vec::new()) {
            return None;
        }
        let failures = failures.saturating_add(1);
        let [jitter] = entropy().unwrap_or([128]);
        let wait = RetrySchedule::wait_millis(failures, jitter);
        Some(Self {
            look,
            failures,
            due: Instant::now() + Duration::from_millis(wait.try_into().unwrap_or(0)),
        })
    }
}

fn is_doubtful(check: &CardCheck) -> bool {
    match check {
        CardCheck::Off => false,
        CardCheck::Failed(_) => true,
        CardCheck::Done(decision) => decision.is_in_doubt() || decision.readers.is_empty(),
    }
}

const fn is_in_doubt(state: &ReaderState) -> bool {
    matches!(
        state,
        ReaderState::Undetermined(_) | ReaderState::InvalidEntry
    )
}

/// What a card holds in the place of an entry.
fn document_of<'r>(readings: &'r [CardReading], entry: &EntryFinding) -> Option<&'r [u8]> {
    let mut readings = readings.iter();
    let reading = readings.find(|reading| reading.reader == entry.reader)?;
    let CardOutcome::Read(entries) = &reading.outcome else {
        return None;
    };
    let mut entries = entries.iter();
    let found = entries.find(|one| one.oid == entry.oid && one.path == entry.path)?;
    let file = found.content.as_ref().ok()?.as_ref()?;
    CardBootstrap::of(file).ok().map(|found| found.octets)
}
