use super::header::push_length;
use super::{ATTRIBUTES, CONTENT, WbxmlHeader, global};
use crate::markup::{MarkupFault, MarkupWriter, Tag, Vocabulary, start_token, value_token};

/// Writes a WBXML document as poor decoders read it too (M14): text inline, no entities, no literals, no string table.
pub struct WbxmlWriter {
    octets: Vec<u8>,
    tag_page: u8,
    attribute_page: u8,
    /// Where the tag octets of the open elements stand.
    open: Vec<usize>,
    /// Whether the attribute list of the innermost element is open.
    in_attributes: bool,
    /// Behind the NUL of the string that was written last: a further piece of text goes on with it.
    string_end: usize,
    fault: Option<MarkupFault>,
}

impl WbxmlWriter {
    /// A document with its header.
    #[must_use]
    pub fn new(vocabulary: Vocabulary) -> Self {
        Self {
            octets: WbxmlHeader::write(vocabulary),
            tag_page: 0,
            attribute_page: 0,
            open: Vec::with_capacity(16),
            in_attributes: false,
            string_end: 0,
            fault: None,
        }
    }

    /// The document.
    ///
    /// # Errors
    ///
    /// The first attribute name or value that WBXML cannot hold: one with a NUL.
    pub fn finish(self) -> Result<Vec<u8>, MarkupFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.octets),
        }
    }

    /// Marks the innermost element as one with content and ends its attribute list.
    #[inline]
    fn content(&mut self) {
        self.end_attributes();
        if let Some(tag) = self.open.last() {
            self.octets[*tag] |= CONTENT;
        }
    }

    #[inline]
    fn end_attributes(&mut self) {
        if self.in_attributes {
            self.octets.push(global::END);
            self.in_attributes = false;
        }
    }

    fn attribute_token(&mut self, page: u8, token: u8) {
        if page != self.attribute_page {
            self.octets.extend([global::SWITCH_PAGE, page]);
            self.attribute_page = page;
        }
        self.octets.push(token);
    }

    fn attribute_text(&mut self, text: &str) {
        if text.as_bytes().contains(&0) {
            self.fault.get_or_insert(MarkupFault::Character(0));
            return;
        }
        self.octets.push(global::STR_I);
        self.octets.extend(text.as_bytes());
        self.octets.push(0);
    }
}

impl MarkupWriter for WbxmlWriter {
    #[inline]
    fn start(&mut self, tag: Tag) {
        self.content();
        if tag.page() != self.tag_page {
            self.octets.extend([global::SWITCH_PAGE, tag.page()]);
            self.tag_page = tag.page();
        }
        self.open.push(self.octets.len());
        self.octets.push(tag.token());
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let Some((page, token, rest)) = start_token(self.attribute_page, name, value) else {
            self.fault
                .get_or_insert_with(|| MarkupFault::NotInVocabulary(name.into()));
            return;
        };
        if !self.in_attributes
            && let Some(tag) = self.open.last()
        {
            self.octets[*tag] |= ATTRIBUTES;
            self.in_attributes = true;
        }
        self.attribute_token(page, token);
        if rest.is_empty() {
            return;
        }
        match value_token(rest) {
            Some(token) if self.attribute_page == 0 => self.octets.push(token),
            _ => self.attribute_text(rest),
        }
    }

    #[inline]
    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return self.opaque(text.as_bytes());
        }
        self.content();
        if self.string_end == self.octets.len() {
            self.octets.pop();
        } else {
            self.octets.push(global::STR_I);
        }
        self.octets.extend(text.as_bytes());
        self.octets.push(0);
        self.string_end = self.octets.len();
    }

    fn opaque(&mut self, octets: &[u8]) {
        self.content();
        self.octets.push(global::OPAQUE);
        push_length(&mut self.octets, octets.len());
        self.octets.extend(octets);
    }

    #[inline]
    fn end(&mut self) {
        let Some(tag) = self.open.pop() else {
            return;
        };
        self.end_attributes();
        if self.octets[tag] & CONTENT != 0 {
            self.octets.push(global::END);
        }
    }
}
