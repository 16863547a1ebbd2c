//! Holds a device until an operator decides: 202 with `Retry-After` (D55).

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_dm2::media_type::PROBLEM;
use omadm_tls::{Fingerprint, Leaf};

use super::enter::Entrant;
use super::policy::Hold;
use crate::entropy::correlation;
use crate::exchange::{Answer, Head, Refusal, of_commit};
use crate::model::{DeferredMark, EventKind, WaitingDevice, WaitingId, WaitingState, WaitingWrite};
use crate::node::{Node, event};
use crate::problem::Problem;
use crate::store::{CommitError, StoreError};

/// So long a device that comes again is not written down anew.
const SEEN_SECS: i64 = 60;
/// Longest name of a certificate that is kept, in characters.
const NAME: usize = 256;
/// Rows the sweep takes at once.
const PAGE: usize = 100;

/// Holds a device that is not let in; 403 where an operator rejected it, 503 where as many wait as may.
pub(super) async fn hold(
    node: &Node,
    head: &Head,
    policy: &Hold,
    (entrant, leaf, profile): (Entrant, &Leaf, Option<String>),
    mut known: Option<WaitingDevice>,
) -> Result<Answer, Refusal> {
    if let Some(over) = known.take_if(|known| known.expires_at <= head.now) {
        expire(node, &over).await?;
    }
    let cut = |text: &str| text.chars().take(NAME).collect::<String>();
    let device = WaitingDevice {
        id: WaitingId::of(&entrant.dev_id, &entrant.fingerprint),
        claimed: entrant.dev_id,
        fingerprint: entrant.fingerprint,
        subject: cut(leaf.subject()),
        issuer: cut(leaf.issuer()),
        not_after: entrant.not_after,
        vouched_by: entrant.vouched_by,
        profile,
        since: head.now,
        seen_at: head.now,
        expires_at: head
            .now
            .plus_millis(i64::try_from(policy.lifetime.as_millis()).unwrap_or(i64::MAX)),
        state: WaitingState::Waiting,
        why: None,
    };
    let is_new = known.is_none();
    let as_it_was = known.is_some_and(|known| {
        known.vouched_by == device.vouched_by
            && known.profile == device.profile
            && head.now.millis_since(known.seen_at) < SEEN_SECS * 1000
    });
    if !as_it_was {
        let write = WaitingWrite::Hold {
            device: Box::new(device.clone()),
            most: policy.most,
        };
        match node.store.write_waiting(write).await {
            Ok(()) => {}
            Err(CommitError::NoPlace) => return Err(full(policy, &device)),
            Err(error) => return Err(of_commit(node, error)),
        }
    }
    if is_new {
        tracing::info!(correlation = head.correlation, claimed = %device.claimed, waiting = %device.id, "a device waits for an operator");
        let held = EventKind::DeviceHeld {
            waiting: device.id.to_string(),
            claimed: device.claimed.to_string(),
            fingerprint: print_of(&device),
            subject: device.subject.clone(),
            vouched_by: device.vouched_by.clone(),
        };
        record(node, held, &head.correlation);
    }
    let detail = format!(
        "{} waits for an operator under {}; its certificate's SHA-256 is {}",
        device.claimed,
        device.id,
        print_of(&device)
    );
    let problem = Problem::of(StatusCode::ACCEPTED, Cause::AwaitingApproval, detail);
    let body = serde_json::to_vec(&problem.body(&head.correlation)).unwrap_or_default();
    let mut answer = Answer::empty(StatusCode::ACCEPTED);
    answer.content_type = Some(PROBLEM);
    answer.headers.push((RETRY_AFTER, retry_after(policy)));
    answer.body = body.into();
    Ok(answer)
}

/// Forgets those whose time is over; answers how many of a page there were. Any node may run it.
pub(crate) async fn sweep(node: &Node) -> Result<usize, StoreError> {
    let over = node.store.waited_too_long(node.now(), PAGE).await?;
    for device in &over {
        if let Err(error) = expire(node, device).await {
            tracing::error!(waiting = %device.id, detail = error.problem.detail, "a waiting device could not be forgotten");
        }
    }
    Ok(over.len())
}

/// Records what happened to a device that no record names; nobody waits for it.
pub(crate) fn record(node: &Node, kind: EventKind, correlation: &str) {
    node.store.defer(DeferredMark::Refused {
        dev_id: None,
        at: node.now(),
        event: event(kind, correlation),
    });
}

/// The certificate's SHA-256, for people to compare.
pub(crate) fn print_of(device: &WaitingDevice) -> String {
    Fingerprint::from_octets(device.fingerprint).to_string()
}

async fn expire(node: &Node, device: &WaitingDevice) -> Result<(), Refusal> {
    let write = WaitingWrite::Expire {
        id: device.id.clone(),
        now: node.now(),
    };
    match node.store.write_waiting(write).await {
        Ok(()) => {
            let expired = EventKind::WaitingExpired {
                waiting: device.id.to_string(),
                claimed: device.claimed.to_string(),
                fingerprint: print_of(device),
                state: device.state.name().to_owned(),
            };
            record(node, expired, &correlation());
            Ok(())
        }
        Err(CommitError::NotWaiting) => Ok(()),
        Err(error) => Err(of_commit(node, error)),
    }
}

fn full(policy: &Hold, device: &WaitingDevice) -> Refusal {
    let kind = if device.vouched_by.is_some() {
        "devices that a CA vouches for"
    } else {
        "devices that nobody vouches for"
    };
    let detail = format!("{} {kind} wait for an operator already", policy.most);
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Refusal::of(status, Cause::TooManyWaiting, None, detail)
        .with_header(RETRY_AFTER, retry_after(policy))
}

fn retry_after(policy: &Hold) -> HeaderValue {
    HeaderValue::from(policy.retry_after.as_secs())
}
