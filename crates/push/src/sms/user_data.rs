use super::{Ports, Reference};

/// Information elements that are read: concatenation with 8 and 16 bits, 16-bit ports. Others are passed over.
const CONCATENATION: u8 = 0x00;
const PORTS: u8 = 0x05;
const CONCATENATION_16: u8 = 0x08;

/// User data that begins with a header (TP-UDHI, esm_class & 40h), as it was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserData<'a> {
    /// Whom it is for.
    pub ports: Option<Ports>,
    /// Its place in a longer message.
    pub part: Option<Part>,
    /// What is behind the header.
    pub data: &'a [u8],
}

/// A part's place in a longer message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// What all parts have in common.
    pub reference: Reference,
    /// How many there are.
    pub total: u8,
    /// Which one it is, from 1.
    pub index: u8,
}

/// Why user data cannot be read. The sender is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UserDataError {
    /// The header, or an element in it, is longer than what is there.
    #[error("the user data header ends too early")]
    Cut,
    /// An element of another length than its kind has.
    #[error("information element {0:#04x} has {1} octets")]
    Element(u8, usize),
    /// A part that cannot be.
    #[error("part {index} of {total}")]
    Part {
        /// Its index.
        index: u8,
        /// Their number.
        total: u8,
    },
}

impl<'a> UserData<'a> {
    /// Reads user data with its header; elements in any order, the last of a kind counts.
    ///
    /// # Errors
    /// [`UserDataError`].
    pub fn read(octets: &'a [u8]) -> Result<Self, UserDataError> {
        let (length, rest) = octets.split_first().ok_or(UserDataError::Cut)?;
        let (mut header, data) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(UserDataError::Cut)?;
        let (mut ports, mut part) = (None, None);
        while let [kind, length, rest @ ..] = header {
            let (element, behind) = rest
                .split_at_checked(usize::from(*length))
                .ok_or(UserDataError::Cut)?;
            header = behind;
            match (*kind, element) {
                (PORTS, &[a, b, c, d]) => {
                    ports = Some(Ports {
                        destination: u16::from_be_bytes([a, b]),
                        source: u16::from_be_bytes([c, d]),
                    });
                }
                (CONCATENATION, &[reference, total, index]) => {
                    part = Some(Part::new(Reference::Octet(reference), total, index)?);
                }
                (CONCATENATION_16, &[high, low, total, index]) => {
                    let reference = Reference::Word(u16::from_be_bytes([high, low]));
                    part = Some(Part::new(reference, total, index)?);
                }
                (CONCATENATION | PORTS | CONCATENATION_16, _) => {
                    return Err(UserDataError::Element(*kind, element.len()));
                }
                _ => {}
            }
        }
        if !header.is_empty() {
            return Err(UserDataError::Cut);
        }
        Ok(Self { ports, part, data })
    }
}

impl Part {
    /// The part with this index of so many.
    ///
    /// # Errors
    /// [`UserDataError::Part`] where there can be no such part.
    pub fn new(reference: Reference, total: u8, index: u8) -> Result<Self, UserDataError> {
        if index == 0 || index > total {
            return Err(UserDataError::Part { index, total });
        }
        Ok(Self {
            reference,
            total,
            index,
        })
    }
}
