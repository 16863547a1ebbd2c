//! The data repository of a device: put, list, get, delete its objects. Bodies come and go piece by piece.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use omadm_dm2::media_type::MediaType;
use omadm_mo::DevId;
use serde::Deserialize;

use super::answer::{Parameters, Refused};
use super::devices::{PAGE, dev_id, registered};
use super::types::{ObjectBody, ObjectPage};
use crate::entropy::correlation;
use crate::exchange::see_off;
use crate::model::{
    Device, EventKind, ExchangeDelta, Object, ObjectChange, ObjectHead, ObjectOwner,
};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::repository::{
    NotPlaced, NotReceived, Place, RETRIES, Terms, is_plain_path, placing, receive, serve, url,
};
use crate::store::CommitError;

/// Type of what is put without one.
const UNKNOWN_TYPE: &str = "application/octet-stream";
/// Longest `Content-Type` that is kept, in octets.
const TYPE_OCTETS: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    after: Option<String>,
    limit: Option<usize>,
}

/// Lists the objects of a device in the octet order of their paths: what it stored, and what operators put there.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}/objects", tag = "objects",
    params(("dev_id" = String, Path), ("after" = Option<String>, Query, description = "the path before the page"),
        ("limit" = Option<usize>, Query, description = "1 to 100")),
    responses((status = 200, body = ObjectPage), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<ObjectPage>, Refused> {
    let after = query.after.as_deref();
    if let Some(path) = after.filter(|path| !is_plain_path(path)) {
        return Err(no_path(path));
    }
    let device = device(&node, &id).await?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let found = node.store.objects(&device.dev_id, after, limit).await?;
    let next = if found.len() == limit {
        found.last().map(|head| head.path.clone())
    } else {
        None
    };
    Ok(Json(ObjectPage {
        objects: found.into_iter().map(|head| body(&node, head)).collect(),
        next,
    }))
}

/// Puts an object there for the device to fetch (HGET), in place of what was there. The body is the object, its `Content-Type` is kept. The answer names
/// the URL under which the device, and no other, reaches it. A path has names of `A-Z a-z 0-9 - . _ ~` with slashes between.
#[utoipa::path(put, path = "/api/v1/devices/{dev_id}/objects/{path}", tag = "objects",
    params(("dev_id" = String, Path), ("path" = String, Path)), request_body(content_type = "application/octet-stream"),
    responses((status = 200, body = ObjectBody), (status = 413, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn put(
    State(node): State<Arc<Node>>,
    Path((id, path)): Path<(String, String)>,
    request: Request,
) -> Result<Json<ObjectBody>, Refused> {
    let (head, mut content) = request.into_parts();
    let stored = store(&node, &id, path, &head.headers, &mut content).await;
    if stored.is_err() {
        see_off(&node, content, node.config.limits.body_octets).await;
    }
    stored
}

/// Gives an object; `Range`, `If-Range` and `If-None-Match` are understood.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}/objects/{path}", tag = "objects",
    params(("dev_id" = String, Path), ("path" = String, Path)),
    responses((status = 200, description = "the object", content_type = "application/octet-stream"), (status = 404, body = ProblemBody),
        (status = "default", body = ProblemBody)))]
pub(super) async fn get(
    State(node): State<Arc<Node>>,
    Path((id, path)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let dev_id = dev_id(&id)?;
    if !is_plain_path(&path) {
        return Err(no_path(&path));
    }
    let found = node.store.object(&dev_id, &path).await?;
    let object = found.ok_or_else(|| nothing_there(&dev_id, &path))?;
    let place = enter(&node, &dev_id)?;
    let served = serve(&node.store, &dev_id, object, &method, &headers, place);
    let mut response = Response::new(served.body);
    *response.status_mut() = served.status;
    response.headers_mut().extend(served.headers);
    Ok(response)
}

/// Removes an object, whoever stored it.
#[utoipa::path(delete, path = "/api/v1/devices/{dev_id}/objects/{path}", tag = "objects",
    params(("dev_id" = String, Path), ("path" = String, Path)),
    responses((status = 204, description = "it is gone"), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn remove(
    State(node): State<Arc<Node>>,
    Path((id, path)): Path<(String, String)>,
) -> Result<StatusCode, Refused> {
    let correlation = correlation();
    if !is_plain_path(&path) {
        return Err(no_path(&path));
    }
    for _again in 0..=RETRIES {
        let device = device(&node, &id).await?;
        if node.store.object(&device.dev_id, &path).await?.is_none() {
            return Err(nothing_there(&device.dev_id, &path));
        }
        let mut delta = ExchangeDelta::new(device.dev_id, Some(device.epoch), node.now());
        delta.objects.push(ObjectChange::Remove(path.clone()));
        let removed = EventKind::ObjectRemoved { path: path.clone() };
        delta.events.push(event(removed, &correlation));
        match node.store.commit(delta).await {
            Ok(_) => return Ok(StatusCode::NO_CONTENT),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

async fn store(
    node: &Node,
    id: &str,
    path: String,
    headers: &HeaderMap,
    content: &mut Body,
) -> Result<Json<ObjectBody>, Refused> {
    if !is_plain_path(&path) {
        return Err(no_path(&path));
    }
    let media_type = match headers.get(CONTENT_TYPE) {
        None => UNKNOWN_TYPE,
        Some(value) => value
            .to_str()
            .ok()
            .filter(|text| text.len() <= TYPE_OCTETS && MediaType::parse(text).is_some())
            .ok_or_else(|| Refused::bad(format!("Content-Type {value:?} is none")))?,
    };
    let octets = node.config.limits.repository_object_octets;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|announced| announced > octets as u64) {
        return Err(not_received(NotReceived::TooLarge(octets)));
    }
    let mut device = device(node, id).await?;
    let _place = enter(node, &device.dev_id)?;
    let terms = Terms {
        octets,
        json: false,
    };
    let received = receive(node, &device.dev_id, content, terms)
        .await
        .map_err(not_received)?;
    let object = Object {
        head: ObjectHead {
            path,
            owner: ObjectOwner::Operator,
            media_type: media_type.to_owned(),
            octets: received.octets,
            etag: Some(received.etag.clone()),
            at: node.now(),
        },
        content: received.content.clone(),
    };
    let correlation = correlation();
    for _again in 0..=RETRIES {
        let delta = placing(node, &device.dev_id, device.epoch, &object, &correlation)
            .await
            .map_err(not_placed)?;
        match node.store.commit(delta).await {
            Ok(_) => {
                received.kept();
                return Ok(Json(body(node, object.head)));
            }
            Err(CommitError::Conflict) => device = self::device(node, id).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

async fn device(node: &Node, id: &str) -> Result<Device, Refused> {
    registered(node, &dev_id(id)?).await
}

fn enter(node: &Node, dev_id: &DevId) -> Result<Place, Refused> {
    let place = node.transfers.enter(dev_id);
    place.map_err(|_full| node.over_capacity().into())
}

/// Nothing that a store is asked for: a database may not even take it.
fn no_path(path: &str) -> Refused {
    Refused::bad(format!(
        "{path:?} is no path of the data repository: it has names of A-Z a-z 0-9 - . _ ~ with slashes between, 512 octets at most"
    ))
}

fn nothing_there(dev_id: &DevId, path: &str) -> Refused {
    Refused::missing(format!("{dev_id} has no object at {path:?}"))
}

fn not_received(error: NotReceived) -> Refused {
    let status = match error {
        NotReceived::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        NotReceived::TooSlow => StatusCode::REQUEST_TIMEOUT,
        NotReceived::Cut | NotReceived::NotJson(_) => StatusCode::BAD_REQUEST,
        NotReceived::Commit(error) => return error.into(),
        NotReceived::NoRandomness(error) => return error.into(),
    };
    Problem::new(status, error.to_string()).into()
}

fn not_placed(error: NotPlaced) -> Refused {
    match error {
        NotPlaced::Store(error) => error.into(),
        error => Problem::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()).into(),
    }
}

fn body(node: &Node, head: ObjectHead) -> ObjectBody {
    ObjectBody {
        url: url(node, &head.path),
        path: head.path,
        owner: head.owner.name().to_owned(),
        media_type: head.media_type,
        octets: head.octets,
        etag: head.etag,
        at: head.at.to_string(),
    }
}
