//! A queued command calls the device, where an operator said at which address.

use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::Utc;
use omadm_mo::DevId;

use super::{NotifyError, Sent, Wanted, notify, recent};
use crate::carrier::{AddressError, PushAddress};
use crate::model::{DmGeneration, EventKind, StoredEvent};
use crate::node::Node;

/// Who queues one command after the other calls the device once: another Notification within this time would only repeat what the device is asked.
const AGAIN_MS: i64 = 5000;
/// How long whoever queues a command waits to learn whether the Notification left. It goes on without them.
const WAIT: Duration = Duration::from_secs(2);

/// What became of calling a device for a queued command.
pub(crate) enum Called {
    /// One left, or could not.
    Sent(Sent),
    /// None could be made.
    Failed(NotifyError),
    /// One left a moment ago, and the device has not come since.
    Before,
    /// Whether it leaves is not known yet: its events tell.
    UnderWay,
}

/// Addresses as an operator wrote them; else which is none, and why.
pub(crate) fn parse_addresses(
    addresses: &[String],
) -> Result<Vec<PushAddress>, (&str, AddressError)> {
    let parse = |address| PushAddress::parse(address).map_err(|fault| (address, fault));
    let all = addresses.iter().map(String::as_str);
    all.map(parse).collect()
}

/// Calls a device at these addresses, unless it was called a moment ago; in this generation where what is queued can be said in no other.
pub(crate) async fn call(
    node: &Arc<Node>,
    dev_id: &DevId,
    to: Vec<PushAddress>,
    generation: Option<DmGeneration>,
    correlation: &str,
) -> Called {
    let wanted = Wanted {
        to,
        generation,
        ..Wanted::default()
    };
    let (node, dev_id, correlation) = (Arc::clone(node), dev_id.clone(), correlation.to_owned());
    let calling = tokio::spawn(async move {
        let called = calls(&node, &dev_id, &wanted, &correlation).await;
        if let Called::Failed(error) = &called {
            tracing::warn!(correlation, device = %dev_id, %error, "the device was not called");
        }
        called
    });
    match tokio::time::timeout(WAIT, calling).await {
        Ok(Ok(called)) => called,
        Ok(Err(_)) | Err(_) => Called::UnderWay,
    }
}

async fn calls(node: &Arc<Node>, dev_id: &DevId, wanted: &Wanted, correlation: &str) -> Called {
    let called = async {
        let device = node.store.device(dev_id).await?;
        let device = device.ok_or_else(|| NotifyError::UnknownDevice(dev_id.clone()))?;
        if is_called(&recent(node, &device).await?, node.now()) {
            return Ok(Called::Before);
        }
        let sent = notify(node, dev_id, wanted, correlation).await?;
        Ok(Called::Sent(sent))
    };
    called.await.unwrap_or_else(Called::Failed)
}

/// Whether a Notification that left a moment ago still waits for its session.
fn is_called(recent: &[StoredEvent], now: Utc) -> bool {
    for stored in recent.iter().rev() {
        match &stored.event.kind {
            EventKind::SessionStarted { .. } | EventKind::NotificationAnswered { .. } => {
                return false;
            }
            EventKind::NotificationSent { outcome, .. } => {
                let left = ["sent", "taken"].contains(&outcome.as_str());
                return left && now.millis_since(stored.at) < AGAIN_MS;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;

    use super::{AGAIN_MS, is_called};
    use crate::model::{Event, EventKind, StoredEvent};

    fn stored(at: i64, kind: EventKind) -> StoredEvent {
        StoredEvent {
            dev_id: None,
            seq: 1,
            position: None,
            at: Utc(at),
            event: Event {
                kind,
                correlation: String::new(),
            },
        }
    }

    fn sent(at: i64, outcome: &str) -> StoredEvent {
        let kind = EventKind::NotificationSent {
            carrier: "udp".into(),
            notification_id: 7,
            address: "udp://127.0.0.1:5683".into(),
            outcome: outcome.into(),
            receipt_awaited: false,
            duration_ms: None,
        };
        stored(at, kind)
    }

    #[test]
    fn a_device_is_called_again_once_it_came_or_some_seconds_passed_or_nothing_left() {
        let came = EventKind::SessionStarted {
            causes: Vec::new(),
            session: None,
        };
        let queued = EventKind::DeviceRegistered;
        for (events, now, called) in [
            (vec![], 0, false),
            (vec![sent(0, "sent")], AGAIN_MS - 1, true),
            (vec![sent(0, "taken"), stored(1, queued)], 2, true),
            (vec![sent(0, "sent")], AGAIN_MS, false),
            (vec![sent(0, "the host is down")], 1, false),
            (vec![sent(0, "sent"), stored(1, came)], 2, false),
        ] {
            assert_eq!(is_called(&events, Utc(now)), called, "{events:?} at {now}");
        }
    }
}
