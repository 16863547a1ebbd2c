use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

/// SHA-256 of a certificate's DER: the name under which a certificate is registered (D71).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// Why a text is no fingerprint. Its author is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Not 64 hexadecimal digits, colons between octets or not.
    #[error("a SHA-256 fingerprint has 64 hexadecimal digits, with or without colons")]
    Malformed,
}

impl Fingerprint {
    /// The fingerprint of a DER certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        let mut octets = [0; 32];
        octets.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
        Self(octets)
    }

    /// The 32 octets of a stored fingerprint.
    #[must_use]
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets, for storing.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits without colons, for machines.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// Upper-case pairs with colons, as `openssl x509 -fingerprint` prints them.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let mut octets = [0; 32];
        let colons = text.contains(':');
        let width = if colons { 3 } else { 2 };
        let expected = 32 * width - usize::from(colons);
        if !text.is_ascii() || text.len() != expected {
            return Err(FingerprintError::Malformed);
        }
        for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(width)) {
            let (Some(high), Some(low)) = (digit(pair.first()), digit(pair.get(1))) else {
                return Err(FingerprintError::Malformed);
            };
            if pair.get(2).is_some_and(|separator| *separator != b':') {
                return Err(FingerprintError::Malformed);
            }
            *octet = high << 4 | low;
        }
        Ok(Self(octets))
    }
}

fn digit(character: Option<&u8>) -> Option<u8> {
    let value = char::from(*character?).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, FingerprintError};

    #[test]
    fn both_spellings_are_read_back() {
        let print = Fingerprint::of(b"certificate");
        assert_eq!(print.to_string().parse(), Ok(print));
        assert_eq!(print.to_hex().parse(), Ok(print));
        assert_eq!(print.to_hex().to_uppercase().parse(), Ok(print));
    }

    #[test]
    fn other_text_is_no_fingerprint() {
        let print = Fingerprint::of(b"certificate").to_string();
        for bad in [
            "",
            "AB",
            &print[1..],
            &print.replacen(':', "-", 1),
            &print.replacen(&print[..1], "g", 1),
        ] {
            assert_eq!(
                bad.parse::<Fingerprint>(),
                Err(FingerprintError::Malformed),
                "{bad}"
            );
        }
        assert!(
            format!("ä{}", &Fingerprint::of(b"").to_hex()[2..])
                .parse::<Fingerprint>()
                .is_err()
        );
    }
}
