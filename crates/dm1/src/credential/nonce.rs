use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Octets against replay: what is hashed are these, never their base64 text (§3.1). Not told by `Debug`, wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce(Zeroizing<Vec<u8>>);

/// A text that is no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// Not base64.
    #[error("the nonce is not base64")]
    NotBase64,
    /// Fewer than 1 or more than 255 octets (M15).
    #[error("a nonce has 1 to 255 octets, this one has {0}")]
    Length(usize),
}

/// What our nonces are made of: poor decoders survive it (M15).
pub(super) const ALPHABET: &[u8; 62] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Octets of our nonces: a multiple of three, so that base64 ends without padding.
const OCTETS: usize = 24;

impl Nonce {
    /// The default nonce after which both ends can start over, as we send it (§3.5).
    pub const RESYNC: [u8; 4] = [0; 4];
    /// The default nonce as some clients take it (§3.5).
    pub const RESYNC_TEXT: &'static [u8] = b"0x00000000";

    /// One of ours: 24 characters of `A-Za-z0-9`, each of eleven bits of `entropy`. Their base64 holds no `+` and no `/` (M15).
    #[must_use]
    pub fn of_entropy(entropy: &[u8; 2 * OCTETS]) -> Self {
        let octets = entropy
            .chunks_exact(2)
            .map(|pair| {
                let number = usize::from(u16::from_be_bytes([pair[0], pair[1]]));
                ALPHABET[number % ALPHABET.len()]
            })
            .collect();
        Self(Zeroizing::new(octets))
    }

    /// Any octets.
    ///
    /// # Errors
    ///
    /// [`NonceError::Length`].
    pub fn new(octets: Vec<u8>) -> Result<Self, NonceError> {
        match octets.len() {
            1..=255 => Ok(Self(Zeroizing::new(octets))),
            length => Err(NonceError::Length(length)),
        }
    }

    /// Of base64 text, with blanks and without padding too (M13).
    ///
    /// # Errors
    ///
    /// [`NonceError`].
    pub fn of_base64(text: &str) -> Result<Self, NonceError> {
        Self::new(decode_base64(text).ok_or(NonceError::NotBase64)?)
    }

    /// What is hashed.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// As base64 text, for `NextNonce` and `AAUTHDATA`.
    #[must_use]
    pub fn base64(&self) -> String {
        STANDARD.encode(self.octets())
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({} octets)", self.0.len())
    }
}

/// Base64 as peers write it: line breaks, blanks, no padding.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const TOLERANT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let digits: String = text
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .collect();
    TOLERANT.decode(digits).ok()
}
