//! WBXML 1.0 to 1.3, read, and 1.2 and 1.3, written (§2.1).

mod header;
mod reader;
mod writer;

pub use header::WbxmlHeader;
pub use reader::WbxmlReader;
pub use writer::WbxmlWriter;

use crate::markup::{MarkupError, MarkupLimits, Vocabulary, copy};
use crate::xml::XmlReader;

/// The document that stands here in XML, whatever it says, in WBXML.
///
/// # Errors
/// What the XML reader says; an element without a name of the vocabulary; a value that WBXML cannot hold.
pub fn of_xml(
    xml: &[u8],
    vocabulary: Vocabulary,
    limits: MarkupLimits,
) -> Result<Vec<u8>, MarkupError> {
    let mut writer = WbxmlWriter::new(vocabulary);
    let mut reader = XmlReader::new(xml, vocabulary.into(), limits)?;
    copy(&mut reader, &mut writer)?;
    writer.finish().map_err(MarkupError::nowhere)
}

/// The tokens that each code page has.
mod global {
    pub(super) const SWITCH_PAGE: u8 = 0x00;
    pub(super) const END: u8 = 0x01;
    pub(super) const ENTITY: u8 = 0x02;
    pub(super) const STR_I: u8 = 0x03;
    pub(super) const LITERAL: u8 = 0x04;
    pub(super) const PI: u8 = 0x43;
    pub(super) const LITERAL_C: u8 = 0x44;
    pub(super) const STR_T: u8 = 0x83;
    pub(super) const LITERAL_A: u8 = 0x84;
    pub(super) const OPAQUE: u8 = 0xc3;
    pub(super) const LITERAL_AC: u8 = 0xc4;
}

/// Bit of a tag octet: an attribute list follows.
const ATTRIBUTES: u8 = 0x80;
/// Bit of a tag octet: content follows.
const CONTENT: u8 = 0x40;
/// Bits of a tag octet that name the element.
const TOKEN: u8 = 0x3f;
/// UTF-8 as MIBenum.
const UTF_8: u32 = 106;
