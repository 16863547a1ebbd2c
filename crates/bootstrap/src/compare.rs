//! Two DM Bootstraps compared by what they would install: accounts by SrvID, other objects by MOID and place, nodes by name.

use std::collections::{BTreeMap, BTreeSet};

use omadm_dm2::{MASK, mask};
use omadm_mo::ClientUri;
use omadm_mo::json::Json;
use omadm_mo::serialization::SerializationError;
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc::{self, names};

/// What one of two documents has otherwise than the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The account (`DM Account dm.example.com`) or object (`urn:example:mo:gps:1.0 [0]`).
    pub item: String,
    /// The node below its root; empty for the item as a whole.
    pub node: String,
    /// Its value in the first document.
    pub first: ComparedValue,
    /// Its value in the second document.
    pub second: ComparedValue,
}

/// What a document has at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ComparedValue {
    /// Nothing.
    Absent,
    /// The item, or a node with others below it.
    Present,
    /// A value.
    Text(String),
    /// A value that is not shown (§12.2); that it differs is.
    Secret,
}

/// Compares two documents; empty where they would install the same. The order of items, the names of Perm entries, the writing of JSON and the DDF addresses do not count.
///
/// # Errors
/// What in one of them is no MO serialization.
pub fn compare(
    first: &Json,
    second: &Json,
    registry: &MoRegistry,
) -> Result<Vec<Difference>, SerializationError> {
    let (first, second) = (leaves(first, registry)?, leaves(second, registry)?);
    let items: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    let mut found = Vec::new();
    for item in items {
        let mut differs = |node: &str, first: ComparedValue, second: ComparedValue| {
            found.push(Difference {
                item: item.clone(),
                node: node.to_owned(),
                first,
                second,
            });
        };
        let (one, other) = match (first.get(item), second.get(item)) {
            (Some(one), Some(other)) => (one, other),
            (Some(_), None) => {
                differs("", ComparedValue::Present, ComparedValue::Absent);
                continue;
            }
            _ => {
                differs("", ComparedValue::Absent, ComparedValue::Present);
                continue;
            }
        };
        let nodes: BTreeSet<_> = one.keys().chain(other.keys()).collect();
        for node in nodes {
            let (a, b) = (one.get(node), other.get(node));
            if a != b {
                differs(node, shown(a), shown(b));
            }
        }
    }
    Ok(found)
}

/// SrvIDs of the accounts that a document names, in its order; nothing of it is checked.
#[must_use]
pub fn servers_of(document: &Json) -> Vec<String> {
    let items = document
        .as_array()
        .unwrap_or_else(|| std::slice::from_ref(document));
    let account = |item: &&Json| {
        let uri = item.member("ClientURI").and_then(Json::as_text);
        uri.and_then(|uri| ClientUri::parse(uri).ok())
            .is_some_and(|uri| uri.moid == dm_acc::moid())
    };
    let srv_id = |item: &Json| {
        let (_, root) = item.member("MOData")?.as_object()?.first()?;
        Some(root.member(names::SRV_ID)?.as_text()?.to_owned())
    };
    items.iter().filter(account).filter_map(srv_id).collect()
}

/// A leaf with whether it is a secret.
type Leaf = (Json, bool);
/// Leaves of an item by their path.
type Leaves = BTreeMap<String, Leaf>;

fn shown(leaf: Option<&Leaf>) -> ComparedValue {
    match leaf {
        None => ComparedValue::Absent,
        Some((_, true)) => ComparedValue::Secret,
        Some((Json::Text(text), false)) => ComparedValue::Text(text.clone()),
        Some((Json::Object(_), false)) => ComparedValue::Present,
        Some((other, false)) => ComparedValue::Text(other.to_compact()),
    }
}

fn leaves(
    document: &Json,
    registry: &MoRegistry,
) -> Result<BTreeMap<String, Leaves>, SerializationError> {
    // What is no serialization is refused with its place before anything is compared.
    omadm_mo::serialization::MoItem::read_all(document)?;
    let masked = mask(document, registry);
    let pairs: Vec<_> = match (document.as_array(), masked.as_array()) {
        (Some(items), Some(masked)) => items.iter().zip(masked).collect(),
        _ => vec![(document, &masked)],
    };
    let mut positions = BTreeMap::new();
    let mut found = BTreeMap::new();
    for (item, masked) in pairs {
        let (Some(root), Some(masked)) = (root(item), root(masked)) else {
            continue;
        };
        let uri = item.member("ClientURI").and_then(Json::as_text);
        let moid = uri
            .and_then(|uri| ClientUri::parse(uri).ok())
            .map(|uri| uri.moid);
        let account = moid.as_ref() == Some(&dm_acc::moid());
        let srv_id = root.member(names::SRV_ID).and_then(Json::as_text);
        let mut nodes = Leaves::new();
        collect(root, masked, "", account, &mut nodes);
        let key = match srv_id.filter(|_| account) {
            Some(srv_id) => format!("DM Account {srv_id}"),
            None => {
                let moid = moid.map_or_else(String::new, |moid| moid.to_string());
                let position: &mut usize = positions.entry(moid.clone()).or_default();
                *position += 1;
                format!("{moid} [{}]", *position - 1)
            }
        };
        found.insert(key, nodes);
    }
    Ok(found)
}

