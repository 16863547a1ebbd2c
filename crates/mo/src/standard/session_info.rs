//! Session Info (`dm20.md` §12.3, D46): what the device knows about the connection it is on.

use super::Standard;
use crate::Moid;

pub(super) const STANDARD: Standard = Standard {
    moid: "urn:oma:mo:oma-sessioninfomo:1.0",
    root_name: "SessionInfo",
    file: "dm_sessioninfo-v1_0.ddf",
    xml: include_str!("ddf/dm_sessioninfo-v1_0.ddf"),
};

/// Leaf: current bearer type; 0 unknown, 1 cellular, 2 WLAN, 3 wireline.
pub const CBT: &str = "CBT";
/// Leaf: 0 unknown, 1 roaming, 2 home.
pub const ROAMING: &str = "ROAMING";

/// The MOID.
#[must_use]
pub fn moid() -> Moid {
    STANDARD.moid()
}
