use super::TlvError;
use crate::tlv::{Tlv, TlvWriter, elements};

const SEQUENCE: u32 = 0x30;
const INTEGER: u32 = 0x02;
const OCTETS: u32 = 0x04;
const UTF8: u32 = 0x0C;
const BITS: u32 = 0x03;
const LABEL: u32 = 0x80;

/// EF(TokenInfo): who the card is. OpenSC refuses a card without it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenInfo {
    /// Serial number, unique to the manufacturer.
    pub serial: Vec<u8>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// Its name for people.
    pub label: Option<String>,
}

impl TokenInfo {
    /// Reads the file; what is not known is skipped.
    ///
    /// # Errors
    /// What is no BER-TLV, or has no serial number.
    pub fn read(octets: &[u8]) -> Result<Self, TlvError> {
        let mut parts = elements(elements(octets).expect(SEQUENCE)?);
        parts.expect(INTEGER)?;
        let serial = parts.expect(OCTETS)?.to_vec();
        let mut info = Self {
            serial,
            manufacturer: None,
            label: None,
        };
        for part in parts {
            let Tlv { tag, value } = part?;
            let text = || Some(String::from_utf8_lossy(value).into_owned());
            match tag {
                UTF8 => info.manufacturer = text(),
                LABEL => info.label = text(),
                _ => {}
            }
        }
        Ok(info)
    }

    /// The file, of version 1, with the flag `readonly`: the user changes nothing on it (§3).
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut inner = TlvWriter::default()
            .integer(INTEGER, 0)
            .element(OCTETS, &self.serial);
        if let Some(manufacturer) = &self.manufacturer {
            inner = inner.element(UTF8, manufacturer.as_bytes());
        }
        if let Some(label) = &self.label {
            inner = inner.element(LABEL, label.as_bytes());
        }
        let inner = inner.element(BITS, &[0x07, 0x80]);
        TlvWriter::default()
            .nest(SEQUENCE, &inner)
            .octets()
            .to_vec()
    }
}
