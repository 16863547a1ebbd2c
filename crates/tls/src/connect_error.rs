use std::io;
use std::time::Duration;

use rustls::{CertificateError, PeerIncompatible};

use crate::handshake_failure::HandshakeFailure;
use crate::{IdentityError, PeerAlert, ProfileUnsupported, ServerTrustError};

/// Why the server was not believed to be who it should be. Nothing was sent to it (D80).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ServerDistrust {
    /// Its chain leads to none of the anchors.
    #[error("none of the trust anchors issued the server's certificate")]
    UnknownIssuer,
    /// A pin was given, and the server presented neither it nor a certificate issued by it.
    #[error("the server's certificate is neither the pinned one nor issued by it")]
    PinMismatch,
    /// A certificate of its chain has expired.
    #[error("the server's certificate has expired")]
    Expired,
    /// A certificate of its chain is not valid yet; a wrong clock on this device looks the same.
    #[error("the server's certificate is not valid yet, or this device's clock is wrong")]
    NotYetValid,
    /// The certificate does not bear the name that was called.
    #[error("the server's certificate does not bear the name that was called, but {presented:?}")]
    WrongName {
        /// The names it bears.
        presented: Vec<String>,
    },
    /// A CRL names a certificate of its chain.
    #[error("the server's certificate was revoked")]
    Revoked,
    /// Not made for a server, or beyond what its issuer allows.
    #[error("the server's certificate is not made for a server")]
    WrongPurpose,
    /// It does not hold the pre-shared key by which it would prove itself (D78).
    #[error("the server does not hold the pre-shared key of this identity")]
    KeyNotHeld,
    /// The certificate cannot be read, the server did not prove that it holds the key, or the algorithms are not accepted.
    #[error("the server's certificate cannot be used: {0}")]
    Unusable(CertificateError),
}

/// Why no TLS connection to a server came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name to call is neither a DNS name nor an IP address. The configuration is at fault.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    InvalidServerName(String),
    /// The server is not trusted.
    #[error("the server is not trusted: {0}")]
    ServerNotTrusted(ServerDistrust),
    /// The server sent a fatal alert. In TLS 1.3 a refused client certificate shows up only in the first read: see
    /// [`PeerAlert::in_io_error`].
    #[error("the server refused the handshake: {0}")]
    RefusedByPeer(PeerAlert),
    /// The server refused the pre-shared key (D78): it knows no such identity, or another key for it; servers do not say
    /// which.
    #[error(
        "the server does not take this device's pre-shared key, its identity or its key is not known there: {0}"
    )]
    PskRefused(PeerAlert),
    /// The server has no version, suite, group or protocol that is allowed here (D66).
    #[error("nothing in common with what the server offers: {0:?}")]
    Incompatible(PeerIncompatible),
    /// The server's first octets are no TLS: plain HTTP, or something else.
    #[error("the server does not speak TLS")]
    NotTls,
    /// The handshake was not complete in time.
    #[error("the handshake took longer than {after:?}")]
    Timeout {
        /// The limit that passed.
        after: Duration,
    },
    /// The server closed the connection before the handshake was complete, without saying why.
    #[error("the server closed the connection during the handshake")]
    Closed,
    /// The server broke the protocol otherwise.
    #[error("the server broke the TLS protocol: {0}")]
    Protocol(#[source] rustls::Error),
    /// The environment failed.
    #[error("input or output failed during the handshake: {0}")]
    Io(#[source] io::Error),
}

/// Why a [`crate::Connector`] was not made. The configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorSetupError {
    /// The client's own certificate or key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What the server would be checked against.
    #[error(transparent)]
    ServerTrust(#[from] ServerTrustError),
    /// A pre-shared key cannot be used by this build.
    #[error(transparent)]
    Profile(#[from] ProfileUnsupported),
    /// OpenSSL does not take what it is given.
    #[cfg(feature = "psk")]
    #[error("OpenSSL cannot be set up: {0}")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

impl ConnectError {
    pub(crate) fn of(error: io::Error) -> Self {
        match HandshakeFailure::of(error) {
            HandshakeFailure::NotTls => Self::NotTls,
            HandshakeFailure::Alert(alert) => Self::RefusedByPeer(alert),
            HandshakeFailure::Certificate(cause) => {
                Self::ServerNotTrusted(ServerDistrust::of(cause))
            }
            HandshakeFailure::Incompatible(cause) => Self::Incompatible(cause),
            HandshakeFailure::Closed => Self::Closed,
            HandshakeFailure::Protocol(cause) => Self::Protocol(cause),
            HandshakeFailure::Io(cause) => Self::Io(cause),
        }
    }
}

impl ServerDistrust {
    pub(crate) fn of(cause: CertificateError) -> Self {
        use CertificateError as E;
        match cause {
            E::UnknownIssuer => Self::UnknownIssuer,
            E::ApplicationVerificationFailure => Self::PinMismatch,
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYetValid,
            E::NotValidForName => Self::WrongName {
                presented: Vec::new(),
            },
            E::NotValidForNameContext { presented, .. } => Self::WrongName { presented },
            E::Revoked => Self::Revoked,
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Self::WrongPurpose,
            cause => Self::Unusable(cause),
        }
    }
}
