use omadm_bootstrap::BootstrapFailureCause as Cause;

use super::called::fresh_notification_id;
use super::{Claimed, PushError, RETRIES};
use crate::bootstrap_service::end_into;
use crate::model::{
    BootstrapChange, BootstrapState, EventKind, ExchangeDelta, PushCarrierKind, RecordId,
};
use crate::node::{Node, event};
use crate::store::CommitError;

/// Takes the try that is due for this node, durably; none where there is none.
pub(super) async fn claim(
    node: &Node,
    id: &RecordId,
    correlation: &str,
) -> Result<Option<Claimed>, PushError> {
    for _again in 0..RETRIES {
        let Some(seen) = node.store.bootstrap(id).await? else {
            return Ok(None);
        };
        let Some(device) = node.store.device(&seen.dev_id).await? else {
            return Ok(None);
        };
        // Read again behind the epoch: what was seen before it may be old.
        let Some(mut record) = node.store.bootstrap(id).await? else {
            return Ok(None);
        };
        let now = node.now();
        let is_due = |record: &crate::model::BootstrapRecord| {
            let due = record.push.as_ref().and_then(|push| push.due);
            due.is_some_and(|due| due <= now)
        };
        if record.state.is_terminal() || record.expires_at <= now || !is_due(&record) {
            return Ok(None);
        }
        let Some(push) = &mut record.push else {
            return Ok(None);
        };
        let mut delta = ExchangeDelta::new(record.dev_id.clone(), Some(device.epoch), now);
        let mut claimed = None;
        if matches!(
            record.state,
            BootstrapState::Delivered | BootstrapState::Fetched
        ) {
            // It came by itself meanwhile.
            push.due = None;
        } else if push.carrier == PushCarrierKind::Notification
            && push.attempts >= node.config.push.tries(push.carrier)
        {
            record.cause = Some(Cause::NotificationUnanswered);
            let credentials = node.store.credentials(&record.dev_id).await?;
            let state = BootstrapState::Failed;
            end_into(&mut delta, record, &credentials, state, correlation);
            match node.store.commit(delta).await {
                Ok(_) => return Ok(None),
                Err(CommitError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
        } else {
            push.attempts += 1;
            push.due = Some(now.plus_millis(node.config.push.lost_after()));
            let mut notification_id = None;
            if push.carrier != PushCarrierKind::Direct {
                notification_id = Some(fresh_notification_id(node, &device).await?);
            }
            if let (PushCarrierKind::Notification, Some(id)) = (push.carrier, notification_id) {
                delta.events.push(event(
                    EventKind::NotificationQueued {
                        carrier: scheme(&push.to).to_owned(),
                        notification_id: id,
                        address: push.to.clone(),
                        srv_id: format!("bs:{}", push.source.as_deref().unwrap_or_default()),
                        authenticated: true,
                        proof: None,
                    },
                    correlation,
                ));
            }
            delta.events.push(event(
                EventKind::BootstrapPushed {
                    bootstrap: record.id.to_string(),
                    carrier: push.carrier.name().to_owned(),
                    address: push.to.clone(),
                    attempt: push.attempts,
                },
                correlation,
            ));
            let number = push.attempts;
            record.state = BootstrapState::Sent;
            claimed = Some(Claimed {
                record: record.clone(),
                number,
                notification_id,
                settled: None,
            });
        }
        delta
            .bootstraps
            .push(BootstrapChange::Update(Box::new(record)));
        match node.store.commit(delta).await {
            Ok(_) => return Ok(claimed),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// The carrier's name in events: the scheme of the address.
pub(super) fn scheme(to: &str) -> &str {
    to.split_once(':').map_or(to, |(scheme, _)| scheme)
}
