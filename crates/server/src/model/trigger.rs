use omadm_bootstrap::Utc;
use omadm_mo::DevId;

use super::RecordId;

/// A trigger as it was taken: who told the server of a device, and what came of it (B-28). A repeat is known by its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trigger {
    /// The caller's idempotency key.
    pub key: String,
    /// The device.
    pub dev_id: DevId,
    /// The bootstrap it started.
    pub record: RecordId,
    /// SHA-256 of what was asked for, in hexadecimal: another request under the same key is told from a repeat.
    pub asked: String,
    /// When.
    pub at: Utc,
}
