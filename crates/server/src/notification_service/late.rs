//! Receipts of SMS that another process submitted: another node, or this one before it was started again. The store knows what they are of.

use std::sync::Arc;
use std::time::Duration;

use omadm_smpp::{LateReceipt, MessageFate};
use tokio::sync::mpsc;

use super::{NotifyError, RETRIES};
use crate::model::{EventKind, ExchangeDelta, ReceiptChange};
use crate::node::{Node, event};
use crate::push_service::{self, PushError};
use crate::store::CommitError;

/// Between two looks: another node may not have written down yet that the SMS left.
const LOOKS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(3),
];

/// Settles them until the carrier ends.
pub(crate) async fn late_receipts(node: Arc<Node>, mut late: mpsc::Receiver<LateReceipt>) {
    while let Some(receipt) = late.recv().await {
        let here = Arc::clone(&node);
        node.receipts.spawn(async move {
            let id = &receipt.message_id;
            for pause in LOOKS {
                tokio::time::sleep(pause).await;
                match settle(&here, &receipt).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, message_id = id, "a receipt could not be stored");
                    }
                }
            }
            tracing::debug!(message_id = id, "nobody waits for this receipt");
        });
    }
}

/// Notes what became of a Notification; of one in several SMS, once the last arrived or the first did not. False where nothing is known of the SMS.
async fn settle(node: &Node, late: &LateReceipt) -> Result<bool, NotifyError> {
    for _again in 0..RETRIES {
        let Some(awaited) = node.store.awaited_receipt(&late.message_id).await? else {
            return Ok(false);
        };
        let dev_id = &awaited.dev_id;
        let Some(device) = node.store.device(dev_id).await? else {
            return Ok(false);
        };
        // Read again behind the epoch: what was seen before it may be old.
        let all = node.store.awaited_receipts(dev_id).await?;
        if !all.contains(&awaited) {
            continue;
        }
        let others = all.iter().any(|other| {
            other.notification_id == awaited.notification_id
                && other.message_id != awaited.message_id
        });
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let arrived = late.fate == MessageFate::Delivered;
        if arrived && others {
            delta.receipts = vec![ReceiptChange::Arrived(awaited.message_id.clone())];
        } else if let Some(id) = &awaited.bootstrap {
            let outcome = if arrived {
                Ok(())
            } else {
                Err(format!("the SMSC: the SMS {}", late.fate.words()))
            };
            let number = awaited.notification_id;
            let told = push_service::arrived(node, id, number, outcome, &awaited.correlation);
            return match told.await {
                Ok(()) => Ok(true),
                Err(PushError::Commit(error)) => Err(error.into()),
                Err(PushError::Entropy(error)) => Err(error.into()),
            };
        } else {
            delta.receipts = vec![ReceiptChange::Settled(awaited.notification_id)];
            let told = EventKind::NotificationReceipt {
                carrier: "sms".to_owned(),
                notification_id: awaited.notification_id,
                address: awaited.address.clone(),
                outcome: if arrived {
                    "delivered".to_owned()
                } else {
                    format!("the SMSC: the SMS {}", late.fate.words())
                },
            };
            delta.events.push(event(told, &awaited.correlation));
        }
        match node.store.commit(delta).await {
            Ok(_) => return Ok(true),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}
