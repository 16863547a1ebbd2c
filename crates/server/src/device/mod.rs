//! The device listener's HTTP: `/dm/2.0` sessions, `/bootstrap/…`, `/repo/…`, answered as D70 says, row by row.

mod repository;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use omadm_bootstrap::dm1::Dm1Format;
use omadm_dm2::media_type::{MO, PACKAGE2, PackageType};
use omadm_dm2::{Document, media_type};
use tracing::{debug, info};

use crate::admission::{Considered, consider};
use crate::bootstrap_service::{self, Fetched, Takes};
use crate::dm1_service;
use crate::exchange::{
    Answer, BOOTSTRAP_PATH, DM1_PATH, Head, REPOSITORY_PATH, Refusal, SESSION_PATH, of_commit,
};
use crate::identity::{BootstrapDevice, SessionDevice};
use crate::node::Node;
use crate::observer::ObservedExchange;
use crate::session_service;

#[derive(Clone, Copy)]
enum Room {
    Session,
    Dm1,
    Bootstrap,
    Repository,
    Nowhere,
}

/// The router of the device listener.
pub(crate) fn router(node: Arc<Node>) -> Router {
    Router::new()
        .route(SESSION_PATH, room(Room::Session))
        .route(DM1_PATH, room(Room::Dm1))
        .route(BOOTSTRAP_PATH, room(Room::Bootstrap))
        .route(
            &format!("{BOOTSTRAP_PATH}/{{*rest}}"),
            room(Room::Bootstrap),
        )
        .route(
            &format!("{REPOSITORY_PATH}/{{*rest}}"),
            room(Room::Repository),
        )
        .fallback(room(Room::Nowhere))
        .with_state(node)
}

/// The router of a listener without TLS: sessions of DM 1.x, and nothing else.
pub(crate) fn plain_router(node: Arc<Node>) -> Router {
    Router::new()
        .route(DM1_PATH, room(Room::Dm1))
        .fallback(room(Room::Nowhere))
        .with_state(node)
}

fn room(room: Room) -> MethodRouter<Arc<Node>> {
    any(move |State(node): State<Arc<Node>>, request: Request<Body>| exchange(node, request, room))
}

async fn exchange(node: Arc<Node>, request: Request<Body>, room: Room) -> Response {
    let (head, body) = Head::read(&node, request);
    let mut request_body = Bytes::new();
    let outcome = match room {
        Room::Session => session(&node, &head, body, &mut request_body).await,
        Room::Dm1 => dm1_service::exchange(&node, &head, body, &mut request_body).await,
        Room::Bootstrap => bootstrap(&node, &head, body).await,
        Room::Repository => repository::exchange(&node, &head, body, &mut request_body).await,
        Room::Nowhere => Err(Refusal::plain(
            StatusCode::NOT_FOUND,
            format!("there is nothing at {}", head.path),
        )),
    };
    let (response, answer_body) = match outcome {
        Ok(answer) => respond(answer),
        Err(refusal) => {
            let event = refusal.event(&head);
            if let Some(trouble) = &refusal.problem.trouble {
                node.saw(trouble);
                debug!(
                    correlation = head.correlation,
                    path = head.path,
                    "request not served by the store"
                );
            } else {
                info!(
                    correlation = head.correlation,
                    device = refusal.about.as_ref().map(tracing::field::display),
                    claimed = head.claim.text(),
                    from = head.from.map(tracing::field::display),
                    method = %head.method,
                    path = head.path,
                    status = refusal.problem.status.as_u16(),
                    cause = refusal.problem.cause.map(|cause| cause.code()),
                    "request refused: {}", refusal.problem.detail
                );
            }
            let body =
                serde_json::to_vec(&refusal.problem.body(&head.correlation)).unwrap_or_default();
            let response = refusal.problem.answer(&head.correlation);
            if refusal.recorded {
                node.refused(refusal.about, event, &head.correlation);
            }
            (response, Bytes::from(body))
        }
    };
    observe(&node, &head, &request_body, &response, &answer_body);
    response
}

