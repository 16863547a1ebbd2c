//! The readers of the system, over PC/SC (`smartcard.md` §7, §10).

mod attended;
mod look;
mod transport;
mod trouble;
mod watch;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omadm_card::reading::{CardOutcome, CardReading, ReaderName};
use omadm_card::{CardRoute, CardSettings, CardTransport, CardTrouble, read_card_by_route};
use pcsc::{Context, Disposition, Error, Scope};

use super::{CardChange, CardEvent, CardReaders, CardWorkError};
use attended::{Attended, Busy};
use look::{Look, Seen};
use trouble::trouble;
use watch::{Stamp, Watch};

/// Readers of the system, in order of priority. Each look at one runs on a thread of its own, which is given up when service, reader or card stay silent:
/// neither can hold the device.
///
/// A name that ends in `*` stands for every reader whose name begins so, in the order of the service; `*` alone for all of them.
pub struct PcscReaders {
    wanted: Vec<String>,
    /// Whether they should be there.
    required: bool,
    settings: CardSettings,
    patience: Duration,
    watch: Arc<Watch>,
    /// What was told of each reader that is there; none before anything was.
    told: Mutex<Option<Cards>>,
    /// Looks that were given up and go on: no second one is begun beside them.
    busy: Mutex<BTreeMap<ReaderName, Busy>>,
}

/// Readers, with the card in each.
type Cards = BTreeMap<ReaderName, Option<Stamp>>;

/// A reader that is looked at.
enum Wanted {
    /// It is there.
    There(ReaderName),
    /// It is not: what its reading says.
    Absent(ReaderName, CardTrouble),
}

