use super::read::tag_of;
use super::{MgmtTree, NodeType, RtProperties, TndsNode};
use crate::markup::{MarkupWriter, Tag, ddf_tags as tags};
use crate::syncml::{Data, VER_DTD};

pub(super) fn write(tree: &MgmtTree, writer: &mut impl MarkupWriter) {
    writer.start(tags::MGMT_TREE);
    text(writer, tags::VER_DTD, VER_DTD);
    maybe(writer, tags::MAN, tree.man.as_deref());
    maybe(writer, tags::MOD, tree.model.as_deref());
    for node in &tree.nodes {
        write_node(node, writer);
    }
    writer.end();
}

fn write_node(node: &TndsNode, writer: &mut impl MarkupWriter) {
    writer.start(tags::NODE);
    maybe(writer, tags::NODE_NAME, node.name.as_deref());
    maybe(writer, tags::PATH, node.path.as_deref());
    write_properties(&node.properties, writer);
    for child in &node.nodes {
        write_node(child, writer);
    }
    if let Some(value) = &node.value {
        writer.start(tags::VALUE);
        match value {
            Data::Text(text) => writer.text(text),
            Data::Octets(octets) => writer.opaque(octets),
        }
        writer.end();
    }
    writer.end();
}

fn write_properties(properties: &RtProperties, writer: &mut impl MarkupWriter) {
    if *properties == RtProperties::default() {
        return;
    }
    writer.start(tags::RT_PROPERTIES);
    maybe(writer, tags::ACL, properties.acl.as_deref());
    if let Some(format) = properties.format {
        writer.start(tags::FORMAT);
        writer.start(tag_of(format));
        writer.end();
        writer.end();
    }
    maybe(writer, tags::TITLE, properties.title.as_deref());
    maybe(writer, tags::T_STAMP, properties.tstamp.as_deref());
    if let Some(r#type) = &properties.r#type {
        writer.start(tags::TYPE);
        match r#type {
            NodeType::Mime(mime) => text(writer, tags::MIME, mime),
            NodeType::DdfName(name) => text(writer, tags::DDF_NAME, name),
        }
        writer.end();
    }
    if let Some(number) = properties.ver_no {
        text(writer, tags::VER_NO, &number.to_string());
    }
    writer.end();
}

fn text(writer: &mut impl MarkupWriter, tag: Tag, text: &str) {
    writer.start(tag);
    writer.text(text);
    writer.end();
}

fn maybe(writer: &mut impl MarkupWriter, tag: Tag, content: Option<&str>) {
    if let Some(content) = content {
        text(writer, tag, content);
    }
}
