use std::collections::{BTreeMap, BTreeSet};

use omadm_bootstrap::ShadowCause;
use omadm_bootstrap::plan::{
    Placement, PlacementError, PlanStep, TreePlan, merge_permanent, new_miid, plan_shadows,
};
use omadm_dm2::{Status, StatusCode, media_type};
use omadm_mo::client_uri::{InstanceStep, ResolveError};
use omadm_mo::ddf::{AccessTypes, Ddf};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::{DmAcc, dm_acc};
use omadm_mo::{ClientUri, Format, Miid, Moid, Node, NodeAddress, NodePath, Rights, Value};

use super::{MakeEffect, Need, Progress, dac, done, tree_status};
use crate::client::effect::Fetched;
use crate::client::rights::ServerSight;

/// Whether it is worth fetching: the MOID of the ClientURI has to be in the Perm list.
pub(super) fn permitted(
    sight: &ServerSight<'_>,
    uri: Option<&ClientUri>,
) -> Result<(), StatusCode> {
    match uri {
        Some(uri) if !sight.permits(&uri.moid) => Err(StatusCode::FORBIDDEN),
        Some(uri) if sight.registry.get(&uri.moid).is_none() => Err(StatusCode::NOT_FOUND),
        _ => Ok(()),
    }
}

/// Plans what was fetched as one transaction (D16): all items or none.
pub(super) fn store(
    sight: &ServerSight<'_>,
    uri: Option<&ClientUri>,
    fetched: Fetched,
    limits: JsonLimits,
) -> Progress {
    match plan(sight, uri, &fetched, limits) {
        Err(code) => done(code),
        Ok((mut plan, stored)) => {
            if let Err(error) = plan_shadows(sight.view, &mut plan, ShadowCause::Command) {
                return done(tree_status(&error));
            }
            let status = Status::new(StatusCode::OK).with_uris(&stored);
            Progress::Wait(MakeEffect::Apply(plan), Need::Stored(fetched, status))
        }
    }
}

/// The plan of a fetched document, and where its items go.
pub(super) fn plan(
    sight: &ServerSight<'_>,
    uri: Option<&ClientUri>,
    fetched: &Fetched,
    limits: JsonLimits,
) -> Result<(TreePlan, Vec<ClientUri>), StatusCode> {
    let content_type = fetched.content_type.as_deref().unwrap_or(media_type::MO);
    let mut storing = Storing {
        sight,
        plan: TreePlan::at(sight.view.version()),
        taken: BTreeMap::new(),
    };
    if !media_type::is_mo(content_type) {
        let uri = uri.ok_or(StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
        storing.raw(uri, &fetched.body)?;
        return Ok((storing.plan, Vec::new()));
    }
    let json = Json::read(&fetched.body, limits).map_err(|error| match error {
        omadm_mo::json::JsonError::TooLarge { .. } => StatusCode::TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    })?;
    let items = MoItem::read_all(&json).map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut stored = Vec::new();
    match (uri, items.as_slice()) {
        (Some(uri), [item]) => {
            let (at, created) = storing.at(uri, item)?;
            stored.extend(created.then(|| ClientUri::of(&at)));
        }
        (Some(_), _) => return Err(StatusCode::BAD_REQUEST),
        (None, items) => {
            for item in items {
                stored.push(ClientUri::of(&storing.anywhere(item)?));
            }
        }
    }
    Ok((storing.plan, stored))
}

struct Storing<'a> {
    sight: &'a ServerSight<'a>,
    plan: TreePlan,
    taken: BTreeMap<Moid, BTreeSet<Miid>>,
}

