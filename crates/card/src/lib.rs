//! DM Bootstrap on a smartcard: what lies where on the card, how it is read, which card it is, and whether the device may use it.
//!
//! Pure: a [`reading::CardReading`] is made of what a transport answers; readers, pauses and files are the caller's. The facts are those of
//! `smartcard.md`; sections named without a file are of it.

pub mod dialogue;
pub mod file_info;
pub mod file_set;
pub mod pkcs15;
pub mod reading;
pub mod test_card;
pub mod writing;

mod apdu;
mod apdu_script;
mod hexadecimal;
mod oid;
mod path;
mod tlv;
mod transport;
mod trouble;

pub use dialogue::{CardPin, CardRoute, CardSettings, SimLock, read_card, read_card_by_route};
pub use file_set::{CardFileSet, CardFileSetError};
pub use oid::{CardOid, CardOidError};
pub use path::{CardPath, CardPathError, FileSlice};
pub use reading::LONGEST_DOCUMENT;
pub use reading::{CardDocument, CardEntry, CardIdentity, CardOutcome, CardReading, ReaderName};
pub use transport::{CardTransport, TransportError};
pub use trouble::{CardTrouble, FirstOctet, LockReason, LockValue, Octets, PinTries, StatusWord};
pub use writing::{
    CardWriteError, CardWriteFailure, CardWriteSettings, CardWritten, IssuerKey, IssuerKeyError,
    erase_card, write_card,
};
