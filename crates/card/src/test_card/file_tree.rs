use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::description::{CardAccess, CardDescription, CardDescriptionError, CardFile, HexText};
use crate::path::MF;

/// Identifiers from the MF down, the MF among them.
pub(super) type FilePath = Vec<u16>;

/// Files and directories of a card by path.
pub(super) struct FileTree {
    pub(super) files: BTreeMap<FilePath, Stored>,
}

/// What lies at a path.
pub(super) enum Stored {
    Directory,
    File(StoredFile),
}

/// An elementary file.
pub(super) struct StoredFile {
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Length of a record; none where it is transparent.
    pub(super) record: Option<u8>,
    pub(super) read: CardAccess,
    pub(super) update: CardAccess,
    pub(super) deactivated: bool,
    /// Whether the description gave it as text.
    text: bool,
    /// Octets that the description gave; behind them is filling.
    pub(super) used: usize,
}

impl FileTree {
    /// Takes the files of a description.
    pub(super) fn new(description: &CardDescription) -> Result<Self, CardDescriptionError> {
        let mut files = BTreeMap::from([(vec![MF], Stored::Directory)]);
        for application in &description.applications {
            let path = application.path.files();
            if path.first() != Some(&MF) || path.len() < 2 {
                return Err(CardDescriptionError::Place(application.path.clone()));
            }
            directories(&mut files, path);
        }
        for file in &description.files {
            let path = file.path.files();
            let part = file.path.slice().is_some() || file.path.entry().is_some();
            if path.first() != Some(&MF) || path.len() < 2 || part {
                return Err(CardDescriptionError::Place(file.path.clone()));
            }
            directories(&mut files, path.get(..path.len() - 1).unwrap_or(&[]));
            let stored = Stored::File(StoredFile::new(file)?);
            if files.insert(path.to_vec(), stored).is_some() {
                return Err(CardDescriptionError::Twice(file.path.clone()));
            }
        }
        Ok(Self { files })
    }

    pub(super) fn get(&self, path: &[u16]) -> Option<&Stored> {
        self.files.get(path)
    }

    pub(super) fn file(&mut self, path: &[u16]) -> Option<&mut StoredFile> {
        match self.files.get_mut(path)? {
            Stored::File(file) => Some(file),
            Stored::Directory => None,
        }
    }

    /// Puts what the files hold now into a description of the same card.
    pub(super) fn write_back(&self, description: &mut CardDescription) {
        for file in &mut description.files {
            let Some(Stored::File(stored)) = self.files.get(file.path.files()) else {
                continue;
            };
            match stored.record {
                Some(length) => {
                    let records = stored.body.chunks(usize::from(length));
                    file.records = Some(
                        records
                            .map(|record| HexText(unfilled(record).to_vec()))
                            .collect(),
                    );
                }
                None => {
                    let content = stored.body.get(..stored.used).unwrap_or(&[]);
                    let text = std::str::from_utf8(content).ok().filter(|_| stored.text);
                    file.content = text.is_none().then(|| HexText(content.to_vec()));
                    file.text = text.map(str::to_owned);
                    if stored.body.len() > stored.used {
                        file.size = u16::try_from(stored.body.len()).ok();
                    }
                }
            }
        }
    }
}

impl StoredFile {
    fn new(file: &CardFile) -> Result<Self, CardDescriptionError> {
        let size = || CardDescriptionError::Size(file.path.clone());
        let (body, record, used) = match (&file.content, &file.text, &file.records) {
            (Some(HexText(content)), None, None) => filled(content, file.size).ok_or_else(size)?,
            (None, Some(text), None) => filled(text.as_bytes(), file.size).ok_or_else(size)?,
            (None, None, Some(records)) => {
                let longest = records
                    .iter()
                    .map(|record| record.0.len())
                    .max()
                    .unwrap_or(0);
                let length = file.size.map_or(longest, usize::from);
                let record = u8::try_from(length)
                    .ok()
                    .filter(|record| *record > 0)
                    .ok_or_else(size)?;
                if longest > length || records.is_empty() || records.len() > 254 {
                    return Err(size());
                }
                let mut body = Vec::new();
                for HexText(octets) in records {
                    body.extend_from_slice(octets);
                    body.resize(body.len() + length - octets.len(), 0xFF);
                }
                let used = body.len();
                (body, Some(record), used)
            }
            _ => return Err(CardDescriptionError::Content(file.path.clone())),
        };
        Ok(Self {
            body: Zeroizing::new(body),
            record,
            read: file.read,
            update: file.update,
            deactivated: file.deactivated,
            text: file.text.is_some(),
            used,
        })
    }
}

/// Content up to a size, all of it where none is given.
fn filled(content: &[u8], size: Option<u16>) -> Option<(Vec<u8>, Option<u8>, usize)> {
    let size = size.map_or(content.len(), usize::from);
    let mut body = content.to_vec();
    let fits = content.len() <= size && size <= usize::from(u16::MAX);
    body.resize(size, 0xFF);
    fits.then_some((body, None, content.len()))
}

fn unfilled(record: &[u8]) -> &[u8] {
    let filling = record
        .iter()
        .rev()
        .take_while(|octet| **octet == 0xFF)
        .count();
    record.get(..record.len() - filling).unwrap_or(&[])
}

fn directories(files: &mut BTreeMap<FilePath, Stored>, path: &[u16]) {
    for depth in 1..=path.len() {
        let directory = path.get(..depth).unwrap_or(&[]).to_vec();
        files.entry(directory).or_insert(Stored::Directory);
    }
}
