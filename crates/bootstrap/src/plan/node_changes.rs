//! What a plan changes of the nodes' own properties: `VerNo`, `TStamp`, and whose ACL ends (`dm1x.md` §4.2).
//!
//! A node is changed where its value or the list of its children is. Rows are written while an account of DM 1.x exists; without one only nodes that have
//! properties already are counted on, and a device that never met a DM 1.x server pays nothing.

use omadm_mo::standard::dm_acc1;
use omadm_mo::{Miid, Node, NodeAddress, NodeName, NodePath, NodeProperties, SrvId, TreeError};

use super::TreePlan;
use crate::DeviceWrite;

/// How the changes of one plan are counted.
pub(super) enum NodeChanges {
    /// There is nobody to count them for.
    Unseen,
    /// Counted at this time, if it is known.
    Counted {
        /// Whether nodes get properties that have none.
        all: bool,
        /// `TStamp`
        at: Option<String>,
    },
}

impl NodeChanges {
    pub(super) fn of(plan: &TreePlan, device: &dyn DeviceWrite) -> Result<Self, TreeError> {
        let accounts = device.accounts()?;
        let all = accounts
            .iter()
            .chain(&plan.accounts)
            .any(|one| one.is_dm1());
        if !all && !device.has_properties()? {
            return Ok(Self::Unseen);
        }
        let at = plan.time.map(crate::Utc::to_basic);
        Ok(Self::Counted { all, at })
    }

    /// Before a node is put at a place. The node that stood there goes on under its ACL and title; what is below it is new to both.
    pub(super) fn put(
        &self,
        device: &mut dyn DeviceWrite,
        at: &NodeAddress,
        node: &Node,
    ) -> Result<(), TreeError> {
        if matches!(self, Self::Unseen) {
            return Ok(());
        }
        let old = device.subtree(at)?;
        if old.is_none() {
            self.parent_changed(device, at)?;
        }
        self.compare(device, at, old.as_ref(), node, true)
    }

    /// Before a node is removed; its properties go with it.
    pub(super) fn remove(
        &self,
        device: &mut dyn DeviceWrite,
        at: &NodeAddress,
    ) -> Result<(), TreeError> {
        if matches!(self, Self::Unseen) || device.kind(at)?.is_none() {
            return Ok(());
        }
        self.parent_changed(device, at)
    }

    /// Gives a node another name.
    pub(super) fn rename(
        &self,
        device: &mut dyn DeviceWrite,
        at: &NodeAddress,
        name: &NodeName,
    ) -> Result<(), TreeError> {
        let to = renamed(at, name)?;
        let Some(node) = device.subtree(at)?.filter(|_| to != *at) else {
            return Ok(());
        };
        let kept = device.properties_within(at)?;
        if at.path.is_root() {
            let creator = device.creator(&at.moid, &at.miid)?;
            let access = device.access(&at.moid, &at.miid)?;
            if let Ok(counted) = to.miid.as_str().parse() {
                device.count_miids(&to.moid, counted)?;
            }
            device.put(&to, &node)?;
            device.set_creator(&to.moid, &to.miid, creator.as_ref())?;
            device.set_access(&to.moid, &to.miid, &access)?;
            move_accounts(device, at, &to.miid)?;
        } else {
            device.put(&to, &node)?;
        }
        device.remove(at)?;
        for (path, properties) in kept {
            let below = path.names().iter().skip(at.path.names().len());
            let path: NodePath = to.path.names().iter().chain(below).cloned().collect();
            device.set_properties(&to.with_path(path), &properties)?;
        }
        self.changed(device, &to)?;
        self.parent_changed(device, &to)
    }

    /// After the account of a server is gone: no ACL names it any more (`dm1x.md` §4.3).
    pub(super) fn forget_server(
        &self,
        device: &mut dyn DeviceWrite,
        server: &SrvId,
    ) -> Result<(), TreeError> {
        for (at, mut properties) in device.all_properties()? {
            if let Some(acl) = properties.acl.take_if(|acl| acl.names(server)) {
                properties.acl = acl.without(server);
                device.set_properties(&at, &properties)?;
            }
        }
        Ok(())
    }

