//! The tree as one message finds and changes it: `dm1x.md` §1.7.

use std::collections::{BTreeMap, BTreeSet};

use omadm_bootstrap::plan::{PlanStep, PlannedDevice, PropertiesChange, TreePlan, new_miid};
use omadm_bootstrap::{DeviceView, DeviceWrite as _, Utc};
use omadm_mo::{
    AccessList, Miid, Moid, Node, NodeAddress, NodeKind, NodeName, NodePath, NodeProperties, SrvId,
    TreeError, TreeLayout, TreeView as _, TreeWrite as _, Value,
};

/// The tree with the changes of a message over it. Reads see what was written before; nothing reaches the device but by [`Self::into_plan`].
///
/// `VerNo` and `TStamp` are counted where the plan is applied: until then they read as on the device.
pub struct Workspace<'v> {
    layout: &'v TreeLayout,
    live: &'v BTreeMap<(Moid, Miid), Node>,
    tree: PlannedDevice<'v>,
    plan: TreePlan,
    /// Where properties were set, in this order.
    set: Vec<NodeAddress>,
    undo: Vec<Undo>,
}

/// Where to go back to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Savepoint {
    undo: usize,
    steps: usize,
    set: usize,
}

enum Undo {
    /// What stood there, with its properties; of an instance with who may use it.
    Node(NodeAddress, Option<Stood>),
    Properties(NodeAddress, NodeProperties),
}

struct Stood {
    node: Node,
    properties: Vec<(NodePath, NodeProperties)>,
    governed: Option<(Option<SrvId>, AccessList)>,
}

impl<'v> Workspace<'v> {
    /// Nothing is changed yet. `live` are the instances whose values live outside the store, as they were read for this message;
    /// `now` is the time of what changes.
    ///
    /// # Errors
    /// [`TreeError`] where the device cannot be read.
    pub fn new(
        view: &'v dyn DeviceView,
        layout: &'v TreeLayout,
        live: &'v BTreeMap<(Moid, Miid), Node>,
        now: Utc,
    ) -> Result<Self, TreeError> {
        let mut plan = TreePlan::at(view.version());
        plan.time = Some(now);
        let mut tree = PlannedDevice::over(view)?;
        for ((moid, miid), root) in live {
            tree.show(moid, miid, root);
        }
        Ok(Self {
            layout,
            live,
            tree,
            plan,
            set: Vec::new(),
            undo: Vec::new(),
        })
    }

    /// Everything that was changed, as one plan for the version of the tree that this began with.
    #[must_use]
    pub fn into_plan(mut self) -> TreePlan {
        let set: BTreeSet<_> = std::mem::take(&mut self.set).into_iter().collect();
        for at in set {
            // What cannot be read here cannot be applied either.
            let stands = self.tree.kind(&at).is_ok_and(|kind| kind.is_some());
            if let Ok(kept) = self.tree.properties(&at)
                && stands
            {
                self.plan.properties.push(PropertiesChange {
                    live: self.is_live(&at),
                    at,
                    acl: kept.acl,
                    title: kept.title,
                });
            }
        }
        self.plan
    }

    /// The tree as it would be.
    #[must_use]
    pub fn view(&self) -> &dyn DeviceView {
        &self.tree
    }

