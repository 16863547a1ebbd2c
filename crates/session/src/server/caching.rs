//! What the server knows of an instance spares the device from sending it again (`dm20.md` §10).

use omadm_dm2::{ClientUris, Command};
use omadm_mo::client_uri::InstanceStep;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use omadm_mo::{CacheValidator, ClientUri, NodeAddress};

/// A whole MO instance as the device serialized it, with the validator that holds while nothing in it changes.
#[derive(Clone, PartialEq)]
pub struct KnownInstance {
    /// The instance's root.
    pub at: NodeAddress,
    /// Its validator.
    pub cv: CacheValidator,
    /// `MOData`: the wrapper named after the root, with the content (D33 a).
    data: Json,
}

/// The node that the command reads by MIID and real names, where it reads nothing else and brings no validator of its own (GET, HPUT, HPOST): its value
/// is worth keeping, and a validator can be added. A server knows validators by instance, and which instance `""` or a pattern stands for may change.
#[must_use]
pub fn cacheable_target(command: &Command) -> Option<NodeAddress> {
    let (Command::Get { clients } | Command::HPut { clients, .. } | Command::HPost { clients, .. }) =
        command
    else {
        return None;
    };
    let [uri] = clients.as_slice() else {
        return None;
    };
    let InstanceStep::Miid(miid) = &uri.instance else {
        return None;
    };
    let plain = uri.cv.is_none() && uri.conditions.is_empty();
    let path = uri.plain_path().filter(|_| plain)?;
    Some(NodeAddress::root(uri.moid.clone(), miid.clone()).with_path(path))
}

/// The same command with the validator that the server knows; unchanged where it has no [`cacheable_target`].
pub(super) fn with_validator(command: &Command, cv: &CacheValidator) -> Command {
    let mut command = command.clone();
    if cacheable_target(&command).is_none() {
        return command;
    }
    if let Command::Get { clients }
    | Command::HPut { clients, .. }
    | Command::HPost { clients, .. } = &mut command
    {
        let uris = clients.iter().cloned().map(|uri| ClientUri {
            cv: Some(cv.clone()),
            ..uri
        });
        if let Some(with) = ClientUris::new(uris.collect()) {
            *clients = with;
        }
    }
    command
}

/// The validator that came with a whole instance.
pub(super) fn validator(command: &Command, items: &[MoItem]) -> Option<CacheValidator> {
    let [item] = items else { return None };
    let is_get = matches!(command, Command::Get { .. });
    let asked = cacheable_target(command).filter(|at| is_get && at.path.is_root());
    let is_root = item.client_uri.as_ref().is_none_or(|at| at.path.is_empty());
    item.cv.clone().filter(|_| is_root && asked.is_some())
}

impl KnownInstance {
    /// Reads a serialization: the result of a GET, or what an HPUT or HPOST stored. None unless it is one instance, with its ClientURI, its validator and
    /// its wrapper, and nothing else.
    #[must_use]
    pub fn read(serialization: &[u8], limits: JsonLimits) -> Option<Self> {
        let (at, item) = only_item(serialization, limits)?;
        let cv = item.cv.filter(|_| at.path.is_root())?;
        let [(_, Json::Object(_))] = item.data.as_object()? else {
            return None;
        };
        Some(Self {
            at,
            cv,
            data: item.data,
        })
    }

    /// The serialization of a node below the root, as the device would give it (D33 b). None for another instance, for the root, for what the instance does
    /// not show, and for a leaf without value, whose answer is 204.
    #[must_use]
    pub fn part(&self, at: &NodeAddress) -> Option<String> {
        Some(Json::Array(vec![self.item(at)?]).to_compact())
    }

    /// Whether a serialization is that of this node and has the value that the instance has.
    #[must_use]
    pub fn has_part(&self, at: &NodeAddress, serialization: &[u8], limits: JsonLimits) -> bool {
        let stored = only_item(serialization, limits);
        let stored = stored.filter(|(stored, _)| stored == at);
        stored.is_some_and(|(_, stored)| {
            let known = self.item(at);
            known.is_some_and(|known| known.member("MOData") == Some(&stored.data))
        })
    }

    fn item(&self, at: &NodeAddress) -> Option<Json> {
        let own = (&at.moid, &at.miid) == (&self.at.moid, &self.at.miid);
        let (last, [(wrapper, content)]) = (at.path.names().last()?, self.data.as_object()?) else {
            return None;
        };
        // A wrapper of that name could as well be the child itself (D33 c).
        let is_child = |first: &omadm_mo::NodeName| first.as_str() == wrapper;
        if !own || at.path.names().first().is_some_and(is_child) {
            return None;
        }
        let mut names = at.path.names().iter();
        let value = names.try_fold(content, |node, name| node.member(name.as_str()))?;
        if *value == Json::Null {
            return None;
        }
        Some(Json::object([
            ("ClientURI", Json::text(ClientUri::of(at).to_string())),
            ("MOData", Json::object([(last.as_str(), value.clone())])),
        ]))
    }
}

