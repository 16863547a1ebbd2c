//! TNDS: a piece of a DM tree in one object (§4.4), and where it stands in a message: text, a WBXML document of its own, or elements that nobody escaped.

mod build;
mod read;
mod write;

use omadm_mo::Format;

use crate::markup::{MarkupError, MarkupFault, MarkupLimits, Vocabulary, XmlVocabulary};
use crate::syncml::{Data, Encoding};
use crate::wbxml::{WbxmlReader, WbxmlWriter};
use crate::xml::{XmlReader, XmlWriter};

pub use build::TndsPlaces;

/// The media type in XML.
pub const MEDIA_TYPE_XML: &str = "application/vnd.syncml.dmtnds+xml";
/// The media type in WBXML.
pub const MEDIA_TYPE_WBXML: &str = "application/vnd.syncml.dmtnds+wbxml";
/// Most nodes of a TNDS object. Local limit.
pub const MAX_NODES: usize = 4096;

/// `MgmtTree`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MgmtTree {
    /// `Man`
    pub man: Option<String>,
    /// `Mod`
    pub model: Option<String>,
    /// The nodes at its top.
    pub nodes: Vec<TndsNode>,
}

/// `Node`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TndsNode {
    /// `NodeName`: `None` where it was left out (the device places the node by its type), empty where the target's URI gives it.
    pub name: Option<String>,
    /// `Path`: where it lies below the target of the command.
    pub path: Option<String>,
    /// `RTProperties`
    pub properties: RtProperties,
    /// The nodes below it.
    pub nodes: Vec<Self>,
    /// `Value` of a leaf.
    pub value: Option<Data>,
}

/// `RTProperties`: what a node is, each as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtProperties {
    /// `ACL`
    pub acl: Option<String>,
    /// `Format`
    pub format: Option<Format>,
    /// `Title`
    pub title: Option<String>,
    /// `TStamp`
    pub tstamp: Option<String>,
    /// `Type`
    pub r#type: Option<NodeType>,
    /// `VerNo`
    pub ver_no: Option<u16>,
}

/// `Type`: of a leaf the media type, of an interior node the MO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeType {
    /// `MIME`
    Mime(String),
    /// `DDFName`: an MO identifier; may be empty.
    DdfName(String),
}

/// What is no TNDS object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TndsFault {
    /// The document itself.
    #[error(transparent)]
    Markup(#[from] MarkupError),
    /// Another root element.
    #[error("the root element is not MgmtTree")]
    NotMgmtTree,
    /// More nodes than [`MAX_NODES`].
    #[error("more than {MAX_NODES} nodes")]
    TooMany,
    /// Nodes below a leaf with a value.
    #[error("the node `{0}` has both a value and nodes below it")]
    ValueAndNodes(Box<str>),
    /// A format that nobody knows.
    #[error("`{0}` is no format of a node")]
    Format(Box<str>),
}

impl MgmtTree {
    /// Reads the content of an Item: a WBXML document, or XML, escaped or not (§2.5).
    ///
    /// # Errors
    ///
    /// [`TndsFault`].
    pub fn decode(data: &Data, limits: MarkupLimits) -> Result<Self, TndsFault> {
        let octets = data.octets();
        match Encoding::of_body(octets) {
            Some(Encoding::Wbxml) => read::read(WbxmlReader::new(octets, limits)?),
            Some(Encoding::Xml) | None => read::read(XmlReader::new(
                octets,
                XmlVocabulary::SyncMlAndMgmtTree,
                limits,
            )?),
        }
    }

    /// The content of an Item: XML as text, WBXML as octets.
    ///
    /// # Errors
    ///
    /// A value that XML cannot hold; give it as base64 with the format `b64` or `bin`.
    pub fn encode(&self, encoding: Encoding) -> Result<Data, MarkupFault> {
        match encoding {
            Encoding::Xml => {
                let mut writer = XmlWriter::new();
                write::write(self, &mut writer);
                let octets = writer.finish()?;
                String::from_utf8(octets)
                    .map(Data::Text)
                    .map_err(|_| MarkupFault::NotUtf8)
            }
            Encoding::Wbxml => {
                let mut writer = WbxmlWriter::new(Vocabulary::MgmtTree);
                write::write(self, &mut writer);
                writer.finish().map(Data::Octets)
            }
        }
    }
}
