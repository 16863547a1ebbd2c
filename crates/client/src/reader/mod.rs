//! Card readers: where the cards of a device are, and what one look at them gives.

mod card_files;
#[cfg(feature = "pcsc")]
mod pcsc;
mod reader_list;

use std::time::Duration;

use omadm_card::CardRoute;
use omadm_card::reading::{CardReading, ReaderName};

pub use card_files::CardFiles;
#[cfg(feature = "pcsc")]
pub use pcsc::PcscReaders;
pub use reader_list::{CardWorkError, NoPcsc, ReaderList};

/// The card readers of a device. Everything here blocks; the client calls it on threads that may, one call at a time.
///
/// Rules of reading (SIM lock, PIN, OIDs) are the implementation's, given when it is made.
pub trait CardReaders: Send + Sync {
    /// Looks at the readers: one reading each, the one of highest priority first. A reader that should be there and is not gives a reading that says so; that
    /// there is no reader at all is a reading too, or none. `only` means these readers alone.
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading>;

    /// Like [`Self::read`], and tells the way taken on each card; an empty one where the implementation does not know it.
    fn read_by_route(&self, only: Option<&[ReaderName]>) -> Vec<(CardReading, CardRoute)> {
        let readings = self.read(only).into_iter();
        readings
            .map(|reading| (reading, CardRoute::default()))
            .collect()
    }

    /// Waits until a card or reader comes or goes, no longer than `patience`, and tells one change. What was read is no change; cards that are there when this
    /// is called for the first time count as read.
    fn changed(&self, patience: Duration) -> Option<CardChange>;
}

/// A card or reader that came or went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardChange {
    /// The reader.
    pub reader: ReaderName,
    /// What happened.
    pub event: CardEvent,
}

/// What happened at a reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardEvent {
    /// A card was put in, or another one than before.
    Inserted,
    /// The card was taken out.
    Removed,
    /// The reader was connected; there is no card in it.
    ReaderAttached,
    /// The reader was disconnected, or its service ended.
    ReaderGone,
}

impl CardEvent {
    /// The stable code, for `--json`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Removed => "removed",
            Self::ReaderAttached => "reader-attached",
            Self::ReaderGone => "reader-gone",
        }
    }
}
