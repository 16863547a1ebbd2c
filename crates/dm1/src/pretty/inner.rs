//! Documents that a leaf holds, as text or as base64, whole or in parts (M08): whether a secret may be in one.

use super::{MASK, Pretty, SECRET_NODES, SECRET_PARMS};
use crate::credential::decode_base64;
use crate::markup::MarkupLimits;
use crate::syncml::Encoding;
use crate::wbxml::WbxmlReader;

/// Shortest base64 that is looked into, in digits: what is shorter holds no document.
const SHORTEST: usize = 16;
/// Octets that four digits of base64 stand for begin at one of these digits, wherever a document was cut.
const ALIGNMENTS: usize = 4;

/// Whether base64 may hold a secret: a document with one, or a part of a document. Of media types that are documents (`is_document`) what cannot be read is a part of one.
pub(super) fn may_hide_secret(content: &str, is_document: bool, limits: MarkupLimits) -> bool {
    let Some(digits) = digits(content) else {
        return false;
    };
    let whole = decode_base64(&digits).unwrap_or_default();
    let encoding = Encoding::of_body(&whole);
    let read = encoding.map(|encoding| Pretty::read(&whole, encoding, limits, false));
    match read {
        Some(Ok(inner)) => inner.xml.contains(MASK),
        Some(Err(_)) if is_cut(&whole, limits) => true,
        _ if is_document => true,
        _ => (0..ALIGNMENTS).any(|skipped| {
            let rest = digits.get(skipped..).unwrap_or_default();
            let rest = rest.get(..rest.len() / 4 * 4).unwrap_or_default();
            decode_base64(rest)
                .is_some_and(|octets| tells_secret(&String::from_utf8_lossy(&octets)))
        }),
    }
}

/// Whether markup that cannot be read may hold a secret: it names one, or is a part of a document, whose secrets may be named in another.
pub(super) fn tells_secret(content: &str) -> bool {
    let mut names = SECRET_PARMS.iter().chain(&SECRET_NODES);
    content.contains("</") || names.any(|name| content.contains(name))
}

/// Whether text is base64 and long enough to be more than a number.
pub(super) fn is_base64(content: &str) -> bool {
    digits(content).is_some()
}

/// What begins as a document does and cannot be read.
fn is_cut(octets: &[u8], limits: MarkupLimits) -> bool {
    match Encoding::of_body(octets) {
        Some(Encoding::Xml) => octets.trim_ascii_start().starts_with(b"<"),
        Some(Encoding::Wbxml) => WbxmlReader::new(octets, limits).is_ok(),
        None => false,
    }
}

/// The digits of base64, in the alphabet of the standard; none where it is none.
fn digits(content: &str) -> Option<String> {
    let characters = content.chars().filter(|c| !c.is_ascii_whitespace());
    let digits = characters.map(|c| match c {
        '-' => Some('+'),
        '_' => Some('/'),
        '+' | '/' | '=' => Some(c),
        c => Some(c).filter(char::is_ascii_alphanumeric),
    });
    let digits: Option<String> = digits.collect();
    let digits = digits?.trim_end_matches('=').to_owned();
    (digits.len() >= SHORTEST && !digits.contains('=')).then_some(digits)
}
