use zeroize::Zeroizing;

use super::change::{Change, NewFile};
use super::{CardWriteError, CardWriteSettings, IssuerKey};
use crate::CardPath;
use crate::apdu::{Command, Meaning, UPDATE_BINARY, UPDATE_RECORD, VERIFY, meaning};
use crate::dialogue::{Dialogue, FEWEST_TRIES, FileContent, Selected, joined, trouble};
use crate::trouble::{PinTries, StatusWord};

/// Octets of one UPDATE BINARY.
const CHUNK: usize = 255;

/// Which keys were verified, or need not be tried again.
#[derive(Default)]
struct Keys {
    key: bool,
    pin: bool,
}

/// Carries a change out: asks for the right to make it, then clears, writes, and names. Tells the files that changed.
pub(super) fn carry_out(
    dialogue: &mut Dialogue<'_, '_>,
    change: &Change,
    settings: &CardWriteSettings,
    changed: &mut bool,
) -> Result<Vec<CardPath>, CardWriteError> {
    let mut keys = Keys::default();
    let directories = || change.cleared.iter().chain(&change.entries);
    for directory in directories() {
        directory.check_span()?;
    }
    let order = || {
        let first = change.cleared.iter().chain(&change.between);
        first.chain(&change.entries)
    };
    let mut asked = Vec::new();
    for file in order() {
        // The second time a directory comes, what it holds until then is told, not what it holds now.
        if !asked.contains(&&file.at.path) {
            asked.push(&file.at.path);
            probe(dialogue, file, settings, &mut keys)?;
        }
    }
    let mut files = Vec::new();
    for file in order() {
        *changed = true;
        write(dialogue, file)?;
        read_back(dialogue, file)?;
        files.retain(|path| *path != file.at.path);
        files.push(file.at.path.clone());
    }
    Ok(files)
}

/// Writes the first octet of a file, or its first record, as it is: so that a card which refuses does so before anything is changed.
fn probe(
    dialogue: &mut Dialogue<'_, '_>,
    file: &NewFile,
    settings: &CardWriteSettings,
    keys: &mut Keys,
) -> Result<(), CardWriteError> {
    loop {
        select(dialogue, file)?;
        let same = &file.old;
        let command = match file.record {
            Some(length) => {
                Command::new(UPDATE_RECORD, 1, 0x04).data(same.get(..length).unwrap_or(&[]))
            }
            None => Command::new(UPDATE_BINARY, 0, 0).data(same.get(..1).unwrap_or(&[])),
        };
        let status = dialogue.exchange(&command)?.status;
        match meaning(status) {
            _ if is_done(status) => return Ok(()),
            Meaning::PinNeeded => match &settings.key {
                Some(key) if !keys.key => {
                    keys.key = true;
                    verify(dialogue, key)?;
                }
                _ if !keys.pin && settings.reading.pin.is_some() => {
                    keys.pin = true;
                    dialogue.unlock(&file.info, &[])??;
                }
                None => return Err(CardWriteError::KeyMissing(file.at.path.clone())),
                Some(_) => return Err(file.refused(status)),
            },
            Meaning::PinBlocked => return Err(CardWriteError::KeyBlocked),
            _ => return Err(file.refused(status)),
        }
    }
}

/// Verifies the issuer's key, unless its last tries are all that is left.
fn verify(dialogue: &mut Dialogue<'_, '_>, key: &IssuerKey) -> Result<(), CardWriteError> {
    let query = Command::new(VERIFY, 0, key.reference);
    match dialogue.exchange(&query)?.status {
        0x9000 => return Ok(()),
        0x63C0 => return Err(CardWriteError::KeyBlocked),
        status @ 0x63C1..=0x63CF if (status as u8 & 0x0F) < FEWEST_TRIES => {
            return Err(CardWriteError::KeyTriesLow(PinTries(status as u8 & 0x0F)));
        }
        0x63C1..=0x63CF => {}
        status if meaning(status) == Meaning::PinBlocked => return Err(CardWriteError::KeyBlocked),
        // How many are left is not told: the last one could be lost.
        status => return Err(trouble(status).into()),
    }
    let command = Command::new(VERIFY, 0, key.reference).data(key.octets.expose());
    match dialogue.exchange(&command)?.status {
        0x9000 => Ok(()),
        0x63C0 => Err(CardWriteError::KeyBlocked),
        status @ 0x63C1..=0x63CF => Err(CardWriteError::KeyWrong(PinTries(status as u8 & 0x0F))),
        status if meaning(status) == Meaning::PinBlocked => Err(CardWriteError::KeyBlocked),
        status => Err(trouble(status).into()),
    }
}

