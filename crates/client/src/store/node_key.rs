//! Where a node lies in the table `trees`.
//!
//! ```text
//! key      = number MIID [ depth name *( 00 name ) ] ; the root: depth 0, no name; the row of the instance: no depth
//! number   = which MOID, see the table `moids`
//! MIID     = length octets ; a counted one (D72): its number, 1 to 8 octets, big-endian, as few as it takes
//!          | text 00       ; any other
//! depth    = number of names
//! ```
//!
//! `number` and `depth` take one octet below 255, and FF with 4 octets, big-endian, from there on. Short keys make a tree of many nodes few pages, and that is
//! what a read of one of them costs. Counted instances lie in the order of their creation, the order in which wildcards come to them: neighbours share a page.
//!
//! Neither MIID nor name holds a control character, so 00 sorts before all their octets, and no text begins as a length does. With the depth ahead of the names, the children of a
//! node are one contiguous range in the octet order of their names, and nothing else lies in it; each deeper level below a node is one range too.

use omadm_mo::{Miid, NodeAddress, NodeName, NodePath};

const END: u8 = 0;
const LONG: u8 = u8::MAX;

/// A text without control characters, ended so that no longer text begins with it.
pub(super) fn terminated(text: &str) -> Vec<u8> {
    let mut key = text.as_bytes().to_vec();
    key.push(END);
    key
}

/// What every key of the instances of a MOID begins with.
pub(super) fn of_moid(number: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(ROOM);
    push(&mut key, number);
    key
}

/// What every key of an instance begins with; also the key of its own row, and in the table `lists`.
pub(super) fn of_instance(number: u32, miid: &Miid) -> Vec<u8> {
    let mut key = of_moid(number);
    let Some(count) = miid.count() else {
        key.extend_from_slice(miid.as_str().as_bytes());
        key.push(END);
        return key;
    };
    let octets = count.to_be_bytes();
    let behind_zeros = octets.iter().position(|octet| *octet != 0);
    let shortest = &octets[behind_zeros.unwrap_or(octets.len() - 1)..];
    key.push(shortest.len() as u8);
    key.extend_from_slice(shortest);
    key
}

/// The instance whose own key this is, with the number of its MOID; none for the key of a node, and where it is damaged.
pub(super) fn instance(key: &[u8]) -> Option<(u32, Miid)> {
    let (number, rest) = take(key)?;
    let (miid, levels) = take_miid(rest)?;
    levels.is_empty().then_some((number, miid))
}

/// The key of a node of an instance whose MOID has this number.
pub(super) fn of_node(number: u32, at: &NodeAddress) -> Vec<u8> {
    let mut key = of_level(number, at, depth(&at.path));
    if !at.path.is_root() {
        key.pop();
    }
    key
}

/// What the keys of all nodes begin with that lie below a node at a depth; the root's depth is 0.
pub(super) fn of_level(number: u32, at: &NodeAddress, depth: u32) -> Vec<u8> {
    let mut key = of_instance(number, &at.miid);
    push(&mut key, depth);
    for name in at.path.names() {
        key.extend_from_slice(name.as_str().as_bytes());
        key.push(END);
    }
    key
}

