//! The dialogue with a card: from its class to every DM Bootstrap on it (§4), with PIN rules (§5) and the SIM lock (§8).

mod application;
mod entries;
mod file;
mod link;
mod lock;
mod pin;
mod select;

pub use link::CardClass;
pub use lock::{SimLock, SimLockError};
pub use pin::{CardPin, CardPinError};

pub(crate) use application::{Application, Candidate, LABEL, Location, Refusals};
pub(crate) use file::{FileContent, joined};
pub(crate) use link::trouble;
pub(crate) use pin::FEWEST_TRIES;
pub(crate) use select::Selected;

use application::content;
use link::Link;
use pin::Pins;
use select::Way;

use crate::apdu::{Answer, Command};

use crate::reading::{CardIdentity, CardOutcome, CardReading, ReaderName};
use crate::transport::{CardTransport, TransportError};
use crate::{CardOid, CardPath, CardTrouble, LockReason};

const EF_ICCID: u16 = 0x2FE2;
/// How often a reading begins again since another program reset the card.
const MOST_RESETS: u32 = 3;

/// How a card is read.
#[derive(Clone)]
pub struct CardSettings {
    /// OIDs that name a DM Bootstrap; [`CardOid::DM_BOOTSTRAP`] alone by default.
    pub accepted: Vec<CardOid>,
    /// The card's PIN; without one, what it guards is undetermined.
    pub pin: Option<CardPin>,
    /// Which cards are used; all by default.
    pub sim_lock: SimLock,
}

/// The way taken on a card, for people.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CardRoute {
    /// Which commands the card understands; none where it could not be told.
    pub class: Option<CardClass>,
    /// Labels of the applications in EF(DIR); the AID in hexadecimal where one has none.
    pub applications: Vec<String>,
    /// Every EF(ODF) that was read.
    pub odf: Vec<CardPath>,
    /// Every DODF that was read.
    pub dodf: Vec<CardPath>,
}

/// What a step of the dialogue gave.
enum Found<T> {
    Value(T),
    Rejected(LockReason),
    Trouble(CardTrouble),
}

/// One reading or writing of one card.
pub(crate) struct Dialogue<'t, 's> {
    link: Link<'t>,
    settings: &'s CardSettings,
    /// What verifying each PIN gave: each is tried once (§5).
    pins: Pins,
    /// AID of the application that is selected, whose local PINs are its own; empty where it has none.
    application: Vec<u8>,
    /// Index of the P2 of SELECT that the card understands.
    what_to_return: usize,
    has_iccid: bool,
}

impl Default for CardSettings {
    fn default() -> Self {
        Self {
            accepted: vec![CardOid::DM_BOOTSTRAP],
            pin: None,
            sim_lock: SimLock::default(),
        }
    }
}

/// Reads the card of a reader: lock check, identity, PKCS#15, every entry (§2). Nothing on the card is changed; the card may count a wrong PIN.
///
/// The caller holds the card for itself while this runs, and has seen that there is one.
#[must_use]
pub fn read_card(
    reader: &ReaderName,
    transport: &mut dyn CardTransport,
    settings: &CardSettings,
) -> CardReading {
    read_card_by_route(reader, transport, settings).0
}

/// Like [`read_card`], and tells the way taken.
#[must_use]
pub fn read_card_by_route(
    reader: &ReaderName,
    transport: &mut dyn CardTransport,
    settings: &CardSettings,
) -> (CardReading, CardRoute) {
    let mut resets = 0;
    let mut pins = Pins::default();
    loop {
        let mut route = CardRoute::default();
        let mut reading = CardReading {
            reader: reader.clone(),
            identity: None,
            outcome: CardOutcome::NoBootstrap,
        };
        let error = match look(transport, settings, &mut reading, &mut route, &mut pins) {
            Ok(()) => return (reading, route),
            Err(error) => error,
        };
        // The card has forgotten what was verified; what was refused is not tried again.
        pins.retain(|_, done| done.is_err());
        reading.outcome = CardOutcome::Undetermined(match error {
            TransportError::Trouble(trouble) => trouble,
            TransportError::Reset if resets == MOST_RESETS => CardTrouble::CardReset,
            // What was selected is gone: from the beginning (§7).
            TransportError::Reset => match transport.reset() {
                Ok(()) | Err(TransportError::Reset) => {
                    resets += 1;
                    continue;
                }
                Err(TransportError::Trouble(trouble)) => trouble,
            },
        });
        return (reading, route);
    }
}

