use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use omadm_bootstrap::plan::{ApplyError, PlanStep, TreePlan};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{
    ExecOutcome, ManagedObject, ManagedObjectError, Miid, Moid, Node, NodeAddress, NodePath,
    TreeError, TreeVersion, TreeView as _,
};
use omadm_session::client::Cause;

use crate::store::TreeStore;

/// Tree store and plug-ins. Everything here blocks; [`Host::run`] keeps it off the threads that serve connections.
#[derive(Clone)]
pub(crate) struct Host(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) store: TreeStore,
    pub(crate) registry: MoRegistry,
    objects: Mutex<BTreeMap<Moid, Box<dyn ManagedObject>>>,
    live: BTreeSet<Moid>,
}

impl Host {
    /// Takes store and plug-ins over. Each plug-in gets its one permanent instance where the tree has none yet.
    pub(crate) fn new(
        store: TreeStore,
        registry: MoRegistry,
        objects: BTreeMap<Moid, Box<dyn ManagedObject>>,
    ) -> Result<Self, ApplyError> {
        let snapshot = store.snapshot()?;
        let mut plan = TreePlan::at(snapshot.version());
        for moid in objects.keys() {
            if snapshot.instances(moid)?.is_empty() {
                let (miid, root) = (Miid::counted(1), Node::empty());
                plan.steps.push(PlanStep::Add {
                    moid: moid.clone(),
                    miid,
                    root,
                    creator: None,
                });
            }
        }
        drop(snapshot);
        if !plan.is_empty() {
            store.apply(&plan)?;
        }
        let live = objects.keys().cloned().collect();
        Ok(Self(Arc::new(Shared {
            store,
            registry,
            objects: Mutex::new(objects),
            live,
        })))
    }

    /// Runs something that reads or writes the store. A panic in it is a storage failure here.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<R, TreeError> + Send + 'static,
    ) -> Result<R, TreeError> {
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|error| Err(TreeError::Storage(error.to_string().into())))
    }

    pub(crate) fn store(&self) -> &TreeStore {
        &self.0.store
    }

    /// MOIDs whose values live outside the store.
    pub(crate) fn live(&self) -> &BTreeSet<Moid> {
        &self.0.live
    }

    pub(crate) async fn apply(&self, plan: TreePlan) -> Result<TreeVersion, Cause> {
        let applied = self.run(move |host| Ok(host.apply(&plan))).await;
        applied.map_err(Cause::from)?
    }
}

impl Shared {
    fn apply(&self, plan: &TreePlan) -> Result<TreeVersion, Cause> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        for step in &plan.steps {
            let (at, node) = match step {
                PlanStep::Add { root, .. } => (step.address(), Some(root)),
                PlanStep::Replace { at, node } => (at.clone(), Some(node)),
                PlanStep::Remove { at } => (at.clone(), None),
            };
            if let Some(object) = objects.get(&at.moid) {
                object.plan_write(&at.path, node.unwrap_or(&Node::empty()))?;
            }
        }
        let version = self.store.apply(plan).map_err(|error| match error {
            ApplyError::Stale { .. } => Cause::Stale,
            ApplyError::Tree(error) => Cause::Tree(error),
        })?;
        for step in &plan.steps {
            let at = step.address();
            if let Some(object) = objects.get_mut(&at.moid) {
                object.changed(&at.path);
            }
        }
        Ok(version)
    }

    pub(crate) fn read_live(
        &self,
        roots: &[NodeAddress],
    ) -> Result<Vec<(NodeAddress, Node)>, Cause> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = Vec::new();
        for at in roots {
            let object = objects
                .get(&at.moid)
                .ok_or(ManagedObjectError::NoSuchNode)?;
            read.push((
                at.clone(),
                object
                    .read(&NodePath::root())?
                    .ok_or(ManagedObjectError::NoSuchNode)?,
            ));
        }
        Ok(read)
    }

    pub(crate) fn exec(&self, at: &NodeAddress) -> Result<ExecOutcome, Cause> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let object = objects
            .get_mut(&at.moid)
            .ok_or(ManagedObjectError::NoSuchNode)?;
        Ok(object.exec(&at.path)?)
    }
}