    fn parent_changed(
        &self,
        device: &mut dyn DeviceWrite,
        at: &NodeAddress,
    ) -> Result<(), TreeError> {
        match at.path.split_last() {
            Some((parent, _)) => self.changed(device, &at.with_path(parent)),
            None => Ok(()),
        }
    }

    fn changed(&self, device: &mut dyn DeviceWrite, at: &NodeAddress) -> Result<(), TreeError> {
        let Self::Counted { all, at: time } = self else {
            return Ok(());
        };
        let mut properties = device.properties(at)?;
        if *all || !properties.is_empty() {
            properties.count_change(time.as_deref());
            device.set_properties(at, &properties)?;
        }
        Ok(())
    }

    /// A node in place of another, or of none: version number 0, changed now.
    fn compare(
        &self,
        device: &mut dyn DeviceWrite,
        at: &NodeAddress,
        old: Option<&Node>,
        new: &Node,
        is_top: bool,
    ) -> Result<(), TreeError> {
        let Some(old) = old else {
            return self.is_new(device, at, new);
        };
        if !is_top {
            let mut properties = device.properties(at)?;
            if properties.acl.take().is_some() | properties.title.take().is_some() {
                device.set_properties(at, &properties)?;
            }
        }
        let is_same = match (old.children(), new.children()) {
            (Some(before), Some(after)) => before.keys().eq(after.keys()),
            _ => old == new,
        };
        if !is_same {
            self.changed(device, at)?;
        }
        for name in old.children().into_iter().flat_map(|all| all.keys()) {
            if new.children().is_none_or(|all| !all.contains_key(name)) {
                let gone = at.child(name.clone());
                for (path, _) in device.properties_within(&gone)? {
                    let none = NodeProperties::default();
                    device.set_properties(&gone.with_path(path), &none)?;
                }
            }
        }
        for (name, child) in new.children().into_iter().flatten() {
            let before = old.children().and_then(|all| all.get(name));
            self.compare(device, &at.child(name.clone()), before, child, false)?;
        }
        Ok(())
    }

    fn is_new(
        &self,
        device: &mut dyn DeviceWrite,
        at: &NodeAddress,
        node: &Node,
    ) -> Result<(), TreeError> {
        let Self::Counted {
            all: true,
            at: Some(time),
        } = self
        else {
            return Ok(());
        };
        let properties = NodeProperties {
            tstamp: Some(time.clone()),
            ..NodeProperties::default()
        };
        device.set_properties(at, &properties)?;
        for (name, child) in node.children().into_iter().flatten() {
            self.is_new(device, &at.child(name.clone()), child)?;
        }
        Ok(())
    }
}

/// Where a node stands under another name.
fn renamed(at: &NodeAddress, name: &NodeName) -> Result<NodeAddress, TreeError> {
    let wrong = || TreeError::Storage("an instance cannot have this name".into());
    match at.path.split_last() {
        Some((parent, _)) => Ok(at.with_path(parent.child(name.clone()))),
        None => Ok(NodeAddress::root(
            at.moid.clone(),
            Miid::parse(name.as_str()).map_err(|_| wrong())?,
        )),
    }
}

/// The accounts know their instances, and those their documents brought, by their MIIDs.
fn move_accounts(
    device: &mut dyn DeviceWrite,
    at: &NodeAddress,
    to: &Miid,
) -> Result<(), TreeError> {
    for mut account in device.accounts()? {
        let before = account.clone();
        if at.moid == dm_acc1::moid() && account.is_dm1() && account.miid == at.miid {
            account.miid = to.clone();
        }
        for provided in &mut account.provided {
            if provided.moid == at.moid && provided.miid == at.miid {
                provided.miid = to.clone();
            }
        }
        if account != before {
            device.put_account(&account)?;
        }
    }
    Ok(())
}
