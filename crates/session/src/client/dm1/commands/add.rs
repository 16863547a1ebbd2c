use omadm_dm1::syncml::{Item, Meta, StatusCode};
use omadm_mo::ddf::{AccessTypes, DdfNode, Scope};
use omadm_mo::{
    Acl, AclCommand, Children, Format, Node, NodeAddress, NodeKind, NodePath, NodeProperties,
    Place, Value,
};

use super::super::workspace::Workspace;
use super::Server;
use super::access::{described, is_permanent, is_single};
use super::outcome::{Failure, Fate, ItemOutcome};
use super::property::renamed;
use super::target::Target;
use super::tnds;
use super::value::value_of;

impl Server<'_> {
    /// `Add`: a new node, with what is missing above it; or all that a TNDS object holds.
    pub(super) fn add(
        self,
        workspace: &mut Workspace<'_>,
        item: &Item,
        meta: &Meta,
    ) -> Fate<ItemOutcome> {
        let target = Target::of(workspace, item)?.plain()?;
        if tnds::is_tnds(meta) {
            self.add_tnds(workspace, &target, item)?;
            return Ok(ItemOutcome::of(StatusCode::OK));
        }
        let at = match &target.place {
            Place::Root | Place::Mo(_) => return Err(StatusCode::ALREADY_EXISTS.into()),
            // Only what says what it is can be placed from there.
            Place::Inbox => return Err(StatusCode::UNSUPPORTED_FORMAT.into()),
            Place::Unknown => return Err(StatusCode::NOT_ALLOWED.into()),
            Place::Node(at) => at.clone(),
        };
        self.make_way(workspace, &at)?;
        let node = new_node(workspace, &at, item, meta)?;
        self.put_new(workspace, &at, node)?;
        Ok(ItemOutcome::of(StatusCode::OK))
    }

    /// Makes the interior nodes that a new node needs above it, and says whether it may be made itself.
    pub(super) fn make_way(self, workspace: &mut Workspace<'_>, at: &NodeAddress) -> Fate {
        let place = Place::Node(at.clone());
        self.hide(workspace, &place)?;
        if is_permanent(workspace, at) && !at.path.is_root() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        if workspace.kind(at)?.is_some() {
            return Err(StatusCode::ALREADY_EXISTS.into());
        }
        let mut missing = Vec::new();
        let mut above = at.clone();
        while let Some((parent, _)) = above.path.split_last() {
            above = above.with_path(parent);
            match workspace.kind(&above)? {
                None => missing.push(above.clone()),
                Some(NodeKind::Leaf) => return Err(StatusCode::NOT_ALLOWED.into()),
                Some(NodeKind::Interior) => break,
            }
        }
        for implicit in missing.into_iter().rev() {
            let made = self.implicit(workspace, &implicit);
            made.map_err(|failure: Failure| failure.at(workspace.layout().loc_uri(&implicit)))?;
        }
        self.may_add(workspace, at)
    }

    fn implicit(self, workspace: &mut Workspace<'_>, at: &NodeAddress) -> Fate {
        self.may_add(workspace, at)?;
        let described = described(workspace, at, AccessTypes::ADD)?;
        if described.kind() != NodeKind::Interior {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        let own = own_description(workspace, at);
        self.put_new(workspace, at, with_permanent(Node::empty(), own))
    }

    /// Whether the server can make this one node below a parent that stands.
    fn may_add(self, workspace: &Workspace<'_>, at: &NodeAddress) -> Fate {
        described(workspace, at, AccessTypes::ADD)?;
        if is_permanent(workspace, at) && !at.path.is_root() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        self.may_to_parent(workspace, at, AclCommand::Add)?;
        if workspace.is_live(at) {
            return Err(StatusCode::FORBIDDEN.into());
        }
        if at.path.is_root() {
            let name = omadm_mo::NodeName::parse(at.miid.as_str());
            renamed(&name.map_err(|_| StatusCode::NOT_ALLOWED)?)?;
            if is_single(workspace, &at.moid) && !workspace.instances(&at.moid)?.is_empty() {
                return Err(StatusCode::FORBIDDEN.into());
            }
            return Ok(());
        }
        fits_once_more(workspace, at)
    }

    /// Puts a new node. An interior one below a parent that the server may not replace is the server's (§4.3); an instance is by the rights of DM 2.0.
    pub(super) fn put_new(
        self,
        workspace: &mut Workspace<'_>,
        at: &NodeAddress,
        node: Node,
    ) -> Fate {
        let is_interior = node.kind() == NodeKind::Interior;
        let is_own = is_interior
            && !at.path.is_root()
            && self
                .may_to_parent(workspace, at, AclCommand::Replace)
                .is_err();
        workspace.put(at, node, &self.account.srv_id)?;
        if is_own {
            let kept = NodeProperties {
                acl: Acl::of_creator(&self.account.srv_id),
                ..NodeProperties::default()
            };
            workspace.set_properties(at, &kept)?;
        }
        Ok(())
    }
}

