//! DM 1.2 and 1.3 on the wire: DM messages and provisioning documents, in XML and in WBXML.
//!
//! Pure: no clock, no randomness, no I/O. The facts are those of `dm1x.md` and `push.md`; sections named without a file are of `dm1x.md`.

pub mod bootstrap_mac;
pub mod credential;
pub mod markup;
pub mod pretty;
pub mod provisioning;
pub mod syncml;
pub mod tnds;
pub mod trigger;
pub mod wbxml;
pub mod xml;
