use super::Dialogue;
use super::link::CardClass;
use crate::apdu::{Command, Meaning, SELECT, meaning};
use crate::file_info::FileInfo;
use crate::path::{CURRENT_APPLICATION, MF};
use crate::transport::TransportError;

/// P2 of SELECT: FCP, FCI, nothing. Cards know one of them at least; the one that worked is kept (§4.3).
const WHAT_TO_RETURN: [u8; 3] = [0x04, 0x00, 0x0C];
const BY_ID: u8 = 0x00;
const BY_AID: u8 = 0x04;
const FROM_MF: u8 = 0x08;
const FROM_CURRENT_DF: u8 = 0x09;

/// What a SELECT gave.
pub(crate) enum Selected {
    /// The file is selected.
    File(FileInfo),
    /// There is no such file, or it is deactivated.
    Missing,
    /// Another status word.
    Refused(u16),
}

/// A way to a file: what the standard offers, and cards understand some of (§3.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// From the MF down, the MF left out.
    Absolute(Vec<u16>),
    /// From the application that is selected on the channel: `7FFF`.
    InApplication(Vec<u16>),
    /// From the DF of this AID, selected anew.
    BelowAid(Vec<u8>, Vec<u16>),
}

impl Dialogue<'_, '_> {
    /// Goes the ways in turn until one leads to a file. Missing only where every way said so.
    pub(crate) fn select(&mut self, ways: &[Way]) -> Result<Selected, TransportError> {
        let mut refused = None;
        for way in ways {
            match self.go(way)? {
                Selected::File(info) if info.invalidated => return Ok(Selected::Missing),
                Selected::File(info) => return Ok(Selected::File(info)),
                Selected::Missing => {}
                Selected::Refused(status) => refused = refused.or(Some(status)),
            }
        }
        Ok(refused.map_or(Selected::Missing, Selected::Refused))
    }

    /// Selects an application by its AID.
    pub(crate) fn select_aid(&mut self, aid: &[u8]) -> Result<Selected, TransportError> {
        self.select_one(BY_AID, aid)
    }

    fn go(&mut self, way: &Way) -> Result<Selected, TransportError> {
        match way {
            Way::Absolute(files) if self.link.class == CardClass::Sim => self.step_down(files),
            Way::Absolute(files) if files.is_empty() => self.select_one(BY_ID, &MF.to_be_bytes()),
            Way::Absolute(files) => {
                let selected = self.select_one(FROM_MF, &octets(files))?;
                match selected {
                    Selected::Refused(status) if is_unsupported(status) => self.step_down(files),
                    selected => Ok(selected),
                }
            }
            Way::InApplication(files) => {
                let below = octets(files);
                self.select_one(
                    FROM_MF,
                    &[&CURRENT_APPLICATION.to_be_bytes(), &below[..]].concat(),
                )
            }
            Way::BelowAid(aid, files) => match self.select_aid(aid)? {
                Selected::File(_) if !files.is_empty() => {
                    self.select_one(FROM_CURRENT_DF, &octets(files))
                }
                selected => Ok(selected),
            },
        }
    }

    /// One SELECT for each file identifier, from the MF down: all that a 2G SIM understands (§4.2).
    fn step_down(&mut self, files: &[u16]) -> Result<Selected, TransportError> {
        let mut selected = self.select_one(BY_ID, &MF.to_be_bytes())?;
        for file in files {
            if !matches!(selected, Selected::File(_)) {
                break;
            }
            selected = self.select_one(BY_ID, &file.to_be_bytes())?;
        }
        Ok(selected)
    }

    fn select_one(&mut self, how: u8, what: &[u8]) -> Result<Selected, TransportError> {
        if self.link.class == CardClass::Sim {
            let answer = self.link.exchange(&Command::new(SELECT, 0, 0).data(what))?;
            return Ok(selected(answer.status, || FileInfo::from_sim(&answer.data)));
        }
        let mut last = Selected::Missing;
        for number in self.what_to_return..WHAT_TO_RETURN.len() {
            let p2 = WHAT_TO_RETURN.get(number).copied().unwrap_or(0x0C);
            let command = Command::new(SELECT, how, p2).data(what);
            let command = if p2 == 0x0C {
                command
            } else {
                command.expect(0)
            };
            let answer = self.link.exchange(&command)?;
            last = selected(answer.status, || FileInfo::from_fcp(&answer.data));
            match last {
                Selected::Refused(status) if is_unsupported(status) => {}
                _ => {
                    self.what_to_return = number;
                    break;
                }
            }
        }
        Ok(last)
    }
}

fn selected(status: u16, info: impl Fn() -> FileInfo) -> Selected {
    match meaning(status) {
        Meaning::Done | Meaning::EndReached => Selected::File(info()),
        Meaning::Invalidated => Selected::File(FileInfo {
            invalidated: true,
            ..info()
        }),
        Meaning::NotFound => Selected::Missing,
        _ => Selected::Refused(status),
    }
}

/// Whether another form of the same SELECT may be understood.
const fn is_unsupported(status: u16) -> bool {
    matches!(meaning(status), Meaning::NotSupported | Meaning::OutOfRange)
}

fn octets(files: &[u16]) -> Vec<u8> {
    files.iter().flat_map(|file| file.to_be_bytes()).collect()
}
