//! Documents for people: indented XML, secrets masked.

mod inner;

use crate::markup::{
    Event, MarkupError, MarkupFault, MarkupLimits, MarkupReader, Name, Tag, Vocabulary,
    XmlVocabulary, ddf_tags, metinf_tags, provisioning_tags, syncml_tags as tags,
};
use crate::syncml::Encoding;
use crate::wbxml::WbxmlReader;
use crate::xml::{XmlReader, escaped_attribute, escaped_text};

/// What stands instead of a secret.
pub const MASK: &str = "********";

/// Parameters of a provisioning document that are secrets or go into a digest.
const SECRET_PARMS: [&str; 6] = [
    "AAUTHSECRET",
    "AAUTHDATA",
    "AUTHSECRET",
    "PXAUTH-PW",
    "PROXY-PW",
    "BASAUTH-PW",
];
/// How the names of nodes end whose values are secrets: those of a DM Account (§4.6) and of connectivity.
const SECRET_NODES: [&str; 4] = ["Secret", "AAuthData", "Password", "SecretKey"];
/// What the media types of TNDS, DDF and provisioning documents have in them.
const DOCUMENTS: [&str; 3] = ["dmtnds", "dmddf", "connectivity"];
/// Columns of one level.
const INDENT: usize = 2;

/// Whether the value of a provisioning document's parameter is a secret, or goes into a digest.
#[must_use]
pub fn is_secret_parm(name: &str) -> bool {
    SECRET_PARMS.contains(&name)
}

/// Whether the value of a node of this name is one.
#[must_use]
pub fn is_secret_node(name: &str) -> bool {
    SECRET_NODES.iter().any(|end| name.ends_with(end))
}

/// What a document is and how it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pretty {
    /// What its root or its header says it is.
    pub vocabulary: Vocabulary,
    /// How it was serialized.
    pub encoding: Encoding,
    /// The document as indented XML. Not for a machine: white space was added, octets that are no text are told by their number.
    pub xml: String,
    /// Octets of the document, without what follows its root (M23); all of it in XML.
    pub octets: usize,
}

impl Pretty {
    /// Reads a document of either serialization.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn read(
        octets: &[u8],
        encoding: Encoding,
        limits: MarkupLimits,
        secrets: bool,
    ) -> Result<Self, MarkupError> {
        let mut page = Page::new(secrets, limits);
        let (vocabulary, length) = match encoding {
            Encoding::Wbxml => {
                let mut reader = WbxmlReader::new(octets, limits)?;
                page.read(&mut reader)?;
                (reader.vocabulary(), reader.consumed())
            }
            Encoding::Xml => {
                let root = root(octets, limits)?;
                page.read(&mut XmlReader::new(octets, root.into(), limits)?)?;
                (root, octets.len())
            }
        };
        Ok(Self {
            vocabulary,
            encoding,
            xml: page.text,
            octets: length,
        })
    }
}

/// What an XML document is, by its root element.
fn root(octets: &[u8], limits: MarkupLimits) -> Result<Vocabulary, MarkupError> {
    let mut reader = XmlReader::new(octets, XmlVocabulary::SyncMlAndMgmtTree, limits)?;
    match reader.next_event()? {
        Some(Event::Start(Name::Known(tags::SYNC_ML))) => Ok(Vocabulary::SyncMl),
        Some(Event::Start(Name::Known(ddf_tags::MGMT_TREE))) => Ok(Vocabulary::MgmtTree),
        Some(Event::Start(Name::Other(name))) if name == "wap-provisioningdoc" => {
            Ok(Vocabulary::Provisioning)
        }
        Some(Event::Start(name)) => {
            let name = match &name {
                Name::Known(tag) => tag.name().unwrap_or_default().to_owned(),
                Name::Other(name) => name.to_string(),
            };
            Err(MarkupError::nowhere(MarkupFault::PublicId(name.into())))
        }
        _ => Err(MarkupError::nowhere(MarkupFault::NoRoot)),
    }
}

struct Page {
    secrets: bool,
    limits: MarkupLimits,
    text: String,
    open: Vec<Open>,
    /// The node that the item or `Node` being read is about: decides whether its value is secret.
    about: String,
    /// Whether the last `Type` of the command being read is that of a document, which a `Data` may hold as base64.
    is_document: bool,
    /// Where in the text the last `Data` stands that may be a part of a document.
    part: Option<usize>,
}

struct Open {
    name: String,
    tag: Option<Tag>,
    /// Attributes so far.
    start: String,
    /// `name` of a `parm` that is a secret.
    secret: bool,
    content: String,
    elements: bool,
}

impl Page {
    const fn new(secrets: bool, limits: MarkupLimits) -> Self {
        Self {
            secrets,
            limits,
            text: String::new(),
            open: Vec::new(),
            about: String::new(),
            is_document: false,
            part: None,
        }
    }

