//! What both listeners answer when they refuse: `application/problem+json` with what failed, and what to do (D70).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use omadm_bootstrap::BootstrapFailureCause;
use omadm_dm2::media_type::PROBLEM;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store_trouble::StoreTrouble;

/// The body of every error of this server (RFC 9457).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// `urn:omadm:cause:<code>` where the error has a cause of the catalogue, else `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The error in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What failed, and where.
    pub detail: String,
    /// The cause's code (`BootstrapFailureCause`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Ties the answer to log lines and events of the server.
    pub correlation: String,
}

/// An error on its way to an answer.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) cause: Option<BootstrapFailureCause>,
    pub(crate) action: Option<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What the store did; for the node's log, not for the answer.
    pub(crate) trouble: Option<Box<StoreTrouble>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: detail.into(),
            cause: None,
            action: None,
            headers: Vec::new(),
            trouble: None,
        }
    }

    /// One with a cause of the catalogue, whose sentence and advice it takes.
    pub(crate) fn of(
        status: StatusCode,
        cause: BootstrapFailureCause,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            title: cause.sentence().to_owned(),
            cause: Some(cause),
            action: Some(cause.action().to_owned()),
            ..Self::new(status, detail)
        }
    }

    pub(crate) fn advising(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn body(&self, correlation: &str) -> ProblemBody {
        ProblemBody {
            kind: self.cause.map_or_else(
                || "about:blank".to_owned(),
                |cause| format!("urn:omadm:cause:{}", cause.code()),
            ),
            title: self.title.clone(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            cause: self.cause.map(|cause| cause.code().to_owned()),
            action: self.action.clone(),
            correlation: correlation.to_owned(),
        }
    }

    pub(crate) fn answer(&self, correlation: &str) -> Response {
        let body = serde_json::to_vec(&self.body(correlation)).unwrap_or_default();
        let mut response = Body::from(body).into_response();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        response
    }
}
