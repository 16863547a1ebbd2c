use omadm_session::server::SessionEvent;

use super::recent;
use crate::model::{Device, EventKind, ExchangeDelta};
use crate::node::{Node, event};
use crate::session_service::queue::millis;
use crate::store::StoreError;

/// Adds to a Package#1's delta which Notification it answers. One that this server did not send lately, or that was answered before, is passed over.
pub(crate) async fn answered(
    node: &Node,
    device: &Device,
    events: &[SessionEvent],
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    let ids: Vec<u16> = events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Notified { notification_id } => Some(*notification_id),
            _ => None,
        })
        .collect();
    answered_to(node, device, &ids, delta, correlation).await
}

/// Adds that the session which begins answers the Notifications of these ids.
pub(crate) async fn answered_to(
    node: &Node,
    device: &Device,
    ids: &[u16],
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let recent = recent(node, device).await?;
    for id in ids.iter().copied() {
        let last = recent
            .iter()
            .rev()
            .find_map(|stored| match &stored.event.kind {
                EventKind::NotificationQueued {
                    notification_id,
                    carrier,
                    ..
                } if *notification_id == id => Some(Some((carrier.clone(), stored.at))),
                EventKind::NotificationAnswered {
                    notification_id, ..
                } if *notification_id == id => Some(None),
                _ => None,
            });
        if let Some((carrier, queued)) = last.flatten() {
            let kind = EventKind::NotificationAnswered {
                notification_id: id,
                carrier,
                duration_ms: Some(millis(delta.at, queued)),
            };
            delta.events.push(event(kind, correlation));
        }
    }
    Ok(())
}
