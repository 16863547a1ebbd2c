use super::HeaderTextError;

/// Why octets are no Push PDU, and at which octet of it. The sender is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("octet {at}: {fault}")]
pub struct WspError {
    /// Octet of the PDU, from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: WspFault,
}

/// What is wrong with a Push PDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WspFault {
    /// It ends too early, or a part of it ends before what it announces.
    #[error("the octets end too early")]
    Cut,
    /// Another PDU than Push.
    #[error("PDU type {0:#04x} is not Push (0x06)")]
    NotPush(u8),
    /// A variable-length integer over 32 bits.
    #[error("a number is longer than 32 bits")]
    Number,
    /// A text with octets that a header cannot have.
    #[error(transparent)]
    Text(#[from] HeaderTextError),
    /// A value that begins with an octet which no integer and no text begins with.
    #[error("a value cannot begin with {0:#04x}")]
    Value(u8),
    /// No header name begins with this octet.
    #[error("a header cannot begin with {0:#04x}")]
    HeaderName(u8),
    /// SEC is none of 0 to 3.
    #[error("SEC {0} is not known (0 to 3 are)")]
    Sec(u32),
    /// MAC is not forty hexadecimal digits.
    #[error("MAC is not 40 hexadecimal digits")]
    Mac,
    /// MAC without SEC: nobody knows its key.
    #[error("MAC is there, SEC is not")]
    MacWithoutSec,
}

impl WspError {
    pub(super) const fn new(at: usize, fault: WspFault) -> Self {
        Self { at, fault }
    }
}
