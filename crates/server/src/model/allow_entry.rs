use omadm_bootstrap::{EventId, Utc};

use super::waiting_device::half_hash;

/// An entry of the allow-list that the store keeps: which devices without record are let in by name, on every node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllowEntry {
    /// A DevID, or a pattern with `*` for any run of characters.
    pub pattern: String,
    /// SHA-256 of the certificate that the device has to prove; none: a maker's CA or the server's own has to vouch for the DevID.
    pub certificate: Option<[u8; 32]>,
    /// The profile it gets.
    pub profile: String,
    /// When it was added, or given another profile.
    pub changed_at: Utc,
}

impl AllowEntry {
    /// Names it: 32 hexadecimal digits, of pattern and certificate. So there is one entry for both, whichever node adds it.
    #[must_use]
    pub fn id(&self) -> EventId {
        let certificate: &[u8] = self.certificate.as_ref().map_or(&[], |print| print);
        half_hash(&[self.pattern.as_bytes(), &[0], certificate])
    }

    /// Whether it means more than one DevID.
    #[must_use]
    pub fn is_wild(&self) -> bool {
        self.pattern.contains('*')
    }
}
