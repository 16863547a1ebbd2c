use std::collections::HashMap;
use std::fmt;
#[cfg(any(feature = "psk", test))]
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use omadm_mo::Secret;

use crate::{Psk, PskIdentity};

/// Places whose last handshake failed, kept for each identity of several keys. Who comes from elsewhere does not change what the device is tried with.
#[cfg(any(feature = "psk", test))]
const MOST_FAILED: usize = 8;

/// The keys by which a listener knows its devices: in memory, since a handshake cannot wait for a store (DESIGN §7).
/// What it says counts from the next handshake on.
///
/// An identity may have several keys: a device whose key is being replaced under the same identity may have either. TLS
/// asks for one, so a handshake is tried with one of them; where it fails, the next from the same place is tried with
/// the next key (DESIGN §4). Of two keys, so, either opens the door after one failure at most.
#[derive(Default)]
pub struct PskKeys(RwLock<HashMap<PskIdentity, Held>>);

/// The keys of one identity.
#[derive(Default)]
struct Held {
    /// Oldest number first; never empty.
    keys: Vec<(u32, Secret)>,
    /// The one that somebody last proved to have.
    #[cfg(any(feature = "psk", test))]
    proven: Option<u32>,
    /// From where a handshake failed, and with which key; the oldest first.
    #[cfg(any(feature = "psk", test))]
    failed: Vec<(IpAddr, u32)>,
}

impl PskKeys {
    /// Takes a key in; one of the same identity and number goes.
    pub fn put(&self, psk: Psk) {
        let nr = psk.nr();
        let (identity, key) = psk.into_parts();
        self.write().entry(identity).or_default().put(nr, key);
    }

    /// Puts these in the place of all others.
    pub fn replace(&self, psks: impl IntoIterator<Item = Psk>) {
        let mut fresh = HashMap::<PskIdentity, Held>::new();
        for psk in psks {
            let nr = psk.nr();
            let (identity, key) = psk.into_parts();
            fresh.entry(identity).or_default().put(nr, key);
        }
        *self.write() = fresh;
    }

    /// Forgets the keys of an identity that have another number than these.
    pub fn keep(&self, identity: &PskIdentity, numbers: &[u32]) {
        let mut all = self.write();
        if let Some(held) = all.get_mut(identity) {
            held.keys.retain(|(nr, _)| numbers.contains(nr));
            if held.keys.is_empty() {
                all.remove(identity);
            }
        }
    }

    /// Forgets an identity. Connections that are open stay open.
    pub fn remove(&self, identity: &PskIdentity) {
        self.write().remove(identity);
    }

    /// How many identities there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// How many keys an identity has; 0 where it is not known.
    #[must_use]
    pub fn count(&self, identity: &PskIdentity) -> usize {
        self.read().get(identity).map_or(0, |held| held.keys.len())
    }

    /// Writes the key that a handshake from there is tried with to the beginning of a buffer: its number and octets;
    /// none where the identity is unknown or the buffer too short.
    #[cfg(any(feature = "psk", test))]
    pub(crate) fn offer(
        &self,
        identity: &PskIdentity,
        from: Option<IpAddr>,
        to: &mut [u8],
    ) -> Option<(u32, usize)> {
        let all = self.read();
        let (nr, key) = all.get(identity)?.turn(from)?;
        let key = key.expose();
        to.get_mut(..key.len())?.copy_from_slice(key);
        Some((*nr, key.len()))
    }

    /// Notes that a handshake from there did not succeed with this key.
    #[cfg(any(feature = "psk", test))]
    pub(crate) fn note_failed(&self, identity: &PskIdentity, from: Option<IpAddr>, nr: u32) {
        if self.count(identity) < 2 {
            return;
        }
        if let (Some(held), Some(from)) = (self.write().get_mut(identity), from) {
            held.failed.retain(|(place, _)| *place != from);
            if held.failed.len() == MOST_FAILED {
                held.failed.remove(0);
            }
            held.failed.push((from, nr));
        }
    }

