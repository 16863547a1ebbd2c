//! The notification service: makes Package#0 for a device from what its bootstrap gave it, sends it, and ties the session that answers to it
//! (`dm20.md` §11).

mod answered;
mod called;
mod credential;
mod dm1;
mod late;
mod receipts;
mod repeated;

use std::sync::Arc;
use std::time::Instant;

use omadm_dm1::trigger::UiMode;
use omadm_dm2::package0::{Package0, PreferredConnection, ServerId};
use omadm_mo::standard::dm_acc::AuthNoti;
use omadm_mo::{DevId, SrvId};
use omadm_tls::Fingerprint;

pub(crate) use answered::{answered, answered_to};
pub(crate) use called::{Called, call, parse_addresses};
pub(crate) use credential::{CredentialError, account_in, find};
pub(crate) use late::late_receipts;
pub(crate) use receipts::{ARRIVAL, Message, Receipts};
pub(crate) use repeated::sweep;

use crate::carrier::{CarrierError, Delivery, Payload, Push, PushAddress, PushCarrier};
use crate::entropy::{NoRandomness, random};
use crate::model::{CredentialProof, Device, DmGeneration, EventKind, ExchangeDelta, StoredEvent};
use crate::node::{Node, event};
use crate::store::{CommitError, StoreError};
use credential::Found;

/// How often an event is committed again after other commits of the device came between.
const RETRIES: usize = 8;
/// How many of a device's latest events are looked through for a Notification.
const RECENT: u64 = 200;
/// A Notification that is wanted sent.
#[derive(Default)]
pub(crate) struct Wanted {
    /// Where the device may be reached: tried in this order until it left.
    pub(crate) to: Vec<PushAddress>,
    /// Whose account; none means that of the newest completed bootstrap.
    pub(crate) srv_id: Option<SrvId>,
    pub(crate) prefer: Option<PreferredConnection>,
    pub(crate) req_mos: bool,
    /// Send it without digest where the account has no `Auth/Noti`.
    pub(crate) unauthenticated: bool,
    /// In which generation. None means that of what is asked for beside, where only one has it; else DM 2.0 where the device has an account of it that can tell
    /// who calls, else DM 1.x.
    pub(crate) generation: Option<DmGeneration>,
    /// Of DM 1.x: how much of the session the user is to see.
    pub(crate) ui_mode: Option<UiMode>,
    /// Of DM 1.x: prove it by the default nonce, where the device takes that (`dm1x.md` §3.5). The secrets are replaced afterwards.
    pub(crate) resync: bool,
}

/// A Notification that left, or could not.
pub(crate) struct Sent {
    pub(crate) generation: DmGeneration,
    pub(crate) to: PushAddress,
    pub(crate) notification_id: u16,
    pub(crate) srv_id: SrvId,
    pub(crate) carrier: &'static str,
    pub(crate) authenticated: bool,
    pub(crate) outcome: Result<Delivery, CarrierError>,
}

/// What a device is called with.
enum Proved {
    Dm2(Found),
    Dm1(dm1::Call),
}

