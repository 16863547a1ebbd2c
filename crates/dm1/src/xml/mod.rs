//! XML as DM 1.x uses it: no document type is looked at, no entity expanded (§1.11).

mod reader;
mod writer;

pub use reader::XmlReader;
pub use writer::XmlWriter;
pub(crate) use writer::{escaped_attribute, escaped_text};
