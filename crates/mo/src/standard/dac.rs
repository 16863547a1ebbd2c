//! Delegation Access Control (`dm20.md` §12.4, D47): which servers have which rights on an MO instance.

use super::view::put;
use crate::{AccessEntry, Miid, Moid, Node, SrvId, Value};

built_in!(
    "urn:oma:mo:oma-dm-dacmo:1.0",
    "DAC",
    "dm_delegation-v1_0.ddf"
);

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

/// The instance that shows these entries of the rights on an MO instance (D47).
#[must_use]
pub fn instance<'a>(
    moid: &Moid,
    miid: &Miid,
    owner: Option<&SrvId>,
    entries: impl IntoIterator<Item = &'a AccessEntry>,
) -> Node {
    let mut root = Node::empty();
    put(&mut root, &[MOID], Value::chr(moid.as_str()));
    put(&mut root, &[MIID], Value::chr(miid.as_str()));
    if let Some(owner) = owner {
        put(&mut root, &[OWNER], Value::chr(owner.as_str()));
    }
    put(&mut root, &[SERVERS], Node::empty());
    for entry in entries {
        let name = entry.name.as_str();
        let rights = i64::from(entry.rights.bits());
        put(
            &mut root,
            &[SERVERS, name, SRV_ID],
            Value::chr(entry.srv_id.as_str()),
        );
        put(&mut root, &[SERVERS, name, RIGHTS], Value::Int(rights));
    }
    root
}
