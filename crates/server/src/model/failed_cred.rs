use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

/// A credential that was shown for a device's account of DM 1.x and did not match (`dm1x.md` M20). It bumps no epoch: nobody who guesses may make the exchanges
/// of the device itself conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedCred {
    /// The device.
    pub dev_id: DevId,
    /// Names it.
    pub id: EventId,
    /// When.
    pub at: Utc,
    /// The address it came from; empty where that is not known.
    pub source: String,
}
