use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A text that is meant to be a Notification, but does not spell one out. Its author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GivenError {
    /// Hexadecimal, but half an octet is missing.
    #[error("{0} hexadecimal digits are no whole number of octets")]
    HalfOctet(usize),
}

/// Reads base64 with and without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The octets of a Notification given as they are, in hexadecimal or in base64; none where it is none of these, as a JSON document is.
///
/// Binary is told by its first octet, which holds VER 1 and thereby begins no text. Hexadecimal may be parted by blanks, line breaks and colons; a text
/// that can be read as both is hexadecimal. Base64 may be that of RFC 4648 §4 or §5, padded or not, and counts where it begins with VER 1.
///
/// # Errors
/// [`GivenError`] where the octets are not whole.
pub fn given(input: &[u8]) -> Result<Option<Vec<u8>>, GivenError> {
    if input.first().is_some_and(|octet| is_version_1(*octet)) {
        return Ok(Some(input.to_vec()));
    }
    let is_gap = |octet: &u8| octet.is_ascii_whitespace();
    let text: Vec<u8> = input.iter().copied().filter(|c| !is_gap(c)).collect();
    let digits: Option<Vec<u8>> = text
        .iter()
        .filter(|octet| **octet != b':')
        .map(|octet| digit(*octet))
        .collect();
    match digits {
        Some(digits) if digits.is_empty() => Ok(None),
        Some(digits) if digits.len() % 2 == 1 => Err(GivenError::HalfOctet(digits.len())),
        Some(digits) => Ok(Some(
            digits
                .chunks(2)
                .map(|pair| pair[0] << 4 | pair[1])
                .collect(),
        )),
        None => {
            let decoded = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text));
            Ok(decoded
                .ok()
                .filter(|octets| octets.first().is_some_and(|octet| is_version_1(*octet))))
        }
    }
}

const fn is_version_1(octet: u8) -> bool {
    octet >> 4 == super::VERSION
}

fn digit(octet: u8) -> Option<u8> {
    let digit = char::from(octet).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::{GivenError, given};

    const SMALLEST: [u8; 7] = [0x11, 0x00, 0x13, 0x64, 0x6D, 0x31, 0x50];

    #[test]
    fn a_notification_is_taken_as_octets_in_hexadecimal_and_in_base64() {
        for text in [
            "11 00 13 64 6D 31 50",
            "1100136 46d3150\n",
            "11:00:13:64:6d:31:50",
            "EQATZG0xUA==",
            "EQAT\nZG0xUA\n",
        ] {
            let octets = given(text.as_bytes()).unwrap();
            assert_eq!(octets.as_deref(), Some(&SMALLEST[..]), "{text}");
        }
        assert_eq!(given(&SMALLEST).unwrap().as_deref(), Some(&SMALLEST[..]));
        assert_eq!(
            given(b"E_-_").unwrap().as_deref(),
            Some(&[0x13, 0xFF, 0xBF][..])
        );
    }

    #[test]
    fn a_json_document_is_no_notification() {
        for text in [
            "",
            " \n",
            "{}",
            "[]",
            "null",
            "true",
            "\"a\"",
            "{\"CMD\":[]}",
            "::",
        ] {
            assert_eq!(given(text.as_bytes()), Ok(None), "{text}");
        }
    }

    #[test]
    fn half_an_octet_is_told() {
        assert_eq!(given(b"11 0"), Err(GivenError::HalfOctet(3)));
    }
}
