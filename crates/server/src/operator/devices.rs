//! Devices: register, list, show.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::{BootstrapMethod, ProfileFormat};
use omadm_mo::DevId;
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::bootstraps::{body as bootstrap_body, draft_refused, lifetime, method_of};
use super::credentials::{Issue, body as credential_body, issue_into, names_no_other};
use super::events::body as event_body;
use super::named_credentials::Named;
use super::notify_at::{body as notify_body, set_into};
use super::types::{DeviceAdded, DeviceDetail, DevicePage, DeviceSummary, NewDevice};
use crate::bootstrap_service::{Draft, draft_into};
use crate::entropy::correlation;
use crate::model::{Device, EventKind, ExchangeDelta, NotifySettings, WaitingChange};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::store::CommitError;

/// Most items of a page, and how many it has unless the query says otherwise.
pub(super) const PAGE: usize = 100;
/// Events shown with a device.
const EVENTS: u64 = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// Lists devices in the order of their DevIDs.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices",
    params(("after" = Option<String>, Query, description = "the DevID before the page"), ("limit" = Option<usize>, Query, description = "1 to 100")),
    responses((status = 200, body = DevicePage), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<DevicePage>, Refused> {
    let after = query.after.as_deref().map(dev_id).transpose()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = node.store.devices(after.as_ref(), limit).await?;
    let next = if found.len() == limit {
        found.last().map(|device| device.dev_id.to_string())
    } else {
        None
    };
    Ok(Json(DevicePage {
        devices: found.iter().map(summary).collect(),
        next,
    }))
}

/// Registers a device, issues its certificate or bootstrap code, and starts its bootstrap: all or nothing.
#[utoipa::path(post, path = "/api/v1/devices", tag = "devices", request_body = NewDevice,
    responses((status = 201, body = DeviceAdded), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    JsonBody(new): JsonBody<NewDevice>,
) -> Result<(StatusCode, Json<DeviceAdded>), Refused> {
    let (dev_id, correlation) = (dev_id(&new.dev_id)?, correlation());
    if node.store.device(&dev_id).await?.is_some() {
        return Err(CommitError::DeviceExists.into());
    }
    if !new.take_over {
        names_no_other(&node, &dev_id, new.csr.as_deref()).await?;
    }
    let mut delta = ExchangeDelta::new(dev_id.clone(), None, node.now());
    delta
        .events
        .push(event(EventKind::DeviceRegistered, &correlation));
    delta.waiting.push(WaitingChange::Known);
    if let Some(notify) = &new.notify {
        set_into(&mut delta, NotifySettings::default(), notify, &correlation)?;
    }
    let method = method_of(new.method.as_deref())?;
    if method == BootstrapMethod::ServerInitiated {
        return Err(Refused::bad(
            "method: a server-initiated bootstrap is started once the device is registered",
        ));
    }
    let bootstrap = match &new.profile {
        None => None,
        Some(name) => {
            let profile = node
                .profiles
                .get(name)
                .ok_or_else(|| unknown_profile(name))?;
            let opens_sessions = new.csr.is_some()
                || new.certificate.is_some()
                || new.http_user.is_some()
                || new.psk_identity.is_some();
            if new.code && !opens_sessions && !profile.opens_sessions() {
                let detail = format!(
                    "profile {name:?} gives neither Auth/Trsp nor Ext/HTTPAuth: a device that has only a bootstrap code could not open its session"
                );
                return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                    .advising("Add `[account.trsp]` or `[account.http]` to the profile, or register a certificate of the device.")
                    .into());
            }
            let draft = Draft {
                profile,
                format: ProfileFormat::Dm2,
                method,
                expires_in: lifetime(&node, method),
                model: None,
                push: None,
            };
            Some(
                draft_into(&node, &mut delta, &draft, &correlation)
                    .await
                    .map_err(draft_refused)?
                    .record,
            )
        }
    };
    let issue = Issue {
        csr: new.csr.as_deref(),
        certificate: new.certificate.as_deref(),
        code: new.code,
        named: Named {
            http_user: new.http_user.as_deref(),
            http_password: new.http_password.as_ref(),
            psk_identity: new.psk_identity.as_deref(),
            psk: new.psk.as_ref(),
        },
    };
    let issued = issue_into(
        &node,
        &mut delta,
        issue,
        &[],
        bootstrap.as_ref().map(|record| &record.id),
        &correlation,
    )?;
    match node.store.commit(delta).await {
        Ok(_) => {}
        Err(CommitError::CredentialTaken) => return Err(issue.taken()),
        Err(error) => return Err(error.into()),
    }
    tracing::info!(correlation, device = %dev_id, "device registered");
    let device = registered(&node, &dev_id).await?;
    let added = DeviceAdded {
        device: summary(&device),
        certificate: issued.certificate,
        code: issued.code,
        http_password: issued.http_password,
        psk: issued.psk,
        bootstrap: bootstrap.as_ref().map(bootstrap_body),
    };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Shows a device with its credentials, bootstraps and latest events.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}", tag = "devices", params(("dev_id" = String, Path)),
    responses((status = 200, body = DeviceDetail), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<DeviceDetail>, Refused> {
    let dev_id = dev_id(&id)?;
    let device = registered(&node, &dev_id).await?;
    let after = device.next_event_seq.saturating_sub(EVENTS + 1);
    let credentials = node.store.credentials(&dev_id).await?;
    let dm1 = super::dm1::body_of(&node, &credentials)?;
    let events = node.store.events_of(&dev_id, after, PAGE).await?;
    Ok(Json(DeviceDetail {
        device: summary(&device),
        dm1,
        credentials: credentials.iter().map(credential_body).collect(),
        bootstraps: node
            .store
            .bootstraps_of(&dev_id)
            .await?
            .iter()
            .map(bootstrap_body)
            .collect(),
        events: events.iter().map(event_body).collect(),
    }))
}

pub(super) fn dev_id(text: &str) -> Result<DevId, Refused> {
    DevId::parse(text).map_err(|cause| Refused::bad(format!("{text:?} is no DevID: {cause}")))
}

/// The device as the store has it.
pub(super) async fn registered(node: &Node, dev_id: &DevId) -> Result<Device, Refused> {
    let found = node.store.device(dev_id).await?;
    found.ok_or_else(|| unknown(dev_id))
}

pub(super) fn unknown(dev_id: &DevId) -> Refused {
    let detail = format!("no device {dev_id} is registered");
    Problem::new(StatusCode::NOT_FOUND, detail)
        .advising("Look at the DevID; `omadm device add` registers a device, `omadm device list` shows those that are.")
        .into()
}

pub(super) fn unknown_profile(name: &str) -> Refused {
    Refused::bad(format!(
        "the server has no profile {name:?}; GET /api/v1/profiles lists those it has"
    ))
}

pub(super) fn summary(device: &Device) -> DeviceSummary {
    DeviceSummary {
        dev_id: device.dev_id.to_string(),
        registered_at: device.registered_at.to_string(),
        last_seen_at: device.last_seen_at.map(|at| at.to_string()),
        bootstrapped_by: device
            .bootstrapped
            .map(|(method, _)| method.name().to_owned()),
        bootstrapped_at: device.bootstrapped.map(|(_, at)| at.to_string()),
        dev_info: device
            .dev_info
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok()),
        notify: notify_body(&device.notify),
    }
}
