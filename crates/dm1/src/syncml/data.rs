use std::fmt;

use zeroize::Zeroize as _;

use crate::markup::Content;

/// The content of an Item: a node's value, or whatever a command carries. It may be a secret, so `Debug` tells its length only and it is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    /// Character data: XML's, or a WBXML inline string.
    Text(String),
    /// A WBXML opaque.
    Octets(Vec<u8>),
}

impl Data {
    /// Octets as the decoder delivers them: what `Size` counts (M08).
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Octets(octets) => octets,
        }
    }

    /// The content as text, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.octets()).ok()
    }
}

impl From<Content> for Data {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Octets(octets) => Self::Octets(octets),
        }
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Octets(_) => "Octets",
        };
        write!(f, "{kind}({} octets)", self.octets().len())
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        match self {
            Self::Text(text) => text.zeroize(),
            Self::Octets(octets) => octets.zeroize(),
        }
    }
}
