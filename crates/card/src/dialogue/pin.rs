use std::collections::BTreeMap;

use omadm_mo::Secret;
use zeroize::Zeroizing;

use super::Dialogue;
use super::link::CardClass;
use super::select::{Selected, Way};
use crate::CardTrouble;
use crate::apdu::{Command, Meaning, VERIFY, meaning};
use crate::file_info::{FileInfo, ReadCondition};
use crate::transport::TransportError;
use crate::trouble::{PinTries, StatusWord};

/// PIN1 of the application: what is asked for where the card does not say which.
const PIN1: u8 = 0x01;
/// With fewer tries left, a PIN from a file is not tried: the holder keeps the last one (§5).
pub(crate) const FEWEST_TRIES: u8 = 2;

/// A PIN: four to eight digits. Wiped on drop, without `Debug`.
#[derive(Clone)]
pub struct CardPin(Secret);

/// Octets that are no PIN; they are not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a PIN has four to eight digits")]
pub struct CardPinError;

impl CardPin {
    /// Takes the digits, ASCII.
    ///
    /// # Errors
    /// Where it is not four to eight digits.
    pub fn new(digits: Secret) -> Result<Self, CardPinError> {
        let octets = digits.expose();
        if (4..=8).contains(&octets.len()) && octets.iter().all(u8::is_ascii_digit) {
            Ok(Self(digits))
        } else {
            Err(CardPinError)
        }
    }

    /// Eight octets, filled with `FF`.
    fn block(&self) -> Zeroizing<[u8; 8]> {
        let mut block = Zeroizing::new([0xFF; 8]);
        for (place, digit) in block.iter_mut().zip(self.0.expose()) {
            *place = *digit;
        }
        block
    }
}

/// What verifying a PIN gave, by the application whose own it is, none for those of the whole card, and its reference.
pub(super) type Pins = BTreeMap<(Vec<u8>, u8), Result<(), CardTrouble>>;

/// References of PINs that belong to one application.
const LOCAL: u8 = 0x80;

impl Dialogue<'_, '_> {
    /// Verifies the PIN that guards the selected file, once for each reference, however often the card is reset. The file has to be selected again.
    pub(crate) fn unlock(
        &mut self,
        file: &FileInfo,
        directory: &[u8],
    ) -> Result<Result<(), CardTrouble>, TransportError> {
        let reference = match file.read {
            Some(ReadCondition::Issuer) => return Ok(Err(CardTrouble::IssuerOnly)),
            Some(ReadCondition::Chv(number)) => number,
            Some(ReadCondition::Always) | None => holder_pin(&file.pins)
                .or_else(|| holder_pin(directory))
                .unwrap_or(PIN1),
        };
        let owner = if reference & LOCAL == 0 {
            Vec::new()
        } else {
            self.application.clone()
        };
        let pin = (owner, reference);
        if let Some(known) = self.pins.get(&pin) {
            return Ok(*known);
        }
        let done = self.verify_pin(&pin)?;
        self.pins.insert(pin, done);
        Ok(done)
    }

    fn verify_pin(
        &mut self,
        pin: &(Vec<u8>, u8),
    ) -> Result<Result<(), CardTrouble>, TransportError> {
        let reference = pin.1;
        let Some(digits) = &self.settings.pin else {
            return Ok(Err(CardTrouble::PinMissing));
        };
        let block = digits.block();
        let tries = match self.tries(reference)? {
            Ok(Some(tries)) => tries,
            // Not needed any more, or switched off.
            Ok(None) => return Ok(Ok(())),
            Err(trouble) => return Ok(Err(trouble)),
        };
        if tries == 0 {
            return Ok(Err(CardTrouble::PinBlocked));
        }
        if tries < FEWEST_TRIES {
            return Ok(Err(CardTrouble::PinTriesLow(PinTries(tries))));
        }
        // A card that is reset before it has answered may have counted.
        self.pins.insert(pin.clone(), Err(CardTrouble::CardReset));
        let verify = Command::new(VERIFY, 0, reference).data(&*block);
        let answer = self.link.exchange_once(&verify)?;
        Ok(match answer.status {
            0x9000 => Ok(()),
            0x63C0 => Err(CardTrouble::PinBlocked),
            status @ 0x63C1..=0x63CF => Err(CardTrouble::PinWrong(PinTries(status as u8 & 0x0F))),
            // A 2G SIM does not count in its answer.
            0x9804 => Err(CardTrouble::PinWrong(PinTries(tries - 1))),
            status if meaning(status) == Meaning::PinBlocked => Err(CardTrouble::PinBlocked),
            status => Err(CardTrouble::UnknownStatus(StatusWord(status))),
        })
    }

    /// Tries left, asked for without spending one; none where the PIN need not be verified. Where the card does not tell, the PIN is not tried.
    fn tries(&mut self, reference: u8) -> Result<Result<Option<u8>, CardTrouble>, TransportError> {
        if self.link.class == CardClass::Sim {
            let info = match self.select(&[Way::Absolute(Vec::new())])? {
                Selected::File(info) => info,
                Selected::Missing => return Ok(Err(CardTrouble::CardMisbehaved)),
                Selected::Refused(status) => {
                    return Ok(Err(CardTrouble::UnknownStatus(StatusWord(status))));
                }
            };
            let tries = info
                .chv_tries
                .and_then(|tries| tries.get(usize::from(reference) - 1).copied());
            return Ok(tries.map(Some).ok_or(CardTrouble::CardMisbehaved));
        }
        let answer = self.link.exchange(&Command::new(VERIFY, 0, reference))?;
        Ok(match answer.status {
            0x9000 => Ok(None),
            status @ 0x63C0..=0x63CF => Ok(Some(status as u8 & 0x0F)),
            status if meaning(status) == Meaning::PinBlocked => Err(CardTrouble::PinBlocked),
            status => Err(CardTrouble::UnknownStatus(StatusWord(status))),
        })
    }
}

/// The first reference that is the holder's: application, universal or local; those of the issuer (ADM) are left out (TS 102 221).
fn holder_pin(references: &[u8]) -> Option<u8> {
    references
        .iter()
        .copied()
        .find(|reference| matches!(reference, 0x01..=0x08 | 0x11 | 0x81..=0x88))
}
