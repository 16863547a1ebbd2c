//! Randomness from the system, at the rim only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omadm_bootstrap::EventId;
use omadm_mo::Secret;
pub use omadm_tls::NoRandomness;
pub(crate) use omadm_tls::random;
use zeroize::Zeroize as _;

/// Characters of a bootstrap code: digits and capitals without those that are taken for one another; 32 of them, so 5 bits each.
const CODE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// 80 random bits; D81 asks for at least 50.
const CODE_LENGTH: usize = 16;

/// 16 hexadecimal digits that tie log lines and events of one exchange together. Not a secret: without randomness they are zeros.
pub(crate) fn correlation() -> String {
    format!("{:016x}", u64::from_be_bytes(random().unwrap_or_default()))
}

/// A bearer token of 32 random octets in base64url.
///
/// # Errors
/// [`NoRandomness`].
pub(crate) fn token() -> Result<Secret, NoRandomness> {
    let mut octets: [u8; 32] = random()?;
    let token = Secret::from(URL_SAFE_NO_PAD.encode(octets));
    octets.zeroize();
    Ok(token)
}

/// A PSK identity or HTTP user that no other device has and no other generation of this one (D83): random, since it travels in the clear.
///
/// # Errors
/// [`NoRandomness`].
pub(crate) fn fresh_name() -> Result<String, NoRandomness> {
    Ok(EventId::of(random()?).to_string())
}

/// A bootstrap code (D81): 80 random bits in groups of four characters, to be typed by people.
///
/// # Errors
/// [`NoRandomness`].
pub(crate) fn bootstrap_code() -> Result<Secret, NoRandomness> {
    let mut octets: [u8; CODE_LENGTH] = random()?;
    let mut code = Vec::with_capacity(CODE_LENGTH + CODE_LENGTH / 4);
    for (place, octet) in octets.iter().enumerate() {
        if place > 0 && place % 4 == 0 {
            code.push(b'-');
        }
        code.extend(CODE_ALPHABET.get(usize::from(octet % 32)));
    }
    octets.zeroize();
    Ok(Secret::new(code))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{bootstrap_code, token};

    #[test]
    fn a_bootstrap_code_has_80_bits_that_can_be_read_aloud_d81() {
        let codes: BTreeSet<_> = (0..50)
            .map(|_| bootstrap_code().unwrap().expose().to_vec())
            .collect();
        assert_eq!(codes.len(), 50);
        for code in codes {
            let code = String::from_utf8(code).unwrap();
            assert_eq!(
                code.split('-').map(str::len).collect::<Vec<_>>(),
                [4, 4, 4, 4]
            );
            assert!(!code.contains(['0', 'O', '1', 'I']), "{code}");
        }
    }

    #[test]
    fn a_token_has_43_characters() {
        assert_eq!(token().unwrap().len(), 43);
    }
}