/// The reading becomes whole only here: a half-read card leaves an error (§7).
fn look(
    transport: &mut dyn CardTransport,
    settings: &CardSettings,
    reading: &mut CardReading,
    route: &mut CardRoute,
    pins: &mut Pins,
) -> Result<(), TransportError> {
    let mut dialogue = Dialogue::open(transport, settings)?;
    dialogue.pins = std::mem::take(pins);
    let looked = dialogue.look(reading, route);
    *pins = dialogue.pins;
    looked
}

impl<'t, 's> Dialogue<'t, 's> {
    /// Begins, with the MF selected.
    pub(crate) fn open(
        transport: &'t mut dyn CardTransport,
        settings: &'s CardSettings,
    ) -> Result<Self, TransportError> {
        Ok(Self {
            link: Link::open(transport)?,
            settings,
            pins: Pins::default(),
            application: Vec::new(),
            what_to_return: 0,
            has_iccid: false,
        })
    }
}

impl Dialogue<'_, '_> {
    /// Which commands the card understands.
    pub(crate) const fn class(&self) -> CardClass {
        self.link.class
    }

    /// OIDs that name a DM Bootstrap.
    pub(crate) fn accepted(&self) -> &[CardOid] {
        &self.settings.accepted
    }

    /// Sends a command beyond those of reading.
    pub(crate) fn exchange(&mut self, command: &Command) -> Result<Answer, TransportError> {
        self.link.exchange(command)
    }

    /// Gives back the channel that was opened.
    pub(crate) fn close(mut self) -> Result<(), TransportError> {
        self.link.close_channel()
    }

    fn look(
        &mut self,
        reading: &mut CardReading,
        route: &mut CardRoute,
    ) -> Result<(), TransportError> {
        route.class = Some(self.link.class);
        let iccid = self.iccid()?;
        self.has_iccid = iccid.is_some();
        reading.identity = iccid.clone().map(CardIdentity::Iccid);
        let found = self.all(iccid.as_deref(), route);
        // The channel is given back whatever was found on it, as long as there is a card.
        if found.is_ok() {
            self.link.close_channel()?;
        }
        reading.outcome = match found? {
            Found::Value(all) => {
                reading.identity = reading.identity.take().or(all.identity);
                if all.entries.is_empty() {
                    CardOutcome::NoBootstrap
                } else {
                    CardOutcome::Read(all.entries)
                }
            }
            Found::Rejected(reason) => CardOutcome::Rejected(reason),
            Found::Trouble(trouble) => CardOutcome::Undetermined(trouble),
        };
        Ok(())
    }

    fn all(
        &mut self,
        iccid: Option<&str>,
        route: &mut CardRoute,
    ) -> Result<Found<entries::Entries>, TransportError> {
        let directory = self.read_directory()?;
        let label = |template: &crate::pkcs15::ApplicationTemplate| {
            let aid = || crate::hexadecimal::upper(&template.aid);
            template.label.clone().unwrap_or_else(aid)
        };
        route.applications = directory.templates.iter().map(label).collect();
        match self.check_lock(iccid, &directory.templates)? {
            Found::Value(()) => self.read_entries(&directory, route),
            Found::Rejected(reason) => Ok(Found::Rejected(reason)),
            Found::Trouble(trouble) => Ok(Found::Trouble(trouble)),
        }
    }

    /// The digits of EF(ICCID); none where the card has none, or does not tell it.
    pub(crate) fn iccid(&mut self) -> Result<Option<String>, TransportError> {
        let file = self.read(&[Way::Absolute(vec![EF_ICCID])], None, &[])?;
        let octets = content(file).ok().flatten();
        Ok(octets.as_deref().and_then(|octets| iccid(octets)))
    }
}

/// Ten octets of swapped nibbles, filled with F (§3).
fn iccid(octets: &[u8]) -> Option<String> {
    let nibbles = octets
        .iter()
        .take(10)
        .flat_map(|octet| [octet & 0x0F, octet >> 4]);
    let digits: String = nibbles
        .take_while(|nibble| *nibble < 10)
        .map(|nibble| char::from(b'0' + nibble))
        .collect();
    (!digits.is_empty()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::iccid;

    #[test]
    fn the_digits_of_an_iccid_are_swapped_and_end_at_the_filler() {
        let octets = [0x98, 0x94, 0x10, 0x27, 0x10, 0x32, 0x54, 0x76, 0x98, 0xF0];
        assert_eq!(iccid(&octets).as_deref(), Some("8949017201234567890"));
        assert_eq!(iccid(&[0xFF; 10]), None);
        assert_eq!(iccid(&[]), None);
    }
}
