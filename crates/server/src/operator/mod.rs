//! The operator listener: `/api/v1` and `/metrics` with a bearer token, the OpenAPI document, `/healthz` and `/readyz`. Never shares a port or a credential with the
//! device side (DESIGN §5).

mod admission_types;
mod admissions;
mod allow_list;
mod answer;
mod auth;
mod bootstraps;
mod call_types;
pub mod client;
mod command_types;
mod commands;
mod credentials;
mod devices;
mod dm1;
mod dm1_made;
mod dm1_types;
mod events;
mod generations;
mod metrics;
mod named_credentials;
mod notifications;
mod notify_at;
mod objects;
mod openapi;
mod profiles;
mod pushes;
mod triggers;
pub mod types;
mod wap;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::{Method, StatusCode, Uri};

use crate::entropy::correlation;
use crate::node::Node;
use crate::problem::Problem;
use crate::store::StoreError;
use crate::store_trouble;
use answer::Refused;

/// How long readiness and metrics wait for the store.
const PROBE: Duration = Duration::from_secs(2);

/// The router of the operator listener.
pub(crate) fn router(node: Arc<Node>) -> Router {
    let api = Router::new()
        .route("/devices", get(devices::list).post(devices::add))
        .route("/devices/{dev_id}", get(devices::show))
        .route("/devices/{dev_id}/credentials", post(credentials::add))
        .route(
            "/devices/{dev_id}/credentials/{id}",
            axum::routing::delete(credentials::revoke),
        )
        .route(
            "/devices/{dev_id}/credentials/{id}/revoke",
            post(credentials::revoke),
        )
        .route(
            "/devices/{dev_id}/commands",
            get(commands::list).post(commands::queue),
        )
        .route("/devices/{dev_id}/commands/{id}", get(commands::show))
        .route(
            "/devices/{dev_id}/commands/{id}/cancel",
            post(commands::cancel),
        )
        .route(
            "/devices/{dev_id}/commands/{id}/release",
            post(commands::release),
        )
        .route("/devices/{dev_id}/dm1", get(dm1::show).post(dm1::add))
        .route("/devices/{dev_id}/dm1/rotate", post(dm1::rotate))
        .route("/devices/{dev_id}/dm1/revoke", post(dm1::revoke))
        .route("/devices/{dev_id}/dm1/reject", post(dm1::reject))
        .route("/devices/{dev_id}/rotations", post(generations::rotate))
        .route(
            "/devices/{dev_id}/generations/boot/accept",
            post(generations::accept),
        )
        .route(
            "/devices/{dev_id}/generations/{generation}/revoke",
            post(generations::revoke),
        )
        .route("/devices/{dev_id}/notifications", post(notifications::send))
        .route("/devices/{dev_id}/notify", put(notify_at::set))
        .route("/devices/{dev_id}/objects", get(objects::list))
        .route(
            "/devices/{dev_id}/objects/{*path}",
            get(objects::get).put(objects::put).delete(objects::remove),
        )
        .route("/bootstraps", get(bootstraps::list).post(bootstraps::start))
        .route("/bootstraps/{id}", get(bootstraps::show))
        .route("/bootstraps/{id}/document", get(bootstraps::document))
        .route("/admissions", get(admissions::list))
        .route("/admissions/{id}/approve", post(admissions::approve))
        .route("/admissions/{id}/reject", post(admissions::reject))
        .route("/allow-list", get(allow_list::list).post(allow_list::add))
        .route(
            "/allow-list/{id}",
            axum::routing::delete(allow_list::remove),
        )
        .route("/triggers", post(triggers::take))
        .route("/events", get(events::list))
        .route("/profiles", get(profiles::list))
        .route("/openapi.json", get(openapi::document))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nowhere)
        .layer(from_fn_with_state(Arc::clone(&node), auth::bearer));
    let metrics = get(metrics::scrape).layer(from_fn_with_state(Arc::clone(&node), auth::bearer));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", metrics)
        .method_not_allowed_fallback(wrong_method)
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(node.config.limits.body_octets))
        .layer(from_fn_with_state(Arc::clone(&node), answer::note_trouble))
        .with_state(node)
}

async fn healthy() -> &'static str {
    "ok\n"
}

/// Ready while the store answers a read in time and is not known to take no writes. Needs no token, so the answer names no address.
async fn ready(State(node): State<Arc<Node>>) -> Response {
    let trouble = match answers_in_time(node.store.devices(None, 1)).await {
        Ok(_) => {
            let deltas = node.store.commits().deltas;
            node.health.takes_no_writes(Instant::now(), deltas)
        }
        Err(error) => Some(error),
    };
    node.health.probed(trouble.as_ref(), Instant::now());
    match trouble {
        None => "ready\n".into_response(),
        Some(error) => store_trouble::unready(&error).answer(&correlation()),
    }
}

/// What the store says to a read, within [`PROBE`].
async fn answers_in_time<T>(
    read: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| {
        let why = format!("it gave no answer within {} s", PROBE.as_secs());
        StoreError::Unavailable("the store".to_owned(), why)
    };
    tokio::time::timeout(PROBE, read).await.map_err(late)?
}

async fn nowhere(uri: Uri) -> Response {
    Refused::from(Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}", uri.path()),
    ))
    .answer()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{method} is not a method of {}", uri.path());
    Refused::from(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)).answer()
}
