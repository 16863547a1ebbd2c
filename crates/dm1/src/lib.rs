//! DM 1.2 and 1.3 on the wire: documents in XML and WBXML as one stream of events.
//!
//! Pure: no clock, no randomness, no I/O. The facts are those of `dm1x.md` and `push.md`; sections named without a file are of `dm1x.md`.

pub mod markup;
pub mod wbxml;
pub mod xml;
