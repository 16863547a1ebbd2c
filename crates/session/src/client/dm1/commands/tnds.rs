//! TNDS objects that a server adds or replaces: §4.4. All of it or nothing, one status.

use omadm_bootstrap::plan::merge_permanent;
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Item, Meta, StatusCode};
use omadm_dm1::tnds::{
    MEDIA_TYPE_WBXML, MEDIA_TYPE_XML, MgmtTree, NodeType, TndsFault, TndsNode, TndsPlaces,
};
use omadm_mo::ddf::{AccessTypes, Scope, ViolationKind};
use omadm_mo::{
    Acl, Format, LocUri, Miid, Node, NodeAddress, NodeKind, NodeName, NodeProperties, Place, Value,
};

use super::super::workspace::Workspace;
use super::Server;
use super::add::{own_description, with_permanent};
use super::outcome::{Failure, Fate};
use super::target::{Standing, Target};
use super::value::value_of;

/// Whether an item says that it holds a TNDS object.
pub(super) fn is_tnds(meta: &Meta) -> bool {
    let said = meta.r#type();
    [MEDIA_TYPE_XML, MEDIA_TYPE_WBXML]
        .iter()
        .any(|tnds| said.eq_ignore_ascii_case(tnds))
}

/// What an object's nodes bring beside their values.
type Kept = Vec<(NodeAddress, NodeProperties)>;

impl Server<'_> {
    /// Everything in the object is new.
    pub(super) fn add_tnds(
        self,
        workspace: &mut Workspace<'_>,
        target: &Target,
        item: &Item,
    ) -> Fate {
        let tree = decode(item)?;
        for node in &tree.nodes {
            let at = place(workspace, target, &tree, node)?;
            let added = self.add_one(workspace, &at, node);
            added.map_err(|failure| named(workspace, target, &at, failure))?;
        }
        Ok(())
    }

    fn add_one(self, workspace: &mut Workspace<'_>, at: &NodeAddress, node: &TndsNode) -> Fate {
        self.make_way(workspace, at)?;
        let mut kept = Kept::new();
        let built = build(workspace, at, node, None, &mut kept)?;
        self.put_new(workspace, at, built)?;
        keep(workspace, kept)
    }

    /// All below the target is what the object says; permanent nodes that it leaves out stay.
    pub(super) fn replace_tnds(
        self,
        workspace: &mut Workspace<'_>,
        target: &Target,
        standing: &Standing,
        item: &Item,
    ) -> Fate {
        let Standing::Node(at, NodeKind::Interior) = standing else {
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        self.may_replace(workspace, at)?;
        if workspace.is_live(at) {
            return Err(StatusCode::FORBIDDEN.into());
        }
        let tree = decode(item)?;
        let existing = workspace.subtree(at)?;
        // An object of the target itself, or of what is to stand below it.
        let whole = match tree.nodes.as_slice() {
            [node] if is_target(target, node) => node.clone(),
            nodes if nodes.iter().all(|node| node.path.is_none()) => TndsNode {
                nodes: nodes.to_vec(),
                ..TndsNode::default()
            },
            _ => return Err(StatusCode::NOT_SUPPORTED.into()),
        };
        let mut kept = Kept::new();
        let own = own_description(workspace, at);
        let built = build(workspace, at, &whole, existing.as_ref(), &mut kept)?;
        let merged = merge_permanent(built, existing.as_ref(), own);
        let whole = with_permanent(merged, own);
        workspace.put(at, whole, &self.account.srv_id)?;
        keep(workspace, kept)
    }
}

fn decode(item: &Item) -> Fate<MgmtTree> {
    let data = item.data.as_ref().ok_or(StatusCode::INCOMPLETE)?;
    let tree = MgmtTree::decode(data, MarkupLimits::MESSAGE).map_err(|fault| match fault {
        TndsFault::TooMany => StatusCode::TOO_LARGE,
        TndsFault::Markup(_)
        | TndsFault::NotMgmtTree
        | TndsFault::ValueAndNodes(_)
        | TndsFault::Format(_) => StatusCode::UNSUPPORTED_FORMAT,
    })?;
    if tree.nodes.is_empty() {
        return Err(StatusCode::INCOMPLETE.into());
    }
    Ok(tree)
}

/// Whether a node of the object is the target: it has the target's name or none, and no path.
fn is_target(target: &Target, node: &TndsNode) -> bool {
    let name = node.name.as_deref().unwrap_or_default();
    let last = target.uri.split_last();
    let is_named = last.is_some_and(|(_, last)| last.as_str() == name);
    node.path.is_none() && (name.is_empty() || is_named)
}