/// The node that an item is to become, with what comes with it.
fn new_node(workspace: &Workspace<'_>, at: &NodeAddress, item: &Item, meta: &Meta) -> Fate<Node> {
    let own = own_description(workspace, at);
    let is_interior = match own {
        Some(own) => own.kind() == NodeKind::Interior,
        None => meta.format() == Format::Node.name(),
    };
    if !is_interior {
        return Ok(value_of(meta, item.data.as_ref(), own)?.into());
    }
    if meta.format.is_some() && meta.format() != Format::Node.name() {
        return Err(StatusCode::UNSUPPORTED_FORMAT.into());
    }
    if item
        .data
        .as_ref()
        .is_some_and(|data| !data.octets().is_empty())
    {
        return Err(StatusCode::BAD_REQUEST.into());
    }
    Ok(with_permanent(Node::empty(), own))
}

/// The node's own description: none below an open `Ext`.
pub(super) fn own_description<'w>(
    workspace: &Workspace<'w>,
    at: &NodeAddress,
) -> Option<&'w DdfNode> {
    workspace.layout().ddf(&at.moid)?.node(&at.path)
}

/// What no server can make comes with its parent: required permanent nodes, leaves with their default value.
pub(super) fn with_permanent(node: Node, described: Option<&DdfNode>) -> Node {
    let (Node::Interior(given), Some(described)) = (&node, described) else {
        return node;
    };
    let completed = given.iter().map(|(name, child)| {
        let child = with_permanent(child.clone(), described.child(name));
        (name.clone(), child)
    });
    let mut children: Children = completed.collect();
    for below in described.children() {
        let is_wanted = below.scope() == Scope::Permanent && below.occurrence().is_required();
        if let Some(name) = below.name().filter(|_| is_wanted)
            && !children.contains_key(name)
        {
            let made = match below.kind() {
                NodeKind::Interior => with_permanent(Node::empty(), Some(below)),
                NodeKind::Leaf => default_value(below).into(),
            };
            children.insert(name.clone(), made);
        }
    }
    Node::Interior(children)
}

fn default_value(described: &DdfNode) -> Value {
    let given = described.default_value();
    let given = given.and_then(|text| Value::from_text(described.format(), text).ok());
    given.unwrap_or_else(|| match described.format() {
        Format::Int => Value::Int(0),
        Format::Bool => Value::Bool(false),
        Format::Float => Value::Float(0.0),
        Format::Bin => Value::bin([]),
        Format::B64 => Value::B64(zeroize::Zeroizing::new(Vec::new())),
        Format::Xml => Value::Xml(zeroize::Zeroizing::new(String::new())),
        Format::Date => Value::Date(zeroize::Zeroizing::new(String::new())),
        Format::Time => Value::Time(zeroize::Zeroizing::new(String::new())),
        Format::Null | Format::Node => Value::Null,
        Format::Chr => Value::chr(""),
    })
}

/// Whether the DDF lets one more node with a name of its own stand below the parent.
fn fits_once_more(workspace: &Workspace<'_>, at: &NodeAddress) -> Fate {
    let own = own_description(workspace, at);
    let most = own
        .filter(|own| own.name().is_none())
        .and_then(|own| own.occurrence().at_most());
    let (Some(most), Some((parent, _))) = (most, at.path.split_last()) else {
        return Ok(());
    };
    let parent: NodePath = parent;
    let above = own_description(workspace, &at.with_path(parent.clone()));
    let children = workspace.children(&at.with_path(parent))?;
    let unnamed = children.iter().filter(|(name, _)| {
        above
            .and_then(|above| above.child(name))
            .is_some_and(|child| child.name().is_none())
    });
    if unnamed.count() >= usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(StatusCode::FORBIDDEN.into());
    }
    Ok(())
}