/// The way from a node down to the one of a key whose first octets, so many, are its instance's; none where the key is damaged, or neither of the node nor of
/// one below it.
pub(super) fn below(instance: usize, at: &NodeAddress, key: &[u8]) -> Option<NodePath> {
    let (_, levels) = take(key.get(instance..)?)?;
    if levels.is_empty() {
        return at.path.is_root().then(NodePath::root);
    }
    let mut names = levels.split(|octet| *octet == END);
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

/// The first key behind all that begin with a prefix. The prefix is not all 0xFF.
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

/// Octets that most keys fit into.
const ROOM: usize = 48;

/// Writes a number.
pub(super) fn push(key: &mut Vec<u8>, number: u32) {
    match u8::try_from(number) {
        Ok(short) if short < LONG => key.push(short),
        _ => {
            key.push(LONG);
            key.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Reads a number; answers what follows it.
pub(super) fn take(key: &[u8]) -> Option<(u32, &[u8])> {
    match key.split_first()? {
        (&LONG, rest) => {
            let (number, rest) = rest.split_first_chunk()?;
            Some((u32::from_be_bytes(*number), rest))
        }
        (short, rest) => Some((u32::from(*short), rest)),
    }
}

fn take_miid(key: &[u8]) -> Option<(Miid, &[u8])> {
    let (length, rest) = key.split_first()?;
    if *length > COUNT {
        let end = key.iter().position(|octet| *octet == END)?;
        let (text, rest) = key.split_at_checked(end)?;
        let miid = Miid::parse(str::from_utf8(text).ok()?).ok()?;
        return Some((miid, rest.get(1..)?));
    }
    let (octets, rest) = rest.split_at_checked(usize::from(*length))?;
    let shortest = octets.len() == 1 || *octets.first()? != 0;
    let count = octets
        .iter()
        .fold(0, |count, octet| count << 8 | u64::from(*octet));
    shortest.then(|| (Miid::counted(count), rest))
}

/// Most octets of a counted MIID's number.
const COUNT: u8 = 8;

#[cfg(test)]
mod tests {
    use super::{behind, below, instance, of_instance, of_level, of_node};
    use omadm_mo::{Miid, Moid, NodeAddress, NodePath};

    /// On both sides of where a number grows longer.
    const NUMBERS: [u32; 5] = [0, 254, 255, 256, u32::MAX - 1];

    fn at(path: &str) -> NodeAddress {
        NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(1))
            .with_path(NodePath::of(path).unwrap())
    }

    #[test]
    fn the_children_of_a_node_are_one_range_in_the_octet_order_of_their_names() {
        for number in NUMBERS {
            let level = of_level(number, &at("a"), 2);
            let mut names = ["a/b", "a/b!", "a/bb", "a/ü", "a/~"];
            let keys = names.map(|name| of_node(number, &at(name)));
            for (key, name) in keys.iter().zip(names) {
                assert!(key.starts_with(&level) && *key < behind(&level));
                let way = below(of_instance(number, &at("").miid).len(), &at("a"), key);
                assert_eq!(way, NodePath::of(&name[2..]).ok(), "{name}");
            }
            for other in ["a", "a!", "a!/b", "ab/c", "a/b/c", "b", ""] {
                assert!(!of_node(number, &at(other)).starts_with(&level), "{other}");
            }
            names.sort_unstable();
            let mut sorted = keys.clone();
            sorted.sort();
            assert_eq!(
                sorted.to_vec(),
                names.map(|name| of_node(number, &at(name))).to_vec()
            );
        }
    }

    #[test]
    fn a_node_of_any_depth_lies_behind_all_above_it_and_is_found_again() {
        let deep = |names: usize| at(&vec!["a"; names].join("/"));
        let keys: Vec<_> = (0..300).map(|names| of_node(7, &deep(names))).collect();
        assert!(keys.is_sorted());
        let instance = of_instance(7, &at("").miid).len();
        for (names, key) in keys.iter().enumerate() {
            assert_eq!(below(instance, &at(""), key), Some(deep(names).path));
        }
    }

    #[test]
    fn the_key_of_an_instance_tells_which_it_is() {
        let counts = [0, 1, 255, 256, 0x00FF_0000, u64::MAX].map(Miid::counted);
        let texts = ["01", "m", "18446744073709551616"].map(|text| Miid::parse(text).unwrap());
        for number in NUMBERS {
            for miid in counts.iter().chain(&texts) {
                let key = of_instance(number, miid);
                assert_eq!(instance(&key), Some((number, miid.clone())));
                for node in ["", "a", "a/b"] {
                    let root = NodeAddress::root(at("").moid, miid.clone());
                    let node = root.with_path(at(node).path);
                    assert_eq!(instance(&of_node(number, &node)), None);
                }
            }
        }
        for damaged in [
            &b""[..],
            b"\x01",
            b"\x01m",
            b"\x01\0",
            b"\xff\0\0m\0",
            b"\x01m\0more\0",
            b"\x01\x02\0\x01",
            b"\x01\x02\x01",
            b"\x01\x09123456789",
        ] {
            assert_eq!(instance(damaged), None);
        }
    }

    #[test]
    fn counted_instances_lie_in_the_order_of_their_numbers_and_before_all_others() {
        let counted = [0, 1, 9, 10, 99, 255, 256, 65_535, 65_536, u64::MAX].map(Miid::counted);
        let texts = [" ", "!", "00", "a", "ü"].map(|text| Miid::parse(text).unwrap());
        let all = counted.iter().chain(&texts);
        let keys: Vec<_> = all.map(|miid| of_instance(3, miid)).collect();
        assert!(keys.is_sorted());
        for pair in keys.windows(2) {
            assert!(behind(&pair[0]) <= pair[1], "{pair:?}");
        }
    }

    #[test]
    fn instances_do_not_reach_into_each_other() {
        let one = of_level(3, &at(""), 1);
        let eleven = NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(11))
            .with_path(NodePath::of("a").unwrap());
        assert!(!of_node(3, &eleven).starts_with(&one));
        assert!(!of_node(4, &at("a")).starts_with(&one));
        assert_eq!(behind(&[1, 0xFF, 0xFF]), [2]);
    }
}
