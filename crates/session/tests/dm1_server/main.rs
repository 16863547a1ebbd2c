//! The server's end of a DM 1.x session, decision by decision (`dm1x.md` §1, §3, §6), in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod bed;
mod brought;
mod decided;
mod families;
mod flow;
mod hostile;
mod proof;
mod recovery;
mod sizes;
