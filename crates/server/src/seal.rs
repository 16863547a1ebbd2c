//! Secrets at rest: AES-256-GCM under a key from file or environment (DESIGN §5).

mod key;

pub use key::{KeyError, KeyId, SealingKey};

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use omadm_mo::Secret;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// First octet of everything sealed: the layout below.
///
/// version (1) · key id (8) · context tag (8) · nonce (12) · ciphertext · tag (16). The additional data is version, key id and the whole context.
const VERSION: u8 = 1;
const ID_LEN: usize = 8;
const HEAD_LEN: usize = 1 + ID_LEN;
const NONCE_AT: usize = HEAD_LEN + ID_LEN;
const BODY_AT: usize = NONCE_AT + NONCE_LEN;
const TAG_LEN: usize = 16;

/// The keys of a server: the newest seals, any opens. Has no `Debug`.
///
/// Nonces are random: one key seals 2³² secrets at most (NIST SP 800-38D §8.3), then it has to be replaced by a newer one.
pub struct SealingKeys {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

/// Why something sealed was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// It is cut off. The store is at fault.
    #[error("it is too short to be sealed")]
    TooShort,
    /// A newer program sealed it, or it is something else altogether.
    #[error("it is sealed in a form ({0}) that this version does not know")]
    UnknownForm(u8),
    /// None of the keys sealed it. The configuration is at fault.
    #[error("it is sealed with key {0}, which this server does not have")]
    UnknownKey(KeyId),
    /// It was sealed for another place: somebody moved it.
    #[error("it was sealed for another record")]
    WrongContext,
    /// It was changed after it was sealed.
    #[error("it was changed after it was sealed")]
    Tampered,
    /// The cryptographic library failed. The environment is at fault.
    #[error("the cryptographic library failed to seal")]
    Failed,
}

impl SealingKeys {
    /// Seals with `newest`, opens with any.
    #[must_use]
    pub const fn new(newest: SealingKey, older: Vec<SealingKey>) -> Self {
        Self { newest, older }
    }

    /// Seals a secret for one place: `context` says which (device and record), and opening takes the same.
    ///
    /// # Errors
    /// [`SealError::Failed`] alone.
    pub fn seal(&self, context: &[u8], secret: &Secret) -> Result<Vec<u8>, SealError> {
        let key = &self.newest;
        let mut sealed = Vec::with_capacity(BODY_AT + secret.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id().0);
        sealed.extend_from_slice(&context_tag(context));
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        // Encrypted where it lies: no second copy of the plain octets is left behind.
        sealed.extend_from_slice(secret.expose());
        let aad = additional_data(&sealed, context);
        let (head, body) = sealed.split_at_mut(BODY_AT);
        let Ok((nonce, tag)) = key
            .cipher()
            .seal_in_place_separate_tag(Aad::from(aad), body)
        else {
            sealed.zeroize();
            return Err(SealError::Failed);
        };
        head[NONCE_AT..].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`SealingKeys::seal`] made for this context.
    ///
    /// # Errors
    /// [`SealError`]. A wrong context is told from tampering as long as the head is unharmed.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
        match sealed.first() {
            None => return Err(SealError::TooShort),
            Some(&VERSION) => {}
            Some(&other) => return Err(SealError::UnknownForm(other)),
        }
        if sealed.len() < BODY_AT + TAG_LEN {
            return Err(SealError::TooShort);
        }
        let (head, body) = sealed.split_at(BODY_AT);
        let key = self.key_of(&head[1..HEAD_LEN])?;
        if head[HEAD_LEN..NONCE_AT] != context_tag(context) {
            return Err(SealError::WrongContext);
        }
        let nonce =
            Nonce::try_assume_unique_for_key(&head[NONCE_AT..]).map_err(|_| SealError::TooShort)?;
        let mut plain = Zeroizing::new(body.to_vec());
        let aad = Aad::from(additional_data(head, context));
        let length = key
            .cipher()
            .open_in_place(nonce, aad, &mut plain)
            .map_err(|_| SealError::Tampered)?
            .len();
        plain.truncate(length);
        Ok(Secret::new(std::mem::take(&mut *plain)))
    }

    fn key_of(&self, id: &[u8]) -> Result<&SealingKey, SealError> {
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        keys.find(|key| key.id().0 == id).ok_or_else(|| {
            let mut unknown = [0; ID_LEN];
            unknown.copy_from_slice(id);
            SealError::UnknownKey(KeyId(unknown))
        })
    }
}

