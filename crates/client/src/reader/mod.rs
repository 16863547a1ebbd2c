//! Card readers: where the cards of a device are, and what one look at them gives.

mod card_files;

use std::time::Duration;

use omadm_card::reading::{CardReading, ReaderName};

pub use card_files::CardFiles;

/// The card readers of a device. Everything here blocks; the client calls it on threads that may, one call at a time.
///
/// Rules of reading (SIM lock, PIN, OIDs) are the implementation's, given when it is made.
pub trait CardReaders: Send + Sync {
    /// Looks at the readers: one reading each, the one of highest priority first. A reader that should be there and is not gives a reading that says so; that
    /// there is no reader at all is a reading too, or none. `only` means these readers alone.
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading>;

    /// Waits until a card is put into a reader, no longer than `patience`; tells the reader. Cards that are there when this is called for the first time
    /// count as read.
    fn inserted(&self, patience: Duration) -> Option<ReaderName>;
}
