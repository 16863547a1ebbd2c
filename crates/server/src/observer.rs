//! A window onto the HTTP exchanges of the device listener: for `demo --trace` and for counting. Bodies come decoded, secrets masked.

use std::time::Duration;

/// Sees every exchange of the device listener after it was answered. Called on the connection's task: must not block.
pub trait ExchangeObserver: Send + Sync {
    /// An exchange was answered.
    fn exchange(&self, exchange: &ObservedExchange);
}

/// One HTTP exchange of the device listener. Holds no secret.
#[derive(Clone, Debug)]
pub struct ObservedExchange {
    /// The TLS connection it ran on; counted from 1 for each listener.
    pub connection: u64,
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// What `OMADM-DevID` claimed, where it stood there once.
    pub claimed: Option<String>,
    /// `Content-Type` of the request.
    pub request_type: Option<String>,
    /// The request's body, decoded and masked; none where it was empty or is no document of DM 2.0.
    pub request: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type` of the answer.
    pub response_type: Option<String>,
    /// The answer's body, decoded and masked; problem documents as they are.
    pub response: Option<String>,
    /// Ties it to log lines and events.
    pub correlation: String,
    /// From the head of the request to the answer being ready.
    pub took: Duration,
}
