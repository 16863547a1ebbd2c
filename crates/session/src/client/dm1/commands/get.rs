use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::syncml::{Data, Item, Location, Meta, StatusCode};
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{
    AclCommand, Format, LocUriQuery, NodeAddress, NodeKind, NodeName, TreeError, Value,
};

use super::super::workspace::Workspace;
use super::Server;
use super::access::described;
use super::outcome::{Fate, ItemOutcome};
use super::target::{Standing, Target};

impl Server<'_> {
    /// `Get`: a value, the names below an interior node, a property or a list.
    pub(super) fn get(
        self,
        workspace: &mut Workspace<'_>,
        item: &Item,
        _: &Meta,
    ) -> Fate<ItemOutcome> {
        let target = Target::of(workspace, item)?;
        let standing = self.find(workspace, &target)?;
        let uri = item.target.clone().unwrap_or_else(|| Location::new("."));
        match &target.query {
            Some(LocUriQuery::Prop(property)) => {
                let text = self.property(workspace, &standing, &target.uri, *property)?;
                let found = Item {
                    source: Some(uri),
                    data: Some(Data::Text(text)),
                    ..Item::default()
                };
                return Ok(ItemOutcome::read(vec![found]));
            }
            Some(LocUriQuery::List(list)) => {
                let items = self.list(workspace, &standing, &target.uri, list)?;
                return Ok(ItemOutcome::read(items));
            }
            None => {}
        }
        self.may_get(workspace, &standing)?;
        let found = match &standing {
            Standing::Node(at, NodeKind::Leaf) => {
                let value = workspace.leaf(at)?.ok_or(StatusCode::NOT_FOUND)?;
                leaf_item(workspace, at, uri, Some(&value))
            }
            _ => Item {
                source: Some(uri),
                meta: node_meta(),
                data: Some(Data::Text(self.names(workspace, &standing)?.join("/"))),
                ..Item::default()
            },
        };
        Ok(ItemOutcome::read(vec![found]))
    }

    /// Whether a node may be read: §1.7. `./Inbox` never is.
    pub(super) fn may_get(self, workspace: &Workspace<'_>, standing: &Standing) -> Fate {
        match standing {
            Standing::Inbox => Err(StatusCode::NOT_ALLOWED.into()),
            Standing::Root | Standing::Mo(_) => self.may_to_root(AclCommand::Get),
            Standing::Node(at, _) => {
                described(workspace, at, AccessTypes::GET)?;
                if !workspace.layout().is_readable(at) {
                    return Err(StatusCode::NOT_ALLOWED.into());
                }
                self.may(workspace, at, AclCommand::Get)
            }
        }
    }

    /// The names below an interior node, as segments of a LocURI.
    fn names(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
    ) -> Result<Vec<String>, TreeError> {
        let children = self.below(workspace, standing)?;
        let segment = |name: NodeName| {
            let uri = omadm_mo::LocUri::ROOT.child(name).to_string();
            uri.trim_start_matches("./").to_owned()
        };
        Ok(children
            .into_iter()
            .map(|(name, _)| segment(name))
            .collect())
    }

    /// What stands below a node, as far as the server sees it.
    pub(super) fn below(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
    ) -> Result<Vec<(NodeName, Standing)>, TreeError> {
        let mut found = Vec::new();
        match standing {
            Standing::Root => {
                for (name, moid) in workspace.layout().roots() {
                    let uri = omadm_mo::LocUri::ROOT.child(name.clone());
                    let target = Target {
                        place: workspace.layout().resolve(&uri),
                        uri,
                        query: None,
                    };
                    let below = target.standing(workspace)?;
                    // A type of which there is nothing is not shown.
                    let is_empty = workspace.instances(moid)?.is_empty();
                    match below {
                        Some(Standing::Mo(_)) if is_empty => {}
                        below => found.extend(below.map(|below| (name.clone(), below))),
                    }
                }
                if let Ok(inbox) = NodeName::parse(omadm_mo::INBOX) {
                    found.push((inbox, Standing::Inbox));
                }
            }
            Standing::Mo(moid) => {
                for miid in workspace.instances(moid)? {
                    let root = NodeAddress::root(moid.clone(), miid);
                    let Ok(name) = NodeName::parse(root.miid.as_str()) else {
                        continue;
                    };
                    let kind = workspace.kind(&root)?;
                    if let Some(kind) = kind
                        && self.sees(workspace, &root)?
                    {
                        found.push((name, Standing::Node(root, kind)));
                    }
                }
            }
            Standing::Inbox | Standing::Node(_, NodeKind::Leaf) => {}
            Standing::Node(at, NodeKind::Interior) => {
                for (name, kind) in workspace.children(at)? {
                    let below = at.child(name.clone());
                    found.push((name, Standing::Node(below, kind)));
                }
            }
        }
        Ok(found)
    }
}

/// An interior node's meta information.
pub(super) fn node_meta() -> Meta {
    Meta {
        format: Some(Format::Node.name().into()),
        ..Meta::default()
    }
}

/// A leaf with its value, or without. Octets travel as base64 text in either serialization; the node's own format stays (§4.2).
pub(super) fn leaf_item(
    workspace: &Workspace<'_>,
    at: &NodeAddress,
    uri: Location,
    value: Option<&Value>,
) -> Item {
    let format = value.map(Value::format);
    let format = match format {
        Some(Format::Bin | Format::B64) => Some(Format::B64),
        other => other.filter(|format| *format != Format::Chr),
    };
    let mime = workspace
        .layout()
        .governing(at)
        .and_then(|node| node.mime());
    let data = value.map(|value| match value.as_octets() {
        Some(octets) => Data::Text(STANDARD.encode(octets)),
        None => Data::Text(value.to_text().to_string()),
    });
    Item {
        source: Some(uri),
        meta: Meta {
            format: format.map(|format| format.name().into()),
            r#type: mime.filter(|mime| *mime != "text/plain").map(Into::into),
            ..Meta::default()
        },
        data,
        ..Item::default()
    }
}
