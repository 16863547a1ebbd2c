//! DM Bootstrap on a smartcard: what lies where on the card, how it is read, which card it is, and whether the device may use it.
//!
//! Pure: a [`reading::CardReading`] is made of what a transport answers; readers, pauses and files are the caller's. The facts are those of
//! `smartcard.md`; sections named without a file are of it.

pub mod reading;

mod hexadecimal;
mod oid;
mod path;
mod trouble;

pub use oid::{CardOid, CardOidError};
pub use path::{CardPath, CardPathError, FileSlice};
pub use trouble::{CardTrouble, FirstOctet, LockReason, LockValue, Octets, PinTries, StatusWord};
