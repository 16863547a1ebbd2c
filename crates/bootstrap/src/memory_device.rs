use std::collections::BTreeMap;

use omadm_mo::{
    AccessList, CacheValidator, MemoryTree, Miid, Moid, Node, NodeAddress, NodeKind, NodeName,
    NodePath, NodeProperties, SrvId, TreeError, TreeVersion, TreeView, TreeWrite, Value,
};

use crate::plan::{ApplyError, TreePlan, apply};
use crate::{Account, AccountShadow, DeviceView, DeviceWrite, GovernedInstance};

/// A device's tree and accounts in memory: for the simulator, for virtual-time tests and for previews.
#[derive(Clone, Debug)]
pub struct MemoryDevice {
    tree: MemoryTree,
    accounts: Vec<Account>,
    creators: BTreeMap<(Moid, Miid), SrvId>,
    access: BTreeMap<(Moid, Miid), AccessList>,
    shadows: BTreeMap<SrvId, AccountShadow>,
    properties: BTreeMap<NodeAddress, NodeProperties>,
}

impl MemoryDevice {
    /// A device that knows nothing.
    #[must_use]
    pub const fn new(epoch: u32) -> Self {
        Self {
            tree: MemoryTree::new(epoch),
            accounts: Vec::new(),
            creators: BTreeMap::new(),
            access: BTreeMap::new(),
            shadows: BTreeMap::new(),
            properties: BTreeMap::new(),
        }
    }

    /// Applies a plan as one transaction: as a whole or not at all.
    ///
    /// # Errors
    /// [`ApplyError`] where the plan is stale.
    pub fn apply(&mut self, plan: &TreePlan) -> Result<TreeVersion, ApplyError> {
        let mut next = self.clone();
        apply(plan, &mut next)?;
        *self = next;
        Ok(self.tree.commit())
    }

    /// The tree alone.
    #[must_use]
    pub const fn tree(&self) -> &MemoryTree {
        &self.tree
    }
}

impl TreeView for MemoryDevice {
    fn version(&self) -> TreeVersion {
        self.tree.version()
    }
    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        self.tree.instances(moid)
    }
    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        self.tree.kind(at)
    }
    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        self.tree.leaf(at)
    }
    fn children(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        self.tree.children(at, after)
    }
    fn validator(&self, moid: &Moid, miid: &Miid) -> Result<Option<CacheValidator>, TreeError> {
        self.tree.validator(moid, miid)
    }
    fn counted_miids(&self, moid: &Moid) -> Result<u64, TreeError> {
        self.tree.counted_miids(moid)
    }
}

impl DeviceView for MemoryDevice {
    fn accounts(&self) -> Result<Vec<Account>, TreeError> {
        Ok(self.accounts.clone())
    }
    fn creator(&self, moid: &Moid, miid: &Miid) -> Result<Option<SrvId>, TreeError> {
        Ok(self.creators.get(&(moid.clone(), miid.clone())).cloned())
    }
    fn access(&self, moid: &Moid, miid: &Miid) -> Result<AccessList, TreeError> {
        let list = self.access.get(&(moid.clone(), miid.clone()));
        Ok(list.cloned().unwrap_or_default())
    }
    fn shadow(&self, srv_id: &SrvId) -> Result<Option<AccountShadow>, TreeError> {
        Ok(self.shadows.get(srv_id).cloned())
    }
    fn properties(&self, at: &NodeAddress) -> Result<NodeProperties, TreeError> {
        Ok(self.properties.get(at).cloned().unwrap_or_default())
    }
    fn properties_within(
        &self,
        at: &NodeAddress,
    ) -> Result<Vec<(NodePath, NodeProperties)>, TreeError> {
        Ok(kept_within(&self.properties, at).collect())
    }
    fn all_properties(&self) -> Result<Vec<(NodeAddress, NodeProperties)>, TreeError> {
        let all = self.properties.iter();
        Ok(all.map(|(at, kept)| (at.clone(), kept.clone())).collect())
    }
    fn governed(&self) -> Result<Vec<GovernedInstance>, TreeError> {
        let mut all = Vec::new();
        for (moid, miid) in self.tree.all_instances() {
            if let Some(number) = self.tree.number(&moid, &miid) {
                let (creator, access) = (self.creator(&moid, &miid)?, self.access(&moid, &miid)?);
                all.push(GovernedInstance {
                    number,
                    moid,
                    miid,
                    creator,
                    access,
                });
            }
        }
        all.sort_by_key(|governed| governed.number);
        Ok(all)
    }
}

impl TreeWrite for MemoryDevice {
    fn put(&mut self, at: &NodeAddress, node: &Node) -> Result<(), TreeError> {
        self.tree.put(at, node)
    }
    fn remove(&mut self, at: &NodeAddress) -> Result<(), TreeError> {
        if at.path.is_root() {
            let key = (at.moid.clone(), at.miid.clone());
            self.creators.remove(&key);
            self.access.remove(&key);
        }
        self.properties.retain(|other, _| !is_within(other, at));
        self.tree.remove(at)
    }
    fn count_miids(&mut self, moid: &Moid, highest: u64) -> Result<(), TreeError> {
        self.tree.count_miids(moid, highest)
    }
}

impl DeviceWrite for MemoryDevice {
    fn put_account(&mut self, account: &Account) -> Result<(), TreeError> {
        account.put_among(&mut self.accounts);
        Ok(())
    }
    fn remove_account(&mut self, srv_id: &SrvId) -> Result<(), TreeError> {
        self.accounts.retain(|account| account.srv_id != *srv_id);
        self.shadows.remove(srv_id);
        for list in self.access.values_mut() {
            list.drop_server(srv_id);
        }
        Ok(())
    }
    fn set_creator(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        creator: Option<&SrvId>,
    ) -> Result<(), TreeError> {
        let key = (moid.clone(), miid.clone());
        match creator {
            Some(creator) => self.creators.insert(key, creator.clone()),
            None => self.creators.remove(&key),
        };
        Ok(())
    }
    fn set_access(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        access: &AccessList,
    ) -> Result<(), TreeError> {
        if self.tree.number(moid, miid).is_some() {
            let key = (moid.clone(), miid.clone());
            self.access.insert(key, access.clone());
        }
        Ok(())
    }
    fn set_shadow(
        &mut self,
        srv_id: &SrvId,
        shadow: Option<&AccountShadow>,
    ) -> Result<(), TreeError> {
        match shadow {
            Some(shadow) => self.shadows.insert(srv_id.clone(), shadow.clone()),
            None => self.shadows.remove(srv_id),
        };
        Ok(())
    }
    fn set_properties(
        &mut self,
        at: &NodeAddress,
        properties: &NodeProperties,
    ) -> Result<(), TreeError> {
        if properties.is_empty() {
            self.properties.remove(at);
        } else {
            self.properties.insert(at.clone(), properties.clone());
        }
        Ok(())
    }
}

/// What is kept of a node and of all below it.
pub(crate) fn kept_within(
    properties: &BTreeMap<NodeAddress, NodeProperties>,
    at: &NodeAddress,
) -> impl Iterator<Item = (NodePath, NodeProperties)> {
    // A node sorts before all below it, and they before whatever else comes after it.
    let from_here = properties.range(at..);
    let within = from_here.take_while(move |(other, _)| is_within(other, at));
    within.map(|(other, kept)| (other.path.clone(), kept.clone()))
}

/// Whether a node is another one or lies below it.
fn is_within(node: &NodeAddress, other: &NodeAddress) -> bool {
    node.moid == other.moid && node.miid == other.miid && node.path.is_within(&other.path)
}
