use omadm_dm1::syncml::Data;
use omadm_dm1::tnds::{NodeType, RtProperties, TndsNode, TndsPlaces};
use omadm_mo::{Acl, Format, Node, NodeKind, NodeName, Value};

/// A TNDS node with all below it, as a node of the tree; what an interior node has of type and rights is left to who places it. `Path` has a meaning at
/// the top only.
///
/// # Errors
/// The path of the first node that has no name the tree can have, stands twice, or whose value does not fit its format.
pub(super) fn node_of(node: &TndsNode) -> Result<Node, String> {
    node.build(&String::new(), &mut Anywhere)
}

/// No tree says what nodes are: they are what the object says.
struct Anywhere;

impl TndsPlaces for Anywhere {
    type Place = String;
    type Fault = String;

    fn kind(&mut self, _at: &String, node: &TndsNode) -> Result<NodeKind, String> {
        let is_said = matches!(node.properties.format, None | Some(Format::Node));
        let is_interior = node.value.is_none() && (is_said || !node.nodes.is_empty());
        Ok(if is_interior {
            NodeKind::Interior
        } else {
            NodeKind::Leaf
        })
    }

    fn value(&mut self, at: &String, node: &TndsNode) -> Result<Value, String> {
        let empty = Data::Text(String::new());
        let data = node.value.as_ref().unwrap_or(&empty);
        leaf(node.properties.format, data).ok_or_else(|| at.clone())
    }

    fn below(
        &mut self,
        at: &String,
        name: Option<&NodeName>,
        node: &TndsNode,
    ) -> Result<String, String> {
        let place = format!("{at}/{}", node.name.as_deref().unwrap_or_default());
        name.map(|_| place.clone()).ok_or(place)
    }
}

/// Octets of a WBXML opaque are the value itself; text of a binary format is base64.
fn leaf(format: Option<Format>, data: &Data) -> Option<Value> {
    Some(match (format.unwrap_or(Format::Chr), data) {
        (Format::Bin | Format::B64, Data::Octets(octets)) => Value::bin(octets.as_slice()),
        (Format::B64, Data::Text(text)) => Value::from_text(Format::Bin, text).ok()?,
        (Format::Node, _) => return None,
        (format, data) => Value::from_text(format, data.text()?).ok()?,
    })
}

/// An MO instance as a TNDS node: named, of a type, with its ACL.
pub(super) fn tnds_of(name: &str, identifier: &str, acl: Option<&Acl>, node: &Node) -> TndsNode {
    let mut root = write(name, node);
    root.properties.r#type = Some(NodeType::DdfName(identifier.to_owned()));
    root.properties.acl = acl.map(ToString::to_string);
    root
}

fn write(name: &str, node: &Node) -> TndsNode {
    let (format, r#type) = match node {
        Node::Interior(_) => (Format::Node, NodeType::DdfName(String::new())),
        Node::Leaf(Value::Bin(_)) => (
            Format::Bin,
            NodeType::Mime("application/octet-stream".into()),
        ),
        Node::Leaf(value) => (value.format(), NodeType::Mime("text/plain".into())),
    };
    let value = match node {
        Node::Interior(_) => None,
        Node::Leaf(Value::Bin(octets)) => Some(Data::Octets(octets.to_vec())),
        Node::Leaf(value) => Some(Data::Text(value.to_text().to_string())),
    };
    let children = node
        .children()
        .into_iter()
        .flat_map(omadm_mo::Children::iter);
    TndsNode {
        name: Some(name.to_owned()),
        path: None,
        properties: RtProperties {
            format: Some(format),
            r#type: Some(r#type),
            ..RtProperties::default()
        },
        nodes: children
            .map(|(name, child)| write(name.as_str(), child))
            .collect(),
        value,
    }
}
