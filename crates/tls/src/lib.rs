//! TLS for both ends: acceptor, connector, peer identity, trust anchors, development CA, CRL.
//!
//! The handshake of the [`Acceptor`] proves possession only; [`ClientTrust`] judges the chain afterwards, and can do so
//! again at any time, so that a refusal is explained and a revocation takes effect at once (DESIGN §5, dm20.md §3.5).
//! The [`Connector`] always checks chain, validity and name of the server, or finds the pinned certificate
//! (dm20.md §16.4, D78, D80). Both ends speak TLS 1.2 and 1.3 with the suites of D66; with the feature `psk` a listener
//! can also be of [`TlsProfile::Psk`] or [`TlsProfile::Legacy`], and a connector can use a [`Psk`] (dm20.md §16.2).

mod accept_error;
mod acceptor;
mod caller_trust;
mod certificate;
mod certificate_request;
mod client_trust;
mod connect_error;
mod connector;
mod crypto_profile;
mod dev_id_uri;
mod development_ca;
mod device_key;
mod entropy;
mod fingerprint;
mod handshake_failure;
mod identity;
mod issued_certificate;
#[cfg(feature = "psk")]
mod openssl;
mod peer_alert;
mod peer_identity;
pub mod pem;
mod possession_verifier;
mod profile;
mod psk;
mod psk_keys;
mod psk_suite;
mod sealing;
mod serial_number;
mod server_trust;
mod server_verifier;
mod stream;
mod verdict;

pub use accept_error::{AcceptError, AcceptorSetupError};
pub use acceptor::{Accepted, Acceptor, AcceptorConfig};
pub use caller_trust::{CallerTrust, CallerTrustError};
pub use certificate::{Leaf, PeerCertificates, ValidityState};
pub use certificate_request::{CertificateRequest, CertificateRequestError};
pub use client_trust::{ClientTrust, ClientTrustError, LiveClientTrust};
pub use connect_error::{ConnectError, ConnectorSetupError, ServerDistrust};
pub use connector::{Connector, ConnectorConfig};
pub use dev_id_uri::is_well_formed_uri;
pub use development_ca::{DevelopmentCa, DevelopmentCaError};
pub use device_key::{DeviceKey, DeviceKeyError};
pub use entropy::{NoRandomness, random};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::{Identity, IdentityError};
pub use issued_certificate::{CertificateValidity, IssuedCertificate, Revocation};
pub use peer_alert::PeerAlert;
pub use peer_identity::PeerIdentity;
pub use profile::{ListenerProfile, ProfileUnsupported, TlsProfile, TlsSupport};
pub use psk::{Psk, PskError, PskIdentity};
pub use psk_keys::PskKeys;
pub use psk_suite::PskSuite;
pub use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
pub use sealing::{Sealed, SealingError, SealingKey};
pub use serial_number::SerialNumber;
pub use server_trust::{ServerTrust, ServerTrustError};
pub use stream::{AcceptedStream, ConnectedStream, TlsStream};
pub use verdict::Verdict;
