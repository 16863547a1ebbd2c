use std::collections::BTreeMap;

use omadm_mo::{
    AccessList, CacheValidator, Miid, Moid, Node, NodeAddress, NodeKind, NodeName, NodePath,
    NodeProperties, SrvId, TreeError, TreeVersion, TreeView, TreeWrite, Value,
};

use super::{ApplyError, TreePlan, apply};
use crate::memory_device::kept_within;
use crate::{Account, AccountShadow, DeviceView, DeviceWrite, GovernedInstance};

/// A device as it would be after plans that are not carried out, so that several are planned one upon the other and applied as one; a clone is a savepoint. Its version stays
/// that of the device; plans for it are plans for the device, once those before them are part of them.
#[derive(Clone)]
pub struct PlannedDevice<'a> {
    base: &'a dyn DeviceView,
    /// Instances that a plan touched; none is gone.
    touched: BTreeMap<(Moid, Miid), Option<Node>>,
    /// Those among them that the device has not, in the order of their creation.
    born: Vec<(Moid, Miid)>,
    creators: BTreeMap<(Moid, Miid), Option<SrvId>>,
    access: BTreeMap<(Moid, Miid), AccessList>,
    counted: BTreeMap<Moid, u64>,
    accounts: Vec<Account>,
    shadows: BTreeMap<SrvId, Option<AccountShadow>>,
    /// Those that are empty were taken away.
    properties: BTreeMap<NodeAddress, NodeProperties>,
}

impl<'a> PlannedDevice<'a> {
    /// The device as it is.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn over(base: &'a dyn DeviceView) -> Result<Self, TreeError> {
        Ok(Self {
            base,
            touched: BTreeMap::new(),
            born: Vec::new(),
            creators: BTreeMap::new(),
            access: BTreeMap::new(),
            counted: BTreeMap::new(),
            accounts: base.accounts()?,
            shadows: BTreeMap::new(),
            properties: BTreeMap::new(),
        })
    }

    /// Shows this instance instead of what the device keeps of it, without a plan: its values live outside the store.
    pub fn show(&mut self, moid: &Moid, miid: &Miid, root: &Node) {
        let key = (moid.clone(), miid.clone());
        self.touched.insert(key, Some(root.clone()));
    }

    /// Carries a plan out here.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails, and for a plan of another version.
    pub fn apply(&mut self, plan: &TreePlan) -> Result<(), TreeError> {
        apply(plan, self).map_err(|error| match error {
            ApplyError::Tree(error) => error,
            stale @ ApplyError::Stale { .. } => TreeError::Storage(stale.to_string().into()),
        })
    }

    /// Adds to `plan` the accounts that are other than on the device, and those that are gone.
    pub(super) fn add_accounts_to(&self, plan: &mut TreePlan) -> Result<(), TreeError> {
        let before = self.base.accounts()?;
        let changed = self.accounts.iter().filter(|one| !before.contains(one));
        plan.accounts.extend(changed.cloned());
        let stands = |one: &&Account| self.accounts.iter().any(|now| now.srv_id == one.srv_id);
        let gone = before.iter().filter(|one| !stands(one));
        plan.removed_accounts
            .extend(gone.map(|one| one.srv_id.clone()));
        Ok(())
    }

    fn node(&self, at: &NodeAddress) -> Option<Option<&Node>> {
        let touched = self.touched.get(&(at.moid.clone(), at.miid.clone()))?;
        Some(touched.as_ref().and_then(|root| root.at(&at.path)))
    }

    /// The instance, from here on kept here.
    fn touch(&mut self, key: &(Moid, Miid)) -> Result<&mut Option<Node>, TreeError> {
        if !self.touched.contains_key(key) {
            let root = NodeAddress::root(key.0.clone(), key.1.clone());
            let root = self.base.subtree(&root)?;
            self.touched.insert(key.clone(), root);
        }
        Ok(self.touched.entry(key.clone()).or_default())
    }

    fn exists(&self, moid: &Moid, miid: &Miid) -> Result<bool, TreeError> {
        match self.touched.get(&(moid.clone(), miid.clone())) {
            Some(touched) => Ok(touched.is_some()),
            None => Ok(self.base.instances(moid)?.contains(miid)),
        }
    }
}