fn write(dialogue: &mut Dialogue<'_, '_>, file: &NewFile) -> Result<(), CardWriteError> {
    select(dialogue, file)?;
    if let Some(length) = file.record {
        let records = file.new.chunks(length).zip(file.old.chunks(length));
        for (number, (new, old)) in (1..=u8::MAX).zip(records) {
            if new != old {
                let command = Command::new(UPDATE_RECORD, number, 0x04).data(new);
                file.expect_done(dialogue.exchange(&command)?.status)?;
            }
        }
        return Ok(());
    }
    for (offset, octets) in file.pieces() {
        let command = Command::new(UPDATE_BINARY, (offset >> 8) as u8, offset as u8);
        file.expect_done(dialogue.exchange(&command.data(&octets))?.status)?;
    }
    Ok(())
}

fn read_back(dialogue: &mut Dialogue<'_, '_>, file: &NewFile) -> Result<(), CardWriteError> {
    let (_, content) = dialogue.read_file(&file.at.ways, &[])?;
    match content {
        FileContent::Octets(parts) if joined(&parts) == file.new => Ok(()),
        FileContent::Trouble(trouble) => Err(trouble.into()),
        _ => Err(CardWriteError::Mismatch(file.at.path.clone())),
    }
}

fn select(dialogue: &mut Dialogue<'_, '_>, file: &NewFile) -> Result<(), CardWriteError> {
    match dialogue.select(&file.at.ways)? {
        Selected::File(_) => Ok(()),
        Selected::Missing => Err(CardWriteError::Missing(file.at.path.clone())),
        Selected::Refused(status) => Err(trouble(status).into()),
    }
}

/// `63Cx` of an UPDATE counts the card's own retries, and means success (TS 102 221).
const fn is_done(status: u16) -> bool {
    matches!(status, 0x63C0..=0x63CF) || matches!(meaning(status), Meaning::Done)
}

impl NewFile {
    /// From the first octet that changes to behind the last one.
    fn span(&self) -> Option<(usize, usize)> {
        let differs = |at: &usize| self.old.get(*at) != self.new.get(*at);
        let first = (0..self.new.len()).find(differs)?;
        let last = (0..self.new.len()).rev().find(differs)?;
        Some((first, last + 1))
    }

    /// A directory with entries of others changes in one command or not at all.
    fn check_span(&self) -> Result<(), CardWriteError> {
        match self.span() {
            Some((first, end)) if end - first > CHUNK && self.others == Some(true) => {
                Err(CardWriteError::Crowded(self.at.path.clone()))
            }
            _ => Ok(()),
        }
    }

    /// What is written, and where, in order. A directory that needs several commands is switched off by the first of them, and on by the last.
    fn pieces(&self) -> Vec<(usize, Zeroizing<Vec<u8>>)> {
        let Some((first, end)) = self.span() else {
            return Vec::new();
        };
        let piece = |offset: usize, end: usize| {
            let octets = self.new.get(offset..end).unwrap_or(&[]);
            (offset, Zeroizing::new(octets.to_vec()))
        };
        let pieces = (first..end)
            .step_by(CHUNK)
            .map(|offset| piece(offset, (offset + CHUNK).min(end)));
        if end - first <= CHUNK || self.others.is_none() {
            return pieces
                .filter(|(offset, octets)| {
                    self.old.get(*offset..offset + octets.len()) != Some(octets)
                })
                .collect();
        }
        let off = (0, Zeroizing::new(vec![0xFF]));
        let whole = (0..end)
            .step_by(CHUNK)
            .map(|offset| piece(offset, (offset + CHUNK).min(end)));
        let mut all: Vec<_> = whole.collect();
        all.reverse();
        all.insert(0, off);
        all
    }

    fn expect_done(&self, status: u16) -> Result<(), CardWriteError> {
        if is_done(status) {
            Ok(())
        } else {
            Err(self.refused(status))
        }
    }

    fn refused(&self, status: u16) -> CardWriteError {
        CardWriteError::Refused(self.at.path.clone(), StatusWord(status))
    }
}
