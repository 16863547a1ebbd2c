//! Package 0 of DM 1.x goes again where no session follows (`dm1x.md` §6.5/8). What is to go stands in the store: any node sends it, and a server that was
//! started again goes on.

use std::sync::Arc;

use omadm_bootstrap::Utc;
use omadm_dm1::trigger::UiMode;
use omadm_mo::DevId;

use super::{NotifyError, Wanted, dm1, notify, recent};
use crate::carrier::PushAddress;
use crate::model::{CallChange, DmGeneration, ExchangeDelta, PushCarrierKind, RepeatedCall};
use crate::node::Node;
use crate::store::{CommitError, StoreError};

/// Calls that a sweep looks at.
const PAGE: usize = 100;

/// The next call of a device, after `made` of them.
pub(super) fn repeated(
    node: &Node,
    dev_id: &DevId,
    (to, ui_mode): (&PushAddress, UiMode),
    made: usize,
    correlation: &str,
) -> RepeatedCall {
    let made = u32::try_from(made).unwrap_or(u32::MAX);
    let wait = node.config.push.wait(PushCarrierKind::Notification, made);
    RepeatedCall {
        dev_id: dev_id.clone(),
        due: node.now().plus_millis(wait),
        made,
        address: to.to_string(),
        ui_mode,
        correlation: correlation.to_owned(),
    }
}

/// Calls the devices again whose time has come. Any node may do it.
pub(crate) async fn sweep(node: &Arc<Node>) -> Result<usize, StoreError> {
    let due = node.store.due_calls(node.now(), PAGE).await?;
    let mut begun = 0;
    for call in due {
        // What finds no place now is found by the next sweep.
        let Ok(place) = Arc::clone(&node.pushes).try_acquire_owned() else {
            break;
        };
        begun += 1;
        let node = Arc::clone(node);
        tokio::spawn(async move {
            if let Err(error) = again(&node, &call).await {
                tracing::warn!(correlation = call.correlation, device = %call.dev_id, %error, "the device was not called again");
            }
            drop(place);
        });
    }
    Ok(begun)
}

/// Calls a device again unless it came, was called otherwise, or another node does it.
async fn again(node: &Arc<Node>, seen: &RepeatedCall) -> Result<(), NotifyError> {
    let dev_id = &seen.dev_id;
    let Some(device) = node.store.device(dev_id).await? else {
        return Ok(());
    };
    // Read again behind the epoch: what was seen before it may be old.
    let now = node.now();
    let Some(call) = node
        .store
        .call(dev_id)
        .await?
        .filter(|call| call.due <= now)
    else {
        return Ok(());
    };
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), now);
    let unanswered = dm1::unanswered(&recent(node, &device).await?);
    let to = PushAddress::parse(&call.address).ok();
    let to = to.filter(|_| u32::try_from(unanswered) == Ok(call.made) && !is_over(&call, now));
    let Some(to) = to else {
        return end(node, delta).await;
    };
    if node.carriers.of(&to).is_err() {
        // Another node may have that carrier.
        return Ok(());
    }
    // Where this node dies, another one calls.
    delta.call = CallChange::Set(Box::new(RepeatedCall {
        due: now.plus_millis(node.config.push.lost_after()),
        ..call.clone()
    }));
    if !commit(node, delta).await? {
        return Ok(());
    }
    let wanted = Wanted {
        to: vec![to],
        generation: Some(DmGeneration::Dm1),
        ui_mode: Some(call.ui_mode),
        ..Wanted::default()
    };
    let called = notify(node, dev_id, &wanted, &call.correlation).await;
    match called {
        Ok(_) => Ok(()),
        Err(NotifyError::Commit(error)) => Err(error.into()),
        // The account is not what it was: no further try goes better.
        Err(error) => {
            if let Some(device) = node.store.device(dev_id).await? {
                let delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
                end(node, delta).await?;
            }
            Err(error)
        }
    }
}

async fn end(node: &Node, mut delta: ExchangeDelta) -> Result<(), NotifyError> {
    delta.call = CallChange::End;
    commit(node, delta).await.map(|_| ())
}

/// Whether nobody could make it for so long that it would come as a surprise.
fn is_over(call: &RepeatedCall, now: Utc) -> bool {
    now.millis_since(call.due) > RepeatedCall::LASTS
}

/// False where the device moved on in between: the next sweep looks again.
async fn commit(node: &Node, delta: ExchangeDelta) -> Result<bool, NotifyError> {
    match node.store.commit(delta).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
