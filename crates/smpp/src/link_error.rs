use std::time::Duration;

use omadm_tls::ConnectError;

use crate::{FrameError, Status};

/// Why there is no link to the SMSC.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No such host, or nobody answers there. The configuration or the network is at fault.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[source] std::io::Error),
    /// No TLS connection came about.
    #[error("no TLS connection with it: {0}")]
    Tls(#[from] ConnectError),
    /// It refused the bind: the configuration is at fault.
    #[error("it refused the bind: {0}")]
    Refused(Status),
    /// It did not answer.
    #[error("it did not answer {what} within {} s", after.as_secs())]
    Silent {
        /// What.
        what: &'static str,
        /// For how long.
        after: Duration,
    },
    /// It ended the connection.
    #[error("it ended the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] std::io::Error),
    /// It does not speak SMPP, or not as this entity does.
    #[error("it does not speak SMPP as expected: {0}")]
    Frame(#[from] FrameError),
}

impl LinkError {
    /// Whether the SMSC, or the trust in it, says no: trying again does not help, the configuration has to change.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Tls(ConnectError::ServerNotTrusted(_))
        )
    }
}
