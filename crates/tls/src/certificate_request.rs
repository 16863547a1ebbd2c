use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use crate::pem::{self, PemError, PemKind};

/// A PKCS#10 certificate request whose signature was verified: its sender holds the private key. What it says about
/// its subject is a claim that nobody believes here; the operator names the DevID.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    der: CertificateSigningRequestDer<'static>,
    public_key: SubjectPublicKeyInfo,
    claimed_common_names: Vec<String>,
}

/// Why a request was not taken. Whoever made it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum CertificateRequestError {
    /// The PEM text was not read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not a DER PKCS#10 request, or octets follow it.
    #[error("not a PKCS#10 certificate request")]
    Malformed,
    /// The signature does not hold: whoever sent it does not hold the key, or the text was altered.
    #[error("the certificate request is not signed by the key it is for")]
    SignatureInvalid,
    /// The key is of a kind that is not accepted, or RSA shorter than 2048 bits.
    #[error(
        "the key of the certificate request is neither ECDSA, Ed25519 nor RSA of 2048 bits or more"
    )]
    KeyNotAccepted,
}

impl CertificateRequest {
    /// Reads a request (DER) and verifies that it is signed by the key it is for.
    ///
    /// # Errors
    /// [`CertificateRequestError`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateRequestError> {
        let Ok((rest, request)) = X509CertificationRequest::from_der(der) else {
            return Err(CertificateRequestError::Malformed);
        };
        if !rest.is_empty() {
            return Err(CertificateRequestError::Malformed);
        }
        let info = &request.certification_request_info;
        let public_key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw)
            .map_err(|_| CertificateRequestError::KeyNotAccepted)?;
        if let Ok(PublicKey::RSA(key)) = info.subject_pki.parsed()
            && key.key_size() < 2048
        {
            return Err(CertificateRequestError::KeyNotAccepted);
        }
        request
            .verify_signature()
            .map_err(|_| CertificateRequestError::SignatureInvalid)?;
        Ok(Self {
            der: CertificateSigningRequestDer::from(der.to_vec()),
            public_key,
            claimed_common_names: info
                .subject
                .iter_common_name()
                .map(|name| String::from_utf8_lossy(name.as_slice()).into_owned())
                .collect(),
        })
    }

    /// Reads a request (PEM), as [`CertificateRequest::from_der`].
    ///
    /// # Errors
    /// [`CertificateRequestError`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateRequestError> {
        Self::from_der(&pem::certificate_request(text)?)
    }

    /// The request as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The request as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(PemKind::CertificateRequest, &self.der)
    }

    /// The common names its sender claims, to show to the operator beside the DevID that was asked for.
    #[must_use]
    pub fn claimed_common_names(&self) -> &[String] {
        &self.claimed_common_names
    }

    pub(crate) const fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.public_key
    }
}
