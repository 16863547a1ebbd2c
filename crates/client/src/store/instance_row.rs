//! What stands in the table `instances`: number of creation, last commit that touched it, SrvID of the creator (none: empty).

use omadm_mo::{SrvId, TreeVersion};

/// What the store knows of an instance beside its nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct InstanceRow {
    /// Grows from one creation to the next, over all MOIDs.
    pub(super) born: u64,
    /// The commit that last touched any of its nodes (D76).
    pub(super) touched: TreeVersion,
    /// Who created it; none for the device itself.
    pub(super) creator: Option<SrvId>,
}

impl InstanceRow {
    /// 8 octets, 8 octets, text.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut stored = self.born.to_be_bytes().to_vec();
        stored.extend_from_slice(&self.touched.0.to_be_bytes());
        stored.extend_from_slice(self.creator.as_ref().map_or("", SrvId::as_str).as_bytes());
        stored
    }

    /// None where it is damaged.
    pub(super) fn decode(stored: &[u8]) -> Option<Self> {
        let (born, rest) = stored.split_first_chunk()?;
        let (touched, creator) = rest.split_first_chunk()?;
        let creator = match str::from_utf8(creator).ok()? {
            "" => None,
            text => Some(SrvId::parse(text).ok()?),
        };
        Some(Self {
            born: u64::from_be_bytes(*born),
            touched: TreeVersion(u64::from_be_bytes(*touched)),
            creator,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::InstanceRow;
    use omadm_mo::{SrvId, TreeVersion};

    #[test]
    fn what_was_stored_is_read_back() {
        for creator in [None, Some(SrvId::parse("dms.example").unwrap())] {
            let row = InstanceRow {
                born: 7,
                touched: TreeVersion(9),
                creator,
            };
            assert_eq!(InstanceRow::decode(&row.encode()), Some(row));
        }
        assert_eq!(InstanceRow::decode(&[0; 15]), None);
    }
}