/// The one item of a serialization, and the node it is of.
fn only_item(serialization: &[u8], limits: JsonLimits) -> Option<(NodeAddress, MoItem)> {
    let items = MoItem::read_all(&Json::read(serialization, limits).ok()?).ok()?;
    let [item] = <[MoItem; 1]>::try_from(items).ok()?;
    let uri = item.client_uri.clone()?;
    let at = cacheable_target(&Command::Get {
        clients: ClientUris::one(uri),
    })?;
    Some((at, item))
}

#[cfg(test)]
mod tests {
    use omadm_dm2::Command;
    use omadm_mo::CacheValidator;
    use omadm_mo::json::JsonLimits;

    use super::{KnownInstance, cacheable_target, with_validator};

    fn known(text: &str) -> Option<KnownInstance> {
        KnownInstance::read(text.as_bytes(), JsonLimits::default())
    }

    fn part(known: &KnownInstance, uri: &str) -> Option<String> {
        let at = cacheable_target(&Command::read(&["GET", uri]).unwrap()).unwrap();
        known.part(&at)
    }

    #[test]
    fn x_cache_001_a_read_of_one_node_by_its_miid_gets_a_validator() {
        let repo = "https://a/repo/x";
        for (words, cacheable) in [
            (&["GET", "urn:m/1/"][..], true),
            (&["GET", "urn:m/1/A/B"], true),
            (&["HPUT", repo, "urn:m/1/"], true),
            (&["HPOST", repo, "urn:m/1/A"], true),
            (&["GET", "urn:m//"], false),
            (&["GET", "urn:m/*/"], false),
            (&["GET", "urn:m/1/*"], false),
            (&["GET", "urn:m/1/(x)?nv=(x)/A:1"], false),
            (&["GET", "urn:m/1/?cv=7"], false),
            (&["GET", "urn:m/1/", "urn:m/2/"], false),
            (&["HPUT", repo, "urn:m/1/", "urn:m/2/"], false),
            (&["DELETE", "urn:m/1/"], false),
            (&["HGET", repo, "urn:m/1/"], false),
        ] {
            let command = Command::read(words).unwrap();
            assert_eq!(cacheable_target(&command).is_some(), cacheable, "{words:?}");
            let sent = with_validator(&command, &CacheValidator::new("5f-1")).write();
            let changed = sent != command.write();
            assert_eq!(changed, cacheable, "{sent:?}");
        }
    }

    #[test]
    fn x_cache_001_what_lies_below_a_known_instance_is_known() {
        let whole = r#"[{"DDF":"https://d/","ClientURI":"urn:m/1/","CV":"5f-1","MOData":{"M":{"b":{"a":[],"A b":"x","N":{}},"Null":null,"M":1}}}]"#;
        let known = known(whole).unwrap();
        for (uri, value) in [
            ("urn:m/1/b/A%20b", r#""A b":"x""#),
            ("urn:m/1/b", r#""b":{"a":[],"A b":"x","N":{}}"#),
            ("urn:m/1/b/N", r#""N":{}"#),
        ] {
            let expected = format!(r#"[{{"ClientURI":"{uri}","MOData":{{{value}}}}}]"#);
            assert_eq!(part(&known, uri), Some(expected.clone()));
            let at = cacheable_target(&Command::read(&["GET", uri]).unwrap()).unwrap();
            let limits = JsonLimits::default();
            assert!(known.has_part(&at, expected.as_bytes(), limits));
            let other = expected.replace('x', "y").replace("{}", "{\"y\":1}");
            assert!(!known.has_part(&at, other.as_bytes(), limits), "{other}");
            let elsewhere = expected.replace("urn:m/1/", "urn:m/2/");
            assert!(!known.has_part(&at, elsewhere.as_bytes(), limits));
        }
        // Not shown, without value, of the wrapper's name, the root, another instance.
        for uri in ["urn:m/1/c", "urn:m/1/b/N/x", "urn:m/1/Null", "urn:m/1/M"] {
            assert_eq!(part(&known, uri), None, "{uri}");
        }
        for uri in ["urn:m/1/", "urn:m/2/b", "urn:n/1/b"] {
            assert_eq!(part(&known, uri), None, "{uri}");
        }
    }

    #[test]
    fn what_is_no_whole_instance_with_a_validator_is_not_known() {
        for text in [
            r#"[{"ClientURI":"urn:m/1/","MOData":{"M":{}}}]"#,
            r#"[{"CV":"1","MOData":{"M":{}}}]"#,
            r#"[{"ClientURI":"urn:m//","CV":"1","MOData":{"M":{}}}]"#,
            r#"[{"ClientURI":"urn:m/1/A","CV":"1","MOData":{"A":{}}}]"#,
            r#"[{"ClientURI":"urn:m/1/","CV":"1","MOData":{"A":1,"B":{}}}]"#,
            r#"[{"ClientURI":"urn:m/1/","CV":"1","MOData":{"A":1}}]"#,
            r#"[{"ClientURI":"urn:m/1/","CV":"1","MOData":{"M":{}}},{"ClientURI":"urn:m/2/","CV":"1","MOData":{"M":{}}}]"#,
            "[]",
            "[",
        ] {
            assert!(known(text).is_none(), "{text}");
        }
    }
}
