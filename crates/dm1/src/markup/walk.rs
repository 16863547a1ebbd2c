use super::{Event, MarkupError, MarkupFault, MarkupReader, MarkupWriter as _, Name, Tag};
use crate::xml::XmlWriter;

/// A way through a document, element by element, for document models.
pub(crate) struct Walk<R> {
    reader: R,
}

/// An element within another: one that we know, or its name.
pub(crate) enum Child {
    Known(Tag),
    Other(String),
}

/// The content of an element.
pub(crate) enum Content {
    Text(String),
    Octets(Vec<u8>),
}

impl<'a, R: MarkupReader<'a>> Walk<R> {
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader }
    }

    pub(crate) fn next_event(&mut self) -> Result<Option<Event<'a>>, MarkupError> {
        self.reader.next_event()
    }

    /// The next element within the innermost one; `None` at its end. Text between elements says nothing.
    pub(crate) fn child(&mut self) -> Result<Option<Child>, MarkupError> {
        loop {
            match self.reader.next_event()? {
                Some(Event::Start(Name::Known(tag))) => return Ok(Some(Child::Known(tag))),
                Some(Event::Start(Name::Other(name))) => {
                    return Ok(Some(Child::Other(name.into_owned())));
                }
                Some(Event::End) | None => return Ok(None),
                Some(Event::Text(_) | Event::Opaque(_) | Event::Attribute { .. }) => {}
            }
        }
    }

    /// The next element that has a token; others are skipped with what they hold.
    pub(crate) fn known(&mut self) -> Result<Option<Tag>, MarkupError> {
        loop {
            match self.child()? {
                Some(Child::Known(tag)) => return Ok(Some(tag)),
                Some(Child::Other(_)) => self.skip()?,
                None => return Ok(None),
            }
        }
    }

    /// The rest of the innermost element.
    pub(crate) fn skip(&mut self) -> Result<(), MarkupError> {
        let mut depth = 0usize;
        loop {
            match self.reader.next_event()? {
                Some(Event::Start(_)) => depth += 1,
                Some(Event::End) if depth == 0 => return Ok(()),
                Some(Event::End) => depth -= 1,
                None => return Ok(()),
                Some(_) => {}
            }
        }
    }

    /// The content of the innermost element, to its end. Elements within it (a `MgmtTree` that was not escaped) become their XML.
    pub(crate) fn data(&mut self) -> Result<Content, MarkupError> {
        let mut text = String::new();
        let mut octets: Option<Vec<u8>> = None;
        loop {
            match self.reader.next_event()? {
                Some(Event::Text(piece)) => match &mut octets {
                    Some(octets) => octets.extend(piece.as_bytes()),
                    None => text.push_str(&piece),
                },
                Some(Event::Opaque(piece)) => octets
                    .get_or_insert_with(|| std::mem::take(&mut text).into_bytes())
                    .extend(piece),
                Some(Event::Start(name)) => {
                    if text.trim().is_empty() {
                        text.clear();
                    }
                    let element = self.element(&name)?;
                    text.push_str(&element);
                }
                Some(Event::Attribute { .. }) => {}
                Some(Event::End) | None => break,
            }
        }
        Ok(octets.map_or(Content::Text(text), Content::Octets))
    }

    /// An element that has begun, as XML.
    fn element(&mut self, name: &Name<'a>) -> Result<String, MarkupError> {
        let mut writer = XmlWriter::new();
        let Name::Known(tag) = *name else {
            self.skip()?;
            return Ok(String::new());
        };
        writer.start(tag);
        let mut depth = 1usize;
        while depth > 0 {
            match self.reader.next_event()? {
                Some(Event::Start(Name::Known(tag))) => {
                    writer.start(tag);
                    depth += 1;
                }
                Some(Event::Start(Name::Other(_))) => self.skip()?,
                Some(Event::Text(text)) => writer.text(&text),
                Some(Event::Opaque(octets)) => writer.opaque(octets),
                Some(Event::Attribute { .. }) => {}
                Some(Event::End) => {
                    writer.end();
                    depth -= 1;
                }
                None => break,
            }
        }
        let octets = writer.finish().map_err(MarkupError::nowhere)?;
        String::from_utf8(octets).map_err(|_| not_text())
    }

    /// The content as text.
    pub(crate) fn text(&mut self) -> Result<String, MarkupError> {
        match self.data()? {
            Content::Text(text) => Ok(text),
            Content::Octets(octets) => String::from_utf8(octets).map_err(|_| not_text()),
        }
    }

    pub(crate) fn token(&mut self) -> Result<Option<String>, MarkupError> {
        let text = self.text()?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    pub(crate) fn number<N: std::str::FromStr>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<N>, MarkupError> {
        match self.token()? {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| MarkupError::nowhere(MarkupFault::NotANumber(name))),
        }
    }
}

const fn not_text() -> MarkupError {
    MarkupError::nowhere(MarkupFault::NotText)
}
