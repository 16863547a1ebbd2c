use zeroize::Zeroizing;

use super::Dialogue;
use super::link::trouble;
use super::select::{Selected, Way};
use crate::CardTrouble;
use crate::apdu::{Command, Meaning, READ_BINARY, READ_RECORD, meaning};
use crate::file_info::{FileInfo, FileStructure};
use crate::path::FileSlice;
use crate::transport::TransportError;
use crate::trouble::Octets;

/// Octets wanted by one READ BINARY (§4.1).
const CHUNK: usize = 255;
/// READ BINARY has offsets of 15 bits.
const REACHABLE: usize = 0x8000;
/// Most records of a linear file.
const MOST_RECORDS: u8 = 254;

/// What a file gave.
pub(crate) enum FileContent {
    /// Its octets; of a file of records, its records.
    Octets(Vec<Zeroizing<Vec<u8>>>),
    /// There is no such file, or it is deactivated: definite.
    Missing,
    /// It is not known what is in it.
    Trouble(CardTrouble),
}

/// What one pass of reading gave: the parts, or the status word that ended it.
type Pass = Result<Vec<Zeroizing<Vec<u8>>>, u16>;

impl Dialogue<'_, '_> {
    /// Selects a file and reads it, with a PIN where one is needed and given (§5). `directory` are the PINs of the DF it lies in.
    pub(crate) fn read(
        &mut self,
        ways: &[Way],
        slice: Option<FileSlice>,
        directory: &[u8],
    ) -> Result<FileContent, TransportError> {
        Ok(self.read_slice(ways, slice, directory)?.1)
    }

    /// Like [`Self::read`] of the whole file, and tells what the card says about it.
    pub(crate) fn read_file(
        &mut self,
        ways: &[Way],
        directory: &[u8],
    ) -> Result<(FileInfo, FileContent), TransportError> {
        self.read_slice(ways, None, directory)
    }

    fn read_slice(
        &mut self,
        ways: &[Way],
        slice: Option<FileSlice>,
        directory: &[u8],
    ) -> Result<(FileInfo, FileContent), TransportError> {
        let unknown = |content| Ok((FileInfo::default(), content));
        // Once more where nothing was selected, once more after a PIN (§7).
        let (mut again, mut unlocked) = (false, false);
        loop {
            let info = match self.select(ways)? {
                Selected::File(info) => info,
                Selected::Missing => return unknown(FileContent::Missing),
                Selected::Refused(status) => return unknown(FileContent::Trouble(trouble(status))),
            };
            let status = match self.pass(&info, slice)? {
                Ok(parts) => return Ok((info, whole(parts, slice))),
                Err(status) => status,
            };
            match meaning(status) {
                Meaning::NotFound | Meaning::Invalidated => return unknown(FileContent::Missing),
                Meaning::NothingSelected if !again => again = true,
                Meaning::PinNeeded if unlocked => {
                    return unknown(FileContent::Trouble(CardTrouble::IssuerOnly));
                }
                Meaning::PinNeeded => {
                    if let Err(trouble) = self.unlock(&info, directory)? {
                        return unknown(FileContent::Trouble(trouble));
                    }
                    unlocked = true;
                }
                _ => return unknown(FileContent::Trouble(trouble(status))),
            }
        }
    }

    fn pass(&mut self, info: &FileInfo, slice: Option<FileSlice>) -> Result<Pass, TransportError> {
        match info.structure {
            Some(FileStructure::Records { length, count }) => self.records(length, count),
            Some(FileStructure::Directory) => Ok(Err(0x6981)),
            Some(FileStructure::Transparent) => self.transparent(info, slice),
            None => match self.transparent(info, slice)? {
                // A card that says nothing about its files: a file of records refuses to be read as octets.
                Err(status) if meaning(status) == Meaning::WrongStructure => self.records(0, None),
                pass => Ok(pass),
            },
        }
    }

    fn transparent(
        &mut self,
        info: &FileInfo,
        slice: Option<FileSlice>,
    ) -> Result<Pass, TransportError> {
        let size = info
            .size
            .map(|size| usize::try_from(size).unwrap_or(REACHABLE));
        let start = slice.map_or(0, |slice| usize::from(slice.offset));
        let end = match slice {
            Some(slice) => start + usize::from(slice.length),
            None => size.unwrap_or(REACHABLE),
        };
        let mut octets = Zeroizing::new(Vec::new());
        while start + octets.len() < end.min(REACHABLE) {
            let offset = start + octets.len();
            let want = CHUNK.min(end - offset);
            let command = Command::new(READ_BINARY, (offset >> 8) as u8, offset as u8);
            let answer = self.link.exchange(&command.expect(want as u8))?;
            let came = answer.data.len().min(want);
            let kept = answer.data.get(..came).unwrap_or(&[]);
            match meaning(answer.status) {
                Meaning::Done => octets.extend_from_slice(kept),
                Meaning::EndReached => {
                    octets.extend_from_slice(kept);
                    break;
                }
                Meaning::OutOfRange => break,
                _ => return Ok(Err(answer.status)),
            }
            // Short of what was wanted: the end where the size is not known, and no card goes on after nothing.
            if came == 0 || (came < want && size.is_none()) {
                break;
            }
        }
        Ok(Ok(vec![octets]))
    }

    fn records(&mut self, length: u8, count: Option<u8>) -> Result<Pass, TransportError> {
        let mut records = Vec::new();
        for number in 1..=count.unwrap_or(MOST_RECORDS).min(MOST_RECORDS) {
            let command = Command::new(READ_RECORD, number, 0x04).expect(length);
            let answer = self.link.exchange(&command)?;
            match meaning(answer.status) {
                Meaning::Done | Meaning::EndReached => records.push(answer.data),
                Meaning::OutOfRange => break,
                // Past the last record, some cards say that there is none.
                Meaning::NotFound if number > 1 => break,
                _ => return Ok(Err(answer.status)),
            }
        }
        Ok(Ok(records))
    }
}

/// A slice that is not there whole is no content (§3.3).
fn whole(parts: Vec<Zeroizing<Vec<u8>>>, slice: Option<FileSlice>) -> FileContent {
    let came: usize = parts.iter().map(|part| part.len()).sum();
    match slice {
        Some(slice) if came < usize::from(slice.length) => {
            let octets = Octets(u32::try_from(came).unwrap_or(u32::MAX));
            FileContent::Trouble(CardTrouble::ContentCutShort(octets))
        }
        _ => FileContent::Octets(parts),
    }
}

/// The parts as one.
pub(crate) fn joined(parts: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(parts.iter().flat_map(|part| part.iter().copied()).collect())
}
