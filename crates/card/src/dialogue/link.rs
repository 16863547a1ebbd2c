use std::time::Duration;

use crate::apdu::{Answer, Command, GET_RESPONSE, MANAGE_CHANNEL, Meaning, SELECT, meaning};
use crate::transport::{CardTransport, TransportError};
use crate::{CardTrouble, StatusWord};

/// How often a busy or faulty card is asked again, and how long between (§7).
const RETRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// Most octets of one response: more is a card that never ends.
const LONGEST_ANSWER: usize = 4096;
/// Most steps of one exchange: `61xx` and `6Cxx` each cost one.
const MOST_STEPS: u32 = 64;

/// Which commands a card understands (§4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardClass {
    /// Class 00: a UICC or a plain ISO card.
    Iso,
    /// Class A0: a 2G SIM, or a UICC that was activated as one.
    Sim,
}

/// The way to the card: its class, and the logical channel that is used.
pub(crate) struct Link<'t> {
    transport: &'t mut dyn CardTransport,
    pub(crate) class: CardClass,
    channel: u8,
}

impl<'t> Link<'t> {
    /// Probes for the class (§4, step 2). The MF is selected afterwards.
    pub(crate) fn open(transport: &'t mut dyn CardTransport) -> Result<Self, TransportError> {
        let mut link = Self {
            transport,
            class: CardClass::Iso,
            channel: 0,
        };
        let mf = || Command::new(SELECT, 0, 4).data(&[0x3F, 0]);
        let status = link.step(&mf().expect(0))?.status;
        if is_sim(status) || meaning(status) == Meaning::WrongClass {
            link.class = CardClass::Sim;
            let select = Command::new(SELECT, 0, 0).data(&[0x3F, 0]);
            let status = if is_sim(status) {
                status
            } else {
                link.exchange(&select)?.status
            };
            if meaning(status) == Meaning::WrongClass {
                return Err(CardTrouble::ClassUnknown.into());
            }
        }
        Ok(link)
    }

    /// Sends a command on the channel in use, fetches what is announced, corrects the length, and asks a busy card again.
    pub(crate) fn exchange(&mut self, command: &Command) -> Result<Answer, TransportError> {
        let mut answer = self.once(command)?;
        for _ in 0..RETRIES {
            if meaning(answer.status) != Meaning::Fault {
                break;
            }
            self.transport.pause(PAUSE);
            answer = self.once(command)?;
        }
        Ok(answer)
    }

    /// Sends a command that has no answer but a status word and must not be repeated, whatever the card says: one that costs a try.
    pub(crate) fn exchange_once(&mut self, command: &Command) -> Result<Answer, TransportError> {
        self.step(command)
    }

    /// Opens a logical channel and stays on it; on the basic one where the card has no others (§4, step 4).
    pub(crate) fn open_channel(&mut self) -> Result<(), TransportError> {
        if self.class == CardClass::Sim || self.channel != 0 {
            return Ok(());
        }
        let answer = self.exchange(&Command::new(MANAGE_CHANNEL, 0, 0).expect(1))?;
        if answer.is_ok()
            && let [number @ 1..=19] = answer.data[..]
        {
            self.channel = number;
        }
        Ok(())
    }

    /// Closes the channel that was opened.
    pub(crate) fn close_channel(&mut self) -> Result<(), TransportError> {
        let number = std::mem::take(&mut self.channel);
        if number != 0 {
            self.exchange(&Command::new(MANAGE_CHANNEL, 0x80, number))?;
        }
        Ok(())
    }

    fn once(&mut self, command: &Command) -> Result<Answer, TransportError> {
        let mut answer = self.step(command)?;
        if answer.status >> 8 == 0x6C {
            answer = self.step(&command.corrected(answer.status as u8))?;
        }
        let mut whole = answer;
        for _ in 0..MOST_STEPS {
            let high = whole.status >> 8;
            if high != 0x61 && !(high == 0x9F && self.class == CardClass::Sim) {
                return Ok(whole);
            }
            let mut next =
                self.step(&Command::new(GET_RESPONSE, 0, 0).expect(whole.status as u8))?;
            if next.status >> 8 == 0x6C {
                next = self.step(&Command::new(GET_RESPONSE, 0, 0).expect(next.status as u8))?;
            }
            if whole.data.len() + next.data.len() > LONGEST_ANSWER {
                break;
            }
            whole.data.extend_from_slice(&next.data);
            whole.status = next.status;
        }
        Err(CardTrouble::CardMisbehaved.into())
    }

    fn step(&mut self, command: &Command) -> Result<Answer, TransportError> {
        let class = match (self.class, self.channel) {
            (CardClass::Sim, _) => 0xA0,
            (CardClass::Iso, channel @ 0..=3) => channel,
            (CardClass::Iso, channel) => 0x40 | (channel - 4),
        };
        let answer = self.transport.transmit(&command.octets(class))?;
        Answer::read(answer).ok_or_else(|| CardTrouble::CardMisbehaved.into())
    }
}

/// `9Fxx`: only a 2G SIM answers so.
const fn is_sim(status: u16) -> bool {
    status >> 8 == 0x9F
}

/// The trouble of a status word that is none of those which the caller handles.
pub(crate) const fn trouble(status: u16) -> CardTrouble {
    let word = StatusWord(status);
    match meaning(status) {
        Meaning::Fault => CardTrouble::CardFault(word),
        Meaning::PinNeeded => CardTrouble::PinMissing,
        Meaning::PinBlocked => CardTrouble::PinBlocked,
        _ => CardTrouble::UnknownStatus(word),
    }
}
