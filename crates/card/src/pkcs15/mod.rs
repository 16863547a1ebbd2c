//! The PKCS#15 files that lead to a DM Bootstrap, read and written: EF(DIR), EF(ODF), DODF, EF(TokenInfo) (§3).

mod dir;
mod dodf;
mod odf;
mod pkcs15_path;
mod token_info;
#[cfg(test)]
mod worked_bytes;

pub use dir::{ApplicationTemplate, read_dir};
pub use dodf::{DataObject, DataValue, DodfItem, ObjectForm, read_dodf};
pub use odf::{OdfItem, read_odf};
pub use pkcs15_path::Pkcs15Path;
pub use token_info::TokenInfo;

pub use crate::tlv::TlvError;

/// AID of the PKCS#15 application: RID A000000063, "PKCS-15". Cards may pad or extend it, so these twelve octets are what is compared (§4).
pub const PKCS15_AID: [u8; 12] = *b"\xA0\x00\x00\x00\x63PKCS-15";

/// Most elements that a directory may have: bounds what one file can cost.
const MOST_ELEMENTS: usize = 256;
