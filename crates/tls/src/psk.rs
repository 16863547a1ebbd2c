use std::fmt;

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
    nr: u32,
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
    /// Takes identity and key: 16 to 64 octets (D44: raw). It is number 0 of its identity.
    ///
    /// # Errors
    /// [`PskError`] for the first of them that cannot serve.
    pub fn new(identity: &[u8], key: Secret) -> Result<Self, PskError> {
        let identity = PskIdentity::new(identity)?;
        if !(LEAST_KEY_OCTETS..=MOST_KEY_OCTETS).contains(&key.len()) {
            return Err(PskError::KeyLength(key.len()));
        }
        Ok(Self {
            identity,
            nr: 0,
            key,
        })
    }

    /// The same key under another number.
    #[must_use]
    pub const fn numbered(mut self, nr: u32) -> Self {
        self.nr = nr;
        self
    }

    /// What tells it from other keys of its identity; a newer one has a higher number. The peer never learns it.
    #[must_use]
    pub const fn nr(&self) -> u32 {
        self.nr
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

    pub(crate) fn into_parts(self) -> (PskIdentity, Secret) {
        (self.identity, self.key)
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

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{Psk, PskError};

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
}
