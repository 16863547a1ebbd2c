//! One stream of markup events for both serializations of DM 1.x, XML and WBXML: a document model reads and writes events and never learns
//! which of the two is on the wire (`dm1x.md` §1.11, §2).

mod fault;
mod limits;
mod name_table;
mod provisioning_tokens;
mod tag;
mod vocabulary;
mod walk;

pub mod ddf_tags;
pub mod metinf_tags;
pub mod provisioning_tags;
pub mod syncml_tags;

use std::borrow::Cow;

pub use fault::{MarkupError, MarkupFault};
pub use limits::MarkupLimits;
pub(crate) use provisioning_tokens::{attribute_start, attribute_value, start_token, value_token};
pub use tag::{Name, Tag};
pub use vocabulary::{Vocabulary, XmlVocabulary};
pub(crate) use vocabulary::{namespace_of, page_of_namespace};
pub(crate) use walk::{Child, Content, Walk};

/// What a document consists of, in its order. Text may come in several pieces; a reader of it joins them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An element begins.
    Start(Name<'a>),
    /// An attribute of the element that has just begun.
    Attribute {
        /// The local name.
        name: Cow<'a, str>,
        /// The value, unescaped.
        value: Cow<'a, str>,
    },
    /// Character data, unescaped.
    Text(Cow<'a, str>),
    /// Octets that need not be text; WBXML alone has them.
    Opaque(&'a [u8]),
    /// The innermost open element ends.
    End,
}

/// A source of events.
pub trait MarkupReader<'a> {
    /// The next event; `None` after the root element has ended.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place. The reader is of no further use then.
    fn next_event(&mut self) -> Result<Option<Event<'a>>, MarkupError>;
}

/// A sink of events. A fault is kept and told by the writer's end, so that a document model writes without looking.
pub trait MarkupWriter {
    /// Begins an element.
    fn start(&mut self, tag: Tag);
    /// Gives the element that has just begun an attribute.
    fn attribute(&mut self, name: &str, value: &str);
    /// Writes character data; pieces that follow each other are one text.
    fn text(&mut self, text: &str);
    /// Writes octets that need not be text.
    fn opaque(&mut self, octets: &[u8]);
    /// Ends the innermost open element.
    fn end(&mut self);
}

/// Copies the events of `reader` to `writer`: so XML becomes WBXML and WBXML becomes XML. White space between elements is dropped.
///
/// # Errors
///
/// What the reader says; an element without a name of the vocabulary. What the writer cannot express, its end says.
pub fn copy<'a>(
    reader: &mut impl MarkupReader<'a>,
    writer: &mut impl MarkupWriter,
) -> Result<(), MarkupError> {
    let mut copying = Copying {
        writer,
        so_far: SoFar::Elements,
        space: String::new(),
    };
    loop {
        match reader.next_event() {
            Ok(Some(Event::Start(Name::Known(tag)))) => copying.start(tag),
            Ok(Some(Event::Text(text))) => copying.text(&text),
            Ok(Some(Event::End)) => copying.end(),
            Ok(Some(Event::Attribute { name, value })) => copying.writer.attribute(&name, &value),
            Ok(Some(Event::Opaque(octets))) => copying.opaque(octets),
            Ok(Some(Event::Start(Name::Other(name)))) => {
                let fault = MarkupFault::NotInVocabulary(name.into_owned().into());
                return Err(MarkupError::nowhere(fault));
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

struct Copying<'w, W> {
    writer: &'w mut W,
    so_far: SoFar,
    /// White space at the beginning of an element: content only if no element follows it.
    space: String,
}

/// What the innermost element has held so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SoFar {
    Nothing,
    Text,
    Elements,
}

impl<W: MarkupWriter> Copying<'_, W> {
    fn start(&mut self, tag: Tag) {
        self.space.clear();
        self.writer.start(tag);
        self.so_far = SoFar::Nothing;
    }

    fn text(&mut self, text: &str) {
        if self.so_far != SoFar::Text && text.bytes().all(|octet| octet.is_ascii_whitespace()) {
            if self.so_far == SoFar::Nothing {
                self.space.push_str(text);
            }
            return;
        }
        self.write_space();
        self.writer.text(text);
        self.so_far = SoFar::Text;
    }

    fn opaque(&mut self, octets: &[u8]) {
        self.write_space();
        self.writer.opaque(octets);
        self.so_far = SoFar::Text;
    }

    fn end(&mut self) {
        self.write_space();
        self.writer.end();
        self.so_far = SoFar::Elements;
    }

    fn write_space(&mut self) {
        if !self.space.is_empty() {
            self.writer.text(&self.space);
            self.space.clear();
        }
    }
}
