use super::TlvError;
use crate::path::FileSlice;
use crate::tlv::{TlvWriter, elements, unsigned};

const OCTET_STRING: u32 = 0x04;
const INTEGER: u32 = 0x02;
const LENGTH: u32 = 0x80;
const SEQUENCE: u32 = 0x30;
/// Deepest path accepted, in file identifiers.
const DEEPEST: usize = 6;

/// `Path` of PKCS#15: file identifiers, absolute where the first is `3F00`, else from the PKCS#15 application down (§3.3), and a slice of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pkcs15Path {
    /// File identifiers.
    pub files: Vec<u16>,
    /// The part of the file that is meant.
    pub slice: Option<FileSlice>,
}

impl Pkcs15Path {
    /// The whole file at these identifiers.
    #[must_use]
    pub fn new(files: &[u16]) -> Self {
        Self {
            files: files.to_vec(),
            slice: None,
        }
    }

    /// Reads the value of the SEQUENCE.
    pub(super) fn read(value: &[u8]) -> Result<Self, TlvError> {
        let mut parts = elements(value);
        let files = file_ids(parts.expect(OCTET_STRING)?).ok_or(TlvError::Unexpected)?;
        let (mut offset, mut length) = (None, None);
        for part in parts {
            let part = part?;
            match part.tag {
                INTEGER => offset = Some(number(part.value)?),
                LENGTH => length = Some(number(part.value)?),
                _ => {}
            }
        }
        // Both or none (§3.1): an offset without a length says nothing that could be read.
        let slice = match (offset, length) {
            (offset, Some(length)) => Some(FileSlice {
                offset: offset.unwrap_or(0),
                length,
            }),
            (None | Some(0), None) => None,
            (Some(_), None) => return Err(TlvError::Unexpected),
        };
        Ok(Self { files, slice })
    }

    /// Adds the SEQUENCE.
    pub(super) fn write(&self, to: TlvWriter) -> TlvWriter {
        let octets: Vec<u8> = self
            .files
            .iter()
            .flat_map(|file| file.to_be_bytes())
            .collect();
        let mut inner = TlvWriter::default().element(OCTET_STRING, &octets);
        if let Some(slice) = self.slice {
            inner = inner
                .integer(INTEGER, slice.offset.into())
                .integer(LENGTH, slice.length.into());
        }
        to.nest(SEQUENCE, &inner)
    }
}

/// Two octets each; none where there are none, too many, or half a one.
pub(super) fn file_ids(octets: &[u8]) -> Option<Vec<u16>> {
    let ids = octets.chunks_exact(2);
    if !ids.remainder().is_empty() || !(1..=DEEPEST).contains(&(octets.len() / 2)) {
        return None;
    }
    ids.map(|id| Some(u16::from_be_bytes(id.try_into().ok()?)))
        .collect()
}

fn number(value: &[u8]) -> Result<u16, TlvError> {
    unsigned(value)
        .and_then(|number| u16::try_from(number).ok())
        .ok_or(TlvError::Unexpected)
}