impl TreeView for PlannedDevice<'_> {
    fn version(&self) -> TreeVersion {
        self.base.version()
    }

    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        let touched = |miid: &Miid| self.touched.get(&(moid.clone(), miid.clone()));
        let mut found = self.base.instances(moid)?;
        let born: Vec<_> = self.born.iter().filter(|(of, _)| of == moid).collect();
        let stands = |miid: &Miid| touched(miid).is_none_or(Option::is_some);
        found.retain(|miid| stands(miid) && !born.iter().any(|(_, new)| new == miid));
        found.extend(born.into_iter().map(|(_, miid)| miid.clone()));
        Ok(found)
    }

    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        match self.node(at) {
            Some(node) => Ok(node.map(Node::kind)),
            None => self.base.kind(at),
        }
    }

    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        match self.node(at) {
            Some(node) => Ok(node.and_then(Node::value).cloned()),
            None => self.base.leaf(at),
        }
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
        if self.touched.contains_key(&(moid.clone(), miid.clone())) {
            return Ok(None);
        }
        self.base.validator(moid, miid)
    }

    fn counted_miids(&self, moid: &Moid) -> Result<u64, TreeError> {
        let here = self.counted.get(moid).copied().unwrap_or(0);
        Ok(here.max(self.base.counted_miids(moid)?))
    }
}

impl DeviceView for PlannedDevice<'_> {
    fn accounts(&self) -> Result<Vec<Account>, TreeError> {
        Ok(self.accounts.clone())
    }

    fn creator(&self, moid: &Moid, miid: &Miid) -> Result<Option<SrvId>, TreeError> {
        match self.creators.get(&(moid.clone(), miid.clone())) {
            Some(creator) => Ok(creator.clone()),
            None => self.base.creator(moid, miid),
        }
    }

    fn access(&self, moid: &Moid, miid: &Miid) -> Result<AccessList, TreeError> {
        match self.access.get(&(moid.clone(), miid.clone())) {
            Some(access) => Ok(access.clone()),
            None => self.base.access(moid, miid),
        }
    }

    fn governed(&self) -> Result<Vec<GovernedInstance>, TreeError> {
        let mut all = Vec::new();
        for mut governed in self.base.governed()? {
            if self.exists(&governed.moid, &governed.miid)? {
                governed.creator = self.creator(&governed.moid, &governed.miid)?;
                governed.access = self.access(&governed.moid, &governed.miid)?;
                all.push(governed);
            }
        }
        let last = all.iter().map(|one| one.number).max().unwrap_or(0);
        for (number, (moid, miid)) in (last + 1..).zip(&self.born) {
            all.push(GovernedInstance {
                number,
                moid: moid.clone(),
                miid: miid.clone(),
                creator: self.creator(moid, miid)?,
                access: self.access(moid, miid)?,
            });
        }
        Ok(all)
    }

    fn properties(&self, at: &NodeAddress) -> Result<NodeProperties, TreeError> {
        match self.properties.get(at) {
            Some(properties) => Ok(properties.clone()),
            None => self.base.properties(at),
        }
    }

    fn properties_within(
        &self,
        at: &NodeAddress,
    ) -> Result<Vec<(NodePath, NodeProperties)>, TreeError> {
        let mut all: BTreeMap<_, _> = self.base.properties_within(at)?.into_iter().collect();
        all.extend(kept_within(&self.properties, at));
        all.retain(|_, kept| !kept.is_empty());
        Ok(all.into_iter().collect())
    }

    fn all_properties(&self) -> Result<Vec<(NodeAddress, NodeProperties)>, TreeError> {
        let mut all: BTreeMap<_, _> = self.base.all_properties()?.into_iter().collect();
        let here = self.properties.iter();
        all.extend(here.map(|(at, kept)| (at.clone(), kept.clone())));
        all.retain(|_, kept| !kept.is_empty());
        Ok(all.into_iter().collect())
    }

    fn shadow(&self, srv_id: &SrvId) -> Result<Option<AccountShadow>, TreeError> {
        match self.shadows.get(srv_id) {
            Some(shadow) => Ok(shadow.clone()),
            None => self.base.shadow(srv_id),
        }
    }
}

impl TreeWrite for PlannedDevice<'_> {
    fn put(&mut self, at: &NodeAddress, node: &Node) -> Result<(), TreeError> {
        let key = (at.moid.clone(), at.miid.clone());
        let stands = self.touch(&key)?;
        let is_new = stands.is_none();
        stands
            .get_or_insert_with(Node::empty)
            .put(&at.path, node.clone());
        if is_new {
            self.born.push(key);
        }
        Ok(())
    }

    fn remove(&mut self, at: &NodeAddress) -> Result<(), TreeError> {
        for (path, _) in self.properties_within(at)? {
            self.set_properties(&at.with_path(path), &NodeProperties::default())?;
        }
        let key = (at.moid.clone(), at.miid.clone());
        if at.path.is_root() {
            self.born.retain(|born| *born != key);
            self.creators.insert(key.clone(), None);
            self.access.insert(key.clone(), AccessList::none());
            self.touched.insert(key, None);
            return Ok(());
        }
        if let Some(root) = self.touch(&key)? {
            root.remove(&at.path);
        }
        Ok(())
    }

    fn count_miids(&mut self, moid: &Moid, highest: u64) -> Result<(), TreeError> {
        let counted = self.counted.entry(moid.clone()).or_default();
        *counted = highest.max(*counted);
        Ok(())
    }
}

