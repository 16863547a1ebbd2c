use crate::ddf::DdfNode;
use crate::json::Json;
use crate::{CacheValidator, ClientUri, Node, Value};

/// Writes one item. `name` is the wrapper's name (D33 a, b); `described` only decides the order of the children.
#[must_use]
pub fn write_item(
    client_uri: &ClientUri,
    name: &str,
    node: &Node,
    described: Option<&DdfNode>,
    ddf: Option<&str>,
    cv: Option<&CacheValidator>,
) -> Json {
    let mut members = Vec::new();
    members.extend(ddf.map(|url| ("DDF".to_owned(), Json::text(url))));
    members.push(("ClientURI".to_owned(), Json::text(client_uri.to_string())));
    members.extend(cv.map(|cv| ("CV".to_owned(), Json::text(cv.as_str()))));
    members.push((
        "MOData".to_owned(),
        Json::object([(name, write_node(node, described))]),
    ));
    Json::Object(members)
}

/// A leaf's value as D32 writes it.
#[must_use]
pub fn write_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::Int(*number),
        Value::Float(number) => Json::Float(*number),
        Value::B64(_)
        | Value::Bin(_)
        | Value::Chr(_)
        | Value::Xml(_)
        | Value::Date(_)
        | Value::Time(_) => Json::text(value.to_text().as_str()),
    }
}

/// Children stand in the order of the DDF, those it does not name after them in stored order.
fn write_node(node: &Node, described: Option<&DdfNode>) -> Json {
    let children = match node {
        Node::Leaf(value) => return write_value(value),
        Node::Interior(children) => children,
    };
    let rank = |name: &crate::NodeName| {
        let named = described.map(DdfNode::children).unwrap_or_default();
        named
            .iter()
            .position(|child| child.name() == Some(name))
            .unwrap_or(usize::MAX)
    };
    let mut ordered: Vec<_> = children.iter().collect();
    ordered.sort_by_key(|(name, _)| rank(name));
    let members = ordered.into_iter().map(|(name, child)| {
        let below = described.and_then(|described| described.child(name));
        (name.as_str().to_owned(), write_node(child, below))
    });
    Json::Object(members.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::write_item;
    use crate::json::{Json, JsonLimits};
    use crate::serialization::MoItem;
    use crate::standard::{MoRegistry, dm_acc};
    use crate::{ClientUri, Node, NodePath, Value};

    #[test]
    fn children_are_written_in_the_order_of_the_ddf() {
        let mut account = Node::empty();
        for path in ["Name", "Ext/b", "SrvURI", "SrvID"] {
            account.put(&NodePath::of(path).unwrap(), Value::chr("v").into());
        }
        let registry = MoRegistry::standard();
        let root = registry.get(&dm_acc::moid()).unwrap().root();
        let uri = ClientUri::only_instance(dm_acc::moid());
        let written = write_item(&uri, "DMAcc", &account, Some(root), None, None).to_compact();
        assert_eq!(
            written,
            r#"{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"v","SrvURI":"v","Name":"v","Ext":{"b":"v"}}}}"#
        );
    }

    proptest! {
        #[test]
        fn reading_is_the_inverse_of_writing(
            name in "[^\\p{Cc}]{0,20}", octets in prop::collection::vec(any::<u8>(), 0..40), kind in any::<i64>(),
            moids in prop::collection::vec("[a-z]{1,8}", 1..4),
        ) {
            let mut account = Node::empty();
            let mut put = |path: &str, value: Value| { account.put(&NodePath::of(path).unwrap(), value.into()); };
            put("Name", Value::chr(name));
            put("Auth/Noti/Type", Value::Int(kind));
            put("Auth/Noti/Data", Value::bin(octets));
            for (n, moid) in moids.iter().enumerate() {
                put(&format!("Perm/{n}/MOID"), Value::chr(moid.clone()));
            }
            let registry = MoRegistry::standard();
            let ddf = registry.get(&dm_acc::moid()).unwrap();
            let uri = ClientUri::only_instance(dm_acc::moid());
            let text = write_item(&uri, "DMAcc", &account, Some(ddf.root()), None, None).to_compact();
            let json = Json::read(text.as_bytes(), JsonLimits::default()).unwrap();
            let item = &MoItem::read_all(&json).unwrap()[0];
            prop_assert_eq!(item.client_uri.as_ref(), Some(&uri));
            let bound = item.bind(ddf, &NodePath::root(), "DMAcc").unwrap();
            prop_assert_eq!(bound.node, account);
        }
    }
}
