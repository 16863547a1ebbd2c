use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::crypto_profile::provider;

/// Accepts any client certificate whose private key signed the handshake: the chain is judged afterwards (DESIGN §5).
/// The certificate is asked for, not insisted on, and no CA names are hinted, so that every client sends what it has.
#[derive(Debug)]
pub(crate) struct PossessionVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    max_chain_bytes: usize,
}

/// More chain than the limit: refused within the handshake, since the chain would be kept in the session ticket.
#[derive(Debug, thiserror::Error)]
#[error("certificate chain of {bytes} bytes, the limit is {limit}")]
pub(crate) struct OversizedChain {
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

impl PossessionVerifier {
    pub(crate) fn new(max_chain_bytes: usize) -> Self {
        Self {
            algorithms: provider().signature_verification_algorithms,
            max_chain_bytes,
        }
    }
}

impl ClientCertVerifier for PossessionVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes = intermediates
            .iter()
            .fold(end_entity.len(), |sum, der| sum.saturating_add(der.len()));
        if bytes > self.max_chain_bytes {
            let cause = OversizedChain {
                bytes,
                limit: self.max_chain_bytes,
            };
            return Err(CertificateError::Other(OtherError(Arc::new(cause))).into());
        }
        Ok(ClientCertVerified::assertion())
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
