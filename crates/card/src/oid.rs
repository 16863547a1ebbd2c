use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest OID content accepted, in octets.
const LONGEST: usize = 32;

/// An object identifier that names what a data object on the card is (§3.2); written in dots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CardOid(Cow<'static, [u8]>);

/// A text that is no object identifier.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no object identifier: numbers with dots between them, like 2.23.43.7.1")]
pub struct CardOidError(pub String);

impl CardOid {
    /// 2.23.43.7.1, the DM Bootstrap: wap(43) oma-dm(7) dm-bootstrap(1).
    pub const DM_BOOTSTRAP: Self = Self(Cow::Borrowed(&[0x67, 0x2B, 0x07, 0x01]));
    /// 2.23.43.5.1, the OMA Client Provisioning Bootstrap.
    pub const CP_BOOTSTRAP: Self = Self(Cow::Borrowed(&[0x67, 0x2B, 0x05, 0x01]));
    /// 2.23.43.5.2, the first configuration of OMA Client Provisioning.
    pub const CP_CONFIG1: Self = Self(Cow::Borrowed(&[0x67, 0x2B, 0x05, 0x02]));
    /// 2.23.43.5.3, the second one.
    pub const CP_CONFIG2: Self = Self(Cow::Borrowed(&[0x67, 0x2B, 0x05, 0x03]));
    /// What a device reads that takes bootstraps of DM 1.x too, in the order in which their entries count (`dm1x.md` M23).
    pub const BOTH_GENERATIONS: [Self; 4] = [
        Self::DM_BOOTSTRAP,
        Self::CP_BOOTSTRAP,
        Self::CP_CONFIG1,
        Self::CP_CONFIG2,
    ];
    /// 2.23.43.9.1, the LwM2M bootstrap: never ours.
    pub const LWM2M_BOOTSTRAP: Self = Self(Cow::Borrowed(&[0x67, 0x2B, 0x09, 0x01]));

    /// Takes the content octets of an OBJECT IDENTIFIER. Octets that again begin with the header of one are unwrapped, since cards copied an example that
    /// was encoded so (§3.2, rule 3).
    ///
    /// None where the octets are no OID.
    #[must_use]
    pub fn from_content(octets: &[u8]) -> Option<Self> {
        let octets = match octets {
            [0x06, length, inner @ ..] if usize::from(*length) == inner.len() => inner,
            _ => octets,
        };
        if octets.len() > LONGEST || octets.last().is_none_or(|last| last & 0x80 != 0) {
            return None;
        }
        let oid = Self(Cow::Owned(octets.to_vec()));
        oid.arcs().is_some().then_some(oid)
    }

    /// Where its entries stand among all: those of client provisioning behind the others, in their order; else 0 (M23).
    #[must_use]
    pub fn rank(&self) -> usize {
        let provisioning = &Self::BOTH_GENERATIONS[1..];
        let at = provisioning.iter().position(|one| one == self);
        at.map_or(0, |at| at + 1)
    }

    /// Whether it names client provisioning, which is also for others than a DM Client.
    #[must_use]
    pub fn is_provisioning(&self) -> bool {
        self.rank() > 0
    }

    /// The content octets, without tag and length.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.0
    }

    /// The numbers; none where one is padded or does not fit 64 bits.
    fn arcs(&self) -> Option<Vec<u64>> {
        let mut arcs = Vec::new();
        let mut open: Option<u64> = None;
        for octet in self.0.iter() {
            if open.is_none() && *octet == 0x80 {
                return None;
            }
            let so_far = open.unwrap_or(0).checked_mul(128)? | u64::from(octet & 0x7F);
            open = (octet & 0x80 != 0).then_some(so_far);
            if open.is_some() {
                continue;
            }
            if arcs.is_empty() {
                let root = (so_far / 40).min(2);
                arcs.extend([root, so_far - root * 40]);
            } else {
                arcs.push(so_far);
            }
        }
        Some(arcs)
    }
}

impl fmt::Display for CardOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arc) in self.arcs().unwrap_or_default().into_iter().enumerate() {
            write!(f, "{}{arc}", if at == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

impl fmt::Debug for CardOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardOid({self})")
    }
}

impl FromStr for CardOid {
    type Err = CardOidError;

    fn from_str(text: &str) -> Result<Self, CardOidError> {
        let wrong = || CardOidError(text.to_owned());
        let arcs = text
            .split('.')
            .map(|arc| arc.parse::<u32>().map(u64::from))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong())?;
        let (root, second, rest) = match arcs.as_slice() {
            [root @ 0..=1, second @ 0..=39, rest @ ..] | [root @ 2, second, rest @ ..] => {
                (*root, *second, rest)
            }
            _ => return Err(wrong()),
        };
        let mut octets = Vec::new();
        for arc in std::iter::once(root * 40 + second).chain(rest.iter().copied()) {
            let septets = (64 - arc.leading_zeros()).div_ceil(7).max(1);
            for place in (0..septets).rev() {
                let more = if place > 0 { 0x80 } else { 0 };
                octets.push(((arc >> (7 * place)) & 0x7F) as u8 | more);
            }
        }
        // Content that reads as a header again would come back as another OID.
        Self::from_content(&octets)
            .filter(|oid| oid.content() == octets)
            .ok_or_else(wrong)
    }
}

impl TryFrom<String> for CardOid {
    type Error = CardOidError;

    fn try_from(text: String) -> Result<Self, CardOidError> {
        text.parse()
    }
}

impl From<CardOid> for String {
    fn from(oid: CardOid) -> Self {
        oid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::CardOid;

    #[test]
    fn the_registered_oids_are_written_in_dots_and_read_back() {
        for (oid, text) in [
            (CardOid::DM_BOOTSTRAP, "2.23.43.7.1"),
            (CardOid::CP_BOOTSTRAP, "2.23.43.5.1"),
            (CardOid::CP_CONFIG1, "2.23.43.5.2"),
            (CardOid::CP_CONFIG2, "2.23.43.5.3"),
            (CardOid::LWM2M_BOOTSTRAP, "2.23.43.9.1"),
        ] {
            assert_eq!(oid.to_string(), text);
            assert_eq!(text.parse(), Ok(oid));
        }
    }

    #[test]
    fn a_doubly_wrapped_oid_is_the_one_inside() {
        let wrapped = [0x06, 0x04, 0x67, 0x2B, 0x07, 0x01];
        assert_eq!(CardOid::from_content(&wrapped), Some(CardOid::DM_BOOTSTRAP));
    }

    #[test]
    fn what_is_no_oid_is_refused() {
        for octets in [&[][..], &[0x67, 0x80], &[0x80, 0x01], &[0xFF; 40]] {
            assert_eq!(CardOid::from_content(octets), None, "{octets:02X?}");
        }
        for text in ["", "2", "3.1", "1.40", "2..1", "2.23.x", "2.-1"] {
            assert!(text.parse::<CardOid>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_octets_are_the_same_oid(octets in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(oid) = CardOid::from_content(&octets)
                && let Ok(read) = oid.to_string().parse::<CardOid>()
            {
                prop_assert_eq!(read, oid);
            }
        }
    }
}
