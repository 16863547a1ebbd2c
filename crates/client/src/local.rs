//! The tree as a local application of the device sees and changes it: for plug-in authors, and for `omadm client tree|get|set|exec`.

mod dm1_sight;

use omadm_bootstrap::DeviceView as _;
use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_mo::client_uri::{ClientUriError, Everything, ResolveError};
use omadm_mo::ddf::{AccessTypes, Ddf, DdfNode};
use omadm_mo::json::Json;
use omadm_mo::serialization::{readable, write_item};
use omadm_mo::standard::{Dm1Version, MoRegistry, dac, dev_detail, dev_info1, dm_acc, dm_acc1};
use omadm_mo::{
    CacheValidator, ClientUri, ExecOutcome, Format, LocUri, ManagedObjectError, Moid, Node,
    NodeAddress, NodeName, NodePath, Place, Rights, SrvId, TreeError, TreeLayout, TreeView as _,
    Value, ValueError,
};
use omadm_session::client::{Cause, LiveOverlay};

pub use self::dm1_sight::Dm1Node;
use self::dm1_sight::{Dm1Sight, Instances};
use crate::engine::Shared;
use crate::{Client, store::Snapshot};

/// An MO instance with all that is known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct TreeInstance {
    /// Its root.
    pub at: NodeAddress,
    /// The name its root has in a serialization (D33).
    pub name: String,
    /// The server that created it; none for the device itself.
    pub creator: Option<SrvId>,
    /// Its cache validator; none for live values (D76).
    pub validator: Option<CacheValidator>,
    /// The rights that servers have on it, those with none left out (§13).
    pub rights: Vec<(SrvId, Rights)>,
    /// Its nodes, each before those below it.
    pub nodes: Vec<TreeNode>,
}

/// One node of an instance.
#[derive(Clone, PartialEq, Debug)]
pub struct TreeNode {
    /// From the instance's root; empty for the root itself.
    pub path: NodePath,
    /// Its format; that of its value where no DDF describes it.
    pub format: Format,
    /// What its DDF lets a server do; none where no DDF describes it.
    pub access: Option<AccessTypes>,
    /// How DM 1.x servers see it; none where the device has no account of such a server, or they do not see it.
    pub dm1: Option<Dm1Node>,
    /// Its value.
    pub value: NodeText,
}

/// What is shown of a node's value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeText {
    /// An interior node has none.
    Interior,
    /// The text form (D28).
    Text(String),
    /// No server may read it, so it is not shown either.
    Withheld,
}