/// Where a node of the object goes. In `./Inbox` its type says so, and its name is the instance's if that is free.
fn place(
    workspace: &Workspace<'_>,
    target: &Target,
    tree: &MgmtTree,
    node: &TndsNode,
) -> Fate<NodeAddress> {
    if target.place == Place::Inbox {
        let Some(NodeType::DdfName(identifier)) = &node.properties.r#type else {
            return Err(StatusCode::UNSUPPORTED_FORMAT.into());
        };
        let moid = workspace.layout().moid_of(identifier);
        let moid = moid.ok_or(StatusCode::UNSUPPORTED_FORMAT)?;
        let wanted = node.name.as_deref().and_then(|name| Miid::parse(name).ok());
        let miid = workspace.new_miid(&moid, wanted.as_ref())?;
        return Ok(NodeAddress::root(moid, miid));
    }
    let mut uri = target.uri.clone();
    if tree.nodes.len() > 1 || !is_target(target, node) {
        if let Some(path) = node.path.as_deref() {
            let (path, query) = LocUri::parse(path)?;
            if query.is_some() {
                return Err(StatusCode::BAD_REQUEST.into());
            }
            for name in path.segments() {
                uri = uri.child(name.clone());
            }
        }
        uri = uri.child(name_of(node)?);
    }
    match workspace.layout().resolve(&uri) {
        Place::Node(at) => Ok(at),
        Place::Root | Place::Mo(_) => Err(StatusCode::ALREADY_EXISTS.into()),
        Place::Inbox | Place::Unknown => Err(StatusCode::NOT_ALLOWED.into()),
    }
}

fn name_of(node: &TndsNode) -> Fate<NodeName> {
    let name = NodeName::parse(node.name.as_deref().unwrap_or_default());
    Ok(name.map_err(|_| StatusCode::BAD_REQUEST)?)
}

/// A failure of another node than the target names it.
fn named(
    workspace: &Workspace<'_>,
    target: &Target,
    at: &NodeAddress,
    failure: Failure,
) -> Failure {
    let uri = workspace.layout().loc_uri(at);
    match uri {
        Some(uri) if failure.at.is_none() && uri != target.uri => failure.at(Some(uri)),
        _ => failure,
    }
}

/// The node that an object describes, in place of `existing`.
fn build(
    workspace: &Workspace<'_>,
    at: &NodeAddress,
    node: &TndsNode,
    existing: Option<&Node>,
    kept: &mut Kept,
) -> Fate<Node> {
    let mut places = Places {
        workspace,
        kept,
        existing,
    };
    let built = node.build(&(at.clone(), places.existing), &mut places)?;
    let own = own_description(workspace, at);
    let built = with_permanent(built, own.filter(|_| existing.is_none()));
    let ddf = workspace.layout().ddf(&at.moid);
    let violations = ddf.and_then(|ddf| ddf.validate_at(&at.path, &built).err());
    let too_many = violations
        .into_iter()
        .flatten()
        .find(|violation| matches!(violation.kind, ViolationKind::TooMany { .. }));
    match too_many {
        None => Ok(built),
        Some(violation) => {
            let uri = workspace.layout().loc_uri(&at.with_path(violation.path));
            Err(Failure::from(StatusCode::FORBIDDEN).at(uri))
        }
    }
}

/// The device's tree, and what an object's nodes bring beside their values.
struct Places<'a, 'w, 'e> {
    workspace: &'a Workspace<'w>,
    kept: &'a mut Kept,
    /// What stands where the object comes to.
    existing: Option<&'e Node>,
}

impl<'e> TndsPlaces for Places<'_, '_, 'e> {
    /// Where it comes to, and what stands there.
    type Place = (NodeAddress, Option<&'e Node>);
    type Fault = Failure;

    fn kind(&mut self, (at, _): &Self::Place, node: &TndsNode) -> Fate<NodeKind> {
        let own = own_description(self.workspace, at);
        if self.workspace.layout().governing(at).is_none() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        check_type(self.workspace, at, node)?;
        read_properties(at, node, self.kept)?;
        let said = node.properties.format;
        let is_interior = match own {
            Some(own) => own.kind() == NodeKind::Interior,
            None => node.value.is_none() && matches!(said, None | Some(Format::Node)),
        };
        if !is_interior {
            return match node.nodes.is_empty() {
                true => Ok(NodeKind::Leaf),
                false => Err(StatusCode::NOT_ALLOWED.into()),
            };
        }
        if node.value.is_some() || said.is_some_and(|format| format != Format::Node) {
            return Err(StatusCode::UNSUPPORTED_FORMAT.into());
        }
        Ok(NodeKind::Interior)
    }

    fn value(&mut self, (at, _): &Self::Place, node: &TndsNode) -> Fate<Value> {
        let media_type = match &node.properties.r#type {
            Some(NodeType::Mime(mime)) => Some(mime.clone()),
            Some(NodeType::DdfName(_)) | None => None,
        };
        let format = node.properties.format;
        let meta = Meta {
            format: format.map(|format| format.name().into()),
            r#type: media_type,
            ..Meta::default()
        };
        let own = own_description(self.workspace, at);
        value_of(&meta, node.value.as_ref(), own)
    }

