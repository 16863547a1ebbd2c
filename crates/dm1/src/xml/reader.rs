use std::borrow::Cow;
use std::collections::VecDeque;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event as XmlEvent};
use quick_xml::{Reader, XmlVersion};

use crate::markup::{
    Event, MarkupError, MarkupFault, MarkupLimits, MarkupReader, Name, Tag, XmlVocabulary,
    page_of_namespace,
};

/// Reads an XML document event by event. Namespaces and prefixes help to tell names apart and are not required; a DOCTYPE is skipped, never expanded.
pub struct XmlReader<'a> {
    events: Reader<&'a [u8]>,
    vocabulary: XmlVocabulary,
    limits: MarkupLimits,
    /// The open elements; that of an unknown name is its parent's, so that names below it are looked up alike.
    open: Vec<Option<Tag>>,
    attributes: VecDeque<(String, String)>,
    /// The attributes of a message that were read last, as they stand there, and the page that they declare: the elements of a message repeat them.
    declared: (String, Option<u8>),
    /// Whether the document has neither carriage returns nor control characters as they are: then text is read without looking for them.
    is_plain: bool,
    end_owed: bool,
    done: bool,
}

impl<'a> XmlReader<'a> {
    /// A reader of `octets`, with or without a byte order mark.
    ///
    /// # Errors
    ///
    /// More octets than the limit; not UTF-8.
    pub fn new(
        octets: &'a [u8],
        vocabulary: XmlVocabulary,
        limits: MarkupLimits,
    ) -> Result<Self, MarkupError> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        if octets.len() > limits.octets {
            let fault = MarkupFault::TooLong(octets.len(), limits.octets);
            return Err(MarkupError::at(0, fault));
        }
        let octets = octets.strip_prefix(BYTE_ORDER_MARK).unwrap_or(octets);
        let text = std::str::from_utf8(octets)
            .map_err(|error| MarkupError::at(error.valid_up_to(), MarkupFault::NotUtf8))?;
        Ok(Self {
            events: Reader::from_str(text),
            vocabulary,
            limits,
            open: Vec::with_capacity(16),
            attributes: VecDeque::new(),
            declared: (String::new(), None),
            is_plain: octets
                .iter()
                .fold(true, |plain, octet| plain & is_plain(*octet)),
            end_owed: false,
            done: false,
        })
    }

    #[cold]
    fn error(&self, fault: MarkupFault) -> MarkupError {
        let at = usize::try_from(self.events.buffer_position()).unwrap_or(usize::MAX);
        MarkupError::at(at, fault)
    }

    #[cold]
    fn not_well_formed(&self, what: &impl ToString) -> MarkupError {
        self.error(MarkupFault::NotWellFormed(what.to_string().into()))
    }

    #[inline]
    fn begin(
        &mut self,
        element: &BytesStart<'a>,
        empty: bool,
    ) -> Result<Option<Event<'a>>, MarkupError> {
        if self.open.len() >= self.limits.depth {
            return Err(self.error(MarkupFault::TooDeep(self.limits.depth)));
        }
        let attributes = element.attributes_raw();
        let page = if attributes.is_empty() {
            None
        } else if attributes == self.declared.0 {
            self.declared.1
        } else {
            self.read_attributes(element)?
        };
        let parent = self.open.last().copied().flatten();
        let name = element.name().into_inner();
        let tag = match self.vocabulary.tag(name, page, parent) {
            None if name.contains(':') => self.tag_without_prefix(element, page, parent),
            tag => tag,
        };
        self.open.push(tag.or(parent));
        self.end_owed = empty;
        Ok(Some(Event::Start(match tag {
            Some(tag) => Name::Known(tag),
            None => Name::Other(Cow::Owned(element.local_name().into_inner().to_owned())),
        })))
    }

    /// No name of a vocabulary has a colon: a prefix is cut off only where the name is not found with it.
    #[cold]
    fn tag_without_prefix(
        &self,
        element: &BytesStart<'_>,
        page: Option<u8>,
        parent: Option<Tag>,
    ) -> Option<Tag> {
        let name = element.local_name().into_inner();
        self.vocabulary.tag(name, page, parent)
    }

    /// The code page of the default namespace that the element declares. What else it says is kept where attributes have a meaning.
    #[inline(never)]
    fn read_attributes(&mut self, element: &BytesStart<'a>) -> Result<Option<u8>, MarkupError> {
        let mut page = None;
        let mut attributes = element.attributes();
        let kept = self.vocabulary == XmlVocabulary::Provisioning;
        for attribute in attributes.with_checks(kept) {
            let attribute = attribute.map_err(|error| self.not_well_formed(&error))?;
            let key = attribute.key.into_inner();
            if key == "xmlns" {
                page = page_of_namespace(&attribute.value);
            } else if kept && !key.contains(':') {
                let value = attribute
                    .normalized_value(XmlVersion::Implicit1_0)
                    .map_err(|error| self.not_well_formed(&error))?;
                self.attributes
                    .push_back((key.to_owned(), value.into_owned()));
            }
        }
        if !kept {
            self.declared.0.clear();
            self.declared.0.push_str(element.attributes_raw());
            self.declared.1 = page;
        }
        Ok(page)
    }

    fn ended(&mut self) -> Event<'a> {
        self.open.pop();
        self.done = self.open.is_empty();
        Event::End
    }

    /// XML 1.0 has no others of the lowest 32 characters, as references or as they are.
    fn without_controls(&self, text: Cow<'a, str>) -> Result<Cow<'a, str>, MarkupError> {
        match text.bytes().find(|octet| is_control(*octet)) {
            Some(octet) => Err(self.error(MarkupFault::Character(octet.into()))),
            None => Ok(text),
        }
    }

    /// Whether text is content; outside of the root it may only be white space.
    #[inline]
    fn is_content(&self, text: &str) -> Result<bool, MarkupError> {
        if !self.open.is_empty() {
            return Ok(!text.is_empty());
        }
        if text.trim().is_empty() {
            Ok(false)
        } else {
            Err(self.error(MarkupFault::OutsideRoot))
        }
    }

    fn reference(&self, reference: &BytesRef<'_>) -> Result<Cow<'a, str>, MarkupError> {
        let name: &str = reference;
        match reference.resolve_char_ref() {
            Ok(Some(character)) => Ok(Cow::Owned(character.into())),
            Ok(None) => match resolve_xml_entity(name) {
                Some(text) => Ok(Cow::Borrowed(text)),
                None => Err(self.error(MarkupFault::Entity(name.into()))),
            },
            Err(error) => Err(self.not_well_formed(&error)),
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), MarkupError> {
        let Some(Ok(encoding)) = declaration.encoding() else {
            return Ok(());
        };
        let read = ["utf-8", "utf8", "us-ascii", "ascii"];
        if read
            .iter()
            .any(|known| encoding.eq_ignore_ascii_case(known))
        {
            Ok(())
        } else {
            Err(self.error(MarkupFault::Encoding(encoding.as_ref().into())))
        }
    }
}

impl<'a> MarkupReader<'a> for XmlReader<'a> {
    fn next_event(&mut self) -> Result<Option<Event<'a>>, MarkupError> {
        if let Some((name, value)) = self.attributes.pop_front() {
            return Ok(Some(Event::Attribute {
                name: name.into(),
                value: value.into(),
            }));
        }
        if self.end_owed {
            self.end_owed = false;
            return Ok(Some(self.ended()));
        }
        while !self.done {
            // Matched where it lies: an event is not moved before it is known what of it is wanted.
            let text = match self.events.read_event() {
                Ok(XmlEvent::Start(ref element)) => return self.begin(element, false),
                Ok(XmlEvent::Empty(ref element)) => return self.begin(element, true),
                Ok(XmlEvent::End(_)) => return Ok(Some(self.ended())),
                Ok(XmlEvent::Text(text)) if self.is_plain => text.into_inner(),
                Ok(XmlEvent::CData(text)) if self.is_plain => text.into_inner(),
                Ok(XmlEvent::Text(text)) => self.without_controls(text.xml10_content())?,
                Ok(XmlEvent::CData(text)) => self.without_controls(text.xml10_content())?,
                Ok(XmlEvent::GeneralRef(reference)) => {
                    self.without_controls(self.reference(&reference)?)?
                }
                Ok(XmlEvent::Decl(declaration)) => {
                    self.declaration(&declaration)?;
                    continue;
                }
                Ok(XmlEvent::Comment(_) | XmlEvent::PI(_) | XmlEvent::DocType(_)) => continue,
                Ok(XmlEvent::Eof) if self.open.is_empty() => {
                    return Err(self.error(MarkupFault::NoRoot));
                }
                Ok(XmlEvent::Eof) => return Err(self.error(MarkupFault::TooShort)),
                Err(error) => return Err(self.not_well_formed(&error)),
            };
            if self.is_content(&text)? {
                return Ok(Some(Event::Text(text)));
            }
        }
        Ok(None)
    }
}

/// Whether an octet of text stands for itself.
const fn is_plain(octet: u8) -> bool {
    octet >= b' ' || matches!(octet, b'\t' | b'\n')
}

const fn is_control(octet: u8) -> bool {
    !is_plain(octet) && octet != b'\r'
}
