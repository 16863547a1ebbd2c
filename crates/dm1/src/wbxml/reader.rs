use std::borrow::Cow;

use super::header::{integer, string_at};
use super::{ATTRIBUTES, CONTENT, TOKEN, WbxmlHeader, global};
use crate::markup::{
    Event, MarkupError, MarkupFault, MarkupLimits, MarkupReader, Name, Vocabulary, XmlVocabulary,
    attribute_start, attribute_value,
};

/// Reads a WBXML document event by event, without building a tree (§2.1). What follows the root element is padding and is not looked at (M23).
pub struct WbxmlReader<'a> {
    octets: &'a [u8],
    at: usize,
    vocabulary: Vocabulary,
    strings: &'a [u8],
    limits: MarkupLimits,
    /// Octets that references into the string table have unfolded to.
    unfolded: usize,
    tag_page: u8,
    attribute_page: u8,
    depth: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeRoot,
    Content,
    /// Within an attribute list; whether content follows it.
    Attributes(bool),
    /// The element that has just begun has no content.
    EndOwed,
    Done,
}

impl<'a> WbxmlReader<'a> {
    /// A reader of `octets`, a document from its version octet on.
    ///
    /// # Errors
    ///
    /// A header that is not ours to read ([`WbxmlHeader::read`]); more octets than the limit.
    pub fn new(octets: &'a [u8], limits: MarkupLimits) -> Result<Self, MarkupError> {
        if octets.len() > limits.octets {
            return Err(MarkupError::at(
                0,
                MarkupFault::TooLong(octets.len(), limits.octets),
            ));
        }
        let header = WbxmlHeader::read(octets)?;
        Ok(Self {
            octets,
            at: header.body,
            vocabulary: header.vocabulary,
            strings: header.strings,
            limits,
            unfolded: 0,
            tag_page: 0,
            attribute_page: 0,
            depth: 0,
            state: State::BeforeRoot,
        })
    }