    fn below(
        &mut self,
        (at, stands): &Self::Place,
        name: Option<&NodeName>,
        node: &TndsNode,
    ) -> Fate<Self::Place> {
        let name = name.filter(|_| node.path.is_none());
        let name = name.ok_or(StatusCode::BAD_REQUEST)?;
        let stands = stands.and_then(|node| node.children()?.get(name));
        Ok((at.child(name.clone()), stands))
    }

    fn judge(&mut self, (at, stands): &Self::Place, built: &Node) -> Fate {
        may_come(self.workspace, at, built, *stands)
    }

    fn told(&self, (at, _): &Self::Place, failure: Failure) -> Failure {
        match &failure.at {
            Some(_) => failure,
            None => failure.at(self.workspace.layout().loc_uri(at)),
        }
    }
}

/// Whether a node may come with the one above it, or be as it is to be: what is required comes with it, all else has to be addable; what nobody may replace
/// stays.
fn may_come(
    workspace: &Workspace<'_>,
    at: &NodeAddress,
    built: &Node,
    stands: Option<&Node>,
) -> Fate {
    let Some(governing) = workspace.layout().governing(at) else {
        return Err(StatusCode::NOT_ALLOWED.into());
    };
    let own = own_description(workspace, at);
    let is_permanent = own.is_some_and(|own| own.scope() == Scope::Permanent);
    let access = governing.access();
    let may = match stands {
        Some(stands) => {
            let is_same = built.kind() == NodeKind::Leaf && built == stands;
            let is_kept = built.kind() == NodeKind::Interior && stands.kind() == built.kind();
            let again =
                access.has(AccessTypes::REPLACE) || (access.has(AccessTypes::ADD) && !is_permanent);
            is_same || is_kept || again
        }
        None => {
            let comes_along = own.is_some_and(|own| own.occurrence().is_required());
            comes_along || (access.has(AccessTypes::ADD) && !is_permanent)
        }
    };
    if may {
        Ok(())
    } else {
        Err(StatusCode::NOT_ALLOWED.into())
    }
}

/// The MO that an instance says it is has to be the one of its place.
fn check_type(workspace: &Workspace<'_>, at: &NodeAddress, node: &TndsNode) -> Fate {
    let Some(NodeType::DdfName(identifier)) = &node.properties.r#type else {
        return Ok(());
    };
    if !at.path.is_root() || identifier.is_empty() {
        return Ok(());
    }
    if workspace.layout().moid_of(identifier).as_ref() == Some(&at.moid) {
        Ok(())
    } else {
        Err(StatusCode::UNSUPPORTED_FORMAT.into())
    }
}

fn read_properties(at: &NodeAddress, node: &TndsNode, kept: &mut Kept) -> Fate {
    let acl = Acl::parse(node.properties.acl.as_deref().unwrap_or_default().trim());
    let acl = acl.map_err(|_| StatusCode::BAD_REQUEST)?;
    let title = node.properties.title.clone();
    if title
        .as_ref()
        .is_some_and(|title| title.len() > NodeProperties::MAX_TITLE)
    {
        return Err(StatusCode::TOO_LARGE.into());
    }
    if acl.is_some() || title.is_some() {
        kept.push((
            at.clone(),
            NodeProperties {
                acl,
                title,
                ..NodeProperties::default()
            },
        ));
    }
    Ok(())
}

/// What the object does not say of a node stays.
fn keep(workspace: &mut Workspace<'_>, kept: Kept) -> Fate {
    for (at, said) in kept {
        let mut properties = workspace.properties(&at)?;
        properties.acl = said.acl.or(properties.acl);
        properties.title = said.title.or(properties.title);
        workspace.set_properties(&at, &properties)?;
    }
    Ok(())
}