impl DeviceWrite for PlannedDevice<'_> {
    fn put_account(&mut self, account: &Account) -> Result<(), TreeError> {
        account.put_among(&mut self.accounts);
        Ok(())
    }

    fn remove_account(&mut self, srv_id: &SrvId) -> Result<(), TreeError> {
        self.accounts.retain(|account| account.srv_id != *srv_id);
        self.shadows.insert(srv_id.clone(), None);
        for governed in self.governed()? {
            let mut access = governed.access;
            if access.drop_server(srv_id) {
                self.access.insert((governed.moid, governed.miid), access);
            }
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
        self.creators.insert(key, creator.cloned());
        Ok(())
    }

    fn set_access(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        access: &AccessList,
    ) -> Result<(), TreeError> {
        if self.exists(moid, miid)? {
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
        self.shadows.insert(srv_id.clone(), shadow.cloned());
        Ok(())
    }

    fn set_properties(
        &mut self,
        at: &NodeAddress,
        properties: &NodeProperties,
    ) -> Result<(), TreeError> {
        self.properties.insert(at.clone(), properties.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::{Miid, Moid, Node, NodeAddress, NodePath, SrvId, TreeView as _, Value};

    use super::PlannedDevice;
    use crate::plan::{PlanStep, TreePlan};
    use crate::{DeviceView as _, MemoryDevice};

    fn moid(n: u8) -> Moid {
        Moid::parse(&format!("urn:x:{n}")).unwrap()
    }

    fn node(text: &str) -> Node {
        let mut node = Node::empty();
        node.put(&NodePath::of("a/b").unwrap(), Value::chr(text).into());
        node
    }

    fn root(n: u8, miid: u64) -> NodeAddress {
        NodeAddress::root(moid(n), Miid::counted(miid))
    }

    fn add(n: u8, miid: u64) -> PlanStep {
        PlanStep::Add {
            moid: moid(n),
            miid: Miid::counted(miid),
            root: node("added"),
            creator: Some(SrvId::parse("dms").unwrap()),
        }
    }

    /// Plans one upon the other; together they are one plan for the device.
    #[test]
    fn plans_upon_plans_are_one_plan_for_the_device() {
        let mut device = MemoryDevice::new(1);
        let mut first = TreePlan::at(device.version());
        first.steps = vec![add(1, 1), add(1, 2), add(2, 1)];
        device.apply(&first).unwrap();
        let before = device.clone();

        let mut planned = PlannedDevice::over(&before).unwrap();
        let mut whole = TreePlan::at(device.version());
        let below = root(1, 1).with_path(NodePath::of("a/c").unwrap());
        for steps in [
            vec![add(1, 3), PlanStep::Remove { at: root(1, 2) }],
            vec![
                PlanStep::Replace {
                    at: below,
                    node: Value::Int(7).into(),
                },
                PlanStep::Remove { at: root(2, 1) },
            ],
            vec![
                add(2, 2),
                PlanStep::Remove { at: root(1, 3) },
                PlanStep::Remove {
                    at: root(1, 1).with_path(NodePath::of("a/b").unwrap()),
                },
            ],
        ] {
            let mut plan = TreePlan::at(planned.version());
            plan.steps = steps;
            planned.apply(&plan).unwrap();
            whole.steps.extend(plan.steps);
        }
        device.apply(&whole).unwrap();
        for n in [1, 2] {
            assert_eq!(
                planned.instances(&moid(n)).unwrap(),
                device.instances(&moid(n)).unwrap()
            );
            assert_eq!(
                planned.counted_miids(&moid(n)).unwrap(),
                device.counted_miids(&moid(n)).unwrap()
            );
            for miid in device.instances(&moid(n)).unwrap() {
                let at = NodeAddress::root(moid(n), miid.clone());
                assert_eq!(planned.subtree(&at).unwrap(), device.subtree(&at).unwrap());
                for view in [&planned as &dyn crate::DeviceView, &device] {
                    assert!(view.creator(&moid(n), &miid).unwrap().is_some());
                    assert_eq!(view.access(&moid(n), &miid).unwrap().entries().len(), 1);
                }
            }
        }
        assert_eq!(planned.governed().unwrap().len(), 2);
        assert_eq!(before.instances(&moid(1)).unwrap().len(), 2, "untouched");
    }
}
