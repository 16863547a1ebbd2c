//! Bootstraps: start, list, show.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{BootstrapMethod, EventId, ProfileFormat};
use omadm_session::server::dm1::DeviceModel;
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::devices::{PAGE, dev_id, registered, unknown_profile};
use super::dm1_made::known_model;
use super::pushes;
use super::types::{BootstrapBody, BootstrapPage, NewBootstrap};
use crate::bootstrap_service::{Draft, DraftError, draft_into, open_document};
use crate::entropy::correlation;
use crate::model::{BootstrapRecord, EventKind, ExchangeDelta, RecordId};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::push_service;
use crate::store::CommitError;

/// Longest time a bootstrap may take.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How often a start is made again after other commits of the device came between.
const RETRIES: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    before: Option<String>,
    limit: Option<usize>,
    device: Option<String>,
}

/// Lists bootstraps, newest first; all of one device where it is named.
#[utoipa::path(get, path = "/api/v1/bootstraps", tag = "bootstraps",
    params(("before" = Option<String>, Query, description = "the bootstrap before the page"), ("limit" = Option<usize>, Query, description = "1 to 100"),
        ("device" = Option<String>, Query, description = "a DevID")),
    responses((status = 200, body = BootstrapPage), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<BootstrapPage>, Refused> {
    if let Some(device) = &query.device {
        let found = node.store.bootstraps_of(&dev_id(device)?).await?;
        return Ok(Json(BootstrapPage {
            bootstraps: found.iter().map(body).collect(),
            next: None,
        }));
    }
    let before = query.before.as_deref().map(record_id).transpose()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = node.store.bootstraps(before.as_ref(), limit).await?;
    let next = if found.len() == limit {
        found.last().map(|record| record.id.to_string())
    } else {
        None
    };
    Ok(Json(BootstrapPage {
        bootstraps: found.iter().map(body).collect(),
        next,
    }))
}

/// Starts a bootstrap: its document is built, sealed and stored, and an older open one of the same account ends. With an address the server brings it to the
/// device: the document over mutual TLS, or a Notification upon which the device fetches it; one of DM 1.x as a signed WAP push.
#[utoipa::path(post, path = "/api/v1/bootstraps", tag = "bootstraps", request_body = NewBootstrap,
    responses((status = 201, body = BootstrapBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn start(
    State(node): State<Arc<Node>>,
    JsonBody(new): JsonBody<NewBootstrap>,
) -> Result<(StatusCode, Json<BootstrapBody>), Refused> {
    let (dev_id, correlation) = (dev_id(&new.device)?, correlation());
    let method = pushes::method((&new).into())?;
    registered(&node, &dev_id).await?;
    let profile = match (&new.profile, &new.profile_toml) {
        (Some(name), None) => node
            .profiles
            .get(name)
            .ok_or_else(|| unknown_profile(name))?,
        (None, Some(text)) => node
            .profiles
            .inline(text)
            .map_err(|cause| Refused::bad(format!("profile_toml: {cause}")))?,
        _ => return Err(Refused::bad("give either `profile` or `profile_toml`")),
    };
    let format = format_of(new.profile_format.as_deref())?;
    let model = model_of(new.model.as_deref(), format)?;
    let expires_in = new
        .expires_in
        .map_or_else(|| lifetime(&node, method), Duration::from_secs);
    if expires_in.is_zero() || expires_in > LONGEST {
        return Err(Refused::bad(format!(
            "expires_in: from 1 to {} seconds",
            LONGEST.as_secs()
        )));
    }
    let draft = Draft {
        profile,
        format,
        method,
        expires_in,
        model,
        push: pushes::wanted(&node, &dev_id, (&new).into(), (method, format)).await?,
    };
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let drafted = draft_into(&node, &mut delta, &draft, &correlation)
            .await
            .map_err(draft_refused)?;
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, bootstrap = %drafted.record.id, "bootstrap drafted");
                if drafted.record.push.is_some() {
                    push_service::begin(&node, drafted.record.id.clone());
                }
                return Ok((StatusCode::CREATED, Json(body(&drafted.record))));
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Shows a bootstrap.
#[utoipa::path(get, path = "/api/v1/bootstraps/{id}", tag = "bootstraps", params(("id" = String, Path)),
    responses((status = 200, body = BootstrapBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Json<BootstrapBody>, Refused> {
    let found = node.store.bootstrap(&record_id(&id)?).await?;
    found
        .map(|record| Json(body(&record)))
        .ok_or_else(|| Refused::missing(format!("there is no bootstrap {id}")))
}

/// The document of a bootstrap that leaves by the operator's hand, as a factory image or on a card. It holds the device's secrets; that it left is an event
/// before it does.
#[utoipa::path(get, path = "/api/v1/bootstraps/{id}/document", tag = "bootstraps", params(("id" = String, Path)),
    responses((status = 200, description = "the document; its media type says for which generation", content_type = "application/octet-stream"),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn document(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let record_id = record_id(&id)?;
    for _again in 0..RETRIES {
        let record = node.store.bootstrap(&record_id).await?;
        let record =
            record.ok_or_else(|| Refused::missing(format!("there is no bootstrap {id}")))?;
        if !leaves_by_hand(record.method) || record.state.is_terminal() {
            let detail = format!(
                "bootstrap {id} is {} by the method {}",
                record.state.name(),
                record.method
            );
            return Err(Problem::new(StatusCode::CONFLICT, detail)
                .advising("The document of an open bootstrap by factory image or card can be had; start one.")
                .into());
        }
        let document = open_document(&node, &record).await.map_err(|error| {
            tracing::error!(bootstrap = %record.id, %error, "a document could not be exported");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })?;
        let device = registered(&node, &record.dev_id).await?;
        let mut delta = ExchangeDelta::new(record.dev_id.clone(), Some(device.epoch), node.now());
        let correlation = correlation();
        let exported = EventKind::BootstrapExported {
            bootstrap: record.id.to_string(),
        };
        delta.events.push(event(exported, &correlation));
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %record.dev_id, bootstrap = %record.id, "bootstrap document exported");
                let headers = [
                    (CONTENT_TYPE, record.media_type()),
                    (CACHE_CONTROL, "no-store"),
                ];
                return Ok((headers, document.expose().to_vec()).into_response());
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Reads the name of a method; client-initiated where none is given.
pub(super) fn method_of(name: Option<&str>) -> Result<BootstrapMethod, Refused> {
    let name = name.unwrap_or(BootstrapMethod::ClientInitiated.name());
    BootstrapMethod::from_name(name)
        .ok_or_else(|| Refused::bad(format!("method: {name:?} is none of the four")))
}

/// Reads how a document is to be written; for DM 2.0 where nothing is said.
pub(super) fn format_of(name: Option<&str>) -> Result<ProfileFormat, Refused> {
    name.map_or(Ok(ProfileFormat::Dm2), |name| {
        ProfileFormat::from_node_value(name)
            .ok_or_else(|| Refused::bad(format!("profile_format: {name:?} is neither cp nor dm")))
    })
}

/// Reads the name of the device's model, which a bootstrap of DM 1.x alone keeps to.
pub(super) fn model_of(
    name: Option<&str>,
    format: ProfileFormat,
) -> Result<Option<&'static DeviceModel>, Refused> {
    let Some(name) = name else {
        return Ok(None);
    };
    if Dm1Format::of_profile(format).is_none() {
        return Err(Refused::bad(
            "model: it is of a bootstrap of DM 1.x: `profile_format` says cp or dm",
        ));
    }
    known_model(name).map(Some)
}

/// How long a bootstrap may take unless the operator says: an image or card may lie in a store house for years.
pub(super) fn lifetime(node: &Node, method: BootstrapMethod) -> Duration {
    if leaves_by_hand(method) {
        LONGEST
    } else {
        node.config.bootstrap_lifetime
    }
}

const fn leaves_by_hand(method: BootstrapMethod) -> bool {
    matches!(
        method,
        BootstrapMethod::Factory | BootstrapMethod::Smartcard
    )
}

pub(super) fn draft_refused(error: DraftError) -> Refused {
    match error {
        DraftError::Document(cause) if cause.is_of_profile() => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, cause.to_string())
                .advising("Correct the profile; `omadm bootstrap check` names the line.")
                .into()
        }
        DraftError::Store(error) => error.into(),
        DraftError::Issue(error) => error.into(),
        DraftError::Account(error) => error.into(),
        DraftError::Clash(clash) => Problem::new(StatusCode::CONFLICT, clash.to_string())
            .advising("Revoke what the device has, so that the bootstrap makes an account anew: `omadm device dm1 revoke DEVID`; with `--boot` only what cards and images can bring back.")
            .into(),
        DraftError::Sign(error) => Refused::bad(error.to_string()),
        error => {
            tracing::error!(%error, "no bootstrap could be made");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
        }
    }
}

fn record_id(text: &str) -> Result<RecordId, Refused> {
    EventId::parse(text).map(RecordId).map_err(|_| {
        Refused::bad(format!(
            "{text:?} names no bootstrap: 32 hexadecimal digits do"
        ))
    })
}

pub(super) fn body(record: &BootstrapRecord) -> BootstrapBody {
    BootstrapBody {
        id: record.id.to_string(),
        device: record.dev_id.to_string(),
        profile: record.profile.clone(),
        profile_format: record.format.node_value().to_owned(),
        srv_id: record.srv_id.to_string(),
        method: record.method.name().to_owned(),
        state: record.state.name().to_owned(),
        cause: record.cause.map(|cause| cause.code().to_owned()),
        cause_sentence: record.cause.map(|cause| cause.sentence().to_owned()),
        action: record.cause.map(|cause| cause.action().to_owned()),
        payload_hash: record.payload_hash.to_hex(),
        event_id: record.event_id.as_ref().map(ToString::to_string),
        kind: record.kind.map(|kind| kind.node_value().to_owned()),
        created_at: record.created_at.to_string(),
        expires_at: record.expires_at.to_string(),
        fetched_at: record.fetched_at.map(|at| at.to_string()),
        ended_at: record.ended_at.map(|at| at.to_string()),
        push: record.push.as_ref().map(pushes::body),
    }
}
