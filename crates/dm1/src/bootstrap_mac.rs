//! The proof of a pushed bootstrap: HMAC-SHA1 over the document as sent, by keys that both sides are thought to know (§5.2, §5.4, `push.md` §4).

use hmac::{Hmac, KeyInit as _, Mac as _};
use omadm_mo::Secret;
use sha1::Sha1;

/// The number of a subscriber, 6 to 15 digits. An identifier, not a secret (§5.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imsi(Box<str>);

/// How an IMSI becomes the key; by device model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImsiKey {
    /// As the card holds it, without its length octet (GSM 11.11).
    #[default]
    SemiOctet,
    /// Its digits as ASCII; what some devices take instead.
    Ascii,
}

/// Which profile signs: they join IMSI and PIN differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapProfileKind {
    /// Client provisioning: IMSI, then PIN.
    Cp,
    /// DM: PIN, a colon, IMSI.
    Dm,
}

/// A text that is no IMSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an IMSI is 6 to 15 decimal digits")]
pub struct ImsiError;

impl Imsi {
    /// Reads digits.
    ///
    /// # Errors
    ///
    /// [`ImsiError`].
    pub fn parse(digits: &str) -> Result<Self, ImsiError> {
        if (6..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            Ok(Self(digits.into()))
        } else {
            Err(ImsiError)
        }
    }

    /// The key that an IMSI is.
    #[must_use]
    pub fn key(&self, form: ImsiKey) -> Vec<u8> {
        match form {
            ImsiKey::Ascii => self.0.as_bytes().to_vec(),
            ImsiKey::SemiOctet => self.semi_octets(),
        }
    }

    /// Odd: nibble 9 before the digits; even: 1 before and F behind. Then the nibbles of each pair are swapped.
    fn semi_octets(&self) -> Vec<u8> {
        let digits = self.0.bytes().map(|digit| digit - b'0');
        let nibbles: Vec<u8> = if self.0.len() % 2 == 1 {
            std::iter::once(9).chain(digits).collect()
        } else {
            std::iter::once(1).chain(digits).chain([0xf]).collect()
        };
        nibbles
            .chunks_exact(2)
            .map(|pair| pair[1] << 4 | pair[0])
            .collect()
    }
}

/// The key of IMSI and PIN together.
#[must_use]
pub fn joined_key(profile: BootstrapProfileKind, imsi: &[u8], pin: &Secret) -> Secret {
    Secret::new(match profile {
        BootstrapProfileKind::Cp => [imsi, pin.expose()].concat(),
        BootstrapProfileKind::Dm => [pin.expose(), b":", imsi].concat(),
    })
}

/// The MAC of a document.
#[must_use]
pub fn bootstrap_mac(key: &[u8], document: &[u8]) -> [u8; 20] {
    match Hmac::<Sha1>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(document);
            mac.finalize().into_bytes().into()
        }
        // HMAC takes a key of any length.
        Err(_) => [0; 20],
    }
}

/// What a user types with `USERPINMAC`: the PIN, then one digit of the MAC for each of its digits (§5.4). `None` for a PIN of no or more than 20 digits.
#[must_use]
pub fn user_pin_mac_code(pin: &Secret, document: &[u8]) -> Option<Secret> {
    let digits = pin.expose();
    if digits.is_empty() || digits.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mac = bootstrap_mac(digits, document);
    let derived = mac[..digits.len()].iter().map(|octet| b'0' + octet % 10);
    Some(Secret::new(digits.iter().copied().chain(derived).collect()))
}
