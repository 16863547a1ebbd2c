//! One HTTP exchange with a device, before anybody knows what it is about: the request's head, the answer, the refusal. Identity and services speak
//! in these; the device listener turns them into HTTP.

mod head;
mod refusal;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};

pub(crate) use head::{Claim, Head, see_off};
pub(crate) use refusal::{Refusal, of_commit};

/// The path of DM sessions.
pub const SESSION_PATH: &str = "/dm/2.0";
/// The path of DM 1.x sessions.
pub const DM1_PATH: &str = "/dm/1.x";
/// The path of client-initiated bootstrap; anything may follow it.
pub const BOOTSTRAP_PATH: &str = "/bootstrap";
/// The path of the data repository.
pub const REPOSITORY_PATH: &str = "/repo";

/// An answer that is no refusal.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// In place of `body`, what comes bit by bit.
    pub(crate) stream: Option<Body>,
}

impl Answer {
    pub(crate) const fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            headers: Vec::new(),
            body: Bytes::new(),
            stream: None,
        }
    }

    pub(crate) const fn ok(content_type: &'static str, body: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: Some(content_type),
            headers: Vec::new(),
            body,
            stream: None,
        }
    }
}
