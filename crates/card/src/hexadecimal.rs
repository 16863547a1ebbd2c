//! Hexadecimal text: of paths, AIDs, file contents.

use std::fmt::Write as _;

/// Two upper-case digits for each octet.
pub(crate) fn upper(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _never = write!(text, "{octet:02X}");
        text
    })
}

/// Two lower-case digits for each octet.
pub(crate) fn lower(octets: &[u8]) -> String {
    upper(octets).to_ascii_lowercase()
}

/// Reads digits of either case, blanks between octets skipped; nothing where it is not that.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|octet| !octet.is_ascii_whitespace())
        .map(|octet| char::from(octet).to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(
        pairs
            .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::{lower, read, upper};

    #[test]
    fn digits_are_read_in_either_case_and_an_odd_number_of_them_is_refused() {
        assert_eq!(read("3f 00\n7F50"), Some(vec![0x3F, 0, 0x7F, 0x50]));
        assert_eq!(read("3F0"), None);
        assert_eq!(read("3G"), None);
        assert_eq!(upper(&[0x3F, 0]), "3F00");
        assert_eq!(lower(&[0xAB]), "ab");
    }
}
