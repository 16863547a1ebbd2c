use std::collections::BTreeMap;

use omadm_push::PhoneNumber;
use omadm_push::sms::Reference;

use crate::entropy::random;
use crate::smsc::ReferenceBits;

/// Destinations whose counters are kept; beyond them all begin anew.
const DESTINATIONS: usize = 100_000;

/// One counter a destination, so that no reference is used again for as long as it lasts (`push.md` §3). It begins anywhere: after a restart the device
/// may still wait for parts of before.
pub(super) struct References {
    bits: ReferenceBits,
    counters: BTreeMap<PhoneNumber, u16>,
}

impl References {
    pub(super) const fn new(bits: ReferenceBits) -> Self {
        Self {
            bits,
            counters: BTreeMap::new(),
        }
    }

    pub(super) fn next(&mut self, to: &PhoneNumber) -> Reference {
        if self.counters.len() >= DESTINATIONS && !self.counters.contains_key(to) {
            self.counters.clear();
        }
        let anywhere = || u16::from_be_bytes(random().unwrap_or_default());
        let counter = self.counters.entry(to.clone()).or_insert_with(anywhere);
        *counter = counter.wrapping_add(1);
        let [_, low] = counter.to_be_bytes();
        match self.bits {
            ReferenceBits::Eight => Reference::Octet(low),
            ReferenceBits::Sixteen => Reference::Word(*counter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use omadm_push::PhoneNumber;

    use super::References;
    use crate::smsc::ReferenceBits;

    #[test]
    fn a_destination_gets_each_reference_once_in_a_round() {
        let (one, other) = ("+15551230001", "+15551230002");
        let [one, other] = [one, other].map(|text| PhoneNumber::parse(text).unwrap());
        let mut references = References::new(ReferenceBits::Eight);
        let given: BTreeSet<_> = (0..256)
            .map(|_| {
                let _others = references.next(&other);
                references.next(&one)
            })
            .collect();
        assert_eq!(given.len(), 256);
    }
}
