//! Where and when a device is called.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_dm1::bootstrap_mac::{Esn, Imsi};

use super::answer::{JsonBody, Refused};
use super::devices::{dev_id, registered};
use super::notifications::advice;
use super::types::{CallBody, NotifyAt};
use crate::entropy::correlation;
use crate::model::{DeviceChange, EventKind, ExchangeDelta, NotifySettings};
use crate::node::{Node, event};
use crate::notification_service::{Called, parse_addresses};
use crate::problem::{Problem, ProblemBody};
use crate::store::CommitError;

/// How often it is set again after other commits of the device came between.
const RETRIES: usize = 8;
/// Most addresses of a device.
const ADDRESSES: usize = 8;
/// Longest address, in octets.
const ADDRESS_OCTETS: usize = 1024;

/// Sets where and when a device is called by DM Notifications. A member that is missing leaves what is set.
#[utoipa::path(put, path = "/api/v1/devices/{dev_id}/notify", tag = "devices", params(("dev_id" = String, Path)), request_body = NotifyAt,
    responses((status = 200, body = NotifyAt), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn set(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NotifyAt>,
) -> Result<Json<NotifyAt>, Refused> {
    let (dev_id, correlation) = (dev_id(&id)?, correlation());
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let set = set_into(&mut delta, device.notify, &new, &correlation)?;
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, addresses = set.addresses.len(), on_queue = set.on_queue, "notify set");
                return Ok(Json(body(&set)));
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Adds to a delta what an operator wants set, checked.
pub(super) fn set_into(
    delta: &mut ExchangeDelta,
    mut set: NotifySettings,
    new: &NotifyAt,
    correlation: &str,
) -> Result<NotifySettings, Refused> {
    if let Some(addresses) = &new.addresses {
        if addresses.len() > ADDRESSES {
            return Err(Refused::bad(format!(
                "addresses: {ADDRESSES} are the limit, these are {}",
                addresses.len()
            )));
        }
        if addresses.iter().any(|text| text.len() > ADDRESS_OCTETS) {
            return Err(Refused::bad(format!(
                "addresses: one has more than {ADDRESS_OCTETS} octets"
            )));
        }
        parse_addresses(addresses)
            .map_err(|(text, fault)| Refused::bad(format!("addresses: {text:?}: {fault}")))?;
        set.addresses.clone_from(addresses);
    }
    set.on_queue = new.on_queue.unwrap_or(set.on_queue);
    match new.imsi.as_deref() {
        None => {}
        Some("") => set.imsi = None,
        Some(digits) => {
            Imsi::parse(digits).map_err(|fault| Refused::bad(format!("imsi: {fault}")))?;
            (set.imsi, set.esn) = (Some(digits.to_owned()), None);
        }
    }
    match new.esn.as_deref() {
        None => {}
        Some("") => set.esn = None,
        Some(_) if new.imsi.as_deref().is_some_and(|imsi| !imsi.is_empty()) => {
            return Err(Refused::bad(
                "esn: an IMSI is given too, and a device is known to its network by one of them",
            ));
        }
        Some(digits) => {
            Esn::parse(digits).map_err(|fault| Refused::bad(format!("esn: {fault}")))?;
            (set.imsi, set.esn) = (None, Some(digits.to_owned()));
        }
    }
    let kind = EventKind::NotifySet {
        addresses: set.addresses.clone(),
        on_queue: set.on_queue,
    };
    delta.events.push(event(kind, correlation));
    delta.device.push(DeviceChange::Notify(set.clone()));
    Ok(set)
}

pub(super) fn body(set: &NotifySettings) -> NotifyAt {
    NotifyAt {
        addresses: Some(set.addresses.clone()),
        on_queue: Some(set.on_queue),
        imsi: set.imsi.clone(),
        esn: set.esn.clone(),
    }
}

/// Whether the device is to be called for commands that are queued: what the request says, else its record.
pub(super) fn calls(set: &NotifySettings, wanted: Option<bool>) -> Result<bool, Refused> {
    if wanted == Some(true) && set.addresses.is_empty() {
        let detail = "no address of the device is known, so it cannot be called";
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .advising("Set one: `omadm device set DEVID --notify-at udp://HOST:PORT`.")
            .into());
    }
    Ok(wanted.unwrap_or(set.on_queue) && !set.addresses.is_empty())
}

/// What became of a call.
pub(super) fn call_body(called: &Called) -> CallBody {
    let outcome = |outcome: &str| CallBody {
        outcome: outcome.to_owned(),
        notification_id: None,
        generation: None,
        address: None,
        detail: None,
        action: None,
    };
    match called {
        Called::Before => outcome("called-before"),
        Called::UnderWay => outcome("under-way"),
        Called::Failed(error) => CallBody {
            detail: Some(error.to_string()),
            action: advice(error).map(|(_, action)| action.to_owned()),
            ..outcome("failed")
        },
        Called::Sent(sent) => {
            let left = CallBody {
                notification_id: Some(sent.notification_id),
                generation: Some(sent.generation.version().to_owned()),
                address: Some(sent.to.to_string()),
                ..outcome("failed")
            };
            match &sent.outcome {
                Ok(delivery) => CallBody {
                    outcome: delivery.name().to_owned(),
                    ..left
                },
                Err(error) => CallBody {
                    detail: Some(error.to_string()),
                    action: Some(error.action().to_owned()),
                    ..left
                },
            }
        }
    }
}
