//! Which values of a document people do not get to see: decided here for traces, decoding and previews alike.

use omadm_mo::client_uri::Step;
use omadm_mo::ddf::{AccessTypes, Ddf, DdfNode};
use omadm_mo::json::Json;
use omadm_mo::standard::{MoRegistry, dm_acc};
use omadm_mo::{ClientUri, Moid, NodeKind, NodeName};

/// What stands in place of a hidden value.
pub const MASK: &str = "•••";

/// Members that are hidden wherever no DDF tells what they are.
const SECRET_NAMES: [&str; 3] = ["ClientSecretKey", "Secret", "Password"];

/// The same document with its secrets replaced by [`MASK`]: in an item whose MO is known, the leaves that lack Get on the way to them; everywhere else the
/// members named `ClientSecretKey`, `Secret` or `Password`. The permission list of a DM Account has no Get either, but is no secret (`dm20.md` §14.6.1
/// step 6 shows it to the actor who decides), and stays.
#[must_use]
pub fn mask(document: &Json, registry: &MoRegistry) -> Json {
    match document {
        Json::Array(elements) => Json::Array(
            elements
                .iter()
                .map(|element| mask(element, registry))
                .collect(),
        ),
        Json::Object(members)
            if document
                .member("MOData")
                .is_some_and(|data| data.as_object().is_some()) =>
        {
            let uri = document
                .member("ClientURI")
                .and_then(Json::as_text)
                .and_then(|uri| ClientUri::parse(uri).ok());
            let masked = members.iter().map(|(name, value)| {
                let value = match name.as_str() {
                    "MOData" => mask_data(value, uri.as_ref(), registry),
                    name => mask_member(name, value, registry),
                };
                (name.clone(), value)
            });
            Json::Object(masked.collect())
        }
        Json::Object(members) => {
            let masked = members
                .iter()
                .map(|(name, value)| (name.clone(), mask_member(name, value, registry)));
            Json::Object(masked.collect())
        }
        other => other.clone(),
    }
}

fn mask_member(name: &str, value: &Json, registry: &MoRegistry) -> Json {
    if SECRET_NAMES.contains(&name) {
        hidden(value)
    } else {
        mask(value, registry)
    }
}

/// Every leaf below becomes [`MASK`]; what is no leaf keeps its shape.
fn hidden(value: &Json) -> Json {
    match value {
        Json::Null => Json::Null,
        Json::Array(elements) => Json::Array(elements.iter().map(hidden).collect()),
        Json::Object(members) => Json::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), hidden(value)))
                .collect(),
        ),
        _ => Json::text(MASK),
    }
}

/// A node on the way down: what the DDF says of it, and whether people may see its value.
#[derive(Clone, Copy)]
struct Place<'a> {
    described: Option<&'a DdfNode>,
    shown: bool,
    is_account: bool,
    is_permission: bool,
}

impl<'a> Place<'a> {
    fn root(moid: &Moid, ddf: &'a Ddf) -> Self {
        let is_account = *moid == dm_acc::moid();
        Self {
            described: Some(ddf.root()),
            shown: has_get(ddf.root()),
            is_account,
            is_permission: false,
        }
    }

    fn child(self, name: &str) -> Self {
        let node_name = NodeName::parse(name).ok();
        let child = self
            .described
            .and_then(|described| described.child(node_name.as_ref()?));
        self.below(
            child,
            self.is_permission || (self.is_account && name == dm_acc::names::PERM),
        )
    }

    fn placeholder(self) -> Self {
        let child = self
            .described
            .and_then(|node| node.children().iter().find(|child| child.name().is_none()));
        self.below(child, self.is_permission)
    }

    fn below(self, described: Option<&'a DdfNode>, is_permission: bool) -> Self {
        let shown = is_permission || (self.shown && described.is_none_or(has_get));
        Self {
            described,
            shown,
            is_account: false,
            is_permission,
        }
    }
}

const fn has_get(node: &DdfNode) -> bool {
    node.access().has(AccessTypes::GET)
}

fn is_leaf(node: &DdfNode) -> bool {
    node.kind() == NodeKind::Leaf
}

/// `MOData`, wrapped or not (D33 c). Without a usable ClientURI the wrapper's name tells the MO.
fn mask_data(data: &Json, uri: Option<&ClientUri>, registry: &MoRegistry) -> Json {
    let Some(members) = data.as_object() else {
        return data.clone();
    };
    let only = if let [(only, _)] = members {
        Some(only.as_str())
    } else {
        None
    };
    let wrapped = || {
        registry
            .iter()
            .map(|(moid, _)| moid)
            .find(|moid| only.is_some() && registry.root_name(moid) == only)
    };
    let Some((moid, ddf)) = uri
        .map(|uri| &uri.moid)
        .or_else(wrapped)
        .and_then(|moid| Some((moid, registry.get(moid)?)))
    else {
        return mask(data, registry);
    };
    let steps = uri.map(|uri| uri.path.as_slice()).unwrap_or_default();
    let place = steps
        .iter()
        .fold(Place::root(moid, ddf), |place, step| match step {
            Step::Name(name) => place.child(name.as_str()),
            Step::XName(_) | Step::All => place.placeholder(),
        });
    let own_name = match steps.last() {
        None => registry.root_name(moid),
        Some(Step::Name(name)) => Some(name.as_str()),
        Some(Step::XName(_) | Step::All) => None,
    };
    let masked = members.iter().map(|(name, value)| {
        let child = place.child(name);
        let may_wrap = value.as_object().is_some() || place.described.is_some_and(is_leaf);
        let is_wrapper =
            only.is_some() && (own_name == only || (child.described.is_none() && may_wrap));
        (
            name.clone(),
            mask_node(name, value, if is_wrapper { place } else { child }),
        )
    });
    Json::Object(masked.collect())
}

