use std::collections::{BTreeMap, BTreeSet};

use omadm_bootstrap::plan::{ApplyError, CredentialCheck, PlanStep, TreePlan};
use omadm_bootstrap::{BootstrapPolicy, DeviceView as _, MemoryDevice, SessionSet};
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::{MoRegistry, dm_acc};
use omadm_mo::{
    ManagedObject, Miid, Moid, Node, NodeAddress, Secret, ServerUri, TreeVersion, TreeView as _,
};

use crate::client::{AddressRule, Cause, Effect, Fetched, Input, UploadMethod};

/// The device: its tree in memory, its rules, its managed objects and the data repository it reaches.
pub struct DeviceEnd {
    /// Tree and accounts: what survives the death of the client.
    pub device: MemoryDevice,
    /// The MOs it has.
    pub registry: MoRegistry,
    /// What it accepts as a bootstrap.
    pub policy: BootstrapPolicy,
    /// Bounds of what it reads.
    pub limits: JsonLimits,
    /// Where HGET, HPUT and HPOST go.
    pub repository: Repository,
    /// Addresses that policy forbids, as written.
    pub forbidden: BTreeSet<String>,
    /// Where the browser component was sent, in order.
    pub shown: Vec<ServerUri>,
    objects: BTreeMap<Moid, Box<dyn ManagedObject>>,
}

/// A data repository in memory.
#[derive(Clone, Default, Debug)]
pub struct Repository {
    documents: BTreeMap<String, Result<Fetched, Cause>>,
    refused: BTreeMap<String, Cause>,
    /// What was uploaded, in order.
    pub uploads: Vec<Upload>,
}

/// An upload as the repository got it.
#[derive(Clone, PartialEq, Debug)]
pub struct Upload {
    /// PUT or POST.
    pub method: UploadMethod,
    /// Where to.
    pub to: ServerUri,
    /// Its media type.
    pub media_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl DeviceEnd {
    /// A device with an empty tree and the standard MOs.
    #[must_use]
    pub fn new() -> Self {
        Self {
            device: MemoryDevice::new(1),
            registry: MoRegistry::standard(),
            policy: BootstrapPolicy::default(),
            limits: JsonLimits::default(),
            repository: Repository::default(),
            forbidden: BTreeSet::new(),
            shown: Vec::new(),
            objects: BTreeMap::new(),
        }
    }

    /// Gives the device a managed object as the one instance of its type, or another one in its place. One whose DDF names no MOID changes nothing.
    pub fn plug_in(&mut self, object: impl ManagedObject + 'static) {
        let Ok(moid) = self.registry.insert(object.ddf().clone()) else {
            return;
        };
        if !self.objects.contains_key(&moid) {
            let mut plan = TreePlan::at(self.device.version());
            plan.steps.push(PlanStep::Add {
                moid: moid.clone(),
                miid: Miid::counted(1),
                root: Node::empty(),
                creator: None,
            });
            if self.device.apply(&plan).is_err() {
                return;
            }
        }
        self.objects.insert(moid, Box::new(object));
    }

    fn permit(&self, to: &ServerUri) -> Result<(), Cause> {
        if self.forbidden.contains(to.as_str()) {
            Err(Cause::Forbidden(AddressRule::Private))
        } else {
            Ok(())
        }
    }

    /// The types whose values live outside the store.
    #[must_use]
    pub fn live(&self) -> BTreeSet<Moid> {
        self.objects.keys().cloned().collect()
    }

    /// Does what a session asks; none where there is nothing to answer, and for packages, which go to the link.
    pub fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Fetch(id, from) => Some(Input::FetchDone(id, self.repository.get(&from))),
            Effect::Upload(id, method, to, media_type, body) => {
                let upload = Upload {
                    method,
                    to,
                    media_type,
                    body,
                };
                Some(Input::UploadDone(id, self.repository.take(upload)))
            }
            Effect::Permit(id, to) => Some(Input::PermitDone(id, self.permit(&to))),
            Effect::Show(id, to) => {
                let shown = self.permit(&to);
                if shown.is_ok() {
                    self.shown.push(to);
                }
                Some(Input::ShowDone(id, shown))
            }
            Effect::ReadLive(id, nodes) => {
                let read = nodes.into_iter().filter_map(|at| {
                    let object = self.objects.get(&at.moid)?;
                    match object.read(&at.path) {
                        Ok(node) => node.map(|node| Ok((at, node))),
                        Err(refused) => Some(Err(Cause::ManagedObject(refused))),
                    }
                });
                Some(Input::ReadLiveDone(id, read.collect()))
            }
            Effect::Apply(id, plan) => Some(Input::ApplyDone(id, self.apply(&plan))),
            Effect::Exec(id, at, _) => {
                let done = match self.objects.get_mut(&at.moid) {
                    Some(object) => object.exec(&at.path).map_err(Cause::ManagedObject),
                    None => Err(Cause::ManagedObject(
                        omadm_mo::ManagedObjectError::NotAllowed,
                    )),
                };
                Some(Input::ExecDone(id, done))
            }
            Effect::Send(_) | Effect::Report(_) | Effect::Finish(_) => None,
        }
    }

    pub(super) fn apply(&mut self, plan: &TreePlan) -> Result<TreeVersion, Cause> {
        applied(&mut self.device, plan)
    }

    /// The name of what the account at this address proves itself with: `Auth/Trsp/Data`.
    pub(super) fn session_secret(&self, to: &ServerUri) -> Option<Vec<u8>> {
        let accounts = self.device.accounts().unwrap_or_default();
        let mut sets = accounts.into_iter().filter_map(|account| {
            let root = NodeAddress::root(dm_acc::moid(), account.miid);
            SessionSet::of(&self.device.subtree(&root).ok()??)
        });
        let set = sets.find(|set| set.srv_uri == *to)?;
        Some(set.trsp?.data)
    }

    /// A change that no server asked for.
    pub(super) fn change_by_itself(&mut self) -> Result<TreeVersion, Cause> {
        self.apply(&TreePlan::at(self.device.version()))
    }
}

