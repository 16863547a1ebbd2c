use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use omadm_mo::Secret;
use subtle::ConstantTimeEq as _;

use super::Nonce;
use super::nonce::decode_base64;

/// B64(H(octets)) of a message: hashed once, with however many secrets and nonces its MAC is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHash(String);

impl BodyHash {
    /// Of the octets of a message.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(STANDARD.encode(Md5::digest(octets)))
    }
}

/// What an authenticator has to keep of a user name and its password: B64(H(user ":" password)) (§3.1). As good as the password for MD5 and MAC: a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct UserHash(Secret);

impl UserHash {
    /// Of a user name and a password, as UTF-8.
    #[must_use]
    pub fn new(user: &str, password: &Secret) -> Self {
        let mut hash = Md5::new();
        hash.update(user);
        hash.update(b":");
        hash.update(password.expose());
        Self(Secret::from(STANDARD.encode(hash.finalize())))
    }

    /// `Cred/Data` of an MD5 credential.
    #[must_use]
    pub fn md5(&self, nonce: &Nonce) -> String {
        STANDARD.encode(self.md5_octets(nonce))
    }

    /// `mac` of a MAC credential over the octets of a message.
    #[must_use]
    pub fn mac(&self, nonce: &Nonce, body: &[u8]) -> String {
        STANDARD.encode(self.digest_with(nonce.octets(), body))
    }

    /// Whether an MD5 credential was made with this nonce. In constant time, whatever the credential holds.
    #[must_use]
    pub fn md5_matches(&self, nonce: &Nonce, data: &str) -> bool {
        matches(&self.md5_octets(nonce), data)
    }

    /// Whether a MAC was made with this nonce over this message. In constant time.
    #[must_use]
    pub fn mac_matches(&self, nonce: &Nonce, body: &[u8], mac: &str) -> bool {
        self.mac_matches_hash(nonce, &BodyHash::of(body), mac)
    }

    /// The same of a message that is hashed already.
    #[must_use]
    pub fn mac_matches_hash(&self, nonce: &Nonce, body: &BodyHash, mac: &str) -> bool {
        matches(&self.digest_over(nonce.octets(), body), mac)
    }

    /// H(B64(H(user ":" password)) ":" nonce ":" B64(H(octets))): of a MAC, and of a Package 0 over its trigger (§7).
    pub(crate) fn digest_with(&self, nonce: &[u8], octets: &[u8]) -> [u8; 16] {
        self.digest_over(nonce, &BodyHash::of(octets))
    }

    fn digest_over(&self, nonce: &[u8], body: &BodyHash) -> [u8; 16] {
        let mut hash = Md5::new();
        hash.update(self.0.expose());
        hash.update(b":");
        hash.update(nonce);
        hash.update(b":");
        hash.update(&body.0);
        hash.finalize().into()
    }

    fn md5_octets(&self, nonce: &Nonce) -> [u8; 16] {
        let mut hash = Md5::new();
        hash.update(self.0.expose());
        hash.update(b":");
        hash.update(nonce.octets());
        hash.finalize().into()
    }
}

/// `Cred/Data` of a basic credential.
#[must_use]
pub fn basic(user: &str, password: &Secret) -> Secret {
    let clear = Secret::new([user.as_bytes(), b":", password.expose()].concat());
    Secret::from(STANDARD.encode(clear.expose()))
}

/// Whether a basic credential is that of this user and password. In constant time.
#[must_use]
pub fn basic_matches(user: &str, password: &Secret, data: &str) -> bool {
    let due = Secret::new([user.as_bytes(), b":", password.expose()].concat());
    decode_base64(data).is_some_and(|given| Secret::new(given) == due)
}

fn matches(due: &[u8; 16], given: &str) -> bool {
    let given: Option<[u8; 16]> = decode_base64(given).and_then(|octets| octets.try_into().ok());
    // Compared all the same, so that time does not tell.
    let equal: bool = due.ct_eq(&given.unwrap_or_default()).into();
    equal && given.is_some()
}
