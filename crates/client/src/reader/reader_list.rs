use std::path::PathBuf;
use std::time::{Duration, Instant};

use omadm_card::reading::{CardReading, ReaderName};
use omadm_card::{CardRoute, CardSettings, CardTransport, CardTrouble};

#[cfg(feature = "pcsc")]
use super::PcscReaders;
use super::{CardChange, CardFiles, CardReaders};
use crate::policy::CardReaderName;

/// Readers of several kinds in one order of priority: files that describe cards, and those of the system.
pub struct ReaderList {
    /// Neighbours of one kind are one part.
    parts: Vec<Part>,
}

enum Part {
    Files(CardFiles),
    #[cfg(feature = "pcsc")]
    System(PcscReaders),
}

/// A reader of the system was named to a build without the feature `pcsc`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is a reader of the system, and this build reads files that describe cards alone")]
pub struct NoPcsc(pub String);

/// Why nothing was done with a card. The card is as before.
#[derive(Debug, thiserror::Error)]
pub enum CardWorkError {
    /// The reader is empty, or the card's file is not there.
    #[error("there is no card in the reader")]
    NoCard,
    /// The card cannot be used.
    #[error(transparent)]
    Trouble(#[from] CardTrouble),
    /// The file that describes the card cannot be read or written. The environment is at fault.
    #[error(transparent)]
    File(std::io::Error),
}

/// How long each part is waited for in turn.
const TURN: Duration = Duration::from_millis(100);

impl ReaderList {
    /// The readers of these names; cards are read by these settings.
    ///
    /// # Errors
    /// [`NoPcsc`] where a reader of the system is named and this build has none.
    pub fn new(names: &[CardReaderName], settings: &CardSettings) -> Result<Self, NoPcsc> {
        let mut files: Vec<PathBuf> = Vec::new();
        let mut parts = Vec::new();
        let named = names
            .iter()
            .filter(|name| **name != CardReaderName::Present);
        #[cfg(feature = "pcsc")]
        if !names.is_empty() && named.clone().next().is_none() {
            parts.push(Part::System(PcscReaders::present(settings.clone())));
        }
        let mut names = named.peekable();
        while let Some(name) = names.next() {
            Self::supports(name)?;
            match name {
                CardReaderName::File(file) => {
                    files.push(file.clone());
                    if !matches!(names.peek(), Some(CardReaderName::File(_))) {
                        let files = std::mem::take(&mut files);
                        parts.push(Part::Files(CardFiles::new(files, settings.clone())));
                    }
                }
                CardReaderName::Present => {}
                #[cfg(not(feature = "pcsc"))]
                CardReaderName::System(_) => {}
                #[cfg(feature = "pcsc")]
                CardReaderName::System(name) => {
                    let mut all = vec![name.clone()];
                    while let Some(CardReaderName::System(name)) =
                        names.next_if(|name| matches!(name, CardReaderName::System(_)))
                    {
                        all.push(name.clone());
                    }
                    parts.push(Part::System(PcscReaders::new(all, settings.clone())));
                }
            }
        }
        Ok(Self { parts })
    }

    /// Whether this build has readers of such a name.
    ///
    /// # Errors
    /// [`NoPcsc`] where it has none.
    pub fn supports(name: &CardReaderName) -> Result<(), NoPcsc> {
        match name {
            CardReaderName::System(name) if cfg!(not(feature = "pcsc")) => {
                Err(NoPcsc(name.clone()))
            }
            _ => Ok(()),
        }
    }

    /// With this bound on the silence of a card or its reader, in place of ten seconds. Files are never silent.
    #[must_use]
    #[cfg_attr(
        not(feature = "pcsc"),
        allow(unused_variables, unused_mut, reason = "files are never silent")
    )]
    pub fn patience(mut self, patience: Duration) -> Self {
        #[cfg(feature = "pcsc")]
        for part in &mut self.parts {
            if let Part::System(readers) = part {
                readers.set_patience(patience);
            }
        }
        self
    }

    /// What there is now counts as changed: each card and each reader without one is told by the first calls of [`CardReaders::changed`].
    #[must_use]
    pub fn with_all_as_news(self) -> Self {
        for part in &self.parts {
            match part {
                Part::Files(files) => files.forget(),
                #[cfg(feature = "pcsc")]
                Part::System(readers) => readers.forget(),
            }
        }
        self
    }

    /// Whether there is no reader to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Does something with the card in this reader, held for it alone; afterwards the card has forgotten which keys were verified. A card that a file
    /// describes is written back when `work` is done.
    ///
    /// # Errors
    /// Why `work` was not begun, or given up since card or reader fell silent.
    pub fn with_card<T: Send + 'static>(
        &self,
        reader: &ReaderName,
        work: impl FnOnce(&mut dyn CardTransport) -> T + Send + 'static,
    ) -> Result<T, CardWorkError> {
        for part in &self.parts {
            match part {
                Part::Files(files) if files.has(reader) => return files.with_card(reader, work),
                Part::Files(_) => {}
                #[cfg(feature = "pcsc")]
                Part::System(readers) if readers.is_wanted(reader) => {
                    return readers.with_card(reader, work);
                }
                #[cfg(feature = "pcsc")]
                Part::System(_) => {}
            }
        }
        Err(CardTrouble::ReaderUnknown.into())
    }

    fn parts(&self) -> impl Iterator<Item = &dyn CardReaders> {
        self.parts.iter().map(|part| match part {
            Part::Files(files) => files as &dyn CardReaders,
            #[cfg(feature = "pcsc")]
            Part::System(readers) => readers,
        })
    }
}

impl CardReaders for ReaderList {
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading> {
        self.parts().flat_map(|part| part.read(only)).collect()
    }

    fn read_by_route(&self, only: Option<&[ReaderName]>) -> Vec<(CardReading, CardRoute)> {
        self.parts()
            .flat_map(|part| part.read_by_route(only))
            .collect()
    }

    fn changed(&self, patience: Duration) -> Option<CardChange> {
        let end = Instant::now() + patience;
        loop {
            for part in self.parts() {
                let rest = end.saturating_duration_since(Instant::now());
                let turn = if self.parts.len() == 1 {
                    rest
                } else {
                    rest.min(TURN)
                };
                if let Some(change) = part.changed(turn) {
                    return Some(change);
                }
            }
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return None;
            }
            if self.parts.is_empty() {
                std::thread::sleep(rest);
            }
        }
    }
}
