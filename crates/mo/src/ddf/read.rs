use quick_xml::Reader;
use quick_xml::errors::{Error as XmlError, IllFormedError, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::{
    AccessTypes, Ddf, DdfError, DdfFault, DdfNode, DdfTolerance, DdfWarning, Occurrence, Scope,
};
use crate::{Format, Moid, NodeName};

/// Longest DDF in octets. Local limit.
pub const MAX_OCTETS: usize = 1 << 20;
/// Deepest nesting of elements in a DDF. Local limit.
pub const MAX_DEPTH: usize = 64;
/// Most nodes in a DDF. Local limit.
pub const MAX_NODES: usize = 4096;
/// Most warnings kept of one DDF; further ones are dropped. Local limit.
pub const MAX_WARNINGS: usize = 64;

type Read<T> = Result<T, DdfError>;

pub(super) fn read(xml: &str) -> Read<Ddf> {
    let mut reader = DdfReader::new(xml);
    if xml.len() > MAX_OCTETS {
        return Err(reader.error(DdfFault::TooLarge(xml.len())));
    }
    let root = reader.document()?;
    let moid = reader.moid_of(&root);
    Ok(Ddf {
        moid,
        url: None,
        root,
        warnings: reader.warnings,
    })
}

struct DdfReader<'a> {
    xml: &'a str,
    events: Reader<&'a [u8]>,
    place: Place,
    depth: usize,
    nodes: usize,
    path: Vec<Box<str>>,
    warnings: Vec<DdfWarning>,
}

/// Where the last event began.
#[derive(Clone, Copy)]
struct Place {
    offset: usize,
    line: usize,
    column: usize,
}

enum Piece {
    Open(Box<str>),
    Close,
    Text(String),
    End,
}

#[derive(Default)]
struct Properties {
    access: Option<AccessTypes>,
    format: Option<Format>,
    occurrence: Option<Occurrence>,
    scope: Option<Scope>,
    default_value: Option<Box<str>>,
    title: Option<Box<str>>,
    description: Option<Box<str>>,
    df_type: Option<Box<str>>,
    mime: Option<Box<str>>,
}

