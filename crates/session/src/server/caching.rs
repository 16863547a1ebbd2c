//! What the server knows of an instance spares the device from sending it again (`dm20.md` §10).

use omadm_dm2::{ClientUris, Command};
use omadm_mo::client_uri::InstanceStep;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::dev_info;
use omadm_mo::{CacheValidator, ClientUri, Miid, Moid, NodeAddress, NodePath};

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

/// What a command reads of one instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheTarget {
    /// Of what type it is.
    pub moid: Moid,
    /// Which one; none: the only one, of an MO that each device has once.
    pub miid: Option<Miid>,
    /// The nodes, in the order in which they are asked for.
    pub paths: Vec<NodePath>,
}

impl CacheTarget {
    /// Whether it is the whole instance and nothing else.
    #[must_use]
    pub fn is_root(&self) -> bool {
        matches!(self.paths.as_slice(), [path] if path.is_root())
    }

    /// Whether this is a node of the instance.
    #[must_use]
    pub fn is_within(&self, at: &NodeAddress) -> bool {
        at.moid == self.moid && self.miid.as_ref().is_none_or(|miid| *miid == at.miid)
    }

    /// The ClientURI of the whole instance, with the instance step that the command has.
    #[must_use]
    pub fn whole(&self) -> String {
        let miid = self.miid.as_ref().map_or("", Miid::as_str);
        format!("{}/{miid}/", self.moid)
    }
}

/// What the command reads of one instance by MIID and real names, where it reads nothing else and brings no validator of its own (GET, HPUT, HPOST): its value
/// is worth keeping, and a validator can be added. A server knows validators by instance, and which instance a pattern stands for may change, or `""` where
/// the device may have several in turn.
#[must_use]
pub fn cacheable_target(command: &Command) -> Option<CacheTarget> {
    let (Command::Get { clients } | Command::HPut { clients, .. } | Command::HPost { clients, .. }) =
        command
    else {
        return None;
    };
    let first = clients.as_slice().first()?;
    let miid = match &first.instance {
        InstanceStep::Miid(miid) => Some(miid.clone()),
        InstanceStep::Only if first.moid == dev_info::moid() => None,
        InstanceStep::Only | InstanceStep::XName(_) | InstanceStep::All => return None,
    };
    let paths = clients.iter().map(|uri| {
        let of_it = (&uri.moid, &uri.instance) == (&first.moid, &first.instance);
        let plain = of_it && uri.cv.is_none() && uri.conditions.is_empty();
        uri.plain_path().filter(|_| plain)
    });
    Some(CacheTarget {
        moid: first.moid.clone(),
        miid,
        paths: paths.collect::<Option<_>>()?,
    })
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
    let asked = cacheable_target(command).filter(|target| is_get && target.is_root());
    let is_root = item.client_uri.as_ref().is_none_or(|at| at.path.is_empty());
    item.cv.clone().filter(|_| is_root && asked.is_some())
}

