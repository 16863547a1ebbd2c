use std::io;
use std::time::Duration;

use rustls::{CertificateError, OtherError, PeerIncompatible};

use crate::handshake_failure::HandshakeFailure;
use crate::possession_verifier::OversizedChain;
use crate::{IdentityError, PeerAlert, ProfileUnsupported, PskIdentity};

/// Why a connection did not become a TLS connection. The client's certificate being unknown, expired or revoked is not
/// among the reasons: that is a [`crate::Verdict`].
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The first octets are no TLS: plain HTTP, or something else. The client's fault.
    #[error("the client does not speak TLS")]
    NotTls,
    /// The client offers nothing from TLS 1.2 upwards (D66), or no signature algorithms, as clients below TLS 1.2 do
    /// (one that offers TLS 1.2 so could only use SHA-1, RFC 5246 §7.4.1.4.1). The client's fault.
    #[error("the client offers no TLS 1.2 or later, or no signature algorithms")]
    VersionTooOld,
    /// No cipher suite, group, signature scheme or protocol in common (D66). The client's fault.
    #[error("nothing in common with what the client offers: {0:?}")]
    Incompatible(PeerIncompatible),
    /// The client sent a fatal alert, for instance because it does not trust the server's certificate.
    #[error("the client refused the handshake: {0}")]
    RefusedByPeer(PeerAlert),
    /// The chain is over the limit. The client's fault.
    #[error("the client's certificate chain has {bytes} bytes, the limit is {limit}")]
    ChainTooLong {
        /// What the client sent.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The client did not prove possession of its certificate's key, or the certificate cannot be read or used to
    /// check a signature. The client's fault.
    #[error("the client did not prove possession of its certificate: {0}")]
    PossessionNotProven(CertificateError),
    /// The client named a PSK identity that no device has, and got as far as one with a wrong key does. The client's fault,
    /// or the operator's, who did not register it.
    #[error("no pre-shared key is known for the identity \"{presented}\"")]
    PskIdentityUnknown {
        /// The identity, control characters escaped.
        presented: String,
    },
    /// The client named an identity that is known, but has another key than the one that the handshake was tried with.
    /// The client's fault, or the operator's; nobody's where the identity has several keys and the next handshake succeeds.
    #[error("the client's pre-shared key is not {which} known for the identity \"{identity}\"{next}", which = if *keys > 1 { format!("key {nr} of the {keys}") } else { "the one".to_owned() }, next = if *keys > 1 { "; its next handshake is tried with the next key" } else { "" })]
    PskKeyWrong {
        /// The identity.
        identity: PskIdentity,
        /// The number of the key that the handshake was tried with ([`crate::Psk::nr`]).
        nr: u32,
        /// How many keys the identity has.
        keys: usize,
    },
    /// The handshake was not complete in time. The client's or the network's fault.
    #[error("the handshake took longer than {after:?}")]
    Timeout {
        /// The limit that passed.
        after: Duration,
    },
    /// The client closed the connection before the handshake was complete.
    #[error("the client closed the connection during the handshake")]
    Closed,
    /// The client broke the protocol otherwise.
    #[error("the client broke the TLS protocol: {0}")]
    Protocol(#[source] rustls::Error),
    /// The environment failed.
    #[error("input or output failed during the handshake: {0}")]
    Io(#[source] io::Error),
}

/// Why an [`crate::Acceptor`] was not made. The configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub enum AcceptorSetupError {
    /// The server's certificate or key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The build lacks the profile.
    #[error(transparent)]
    Profile(#[from] ProfileUnsupported),
    /// OpenSSL does not take what it is given: a certificate, or a suite that its build lacks.
    #[cfg(feature = "psk")]
    #[error("OpenSSL cannot be set up: {0}")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

impl AcceptError {
    pub(crate) fn of(error: io::Error) -> Self {
        match HandshakeFailure::of(error) {
            HandshakeFailure::NotTls => Self::NotTls,
            HandshakeFailure::Alert(alert) => Self::RefusedByPeer(alert),
            HandshakeFailure::Certificate(CertificateError::Other(OtherError(cause))) => {
                match cause.downcast_ref::<OversizedChain>() {
                    Some(&OversizedChain { bytes, limit }) => Self::ChainTooLong { bytes, limit },
                    None => Self::PossessionNotProven(CertificateError::Other(OtherError(cause))),
                }
            }
            HandshakeFailure::Certificate(cause) => Self::PossessionNotProven(cause),
            HandshakeFailure::Incompatible(
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
            ) => Self::VersionTooOld,
            HandshakeFailure::Incompatible(cause) => Self::Incompatible(cause),
            HandshakeFailure::Closed => Self::Closed,
            HandshakeFailure::Protocol(cause) => Self::Protocol(cause),
            HandshakeFailure::Io(cause) => Self::Io(cause),
        }
    }
}
