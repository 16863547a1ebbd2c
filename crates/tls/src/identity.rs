use omadm_mo::Secret;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::pem::{self, PemError};

/// A certificate chain and the private key of its leaf: what one end proves itself with. No `Debug`, since it holds
/// the key.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Secret,
}

/// Why a chain and a key are no identity. Whoever configured them is at fault.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The PEM text was not read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The chain is empty.
    #[error("an identity has at least its own certificate")]
    NoCertificate,
    /// The key is not DER PKCS#8, SEC1 or PKCS#1.
    #[error("the private key is not PKCS#8, SEC1 or PKCS#1")]
    KeyMalformed,
    /// The key is of a kind TLS cannot use here, or does not belong to the leaf, or the leaf is malformed.
    #[error("certificate and private key cannot be used together: {0}")]
    Unusable(#[source] rustls::Error),
}

impl Identity {
    /// Takes a chain, leaf first, and the leaf's private key (DER; PKCS#8 per D44, SEC1 and PKCS#1 are read as well).
    ///
    /// # Errors
    /// [`IdentityError`] where they cannot prove anything together.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: Secret) -> Result<Self, IdentityError> {
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let identity = Self { chain, key };
        rustls::sign::CertifiedKey::from_der(
            identity.chain.clone(),
            identity.private_key()?,
            &crate::crypto_profile::provider(),
        )
        .map_err(IdentityError::Unusable)?;
        Ok(identity)
    }

    /// Reads the chain from one PEM text and the key from another, or both from the same.
    ///
    /// # Errors
    /// [`IdentityError`] where one of them is missing or they do not fit.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, IdentityError> {
        Self::new(pem::certificates(chain)?, pem::private_key(key)?)
    }

    /// The chain, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The leaf's private key as it was given (DER).
    #[must_use]
    pub const fn key(&self) -> &Secret {
        &self.key
    }

    /// The chain as PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain
            .iter()
            .map(|der| pem::encode(pem::PemKind::Certificate, der))
            .collect()
    }

    pub(crate) fn private_key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        PrivateKeyDer::try_from(self.key.expose().to_vec()).map_err(|_| IdentityError::KeyMalformed)
    }
}