impl KnownInstance {
    /// Reads a serialization: the result of a GET, or what an HPUT or HPOST stored. None unless it is one instance, with its ClientURI, its validator and
    /// its wrapper, and nothing else.
    #[must_use]
    pub fn read(serialization: &[u8], limits: JsonLimits) -> Option<Self> {
        let [(at, item)] = <[_; 1]>::try_from(items(serialization, limits)?).ok()?;
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

    /// The serialization of nodes below the root, as the device would give it (D33 b). None for another instance, for the root, for what the instance does
    /// not show, and for a leaf without value, whose answer is 204.
    #[must_use]
    pub fn part(&self, target: &CacheTarget) -> Option<String> {
        Some(Json::Array(self.items(target)?).to_compact())
    }

    /// Whether a serialization is that of these nodes and has the values that the instance has.
    #[must_use]
    pub fn has_part(&self, target: &CacheTarget, serialization: &[u8], limits: JsonLimits) -> bool {
        let (Some(known), Some(stored)) = (self.items(target), items(serialization, limits)) else {
            return false;
        };
        let is_it = |(known, (at, stored)): (&Json, &(NodeAddress, MoItem))| {
            let uri = ClientUri::of(at).to_string();
            known.member("ClientURI").and_then(Json::as_text) == Some(uri.as_str())
                && known.member("MOData") == Some(&stored.data)
        };
        known.len() == stored.len() && known.iter().zip(&stored).all(is_it)
    }

    fn items(&self, target: &CacheTarget) -> Option<Vec<Json>> {
        let own = target.is_within(&self.at);
        let paths = target.paths.iter().filter(|_| own);
        let items: Vec<_> = paths.map(|path| self.item(path)).collect::<Option<_>>()?;
        (!items.is_empty()).then_some(items)
    }

    fn item(&self, path: &NodePath) -> Option<Json> {
        let at = self.at.with_path(path.clone());
        let (last, [(wrapper, content)]) = (at.path.names().last()?, self.data.as_object()?) else {
            return None;
        };
        // A wrapper of that name could as well be the child itself (D33 c).
        let is_child = |first: &omadm_mo::NodeName| first.as_str() == wrapper;
        if at.path.names().first().is_some_and(is_child) {
            return None;
        }
        let mut names = at.path.names().iter();
        let value = names.try_fold(content, |node, name| node.member(name.as_str()))?;
        if *value == Json::Null {
            return None;
        }
        Some(Json::object([
            ("ClientURI", Json::text(ClientUri::of(&at).to_string())),
            ("MOData", Json::object([(last.as_str(), value.clone())])),
        ]))
    }
}

/// The items of a serialization, each with the node it is of; none unless each says so by MIID and real names.
fn items(serialization: &[u8], limits: JsonLimits) -> Option<Vec<(NodeAddress, MoItem)>> {
    let items = MoItem::read_all(&Json::read(serialization, limits).ok()?).ok()?;
    let placed = items.into_iter().map(|item| {
        let uri = item.client_uri.as_ref();
        let at = uri.filter(|uri| uri.cv.is_none() && uri.conditions.is_empty());
        Some((at?.exact()?, item))
    });
    placed.collect()
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
            (&["GET", "urn:m/1/A", "urn:m/1/B/C"], true),
            (&["HPUT", repo, "urn:m/1/A", "urn:m/1/"], true),
            (&["GET", "urn:m/1/A", "urn:m/1/*"], false),
            (&["GET", "urn:m/1/A", "urn:m/1/B?cv=7"], false),
            (&["GET", "urn:m/1/", "urn:m/2/"], false),
            (&["HPUT", repo, "urn:m/1/", "urn:n/1/"], false),
            (&["GET", "urn:oma:mo:oma-dm-devinfo:1.2//DevID"], true),
            (&["GET", "urn:oma:mo:oma-dm-devinfo:1.2/*/DevID"], false),
            (&["DELETE", "urn:m/1/"], false),
            (&["HGET", repo, "urn:m/1/"], false),
        ] {
            let command = Command::read(words).unwrap();
            assert_eq!(cacheable_target(&command).is_some(), cacheable, "{words:?}");
            let sent = with_validator(&command, &CacheValidator::new("5f-1")).write();
            let uris = words.iter().filter(|word| word.starts_with("urn:"));
            let validators = sent.iter().filter(|word| word.ends_with("?cv=5f-1"));
            let expected = if cacheable { uris.count() } else { 0 };
            assert_eq!(validators.count(), expected, "{sent:?}");
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
        let both = Command::read(&["GET", "urn:m/1/b/N", "urn:m/1/b/A%20b"]).unwrap();
        let both = cacheable_target(&both).unwrap();
        let expected = r#"[{"ClientURI":"urn:m/1/b/N","MOData":{"N":{}}},{"ClientURI":"urn:m/1/b/A%20b","MOData":{"A b":"x"}}]"#;
        assert_eq!(known.part(&both).as_deref(), Some(expected));
        let limits = JsonLimits::default();
        assert!(known.has_part(&both, expected.as_bytes(), limits));
        let one = part(&known, "urn:m/1/b/N").unwrap();
        assert!(!known.has_part(&both, one.as_bytes(), limits));
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
