//! The allow-list that the store keeps: it counts on every node at once. Entries of the file of `--admission` are that file's alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::EventId;
use omadm_tls::Fingerprint;
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::devices::{PAGE, unknown_profile};
use super::types::{AllowBody, AllowPage, NewAllow};
use crate::admission::{DevIdPattern, record};
use crate::entropy::correlation;
use crate::model::{AllowEntry, EventKind, WaitingWrite};
use crate::node::Node;
use crate::problem::ProblemBody;
use crate::store::CommitError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// Lists whom the allow-list of the store lets in. What the file of a node's `--admission` says is not among it.
#[utoipa::path(get, path = "/api/v1/allow-list", tag = "admissions",
    params(("after" = Option<String>, Query, description = "the id before the page"), ("limit" = Option<usize>, Query, description = "1 to 100")),
    responses((status = 200, body = AllowPage), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<AllowPage>, Refused> {
    let after = query.after.as_deref().map(entry_id).transpose()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = node.store.allow_list(after.as_ref(), limit).await?;
    let next = if found.len() == limit {
        found.last().map(|entry| entry.id().to_string())
    } else {
        None
    };
    Ok(Json(AllowPage {
        entries: found.iter().map(body).collect(),
        next,
    }))
}

/// Lets a device, or all of a pattern, in when it asks for its bootstrap. The same DevID with the same certificate gets this profile from now on.
#[utoipa::path(post, path = "/api/v1/allow-list", tag = "admissions", request_body = NewAllow,
    responses((status = 201, body = AllowBody), (status = "default", body = ProblemBody)))]
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    JsonBody(new): JsonBody<NewAllow>,
) -> Result<(StatusCode, Json<AllowBody>), Refused> {
    DevIdPattern::parse(&new.dev_id).map_err(|cause| Refused::bad(format!("dev_id: {cause}")))?;
    let certificate = new.certificate.as_deref().map(|text| {
        let print = text.parse::<Fingerprint>().map(|print| *print.octets());
        print.map_err(|_| {
            Refused::bad("certificate: the SHA-256 of a certificate has 64 hexadecimal digits")
        })
    });
    node.profiles
        .get(&new.profile)
        .ok_or_else(|| unknown_profile(&new.profile))?;
    let entry = AllowEntry {
        pattern: new.dev_id,
        certificate: certificate.transpose()?,
        profile: new.profile,
        changed_at: node.now(),
    };
    let write = WaitingWrite::Allow(entry.clone());
    node.store.write_waiting(write).await?;
    let (body, correlation) = (body(&entry), correlation());
    let allowed = EventKind::DeviceAllowed {
        id: body.id.clone(),
        pattern: body.dev_id.clone(),
        fingerprint: body.certificate.clone(),
        profile: body.profile.clone(),
    };
    record(&node, allowed, &correlation);
    tracing::info!(
        correlation,
        pattern = body.dev_id,
        entry = body.id,
        "put on the allow-list"
    );
    Ok((StatusCode::CREATED, Json(body)))
}

/// Takes an entry off the allow-list. Who came in by it stays.
#[utoipa::path(delete, path = "/api/v1/allow-list/{id}", tag = "admissions", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refused> {
    let write = WaitingWrite::Disallow(entry_id(&id)?);
    match node.store.write_waiting(write).await {
        Ok(()) => {}
        Err(CommitError::NotWaiting) => {
            return Err(Refused::missing(format!(
                "the allow-list has no entry {id}"
            )));
        }
        Err(error) => return Err(error.into()),
    }
    let correlation = correlation();
    tracing::info!(correlation, entry = id, "taken off the allow-list");
    record(&node, EventKind::DeviceDisallowed { id }, &correlation);
    Ok(StatusCode::NO_CONTENT)
}

fn entry_id(text: &str) -> Result<EventId, Refused> {
    EventId::parse(text).map_err(|_| {
        Refused::bad(format!(
            "{text:?} names no entry: 32 hexadecimal digits do, as `omadm device allow list` shows them"
        ))
    })
}

fn body(entry: &AllowEntry) -> AllowBody {
    let certificate = entry.certificate.map(Fingerprint::from_octets);
    AllowBody {
        id: entry.id().to_string(),
        dev_id: entry.pattern.clone(),
        certificate: certificate.map(|print| print.to_string()),
        profile: entry.profile.clone(),
        changed_at: entry.changed_at.to_string(),
    }
}
