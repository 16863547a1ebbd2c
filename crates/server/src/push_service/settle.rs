use std::time::Duration;

use omadm_bootstrap::BootstrapFailureCause as Cause;

use super::{Claimed, PushError, RETRIES, Tried};
use crate::bootstrap_service::end_into;
use crate::model::{BootstrapChange, BootstrapState, EventKind, ExchangeDelta, ReceiptChange};
use crate::node::{Node, event};
use crate::store::CommitError;

/// Longest wait that a device may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Characters of a trouble that are kept.
const KEPT: usize = 256;

/// Writes down what came of a try; nothing where a later one has begun, or the record ended.
pub(super) async fn settle(
    node: &Node,
    claimed: &Claimed,
    tried: Tried,
    correlation: &str,
) -> Result<(), PushError> {
    let dev_id = &claimed.record.dev_id;
    for _again in 0..RETRIES {
        let Some(device) = node.store.device(dev_id).await? else {
            return Ok(());
        };
        let Some(mut record) = node.store.bootstrap(&claimed.record.id).await? else {
            return Ok(());
        };
        let of_this = |push: &&mut crate::model::BootstrapPush| push.attempts == claimed.number;
        // That the device has it is told though it was quicker to complete.
        let is_told = !record.state.is_terminal()
            || record.state == BootstrapState::Completed && matches!(tried, Tried::Taken);
        let name = record.id.to_string();
        let Some(push) = record.push.as_mut().filter(of_this).filter(|_| is_told) else {
            return Ok(());
        };
        let now = node.now();
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), now);
        delta
            .receipts
            .extend(claimed.settled.map(ReceiptChange::Settled));
        let failed = |cause: Cause, detail: &str, retry_at: Option<String>| {
            let kind = EventKind::BootstrapPushFailed {
                bootstrap: name.clone(),
                attempt: claimed.number,
                cause: cause.code().to_owned(),
                detail: detail.chars().take(KEPT).collect(),
                retry_at,
            };
            event(kind, correlation)
        };
        let policy = &node.config.push;
        let more = claimed.number < policy.tries(push.carrier);
        let mut end = None;
        match &tried {
            Tried::Taken => {
                (push.due, push.trouble) = (None, None);
                if record.state == BootstrapState::Sent {
                    record.state = BootstrapState::Delivered;
                }
                let kind = EventKind::BootstrapDelivered {
                    bootstrap: name.clone(),
                };
                delta.events.push(event(kind, correlation));
            }
            // A receipt came before this was written: what it says stays.
            Tried::Left if push.due != claimed.due() => return Ok(()),
            Tried::Left => (push.due, push.trouble) = (None, None),
            Tried::Called => {
                let wait = policy.wait(push.carrier, claimed.number);
                push.due = Some(now.plus_millis(wait));
                push.trouble = None;
            }
            Tried::Later {
                cause,
                detail,
                after,
            } if more => {
                let asked = after.unwrap_or_default().min(LONGEST_WAIT).as_millis();
                let wait = policy.wait(push.carrier, claimed.number);
                let wait = wait.max(i64::try_from(asked).unwrap_or(i64::MAX));
                let due = now.plus_millis(wait);
                push.due = Some(due);
                push.trouble = Some(detail.chars().take(KEPT).collect());
                delta
                    .events
                    .push(failed(*cause, detail, Some(due.to_string())));
            }
            Tried::Later { cause, detail, .. } | Tried::Never { cause, detail } => {
                push.trouble = Some(detail.chars().take(KEPT).collect());
                delta.events.push(failed(*cause, detail, None));
                end = Some(*cause);
            }
        }
        match end {
            // Fetched meanwhile: it has it, whatever became of the push.
            Some(_) if record.state != BootstrapState::Sent => {
                if let Some(push) = &mut record.push {
                    push.due = None;
                }
                delta
                    .bootstraps
                    .push(BootstrapChange::Update(Box::new(record)));
            }
            Some(cause) => {
                record.cause = Some(cause);
                let credentials = node.store.credentials(dev_id).await?;
                let state = BootstrapState::Failed;
                end_into(&mut delta, record, &credentials, state, correlation);
            }
            None => delta
                .bootstraps
                .push(BootstrapChange::Update(Box::new(record))),
        }
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, bootstrap = %claimed.record.id, attempt = claimed.number, "bootstrap push");
                return Ok(());
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}
