//! How the entries of an instance's rights are stored: a JSON array of name, SrvID and number.

use omadm_mo::{AccessEntry, AccessList, NodeName, Rights, SrvId};

/// Encodes a list.
pub(super) fn encode(access: &AccessList) -> Vec<u8> {
    let entries = access.entries().iter();
    let rows: Vec<(&str, &str, u8)> = entries
        .map(|entry| {
            let (name, srv_id) = (entry.name.as_str(), entry.srv_id.as_str());
            (name, srv_id, entry.rights.bits())
        })
        .collect();
    serde_json::json!(rows).to_string().into_bytes()
}

/// None where it is damaged.
pub(super) fn decode(stored: &[u8]) -> Option<AccessList> {
    let rows: Vec<(String, String, u8)> = serde_json::from_slice(stored).ok()?;
    let mut access = AccessList::none();
    for (name, srv_id, bits) in rows {
        let entry = AccessEntry {
            name: NodeName::parse(&name).ok()?,
            srv_id: SrvId::parse(&srv_id).ok()?,
            rights: Rights::from_bits(bits),
        };
        access.put(entry).ok()?;
    }
    Some(access)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use omadm_mo::{AccessList, Rights, SrvId};

    #[test]
    fn what_was_stored_is_read_back() {
        let mut access = AccessList::of_creator(&SrvId::parse("dms \"1\"").unwrap());
        assert_eq!(
            decode(&encode(&AccessList::none())),
            Some(AccessList::none())
        );
        access.allow(&SrvId::parse("dms2").unwrap(), Rights::READ);
        assert_eq!(decode(&encode(&access)), Some(access));
        assert_eq!(decode(br#"[["1","a",1],["2","a",1]]"#), None);
    }
}
