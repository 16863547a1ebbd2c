use super::reader::Reader;
use super::{HeaderText, WspError, writer};

/// X-Wap-Application-Id: which application of the device gets the push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplicationId {
    /// A number of the OMNA list.
    Code(u32),
    /// A URI.
    Uri(HeaderText),
}

impl ApplicationId {
    /// `x-wap-application:syncml.dm`: the DM Client (`push.md` §1).
    pub const SYNCML_DM: Self = Self::Code(0x07);

    pub(super) fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Code(code) => writer::integer(into, *code),
            Self::Uri(uri) => writer::text(into, uri.as_str()),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WspError> {
        Ok(match from.peek()? {
            32..=127 => Self::Uri(from.text()?),
            _ => Self::Code(from.integer()?),
        })
    }
}
