use super::{Command, Status, SyncHdr};
use crate::markup::{MarkupFault, Vocabulary};
use crate::wbxml::WbxmlWriter;
use crate::xml::XmlWriter;

/// A DM message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `SyncHdr`.
    pub header: SyncHdr,
    /// `SyncBody`, without `Final`.
    pub commands: Vec<Command>,
    /// `Final`: the package ends with this message.
    pub r#final: bool,
}

/// How a message is serialized. A session keeps to one (M09).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/vnd.syncml.dm+xml`
    Xml,
    /// `application/vnd.syncml.dm+wbxml`
    Wbxml,
}

impl Encoding {
    /// The media type (§1.1).
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Xml => "application/vnd.syncml.dm+xml",
            Self::Wbxml => "application/vnd.syncml.dm+wbxml",
        }
    }

    /// What a body is by its first octet, where its media type does not tell (M13).
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Self> {
        match body.first()? {
            b'<' | 0xef | b' ' | b'\t' | b'\r' | b'\n' => Some(Self::Xml),
            0..=3 => Some(Self::Wbxml),
            _ => None,
        }
    }
}

impl Message {
    /// Its statuses, in their order.
    pub fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.commands.iter().filter_map(|command| match command {
            Command::Status(status) => Some(status),
            _ => None,
        })
    }

    /// The message's octets.
    ///
    /// # Errors
    ///
    /// In XML: a control character in a text, or octets that are no text whose item does not say `b64`; see [`super::Item`].
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, MarkupFault> {
        match encoding {
            Encoding::Xml => {
                let mut writer = XmlWriter::new();
                self.write(&mut writer, encoding);
                writer.finish()
            }
            Encoding::Wbxml => {
                let mut writer = WbxmlWriter::new(Vocabulary::SyncMl);
                self.write(&mut writer, encoding);
                writer.finish()
            }
        }
    }
}
