//! Bootstraps: start, list, show.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::{BootstrapMethod, EventId};
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::devices::{PAGE, dev_id, unknown, unknown_profile};
use super::types::{BootstrapBody, BootstrapPage, NewBootstrap};
use crate::bootstrap_service::{Draft, DraftError, draft_into};
use crate::entropy::correlation;
use crate::model::{BootstrapRecord, ExchangeDelta, RecordId};
use crate::node::Node;
use crate::problem::{Problem, ProblemBody};
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

/// Starts a bootstrap: its document is built, sealed and stored, and an older open one of the same account ends.
#[utoipa::path(post, path = "/api/v1/bootstraps", tag = "bootstraps", request_body = NewBootstrap,
    responses((status = 201, body = BootstrapBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn start(
    State(node): State<Arc<Node>>,
    JsonBody(new): JsonBody<NewBootstrap>,
) -> Result<(StatusCode, Json<BootstrapBody>), Refused> {
    let (dev_id, correlation) = (dev_id(&new.device)?, correlation());
    let method = new
        .method
        .as_deref()
        .unwrap_or(BootstrapMethod::ClientInitiated.name());
    let method = BootstrapMethod::from_name(method)
        .ok_or_else(|| Refused::bad(format!("method: {method:?} is none of the four")))?;
    if method == BootstrapMethod::ServerInitiated {
        return Err(Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "this version has no carrier for server-initiated bootstrap",
        )
        .into());
    }
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
    let expires_in = new
        .expires_in
        .map_or(node.config.bootstrap_lifetime, Duration::from_secs);
    if expires_in.is_zero() || expires_in > LONGEST {
        return Err(Refused::bad(format!(
            "expires_in: from 1 to {} seconds",
            LONGEST.as_secs()
        )));
    }
    let draft = Draft {
        profile,
        method,
        expires_in,
    };
    for _again in 0..RETRIES {
        let device = node
            .store
            .device(&dev_id)
            .await?
            .ok_or_else(|| unknown(&dev_id))?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let drafted = draft_into(&node, &mut delta, &draft, &correlation)
            .await
            .map_err(draft_refused)?;
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, bootstrap = %drafted.record.id, "bootstrap drafted");
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

pub(super) fn draft_refused(error: DraftError) -> Refused {
    match error {
        DraftError::Document(cause) if cause.is_of_profile() => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, cause.to_string())
                .advising("Correct the profile; `omadm bootstrap check` names the line.")
                .into()
        }
        DraftError::Store(error) => error.into(),
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
    }
}