/// Why local access failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LocalError {
    /// The ClientURI names nothing. The caller is at fault.
    #[error("{0} names nothing on this device")]
    NotFound(ClientUri),
    /// It names several nodes where one is meant. The caller is at fault.
    #[error("{uri} names {count} nodes, it has to name one")]
    Several {
        /// The ClientURI.
        uri: ClientUri,
        /// How many.
        count: usize,
    },
    /// Its DDF lets nobody read it. The caller is at fault.
    #[error("{0} cannot be read: its DDF gives no Get")]
    Unreadable(ClientUri),
    /// Accounts come by bootstrap, rights by their servers, and an interior node has no value. The caller is at fault.
    #[error("{0} cannot be set locally")]
    Fixed(ClientUri),
    /// Its DDF does not describe the node. The caller is at fault.
    #[error("{0} is described by no DDF of this device")]
    Undescribed(ClientUri),
    /// Its DDF gives no Exec. The caller is at fault.
    #[error("{0} cannot be executed: its DDF gives no Exec")]
    NotExecutable(ClientUri),
    /// The text is no value of the leaf's format. The caller is at fault.
    #[error("{uri}: {cause}")]
    Value {
        /// The leaf.
        uri: ClientUri,
        /// Why.
        cause: ValueError,
    },
    /// The plug-in refused. It says who is at fault.
    #[error(transparent)]
    Refused(#[from] ManagedObjectError),
    /// The tree changed while it was being changed. Trying again helps.
    #[error("the tree changed in the meantime")]
    Stale,
    /// The store failed. The environment is at fault.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// How often a value is set again because the tree changed under it.
const TRIES: u8 = 4;

impl Client {
    /// The whole tree, in the order of MOIDs and instances. Values that no server may read are withheld. Where a DM 1.x server manages the device, its own objects of
    /// DM 1.x are among it.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn tree(&self) -> Result<Vec<TreeInstance>, TreeError> {
        let run = move |local: &Local<'_>| {
            let accounts = local.view.accounts()?;
            let mut all = Vec::new();
            for (moid, ddf) in local.registry.iter() {
                for (at, root) in local.instances(moid)? {
                    let mut rights = Vec::new();
                    for account in &accounts {
                        let has = account.rights_on(&local.view, moid, &at.miid)?;
                        if !has.is_none() {
                            rights.push((account.srv_id.clone(), has));
                        }
                    }
                    let mut nodes = Vec::new();
                    collect(&root, Some(ddf.root()), &NodePath::root(), true, &mut nodes);
                    for (at, seen) in local.seen(&at, &root)? {
                        if let Some(node) = nodes.iter_mut().find(|node| node.path == at.path) {
                            node.dm1 = Some(seen);
                        }
                    }
                    let name = local.registry.root_name(moid);
                    all.push(TreeInstance {
                        name: name.unwrap_or_else(|| at.miid.as_str()).to_owned(),
                        creator: local.view.creator(moid, &at.miid)?,
                        validator: local.validator(&at)?,
                        rights,
                        nodes,
                        at,
                    });
                }
            }
            Ok(all)
        };
        self.locally(run).await
    }

    /// The tree as a server with every right could read it: one serialized item an instance. Secrets and Perm lists are not among it. Where DM 1.x servers see the
    /// instance, the member `Properties` beside the standard's has the properties of its nodes by their LocURIs.
    ///
    /// # Errors
    /// [`TreeError`] where the store fails.
    pub async fn readable_tree(&self) -> Result<Vec<Json>, TreeError> {
        let run = move |local: &Local<'_>| {
            let mut all = Vec::new();
            for (moid, _) in local.registry.iter() {
                for (at, node) in local.instances(moid)? {
                    let cv = local.validator(&at)?;
                    let mut item = item(&local.registry, &at, &node, cv.as_ref());
                    let seen = local.seen(&at, &node)?.into_iter();
                    let seen = seen.map(|(_, one)| (one.loc_uri.to_string(), one.properties()));
                    let seen: Vec<_> = seen.collect();
                    if let Some(Json::Object(members)) = &mut item
                        && !seen.is_empty()
                    {
                        members.push(("Properties".to_owned(), Json::Object(seen)));
                    }
                    all.extend(item);
                }
            }
            Ok(all)
        };
        self.locally(run).await
    }

    /// The ClientURI that a text is, or that of the node which a LocURI of DM 1.x names (`./DMAcc/1/Name`).
    ///
    /// # Errors
    /// [`ClientUriError`]: it is neither.
    pub fn local_uri(&self, text: &str) -> Result<ClientUri, ClientUriError> {
        let of_dm1 = text.starts_with("./").then(|| LocUri::parse(text).ok());
        if let Some(Some((uri, None))) = of_dm1
            && let Place::Node(at) = TreeLayout::of(self.engine.host.registry()).resolve(&uri)
        {
            return Ok(ClientUri::of(&at));
        }
        ClientUri::parse(text)
    }

    /// What a ClientURI names, as one serialization item a node; nodes without Get are left out, and refused where nothing remains.
    ///
    /// # Errors
    /// [`LocalError`].
    pub async fn local_get(&self, uri: ClientUri) -> Result<Vec<Json>, LocalError> {
        let run = move |local: &Local<'_>| {
            let overlaid = local.overlay(&uri.moid)?;
            let view = LiveOverlay::new(&local.view, &overlaid);
            Ok(items(local, &view, &uri))
        };
        self.locally(run).await?
    }

    /// Sets one leaf to the value that this text stands for in the leaf's format (D28: int decimal, bool `true` or `false`, octets base64). A leaf that its
    /// DDF describes and that is not there yet is made.
    ///
    /// # Errors
    /// [`LocalError`]; the tree is then as it was.
    pub async fn local_set(&self, uri: ClientUri, text: String) -> Result<NodeAddress, LocalError> {
        for _again in 0..TRIES {
            let (uri, text) = (uri.clone(), text.clone());
            let planned = move |local: &Local<'_>| {
                let overlaid = local.overlay(&uri.moid)?;
                let mut plan = TreePlan::at(local.view.version());
                let view = LiveOverlay::new(&local.view, &overlaid);
                Ok(value(local, &view, &uri, &text).map(|(at, value)| {
                    let node = Node::Leaf(value);
                    plan.steps.push(PlanStep::Replace {
                        at: at.clone(),
                        node,
                    });
                    (at, plan)
                }))
            };
            let (at, plan) = self.locally(planned).await??;
            match self.engine.host.apply(plan).await {
                Ok(_) => return Ok(at),
                Err(Cause::Stale) => {}
                Err(Cause::ManagedObject(refused)) => return Err(refused.into()),
                Err(Cause::Tree(error)) => return Err(error.into()),
                Err(other) => return Err(TreeError::Storage(other.to_string().into()).into()),
            }
        }
        Err(LocalError::Stale)
    }

    /// Executes one node, as a server's EXEC without ServerURI would.
    ///
    /// # Errors
    /// [`LocalError`].
    pub async fn local_exec(&self, uri: ClientUri) -> Result<ExecOutcome, LocalError> {
        let run = move |local: &Local<'_>| {
            let overlaid = local.overlay(&uri.moid)?;
            let view = LiveOverlay::new(&local.view, &overlaid);
            Ok(executable(local, &view, &uri).and_then(|at| {
                local.host.exec_locally(&at).map_err(|cause| match cause {
                    Cause::ManagedObject(refused) => LocalError::Refused(refused),
                    other => TreeError::Storage(other.to_string().into()).into(),
                })
            }))
        };
        self.locally(run).await?
    }

    async fn locally<R: Send + 'static>(
        &self,
        run: impl FnOnce(&Local<'_>) -> Result<R, TreeError> + Send + 'static,
    ) -> Result<R, TreeError> {
        let config = &self.engine.config;
        let (own, version) = (dm1_sight::own(config), config.dm1.version);
        let local = move |host: &Shared| run(&Local::of(host, own, version)?);
        self.engine.host.run(local).await
    }
}