/// The one member of an item's MOData.
fn root(item: &Json) -> Option<&Json> {
    let data = item.member("MOData")?.as_object()?;
    data.first().map(|(_, root)| root)
}

fn collect(node: &Json, masked: &Json, at: &str, account: bool, found: &mut Leaves) {
    let Some(members) = node.as_object() else {
        let secret = *node != Json::text(MASK) && *masked == Json::text(MASK);
        found.insert(at.to_owned(), (node.clone(), secret));
        return;
    };
    if members.is_empty() && !at.is_empty() {
        found.insert(at.to_owned(), (node.clone(), false));
    }
    for (name, child) in members {
        let below = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}/{name}")
        };
        if account && at.is_empty() && name == names::PERM {
            permissions(child, found);
        } else if let Some(masked) = masked.member(name) {
            collect(child, masked, &below, account, found);
        }
    }
}

/// Which MOIDs, whatever their entries are called.
fn permissions(perm: &Json, found: &mut Leaves) {
    for (_, entry) in perm.as_object().unwrap_or_default() {
        if let Some(moid) = entry.member(names::MOID).and_then(Json::as_text) {
            let granted = (Json::text("granted"), false);
            found.insert(format!("{}/{moid}", names::PERM), granted);
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::{Json, JsonLimits};
    use omadm_mo::standard::MoRegistry;

    use super::{ComparedValue, Difference, compare};

    const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"a","SrvURI":"https://a.example/","Name":"A",
        "Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"},"2":{"MOID":"urn:x:mo:y:1.0"}},"Auth":{"Noti":{"Type":1,"Data":"","Secret":"c2VjcmV0"}}}}},
        {"ClientURI":"urn:x:mo:y:1.0//","MOData":{"Y":{"Rate":5,"Password":"hunter2"}}}]"#;

    fn read(text: &str) -> Json {
        Json::read(text.as_bytes(), JsonLimits::default()).unwrap()
    }

    fn found(second: &str) -> Vec<Difference> {
        compare(&read(DOCUMENT), &read(second), &MoRegistry::standard()).unwrap()
    }

    #[test]
    fn what_would_install_the_same_does_not_differ() {
        assert_eq!(found(DOCUMENT), []);
        let renamed = DOCUMENT.replace("\"1\":", "\"9\":").replace("},{", "}, {");
        assert_eq!(found(&renamed), []);
        let all = read(DOCUMENT);
        let mut turned = all.as_array().unwrap().to_vec();
        turned.reverse();
        assert_eq!(found(&Json::Array(turned).to_compact()), []);
    }

    #[test]
    fn a_secret_that_differs_is_told_and_not_shown() {
        let other = DOCUMENT
            .replace("c2VjcmV0", "b3RoZXI=")
            .replace("hunter2", "letmein");
        let found = found(&other);
        let nodes: Vec<_> = found.iter().map(|one| one.node.as_str()).collect();
        assert_eq!(nodes, ["Auth/Noti/Secret", "Password"]);
        for one in &found {
            assert_eq!(
                (&one.first, &one.second),
                (&ComparedValue::Secret, &ComparedValue::Secret)
            );
        }
        let told = format!("{found:?}");
        assert!(
            !told.contains("hunter2") && !told.contains("c2VjcmV0"),
            "{told}"
        );
    }

    #[test]
    fn values_items_and_permissions_that_differ_are_told() {
        let other = DOCUMENT
            .replace("\"Rate\":5", "\"Rate\":6")
            .replace("urn:x:mo:y:1.0\"}", "urn:x:mo:z:1.0\"}")
            .replace("\"SrvID\":\"a\"", "\"SrvID\":\"b\"");
        let found = found(&other);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.item.as_str(), one.node.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("DM Account a", ""),
                ("DM Account b", ""),
                ("urn:x:mo:y:1.0 [0]", "Rate")
            ]
        );
        assert_eq!(found[2].first, ComparedValue::Text("5".into()));
        let perm = DOCUMENT.replace("urn:x:mo:y:1.0\"}", "urn:x:mo:z:1.0\"}");
        let found = compare(&read(DOCUMENT), &read(&perm), &MoRegistry::standard()).unwrap();
        let nodes: Vec<_> = found.iter().map(|one| one.node.as_str()).collect();
        assert_eq!(nodes, ["Perm/urn:x:mo:y:1.0", "Perm/urn:x:mo:z:1.0"]);
        assert_eq!(found[0].second, ComparedValue::Absent);
    }
}
