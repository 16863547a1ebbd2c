use std::fmt;

use omadm_mo::json::Json;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a document's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PayloadHash([u8; 32]);

/// A text that is no payload hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a payload hash has 64 hexadecimal digits")]
pub struct PayloadHashError;

/// A DM Bootstrap ready for a carrier: the final bytes. The same profile and inputs give the same bytes.
///
/// Holds secrets: no `Debug`, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapPackage(omadm_mo::Secret);

impl PayloadHash {
    /// Hashes a document.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        Self(Sha256::digest(document).into())
    }

    /// The SHA-256 that somebody made of a document.
    #[must_use]
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits in lower case.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`PayloadHashError`] where the text is not that.
    pub fn parse(text: &str) -> Result<Self, PayloadHashError> {
        let mut octets = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(PayloadHashError);
        }
        for (octet, at) in octets.iter_mut().zip((0..64).step_by(2)) {
            *octet = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| PayloadHashError)?;
        }
        Ok(Self(octets))
    }
}

impl BootstrapPackage {
    /// Writes the items of a DM Bootstrap (`dm20.md` §14.2): an array, no blanks between its parts.
    #[must_use]
    pub fn of_items(items: Vec<Json>) -> Self {
        Self(omadm_mo::Secret::from(Json::Array(items).to_compact()))
    }

    /// The document's bytes, to be handed to a carrier. They hold the device's secrets.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        self.0.expose()
    }

    /// Hash of the document.
    #[must_use]
    pub fn payload_hash(&self) -> PayloadHash {
        PayloadHash::of(self.document())
    }
}

impl TryFrom<String> for PayloadHash {
    type Error = PayloadHashError;
    fn try_from(text: String) -> Result<Self, PayloadHashError> {
        Self::parse(&text)
    }
}

impl From<PayloadHash> for String {
    fn from(hash: PayloadHash) -> Self {
        hash.to_hex()
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::PayloadHash;

    #[test]
    fn a_hash_is_written_as_it_is_read() {
        let hash = PayloadHash::of(b"[]");
        assert_eq!(PayloadHash::parse(&hash.to_hex()), Ok(hash));
        assert!(PayloadHash::parse("00").is_err());
        assert!(PayloadHash::parse(&"ü".repeat(32)).is_err());
        assert!(PayloadHash::parse(&"g".repeat(64)).is_err());
    }
}
