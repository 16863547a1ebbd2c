use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use omadm_mo::Secret;

/// Most octets of an identity: every end has to take so many (RFC 4279 §5.3).
const MOST_IDENTITY_OCTETS: usize = 128;
/// A key with less is open to guessing: the suites without (EC)DHE let a listener try keys at leisure (RFC 4279 §7.2).
const LEAST_KEY_OCTETS: usize = 16;
/// Every end has to take so many (RFC 4279 §5.3).
const MOST_KEY_OCTETS: usize = 64;

/// The name of a pre-shared key: 1 to 128 octets of UTF-8 (RFC 4279 §5.3, D44), no NUL, compared octet by octet.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PskIdentity(String);

/// A pre-shared key with its identity. No `Debug`, since it holds the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk {
    identity: PskIdentity,
    key: Secret,
}

/// Why an identity or a key was not taken. Whoever configured or bootstrapped it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PskError {
    /// The identity is empty or longer than 128 octets.
    #[error("a PSK identity has 1 to {MOST_IDENTITY_OCTETS} octets, this one has {0}")]
    IdentityLength(usize),
    /// The identity is not UTF-8, or holds a NUL, which C libraries take for its end.
    #[error("a PSK identity is UTF-8 without NUL")]
    IdentityText,
    /// The key is shorter than 16 octets or longer than 64.
    #[error(
        "a pre-shared key has {LEAST_KEY_OCTETS} to {MOST_KEY_OCTETS} octets, this one has {0}"
    )]
    KeyLength(usize),
}

impl PskIdentity {
    /// Takes the octets as they stand in the DM Account or in a file.
    ///
    /// # Errors
    /// [`PskError`] for its length or content.
    pub fn new(octets: &[u8]) -> Result<Self, PskError> {
        if octets.is_empty() || octets.len() > MOST_IDENTITY_OCTETS {
            return Err(PskError::IdentityLength(octets.len()));
        }
        match std::str::from_utf8(octets) {
            Ok(text) if !text.contains('\0') => Ok(Self(text.to_owned())),
            _ => Err(PskError::IdentityText),
        }
    }

    /// The exact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Psk {
    /// Takes identity and key: 16 to 64 octets (D44: raw).
    ///
    /// # Errors
    /// [`PskError`] for the first of them that cannot serve.
    pub fn new(identity: &[u8], key: Secret) -> Result<Self, PskError> {
        let identity = PskIdentity::new(identity)?;
        if !(LEAST_KEY_OCTETS..=MOST_KEY_OCTETS).contains(&key.len()) {
            return Err(PskError::KeyLength(key.len()));
        }
        Ok(Self { identity, key })
    }

    /// The identity.
    #[must_use]
    pub const fn identity(&self) -> &PskIdentity {
        &self.identity
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Secret {
        &self.key
    }
}

/// The keys by which a listener knows its devices: in memory, since a handshake cannot wait for a store (DESIGN §7).
/// What it says counts from the next handshake on.
#[derive(Default)]
pub struct PskKeys(RwLock<HashMap<PskIdentity, Secret>>);

impl PskKeys {
    /// Takes a key in; one of the same identity goes.
    pub fn put(&self, psk: Psk) {
        self.write().insert(psk.identity, psk.key);
    }

    /// Puts these in the place of all others.
    pub fn replace(&self, psks: impl IntoIterator<Item = Psk>) {
        let fresh = psks
            .into_iter()
            .map(|psk| (psk.identity, psk.key))
            .collect();
        *self.write() = fresh;
    }

    /// Forgets a key. Connections that are open stay open.
    pub fn remove(&self, identity: &PskIdentity) {
        self.write().remove(identity);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Whether a key of this identity is known.
    #[must_use]
    pub fn knows(&self, identity: &PskIdentity) -> bool {
        self.read().contains_key(identity)
    }

    /// Writes the key of an identity to the beginning of a buffer; its octets, none where it is unknown or the buffer
    /// too short.
    #[cfg(feature = "psk")]
    pub(crate) fn copy_key(&self, identity: &PskIdentity, to: &mut [u8]) -> Option<usize> {
        let keys = self.read();
        let key = keys.get(identity)?.expose();
        to.get_mut(..key.len())?.copy_from_slice(key);
        Some(key.len())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<PskIdentity, Secret>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<PskIdentity, Secret>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for PskIdentity {
    /// For people to read: control characters are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::certificate::printable(&self.0))
    }
}

impl fmt::Debug for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for PskKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PskKeys({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{Psk, PskError, PskIdentity, PskKeys};

    fn key(octets: usize) -> Secret {
        Secret::new(vec![7; octets])
    }

    #[test]
    fn identities_and_keys_beyond_rfc_4279_are_refused_by_name() {
        assert!(Psk::new(&[b'x'; 128], key(16)).is_ok());
        assert!(Psk::new("gerät 1".as_bytes(), key(64)).is_ok());
        for (identity, octets, expected) in [
            (&b""[..], 16, PskError::IdentityLength(0)),
            (&[b'x'; 129], 16, PskError::IdentityLength(129)),
            (b"\xff\xfe", 16, PskError::IdentityText),
            (b"a\0b", 16, PskError::IdentityText),
            (b"a", 0, PskError::KeyLength(0)),
            (b"a", 15, PskError::KeyLength(15)),
            (b"a", 65, PskError::KeyLength(65)),
        ] {
            assert_eq!(Psk::new(identity, key(octets)).err(), Some(expected));
        }
    }

    #[test]
    fn keys_are_known_by_the_exact_identity_and_replaced_as_a_whole() {
        let keys = PskKeys::default();
        let psk = |identity: &[u8]| Psk::new(identity, key(16)).unwrap();
        keys.put(psk(b"one"));
        let known = |text: &[u8]| keys.knows(&PskIdentity::new(text).unwrap());
        assert!(known(b"one") && !known(b"One") && !known(b"one "));
        keys.replace([psk(b"two")]);
        assert!(!known(b"one") && known(b"two"));
        keys.remove(psk(b"two").identity());
        assert!(keys.is_empty());
        assert_eq!(format!("{keys:?}"), "PskKeys(0)");
    }
}