fn mask_node(name: &str, value: &Json, place: Place<'_>) -> Json {
    if !place.shown || (place.described.is_none() && SECRET_NAMES.contains(&name)) {
        return hidden(value);
    }
    match value {
        Json::Object(members) => {
            let masked = members
                .iter()
                .map(|(name, value)| (name.clone(), mask_node(name, value, place.child(name))));
            Json::Object(masked.collect())
        }
        Json::Array(elements) => Json::Array(
            elements
                .iter()
                .map(|element| mask_node(name, element, place))
                .collect(),
        ),
        leaf => leaf.clone(),
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::{Json, JsonLimits};
    use omadm_mo::standard::MoRegistry;

    use super::mask;

    fn masked(text: &str) -> String {
        mask(
            &Json::read(text.as_bytes(), JsonLimits::default()).unwrap(),
            &MoRegistry::standard(),
        )
        .to_compact()
    }

    #[test]
    fn secrets_of_an_account_are_hidden_and_its_permissions_are_not() {
        let data = r#"{"SrvID":"s","Perm":{"1":{"MOID":"urn:m"}},"Auth":{"Bootstrap":{"ServerURI":"u","ClientPubKey":"hid","ServerPubKey":"hid","ClientSecretKey":"hid"},"Noti":{"Type":1,"Data":"d","Secret":"hid"},"Trsp":{"Data":"d","Secret":"hid"}},"Ext":{"HTTPAuth":{"User":"u","Password":"hid"},"Acme":{"Password":"hid","x":"y"}}}"#;
        for (before, after) in [
            (
                r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":"#,
                "}}]",
            ),
            (
                r#"[{"ClientURI":"oma:mo:oma-dm-dmacc:1.2/1/","MOData":"#,
                "}]",
            ),
            (
                r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","MOData":{"anything":"#,
                "}}]",
            ),
            (r#"{"MOData":{"DMAcc":"#, "}}"),
            (
                r#"{"Status":[{"sc":200,"Result":[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","MOData":{"DMAcc":"#,
                "}}]}]}",
            ),
        ] {
            let expected = format!("{before}{}{after}", data.replace("\"hid\"", "\"•••\""));
            assert_eq!(masked(&format!("{before}{data}{after}")), expected);
        }
    }

    #[test]
    fn a_part_of_an_account_is_masked_as_the_whole_is() {
        for (uri, data, expected) in [
            (
                "1/Auth/Trsp",
                r#"{"Trsp":{"Data":"d","Secret":"x"}}"#,
                r#"{"Trsp":{"Data":"d","Secret":"•••"}}"#,
            ),
            (
                "1/Auth/Trsp",
                r#"{"Data":"d","Secret":"x"}"#,
                r#"{"Data":"d","Secret":"•••"}"#,
            ),
            (
                "1/Auth/Trsp/Secret",
                r#"{"Secret":"x"}"#,
                r#"{"Secret":"•••"}"#,
            ),
            (
                "1/",
                r#"{"DMAcc":[{"Auth":{"Trsp":{"Secret":"x"}}}]}"#,
                r#"{"DMAcc":[{"Auth":{"Trsp":{"Secret":"•••"}}}]}"#,
            ),
            ("1/", r#"{"Secret":"x"}"#, r#"{"Secret":"•••"}"#),
            ("1/Auth/Trsp/Secret", r#"{"value":7}"#, r#"{"value":"•••"}"#),
            (
                "1/Auth/Bootstrap/ClientPubKey",
                r#"{"ClientPubKey":"x"}"#,
                r#"{"ClientPubKey":"•••"}"#,
            ),
            (
                "1/Perm/*",
                r#"{"1":{"MOID":"urn:m"}}"#,
                r#"{"1":{"MOID":"urn:m"}}"#,
            ),
        ] {
            let item = |data| {
                format!(r#"[{{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2/{uri}","MOData":{data}}}]"#)
            };
            assert_eq!(masked(&item(data)), item(expected), "{uri}");
        }
    }

    #[test]
    fn where_no_ddf_is_known_the_name_decides() {
        for (text, expected) in [
            (
                r#"[{"ClientURI":"urn:x:mo:y:1.0//","MOData":{"Y":{"Secret":"x","SecretName":"n","Password":{"a":"x"}}}}]"#,
                r#"[{"ClientURI":"urn:x:mo:y:1.0//","MOData":{"Y":{"Secret":"•••","SecretName":"n","Password":{"a":"•••"}}}}]"#,
            ),
            (
                r#"{"Alert":[{"AlertType":"urn:a","Data":{"ClientSecretKey":"x","n":1}}]}"#,
                r#"{"Alert":[{"AlertType":"urn:a","Data":{"ClientSecretKey":"•••","n":1}}]}"#,
            ),
            (
                r#"[{"ClientURI":7,"MOData":{"Secret":"x","b":1}}]"#,
                r#"[{"ClientURI":7,"MOData":{"Secret":"•••","b":1}}]"#,
            ),
            (
                r#"{"MOData":[{"Secret":["x",1]}]}"#,
                r#"{"MOData":[{"Secret":["•••","•••"]}]}"#,
            ),
        ] {
            assert_eq!(masked(text), expected);
        }
    }
}
