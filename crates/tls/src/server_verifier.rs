use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::crypto_profile::provider;
use crate::{ConnectError, Fingerprint, ServerDistrust, ServerTrust, ServerTrustError};

/// Chain, validity and name, or an equal accepted leaf (D78, D80).
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    accepted_leaves: Vec<CertificateDer<'static>>,
    accepted_fingerprints: Vec<Fingerprint>,
    pinned: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    pub(crate) fn new(trust: ServerTrust) -> Result<Self, ServerTrustError> {
        let chain = if trust.anchors.is_empty() {
            None
        } else {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(trust.anchors), provider())
                    .with_crls(trust.crls)
                    .allow_unknown_revocation_status()
                    .build()
                    .map_err(ServerTrustError::Crl)?;
            Some(verifier)
        };
        Ok(Self {
            chain,
            accepted_leaves: trust.accepted_leaves,
            accepted_fingerprints: trust.accepted_fingerprints,
            pinned: trust.pinned,
            algorithms: provider().signature_verification_algorithms,
        })
    }

    /// Judges a server beside a handshake of rustls: of a session that is resumed, or of OpenSSL.
    pub(crate) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Result<(), ConnectError> {
        match self.verify_server_cert(leaf, intermediates, name, &[], UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(cause)) => {
                Err(ConnectError::ServerNotTrusted(ServerDistrust::of(cause)))
            }
            Err(cause) => Err(ConnectError::Protocol(cause)),
        }
    }
}

#[cfg(feature = "psk")]
impl ServerVerifier {
    /// Whether no certificate at all would be taken.
    pub(crate) fn believes_nobody(&self) -> bool {
        self.chain.is_none() && self.accepted_leaves.is_empty()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.accepted_leaves.iter().any(|leaf| leaf == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        if !self.accepted_fingerprints.is_empty()
            && self
                .accepted_fingerprints
                .contains(&Fingerprint::of(end_entity))
        {
            return Ok(ServerCertVerified::assertion());
        }
        let judged = match &self.chain {
            Some(chain) => {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match judged {
            // A signature that does not fit the anchor's key means another CA that bears the same name. The error of a
            // pin is this verifier's own; `ServerDistrust` reads it back.
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => {
                let cause = if self.pinned {
                    CertificateError::ApplicationVerificationFailure
                } else {
                    CertificateError::UnknownIssuer
                };
                Err(cause.into())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