    fn read<'a>(&mut self, reader: &mut impl MarkupReader<'a>) -> Result<(), MarkupError> {
        while let Some(event) = reader.next_event()? {
            match event {
                Event::Start(name) => self.begin(&name),
                Event::Attribute { name, value } => self.attribute(&name, &value),
                Event::Text(text) => self.content(&text),
                Event::Opaque(octets) => self.opaque(octets),
                Event::End => self.end(),
            }
        }
        Ok(())
    }

    fn begin(&mut self, name: &Name<'_>) {
        self.open_line();
        let (name, tag) = match name {
            Name::Known(tag) => {
                let unnamed = || format!("token-{:#04x}-of-page-{}", tag.token(), tag.page());
                (tag.name().map_or_else(unnamed, str::to_owned), Some(*tag))
            }
            Name::Other(name) => (name.to_string(), None),
        };
        if tag == Some(tags::ITEM) || tag == Some(ddf_tags::NODE) {
            self.about.clear();
        }
        match tag {
            Some(tags::CMD_ID) => self.is_document = false,
            Some(tags::MORE_DATA) => self.mask_part(),
            _ => self.part = None,
        }
        self.open.push(Open {
            name,
            tag,
            start: String::new(),
            secret: false,
            content: String::new(),
            elements: false,
        });
    }

    /// The start tag of the innermost element on a line of its own: elements follow in it.
    fn open_line(&mut self) {
        if let Some(outer) = self.open.last_mut()
            && !outer.elements
        {
            outer.elements = true;
            let start = format!("<{}{}>", outer.name, outer.start);
            self.line(self.open.len() - 1, &start);
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        if open.tag == Some(provisioning_tags::PARM) && name == "name" {
            open.secret = is_secret_parm(value);
        }
        let value = if open.secret && name == "value" && !self.secrets {
            MASK
        } else {
            value
        };
        open.start
            .push_str(&format!(" {name}=\"{}\"", escaped_attribute(value)));
    }

    fn content(&mut self, text: &str) {
        if let Some(open) = self.open.last_mut() {
            open.content.push_str(text);
        }
    }

    fn inner_limits(&self) -> MarkupLimits {
        MarkupLimits {
            depth: self.limits.depth.saturating_sub(self.open.len()),
            ..self.limits
        }
    }

    /// A document within this one; none where the octets are not one, or it would be too deep.
    fn inner(&self, octets: &[u8], encoding: Encoding) -> Option<String> {
        let inner = Pretty::read(octets, encoding, self.inner_limits(), self.secrets);
        inner.ok().map(|inner| inner.xml)
    }

    /// Octets that are a WBXML document are shown as one; others as text, or by their number.
    fn opaque(&mut self, octets: &[u8]) {
        if let Some(inner) = self.inner(octets, Encoding::Wbxml) {
            self.open_line();
            for line in inner.lines() {
                self.line(self.open.len(), line);
            }
            return;
        }
        match std::str::from_utf8(octets) {
            Ok(text) if !text.contains('\0') => self.content(text),
            _ => self.content(&format!("({} octets)", octets.len())),
        }
    }

    fn end(&mut self) {
        let is_value = |tag| matches!(tag, Some(tags::DATA | ddf_tags::VALUE));
        let written = self
            .open
            .last()
            .filter(|open| is_value(open.tag) && !open.elements && open.content.contains('<'));
        let document =
            written.map(|open| self.inner(open.content.trim().as_bytes(), Encoding::Xml));
        let Some(open) = self.open.pop() else {
            return;
        };
        let depth = self.open.len();
        if open.elements {
            self.line(depth, &format!("</{}>", open.name));
            return;
        }
        if matches!(open.tag, Some(tags::LOC_URI | ddf_tags::NODE_NAME)) {
            self.about.clone_from(&open.content);
        }
        if open.tag == Some(metinf_tags::TYPE) {
            self.is_document = DOCUMENTS.iter().any(|name| open.content.contains(name));
        }
        let is_secret = self.is_secret(&open)
            || document == Some(None) && inner::tells_secret(&open.content)
            || is_value(open.tag) && self.hides_secret(&open.content);
        if open.tag == Some(tags::DATA) && (document.is_some() || inner::is_base64(&open.content)) {
            self.part = Some(self.text.len());
        }
        if let (Some(Some(document)), false) = (&document, is_secret) {
            self.line(depth, &format!("<{}{}>", open.name, open.start));
            for line in document.lines() {
                self.line(depth + 1, line);
            }
            self.line(depth, &format!("</{}>", open.name));
            return;
        }
        let content = if is_secret && !self.secrets {
            MASK.to_owned()
        } else {
            escaped_text(open.content.trim())
        };
        let line = if content.is_empty() {
            format!("<{}{}/>", open.name, open.start)
        } else {
            format!("<{0}{1}>{content}</{0}>", open.name, open.start)
        };
        self.line(depth, &line);
    }

    /// Whether base64 may hold one. What is shown with its secrets is not looked into.
    fn hides_secret(&self, content: &str) -> bool {
        !self.secrets && inner::may_hide_secret(content, self.is_document, self.inner_limits())
    }

    /// More follows the `Data` before: what it is a part of is told in no message.
    fn mask_part(&mut self) {
        if let Some(at) = self.part.take()
            && !self.secrets
        {
            self.text.truncate(at);
            self.line(self.open.len(), &format!("<Data>{MASK}</Data>"));
        }
    }

    fn is_secret(&self, open: &Open) -> bool {
        let within = self.open.last().and_then(|outer| outer.tag);
        match open.tag {
            Some(metinf_tags::NEXT_NONCE) => true,
            Some(tags::DATA) if within == Some(tags::CRED) => true,
            Some(tags::DATA | ddf_tags::VALUE) => {
                let name = self.about.rsplit('/').next();
                name.is_some_and(is_secret_node)
            }
            _ => false,
        }
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.text.extend(std::iter::repeat_n(' ', depth * INDENT));
        self.text.push_str(line);
        self.text.push('\n');
    }
}