async fn session(
    node: &Node,
    head: &Head,
    body: Body,
    kept: &mut Bytes,
) -> Result<Answer, Refusal> {
    head.allow(&[Method::POST], "POST")?;
    let package = PackageType::of(head.content_type());
    let _place = if package == Some(PackageType::Package3) {
        None
    } else {
        Some(node.enter()?)
    };
    let body = head
        .read_body(node, body, node.config.limits.body_octets)
        .await?;
    kept.clone_from(&body);
    let mut device = SessionDevice::of(node, head).await?;
    let dev_id = device.dev_id().clone();
    let checked = head.acceptable(PACKAGE2).and_then(|()| match package {
        Some(PackageType::Package1) => Ok(session_service::Package::Initiation),
        Some(PackageType::Package3) => Ok(session_service::Package::Response),
        Some(PackageType::Package2) | None => Err(Refusal::plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "{:?} is neither {} nor {}",
                head.content_type(),
                media_type::PACKAGE1,
                media_type::PACKAGE3
            ),
        )),
    });
    let package = checked.map_err(|refusal| refusal.by(&dev_id))?;
    for _again in 0..session_service::RETRIES {
        match session_service::exchange(node, head, &device, package, &body).await? {
            session_service::Outcome::Answered(answer) => return Ok(answer),
            // What the identity was judged by may be what changed.
            session_service::Outcome::Conflict => device = SessionDevice::of(node, head).await?,
        }
    }
    match session_service::exchange(node, head, &device, package, &body).await? {
        session_service::Outcome::Answered(answer) => Ok(answer),
        session_service::Outcome::Conflict => {
            Err(of_commit(node, crate::store::CommitError::Conflict))
        }
    }
}

async fn bootstrap(node: &Node, head: &Head, body: Body) -> Result<Answer, Refusal> {
    head.allow(&[Method::GET, Method::POST], "GET, POST")?;
    let _place = node.enter()?;
    let body = head
        .read_body(node, body, node.config.limits.body_octets)
        .await?;
    let device = match BootstrapDevice::of(node, head).await {
        Ok(device) => device,
        Err(refusal) if media_type::is_type(head.content_type(), media_type::PROBLEM) => {
            return Err(refusal);
        }
        Err(refusal) => {
            takes(head)?;
            match consider(node, head, refusal).await? {
                Considered::Admitted => BootstrapDevice::of(node, head).await?,
                Considered::Held(answer) => return Ok(answer),
            }
        }
    };
    if media_type::is_type(head.content_type(), media_type::PROBLEM) {
        bootstrap_service::refused(node, head, &device, &body).await?;
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    }
    let takes = takes(head).map_err(|refusal| refusal.by(device.dev_id()))?;
    match bootstrap_service::fetch(node, head, &device, &takes).await? {
        Fetched::Document(document, media_type) => {
            let mut answer = Answer::ok(media_type, Bytes::copy_from_slice(document.expose()));
            answer
                .headers
                .push((CACHE_CONTROL, HeaderValue::from_static("no-store")));
            Ok(answer)
        }
        Fetched::Nothing => Ok(Answer::empty(StatusCode::NO_CONTENT)),
    }
}

/// What the client takes: documents of DM 1.x where it names them, those of DM 2.0 unless it excludes them.
fn takes(head: &Head) -> Result<Takes, Refusal> {
    let mut dm1 = Vec::new();
    for range in head.accepted() {
        let named = [Dm1Format::Cp, Dm1Format::Dm];
        let named = named.into_iter().find(|format| {
            media_type::is_type(&range, format.media_type())
                && media_type::accepts(&range, format.media_type())
        });
        dm1.extend(named.filter(|format| !dm1.contains(format)));
    }
    let dm2 = head.acceptable(MO);
    if dm1.is_empty() {
        dm2?;
        return Ok(Takes { dm2: true, dm1 });
    }
    let dm2 = dm2.is_ok();
    Ok(Takes { dm2, dm1 })
}

fn respond(answer: Answer) -> (Response, Bytes) {
    let body = answer
        .stream
        .unwrap_or_else(|| Body::from(answer.body.clone()));
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in answer.headers {
        headers.append(name, value);
    }
    (response, answer.body)
}

fn observe(node: &Node, head: &Head, request: &Bytes, response: &Response, answer: &Bytes) {
    let Some(observer) = &node.observer else {
        return;
    };
    let decoded = |body: &Bytes| {
        let document = Document::read(body, node.json_limits()).ok()?;
        Some(document.masked(&node.registry))
    };
    let response_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let plain = response_type == Some(media_type::PROBLEM);
    let response_body = if plain {
        Some(String::from_utf8_lossy(answer).into_owned())
    } else {
        decoded(answer)
    };
    observer.exchange(&ObservedExchange {
        connection: head.connection,
        method: head.method.to_string(),
        path: head.path.clone(),
        claimed: head.claim.text(),
        request_type: Some(head.content_type().to_owned()).filter(|text| !text.is_empty()),
        request: decoded(request),
        status: response.status().as_u16(),
        response_type: response_type.map(str::to_owned),
        response: response_body,
        correlation: head.correlation.clone(),
        took: head.began.elapsed(),
    });
}
