use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use omadm_bootstrap::plan::{ApplyError, PlanStep, RightsChange, TreePlan};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{
    AccessList, ManagedObject, ManagedObjectError, Miid, Moid, Node, NodeAddress, NodePath,
    TreeError, TreeVersion, TreeView as _,
};
use omadm_session::client::Cause;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::grants::Grants;
use crate::store::TreeStore;

/// Tree store and plug-ins. Everything here blocks; [`Host::run`] keeps it off the threads that serve connections.
#[derive(Clone)]
pub(crate) struct Host(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) store: TreeStore,
    pub(crate) registry: MoRegistry,
    objects: Objects,
    live: BTreeSet<Moid>,
    grants: Grants,
    /// How long a plug-in may take over one call.
    deadline: Duration,
    /// Executions whose plug-in is being called at this moment.
    calling: Mutex<BTreeSet<u64>>,
    /// Told whenever the tree, a live value or an execution changed.
    changed: Arc<Notify>,
}

/// Why a plan was not applied.
pub(super) struct NotApplied {
    /// The step of the plan that a plug-in does not take; none where the plan as a whole could not be written.
    pub(super) step: Option<usize>,
    pub(super) cause: Cause,
}

type Objects = BTreeMap<Moid, Mutex<Box<dyn ManagedObject>>>;

/// Between two looks at a plug-in that is busy.
const LOOK: Duration = Duration::from_millis(2);

