use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What a file holds, before anybody knows what it means.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// A text that is none of the others: JSON, if anything.
    Json,
    /// A text that begins like XML.
    Xml,
    /// Octets, as they are or spelt out in hexadecimal.
    Octets(Vec<u8>),
    /// What base64 would spell. Short words of JSON read so, too: it is base64 only if the octets mean something.
    Base64(Vec<u8>),
}

/// A text that is meant to spell octets, but does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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

impl Given {
    /// What `input` holds. A text that reads as hexadecimal and as base64 is hexadecimal; blanks, line breaks and, in hexadecimal, colons part digits.
    ///
    /// # Errors
    ///
    /// [`GivenError`].
    pub fn of(input: &[u8]) -> Result<Self, GivenError> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let is_text = |octet: &u8| octet.is_ascii_graphic() || octet.is_ascii_whitespace();
        let begin = input.strip_prefix(BYTE_ORDER_MARK).unwrap_or(input);
        match begin.trim_ascii_start().first() {
            None | Some(b'{' | b'[') => return Ok(Self::Json),
            Some(b'<') => return Ok(Self::Xml),
            Some(_) if !input.iter().all(is_text) => return Ok(Self::Octets(input.to_vec())),
            Some(_) => {}
        }
        let text: Vec<u8> = input
            .iter()
            .copied()
            .filter(|octet| !octet.is_ascii_whitespace())
            .collect();
        let digits: Option<Vec<u8>> = text
            .iter()
            .filter(|octet| **octet != b':')
            .map(|octet| {
                let digit = char::from(*octet).to_digit(16)?;
                u8::try_from(digit).ok()
            })
            .collect();
        match digits {
            Some(digits) if digits.len() % 2 == 1 => Err(GivenError::HalfOctet(digits.len())),
            Some(digits) => Ok(Self::Octets(
                digits
                    .chunks(2)
                    .map(|pair| pair[0] << 4 | pair[1])
                    .collect(),
            )),
            None => Ok(STANDARD
                .decode(&text)
                .or_else(|_| URL_SAFE.decode(&text))
                .map_or(Self::Json, Self::Base64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(input: &[u8]) -> Vec<u8> {
        match Given::of(input).unwrap() {
            Given::Octets(octets) | Given::Base64(octets) => octets,
            Given::Json | Given::Xml => panic!("a text"),
        }
    }

    #[test]
    fn octets_are_taken_as_they_are_and_from_both_spellings() {
        for spelt in [
            "03 0b 6a 00\n",
            "030B6A00",
            "03:0b:6a:00",
            "AwtqAA==",
            "Awt\nqAA",
        ] {
            assert_eq!(
                octets(spelt.as_bytes()),
                [0x03, 0x0b, 0x6a, 0x00],
                "{spelt}"
            );
        }
        assert_eq!(octets(&[0x03, 0x0b, 0x6a, 0x00]), [0x03, 0x0b, 0x6a, 0x00]);
    }

    #[test]
    fn documents_are_told_by_their_beginning() {
        assert!(Given::of(b" {\"CMD\":[]}").unwrap() == Given::Json);
        assert!(Given::of(b"\xef\xbb\xbf\n<SyncML/>").unwrap() == Given::Xml);
    }

    #[test]
    fn what_spells_nothing_is_told_apart() {
        assert_eq!(Given::of(b"11 0").err(), Some(GivenError::HalfOctet(3)));
        assert!(Given::of(b"hello, world").unwrap() == Given::Json);
        assert!(Given::of(b" \n").unwrap() == Given::Json);
    }
}
