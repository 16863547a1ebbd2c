use omadm_bootstrap::{BootstrapMethod, Utc};
use omadm_mo::DevId;

use super::NotifySettings;

/// Counts the commits that touched a device. A delta made at one epoch commits at that epoch only: newest session wins (DESIGN §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DeviceEpoch(pub u64);

impl DeviceEpoch {
    /// The epoch after a commit at this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A device the server knows. Its credentials, records and events are read apart.
#[derive(Clone, PartialEq, Debug)]
pub struct Device {
    /// Who it is.
    pub dev_id: DevId,
    /// Counts the commits that touched it.
    pub epoch: DeviceEpoch,
    /// When it was registered.
    pub registered_at: Utc,
    /// When a package or fetch of it was last answered with a commit.
    pub last_seen_at: Option<Utc>,
    /// How it was bootstrapped last, once that completed.
    pub bootstrapped: Option<(BootstrapMethod, Utc)>,
    /// DevInfo as it was read last: a JSON object of the leaves, no secret.
    pub dev_info: Option<String>,
    /// The number the next event of this device gets; from 1, dense.
    pub next_event_seq: u64,
    /// How many of its commands are open: queued, sent or held.
    pub open_commands: u64,
    /// Where and when it is called.
    pub notify: NotifySettings,
}
