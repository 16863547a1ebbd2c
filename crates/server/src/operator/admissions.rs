//! Devices that wait for an operator: list, approve, reject.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::{BootstrapMethod, ProfileFormat};
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::bootstraps::{body as bootstrap_body, draft_refused, lifetime};
use super::devices::{PAGE, registered, summary, unknown_profile};
use super::types::{DeviceAdded, NewApproval, NewRejection, WaitingBody, WaitingPage};
use crate::admission::{Entrant, enter_into, print_of, record};
use crate::bootstrap_service::Draft;
use crate::entropy::correlation;
use crate::model::{
    EventKind, ExchangeDelta, WaitingChange, WaitingDevice, WaitingId, WaitingWrite,
};
use crate::node::Node;
use crate::problem::{Problem, ProblemBody};
use crate::store::CommitError;

/// Longest reason of a rejection, in characters.
const WHY: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// Lists devices that wait for an operator, and those that were rejected.
#[utoipa::path(get, path = "/api/v1/admissions", tag = "admissions",
    params(("after" = Option<String>, Query, description = "the id before the page"), ("limit" = Option<usize>, Query, description = "1 to 100")),
    responses((status = 200, body = WaitingPage), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<WaitingPage>, Refused> {
    let after = query.after.as_deref().map(waiting_id).transpose()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = node.store.waiting_devices(after.as_ref(), limit).await?;
    let next = if found.len() == limit {
        found.last().map(|device| device.id.to_string())
    } else {
        None
    };
    Ok(Json(WaitingPage {
        devices: found.iter().map(body).collect(),
        next,
    }))
}

/// Lets a waiting device in: it is registered with the certificate that it proved, and its bootstrap is started. Who else claims its DevID waits no longer.
#[utoipa::path(post, path = "/api/v1/admissions/{id}/approve", tag = "admissions", params(("id" = String, Path)), request_body = NewApproval,
    responses((status = 201, body = DeviceAdded), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn approve(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewApproval>,
) -> Result<(StatusCode, Json<DeviceAdded>), Refused> {
    let (device, correlation) = (found(&node, &id).await?, correlation());
    let profile = new.profile.as_ref().or(device.profile.as_ref());
    let profile = profile.ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the device waits without a profile",
        )
        .advising("Name one: `profile`, or --profile on the command line.")
    })?;
    let method = BootstrapMethod::ClientInitiated;
    let draft = Draft {
        profile: node
            .profiles
            .get(profile)
            .ok_or_else(|| unknown_profile(profile))?,
        format: ProfileFormat::Dm2,
        method,
        expires_in: lifetime(&node, method),
        model: None,
        push: None,
    };
    let entrant = Entrant {
        dev_id: device.claimed.clone(),
        fingerprint: device.fingerprint,
        not_after: device.not_after,
        vouched_by: device.vouched_by.clone(),
    };
    let mut delta = ExchangeDelta::new(device.claimed.clone(), None, node.now());
    delta.waiting = vec![
        WaitingChange::Approved(device.id.clone()),
        WaitingChange::Known,
    ];
    let how = ("operator", Some(device.since));
    let drafted = enter_into(&node, &mut delta, &entrant, how, Some(&draft), &correlation)
        .await
        .map_err(draft_refused)?;
    match node.store.commit(delta).await {
        Ok(_) => {}
        Err(CommitError::NotWaiting) => return Err(nobody(&id)),
        Err(CommitError::DeviceExists) => {
            let detail = format!("a device {} is registered already", device.claimed);
            return Err(Problem::new(StatusCode::CONFLICT, detail)
                .advising("If it is this one, register its certificate with POST /api/v1/devices/{dev_id}/credentials; else reject it.")
                .into());
        }
        Err(error) => return Err(error.into()),
    }
    tracing::info!(correlation, device = %device.claimed, waiting = id, "waiting device approved");
    let dev_id = device.claimed;
    let device = registered(&node, &dev_id).await?;
    let added = DeviceAdded {
        device: summary(&device),
        certificate: None,
        code: None,
        http_password: None,
        psk: None,
        bootstrap: drafted.map(|drafted| bootstrap_body(&drafted.record)),
    };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Rejects a waiting device: with this certificate it is refused until its time is over.
#[utoipa::path(post, path = "/api/v1/admissions/{id}/reject", tag = "admissions", params(("id" = String, Path)), request_body = NewRejection,
    responses((status = 200, body = WaitingBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn reject(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewRejection>,
) -> Result<Json<WaitingBody>, Refused> {
    if new
        .why
        .as_ref()
        .is_some_and(|why| why.chars().count() > WHY)
    {
        return Err(Refused::bad(format!("why: {WHY} characters at most")));
    }
    let (device, correlation) = (found(&node, &id).await?, correlation());
    let lifetime = node.config.admission.hold.as_ref();
    let lifetime = lifetime.map_or(node.config.bootstrap_lifetime, |hold| hold.lifetime);
    let lifetime = i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX);
    let write = WaitingWrite::Reject {
        id: device.id.clone(),
        why: new.why.clone(),
        until: node.now().plus_millis(lifetime),
    };
    match node.store.write_waiting(write).await {
        Ok(()) => {}
        Err(CommitError::NotWaiting) => return Err(nobody(&id)),
        Err(error) => return Err(error.into()),
    }
    let rejected = EventKind::DeviceRejected {
        waiting: device.id.to_string(),
        claimed: device.claimed.to_string(),
        fingerprint: print_of(&device),
        why: new.why,
    };
    record(&node, rejected, &correlation);
    tracing::info!(correlation, claimed = %device.claimed, waiting = id, "waiting device rejected");
    Ok(Json(body(&found(&node, &id).await?)))
}

async fn found(node: &Node, id: &str) -> Result<WaitingDevice, Refused> {
    let found = node.store.waiting_device(&waiting_id(id)?).await?;
    found
        .filter(|device| device.expires_at > node.now())
        .ok_or_else(|| nobody(id))
}

fn nobody(id: &str) -> Refused {
    Refused::missing(format!("no device waits under {id}"))
}

fn waiting_id(text: &str) -> Result<WaitingId, Refused> {
    WaitingId::parse(text).ok_or_else(|| {
        let detail = format!(
            "{text:?} names no waiting device: 32 hexadecimal digits do, as `omadm device pending` shows them"
        );
        Refused::bad(detail)
    })
}

fn body(device: &WaitingDevice) -> WaitingBody {
    WaitingBody {
        id: device.id.to_string(),
        dev_id: device.claimed.to_string(),
        fingerprint: print_of(device),
        subject: device.subject.clone(),
        issuer: device.issuer.clone(),
        not_after: device.not_after.to_string(),
        vouched_by: device.vouched_by.clone(),
        profile: device.profile.clone(),
        since: device.since.to_string(),
        seen_at: device.seen_at.to_string(),
        expires_at: device.expires_at.to_string(),
        state: device.state.name().to_owned(),
        why: device.why.clone(),
    }
}