impl<'a> DdfReader<'a> {
    fn new(xml: &'a str) -> Self {
        let mut events = Reader::from_str(xml);
        events.config_mut().expand_empty_elements = true;
        let place = Place {
            offset: 0,
            line: 1,
            column: 1,
        };
        Self {
            xml,
            events,
            place,
            depth: 0,
            nodes: 0,
            path: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn document(&mut self) -> Read<DdfNode> {
        let mut root = None;
        loop {
            match self.next_piece()? {
                Piece::Open(name) if &*name == "MgmtTree" && root.is_none() => {
                    root = Some(self.mgmt_tree()?);
                }
                Piece::Open(name) => return Err(self.error(DdfFault::NotADdf(name))),
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::Text(_) | Piece::Close => return Err(self.error(DdfFault::Syntax)),
                Piece::End => return root.ok_or_else(|| self.error(DdfFault::NoRoot)),
            }
        }
    }

    fn mgmt_tree(&mut self) -> Read<DdfNode> {
        let mut root = None;
        while let Some(name) = self.next_child()? {
            match &*name {
                "Node" if root.is_some() => return Err(self.error(DdfFault::SecondRoot)),
                "Node" => root = Some(self.node()?),
                "VerDTD" | "Man" | "Mod" => self.skip()?,
                _ => self.skip_unknown(name)?,
            }
        }
        root.ok_or_else(|| self.error(DdfFault::NoRoot))
    }

    fn node(&mut self) -> Read<DdfNode> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self.error(DdfFault::TooManyNodes));
        }
        let start = self.place;
        self.path.push("<x>".into());
        let mut name = None;
        let mut named = false;
        let mut properties = Properties::default();
        let mut children: Vec<DdfNode> = Vec::new();
        while let Some(element) = self.next_child()? {
            match &*element {
                "NodeName" => {
                    name = self.node_name()?;
                    named = true;
                }
                "DFProperties" => self.df_properties(&mut properties)?,
                "Node" => {
                    let at = self.place;
                    let child = self.node()?;
                    if children.iter().any(|other| other.name == child.name) {
                        let twice = child
                            .name
                            .map(|name| DdfFault::DuplicateName(name.as_str().into()));
                        return Err(self.error_at(at, twice.unwrap_or(DdfFault::SecondPlaceholder)));
                    }
                    children.push(child);
                }
                "Path" | "Value" | "RTProperties" => self.skip()?,
                _ => self.skip_unknown(element)?,
            }
        }
        if !named {
            self.warn_at(start, DdfTolerance::NoNodeName);
        }
        let node = self.finish_node(start, name, properties, children)?;
        self.path.pop();
        Ok(node)
    }

    fn finish_node(
        &mut self,
        start: Place,
        name: Option<NodeName>,
        properties: Properties,
        children: Vec<DdfNode>,
    ) -> Read<DdfNode> {
        let format = properties.format.unwrap_or_else(|| {
            let format = if children.is_empty() {
                Format::Chr
            } else {
                Format::Node
            };
            self.warn_at(start, DdfTolerance::NoFormat(format));
            format
        });
        if format != Format::Node && !children.is_empty() {
            return Err(self.error_at(start, DdfFault::LeafWithChildren(format)));
        }
        let access = properties.access.unwrap_or_else(|| {
            self.warn_at(start, DdfTolerance::NoAccessType);
            if format == Format::Node {
                AccessTypes::GET
            } else {
                AccessTypes::NONE
            }
        });
        // D31
        let by_name = if name.is_some() {
            Occurrence::One
        } else {
            Occurrence::ZeroOrMore
        };
        Ok(DdfNode {
            name,
            format,
            access,
            occurrence: properties.occurrence.unwrap_or(by_name),
            scope: properties.scope.unwrap_or(Scope::Dynamic),
            default_value: properties.default_value,
            title: properties.title,
            description: properties.description,
            df_type: properties.df_type,
            mime: properties.mime,
            children,
        })
    }

    /// `<x>` and the like are informative: the node is unnamed (§8.1).
    fn node_name(&mut self) -> Read<Option<NodeName>> {
        let at = self.place;
        let text = self.text()?;
        if text.is_empty() || (text.starts_with('<') && text.ends_with('>')) {
            return Ok(None);
        }
        let name = NodeName::parse(&text).map_err(|error| {
            self.error_at(
                at,
                DdfFault::NodeName {
                    text: text.as_str().into(),
                    error,
                },
            )
        })?;
        if let Some(last) = self.path.last_mut() {
            *last = text.into();
        }
        Ok(Some(name))
    }

    fn df_properties(&mut self, into: &mut Properties) -> Read<()> {
        while let Some(element) = self.next_child()? {
            match &*element {
                "AccessType" => self.access_type(into)?,
                "DFFormat" => self.df_format(into)?,
                "Occurrence" => self.occurrence(into)?,
                "Scope" => self.scope(into)?,
                "DFType" => self.df_type(into)?,
                "DefaultValue" => into.default_value = Some(self.text()?.into()),
                "DFTitle" => into.title = Some(self.text()?.into()),
                "Description" => into.description = Some(self.text()?.into()),
                "CaseSense" => self.skip()?,
                _ => self.skip_unknown(element)?,
            }
        }
        Ok(())
    }

    fn access_type(&mut self, into: &mut Properties) -> Read<()> {
        let mut access = AccessTypes::NONE;
        while let Some(element) = self.next_child()? {
            match AccessTypes::from_name(&element) {
                Some(one) => {
                    access = access.with(one);
                    self.skip()?;
                }
                None => self.skip_unknown(element)?,
            }
        }
        into.access = Some(access);
        Ok(())
    }

    fn df_format(&mut self, into: &mut Properties) -> Read<()> {
        while let Some(element) = self.next_child()? {
            match Format::from_name(&element) {
                Some(format) => {
                    into.format = Some(format);
                    self.skip()?;
                }
                None => self.skip_unknown(element)?,
            }
        }
        Ok(())
    }

    fn occurrence(&mut self, into: &mut Properties) -> Read<()> {
        while let Some(element) = self.next_child()? {
            into.occurrence = Some(match &*element {
                "One" => self.plain(Occurrence::One)?,
                "ZeroOrOne" => self.plain(Occurrence::ZeroOrOne)?,
                "ZeroOrMore" => self.plain(Occurrence::ZeroOrMore)?,
                "OneOrMore" => self.plain(Occurrence::OneOrMore)?,
                "ZeroOrN" => Occurrence::ZeroOrN(self.count()?),
                "OneOrN" => Occurrence::OneOrN(self.count()?),
                _ => {
                    self.skip_unknown(element)?;
                    continue;
                }
            });
        }
        Ok(())
    }

    fn count(&mut self) -> Read<u32> {
        let at = self.place;
        let text = self.text()?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let count = text.parse().ok().filter(|n| digits && *n > 0);
        count.ok_or_else(|| self.error_at(at, DdfFault::Occurrences(text.into())))
    }

    fn scope(&mut self, into: &mut Properties) -> Read<()> {
        while let Some(element) = self.next_child()? {
            into.scope = Some(match &*element {
                "Permanent" => self.plain(Scope::Permanent)?,
                "Dynamic" => self.plain(Scope::Dynamic)?,
                _ => {
                    self.skip_unknown(element)?;
                    continue;
                }
            });
        }
        Ok(())
    }

    fn df_type(&mut self, into: &mut Properties) -> Read<()> {
        while let Some(element) = self.next_child()? {
            match &*element {
                "MIME" => {
                    into.mime = Some(self.text()?)
                        .filter(|text| !text.is_empty())
                        .map(Into::into);
                }
                "DDFName" => {
                    into.df_type = Some(self.text()?)
                        .filter(|text| !text.is_empty())
                        .map(Into::into);
                }
                _ => self.skip_unknown(element)?,
            }
        }
        Ok(())
    }

    fn moid_of(&mut self, root: &DdfNode) -> Option<Moid> {
        let Some(text) = root.df_type() else {
            self.warn_at(self.place, DdfTolerance::NoMoid);
            return None;
        };
        match Moid::parse(text) {
            Ok(moid) => Some(moid),
            Err(error) => {
                self.warn_at(
                    self.place,
                    DdfTolerance::NotAMoid {
                        text: text.into(),
                        error,
                    },
                );
                None
            }
        }
    }

    fn plain<T>(&mut self, value: T) -> Read<T> {
        self.skip().map(|()| value)
    }

    /// The name of the next element below the open one; none when that closes. Text between elements has no meaning.
    fn next_child(&mut self) -> Read<Option<Box<str>>> {
        loop {
            match self.next_piece()? {
                Piece::Open(name) => return Ok(Some(name)),
                Piece::Close | Piece::End => return Ok(None),
                Piece::Text(_) => {}
            }
        }
    }

    /// The text of the open element up to its end, without the blanks around it.
    fn text(&mut self) -> Read<String> {
        let mut whole = String::new();
        loop {
            match self.next_piece()? {
                Piece::Open(name) => self.skip_unknown(name)?,
                Piece::Close | Piece::End => return Ok(whole.trim().to_owned()),
                Piece::Text(text) => whole.push_str(&text),
            }
        }
    }

    fn skip_unknown(&mut self, name: Box<str>) -> Read<()> {
        self.warn_at(self.place, DdfTolerance::UnknownElement(name));
        self.skip()
    }

    fn skip(&mut self) -> Read<()> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.next_piece()?;
        }
        Ok(())
    }

    fn next_piece(&mut self) -> Read<Piece> {
        loop {
            self.advance();
            let event = self
                .events
                .read_event()
                .map_err(|error| self.error(fault_of(&error)))?;
            return Ok(match event {
                Event::Start(element) | Event::Empty(element) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(self.error(DdfFault::TooDeep));
                    }
                    Piece::Open(element.name().as_ref().into())
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::Close
                }
                Event::Text(text) => Piece::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Piece::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) => Piece::Text(self.resolve(&reference)?),
                Event::Eof if self.depth > 0 => return Err(self.error(DdfFault::Truncated)),
                Event::Eof => Piece::End,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            });
        }
    }

    fn resolve(&self, reference: &BytesRef<'_>) -> Read<String> {
        match reference.resolve_char_ref() {
            Ok(Some(c)) => Ok(c.into()),
            Ok(None) => {
                let name: &str = reference;
                let text = resolve_xml_entity(name);
                text.map(str::to_owned)
                    .ok_or_else(|| self.error(DdfFault::Entity(name.into())))
            }
            Err(_) => Err(self.error(DdfFault::Syntax)),
        }
    }

    /// Moves the place on to where the next event begins; each character is looked at once.
    fn advance(&mut self) {
        let to = usize::try_from(self.events.buffer_position())
            .unwrap_or(usize::MAX)
            .min(self.xml.len());
        for c in self
            .xml
            .get(self.place.offset..to)
            .unwrap_or_default()
            .chars()
        {
            if c == '\n' {
                self.place.line += 1;
                self.place.column = 1;
            } else {
                self.place.column += 1;
            }
        }
        self.place.offset = to;
    }

    fn error(&self, fault: DdfFault) -> DdfError {
        self.error_at(self.place, fault)
    }

    fn error_at(&self, place: Place, fault: DdfFault) -> DdfError {
        DdfError {
            line: place.line,
            column: place.column,
            node: self.node_path(),
            fault,
        }
    }

    fn warn_at(&mut self, place: Place, tolerance: DdfTolerance) {
        if self.warnings.len() < MAX_WARNINGS {
            let node = self.node_path();
            self.warnings.push(DdfWarning {
                line: place.line,
                column: place.column,
                node,
                tolerance,
            });
        }
    }

    fn node_path(&self) -> Box<str> {
        if self.path.is_empty() {
            "/".into()
        } else {
            self.path.join("/").into()
        }
    }
}

fn fault_of(error: &XmlError) -> DdfFault {
    match error {
        XmlError::Syntax(SyntaxError::InvalidBangMarkup) => DdfFault::Syntax,
        XmlError::Syntax(_) | XmlError::IllFormed(IllFormedError::MissingEndTag(_)) => {
            DdfFault::Truncated
        }
        _ => DdfFault::Syntax,
    }
}

#[cfg(test)]
mod tests;
