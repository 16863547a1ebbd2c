use super::UTF_8;
use crate::markup::{MarkupError, MarkupFault, Vocabulary};

/// US-ASCII as MIBenum.
const US_ASCII: u32 = 3;

/// What stands before a WBXML body (§2.1). Written in two styles by real encoders, public identifier as a number or in the string table, there with or
/// without a final NUL; both are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WbxmlHeader<'a> {
    /// The version octet, 0 to 3: WBXML 1.0 to 1.3.
    pub version: u8,
    /// The document type that the public identifier names.
    pub vocabulary: Vocabulary,
    /// The string table.
    pub strings: &'a [u8],
    /// Where the body begins, in octets.
    pub body: usize,
}

impl<'a> WbxmlHeader<'a> {
    /// Reads the header of `octets`.
    ///
    /// # Errors
    ///
    /// Too short; another version, character set or document type than ours.
    pub fn read(octets: &'a [u8]) -> Result<Self, MarkupError> {
        let mut at = 0;
        let version = *octets.first().ok_or_else(|| too_short(at))?;
        if version > 3 {
            return Err(MarkupError::at(at, MarkupFault::WbxmlVersion(version)));
        }
        at += 1;
        let public_id = integer(octets, &mut at)?;
        let in_table = if public_id == 0 {
            Some(integer(octets, &mut at)?)
        } else {
            None
        };
        // WBXML 1.0 has no such field.
        let charset = if version == 0 {
            UTF_8
        } else {
            integer(octets, &mut at)?
        };
        if ![0, US_ASCII, UTF_8].contains(&charset) {
            return Err(MarkupError::at(at, MarkupFault::Charset(charset)));
        }
        let length = integer(octets, &mut at)? as usize;
        let strings = octets
            .get(at..)
            .and_then(|rest| rest.get(..length))
            .ok_or_else(|| too_short(at))?;
        let unknown = |name: &str| MarkupError::at(1, MarkupFault::PublicId(name.into()));
        let vocabulary = match in_table {
            None => Vocabulary::of_public_id(public_id)
                .ok_or_else(|| unknown(&format!("{public_id:#x}")))?,
            Some(index) => {
                let name = string_at(strings, index)
                    .ok_or_else(|| MarkupError::at(1, MarkupFault::StringReference(index)))?;
                Vocabulary::of_formal_public_id(name).ok_or_else(|| unknown(name))?
            }
        };
        Ok(Self {
            version,
            vocabulary,
            strings,
            body: at + length,
        })
    }

    /// The header that we write (M14): WBXML 1.2 with a numeric identifier and no string table for a DM message, 1.3 for a provisioning document; TNDS
    /// has no number, so its identifier lies in the table.
    pub(super) fn write(vocabulary: Vocabulary) -> Vec<u8> {
        let mut octets = Vec::with_capacity(256);
        octets.push(match vocabulary {
            Vocabulary::SyncMl | Vocabulary::MgmtTree => 0x02,
            Vocabulary::Provisioning => 0x03,
        });
        match vocabulary.public_id() {
            Some(number) => {
                push_integer(&mut octets, number);
                push_integer(&mut octets, UTF_8);
                octets.push(0);
            }
            None => {
                let name = vocabulary.formal_public_id();
                octets.extend([0, 0]);
                push_integer(&mut octets, UTF_8);
                push_length(&mut octets, name.len() + 1);
                octets.extend(name.as_bytes());
                octets.push(0);
            }
        }
        octets
    }
}

/// A multi-byte integer of at most 32 bits at `at`, which moves behind it.
pub(super) fn integer(octets: &[u8], at: &mut usize) -> Result<u32, MarkupError> {
    let start = *at;
    let mut value: u32 = 0;
    loop {
        let octet = *octets.get(*at).ok_or_else(|| too_short(start))?;
        *at += 1;
        if value > u32::MAX >> 7 {
            return Err(MarkupError::at(start, MarkupFault::Integer));
        }
        value = value << 7 | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
}

/// Writes a multi-byte integer.
pub(super) fn push_integer(octets: &mut Vec<u8>, value: u32) {
    push_length(octets, value as usize);
}

/// Writes a length in octets as a multi-byte integer.
pub(super) fn push_length(octets: &mut Vec<u8>, value: usize) {
    let mut shift = 0;
    while value >> shift > 0x7f {
        shift += 7;
    }
    while shift > 0 {
        octets.push((value >> shift & 0x7f) as u8 | 0x80);
        shift -= 7;
    }
    octets.push((value & 0x7f) as u8);
}

/// The string at `index` of a string table: up to its NUL or the table's end. `None` if the index is not within, or it is no UTF-8.
pub(super) fn string_at(strings: &[u8], index: u32) -> Option<&str> {
    let rest = strings
        .get(index as usize..)
        .filter(|rest| !rest.is_empty())?;
    let end = memchr::memchr(0, rest).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()
}

const fn too_short(at: usize) -> MarkupError {
    MarkupError::at(at, MarkupFault::TooShort)
}