impl<'a> Storing<'a> {
    fn ddf(&self, moid: &Moid) -> Result<&'a Ddf, StatusCode> {
        if !self.sight.permits(moid) {
            return Err(StatusCode::FORBIDDEN);
        }
        self.sight.registry.get(moid).ok_or(StatusCode::NOT_FOUND)
    }

    /// D15: the item's own ClientURI tells the type, perhaps the instance.
    fn anywhere(&mut self, item: &MoItem) -> Result<NodeAddress, StatusCode> {
        let uri = item.client_uri.as_ref().ok_or(StatusCode::BAD_REQUEST)?;
        if !uri.path.is_empty() || uri.is_pattern() || dac::is_dac(&uri.moid) {
            return self.at(uri, item).map(|(at, _)| at);
        }
        let ddf = self.ddf(&uri.moid)?;
        let proposed = if let InstanceStep::Miid(miid) = &uri.instance {
            Some(miid)
        } else {
            None
        };
        let node = self.bind(ddf, item, &NodePath::root(), &uri.moid, proposed)?;
        if uri.moid == dm_acc::moid() {
            let own = self.sight.account;
            let account = DmAcc::from_node(&node).map_err(|_| StatusCode::BAD_REQUEST)?;
            if account.srv_id != own.srv_id {
                return Err(StatusCode::FORBIDDEN);
            }
            return self.replace(NodeAddress::root(uri.moid.clone(), own.miid.clone()), node);
        }
        let none = BTreeSet::new();
        let taken = self.taken.get(&uri.moid).unwrap_or(&none);
        let writable = |miid: &Miid| {
            let rights = self.sight.rights(&uri.moid, miid);
            Ok(rights.has(Rights::WRITE))
        };
        let view = self.sight.view;
        let placement = Placement::decide(view, ddf, &uri.moid, proposed, writable, taken)
            .map_err(|e| match e {
                PlacementError::Foreign(_) => StatusCode::FORBIDDEN,
                PlacementError::Second(_) => StatusCode::BAD_REQUEST,
                PlacementError::Tree(error) => tree_status(&error),
            })?;
        match placement {
            Placement::Replace(miid) => {
                self.replace(NodeAddress::root(uri.moid.clone(), miid), node)
            }
            Placement::Add(miid) => self.add(uri.moid.clone(), miid, node),
        }
    }

    /// D73: the place the ClientURI names, and whether something was created there.
    fn at(&mut self, uri: &ClientUri, item: &MoItem) -> Result<(NodeAddress, bool), StatusCode> {
        let ddf = self.ddf(&uri.moid)?;
        match uri.resolve(self.sight.view, self.sight).as_deref() {
            Ok([at]) => {
                let node = self.bind(ddf, item, &at.path, &at.moid, Some(&at.miid))?;
                return self.replace(at.clone(), node).map(|at| (at, false));
            }
            Ok(_) | Err(ResolveError::SeveralInstances | ResolveError::SeveralNodes(_)) => {
                return Err(StatusCode::BAD_REQUEST);
            }
            Err(ResolveError::Tree(error)) => return Err(tree_status(error)),
            Err(ResolveError::NoInstance | ResolveError::NoNode) => {}
        }
        let Some(path) = uri.plain_path().filter(|_| !uri.is_pattern()) else {
            return Err(StatusCode::NOT_FOUND);
        };
        if path.is_root() {
            if dac::is_dac(&uri.moid) {
                return Err(StatusCode::FORBIDDEN);
            }
            let proposed = if let InstanceStep::Miid(miid) = &uri.instance {
                Some(miid)
            } else {
                None
            };
            let node = self.bind(ddf, item, &path, &uri.moid, proposed)?;
            let taken = BTreeSet::new();
            let instances = self.sight.view.instances(&uri.moid);
            let there = instances.map_err(|error| tree_status(&error))?.len();
            let most = ddf.root().occurrence().at_most();
            if most.is_some_and(|most| there >= usize::try_from(most).unwrap_or(usize::MAX)) {
                return Err(StatusCode::FORBIDDEN);
            }
            let miid = new_miid(self.sight.view, &uri.moid, proposed, &taken)
                .map_err(|error| tree_status(&error))?;
            return self.add(uri.moid.clone(), miid, node).map(|at| (at, true));
        }
        self.create_below(ddf, uri, &path, item)
            .map(|at| (at, true))
    }

    fn create_below(
        &mut self,
        ddf: &Ddf,
        uri: &ClientUri,
        path: &NodePath,
        item: &MoItem,
    ) -> Result<NodeAddress, StatusCode> {
        let (parent, _) = path.split_last().ok_or(StatusCode::NOT_FOUND)?;
        let parent_uri = ClientUri {
            path: parent
                .names()
                .iter()
                .cloned()
                .map(omadm_mo::client_uri::Step::Name)
                .collect(),
            ..uri.clone()
        };
        let found = parent_uri
            .resolve(self.sight.view, self.sight)
            .map_err(|_| StatusCode::NOT_FOUND)?;
        let [parent] = found.as_slice() else {
            return Err(StatusCode::NOT_FOUND);
        };
        let at = parent.with_path(path.clone());
        self.writable(&at)?;
        let described = ddf.governing(path).ok_or(StatusCode::NOT_ALLOWED)?;
        if !described.access().has(AccessTypes::ADD) && !described.is_open() {
            return Err(StatusCode::NOT_ALLOWED);
        }
        let mut node = self.bind(ddf, item, path, &at.moid, Some(&at.miid))?;
        self.check(ddf, path, &node)?;
        if at.moid == dm_acc::moid() {
            self.keep_guarded(&at, None, &mut node)?;
        }
        if dac::is_entry(&at) {
            dac::give(self.sight, &mut self.plan, &at, &node)?;
            return Ok(at);
        }
        self.plan.steps.push(PlanStep::Replace {
            at: at.clone(),
            node,
        });
        Ok(at)
    }

    /// D33 (f): a body of another type becomes the value of a leaf.
    fn raw(&mut self, uri: &ClientUri, body: &[u8]) -> Result<(), StatusCode> {
        let ddf = self.ddf(&uri.moid)?;
        let found = uri
            .resolve(self.sight.view, self.sight)
            .map_err(|error| match error {
                ResolveError::SeveralInstances | ResolveError::SeveralNodes(_) => {
                    StatusCode::BAD_REQUEST
                }
                ResolveError::Tree(error) => tree_status(&error),
                ResolveError::NoInstance | ResolveError::NoNode => StatusCode::NOT_FOUND,
            })?;
        let [at] = found.as_slice() else {
            return Err(StatusCode::BAD_REQUEST);
        };
        let format = ddf
            .node(&at.path)
            .map(omadm_mo::ddf::DdfNode::format)
            .ok_or(StatusCode::NOT_FOUND)?;
        let value = match format {
            Format::Node => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Format::Bin => Value::bin(body),
            Format::B64 => Value::B64(body.to_vec().into()),
            format => {
                let text = std::str::from_utf8(body).map_err(|_| StatusCode::BAD_REQUEST)?;
                Value::from_text(format, text).map_err(|_| StatusCode::BAD_REQUEST)?
            }
        };
        self.replace(at.clone(), value.into()).map(|_| ())
    }

    fn bind(
        &self,
        ddf: &Ddf,
        item: &MoItem,
        path: &NodePath,
        moid: &Moid,
        miid: Option<&Miid>,
    ) -> Result<Node, StatusCode> {
        let root = self
            .sight
            .registry
            .root_name(moid)
            .or_else(|| miid.map(Miid::as_str))
            .unwrap_or("MO");
        let name = path.names().last().map_or(root, |name| name.as_str());
        item.bind(ddf, path, name)
            .map(|bound| bound.node)
            .map_err(|_| StatusCode::BAD_REQUEST)
    }

    fn add(&mut self, moid: Moid, miid: Miid, root: Node) -> Result<NodeAddress, StatusCode> {
        if moid == dm_acc::moid() {
            return Err(StatusCode::FORBIDDEN);
        }
        let ddf = self.ddf(&moid)?;
        if !ddf.root().access().has(AccessTypes::ADD) {
            return Err(StatusCode::NOT_ALLOWED);
        }
        self.check(ddf, &NodePath::root(), &root)?;
        self.taken
            .entry(moid.clone())
            .or_default()
            .insert(miid.clone());
        let creator = Some(self.sight.account.srv_id.clone());
        self.plan.steps.push(PlanStep::Add {
            moid: moid.clone(),
            miid: miid.clone(),
            root,
            creator,
        });
        Ok(NodeAddress::root(moid, miid))
    }

    fn replace(&mut self, at: NodeAddress, delivered: Node) -> Result<NodeAddress, StatusCode> {
        self.writable(&at)?;
        let ddf = self.ddf(&at.moid)?;
        let described = ddf.governing(&at.path).ok_or(StatusCode::NOT_FOUND)?;
        if !described.access().has(AccessTypes::REPLACE) && !described.is_open() {
            return Err(StatusCode::NOT_ALLOWED);
        }
        let before = self
            .sight
            .view
            .subtree(&at)
            .map_err(|error| tree_status(&error))?;
        let mut node = merge_permanent(delivered, before.as_ref(), ddf.node(&at.path));
        if at.moid == dm_acc::moid() {
            self.keep_guarded(&at, before.as_ref(), &mut node)?;
            self.check_account(&at, &node)?;
        }
        if at.moid != dm_acc::moid() || !at.path.is_root() {
            self.check(ddf, &at.path, &node)?;
        }
        if dac::is_entry(&at) {
            dac::give(self.sight, &mut self.plan, &at, &node)?;
            return Ok(at);
        }
        self.plan.steps.push(PlanStep::Replace {
            at: at.clone(),
            node,
        });
        Ok(at)
    }

    /// D74: the parts of the own account that only a bootstrap changes stay where absent; delivered with another value they are refused.
    fn keep_guarded(
        &self,
        at: &NodeAddress,
        before: Option<&Node>,
        node: &mut Node,
    ) -> Result<(), StatusCode> {
        for kept in dm_acc::names::kept_by_client() {
            if !kept.is_within(&at.path) {
                continue;
            }
            let below: NodePath = kept.names()[at.path.names().len()..]
                .iter()
                .cloned()
                .collect();
            let old = before.and_then(|before| before.at(&below)).cloned();
            let is_perm = kept.is(&[dm_acc::names::PERM]);
            match (node.at(&below), old) {
                (None, Some(old)) => {
                    node.put(&below, old);
                }
                (Some(new), _) if is_perm => {
                    let moids = new
                        .leaves()
                        .into_iter()
                        .filter_map(|(_, value)| Moid::parse(value.as_text()?).ok());
                    if moids.collect::<Vec<_>>() != self.sight.account.perm {
                        return Err(StatusCode::FORBIDDEN);
                    }
                    node.remove(&below);
                }
                (Some(new), old) if old.as_ref() != Some(new) => return Err(StatusCode::FORBIDDEN),
                _ => {}
            }
        }
        Ok(())
    }

    /// With the node in place the account still is one, and names an https server: no delivery cuts the device off.
    fn check_account(&self, at: &NodeAddress, node: &Node) -> Result<(), StatusCode> {
        let root = NodeAddress::root(at.moid.clone(), at.miid.clone());
        let before = self.sight.view.subtree(&root);
        let mut account = before
            .map_err(|error| tree_status(&error))?
            .unwrap_or_else(Node::empty);
        account.put(&at.path, node.clone());
        DmAcc::from_node(&account)
            .and_then(|account| account.require_https())
            .map_err(|_| StatusCode::BAD_REQUEST)
    }

    fn writable(&self, at: &NodeAddress) -> Result<(), StatusCode> {
        if self.sight.may_write(at) {
            Ok(())
        } else {
            Err(StatusCode::FORBIDDEN)
        }
    }

    fn check(&self, ddf: &Ddf, path: &NodePath, node: &Node) -> Result<(), StatusCode> {
        ddf.validate_at(path, node)
            .map_err(|_| StatusCode::BAD_REQUEST)
    }
}
