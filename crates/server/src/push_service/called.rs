//! A Notification to `bs:` and the id of a bootstrap source, upon which the device fetches its document over mutual TLS (D84).

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_dm2::package0::{BootstrapSourceId, Package0, ServerId};
use omadm_mo::standard::dm_acc::AuthNoti;
use omadm_mo::{DevId, Secret};

use super::claim::scheme;
use super::{Claimed, PushError, Tried};
use crate::bootstrap_service::open_document;
use crate::carrier::{CarrierError, Delivery, Payload, Push, PushAddress};
use crate::generations::{join, split};
use crate::model::{BootstrapRecord, BootstrapState, Device, RecordId, of_dm2};
use crate::node::Node;
use crate::notification_service::{
    Message, NotifyError, account_in, certificates, find, fresh_id, recent,
};
use crate::seal::SealError;

/// What a Notification is proved with (§11.4).
pub(crate) struct Prover {
    pub(crate) data: Vec<u8>,
    pub(crate) secret: Secret,
}

/// Seals what the operator told for one record.
pub(crate) fn seal_prover(
    node: &Node,
    dev_id: &DevId,
    id: &RecordId,
    prover: &Prover,
) -> Result<String, SealError> {
    let joined = join(&prover.data, &prover.secret);
    let sealed = node.sealing.seal(&context(dev_id, id), &joined)?;
    Ok(STANDARD.encode(sealed))
}

fn context(dev_id: &DevId, id: &RecordId) -> Vec<u8> {
    format!("push\0{dev_id}\0{id}").into_bytes()
}

/// The source that the device has of this server by its newest completed bootstrap: the host of its `Auth/Bootstrap/ServerURI` (D84).
pub(crate) async fn own_source(node: &Node, dev_id: &DevId) -> Result<Option<String>, NotifyError> {
    let records = of_dm2(node.store.bootstraps_of(dev_id).await?);
    let completed = records
        .iter()
        .find(|record| record.state == BootstrapState::Completed);
    let Some(record) = completed else {
        return Ok(None);
    };
    let Ok(document) = open_document(node, record).await else {
        return Ok(None);
    };
    let account = account_in(node, document.expose(), &record.srv_id).ok();
    let keys = account
        .filter(|account| account.noti.is_some())
        .and_then(|account| account.bootstrap);
    Ok(keys.map(|keys| keys.server_uri.host().to_owned()))
}

/// A NOTIFICATION-ID that the device has not had lately.
pub(super) async fn fresh_notification_id(node: &Node, device: &Device) -> Result<u16, PushError> {
    Ok(fresh_id(&recent(node, device).await?)?)
}

/// Sends the Notification of a try.
pub(super) async fn call(node: &Arc<Node>, claimed: &Claimed, correlation: &str) -> Tried {
    let record = &claimed.record;
    let never = |cause, detail: String| Tried::Never { cause, detail };
    let (Some(push), Some(notification_id)) = (&record.push, claimed.notification_id) else {
        return never(
            Cause::DeviceUnreachable,
            "the record says nothing of it".to_owned(),
        );
    };
    let to = match PushAddress::parse(&push.to) {
        Ok(to) => to,
        Err(fault) => return never(Cause::DeviceUnreachable, fault.to_string()),
    };
    let source = push.source.as_deref().unwrap_or_default();
    let source = match BootstrapSourceId::parse(source) {
        Ok(source) => source,
        Err(fault) => return never(Cause::DeviceUnreachable, fault.to_string()),
    };
    let proofs = match proofs(node, record).await {
        Ok(proofs) => proofs,
        Err(why) => return never(Cause::NotificationUnanswered, why),
    };
    let package = Package0 {
        notification_id: Some(notification_id),
        timestamp: u64::try_from(node.now().0 / 1000).ok(),
        ..Package0::new(ServerId::Bootstrap(source))
    };
    let began = Instant::now();
    let outcome = leave(node, record, &to, &package, &proofs).await;
    let message = Message {
        dev_id: record.dev_id.clone(),
        carrier: scheme(&push.to).to_owned(),
        notification_id,
        address: push.to.clone(),
        correlation: correlation.to_owned(),
        is_repeated: false,
    };
    if let Err(error) = message.sent(node, &outcome, began).await {
        tracing::warn!(%error, device = %record.dev_id, "that a Notification left could not be stored");
    }
    match message.wait(node, outcome) {
        Ok(_) => Tried::Called,
        Err(error) => Tried::Later {
            cause: match error {
                CarrierError::NotTrusted(..) => Cause::DeviceNotTrusted,
                _ => Cause::DeviceUnreachable,
            },
            detail: error.to_string(),
            after: None,
        },
    }
}

async fn leave(
    node: &Node,
    record: &BootstrapRecord,
    to: &PushAddress,
    package: &Package0,
    proofs: &[AuthNoti],
) -> Result<Delivery, CarrierError> {
    let carrier = node.carriers.of(to)?;
    let device = certificates(node, &record.dev_id).await.unwrap_or_default();
    let mut delivery = Delivery::Sent;
    for noti in proofs {
        let octets = package.clone().sealed(&noti.secret, &noti.data).encode();
        let push = Push {
            to,
            payload: Payload::Notification(&octets),
            device: &device,
        };
        delivery = carrier.push(&push).await?;
    }
    Ok(delivery)
}

/// What the operator told for this record, else the `Auth/Noti` of the device's account. Never nothing: a device ignores what is not proved (D84).
async fn proofs(node: &Node, record: &BootstrapRecord) -> Result<Vec<AuthNoti>, String> {
    let told = record.push.as_ref().and_then(|push| push.sealed.as_ref());
    if let Some(sealed) = told {
        let sealed = STANDARD.decode(sealed).map_err(|why| why.to_string())?;
        let context = context(&record.dev_id, &record.id);
        let opened = node.sealing.open(&context, &sealed);
        let opened = opened.map_err(|why| why.to_string())?;
        let (data, secret) = split(&opened).ok_or("its secret cannot be read")?;
        let kind = AuthNoti::SHA256_DIGEST;
        return Ok(vec![AuthNoti { kind, data, secret }]);
    }
    let found = find(node, &record.dev_id, None)
        .await
        .map_err(|error| error.to_string())?;
    let proofs = found.proving(false).map_err(|error| error.to_string())?;
    Ok(proofs.to_vec())
}
