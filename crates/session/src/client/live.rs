use std::collections::BTreeMap;

use omadm_bootstrap::{Account, DeviceView};
use omadm_mo::{
    CacheValidator, Miid, Moid, Node, NodeAddress, NodeKind, NodeName, SrvId, TreeError,
    TreeVersion, TreeView, Value,
};

/// A tree snapshot in which some instances show values that live outside the store.
pub struct LiveOverlay<'a> {
    base: &'a dyn DeviceView,
    live: &'a BTreeMap<(Moid, Miid), Node>,
}

impl<'a> LiveOverlay<'a> {
    /// Lays live instances over a snapshot. They have no cache validator (D76).
    #[must_use]
    pub const fn new(base: &'a dyn DeviceView, live: &'a BTreeMap<(Moid, Miid), Node>) -> Self {
        Self { base, live }
    }

    fn node(&self, at: &NodeAddress) -> Option<Option<&Node>> {
        let root = self.live.get(&(at.moid.clone(), at.miid.clone()))?;
        Some(root.at(&at.path))
    }
}

impl TreeView for LiveOverlay<'_> {
    fn version(&self) -> TreeVersion {
        self.base.version()
    }

    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        self.base.instances(moid)
    }

    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        self.node(at)
            .map_or_else(|| self.base.kind(at), |node| Ok(node.map(Node::kind)))
    }

    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        self.node(at).map_or_else(
            || self.base.leaf(at),
            |node| Ok(node.and_then(Node::value).cloned()),
        )
    }

    fn children(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        let Some(node) = self.node(at) else {
            return self.base.children(at, after);
        };
        let children = node.and_then(Node::children).into_iter().flatten();
        let rest = children.filter(|(name, _)| after.is_none_or(|after| *name > after));
        Ok(rest
            .map(|(name, child)| (name.clone(), child.kind()))
            .collect())
    }

    fn validator(&self, moid: &Moid, miid: &Miid) -> Result<Option<CacheValidator>, TreeError> {
        if self.live.contains_key(&(moid.clone(), miid.clone())) {
            return Ok(None);
        }
        self.base.validator(moid, miid)
    }

    fn counted_miids(&self, moid: &Moid) -> Result<u64, TreeError> {
        self.base.counted_miids(moid)
    }
}

impl DeviceView for LiveOverlay<'_> {
    fn accounts(&self) -> Result<Vec<Account>, TreeError> {
        self.base.accounts()
    }

    fn creator(&self, moid: &Moid, miid: &Miid) -> Result<Option<SrvId>, TreeError> {
        self.base.creator(moid, miid)
    }
}
