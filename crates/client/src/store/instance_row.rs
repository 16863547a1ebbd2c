//! What stands beside the root of an instance: number of creation and last commit that touched it, 8 octets each, big-endian; SrvID of the creator (none:
//! empty), ended by 00; the entries of its rights (see `rights_row`; none: empty).
//!
//! It lies in the table `trees`, directly before the root, so that one page tells both who may read a node and what it is.

use omadm_mo::{AccessList, SrvId, TreeVersion};

use super::{node_key, rights_row};

/// What the store knows of an instance beside its nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct InstanceRow {
    /// Grows from one creation to the next, over all MOIDs.
    pub(super) born: u64,
    /// The commit that last touched any of its nodes (D76).
    pub(super) touched: TreeVersion,
    /// Who created it; none for the device itself.
    pub(super) creator: Option<SrvId>,
    /// Who may do what with it (`dm20.md` §13).
    pub(super) access: AccessList,
}

impl InstanceRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut stored = self.born.to_be_bytes().to_vec();
        stored.extend_from_slice(&self.touched.0.to_be_bytes());
        let creator = self.creator.as_ref().map_or("", SrvId::as_str);
        stored.extend_from_slice(&node_key::terminated(creator));
        if !self.access.entries().is_empty() {
            stored.extend_from_slice(&rights_row::encode(&self.access));
        }
        stored
    }

    /// None where it is damaged.
    pub(super) fn decode(stored: &[u8]) -> Option<Self> {
        let end = stored
            .get(NUMBERS..)?
            .iter()
            .position(|octet| *octet == 0)?;
        let (of_form_2, rest) = stored.split_at_checked(NUMBERS.checked_add(end)?)?;
        let row = Self::decode_form_2(of_form_2)?;
        Some(match rest.get(1..)? {
            [] => row,
            rights => Self {
                access: rights_row::decode(rights)?,
                ..row
            },
        })
    }

    /// The row of form 2 in the table `instances` of then: both numbers and the creator. Rights were kept apart.
    pub(super) fn decode_form_2(stored: &[u8]) -> Option<Self> {
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
            access: AccessList::none(),
        })
    }
}

/// Octets of the two numbers.
const NUMBERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::InstanceRow;
    use omadm_mo::{AccessList, SrvId, TreeVersion};

    #[test]
    fn what_was_stored_is_read_back() {
        let srv = SrvId::parse("dms.example").unwrap();
        for creator in [None, Some(srv.clone())] {
            for access in [AccessList::none(), AccessList::of_creator(&srv)] {
                let row = InstanceRow {
                    born: 7,
                    touched: TreeVersion(9),
                    creator: creator.clone(),
                    access,
                };
                assert_eq!(InstanceRow::decode(&row.encode()), Some(row));
            }
        }
        for damaged in [&[0; 15][..], &[0; 16], &[1; 20]] {
            assert_eq!(InstanceRow::decode(damaged), None);
        }
        assert_eq!(InstanceRow::decode(&[&[0; 17][..], b"x"].concat()), None);
    }
}