impl Host {
    /// Takes store and plug-ins over. Each plug-in gets its one permanent instance where the tree has none yet.
    pub(crate) fn new(
        store: TreeStore,
        registry: MoRegistry,
        objects: BTreeMap<Moid, Box<dyn ManagedObject>>,
        grants: Grants,
        deadline: Duration,
        changed: Arc<Notify>,
    ) -> Result<Self, ApplyError> {
        let snapshot = store.snapshot()?;
        let mut plan = TreePlan::at(snapshot.version());
        for moid in objects.keys() {
            if snapshot.instances(moid)?.is_empty() {
                let (miid, root) = (Miid::counted(1), Node::empty());
                let mut given = RightsChange {
                    moid: moid.clone(),
                    miid: miid.clone(),
                    access: AccessList::none(),
                };
                grants.of_new(&snapshot, moid, &mut given)?;
                plan.steps.push(PlanStep::Add {
                    moid: moid.clone(),
                    miid,
                    root,
                    creator: None,
                });
                if !given.access.entries().is_empty() {
                    plan.rights.push(given);
                }
            }
        }
        drop(snapshot);
        if !plan.is_empty() {
            store.apply(&plan)?;
        }
        let live = objects.keys().cloned().collect();
        let objects = objects
            .into_iter()
            .map(|(moid, object)| (moid, Mutex::new(object)));
        Ok(Self(Arc::new(Shared {
            store,
            registry,
            objects: objects.collect(),
            live,
            grants,
            deadline,
            calling: Mutex::default(),
            changed,
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

    /// Runs something in which plug-ins are called; none where it did not come back within their deadline. It goes on nevertheless.
    pub(super) async fn within_deadline<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<R, Cause> + Send + 'static,
    ) -> Option<Result<R, Cause>> {
        let done = self.run(move |host| Ok(work(host)));
        match timeout(self.0.deadline, done).await {
            Ok(done) => Some(done.map_err(Cause::from).and_then(|done| done)),
            Err(_) => None,
        }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.0.deadline
    }

    pub(crate) fn store(&self) -> &TreeStore {
        &self.0.store
    }

    pub(crate) fn registry(&self) -> &MoRegistry {
        &self.0.registry
    }

    /// MOIDs whose values live outside the store.
    pub(crate) fn live(&self) -> &BTreeSet<Moid> {
        &self.0.live
    }

    /// Returns once something changed since the last call.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Applies a plan, with the consent of the plug-ins concerned. One that does not give it within its deadline is busy.
    pub(crate) async fn apply(&self, plan: TreePlan) -> Result<TreeVersion, Cause> {
        self.apply_or_tell(plan).await.map_err(|not| not.cause)
    }

    /// The same, and where a plug-in did not consent, to which step.
    pub(super) async fn apply_or_tell(&self, plan: TreePlan) -> Result<TreeVersion, NotApplied> {
        let plan = Arc::new(plan);
        if plan.steps.iter().any(|step| self.is_live(step)) {
            let reached = Arc::new(AtomicUsize::new(0));
            let (asked, reaches) = (Arc::clone(&plan), Arc::clone(&reached));
            let consent = self.within_deadline(move |host| host.ask(&asked, &reaches));
            let consent = consent.await;
            let consent = consent.unwrap_or_else(|| Err(ManagedObjectError::Busy.into()));
            consent.map_err(|cause| NotApplied {
                step: Some(reached.load(Ordering::Relaxed)),
                cause,
            })?;
        }
        let applied = Arc::clone(&plan);
        let version = self.run(move |host| Ok(host.apply(&applied))).await;
        let version = version.map_err(Cause::from).and_then(|version| version);
        let version = version.map_err(|cause| NotApplied { step: None, cause })?;
        if plan.steps.iter().any(|step| self.is_live(step)) {
            // The write is durable; a plug-in that takes its time over it is waited for no longer.
            let _ = self.within_deadline(move |host| host.tell(&plan)).await;
        }
        self.0.tell_change();
        Ok(version)
    }

    /// Instances whose values live outside the store, whole.
    pub(crate) async fn read_live(
        &self,
        roots: Vec<NodeAddress>,
    ) -> Result<Vec<(NodeAddress, Node)>, Cause> {
        let read = self.within_deadline(move |host| host.read_live(&roots));
        read.await
            .unwrap_or_else(|| Err(ManagedObjectError::Device.into()))
    }

    fn is_live(&self, step: &PlanStep) -> bool {
        self.0.live.contains(&step.address().moid)
    }
}

impl Shared {
    fn apply(&self, plan: &TreePlan) -> Result<TreeVersion, Cause> {
        let given = self.grants.of_plan(&self.store.snapshot()?, plan)?;
        let more;
        let plan = if given.is_empty() {
            plan
        } else {
            let mut rights = plan.rights.clone();
            rights.extend(given);
            more = TreePlan {
                rights,
                ..plan.clone()
            };
            &more
        };
        self.store.apply(plan).map_err(|error| match error {
            ApplyError::Stale { .. } => Cause::Stale,
            ApplyError::Tree(error) => Cause::Tree(error),
        })
    }

    /// Whether the plug-ins take what is planned; `reached` is the step that is asked about.
    fn ask(&self, plan: &TreePlan, reached: &AtomicUsize) -> Result<(), Cause> {
        for (n, step) in plan.steps.iter().enumerate() {
            reached.store(n, Ordering::Relaxed);
            let (at, node) = match step {
                PlanStep::Add { root, .. } => (step.address(), Some(root)),
                PlanStep::Replace { at, node } => (at.clone(), Some(node)),
                PlanStep::Remove { at } | PlanStep::Rename { at, .. } => (at.clone(), None),
            };
            if self.objects.contains_key(&at.moid) {
                self.object(&at.moid)?
                    .plan_write(&at.path, node.unwrap_or(&Node::empty()))?;
            }
        }
        Ok(())
    }

    /// Tells the plug-ins what was written.
    fn tell(&self, plan: &TreePlan) -> Result<(), Cause> {
        for step in &plan.steps {
            let at = step.address();
            if self.objects.contains_key(&at.moid) {
                self.object(&at.moid)?.changed(&at.path);
            }
        }
        Ok(())
    }

    pub(crate) fn read_live(
        &self,
        roots: &[NodeAddress],
    ) -> Result<Vec<(NodeAddress, Node)>, Cause> {
        let mut read = Vec::new();
        for at in roots {
            // A read has no status for an object that is busy (D24): it does not answer.
            let object = self.object(&at.moid).map_err(|refused| match refused {
                ManagedObjectError::Busy => ManagedObjectError::Device,
                other => other,
            })?;
            let node = object.read(&NodePath::root())?;
            read.push((at.clone(), node.ok_or(ManagedObjectError::NoSuchNode)?));
        }
        Ok(read)
    }

    /// The plug-in of a MOID, waited for until its deadline where another call of it is going on.
    pub(super) fn object(
        &self,
        moid: &Moid,
    ) -> Result<MutexGuard<'_, Box<dyn ManagedObject>>, ManagedObjectError> {
        let until = Instant::now() + self.deadline;
        loop {
            if let Some(object) = self.free_object(moid)? {
                return Ok(object);
            }
            if Instant::now() >= until {
                return Err(ManagedObjectError::Busy);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// The plug-in of a MOID; none where another call of it is going on.
    pub(super) fn free_object(
        &self,
        moid: &Moid,
    ) -> Result<Option<MutexGuard<'_, Box<dyn ManagedObject>>>, ManagedObjectError> {
        let object = self.objects.get(moid);
        match object.ok_or(ManagedObjectError::NoSuchNode)?.try_lock() {
            Ok(object) => Ok(Some(object)),
            Err(TryLockError::Poisoned(object)) => Ok(Some(object.into_inner())),
            Err(TryLockError::WouldBlock) => Ok(None),
        }
    }

    pub(super) fn calling(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the values of this MOID live outside the store.
    pub(crate) fn is_live(&self, moid: &Moid) -> bool {
        self.live.contains(moid)
    }

    pub(super) fn tell_change(&self) {
        self.changed.notify_one();
    }
}