/// Why no Notification left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotifyError {
    /// No such device.
    #[error("no device {0} is registered")]
    UnknownDevice(DevId),
    /// Nobody said where the device is.
    #[error("it is not known where {0} can be called")]
    NoAddress(DevId),
    /// What the device was bootstrapped with does not do.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What is asked for is of the other generation.
    #[error("{0}")]
    OtherGeneration(&'static str),
    /// The address is of a carrier that this server was not started with.
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<StoreError> for NotifyError {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

/// Makes a Notification and sends it to the first address that takes it, else tells what became of the last. It leaves once the event that it is about
/// to is durable, so that the session it brings finds it.
pub(crate) async fn notify(
    node: &Arc<Node>,
    dev_id: &DevId,
    wanted: &Wanted,
    correlation: &str,
) -> Result<Sent, NotifyError> {
    let unknown = || NotifyError::UnknownDevice(dev_id.clone());
    node.store.device(dev_id).await?.ok_or_else(unknown)?;
    if wanted.to.is_empty() {
        return Err(NotifyError::NoAddress(dev_id.clone()));
    }
    let proved = match dm1::account(node, dev_id, wanted).await? {
        Some(called) => Proved::Dm1(dm1::prove(node, dev_id, wanted, called).await?),
        None if wanted.ui_mode.is_some() || wanted.resync => {
            let why = "ui_mode and resync are of DM 1.x, and the device is called in DM 2.0";
            return Err(NotifyError::OtherGeneration(why));
        }
        None => Proved::Dm2(find(node, dev_id, wanted.srv_id.as_ref()).await?),
    };
    let (mut last, mut missing) = (None, None);
    for to in &wanted.to {
        if let Err(error) = node.carriers.of(to) {
            missing = Some(error);
            continue;
        }
        let sent = match &proved {
            Proved::Dm2(found) => notify_at(node, dev_id, to, wanted, found, correlation).await?,
            Proved::Dm1(call) => dm1::notify_at(node, dev_id, to, call, correlation).await?,
        };
        if sent.outcome.is_ok() {
            return Ok(sent);
        }
        last = Some(sent);
    }
    last.ok_or_else(|| match missing {
        Some(error) => error.into(),
        None => NotifyError::NoAddress(dev_id.clone()),
    })
}

async fn notify_at(
    node: &Arc<Node>,
    dev_id: &DevId,
    to: &PushAddress,
    wanted: &Wanted,
    found: &Found,
    correlation: &str,
) -> Result<Sent, NotifyError> {
    let unknown = || NotifyError::UnknownDevice(dev_id.clone());
    let device = node.store.device(dev_id).await?.ok_or_else(unknown)?;
    let proofs = found.proving(wanted.unauthenticated)?;
    let carrier = node.carriers.of(to)?;
    let carrier_name = carrier.name();
    let notification_id = fresh_id(&recent(node, &device).await?)?;
    let now = node.now();
    let package = Package0 {
        preferred_connection: wanted.prefer,
        notification_id: Some(notification_id),
        timestamp: u64::try_from(now.0 / 1000).ok(),
        req_mos: wanted.req_mos,
        ..Package0::new(ServerId::Account(found.srv_id.clone()))
    };
    let packages: Vec<_> = if proofs.is_empty() {
        vec![package.encode()]
    } else {
        let sealed = |noti: &AuthNoti| package.clone().sealed(&noti.secret, &noti.data).encode();
        proofs.iter().map(sealed).collect()
    };
    let message = Message {
        dev_id: dev_id.clone(),
        carrier: carrier_name.to_owned(),
        notification_id,
        address: to.to_string(),
        correlation: correlation.to_owned(),
        is_repeated: false,
    };
    let queued = EventKind::NotificationQueued {
        carrier: carrier_name.to_owned(),
        notification_id,
        address: message.address.clone(),
        srv_id: found.srv_id.to_string(),
        authenticated: !proofs.is_empty(),
        proof: None,
    };
    record(node, dev_id, queued, correlation).await?;
    let device_certificates = certificates(node, dev_id).await?;
    let began = Instant::now();
    let outcome = leave(carrier, to, &packages, &device_certificates).await;
    message.sent(node, &outcome, began).await?;
    Ok(Sent {
        generation: DmGeneration::Dm2,
        notification_id,
        carrier: carrier_name,
        authenticated: !proofs.is_empty(),
        srv_id: found.srv_id.clone(),
        to: to.clone(),
        outcome: message.wait(node, outcome),
    })
}

/// Sends the same Notification by each proof. A device that is being given another secret has the former or the new one; what it cannot prove changes nothing
/// there.
async fn leave(
    carrier: &dyn PushCarrier,
    to: &PushAddress,
    packages: &[Vec<u8>],
    device: &[Fingerprint],
) -> Result<Delivery, CarrierError> {
    let mut delivery = Delivery::Sent;
    for octets in packages {
        let push = Push {
            to,
            payload: Payload::Notification(octets),
            device,
        };
        delivery = carrier.push(&push).await?;
    }
    Ok(delivery)
}

/// The latest events of a device, oldest first.
pub(crate) async fn recent(node: &Node, device: &Device) -> Result<Vec<StoredEvent>, StoreError> {
    let after = device.next_event_seq.saturating_sub(RECENT + 1);
    let limit = usize::try_from(RECENT).unwrap_or(usize::MAX);
    node.store.events_of(&device.dev_id, after, limit).await
}

/// A NOTIFICATION-ID that none of these events has: a client ignores one that it had among the last 32.
pub(crate) fn fresh_id(recent: &[StoredEvent]) -> Result<u16, NoRandomness> {
    let used = |id: u16| {
        recent.iter().any(|stored| {
            matches!(&stored.event.kind, EventKind::NotificationQueued { notification_id, .. } if *notification_id == id)
        })
    };
    let first = u16::from_be_bytes(random()?);
    let mut ids = (0..=u16::MAX).map(|step| first.wrapping_add(step));
    Ok(ids.find(|id| !used(*id)).unwrap_or(first))
}

/// Fingerprints of the certificates that are the device's now.
pub(crate) async fn certificates(
    node: &Node,
    dev_id: &DevId,
) -> Result<Vec<Fingerprint>, StoreError> {
    let now = node.now();
    let credentials = node.store.credentials(dev_id).await?;
    let fingerprints = credentials.iter().filter_map(|credential| {
        let good = credential.revoked_at.is_none()
            && credential.expires_at.is_none_or(|expires| expires > now);
        match credential.proof {
            CredentialProof::Certificate(fingerprint) if good => {
                Some(Fingerprint::from_octets(fingerprint))
            }
            _ => None,
        }
    });
    Ok(fingerprints.collect())
}

/// Commits one event of a device.
pub(crate) async fn record(
    node: &Node,
    dev_id: &DevId,
    kind: EventKind,
    correlation: &str,
) -> Result<(), NotifyError> {
    record_with(node, dev_id, kind, correlation, |_| ()).await
}

/// Commits one event of a device with what else it means.
async fn record_with(
    node: &Node,
    dev_id: &DevId,
    kind: EventKind,
    correlation: &str,
    means: impl Fn(&mut ExchangeDelta) + Sync,
) -> Result<(), NotifyError> {
    for _again in 0..RETRIES {
        let device = node.store.device(dev_id).await?;
        let device = device.ok_or_else(|| NotifyError::UnknownDevice(dev_id.clone()))?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        means(&mut delta);
        delta.events.push(event(kind.clone(), correlation));
        match node.store.commit(delta).await {
            Ok(_) => {
                let text = serde_json::to_string(&kind).unwrap_or_default();
                tracing::info!(correlation, device = %dev_id, event = %text, "notification");
                return Ok(());
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}