    /// The document type that the header names.
    #[must_use]
    pub const fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    /// How many octets were read: after the last event, where the document ends.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.at
    }

    fn error(&self, fault: MarkupFault) -> MarkupError {
        MarkupError::at(self.at, fault)
    }

    fn octet(&mut self) -> Result<u8, MarkupError> {
        let octet = *self
            .octets
            .get(self.at)
            .ok_or_else(|| self.error(MarkupFault::TooShort))?;
        self.at += 1;
        Ok(octet)
    }

    fn integer(&mut self) -> Result<u32, MarkupError> {
        integer(self.octets, &mut self.at)
    }

    fn inline_string(&mut self) -> Result<&'a str, MarkupError> {
        let rest = &self.octets[self.at..];
        let end = memchr::memchr(0, rest).ok_or_else(|| self.error(MarkupFault::TooShort))?;
        let text =
            std::str::from_utf8(&rest[..end]).map_err(|_| self.error(MarkupFault::NotUtf8))?;
        self.at += end + 1;
        Ok(text)
    }

    fn table_string(&mut self) -> Result<&'a str, MarkupError> {
        let index = self.integer()?;
        let text = string_at(self.strings, index)
            .ok_or_else(|| self.error(MarkupFault::StringReference(index)))?;
        self.unfolded += text.len();
        if self.unfolded > self.limits.octets {
            return Err(self.error(MarkupFault::TooMuchText(self.limits.octets)));
        }
        Ok(text)
    }

    fn character(&mut self) -> Result<char, MarkupError> {
        let number = self.integer()?;
        char::from_u32(number)
            .filter(|character| *character != '\0')
            .ok_or_else(|| self.error(MarkupFault::Character(number)))
    }

    fn opaque(&mut self) -> Result<&'a [u8], MarkupError> {
        let length = self.integer()? as usize;
        let octets = self
            .octets
            .get(self.at..)
            .and_then(|rest| rest.get(..length))
            .ok_or_else(|| self.error(MarkupFault::TooShort))?;
        self.at += length;
        Ok(octets)
    }

    /// An element that is written by its name is the one that has it: that of the code page first, as the element around it may have set it.
    fn named(&self, name: &'a str) -> Name<'a> {
        let local = name.rsplit(':').next().unwrap_or(name);
        let around = self.vocabulary.tag(self.tag_page, 0);
        let known = XmlVocabulary::from(self.vocabulary).tag(local, None, Some(around));
        known.map_or_else(|| Name::Other(name.into()), Name::Known)
    }

    fn begin(&mut self, name: Name<'a>, bits: u8) -> Result<Event<'a>, MarkupError> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.error(MarkupFault::TooDeep(self.limits.depth)));
        }
        let content = bits & CONTENT != 0;
        self.state = if bits & ATTRIBUTES != 0 {
            State::Attributes(content)
        } else if content {
            State::Content
        } else {
            State::EndOwed
        };
        Ok(Event::Start(name))
    }

    fn ended(&mut self) -> Event<'a> {
        self.depth -= 1;
        self.state = if self.depth == 0 {
            State::Done
        } else {
            State::Content
        };
        Event::End
    }

    /// An event of content, or of the place before the root, where only an element may stand.
    fn content(&mut self) -> Result<Event<'a>, MarkupError> {
        loop {
            let octet = self.octet()?;
            match octet {
                global::SWITCH_PAGE => self.tag_page = self.octet()?,
                global::PI => self.skip_attributes()?,
                global::LITERAL | global::LITERAL_C | global::LITERAL_A | global::LITERAL_AC => {
                    let name = self.table_string()?;
                    return self.begin(self.named(name), octet);
                }
                _ if is_tag(octet) => {
                    let tag = self.vocabulary.tag(self.tag_page, octet & TOKEN);
                    return self.begin(Name::Known(tag), octet);
                }
                _ if self.depth == 0 => return Err(self.error(MarkupFault::OutsideRoot)),
                global::END => return Ok(self.ended()),
                global::STR_I => return Ok(Event::Text(Cow::Borrowed(self.inline_string()?))),
                global::STR_T => return Ok(Event::Text(Cow::Borrowed(self.table_string()?))),
                global::OPAQUE => return Ok(Event::Opaque(self.opaque()?)),
                global::ENTITY => {
                    return Ok(Event::Text(Cow::Owned(self.character()?.to_string())));
                }
                _ => return Err(self.error(MarkupFault::Token(octet))),
            }
        }
    }

    /// The next attribute, or `None` at the list's end.
    fn attribute(&mut self) -> Result<Option<Event<'a>>, MarkupError> {
        let (name, begin) = loop {
            match self.octet()? {
                global::SWITCH_PAGE => self.attribute_page = self.octet()?,
                global::END => return Ok(None),
                global::LITERAL => break (Cow::Borrowed(self.table_string()?), ""),
                token if token < 0x80 && is_tag(token) => {
                    let (name, begin) =
                        attribute_start(self.attribute_page, token).ok_or_else(|| {
                            let page = self.attribute_page;
                            self.error(MarkupFault::AttributeToken { page, token })
                        })?;
                    break (Cow::Borrowed(name), begin);
                }
                token => return Err(self.error(MarkupFault::Token(token))),
            }
        };
        let value = self.attribute_value(begin)?;
        Ok(Some(Event::Attribute { name, value }))
    }

    /// The pieces of a value, up to the next attribute's start or the list's end, which are left.
    fn attribute_value(&mut self, begin: &'a str) -> Result<Cow<'a, str>, MarkupError> {
        let mut value = Cow::Borrowed(begin);
        loop {
            let start = self.at;
            let octet = self.octet()?;
            match octet {
                global::SWITCH_PAGE => self.attribute_page = self.octet()?,
                global::STR_I => join(&mut value, self.inline_string()?),
                global::STR_T => join(&mut value, self.table_string()?),
                global::ENTITY => value.to_mut().push(self.character()?),
                global::OPAQUE => {
                    let octets = self.opaque()?;
                    let text = std::str::from_utf8(octets)
                        .map_err(|_| self.error(MarkupFault::NotUtf8))?;
                    join(&mut value, text);
                }
                token if token >= 0x80 && is_tag(token) => {
                    let text = attribute_value(self.attribute_page, token).ok_or_else(|| {
                        let page = self.attribute_page;
                        self.error(MarkupFault::AttributeToken { page, token })
                    })?;
                    join(&mut value, text);
                }
                _ => {
                    self.at = start;
                    return Ok(value);
                }
            }
        }
    }

    /// A processing instruction: what an attribute list holds, up to its end.
    fn skip_attributes(&mut self) -> Result<(), MarkupError> {
        while self.attribute()?.is_some() {}
        Ok(())
    }
}

impl<'a> MarkupReader<'a> for WbxmlReader<'a> {
    fn next_event(&mut self) -> Result<Option<Event<'a>>, MarkupError> {
        loop {
            match self.state {
                State::BeforeRoot | State::Content => return self.content().map(Some),
                State::EndOwed => return Ok(Some(self.ended())),
                State::Done => return Ok(None),
                State::Attributes(content) => match self.attribute()? {
                    Some(event) => return Ok(Some(event)),
                    None => {
                        self.state = if content {
                            State::Content
                        } else {
                            State::EndOwed
                        };
                    }
                },
            }
        }
    }
}

/// Whether an octet is a token of a code page: its six bits are none of the global ones.
const fn is_tag(octet: u8) -> bool {
    octet & TOKEN > global::LITERAL
}

fn join<'a>(value: &mut Cow<'a, str>, piece: &'a str) {
    if value.is_empty() {
        *value = Cow::Borrowed(piece);
    } else {
        value.to_mut().push_str(piece);
    }
}
