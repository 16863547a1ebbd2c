//! Bodies in and errors out of the operator's API: unknown members are errors, errors are problem documents.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use omadm_dm2::media_type::is_type;
use serde::de::DeserializeOwned;

use crate::capacity::away;
use crate::entropy::{NoRandomness, correlation};
use crate::node::Node;
use crate::problem::Problem;
use crate::seal::SealError;
use crate::state_dir::StateDirError;
use crate::store::{CommitError, StoreError};
use crate::store_trouble::{self, Asked, StoreTrouble};

/// A refused request of the operator.
pub(super) struct Refused(Box<Problem>);

impl Refused {
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail).into()
    }

    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, detail).into()
    }

    pub(super) fn answer(self) -> Response {
        let correlation = correlation();
        let Some(trouble) = &self.0.trouble else {
            tracing::info!(
                correlation,
                status = self.0.status.as_u16(),
                "operator's request refused: {}",
                self.0.detail
            );
            return self.0.answer(&correlation);
        };
        tracing::debug!(correlation, "operator's request not served by the store");
        let mut response = self.0.answer(&correlation);
        response
            .extensions_mut()
            .insert(StoreTrouble::clone(trouble));
        response
    }
}

/// Lets the node know of answers that the store is to blame for.
pub(super) async fn note_trouble(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if let Some(trouble) = response.extensions().get::<StoreTrouble>() {
        node.saw(trouble);
    }
    response
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        store_trouble::refusal(error, Asked::Read).into()
    }
}

impl From<StateDirError> for Refused {
    fn from(error: StateDirError) -> Self {
        tracing::error!(%error, "the state directory failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
    }
}

impl From<NoRandomness> for Refused {
    fn from(error: NoRandomness) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
    }
}

impl From<SealError> for Refused {
    fn from(error: SealError) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
    }
}

impl From<CommitError> for Refused {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => store_trouble::refusal(error, Asked::Commit).into(),
            CommitError::DeviceExists => Problem::new(
                StatusCode::CONFLICT,
                "a device of this DevID is registered already",
            )
            .advising("Add a credential to it instead: `omadm device add-credential DEVID`, or POST /api/v1/devices/{dev_id}/credentials.")
            .into(),
            CommitError::Contradiction(_) => {
                tracing::error!(%error, "a delta was not accepted");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
            }
            CommitError::CredentialTaken => {
                Problem::new(StatusCode::CONFLICT, error.to_string()).into()
            }
            CommitError::NotWaiting => Self::missing(error.to_string()),
            CommitError::Conflict | CommitError::Busy | CommitError::NoPlace => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                    .advising("Try again; nothing was changed.")
                    .with_header(RETRY_AFTER, away())
                    .into()
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.answer()
    }
}

/// A JSON body; an unknown member, another type and broken JSON are 400 with line and column.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !is_type(content_type, "application/json") {
            let detail =
                format!("the body has to be application/json, Content-Type says {content_type:?}");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into());
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|cause| Refused::bad(format!("the body is not what is wanted here: {cause}")))
    }
}

/// The query; an unknown parameter is 400.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(read)) => Ok(Self(read)),
            Err(rejection) => Err(Refused::bad(rejection.body_text())),
        }
    }
}
