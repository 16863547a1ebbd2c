use std::fmt;

use omadm_card::reading::{CardDocument, DocumentEncoding};

use crate::dm1::{Dm1Format, document_octets};
use crate::{PayloadHash, ProfileFormat};

/// The DM Bootstrap in a file of a card: of which generation and format is told by its content, whatever OID names the file (`dm1x.md` M23).
///
/// `Debug` tells format, size and hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CardBootstrap<'a> {
    /// The document without what fills the file: one of DM 1.x ends with its root element.
    pub octets: &'a [u8],
    /// What it is.
    pub format: ProfileFormat,
    /// SHA-256 of the octets: what tells changed content from unchanged.
    pub digest: PayloadHash,
}

/// Why a file that holds something holds no DM Bootstrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoCardBootstrap {
    /// It is WBXML for somebody else.
    #[error("WBXML that is no DM Bootstrap")]
    Foreign,
    /// It begins like one of DM 1.x and does not come to an end.
    #[error("a document of DM 1.x that cannot be read to its end")]
    Broken,
}

impl<'a> CardBootstrap<'a> {
    /// Takes it out of what a file holds. Of DM 2.0 nothing but the encoding is looked at.
    ///
    /// # Errors
    /// [`NoCardBootstrap`].
    pub fn of(file: &'a CardDocument) -> Result<Self, NoCardBootstrap> {
        let octets = file.bytes();
        if file.encoding() == DocumentEncoding::Json {
            return Ok(Self {
                octets,
                format: ProfileFormat::Dm2,
                digest: PayloadHash::from_octets(file.sha256),
            });
        }
        let format = Dm1Format::of_document(octets).ok_or(NoCardBootstrap::Foreign)?;
        let octets = document_octets(octets).ok_or(NoCardBootstrap::Broken)?;
        Ok(Self {
            octets,
            format: format.profile(),
            digest: PayloadHash::of(octets),
        })
    }
}

impl fmt::Debug for CardBootstrap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (format, octets) = (self.format, self.octets.len());
        write!(f, "{format}, {octets} octets, SHA-256 {:?}", self.digest)
    }
}