/// The tree of one moment.
struct Local<'h> {
    host: &'h Shared,
    view: Snapshot,
    /// Every type that the device knows, those of DM 1.x among them.
    registry: MoRegistry,
    /// None where no DM 1.x server manages the device.
    dm1: Option<Dm1Sight>,
}

impl<'h> Local<'h> {
    fn of(host: &'h Shared, own: Instances, version: Dm1Version) -> Result<Self, TreeError> {
        let view = host.store.snapshot()?;
        let layout = TreeLayout::of(&host.registry).in_version(version);
        Ok(Self {
            host,
            registry: layout.registry().clone(),
            dm1: Dm1Sight::of(&view.accounts()?, layout, own),
            view,
        })
    }

    /// The instances of a type with what is below them. One whose plug-in does not tell its values is left out.
    fn instances(&self, moid: &Moid) -> Result<Vec<(NodeAddress, Node)>, TreeError> {
        let own = self.dm1.iter().flat_map(Dm1Sight::own);
        let own = own.filter(|((of, _), _)| of == moid);
        let mut all: Vec<_> = own
            .map(|((moid, miid), node)| {
                (NodeAddress::root(moid.clone(), miid.clone()), node.clone())
            })
            .collect();
        for miid in self.view.instances(moid)? {
            let at = NodeAddress::root(moid.clone(), miid);
            if self.host.is_live(moid) {
                all.extend(self.host.read_live(&[at]).into_iter().flatten());
            } else {
                all.extend(self.view.subtree(&at)?.map(|node| (at, node)));
            }
        }
        Ok(all)
    }

    /// Those of a type whose values live outside the store.
    fn overlay(&self, moid: &Moid) -> Result<Instances, TreeError> {
        let own = self.dm1.iter().flat_map(Dm1Sight::own);
        if !self.host.is_live(moid) && !own.into_iter().any(|((of, _), _)| of == moid) {
            return Ok(Instances::new());
        }
        let all = self.instances(moid)?.into_iter();
        Ok(all.map(|(at, node)| ((at.moid, at.miid), node)).collect())
    }

    fn validator(&self, root: &NodeAddress) -> Result<Option<CacheValidator>, TreeError> {
        if self.host.is_live(&root.moid) {
            return Ok(None);
        }
        self.view.validator(&root.moid, &root.miid)
    }

    /// The nodes of an instance that DM 1.x servers see.
    fn seen(
        &self,
        root: &NodeAddress,
        node: &Node,
    ) -> Result<Vec<(NodeAddress, Dm1Node)>, TreeError> {
        let Some(dm1) = &self.dm1 else {
            return Ok(Vec::new());
        };
        dm1.nodes(&self.view, root, node)
    }
}

fn resolve(view: &LiveOverlay<'_>, uri: &ClientUri) -> Result<Vec<NodeAddress>, LocalError> {
    matches(view, uri).collect()
}

fn matches<'a>(
    view: &'a LiveOverlay<'_>,
    uri: &'a ClientUri,
) -> impl Iterator<Item = Result<NodeAddress, LocalError>> {
    uri.matches(view, &Everything).map(|at| {
        at.map_err(|error| match error {
            ResolveError::Tree(error) => LocalError::Tree(error),
            _ => LocalError::NotFound(uri.clone()),
        })
    })
}

fn one(view: &LiveOverlay<'_>, uri: &ClientUri) -> Result<NodeAddress, LocalError> {
    let mut found = resolve(view, uri)?;
    let several = LocalError::Several {
        uri: uri.clone(),
        count: found.len(),
    };
    found.pop().filter(|_| found.is_empty()).ok_or(several)
}

