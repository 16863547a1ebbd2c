use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use omadm_bootstrap::{Account, AccountShadow, DeviceView, GovernedInstance};
use omadm_mo::standard::dac;
use omadm_mo::{
    AccessList, CacheValidator, Miid, Moid, Node, NodeAddress, NodeKind, NodeName, NodePath,
    NodeProperties, SrvId, TreeError, TreeVersion, TreeView, Value,
};

use super::dac_view::{self, DacInstance};

/// A tree snapshot in which some instances show values that live outside the store, and the DAC MO shows a server its rights.
pub struct LiveOverlay<'a> {
    base: &'a dyn DeviceView,
    live: &'a BTreeMap<(Moid, Miid), Node>,
    seen_by: Option<&'a Account>,
    dac: OnceCell<Result<BTreeMap<Miid, DacInstance>, TreeError>>,
    /// The rights that were read last: a command asks for those of one instance again and again.
    access: RefCell<Option<(Moid, Miid, AccessList)>>,
}

impl<'a> LiveOverlay<'a> {
    /// Lays live instances over a snapshot. They have no cache validator (D76). The DAC MO has no instance yet.
    #[must_use]
    pub const fn new(base: &'a dyn DeviceView, live: &'a BTreeMap<(Moid, Miid), Node>) -> Self {
        Self {
            base,
            live,
            seen_by: None,
            dac: OnceCell::new(),
            access: RefCell::new(None),
        }
    }

    /// The same, with the instances of the DAC MO that this server sees (`dm20.md` §12.4). They have no validator: what a server sees of the rights is no
    /// instance's content, and a shared validator would tell it of changes that do not concern it.
    #[must_use]
    pub const fn seen_by(mut self, account: &'a Account) -> Self {
        self.seen_by = Some(account);
        self
    }

    fn dac(&self) -> Result<&BTreeMap<Miid, DacInstance>, TreeError> {
        let shown = self.dac.get_or_init(|| match self.seen_by {
            Some(account) => dac_view::shown_to(self.base, account),
            None => Ok(BTreeMap::new()),
        });
        shown.as_ref().map_err(Clone::clone)
    }

    /// The node, where this overlay answers for its instance.
    fn node(&self, at: &NodeAddress) -> Result<Option<Option<&Node>>, TreeError> {
        if at.moid == dac::moid() {
            let shown = self.dac()?.get(&at.miid);
            return Ok(Some(shown.and_then(|shown| shown.root.at(&at.path))));
        }
        let root = self.live(&at.moid, &at.miid);
        Ok(root.map(|root| root.at(&at.path)))
    }

    fn live(&self, moid: &Moid, miid: &Miid) -> Option<&Node> {
        // Most commands touch no such instance, and a key costs two copies.
        if self.live.is_empty() {
            return None;
        }
        self.live.get(&(moid.clone(), miid.clone()))
    }
}

impl TreeView for LiveOverlay<'_> {
    fn version(&self) -> TreeVersion {
        self.base.version()
    }

    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        if *moid != dac::moid() {
            let mut all = self.base.instances(moid)?;
            let live = self.live.keys().filter(|(of, _)| of == moid);
            let live: Vec<_> = live.filter(|(_, miid)| !all.contains(miid)).collect();
            all.extend(live.into_iter().map(|(_, miid)| miid.clone()));
            return Ok(all);
        }
        let mut shown: Vec<_> = self.dac()?.iter().collect();
        shown.sort_by_key(|(_, shown)| shown.governed.number);
        Ok(shown.into_iter().map(|(miid, _)| miid.clone()).collect())
    }

    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        self.node(at)?
            .map_or_else(|| self.base.kind(at), |node| Ok(node.map(Node::kind)))
    }

    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        self.node(at)?.map_or_else(
            || self.base.leaf(at),
            |node| Ok(node.and_then(Node::value).cloned()),
        )
    }

    fn children(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        let Some(node) = self.node(at)? else {
            return self.base.children(at, after);
        };
        let children = node.and_then(Node::children).into_iter().flatten();
        let rest = children.filter(|(name, _)| after.is_none_or(|after| *name > after));
        Ok(rest
            .map(|(name, child)| (name.clone(), child.kind()))
            .collect())
    }

    fn all_children(&self, at: &NodeAddress) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        if self.node(at)?.is_some() {
            return self.children(at, None);
        }
        self.base.all_children(at)
    }

    fn subtree(&self, at: &NodeAddress) -> Result<Option<Node>, TreeError> {
        self.node(at)?
            .map_or_else(|| self.base.subtree(at), |node| Ok(node.cloned()))
    }

    fn validator(&self, moid: &Moid, miid: &Miid) -> Result<Option<CacheValidator>, TreeError> {
        if *moid == dac::moid() || self.live(moid, miid).is_some() {
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

    fn access(&self, moid: &Moid, miid: &Miid) -> Result<AccessList, TreeError> {
        let mut last = self.access.borrow_mut();
        if let Some((of_moid, of_miid, access)) = &*last
            && (of_moid, of_miid) == (moid, miid)
        {
            return Ok(access.clone());
        }
        let access = self.base.access(moid, miid)?;
        *last = Some((moid.clone(), miid.clone(), access.clone()));
        Ok(access)
    }

    fn governed(&self) -> Result<Vec<GovernedInstance>, TreeError> {
        self.base.governed()
    }
    fn shadow(&self, srv_id: &SrvId) -> Result<Option<AccountShadow>, TreeError> {
        self.base.shadow(srv_id)
    }
    fn properties(&self, at: &NodeAddress) -> Result<NodeProperties, TreeError> {
        self.base.properties(at)
    }
    fn properties_within(
        &self,
        at: &NodeAddress,
    ) -> Result<Vec<(NodePath, NodeProperties)>, TreeError> {
        self.base.properties_within(at)
    }
    fn all_properties(&self) -> Result<Vec<(NodeAddress, NodeProperties)>, TreeError> {
        self.base.all_properties()
    }
}