    pub(super) const fn layout(&self) -> &'v TreeLayout {
        self.layout
    }

    /// Whether the values of an instance live outside the store.
    pub(super) fn is_live(&self, at: &NodeAddress) -> bool {
        self.live.contains_key(&(at.moid.clone(), at.miid.clone()))
    }

    pub(super) fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        self.tree.kind(at)
    }

    pub(super) fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        self.tree.leaf(at)
    }

    pub(super) fn subtree(&self, at: &NodeAddress) -> Result<Option<Node>, TreeError> {
        self.tree.subtree(at)
    }

    pub(super) fn children(
        &self,
        at: &NodeAddress,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        self.tree.all_children(at)
    }

    /// In the order of their names.
    pub(super) fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        let mut all = self.tree.instances(moid)?;
        all.sort();
        Ok(all)
    }

    /// The MIID of a new instance: the wanted one where it is free and plain (D72).
    pub(super) fn new_miid(&self, moid: &Moid, wanted: Option<&Miid>) -> Result<Miid, TreeError> {
        new_miid(&self.tree, moid, wanted, &BTreeSet::new())
    }

    /// The rights of DM 2.0 on an instance.
    pub(super) fn access(&self, moid: &Moid, miid: &Miid) -> Result<AccessList, TreeError> {
        self.tree.access(moid, miid)
    }

    /// What is kept of a node.
    pub(super) fn properties(&self, at: &NodeAddress) -> Result<NodeProperties, TreeError> {
        self.tree.properties(at)
    }

    pub(super) fn set_properties(
        &mut self,
        at: &NodeAddress,
        properties: &NodeProperties,
    ) -> Result<(), TreeError> {
        let before = self.tree.properties(at)?;
        self.undo.push(Undo::Properties(at.clone(), before));
        self.tree.set_properties(at, properties)?;
        self.set.push(at.clone());
        Ok(())
    }

    /// Puts a node where another stands, or below a parent that stands; a new instance where none is.
    pub(super) fn put(
        &mut self,
        at: &NodeAddress,
        node: Node,
        creator: &SrvId,
    ) -> Result<(), TreeError> {
        let before = self.stood(at)?;
        let is_born = at.path.is_root() && before.is_none();
        // What lies below the node is new to ACLs and titles, the node itself is not.
        let below = before.iter().flat_map(|stood| &stood.properties);
        for (path, _) in below.filter(|(path, _)| *path != at.path) {
            let at = at.with_path(path.clone());
            self.tree.set_properties(&at, &NodeProperties::default())?;
        }
        self.undo.push(Undo::Node(at.clone(), before));
        self.tree.put(at, &node)?;
        if is_born {
            if let Ok(counted) = at.miid.as_str().parse() {
                self.tree.count_miids(&at.moid, counted)?;
            }
            self.tree.set_creator(&at.moid, &at.miid, Some(creator))?;
            let access = AccessList::of_creator(creator);
            self.tree.set_access(&at.moid, &at.miid, &access)?;
            self.plan.steps.push(PlanStep::Add {
                moid: at.moid.clone(),
                miid: at.miid.clone(),
                root: node,
                creator: Some(creator.clone()),
            });
        } else {
            let at = at.clone();
            self.plan.steps.push(PlanStep::Replace { at, node });
        }
        Ok(())
    }

    /// Takes a node with all below it away.
    pub(super) fn remove(&mut self, at: &NodeAddress) -> Result<(), TreeError> {
        let before = self.stood(at)?;
        self.undo.push(Undo::Node(at.clone(), before));
        self.tree.remove(at)?;
        self.plan.steps.push(PlanStep::Remove { at: at.clone() });
        Ok(())
    }

    /// Gives a node that stands another name, which no node has; properties and rights go with it.
    pub(super) fn rename(
        &mut self,
        from: &NodeAddress,
        to: &NodeAddress,
        name: &NodeName,
    ) -> Result<(), TreeError> {
        let Some(stood) = self.stood(from)? else {
            return Ok(());
        };
        self.undo.push(Undo::Node(from.clone(), self.stood(from)?));
        self.tree.remove(from)?;
        self.undo.push(Undo::Node(to.clone(), None));
        let moved = self.place(to, from, stood)?;
        self.set.extend(moved);
        self.plan.steps.push(PlanStep::Rename {
            at: from.clone(),
            name: name.clone(),
        });
        Ok(())
    }

    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint {
            undo: self.undo.len(),
            steps: self.plan.steps.len(),
            set: self.set.len(),
        }
    }

    /// Takes back what was changed since.
    pub(super) fn roll_back(&mut self, to: Savepoint) -> Result<(), TreeError> {
        for undo in self.undo.split_off(to.undo).into_iter().rev() {
            match undo {
                Undo::Node(at, Some(stood)) => {
                    self.place(&at, &at, stood)?;
                }
                Undo::Node(at, None) => self.tree.remove(&at)?,
                Undo::Properties(at, before) => self.tree.set_properties(&at, &before)?,
            }
        }
        self.plan.steps.truncate(to.steps);
        self.set.truncate(to.set);
        Ok(())
    }

    fn stood(&self, at: &NodeAddress) -> Result<Option<Stood>, TreeError> {
        let Some(node) = self.tree.subtree(at)? else {
            return Ok(None);
        };
        let governed = if at.path.is_root() {
            let creator = self.tree.creator(&at.moid, &at.miid)?;
            Some((creator, self.tree.access(&at.moid, &at.miid)?))
        } else {
            None
        };
        Ok(Some(Stood {
            node,
            properties: self.tree.properties_within(at)?,
            governed,
        }))
    }

    /// Puts what stood at one place at another, or there again; answers what has properties there.
    fn place(
        &mut self,
        at: &NodeAddress,
        from: &NodeAddress,
        stood: Stood,
    ) -> Result<Vec<NodeAddress>, TreeError> {
        self.tree.put(at, &stood.node)?;
        if let Some((creator, access)) = stood.governed {
            self.tree
                .set_creator(&at.moid, &at.miid, creator.as_ref())?;
            self.tree.set_access(&at.moid, &at.miid, &access)?;
        }
        let mut placed = Vec::new();
        for (path, kept) in stood.properties {
            let below = path.names().iter().skip(from.path.names().len());
            let path = at.path.names().iter().chain(below).cloned().collect();
            let to = at.with_path(path);
            self.tree.set_properties(&to, &kept)?;
            placed.push(to);
        }
        Ok(placed)
    }
}
