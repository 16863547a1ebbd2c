//! Card readers without hardware: each is a file that describes the card in it; while there is no file the reader is empty.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use omadm_card::reading::{CardOutcome, CardReading, ReaderName};
use omadm_card::test_card::{CardDescription, TestCard};
use omadm_card::{CardSettings, CardTransport, CardTrouble, TransportError, read_card};

use super::CardReaders;

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

    fn look(&self, name: &ReaderName, file: &Path) -> CardReading {
        let nothing = |outcome| CardReading {
            reader: name.clone(),
            identity: None,
            outcome,
        };
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return nothing(CardOutcome::NoCard);
            }
            Err(error) => {
                tracing::warn!(reader = %name, %error, "the card's file cannot be read");
                return nothing(CardOutcome::Undetermined(CardTrouble::ReaderFailed));
            }
        };
        let card = CardDescription::read(&text).and_then(|read| {
            let atr = read.atr();
            TestCard::new(read).map(|card| DescribedCard { card, atr })
        });
        match card {
            Ok(mut card) => read_card(name, &mut card, &self.settings),
            Err(error) => {
                tracing::warn!(reader = %name, %error, "the card's file describes no card");
                nothing(CardOutcome::Undetermined(CardTrouble::CardMute))
            }
        }
    }

    /// Notes what is in a reader now; answers whether that is another card than before.
    fn is_news(&self, name: &ReaderName, file: &Path) -> bool {
        let now = stamp(file);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.insert(name.clone(), now).flatten();
        now.is_some() && now != before
    }
}

impl CardReaders for CardFiles {
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading> {
        let wanted = |name: &ReaderName| only.is_none_or(|only| only.contains(name));
        let files = self.files.iter().filter(|(name, _)| wanted(name));
        files
            .map(|(name, file)| {
                self.is_news(name, file);
                self.look(name, file)
            })
            .collect()
    }

    fn inserted(&self, patience: Duration) -> Option<ReaderName> {
        let end = Instant::now() + patience;
        loop {
            let mut files = self.files.iter();
            let news = files.find(|(name, file)| self.is_news(name, file));
            let rest = end.saturating_duration_since(Instant::now());
            if news.is_some() || rest.is_zero() {
                return news.map(|(name, _)| name.clone());
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
