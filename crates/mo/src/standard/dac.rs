//! Delegation Access Control (`dm20.md` §12.4, D47): which servers have which rights on an MO instance.

use super::Standard;
use crate::Moid;

pub(super) const STANDARD: Standard = Standard {
    moid: "urn:oma:mo:oma-dm-dacmo:1.0",
    root_name: "DAC",
    file: "dm_delegation-v1_0.ddf",
    xml: include_str!("ddf/dm_delegation-v1_0.ddf"),
};

/// Leaf: MOID of the governed instance.
pub const MOID: &str = "MOID";
/// Leaf: MIID of the governed instance.
pub const MIID: &str = "MIID";
/// Leaf: SrvID of the creator; absent for a local application.
pub const OWNER: &str = "Owner";
/// Interior node: one unnamed child for each server with rights.
pub const SERVERS: &str = "Servers";
/// Leaf below [`SERVERS`]: the server.
pub const SRV_ID: &str = "SrvID";
/// Leaf below [`SERVERS`]: the number of [`crate::Rights::bits`].
pub const RIGHTS: &str = "Rights";

/// The MOID.
#[must_use]
pub fn moid() -> Moid {
    STANDARD.moid()
}
