//! Why a request of a device is refused: what it gets, and what the event log says about it.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use omadm_bootstrap::BootstrapFailureCause;
use omadm_mo::DevId;

use super::Head;
use crate::model::EventKind;
use crate::problem::Problem;
use crate::store::{CommitError, StoreError};
use crate::store_trouble::{self, Asked};

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) problem: Box<Problem>,
    /// The device it is about, where a record names it.
    pub(crate) about: Option<DevId>,
    /// Whether the event log has it; not where anybody could fill the log with it.
    pub(crate) recorded: bool,
}

impl Refusal {
    /// One that is the requester's own affair and leaves no event.
    pub(crate) fn plain(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            problem: Box::new(Problem::new(status, detail)),
            about: None,
            recorded: false,
        }
    }

    /// One with a cause and an event.
    pub(crate) fn of(
        status: StatusCode,
        cause: BootstrapFailureCause,
        about: Option<&DevId>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            problem: Box::new(Problem::of(status, cause, detail)),
            about: about.cloned(),
            recorded: true,
        }
    }

    /// The same of an authenticated device: the event log has it under its name.
    pub(crate) fn by(mut self, device: &DevId) -> Self {
        self.about = Some(device.clone());
        self.recorded = true;
        self
    }

    /// The same of somebody whom no record names, where that is nobody's private affair: the event log has it.
    pub(crate) fn told(mut self) -> Self {
        self.recorded = true;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.problem.headers.push((name, value));
        self
    }

    pub(crate) fn advising(mut self, action: &str) -> Self {
        self.problem.action = Some(action.to_owned());
        self
    }

    /// The event of it.
    pub(crate) fn event(&self, head: &Head) -> EventKind {
        let leaf = head.peer.as_ref().and_then(|peer| peer.leaf());
        EventKind::RequestRefused {
            path: head.path.clone(),
            status: self.problem.status.as_u16(),
            cause: self.problem.cause.map(|cause| cause.code().to_owned()),
            claimed: head.claim.text(),
            from: head.from.map(|from| from.to_string()),
            fingerprint: head
                .peer
                .as_ref()
                .and_then(|peer| peer.fingerprint())
                .map(|print| print.to_string()),
            subject: leaf.map(|leaf| leaf.subject().to_owned()),
            detail: self.problem.detail.clone(),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            about: None,
            recorded: false,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        store_trouble::refusal(error, Asked::Read).into()
    }
}

/// What a commit that did not succeed leads to, once it is not tried again.
pub(crate) fn of_commit(node: &crate::node::Node, error: CommitError) -> Refusal {
    match error {
        CommitError::Store(error) => store_trouble::refusal(error, Asked::Commit).into(),
        CommitError::Busy | CommitError::NoPlace => node.over_capacity().into(),
        CommitError::Conflict => Refusal::from(node.over_capacity())
            .advising("Other exchanges of the same device came between; try again."),
        CommitError::Contradiction(_) => {
            tracing::error!(%error, "a delta was not accepted");
            Refusal::plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the server made a change that contradicts its records; its log tells which",
            )
        }
        CommitError::DeviceExists | CommitError::CredentialTaken | CommitError::NotWaiting => {
            Refusal::plain(StatusCode::CONFLICT, error.to_string())
        }
    }
}