impl PcscReaders {
    /// How long service, reader or card may be silent before a look is given up, unless set otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// Readers of these names, which need not be there; cards are read by these settings.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>, settings: CardSettings) -> Self {
        Self {
            wanted: names.into_iter().collect(),
            required: true,
            settings,
            patience: Self::PATIENCE,
            watch: Arc::default(),
            told: Mutex::new(None),
            busy: Mutex::default(),
        }
    }

    /// Every reader that is there; that there is none, or no service, is no trouble and gives no reading.
    #[must_use]
    pub fn present(settings: CardSettings) -> Self {
        let mut all = Self::new(["*".to_owned()], settings);
        all.required = false;
        all
    }

    /// Sets how long service, reader or card may be silent.
    pub(super) const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Everything counts as not told yet.
    pub(super) fn forget(&self) {
        *self.told() = Some(Cards::new());
    }

    /// Whether it is one of these readers.
    pub(super) fn is_wanted(&self, reader: &ReaderName) -> bool {
        self.wanted.iter().any(|wanted| fits(wanted, reader))
    }

    /// Does something with the card in a reader, held for it alone.
    pub(super) fn with_card<T: Send + 'static>(
        &self,
        reader: &ReaderName,
        work: impl FnOnce(&mut dyn CardTransport) -> T + Send + 'static,
    ) -> Result<T, CardWorkError> {
        let look = self.begin(reader, Disposition::ResetCard, work);
        let Look { done, seen } = look.and_then(Attended::wait)?;
        self.note(reader, seen);
        done?.ok_or(CardWorkError::NoCard)
    }

    /// The names of all readers of the system.
    fn list(&self) -> Result<Vec<ReaderName>, CardTrouble> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let service = ReaderName::new("");
        if let Some(silence) = busy.get(&service).and_then(Busy::silence) {
            return Err(silence);
        }
        let listing = Attended::begin(self.patience, |progress| {
            progress.step(CardTrouble::NoService);
            let context = Context::establish(Scope::User)?;
            match context.list_readers_owned() {
                Err(Error::NoReadersAvailable) => Ok(Vec::new()),
                names => names,
            }
        })?;
        busy.insert(service, listing.busy());
        drop(busy);
        let names = listing.wait()?.map_err(trouble)?;
        Ok(names.into_iter().filter_map(name_of).collect())
    }

    /// The readers that are looked at, in order of priority; none twice.
    fn resolve(&self, only: Option<&[ReaderName]>) -> Vec<Wanted> {
        let is_asked = |name: &ReaderName, wanted: &str| {
            only.is_none_or(|only| {
                only.contains(name) || only.iter().any(|one| one.as_str() == wanted)
            })
        };
        let names = self.list();
        let mut found: Vec<Wanted> = Vec::new();
        let is_new = |found: &[Wanted], name: &ReaderName| {
            !found
                .iter()
                .any(|one| matches!(one, Wanted::There(other) if other == name))
        };
        for wanted in &self.wanted {
            let named = ReaderName::new(wanted.clone());
            let trouble = match &names {
                Ok(names) => {
                    let mut fitting = names.iter().filter(|name| fits(wanted, name)).peekable();
                    if fitting.peek().is_some() {
                        for name in fitting.filter(|name| is_asked(name, wanted)) {
                            if is_new(&found, name) {
                                found.push(Wanted::There(name.clone()));
                            }
                        }
                        continue;
                    }
                    match names.is_empty() {
                        true => CardTrouble::NoReader,
                        false => CardTrouble::ReaderUnknown,
                    }
                }
                Err(trouble) => *trouble,
            };
            if !self.required {
                tracing::debug!(%trouble, "no card reader of the system is looked at");
            } else if is_asked(&named, wanted) {
                found.push(Wanted::Absent(named, trouble));
            }
        }
        // One that was there, by a name that stands for several, and is asked for by its own.
        for asked in only.unwrap_or(&[]).iter().filter(|one| self.is_wanted(one)) {
            let is_named = |one: &Wanted| match one {
                Wanted::There(name) | Wanted::Absent(name, _) => name == asked,
            };
            if !found.iter().any(is_named) {
                let trouble = names.as_ref().err().copied();
                let trouble = trouble.unwrap_or(CardTrouble::ReaderUnknown);
                found.push(Wanted::Absent(asked.clone(), trouble));
            }
        }
        found
    }

    /// Begins a look at a reader; `work` gets the card.
    fn begin<T: Send + 'static>(
        &self,
        reader: &ReaderName,
        afterwards: Disposition,
        work: impl FnOnce(&mut dyn CardTransport) -> T + Send + 'static,
    ) -> Result<Attended<Look<T>>, CardTrouble> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(silence) = busy.get(reader).and_then(Busy::silence) {
            return Err(silence);
        }
        let name = CString::new(reader.as_str()).map_err(|_| CardTrouble::ReaderUnknown)?;
        let begun = Attended::begin(self.patience, move |progress| {
            look::at(&name, progress, afterwards, work)
        })?;
        busy.insert(reader.clone(), begun.busy());
        Ok(begun)
    }

    fn told(&self) -> MutexGuard<'_, Option<Cards>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen at a reader counts as told.
    fn note(&self, reader: &ReaderName, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        let stamp = self.watch.stamp(seen);
        self.told()
            .get_or_insert_default()
            .insert(reader.clone(), stamp);
    }
}

impl CardReaders for PcscReaders {
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading> {
        let looks = self.read_by_route(only).into_iter();
        looks.map(|(reading, _)| reading).collect()
    }

    fn read_by_route(&self, only: Option<&[ReaderName]>) -> Vec<(CardReading, CardRoute)> {
        self.watch.start();
        self.told().get_or_insert_default();
        // The card must not stay open to others by the PIN that was verified for us.
        let afterwards = match self.settings.pin {
            Some(_) => Disposition::ResetCard,
            None => Disposition::LeaveCard,
        };
        let begun: Vec<_> = self
            .resolve(only)
            .into_iter()
            .map(|wanted| match wanted {
                Wanted::Absent(reader, trouble) => (reader, Err(trouble)),
                Wanted::There(reader) => {
                    let (name, settings) = (reader.clone(), self.settings.clone());
                    let look = self.begin(&reader, afterwards, move |card| {
                        read_card_by_route(&name, card, &settings)
                    });
                    (reader, look)
                }
            })
            .collect();
        let ended = begun.into_iter().map(|(reader, look)| {
            let outcome = match look.and_then(Attended::wait) {
                Err(trouble) => CardOutcome::Undetermined(trouble),
                Ok(Look { done, seen }) => {
                    self.note(&reader, seen);
                    match done {
                        Ok(Some(read)) => return read,
                        Ok(None) => CardOutcome::NoCard,
                        Err(trouble) => CardOutcome::Undetermined(trouble),
                    }
                }
            };
            let reading = CardReading {
                reader,
                identity: None,
                outcome,
            };
            (reading, CardRoute::default())
        });
        ended.collect()
    }

