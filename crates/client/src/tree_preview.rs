use omadm_bootstrap::plan::dm1::{Dm1Rules, plan_either};
use omadm_bootstrap::plan::{BootstrapPlan, Delivery, PlanStep, Preview, TreePlan, preview};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapPolicy, BootstrapSource, ChannelSecurity,
    EventId, MemoryDevice, PayloadHash, ProfileFormat, Provenance, ProvidedInstance, Refusal,
};
use omadm_mo::client_uri::InstanceStep;
use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::{BindError, MoItem, SerializationError};
use omadm_mo::standard::dm_acc::names as acc;
use omadm_mo::standard::{
    MoRegistry, RegistryError, dac, dev_detail, dev_info, dev_info1, dm_acc, dm_acc1, session_info,
};
use omadm_mo::{DevId, Miid, Moid, Node, NodePath, SrvId, TreeView as _, Value};

use crate::engine::TlsCredentials;

/// Why a printed tree is none. Whoever made it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum TreeStateError {
    /// An item is no MO serialization.
    #[error(transparent)]
    Serialization(#[from] SerializationError),
    /// An item does not fit its DDF.
    #[error("{moid}: {cause}")]
    Bind {
        /// Its MOID.
        moid: Moid,
        /// Where and how.
        cause: BindError,
    },
    /// A DDF without MOID.
    #[error(transparent)]
    Ddf(#[from] RegistryError),
    /// Two items are of one instance.
    #[error("the tree cannot be put together: {0}")]
    Tree(#[from] omadm_bootstrap::plan::ApplyError),
}

/// What a document of either generation would change, as a factory image, on a device whose tree was printed as one serialization item an instance. The tree holds neither secrets nor
/// Perm lists, nor who created what: what the document brings of the former shows as new, and objects beside the account count as the first account's.
///
/// # Errors
/// [`TreeStateError`] where the items are no tree; inside, the [`Refusal`] where the device would refuse the document.
pub fn preview_on(
    items: &[Json],
    ddfs: Vec<Ddf>,
    document: &[u8],
) -> Result<Result<Preview, Refusal>, TreeStateError> {
    let mut registry = MoRegistry::standard();
    for ddf in ddfs {
        registry.insert(ddf)?;
    }
    let (device, dev_id) = device(items, &registry.clone().with_dm1())?;
    let policy = BootstrapPolicy::default();
    let delivery = Delivery {
        document,
        method: BootstrapMethod::Factory,
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
        at: None,
        event_id: EventId::of([0; 16]),
        consent: true,
        after_reset: false,
        limits: JsonLimits::default(),
    };
    let planned = plan_either(
        &device,
        &registry,
        &policy,
        &TlsCredentials { dev_id },
        &Dm1Rules::default(),
        &delivery,
    );
    Ok(match planned {
        Ok(BootstrapPlan::Apply(planned)) => preview(&planned.plan, &device).map_err(|error| {
            omadm_bootstrap::BootstrapFailureCause::StorageFailed
                .refusal()
                .because(error)
        }),
        Ok(BootstrapPlan::AlreadyApplied) => Ok(Preview::default()),
        Err(refusal) => Err(refusal),
    })
}

fn device(
    items: &[Json],
    registry: &MoRegistry,
) -> Result<(MemoryDevice, Option<DevId>), TreeStateError> {
    let mut device = MemoryDevice::new(1);
    let mut plan = TreePlan::at(device.version());
    let (mut others, mut dev_id) = (Vec::new(), None);
    for item in items {
        for item in MoItem::read_all(item)? {
            let Some(uri) = &item.client_uri else {
                continue;
            };
            // What the device makes of itself for DM 1.x servers lies in no tree.
            if [dev_info1::moid(), dev_detail::moid()].contains(&uri.moid) {
                continue;
            }
            // What no DDF describes no document changes either (§14.6.1 step 4).
            let Some(ddf) = registry.get(&uri.moid) else {
                continue;
            };
            let InstanceStep::Miid(miid) = &uri.instance else {
                continue;
            };
            let name = registry
                .root_name(&uri.moid)
                .unwrap_or_else(|| miid.as_str());
            let bound = item.bind(ddf, &NodePath::root(), name);
            let node = bound.map_err(|cause| TreeStateError::Bind {
                moid: uri.moid.clone(),
                cause,
            })?;
            let node = node.node;
            let text = |path: &[&str]| {
                node.find(path)
                    .and_then(Node::value)
                    .and_then(Value::as_text)
            };
            let of_server = |name: &str, format| {
                let server = text(&[name]).and_then(|text| SrvId::parse(text).ok());
                server.map(|server| account(server, miid, format))
            };
            if uri.moid == dm_acc::moid() {
                plan.accounts
                    .extend(of_server(acc::SRV_ID, ProfileFormat::Dm2));
            } else if uri.moid == dm_acc1::moid() {
                let server = of_server(dm_acc1::names::SERVER_ID, ProfileFormat::Dm);
                plan.accounts.extend(server);
            } else if uri.moid == dev_info::moid() {
                dev_id = text(&["DevID"]).and_then(|text| DevId::parse(text).ok());
            } else if uri.moid != dac::moid() && uri.moid != session_info::moid() {
                others.push((uri.moid.clone(), miid.clone()));
            }
            plan.steps.push(PlanStep::Add {
                moid: uri.moid.clone(),
                miid: miid.clone(),
                root: node,
                creator: None,
            });
        }
    }
    if let Some(first) = plan.accounts.first_mut() {
        let owner = first.srv_id.clone();
        let mut provided: Vec<ProvidedInstance> = Vec::new();
        for (moid, miid) in &others {
            let position = provided.iter().filter(|other| other.moid == *moid).count();
            provided.push(ProvidedInstance {
                moid: moid.clone(),
                position,
                miid: miid.clone(),
            });
        }
        first.provided = provided;
        for step in &mut plan.steps {
            if let PlanStep::Add {
                moid,
                miid,
                creator,
                ..
            } = step
                && others.iter().any(|(m, i)| m == moid && i == miid)
            {
                *creator = Some(owner.clone());
            }
        }
    }
    device.apply(&plan)?;
    Ok((device, dev_id))
}

/// An account as if the image had brought it.
fn account(srv_id: SrvId, miid: &Miid, format: ProfileFormat) -> Account {
    let provenance = Provenance {
        method: BootstrapMethod::Factory,
        format,
        kind: BootstrapKind::First,
        seq: 1,
        at: None,
        event_id: EventId::of([0; 16]),
        payload_hash: PayloadHash::of(&[]),
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
    };
    Account::new(srv_id, miid.clone(), provenance)
}