    /// Notes that somebody there has this key.
    #[cfg(any(feature = "psk", test))]
    pub(crate) fn note_proven(&self, identity: &PskIdentity, from: Option<IpAddr>, nr: u32) {
        if self.count(identity) < 2 {
            return;
        }
        if let Some(held) = self.write().get_mut(identity) {
            held.failed.retain(|(place, _)| Some(*place) != from);
            held.proven = Some(nr);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<PskIdentity, Held>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<PskIdentity, Held>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn put(&mut self, nr: u32, key: Secret) {
        self.keys.retain(|(known, _)| *known != nr);
        self.keys.push((nr, key));
        self.keys.sort_by_key(|(nr, _)| *nr);
    }

    /// After a failure from there the next key, else the proven one, else the oldest.
    #[cfg(any(feature = "psk", test))]
    fn turn(&self, from: Option<IpAddr>) -> Option<&(u32, Secret)> {
        let mut failures = self.failed.iter();
        let failed = failures.find(|(place, _)| Some(*place) == from);
        let next = match failed {
            Some((_, failed)) => self.keys.iter().find(|(nr, _)| nr > failed),
            None => self.keys.iter().find(|(nr, _)| Some(*nr) == self.proven),
        };
        next.or_else(|| self.keys.first())
    }
}

impl fmt::Debug for PskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PskKeys({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use omadm_mo::Secret;

    use super::{MOST_FAILED, PskKeys};
    use crate::{Psk, PskIdentity};

    fn psk(identity: &str, nr: u32) -> Psk {
        let key = Secret::new(vec![7 + u8::try_from(nr).unwrap(); 16]);
        Psk::new(identity.as_bytes(), key).unwrap().numbered(nr)
    }

    fn name(identity: &str) -> PskIdentity {
        PskIdentity::new(identity.as_bytes()).unwrap()
    }

    fn place(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    /// The number that a handshake from there is tried with; the buffer has that key.
    fn tried(keys: &PskKeys, from: Option<IpAddr>) -> Option<u32> {
        let mut buffer = [0; 64];
        let (nr, octets) = keys.offer(&name("one"), from, &mut buffer)?;
        assert_eq!(u32::from(buffer[0]), 7 + nr);
        assert_eq!((octets, buffer[octets]), (16, 0));
        Some(nr)
    }

    #[test]
    fn keys_are_known_by_the_exact_identity_and_replaced_as_a_whole() {
        let keys = PskKeys::default();
        keys.put(psk("one", 0));
        let count = |text| keys.count(&name(text));
        assert_eq!([count("one"), count("One"), count("one ")], [1, 0, 0]);
        keys.replace([psk("two", 0), psk("two", 1)]);
        assert_eq!([count("one"), count("two")], [0, 2]);
        keys.remove(&name("two"));
        assert!(keys.is_empty());
        assert_eq!(format!("{keys:?}"), "PskKeys(0)");
    }

    #[test]
    fn either_of_two_keys_is_tried_after_one_failure_and_the_proven_one_first() {
        let keys = PskKeys::default();
        let one = name("one");
        keys.put(psk("one", 3));
        keys.put(psk("one", 0));
        for held in [0, 3] {
            let mut failures = 0;
            while let Some(wrong) = tried(&keys, place(1)).filter(|nr| *nr != held) {
                keys.note_failed(&one, place(1), wrong);
                failures += 1;
            }
            assert!(failures <= 1, "{failures}");
            keys.note_proven(&one, place(1), held);
            assert_eq!(tried(&keys, place(1)), Some(held));
            assert_eq!(tried(&keys, None), Some(held));
        }
        keys.keep(&one, &[0]);
        assert_eq!((tried(&keys, place(1)), keys.count(&one)), (Some(0), 1));
        keys.keep(&one, &[]);
        assert!(keys.is_empty());
    }

    #[test]
    fn who_fails_elsewhere_does_not_take_the_devices_turn_and_is_forgotten_in_the_end() {
        let keys = PskKeys::default();
        let one = name("one");
        keys.replace([psk("one", 0), psk("one", 1)]);
        keys.note_failed(&one, place(1), 0);
        for other in 2..=u8::try_from(MOST_FAILED).unwrap() {
            keys.note_failed(&one, place(other), 0);
            keys.note_failed(&one, place(other), 1);
            assert_eq!(tried(&keys, place(1)), Some(1));
        }
        assert_eq!(tried(&keys, place(100)), Some(0));
        keys.note_failed(&one, place(100), 0);
        assert_eq!(keys.read()[&one].failed.len(), MOST_FAILED);
        assert_eq!(tried(&keys, place(1)), Some(0));
    }

    #[test]
    fn an_identity_of_one_key_remembers_nothing() {
        let keys = PskKeys::default();
        let one = name("one");
        keys.put(psk("one", 0));
        keys.note_failed(&one, place(1), 0);
        keys.note_proven(&one, place(1), 0);
        let all = keys.read();
        assert!(all[&one].failed.is_empty() && all[&one].proven.is_none());
    }
}