impl Default for DeviceEnd {
    fn default() -> Self {
        Self::new()
    }
}

/// Applies a plan to a tree.
pub(super) fn applied(device: &mut MemoryDevice, plan: &TreePlan) -> Result<TreeVersion, Cause> {
    device.apply(plan).map_err(|error| match error {
        ApplyError::Stale { .. } => Cause::Stale,
        ApplyError::Tree(error) => Cause::Tree(error),
    })
}

/// Takes every pair that is not empty: nothing here speaks TLS.
impl CredentialCheck for DeviceEnd {
    fn is_usable(&self, certificate: &[u8], private_key: &Secret) -> bool {
        !certificate.is_empty() && !private_key.is_empty()
    }
}

impl Repository {
    /// Has a document to be fetched.
    pub fn put(&mut self, uri: &str, content_type: Option<&str>, body: impl Into<Vec<u8>>) {
        let fetched = Fetched {
            content_type: content_type.map(str::to_owned),
            body: body.into(),
        };
        self.documents.insert(uri.to_owned(), Ok(fetched));
    }

    /// Fails at an address, for fetches and uploads alike.
    pub fn fail(&mut self, uri: &str, cause: Cause) {
        self.documents.insert(uri.to_owned(), Err(cause.clone()));
        self.refused.insert(uri.to_owned(), cause);
    }

    /// An address without document answers 404.
    fn get(&self, from: &ServerUri) -> Result<Fetched, Cause> {
        let found = self.documents.get(from.as_str()).cloned();
        found.unwrap_or(Err(Cause::Status(404)))
    }

    fn take(&mut self, upload: Upload) -> Result<(), Cause> {
        match self.refused.get(upload.to.as_str()) {
            Some(cause) => Err(cause.clone()),
            None => {
                self.uploads.push(upload);
                Ok(())
            }
        }
    }
}
