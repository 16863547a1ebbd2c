use crate::ddf::{AccessTypes, DdfNode};
use crate::{Format, Node};

/// What of a node may be shown to a server: leaves without Get are left out, and interior nodes without Get with all below them (`dm20.md` §9.3, D77).
///
/// None where nothing remains. Content below an open `Ext` that no DDF describes is shown.
#[must_use]
pub fn readable(node: &Node, described: Option<&DdfNode>) -> Option<Node> {
    if described.is_some_and(|described| !described.access().has(AccessTypes::GET)) {
        return None;
    }
    match node {
        Node::Leaf(_) => Some(node.clone()),
        Node::Interior(children) => {
            let shown = children.iter().filter_map(|(name, child)| {
                let below = described.and_then(|described| described.child(name));
                let hidden = below.is_none()
                    && described.is_some_and(|d| d.format() == Format::Node && !d.is_open());
                if hidden {
                    None
                } else {
                    Some((name.clone(), readable(child, below)?))
                }
            });
            Some(Node::Interior(shown.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::readable;
    use crate::standard::{MoRegistry, dm_acc};
    use crate::{Node, NodePath, Value};

    #[test]
    fn b_20_perm_and_secrets_are_never_shown() {
        let mut account = Node::empty();
        for path in [
            "SrvID",
            "Perm/1/MOID",
            "Auth/Trsp/Data",
            "Auth/Trsp/Secret",
            "Auth/Noti/Secret",
            "Ext/HTTPAuth/Password",
            "Ext/Acme/x",
        ] {
            account.put(&NodePath::of(path).unwrap(), Value::bin(*b"v").into());
        }
        let registry = MoRegistry::standard();
        let shown = readable(
            &account,
            Some(registry.get(&dm_acc::moid()).unwrap().root()),
        )
        .unwrap();
        let leaves: Vec<_> = shown
            .leaves()
            .into_iter()
            .map(|(path, _)| path.to_string())
            .collect();
        assert_eq!(leaves, ["Auth/Trsp/Data", "Ext/Acme/x", "SrvID"]);
        assert!(shown.find(&["Perm"]).is_none());
    }
}
