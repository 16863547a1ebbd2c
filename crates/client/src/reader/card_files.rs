//! Card readers without hardware: each is a file that describes the card in it; while there is no file the reader is empty.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use omadm_card::reading::{CardOutcome, CardReading, ReaderName};
use omadm_card::test_card::{CardDescription, TestCard};
use omadm_card::{
    CardRoute, CardSettings, CardTransport, CardTrouble, TransportError, read_card_by_route,
};

use super::{CardChange, CardEvent, CardReaders, CardWorkError};

/// Readers of files that describe cards (JSON), in order of priority. Each is named by [`CardFiles::PREFIX`] and its file. A file that is put in place, or
/// whose content is another than before, is an inserted card.
pub struct CardFiles {
    files: Vec<(ReaderName, PathBuf)>,
    settings: CardSettings,
    seen: Mutex<BTreeMap<ReaderName, Option<Stamp>>>,
}

/// Tells one card in a reader from the next.
type Stamp = (SystemTime, u64);

/// The card of a file, for one reading.
struct DescribedCard {
    card: TestCard,
    atr: Vec<u8>,
}

/// Between two looks at the files.
const LOOK: Duration = Duration::from_millis(100);

impl CardFiles {
    /// How the names of these readers begin.
    pub const PREFIX: &str = "virtual:";

    /// Readers of these files, which need not be there.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = PathBuf>, settings: CardSettings) -> Self {
        let named = |file: PathBuf| {
            let name = format!("{}{}", Self::PREFIX, file.display());
            (ReaderName::new(name), file)
        };
        let files: Vec<_> = files.into_iter().map(named).collect();
        let stamps = files.iter().map(|(name, file)| (name.clone(), stamp(file)));
        Self {
            seen: Mutex::new(stamps.collect()),
            files,
            settings,
        }
    }

    /// Every card counts as not seen yet.
    pub(super) fn forget(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clear();
    }

    /// Whether it is one of these readers.
    pub(super) fn has(&self, reader: &ReaderName) -> bool {
        self.files.iter().any(|(name, _)| name == reader)
    }

    /// Does something with the card in a reader, and writes the card back where it changed.
    pub(super) fn with_card<T>(
        &self,
        reader: &ReaderName,
        work: impl FnOnce(&mut dyn CardTransport) -> T,
    ) -> Result<T, CardWorkError> {
        let file = self.files.iter().find(|(name, _)| name == reader);
        let (_, file) = file.ok_or(CardTrouble::ReaderUnknown)?;
        let mut card = DescribedCard::open(reader, file)?.ok_or(CardWorkError::NoCard)?;
        let before = card.card.description();
        let done = work(&mut card);
        let after = card.card.description();
        if after != before {
            put(file, &after.write()).map_err(CardWorkError::File)?;
            self.change(reader, file);
        }
        Ok(done)
    }

    fn look(&self, name: &ReaderName, file: &Path) -> (CardReading, CardRoute) {
        let nothing = |outcome| {
            let reading = CardReading {
                reader: name.clone(),
                identity: None,
                outcome,
            };
            (reading, CardRoute::default())
        };
        match DescribedCard::open(name, file) {
            Ok(Some(mut card)) => read_card_by_route(name, &mut card, &self.settings),
            Ok(None) => nothing(CardOutcome::NoCard),
            Err(trouble) => nothing(CardOutcome::Undetermined(trouble)),
        }
    }

    /// Notes what is in a reader now; answers what changed since the last time.
    fn change(&self, name: &ReaderName, file: &Path) -> Option<CardEvent> {
        let now = stamp(file);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.insert(name.clone(), now).flatten();
        match (before, now) {
            (before, Some(_)) if before != now => Some(CardEvent::Inserted),
            (Some(_), None) => Some(CardEvent::Removed),
            _ => None,
        }
    }
}

impl DescribedCard {
    /// The card of a file; none where there is no file.
    fn open(reader: &ReaderName, file: &Path) -> Result<Option<Self>, CardTrouble> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                tracing::warn!(%reader, %error, "the card's file cannot be read");
                return Err(CardTrouble::ReaderFailed);
            }
        };
        let card = CardDescription::read(&text).and_then(|read| {
            let atr = read.atr();
            TestCard::new(read).map(|card| Self { card, atr })
        });
        card.map(Some).map_err(|error| {
            tracing::warn!(%reader, %error, "the card's file describes no card");
            CardTrouble::CardMute
        })
    }
}

impl CardReaders for CardFiles {
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading> {
        let looks = self.read_by_route(only).into_iter();
        looks.map(|(reading, _)| reading).collect()
    }

    fn read_by_route(&self, only: Option<&[ReaderName]>) -> Vec<(CardReading, CardRoute)> {
        let wanted = |name: &ReaderName| only.is_none_or(|only| only.contains(name));
        let files = self.files.iter().filter(|(name, _)| wanted(name));
        files
            .map(|(name, file)| {
                self.change(name, file);
                self.look(name, file)
            })
            .collect()
    }

    fn changed(&self, patience: Duration) -> Option<CardChange> {
        let end = Instant::now() + patience;
        loop {
            let news = self.files.iter().find_map(|(name, file)| {
                Some(CardChange {
                    reader: name.clone(),
                    event: self.change(name, file)?,
                })
            });
            let rest = end.saturating_duration_since(Instant::now());
            if news.is_some() || rest.is_zero() {
                return news;
            }
            thread::sleep(rest.min(LOOK));
        }
    }
}

impl CardTransport for DescribedCard {
    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        Ok(self.card.execute(command))
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.card.power_on();
        Ok(())
    }

    fn pause(&mut self, pause: Duration) {
        thread::sleep(pause);
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// Replaces a file whole. A card holds secrets: what is written is its owner's alone until it has the rights of the file before.
fn put(file: &Path, text: &str) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut open = options.open(&beside)?;
    open.write_all(text.as_bytes())?;
    open.set_permissions(fs::metadata(file)?.permissions())?;
    open.sync_all()?;
    fs::rename(&beside, file)
}
