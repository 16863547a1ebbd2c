use omadm_mo::Format;

use super::{MAX_NODES, MgmtTree, NodeType, RtProperties, TndsFault, TndsNode};
use crate::markup::{Child, Event, MarkupReader, Name, Tag, Walk, ddf_tags as tags};
use crate::syncml::Data;

type Read<T> = Result<T, TndsFault>;

pub(super) fn read<'a>(reader: impl MarkupReader<'a>) -> Read<MgmtTree> {
    let mut document = Document {
        walk: Walk::new(reader),
        nodes: 0,
    };
    match document.walk.next_event()? {
        Some(Event::Start(Name::Known(tags::MGMT_TREE))) => document.tree(),
        _ => Err(TndsFault::NotMgmtTree),
    }
}

struct Document<R> {
    walk: Walk<R>,
    nodes: usize,
}

impl<'a, R: MarkupReader<'a>> Document<R> {
    fn tree(&mut self) -> Read<MgmtTree> {
        let mut tree = MgmtTree::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::MAN => tree.man = self.walk.token()?,
                tags::MOD => tree.model = self.walk.token()?,
                tags::NODE => tree.nodes.push(self.node()?),
                _ => self.walk.skip()?,
            }
        }
        Ok(tree)
    }

    fn node(&mut self) -> Read<TndsNode> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(TndsFault::TooMany);
        }
        let mut node = TndsNode::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::NODE_NAME => node.name = Some(self.walk.text()?.trim().to_owned()),
                tags::PATH => node.path = self.walk.token()?,
                tags::RT_PROPERTIES => node.properties = self.properties()?,
                tags::NODE => node.nodes.push(self.node()?),
                tags::VALUE => node.value = Some(Data::from(self.walk.data()?)),
                _ => self.walk.skip()?,
            }
        }
        if node.value.is_some() && !node.nodes.is_empty() {
            let name = node.name.unwrap_or_default();
            return Err(TndsFault::ValueAndNodes(name.into()));
        }
        Ok(node)
    }

    fn properties(&mut self) -> Read<RtProperties> {
        let mut properties = RtProperties::default();
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::ACL => properties.acl = self.walk.token()?,
                tags::FORMAT => properties.format = self.format()?,
                tags::TITLE => properties.title = self.walk.token()?,
                tags::T_STAMP => properties.tstamp = self.walk.token()?,
                tags::TYPE => properties.r#type = self.r#type()?,
                tags::VER_NO => properties.ver_no = self.walk.number("VerNo")?,
                _ => self.walk.skip()?,
            }
        }
        Ok(properties)
    }

    /// One empty element, named by the format; `Chr` is met (hazard 17).
    fn format(&mut self) -> Read<Option<Format>> {
        let mut format = None;
        while let Some(child) = self.walk.child()? {
            let name = match child {
                Child::Known(tag) => tag.name().unwrap_or_default().to_owned(),
                Child::Other(name) => name,
            };
            self.walk.skip()?;
            format = Some(
                Format::from_name(&name.to_ascii_lowercase())
                    .ok_or_else(|| TndsFault::Format(name.into()))?,
            );
        }
        Ok(format)
    }

    fn r#type(&mut self) -> Read<Option<NodeType>> {
        let mut r#type = None;
        while let Some(tag) = self.walk.known()? {
            match tag {
                tags::MIME => r#type = Some(NodeType::Mime(self.word()?)),
                tags::DDF_NAME => r#type = Some(NodeType::DdfName(self.word()?)),
                _ => self.walk.skip()?,
            }
        }
        Ok(r#type)
    }

    fn word(&mut self) -> Read<String> {
        Ok(self.walk.text()?.trim().to_owned())
    }
}

/// The element of a format.
pub(super) const fn tag_of(format: Format) -> Tag {
    match format {
        Format::B64 => tags::B64,
        Format::Bin => tags::BIN,
        Format::Bool => tags::BOOL,
        Format::Chr => tags::CHR,
        Format::Int => tags::INT,
        Format::Node => tags::FORMAT_NODE,
        Format::Null => tags::NULL,
        Format::Xml => tags::XML,
        Format::Date => tags::DATE,
        Format::Time => tags::TIME,
        Format::Float => tags::FLOAT,
    }
}
