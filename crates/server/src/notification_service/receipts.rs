//! What a carrier tells of a Notification's arrival. While it is awaited the store knows it by the SMSC's name, so that it is not lost with this process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use omadm_mo::DevId;
use tokio::task::JoinSet;

use super::{NotifyError, record_with};
use crate::carrier::{Arrival, CarrierError, Delivery};
use crate::model::{AwaitedReceipt, CallChange, EventKind, ReceiptChange};
use crate::node::Node;

/// How long a carrier may take to tell whether a Notification arrived: an SMSC gives one up after a few days. Later words are passed over.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(3 * 86_400);
/// For the receipts that came at the end of the server to be written down.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Receipts that are awaited.
#[derive(Default)]
pub(crate) struct Receipts(Mutex<JoinSet<()>>);

impl Receipts {
    pub(crate) fn spawn(&self, receipt: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.try_join_next().is_some() {}
        all.spawn(receipt);
    }

    /// Waits until each that came is written down. The carriers have ended before.
    pub(crate) async fn end(&self) {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let ended = async { while all.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORDS, ended).await.is_err() {
            tracing::warn!("receipts that came last could not be written down");
        }
    }
}

/// A Notification that leaves, as its events tell it.
pub(crate) struct Message {
    pub(crate) dev_id: DevId,
    pub(crate) carrier: String,
    pub(crate) notification_id: u16,
    pub(crate) address: String,
    pub(crate) correlation: String,
    /// It is to be sent again unless it fails: of DM 1.x.
    pub(crate) is_repeated: bool,
}

impl Message {
    /// Notes that it left, or why not, how long that took since it `began`, and what is to be told of it later.
    pub(crate) async fn sent(
        &self,
        node: &Node,
        outcome: &Result<Delivery, CarrierError>,
        began: Instant,
    ) -> Result<(), NotifyError> {
        let duration_ms = u64::try_from(began.elapsed().as_millis()).ok();
        let awaited = match outcome {
            Ok(Delivery::Awaited(arrival)) => arrival.message_ids(),
            _ => &[],
        };
        let awaited: Vec<_> = awaited
            .iter()
            .map(|message_id| {
                ReceiptChange::Await(AwaitedReceipt {
                    dev_id: self.dev_id.clone(),
                    message_id: message_id.clone(),
                    notification_id: self.notification_id,
                    bootstrap: None,
                    address: self.address.clone(),
                    correlation: self.correlation.clone(),
                    at: node.now(),
                })
            })
            .collect();
        let sent = EventKind::NotificationSent {
            carrier: self.carrier.clone(),
            notification_id: self.notification_id,
            address: self.address.clone(),
            outcome: match outcome {
                Ok(delivery) => delivery.name().to_owned(),
                Err(error) => error.to_string(),
            },
            receipt_awaited: matches!(outcome, Ok(Delivery::Awaited(_))),
            duration_ms,
        };
        let failed = outcome.is_err();
        record_with(node, &self.dev_id, sent, &self.correlation, |delta| {
            delta.receipts.clone_from(&awaited);
            if failed && self.is_repeated {
                delta.call = CallChange::End;
            }
        })
        .await
    }

    /// Waits for a receipt that is awaited, beside everything else; answers what is known without.
    pub(crate) fn wait(
        self,
        node: &Arc<Node>,
        outcome: Result<Delivery, CarrierError>,
    ) -> Result<Delivery, CarrierError> {
        match outcome? {
            Delivery::Awaited(arrival) => self.wait_for(node, arrival),
            other => return Ok(other),
        }
        Ok(Delivery::Sent)
    }

    fn wait_for(self, node: &Arc<Node>, arrival: Arrival) {
        let here = Arc::clone(node);
        node.receipts.spawn(async move {
            let outcome = match tokio::time::timeout(ARRIVAL, arrival.known()).await {
                Ok(Some(Ok(()))) => "delivered".to_owned(),
                Ok(Some(Err(error))) => error.to_string(),
                // Whoever hears it finds it in the store.
                Ok(None) => return,
                Err(_) => format!(
                    "not known: the SMSC told nothing in {} days",
                    ARRIVAL.as_secs() / 86_400
                ),
            };
            if let Err(error) = self.settle(&here, outcome).await {
                tracing::warn!(%error, device = %self.dev_id, "a receipt was lost: its event could not be stored");
            }
        });
    }

    async fn settle(&self, node: &Node, outcome: String) -> Result<(), NotifyError> {
        let kind = EventKind::NotificationReceipt {
            carrier: self.carrier.clone(),
            notification_id: self.notification_id,
            address: self.address.clone(),
            outcome,
        };
        record_with(node, &self.dev_id, kind, &self.correlation, |delta| {
            delta.receipts = vec![ReceiptChange::Settled(self.notification_id)];
        })
        .await
    }
}