    fn changed(&self, patience: Duration) -> Option<CardChange> {
        self.watch.start();
        self.watch.wait(Instant::now() + patience, |known| {
            let mut told = self.told();
            let known = known.iter().filter(|(name, _)| self.is_wanted(name));
            let known: Cards = known.map(|(name, card)| (name.clone(), *card)).collect();
            difference(told.get_or_insert_with(|| known.clone()), &known)
        })
    }
}

impl Drop for PcscReaders {
    fn drop(&mut self) {
        self.watch.stop();
    }
}

/// One change from what was told to what is known, which then counts as told.
fn difference(told: &mut Cards, known: &Cards) -> Option<CardChange> {
    let gone = told.keys().find(|name| !known.contains_key(*name)).cloned();
    if let Some(reader) = gone {
        told.remove(&reader);
        let event = CardEvent::ReaderGone;
        return Some(CardChange { reader, event });
    }
    let (reader, now, event) = known.iter().find_map(|(name, now)| {
        let event = match (told.get(name), now) {
            (Some(before), now) if before == now => return None,
            (_, Some(_)) => CardEvent::Inserted,
            (Some(_), None) => CardEvent::Removed,
            (None, None) => CardEvent::ReaderAttached,
        };
        Some((name.clone(), *now, event))
    })?;
    told.insert(reader.clone(), now);
    Some(CardChange { reader, event })
}

/// Whether a name of the configuration stands for a reader.
fn fits(wanted: &str, reader: &ReaderName) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => reader.as_str().starts_with(beginning),
        None => reader.as_str() == wanted,
    }
}

/// The name of a reader; none of one whose name is no UTF-8, which no configuration can hold.
fn name_of(name: CString) -> Option<ReaderName> {
    name.into_string().ok().map(ReaderName::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(cards: &[(&str, Option<u32>)]) -> Cards {
        let stamp = |count: u32| Stamp { service: 0, count };
        cards
            .iter()
            .map(|(name, count)| (ReaderName::new(*name), count.map(stamp)))
            .collect()
    }

    #[test]
    fn every_change_is_told_once_and_a_swapped_card_is_an_inserted_one() {
        use CardEvent::{Inserted, ReaderAttached, ReaderGone, Removed};
        let mut told = readers(&[("a", None), ("b", Some(1)), ("c", Some(1)), ("d", Some(1))]);
        let known = readers(&[("a", Some(1)), ("b", None), ("c", Some(3)), ("e", None)]);
        let mut events = Vec::new();
        while let Some(change) = difference(&mut told, &known) {
            events.push((change.reader.as_str().to_owned(), change.event));
        }
        events.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("a", Inserted),
            ("b", Removed),
            ("c", Inserted),
            ("d", ReaderGone),
            ("e", ReaderAttached),
        ];
        assert_eq!(
            events,
            expected.map(|(name, event)| (name.to_owned(), event))
        );
        assert_eq!(told, known);
    }

    #[test]
    fn a_name_with_an_asterisk_stands_for_all_that_begin_so() {
        let reader = ReaderName::new("ACS ACR39U 00 00");
        for wanted in ["*", "ACS*", "ACS ACR39U 00 00"] {
            assert!(fits(wanted, &reader), "{wanted}");
        }
        for wanted in ["ACS", "Gemalto*", ""] {
            assert!(!fits(wanted, &reader), "{wanted}");
        }
    }
}
