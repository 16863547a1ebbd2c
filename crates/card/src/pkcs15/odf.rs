use super::{DodfItem, MOST_ELEMENTS, Pkcs15Path, TlvError, dodf};
use crate::tlv::{TlvWriter, elements};

const DATA_OBJECTS: u32 = 0xA7;
const SEQUENCE: u32 = 0x30;
const OBJECTS: u32 = 0xA0;

/// What EF(ODF) says about data objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OdfItem {
    /// A DODF lies there.
    Dodf(Pkcs15Path),
    /// The objects stand in the ODF itself.
    Objects(Vec<DodfItem>),
}

/// Reads EF(ODF): what it says about data objects, in order; keys, certificates and PINs are skipped.
///
/// # Errors
/// What is no BER-TLV, or names a DODF by no path.
pub fn read_odf(octets: &[u8]) -> Result<Vec<OdfItem>, TlvError> {
    let mut items = Vec::new();
    for (number, element) in elements(octets).enumerate() {
        if number == MOST_ELEMENTS {
            return Err(TlvError::TooMany);
        }
        let element = element?;
        if element.tag != DATA_OBJECTS {
            continue;
        }
        for choice in elements(element.value).take(MOST_ELEMENTS) {
            let choice = choice?;
            match choice.tag {
                SEQUENCE => items.push(OdfItem::Dodf(Pkcs15Path::read(choice.value)?)),
                OBJECTS => items.push(OdfItem::Objects(dodf::read_dodf(choice.value))),
                _ => {}
            }
        }
    }
    Ok(items)
}

impl OdfItem {
    /// EF(ODF) that names these DODFs, the first having the highest priority.
    #[must_use]
    pub fn write(dodfs: &[Pkcs15Path]) -> Vec<u8> {
        let writer = dodfs.iter().fold(TlvWriter::default(), |writer, path| {
            writer.nest(DATA_OBJECTS, &path.write(TlvWriter::default()))
        });
        writer.octets().to_vec()
    }
}
