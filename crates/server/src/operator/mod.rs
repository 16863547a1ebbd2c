//! The operator listener: `/api/v1` with a bearer token, its OpenAPI document, `/healthz` and `/readyz`. Never shares a port or a credential with the
//! device side (DESIGN §5).

mod answer;
mod auth;
mod bootstraps;
pub mod client;
mod credentials;
mod devices;
mod events;
mod openapi;
mod profiles;
pub mod types;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use http::{Method, StatusCode, Uri};

use crate::node::Node;
use crate::problem::Problem;
use answer::Refused;

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
        .route("/bootstraps", get(bootstraps::list).post(bootstraps::start))
        .route("/bootstraps/{id}", get(bootstraps::show))
        .route("/events", get(events::list))
        .route("/profiles", get(profiles::list))
        .route("/openapi.json", get(openapi::document))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nowhere)
        .layer(from_fn_with_state(Arc::clone(&node), auth::bearer));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(node.config.limits.body_octets))
        .with_state(node)
}

async fn healthy() -> &'static str {
    "ok\n"
}

/// Ready while the store answers.
async fn ready(State(node): State<Arc<Node>>) -> Result<&'static str, Refused> {
    match node.store.devices(None, 1).await {
        Ok(_) => Ok("ready\n"),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the store does not answer; the server's log tells why",
            )
            .into())
        }
    }
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
