use std::thread;
use std::time::{Duration, Instant};

use omadm_card::{CardTransport, CardTrouble, TransportError};
use pcsc::{Disposition, Error, Protocol, Protocols, ShareMode, Status, Transaction};
use zeroize::Zeroizing;

use super::attended::Progress;
use super::trouble::trouble;

/// How long it is looked whether a card is still there, after an exchange that failed without saying why: the service notices a pulled one within 0.4 s.
const SETTLE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(100);
/// Longest response: 256 octets and a status word.
const LONGEST: usize = 258;

/// A card in a reader of the system, held for itself while this lives.
pub(super) struct PcscTransport<'t> {
    card: Transaction<'t>,
    protocol: Option<Protocol>,
    atr: Vec<u8>,
    progress: &'t Progress,
}

impl<'t> PcscTransport<'t> {
    pub(super) fn new(card: Transaction<'t>, progress: &'t Progress) -> Result<Self, Error> {
        let status = card.status2_owned()?;
        Ok(Self {
            protocol: status.protocol2(),
            atr: status.atr().to_vec(),
            card,
            progress,
        })
    }

    /// Lets go of the card in one step with what is done to it: nobody finds it with our PIN verified.
    pub(super) fn end(self, afterwards: Disposition) {
        self.progress.step(CardTrouble::ReaderFailed);
        // Where that fails, the card or its reader is gone, and with it what was verified.
        let _gone = self.card.end(afterwards);
    }

    fn failed(&self, error: Error) -> TransportError {
        match error {
            Error::ResetCard | Error::UnpoweredCard => TransportError::Reset,
            Error::NotTransacted | Error::Timeout => self.settled(error),
            error => trouble(error).into(),
        }
    }

    /// Why an exchange failed: a pulled card gives `NotTransacted` first, while the service still takes it for present.
    fn settled(&self, error: Error) -> TransportError {
        let end = Instant::now() + SETTLE;
        loop {
            self.progress.step(CardTrouble::ReaderFailed);
            match self.card.status2_owned() {
                Err(Error::ResetCard | Error::UnpoweredCard) => return TransportError::Reset,
                Err(error) => return trouble(error).into(),
                Ok(status) if status.status().contains(Status::ABSENT) => {
                    return CardTrouble::CardPulled.into();
                }
                Ok(_) if Instant::now() > end => return trouble(error).into(),
                Ok(_) => thread::sleep(LOOK),
            }
        }
    }
}

impl CardTransport for PcscTransport<'_> {
    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.progress.step(CardTrouble::CardSilent);
        let command = match self.protocol {
            Some(Protocol::T0) => without_le(command),
            _ => command,
        };
        let mut response = Zeroizing::new([0; LONGEST]);
        match self.card.transmit(command, &mut *response) {
            // Drivers give an empty answer for a card that went in the middle of one.
            Ok(response) if response.len() < 2 => Err(self.settled(Error::NotTransacted)),
            Ok(response) => Ok(response.to_vec()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.progress.step(CardTrouble::CardSilent);
        let connected = self.card.reconnect(
            ShareMode::Shared,
            Protocols::T0 | Protocols::T1,
            Disposition::LeaveCard,
        );
        connected.map_err(|error| self.failed(error))?;
        let status = self.card.status2_owned();
        let status = status.map_err(|error| self.failed(error))?;
        (self.protocol, self.atr) = (status.protocol2(), status.atr().to_vec());
        Ok(())
    }

    fn pause(&mut self, pause: Duration) {
        self.progress.step(CardTrouble::CardSilent);
        thread::sleep(pause);
    }
}

/// T=0 has no room for the octets wanted beside data: the card announces its answer with `61xx` (ISO 7816-3, case 4).
fn without_le(command: &[u8]) -> &[u8] {
    match command {
        [_, _, _, _, length, body @ ..]
            if *length > 0 && body.len() == usize::from(*length) + 1 =>
        {
            command.get(..command.len() - 1).unwrap_or(command)
        }
        command => command,
    }
}

#[cfg(test)]
mod tests {
    use super::without_le;

    #[test]
    fn only_a_command_with_data_and_an_answer_loses_its_le() {
        assert_eq!(
            without_le(&[0, 0xA4, 0, 4, 2, 0x3F, 0, 0]),
            [0, 0xA4, 0, 4, 2, 0x3F, 0]
        );
        for command in [
            &[0, 0xB0, 0, 0, 0x40][..],
            &[0, 0xA4, 0, 4, 2, 0x3F, 0],
            &[0, 0x20, 0, 1],
            &[0, 0xC0, 0, 0, 0],
        ] {
            assert_eq!(without_le(command), command);
        }
    }
}
