use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hexadecimal;

/// Deepest path accepted, in file identifiers.
const DEEPEST: usize = 8;
/// File identifier of the MF.
pub(crate) const MF: u16 = 0x3F00;
/// The channel's current application, at the head of a path (TS 102 221).
pub(crate) const CURRENT_APPLICATION: u16 = 0x7FFF;
/// Where something lies on the card, as `3F00/7F50/6432`; under `7FFF` where the application's own path is not known. A slice of a file is
/// `3F00/7F50/6432[0+89]`; a value that stands in the DODF itself is `3F00/7F50/6430#1`, its number among the entries of that DODF, the first being 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CardPath {
    files: Vec<u16>,
    slice: Option<FileSlice>,
    entry: Option<u16>,
}

/// Part of a transparent file (§3.3): read exactly that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileSlice {
    /// First octet.
    pub offset: u16,
    /// Number of octets.
    pub length: u16,
}

/// A text that is no path on a card.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no path on a card: file identifiers of four digits, like 3F00/7F50/6432")]
pub struct CardPathError(pub String);

impl CardPath {
    /// The path of these file identifiers from the MF (`3F00`) or the application (`7FFF`) down; none where there are no identifiers or more than eight.
    #[must_use]
    pub fn new(files: &[u16]) -> Option<Self> {
        ((1..=DEEPEST).contains(&files.len())).then(|| Self {
            files: files.to_vec(),
            slice: None,
            entry: None,
        })
    }

    /// The same file, of which only this part is meant.
    #[must_use]
    pub fn with_slice(mut self, slice: FileSlice) -> Self {
        self.slice = Some(slice);
        self
    }

    /// The value that stands in this DODF as its entry of this number.
    #[must_use]
    pub fn with_entry(mut self, entry: u16) -> Self {
        self.entry = Some(entry);
        self
    }

    /// File identifiers, the topmost first.
    #[must_use]
    pub fn files(&self) -> &[u16] {
        &self.files
    }

    /// The part of the file that is meant; none where it is the whole.
    #[must_use]
    pub const fn slice(&self) -> Option<FileSlice> {
        self.slice
    }

    /// The entry of the DODF that holds the value itself.
    #[must_use]
    pub const fn entry(&self) -> Option<u16> {
        self.entry
    }
}

impl fmt::Display for CardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, file) in self.files.iter().enumerate() {
            write!(f, "{}{file:04X}", if at == 0 { "" } else { "/" })?;
        }
        if let Some(FileSlice { offset, length }) = self.slice {
            write!(f, "[{offset}+{length}]")?;
        }
        match self.entry {
            Some(entry) => write!(f, "#{entry}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for CardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardPath({self})")
    }
}

impl FromStr for CardPath {
    type Err = CardPathError;

    fn from_str(text: &str) -> Result<Self, CardPathError> {
        let read = || {
            let (text, entry) = match text.split_once('#') {
                Some((text, entry)) => (text, Some(entry.parse().ok()?)),
                None => (text, None),
            };
            let (text, slice) = match text.split_once('[') {
                Some((text, slice)) => {
                    let (offset, length) = slice.strip_suffix(']')?.split_once('+')?;
                    let (offset, length) = (offset.parse().ok()?, length.parse().ok()?);
                    (text, Some(FileSlice { offset, length }))
                }
                None => (text, None),
            };
            let files: Vec<u16> = text.split('/').map(file_id).collect::<Option<_>>()?;
            Some(Self {
                slice,
                entry,
                ..Self::new(&files)?
            })
        };
        read().ok_or_else(|| CardPathError(text.to_owned()))
    }
}

fn file_id(text: &str) -> Option<u16> {
    let octets = hexadecimal::read(text).filter(|_| text.len() == 4)?;
    Some(u16::from_be_bytes(octets.try_into().ok()?))
}

impl TryFrom<String> for CardPath {
    type Error = CardPathError;

    fn try_from(text: String) -> Result<Self, CardPathError> {
        text.parse()
    }
}

impl From<CardPath> for String {
    fn from(path: CardPath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{CardPath, FileSlice};

    #[test]
    fn a_path_is_written_and_read_back_with_slice_and_entry() {
        let path = CardPath::new(&[0x3F00, 0x7F50, 0x6432]).expect("three files");
        assert_eq!(path.to_string(), "3F00/7F50/6432");
        let slice = FileSlice {
            offset: 4,
            length: 89,
        };
        for path in [
            path.clone(),
            path.clone().with_slice(slice),
            path.with_entry(2),
        ] {
            assert_eq!(path.to_string().parse(), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "3F",
            "3F00/",
            "3F00[1]",
            "3F00[1+x]",
            "3F00#",
            "3F00/12345",
            "3F 0",
        ] {
            assert!(text.parse::<CardPath>().is_err(), "{text}");
        }
        assert!(CardPath::new(&[0x3F00; 9]).is_none());
    }
}
