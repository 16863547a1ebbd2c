use std::fmt;

/// Why a document could not be read or written. Its author is at fault: the peer when read, the caller when written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkupError {
    at: Option<usize>,
    fault: MarkupFault,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkupFault {
    /// It ends within an element or a token.
    #[error("the document ends too early")]
    TooShort,
    /// It is longer than the limit.
    #[error("the document has {0} octets, more than the {1} allowed")]
    TooLong(usize, usize),
    /// Elements nest deeper than the limit.
    #[error("elements nest deeper than {0}")]
    TooDeep(usize),
    /// References into the string table unfold to more than the limit.
    #[error("references into the string table unfold to more than {0} octets")]
    TooMuchText(usize),
    /// A WBXML version other than 1.0 to 1.3.
    #[error("WBXML version octet {0:#04x}; 1.0 to 1.3 are read")]
    WbxmlVersion(u8),
    /// A public identifier that belongs to none of our vocabularies.
    #[error("public identifier {0} is neither SyncML 1.x, nor DM DDF 1.2, nor PROV 1.0")]
    PublicId(Box<str>),
    /// A character set other than UTF-8 and US-ASCII.
    #[error("character set {0} (MIBenum); UTF-8 (106) and US-ASCII (3) are read")]
    Charset(u32),
    /// A number of more than 32 bits.
    #[error("a multi-byte integer exceeds 32 bits")]
    Integer,
    /// A reference that points behind the string table.
    #[error("string table reference {0} points behind the table")]
    StringReference(u32),
    /// Octets that are not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// An XML declaration that names an encoding other than UTF-8 and US-ASCII.
    #[error("XML encoding `{0}`; UTF-8 and US-ASCII are read")]
    Encoding(Box<str>),
    /// A global token that has no meaning here.
    #[error("token {0:#04x} has no meaning in this vocabulary")]
    Token(u8),
    /// An attribute's token that the tables do not have.
    #[error("attribute token {token:#04x} of page {page} is not assigned")]
    AttributeToken {
        /// The attribute code page.
        page: u8,
        /// The token.
        token: u8,
    },
    /// A character that XML cannot hold, or a number that is no character.
    #[error("character number {0} cannot be in a document")]
    Character(u32),
    /// Nothing but white space, or no root element.
    #[error("there is no root element")]
    NoRoot,
    /// Text or an element where neither may be.
    #[error("content outside of the root element")]
    OutsideRoot,
    /// XML that is not well-formed.
    #[error("the XML is not well-formed: {0}")]
    NotWellFormed(Box<str>),
    /// A reference to an entity that is not one of XML's five; entities are never expanded.
    #[error("the entity `{0}` is not one of XML's own; others are not expanded")]
    Entity(Box<str>),
    /// An element whose name or token cannot be written in the other serialization.
    #[error("`{0}` has no token in this vocabulary")]
    NotInVocabulary(Box<str>),
    /// An element that holds no number where one is due.
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    /// Octets that are no text, where text is due.
    #[error("octets that are no text")]
    NotText,
    /// Octets that are no text, in XML.
    #[error("octets that are no text cannot stand in XML")]
    OpaqueInXml,
}

impl MarkupError {
    pub(crate) const fn at(at: usize, fault: MarkupFault) -> Self {
        Self {
            at: Some(at),
            fault,
        }
    }

    pub(crate) const fn nowhere(fault: MarkupFault) -> Self {
        Self { at: None, fault }
    }

    /// The offset in octets at which it was seen, where one is known.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        self.at
    }

    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> &MarkupFault {
        &self.fault
    }
}

impl fmt::Display for MarkupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "octet {at}: {}", self.fault),
            None => self.fault.fmt(f),
        }
    }
}

impl std::error::Error for MarkupError {}
