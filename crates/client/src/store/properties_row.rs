//! What is kept of nodes beside their values (`dm1x.md` §4.2): the table `properties`.
//!
//! ```text
//! key      = MOID 00 MIID 00 *( name 00 ) ; a node's is a prefix of those of all below it, and of no other
//! value    = a JSON array of ACL, title, time and number; a text that is not there is null
//! ```

use omadm_mo::{Acl, Miid, Moid, NodeAddress, NodeName, NodePath, NodeProperties};

use super::node_key;

/// The key of a node.
pub(super) fn key(at: &NodeAddress) -> Vec<u8> {
    let mut key = node_key::terminated(at.moid.as_str());
    let names = at.path.names().iter().map(NodeName::as_str);
    for text in std::iter::once(at.miid.as_str()).chain(names) {
        key.extend_from_slice(&node_key::terminated(text));
    }
    key
}

/// The node of a key; none where it is damaged.
pub(super) fn address(key: &[u8]) -> Option<NodeAddress> {
    let mut texts = str::from_utf8(key.strip_suffix(&[0])?).ok()?.split('\0');
    let moid = Moid::parse(texts.next()?).ok()?;
    let miid = Miid::parse(texts.next()?).ok()?;
    let path: Option<NodePath> = texts.map(|text| NodeName::parse(text).ok()).collect();
    Some(NodeAddress {
        moid,
        miid,
        path: path?,
    })
}

/// Encodes a row.
pub(super) fn encode(properties: &NodeProperties) -> Vec<u8> {
    let acl = properties.acl.as_ref().map(ToString::to_string);
    let NodeProperties {
        title,
        tstamp,
        ver_no,
        ..
    } = properties;
    serde_json::json!([acl, title, tstamp, ver_no])
        .to_string()
        .into_bytes()
}

/// None where it is damaged.
pub(super) fn decode(stored: &[u8]) -> Option<NodeProperties> {
    type Row = (Option<String>, Option<String>, Option<String>, u16);
    let (acl, title, tstamp, ver_no): Row = serde_json::from_slice(stored).ok()?;
    let acl = match acl {
        Some(text) => Some(Acl::parse(&text).ok()??),
        None => None,
    };
    Some(NodeProperties {
        acl,
        title,
        tstamp,
        ver_no,
    })
}

#[cfg(test)]
mod tests {
    use omadm_mo::{Acl, Miid, Moid, NodeAddress, NodePath, NodeProperties};

    use super::{address, decode, encode, key};

    #[test]
    fn what_was_stored_is_read_back() {
        let at = NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(1));
        let whole = NodeProperties {
            acl: Acl::parse("Get=*&Replace=a+b").unwrap(),
            title: Some("ü".into()),
            tstamp: Some("20010711T163817Z".into()),
            ver_no: u16::MAX,
        };
        for path in ["", "a", "a/b"] {
            let at = at.with_path(NodePath::of(path).unwrap());
            assert_eq!(address(&key(&at)), Some(at));
        }
        for properties in [NodeProperties::default(), whole] {
            assert_eq!(decode(&encode(&properties)), Some(properties));
        }
        assert_eq!(decode(br#"["Get",null,null,0]"#), None);
        assert_eq!(decode(br#"["",null,null,0]"#), None);
        assert_eq!(address(b"urn:x\0"), None);
    }
}
