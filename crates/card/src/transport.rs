use std::time::Duration;

use crate::CardTrouble;

/// A card in a reader, held for the whole of one reading: what PC/SC, a card in this process, or a modem gives.
///
/// The dialogue above it fetches what `61xx` announces and repeats what `6Cxx` corrects; a transport may do so itself.
pub trait CardTransport {
    /// The answer to reset; empty where the transport does not tell it.
    fn atr(&self) -> &[u8];

    /// Sends a command APDU and gives the response: data, then the two octets of the status word.
    ///
    /// # Errors
    /// Why there is no response. A transport bounds its waiting: a card that never answers is [`CardTrouble::CardSilent`].
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// Connects anew after a reset by somebody else; the card has forgotten what was selected and which PIN was verified.
    ///
    /// # Errors
    /// Why the card cannot be used any more.
    fn reset(&mut self) -> Result<(), TransportError>;

    /// Waits, since a busy card is asked again (§7); never longer than given.
    fn pause(&mut self, pause: Duration);
}

/// Why a card gave no response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransportError {
    /// Somebody else reset the card: the reading begins again (§7).
    #[error("the card was reset by another program")]
    Reset,
    /// Anything else: the reading is undetermined.
    #[error(transparent)]
    Trouble(#[from] CardTrouble),
}
