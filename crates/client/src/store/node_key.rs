//! Where a node lies in the table `nodes`.
//!
//! ```text
//! key      = MOID 00 MIID 00 [ depth name *( 00 name ) ] ; the root: depth 0, no name; the row of the instance: no depth
//! depth    = number of names, 4 octets, big-endian
//! ```
//!
//! Neither MOID, MIID nor name holds a control character, so 00 sorts before all their octets. With the depth ahead of the names, the children of a
//! node are one contiguous range in the octet order of their names, and nothing else lies in it; each deeper level below a node is one range too.

use omadm_mo::{Miid, Moid, NodeAddress, NodeName, NodePath};

const END: u8 = 0;

/// A text without control characters, ended so that no longer text begins with it.
pub(super) fn terminated(text: &str) -> Vec<u8> {
    let mut key = text.as_bytes().to_vec();
    key.push(END);
    key
}

/// What every key of a MOID's instances begins with.
pub(super) fn of_moid(moid: &Moid) -> Vec<u8> {
    terminated(moid.as_str())
}

/// What every key of an instance begins with; also the key of its own row, and in the table `instances`.
pub(super) fn of_instance(moid: &Moid, miid: &Miid) -> Vec<u8> {
    let mut key = of_moid(moid);
    key.extend_from_slice(miid.as_str().as_bytes());
    key.push(END);
    key
}

/// The instance whose own key this is; none for that of a node, and where it is damaged.
pub(super) fn instance(key: &[u8]) -> Option<(Moid, Miid)> {
    let mut parts = key.strip_suffix(&[END])?.split(|octet| *octet == END);
    let mut text = || str::from_utf8(parts.next()?).ok();
    let (moid, miid) = (Moid::parse(text()?).ok()?, Miid::parse(text()?).ok()?);
    parts.next().is_none().then_some((moid, miid))
}

/// The key of a node.
pub(super) fn of_node(at: &NodeAddress) -> Vec<u8> {
    let mut key = of_level(at, depth(&at.path));
    if !at.path.is_root() {
        key.pop();
    }
    key
}

/// What the keys of all nodes begin with that lie below a node at a depth; the root's depth is 0.
pub(super) fn of_level(at: &NodeAddress, depth: u32) -> Vec<u8> {
    let mut key = of_instance(&at.moid, &at.miid);
    key.extend_from_slice(&depth.to_be_bytes());
    for name in at.path.names() {
        key.extend_from_slice(name.as_str().as_bytes());
        key.push(END);
    }
    key
}

/// The way from a node down to the one of a key; none where the key is damaged, or of no node below it.
pub(super) fn below(at: &NodeAddress, key: &[u8]) -> Option<NodePath> {
    let levels = key.get(of_instance(&at.moid, &at.miid).len()..)?;
    let mut names = levels.get(size_of::<u32>()..)?.split(|octet| *octet == END);
    for name in at.path.names() {
        names
            .next()
            .filter(|text| *text == name.as_str().as_bytes())?;
    }
    let name = |text| NodeName::parse(str::from_utf8(text).ok()?).ok();
    names.map(name).collect()
}

/// How deep a node lies.
pub(super) fn depth(path: &NodePath) -> u32 {
    u32::try_from(path.names().len()).unwrap_or(u32::MAX)
}

/// The first key behind all that begin with a prefix. The prefix is not all 0xFF: it begins with text.
pub(super) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            break;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::{behind, instance, of_instance, of_level, of_node};
    use omadm_mo::{Miid, Moid, NodeAddress, NodePath};

    fn at(path: &str) -> NodeAddress {
        NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(1))
            .with_path(NodePath::of(path).unwrap())
    }

    #[test]
    fn the_children_of_a_node_are_one_range_in_the_octet_order_of_their_names() {
        let level = of_level(&at("a"), 2);
        let mut names = ["a/b", "a/b!", "a/bb", "a/ü", "a/~"];
        let keys = names.map(|name| of_node(&at(name)));
        for key in &keys {
            assert!(key.starts_with(&level) && *key < behind(&level));
        }
        for other in ["a", "a!", "a!/b", "ab/c", "a/b/c", "b", ""] {
            assert!(!of_node(&at(other)).starts_with(&level), "{other}");
        }
        names.sort_unstable();
        let mut sorted = keys.clone();
        sorted.sort();
        assert_eq!(
            sorted.to_vec(),
            names.map(|name| of_node(&at(name))).to_vec()
        );
    }

    #[test]
    fn the_key_of_an_instance_tells_which_it_is() {
        let (moid, miid) = (Moid::parse("urn:x").unwrap(), Miid::parse("m").unwrap());
        let key = of_instance(&moid, &miid);
        assert_eq!(instance(&key), Some((moid, miid)));
        assert_eq!(instance(b"urn:x\0m"), None);
        for node in ["", "a", "a/b"] {
            assert_eq!(instance(&of_node(&at(node))), None);
        }
        assert_eq!(instance(b"urn:x\0m\0more\0"), None);
    }

    #[test]
    fn instances_do_not_reach_into_each_other() {
        let one = of_level(&at(""), 1);
        let eleven = NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(11))
            .with_path(NodePath::of("a").unwrap());
        assert!(!of_node(&eleven).starts_with(&one));
        assert_eq!(behind(&[1, 0xFF, 0xFF]), [2]);
    }
}
