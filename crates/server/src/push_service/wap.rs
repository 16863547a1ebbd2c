//! A document of DM 1.x as a signed WAP push (`push.md` §1 to §4). The same octets go at every try: a device drops what it has applied already (`dm1x.md`
//! §5.8, M24).

use std::sync::Arc;

use omadm_bootstrap::BootstrapFailureCause as Cause;

use super::settle::settle;
use super::{Claimed, PushError, RETRIES, Tried};
use crate::bootstrap_service::{open_document, pushed};
use crate::carrier::{Arrival, CarrierError, Delivery, Payload, Push, PushAddress};
use crate::model::{AwaitedReceipt, ExchangeDelta, ReceiptChange, RecordId};
use crate::node::Node;
use crate::notification_service::ARRIVAL;
use crate::store::CommitError;

/// Sends the push of a try.
pub(super) async fn send(node: &Arc<Node>, claimed: &Claimed, correlation: &str) -> Tried {
    let record = &claimed.record;
    let never = |cause, detail: String| Tried::Never { cause, detail };
    let Some(push) = &record.push else {
        let detail = "the record says nothing of a push".to_owned();
        return never(Cause::DeviceUnreachable, detail);
    };
    let to = match PushAddress::parse(&push.to) {
        Ok(to) => to,
        Err(fault) => return never(Cause::DeviceUnreachable, fault.to_string()),
    };
    let document = match open_document(node, record).await {
        Ok(document) => document,
        Err(error) => {
            return Tried::Later {
                cause: Cause::StorageFailed,
                detail: error.to_string(),
                after: None,
            };
        }
    };
    let signed = push.security.as_ref();
    let Some(signed) = signed.and_then(|signed| pushed(record.format, signed, document)) else {
        let detail = "nobody signed it".to_owned();
        return never(Cause::ChannelNotSecure, detail);
    };
    let wap = signed.to_push(0);
    let going = Push {
        to: &to,
        payload: Payload::Wap(&wap),
        device: &[],
    };
    let left = match node.carriers.of(&to) {
        Ok(carrier) => carrier.push(&going).await,
        Err(error) => Err(error),
    };
    match left {
        Ok(Delivery::Awaited(arrival)) => {
            await_receipts(node, claimed, arrival, correlation).await;
            Tried::Left
        }
        Ok(Delivery::Sent | Delivery::Taken) => Tried::Left,
        Err(error) if error.is_final() => never(Cause::DeviceUnreachable, error.to_string()),
        Err(error) => Tried::Later {
            cause: Cause::DeviceUnreachable,
            detail: error.to_string(),
            after: None,
        },
    }
}

/// Notes by which names the SMSC knows the parts, and waits beside everything else for what becomes of them.
async fn await_receipts(node: &Arc<Node>, claimed: &Claimed, arrival: Arrival, correlation: &str) {
    let record = &claimed.record;
    let number = claimed.notification_id.unwrap_or_default();
    let address = record.push.as_ref().map(|push| push.to.clone());
    let address = address.unwrap_or_default();
    let receipts = arrival.message_ids().iter().map(|message_id| {
        ReceiptChange::Await(AwaitedReceipt {
            dev_id: record.dev_id.clone(),
            message_id: message_id.clone(),
            notification_id: number,
            bootstrap: Some(record.id.clone()),
            address: address.clone(),
            correlation: correlation.to_owned(),
            at: node.now(),
        })
    });
    if let Err(error) = note(node, claimed, receipts.collect()).await {
        tracing::warn!(%error, device = %record.dev_id, "which receipts are awaited could not be stored");
    }
    let (here, id, correlation) = (Arc::clone(node), record.id.clone(), correlation.to_owned());
    node.receipts.spawn(async move {
        let outcome = match tokio::time::timeout(ARRIVAL, arrival.known()).await {
            Ok(Some(outcome)) => outcome.map_err(|error| error.to_string()),
            // Whoever hears it finds it in the store; or nobody ever does.
            Ok(None) | Err(_) => return,
        };
        if let Err(error) = arrived(&here, &id, number, outcome, &correlation).await {
            tracing::warn!(%error, bootstrap = %id, "a receipt was lost: what it says could not be stored");
        }
    });
}

async fn note(
    node: &Node,
    claimed: &Claimed,
    receipts: Vec<ReceiptChange>,
) -> Result<(), PushError> {
    let dev_id = &claimed.record.dev_id;
    for _again in 0..RETRIES {
        let Some(device) = node.store.device(dev_id).await? else {
            return Ok(());
        };
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        delta.receipts.clone_from(&receipts);
        match node.store.commit(delta).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// What the SMSC says of a pushed bootstrap once all parts arrived, or one did not: the device has it, or it is tried again.
pub(crate) async fn arrived(
    node: &Node,
    id: &RecordId,
    number: u16,
    outcome: Result<(), String>,
    correlation: &str,
) -> Result<(), PushError> {
    let Some(record) = node.store.bootstrap(id).await? else {
        return Ok(());
    };
    let attempts = record.push.as_ref().map(|push| push.attempts);
    let claimed = Claimed {
        number: attempts.unwrap_or_default(),
        notification_id: None,
        settled: Some(number),
        record,
    };
    let tried = match outcome {
        Ok(()) => Tried::Taken,
        Err(detail) => Tried::Later {
            cause: Cause::DeviceUnreachable,
            detail,
            after: None,
        },
    };
    settle(node, &claimed, tried, correlation).await
}

impl CarrierError {
    /// Whether no further try goes better: the server, or the message, would have to be another.
    const fn is_final(&self) -> bool {
        match self {
            Self::Smsc(_, fault) => fault.is_final(),
            Self::Missing(_) | Self::SetUp(_) => true,
            Self::Unreachable(..) | Self::NotTrusted(..) | Self::Status(..) | Self::Folder(_) => {
                false
            }
        }
    }
}
