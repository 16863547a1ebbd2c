//! The admin token on every request of `/api/v1`, known path or not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::answer::Refused;
use crate::node::Node;
use crate::problem::Problem;

/// Lets a request pass that carries the token; 401 with the challenge else.
pub(super) async fn bearer(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Response {
    let presented = request
        .headers()
        .get(AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        .and_then(token);
    if presented.is_some_and(|token| node.state.is_admin_token(token)) {
        return next.run(request).await;
    }
    let detail = match presented {
        None => "the request carries no bearer token",
        Some(_) => "the bearer token is not the server's admin token",
    };
    let problem = Problem::new(StatusCode::UNAUTHORIZED, detail)
        .advising("Send `Authorization: Bearer` with the token that the server printed on its first start.")
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"omadm\""));
    Refused::from(problem).answer()
}

fn token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}
