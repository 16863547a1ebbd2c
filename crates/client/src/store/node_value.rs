//! What stands in the table `trees`: one octet of format, then the value. Numbers are big-endian; texts UTF-8.

use omadm_mo::{Format, Node, NodeKind, Secret, Value};
use std::str;

/// The octet of each format. Part of the file's form: never given another meaning.
const TAGS: [(u8, Format); 11] = [
    (0, Format::Node),
    (1, Format::Null),
    (2, Format::B64),
    (3, Format::Bin),
    (4, Format::Bool),
    (5, Format::Chr),
    (6, Format::Int),
    (7, Format::Xml),
    (8, Format::Date),
    (9, Format::Time),
    (10, Format::Float),
];

/// A node as it is stored, without what lies below it. Any leaf may be a secret.
pub(super) fn encode(node: &Node) -> Secret {
    let Some(value) = node.value() else {
        return Secret::new(vec![tag(Format::Node)]);
    };
    let mut stored = vec![tag(value.format())];
    match value {
        Value::Null => {}
        Value::B64(octets) | Value::Bin(octets) => append(&mut stored, octets),
        Value::Bool(truth) => stored.push(u8::from(*truth)),
        Value::Chr(text) | Value::Xml(text) | Value::Date(text) | Value::Time(text) => {
            append(&mut stored, text.as_bytes());
        }
        Value::Int(number) => append(&mut stored, &number.to_be_bytes()),
        Value::Float(number) => append(&mut stored, &number.to_bits().to_be_bytes()),
    }
    Secret::new(stored)
}

/// The kind of a stored node; none where it is damaged.
pub(super) fn kind(stored: &[u8]) -> Option<NodeKind> {
    let format = format(*stored.first()?)?;
    Some(if format == Format::Node {
        NodeKind::Interior
    } else {
        NodeKind::Leaf
    })
}

/// The stored node, an interior one without children; none where it is damaged.
pub(super) fn decode(stored: &[u8]) -> Option<Node> {
    let (first, rest) = stored.split_first()?;
    let text = || str::from_utf8(rest).ok().map(|text| text.to_owned().into());
    Some(Node::Leaf(match format(*first)? {
        Format::Node => return rest.is_empty().then(Node::empty),
        Format::Null => return rest.is_empty().then_some(Node::Leaf(Value::Null)),
        Format::B64 => Value::B64(rest.to_vec().into()),
        Format::Bin => Value::bin(rest),
        Format::Bool => match rest {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        Format::Chr => Value::Chr(text()?),
        Format::Int => Value::Int(i64::from_be_bytes(rest.try_into().ok()?)),
        Format::Xml => Value::Xml(text()?),
        Format::Date => Value::Date(text()?),
        Format::Time => Value::Time(text()?),
        Format::Float => Value::Float(f64::from_bits(u64::from_be_bytes(rest.try_into().ok()?))),
    }))
}

/// Grows to the exact length at once, so that no unwiped copy is left behind by a second growth.
fn append(stored: &mut Vec<u8>, octets: &[u8]) {
    stored.reserve_exact(octets.len());
    stored.extend_from_slice(octets);
}

fn tag(format: Format) -> u8 {
    TAGS.iter()
        .find(|(_, f)| *f == format)
        .map_or(u8::MAX, |(tag, _)| *tag)
}

fn format(tag: u8) -> Option<Format> {
    TAGS.iter()
        .find(|(t, _)| *t == tag)
        .map(|(_, format)| *format)
}

#[cfg(test)]
mod tests {
    use super::{TAGS, decode, encode, kind};
    use omadm_mo::{Format, Node, NodeKind, Value};

    #[test]
    fn every_format_has_its_octet() {
        for format in Format::ALL {
            assert_eq!(
                TAGS.iter().filter(|(_, f)| *f == format).count(),
                1,
                "{format}"
            );
        }
    }

    #[test]
    fn what_was_stored_is_read_back() {
        let values = [
            Value::Null,
            Value::B64(vec![0, 255].into()),
            Value::bin([]),
            Value::Bool(true),
            Value::Bool(false),
            Value::chr("grüß"),
            Value::Int(i64::MIN),
            Value::Xml("<a/>".to_owned().into()),
            Value::Date("20260101".to_owned().into()),
            Value::Time("120000Z".to_owned().into()),
            Value::Float(-0.5),
        ];
        for value in values {
            let node = Node::Leaf(value);
            assert!(
                decode(encode(&node).expose()) == Some(node.clone()),
                "{node:?}"
            );
            assert_eq!(kind(encode(&node).expose()), Some(NodeKind::Leaf));
        }
        assert_eq!(decode(encode(&Node::empty()).expose()), Some(Node::empty()));
    }

    #[test]
    fn damaged_values_are_none() {
        for stored in [
            &[][..],
            &[11],
            &[0, 1],
            &[1, 0],
            &[4, 2],
            &[5, 0xFF],
            &[6, 1],
            &[10],
        ] {
            assert_eq!(decode(stored), None, "{stored:?}");
        }
    }
}