fn items(
    local: &Local<'_>,
    view: &LiveOverlay<'_>,
    uri: &ClientUri,
) -> Result<Vec<Json>, LocalError> {
    let mut items = Vec::new();
    for at in matches(view, uri) {
        let at = at?;
        let cv = at
            .path
            .is_root()
            .then(|| view.validator(&at.moid, &at.miid))
            .transpose()?
            .flatten();
        let node = view.subtree(&at)?;
        items.extend(node.and_then(|node| item(&local.registry, &at, &node, cv.as_ref())));
    }
    if items.is_empty() {
        return Err(LocalError::Unreadable(uri.clone()));
    }
    Ok(items)
}

/// A node with what of it a server may ever read; none where that is nothing.
fn item(
    registry: &MoRegistry,
    at: &NodeAddress,
    node: &Node,
    cv: Option<&CacheValidator>,
) -> Option<Json> {
    let ddf = registry.get(&at.moid)?;
    let described = ddf.node(&at.path);
    let shown = ddf.is_readable(&at.path).then(|| readable(node, described));
    let node = shown.flatten()?;
    let root_name = registry.root_name(&at.moid);
    let root_name = root_name.unwrap_or_else(|| at.miid.as_str());
    let name = at.path.names().last().map_or(root_name, NodeName::as_str);
    let url = ddf.url().filter(|_| at.path.is_root());
    Some(write_item(
        &ClientUri::of(at),
        name,
        &node,
        described,
        url,
        cv,
    ))
}

/// The leaf and its new value.
fn value(
    local: &Local<'_>,
    view: &LiveOverlay<'_>,
    uri: &ClientUri,
    text: &str,
) -> Result<(NodeAddress, Value), LocalError> {
    let at = match one(view, uri) {
        Err(LocalError::NotFound(_)) => below_existing(view, uri)?,
        found => found?,
    };
    let fixed = [
        dm_acc::moid(),
        dm_acc1::moid(),
        dac::moid(),
        dev_info1::moid(),
        dev_detail::moid(),
    ];
    let fixed = fixed.contains(&at.moid);
    let described = described(local.registry.get(&at.moid), &at, uri)?;
    if fixed || described.format() == Format::Node {
        return Err(LocalError::Fixed(uri.clone()));
    }
    let value = Value::from_text(described.format(), text).map_err(|cause| LocalError::Value {
        uri: uri.clone(),
        cause,
    })?;
    Ok((at, value))
}

/// Where a leaf that is not there yet would stand: its parent is there.
fn below_existing(view: &LiveOverlay<'_>, uri: &ClientUri) -> Result<NodeAddress, LocalError> {
    let missing = || LocalError::NotFound(uri.clone());
    let path = uri.plain_path().ok_or_else(missing)?;
    let (_, name) = path.split_last().ok_or_else(missing)?;
    let mut above = uri.clone();
    above.path.pop();
    Ok(one(view, &above)?.child(name.clone()))
}

fn executable(
    local: &Local<'_>,
    view: &LiveOverlay<'_>,
    uri: &ClientUri,
) -> Result<NodeAddress, LocalError> {
    let at = one(view, uri)?;
    let described = described(local.registry.get(&at.moid), &at, uri)?;
    if described.access().has(AccessTypes::EXEC) {
        Ok(at)
    } else {
        Err(LocalError::NotExecutable(uri.clone()))
    }
}

fn described<'a>(
    ddf: Option<&'a Ddf>,
    at: &NodeAddress,
    uri: &ClientUri,
) -> Result<&'a DdfNode, LocalError> {
    ddf.and_then(|ddf| ddf.node(&at.path))
        .ok_or_else(|| LocalError::Undescribed(uri.clone()))
}

fn collect(
    node: &Node,
    described: Option<&DdfNode>,
    path: &NodePath,
    shown: bool,
    nodes: &mut Vec<TreeNode>,
) {
    let shown = shown && described.is_none_or(|node| node.access().has(AccessTypes::GET));
    let value = match node {
        Node::Interior(_) => NodeText::Interior,
        Node::Leaf(value) if shown => NodeText::Text(value.to_text().to_string()),
        Node::Leaf(_) => NodeText::Withheld,
    };
    nodes.push(TreeNode {
        path: path.clone(),
        format: described.map_or_else(
            || node.value().map_or(Format::Node, Value::format),
            DdfNode::format,
        ),
        access: described.map(DdfNode::access),
        dm1: None,
        value,
    });
    for (name, child) in node.children().into_iter().flatten() {
        let below = described.and_then(|described| described.child(name));
        // What no DDF describes is shown below an open `Ext` alone.
        let hidden = below.is_none() && described.is_some_and(|node| !node.is_open());
        collect(
            child,
            below,
            &path.child(name.clone()),
            shown && !hidden,
            nodes,
        );
    }
}