impl From<SealingKey> for SealingKeys {
    fn from(key: SealingKey) -> Self {
        Self::new(key, Vec::new())
    }
}

fn additional_data(head: &[u8], context: &[u8]) -> Vec<u8> {
    [&head[..HEAD_LEN], context].concat()
}

/// Tells a wrong context from tampering; what protects the context is that it is authenticated as a whole.
fn context_tag(context: &[u8]) -> [u8; ID_LEN] {
    first_octets(Sha256::digest(context).into())
}

fn first_octets(hash: [u8; 32]) -> [u8; ID_LEN] {
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{BODY_AT, SealError, SealingKey, SealingKeys, TAG_LEN};

    const CONTEXT: &[u8] = b"IMEI:493005100592800/0123";

    fn key(octet: u8) -> SealingKey {
        SealingKey::from_octets(&Secret::new(vec![octet; 32])).unwrap()
    }

    #[test]
    fn a_secret_is_opened_as_it_was_sealed() {
        let keys = SealingKeys::from(key(1));
        for secret in [vec![], b"k".to_vec(), vec![7; 10_000]] {
            let sealed = keys.seal(CONTEXT, &Secret::new(secret.clone())).unwrap();
            assert_eq!(sealed.len(), BODY_AT + secret.len() + TAG_LEN);
            assert!(keys.open(CONTEXT, &sealed) == Ok(Secret::new(secret)));
        }
    }

    #[test]
    fn a_secret_never_looks_the_same_twice_and_never_like_itself() {
        let keys = SealingKeys::from(key(1));
        let secret = Secret::new(b"a rather long pre-shared key".to_vec());
        let [one, two] = [(); 2].map(|()| keys.seal(CONTEXT, &secret).unwrap());
        assert_ne!(one, two);
        assert!(
            !one.windows(8)
                .any(|part| secret.expose().windows(8).any(|plain| plain == part))
        );
    }

    #[test]
    fn older_keys_open_and_the_newest_seals() {
        let secret = Secret::new(vec![9; 32]);
        let before = SealingKeys::from(key(1)).seal(CONTEXT, &secret).unwrap();
        let rotated = SealingKeys::new(key(2), vec![key(3), key(1)]);
        assert!(rotated.open(CONTEXT, &before) == Ok(secret.clone()));
        let after = rotated.seal(CONTEXT, &secret).unwrap();
        assert!(SealingKeys::from(key(2)).open(CONTEXT, &after) == Ok(secret));
        let unknown = SealingKeys::from(key(1)).open(CONTEXT, &after).err();
        assert_eq!(unknown, Some(SealError::UnknownKey(key(2).id())));
    }

    #[test]
    fn a_sealed_secret_opens_in_its_own_place_only() {
        let keys = SealingKeys::from(key(1));
        let sealed = keys.seal(CONTEXT, &Secret::new(vec![9; 32])).unwrap();
        assert_eq!(
            keys.open(b"IMEI:493005100592800/0124", &sealed).err(),
            Some(SealError::WrongContext)
        );
        assert_eq!(keys.open(b"", &sealed).err(), Some(SealError::WrongContext));
    }

    #[test]
    fn every_changed_bit_is_found() {
        let keys = SealingKeys::from(key(1));
        let sealed = keys.seal(CONTEXT, &Secret::new(vec![9; 3])).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let found = keys.open(CONTEXT, &changed).err();
            let expected = match bit / 8 {
                0 => matches!(found, Some(SealError::UnknownForm(_))),
                1..9 => matches!(found, Some(SealError::UnknownKey(_))),
                9..17 => found == Some(SealError::WrongContext),
                _ => found == Some(SealError::Tampered),
            };
            assert!(expected, "bit {bit}: {found:?}");
        }
        for length in 0..sealed.len() {
            let found = keys.open(CONTEXT, &sealed[..length]).err();
            assert!(
                matches!(found, Some(SealError::TooShort | SealError::Tampered)),
                "{length}: {found:?}"
            );
        }
    }
}
