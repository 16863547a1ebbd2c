use std::collections::{BTreeMap, BTreeSet};

use omadm_dm1::pretty::{is_secret_node, is_secret_parm};
use omadm_dm1::provisioning::Characteristic;
use omadm_mo::standard::DmAcc1;
use omadm_mo::standard::dm_acc1::names;
use omadm_mo::{Node, Secret};

use super::{DeliveredAccount, Dm1Document};
use crate::{ComparedValue, Difference};

/// Compares two documents of DM 1.x by what they would install: accounts by ServerID; in one form also what stands beside them. Empty where they would install
/// the same. Names of nodes and the order of credentials do not count.
///
/// Between the two forms `AAuthPref` and `INIT` do not count either, since only one of the forms has a place for each.
#[must_use]
pub fn compare_dm1(first: &Dm1Document, second: &Dm1Document) -> Vec<Difference> {
    let same_form = first.format == second.format;
    let (first, second) = (items(first, same_form), items(second, same_form));
    let mut found = Vec::new();
    for item in union(&first, &second) {
        let empty = Leaves::new();
        let (one, other) = (first.get(item), second.get(item));
        if one.is_none() || other.is_none() {
            let present = |leaves: Option<&Leaves>| match leaves {
                Some(_) => ComparedValue::Present,
                None => ComparedValue::Absent,
            };
            found.push(Difference {
                item: item.clone(),
                node: String::new(),
                first: present(one),
                second: present(other),
            });
            continue;
        }
        let (one, other) = (one.unwrap_or(&empty), other.unwrap_or(&empty));
        for node in union(one, other) {
            let (a, b) = (one.get(node), other.get(node));
            if a != b {
                found.push(Difference {
                    item: item.clone(),
                    node: node.clone(),
                    first: shown(a),
                    second: shown(b),
                });
            }
        }
    }
    found
}

/// A value, and whether it may be shown.
#[derive(PartialEq, Eq)]
enum Leaf {
    Shown(String),
    Secret(Secret),
}

/// Leaves of an item by their place.
type Leaves = BTreeMap<String, Leaf>;

fn union<'a, V>(
    first: &'a BTreeMap<String, V>,
    second: &'a BTreeMap<String, V>,
) -> Vec<&'a String> {
    let all: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    all.into_iter().collect()
}

fn shown(leaf: Option<&Leaf>) -> ComparedValue {
    match leaf {
        None => ComparedValue::Absent,
        Some(Leaf::Shown(text)) => ComparedValue::Text(text.clone()),
        Some(Leaf::Secret(_)) => ComparedValue::Secret,
    }
}

fn items(document: &Dm1Document, whole: bool) -> BTreeMap<String, Leaves> {
    let mut items = BTreeMap::new();
    for one in &document.accounts {
        let mut leaves = of_account(&one.account);
        if whole {
            only_one_form(one, &mut leaves);
        }
        items.insert(format!("DM Account {}", one.account.server_id), leaves);
    }
    if !whole {
        return items;
    }
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    let mut place = |kind: &str| {
        let position = positions.entry(kind.to_owned()).or_default();
        *position += 1;
        format!("{kind} [{}]", *position - 1)
    };
    for object in &document.objects {
        items.insert(place(&object.identifier), of_node(&object.node));
    }
    for other in &document.others {
        let mut leaves = Leaves::new();
        of_characteristic(other, "", &mut leaves);
        items.insert(place(&other.r#type), leaves);
    }
    items
}

/// What a provisioning document, or what a message alone has a place for.
fn only_one_form(one: &DeliveredAccount, leaves: &mut Leaves) {
    let preferred = one.account.auth_pref.clone();
    put(leaves, names::AAUTH_PREF, preferred);
    put(leaves, "INIT", one.init.then(|| "true".to_owned()));
}

fn of_account(account: &DmAcc1) -> Leaves {
    let mut leaves = Leaves::new();
    put(&mut leaves, names::NAME, account.name.clone());
    let references = account.pref_con_ref.iter().chain(&account.to_con_refs);
    for (number, reference) in (1..).zip(references) {
        put(
            &mut leaves,
            &format!("ConRef/{number}"),
            Some(reference.clone()),
        );
    }
    for (number, address) in (1..).zip(&account.addresses) {
        let at = |name| format!("{}/{number}/{name}", names::APP_ADDR);
        put(&mut leaves, &at(names::ADDR), Some(address.addr.clone()));
        let kind = address.addr_type.name().to_owned();
        put(&mut leaves, &at(names::ADDR_TYPE), Some(kind));
        let ports: Vec<_> = address.ports.iter().map(u16::to_string).collect();
        let ports = Some(ports.join(" ")).filter(|ports| !ports.is_empty());
        put(&mut leaves, &at(names::PORT), ports);
    }
    for auth in &account.auths {
        let at = |name: &str| {
            let (level, kind) = (auth.level.name(), auth.auth_type.name());
            format!("{} {level} {kind}{name}", names::APP_AUTH)
        };
        put(&mut leaves, &at(""), Some(String::new()));
        let name = format!("/{}", names::AAUTH_NAME);
        put(&mut leaves, &at(&name), auth.name.clone());
        for (name, secret) in [
            (names::AAUTH_SECRET, &auth.secret),
            (names::AAUTH_DATA, &auth.nonce),
        ] {
            if let Some(secret) = secret {
                let leaf = Leaf::Secret(secret.clone());
                leaves.insert(at(&format!("/{name}")), leaf);
            }
        }
    }
    leaves
}

fn of_node(node: &Node) -> Leaves {
    let leaf = |(path, value): (omadm_mo::NodePath, &omadm_mo::Value)| {
        let text = value.to_text().to_string();
        let name = path.names().last();
        let secret = name.is_some_and(|name| is_secret_node(name.as_str()));
        (path.to_string(), leaf_of(text, secret))
    };
    node.leaves().into_iter().map(leaf).collect()
}

fn of_characteristic(one: &Characteristic, at: &str, leaves: &mut Leaves) {
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    for parm in &one.parms {
        let position = positions.entry(&parm.name).or_default();
        *position += 1;
        let number = match position {
            1 => String::new(),
            more => format!(" [{}]", *more - 1),
        };
        let value = parm.value.clone().unwrap_or_default();
        let leaf = leaf_of(value, is_secret_parm(&parm.name));
        leaves.insert(format!("{at}{}{number}", parm.name), leaf);
    }
    for (number, within) in one.characteristics.iter().enumerate() {
        let at = format!("{at}{} [{number}]/", within.r#type);
        of_characteristic(within, &at, leaves);
    }
}

fn leaf_of(text: String, secret: bool) -> Leaf {
    if secret {
        Leaf::Secret(Secret::from(text))
    } else {
        Leaf::Shown(text)
    }
}

fn put(leaves: &mut Leaves, at: &str, value: Option<String>) {
    if let Some(value) = value {
        leaves.insert(at.to_owned(), Leaf::Shown(value));
    }
}
