use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::Fingerprint;

/// By what a client recognises its server (dm20.md §16.4).
#[derive(Clone, Debug)]
pub struct ServerTrust {
    pub(crate) anchors: RootCertStore,
    pub(crate) accepted_leaves: Vec<CertificateDer<'static>>,
    pub(crate) accepted_fingerprints: Vec<Fingerprint>,
    pub(crate) crls: Vec<CertificateRevocationListDer<'static>>,
    pub(crate) pinned: bool,
}

/// Why a certificate or CRL was not taken. Whoever configured or bootstrapped it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ServerTrustError {
    /// Not a DER X.509 certificate, or octets follow it.
    #[error("certificate {position} of the server's trust is not an X.509 certificate")]
    Malformed {
        /// Its place in the list, from 0.
        position: usize,
    },
    /// A CRL that cannot be read.
    #[error("a CRL of the server's trust cannot be used: {0}")]
    Crl(#[source] rustls::server::VerifierBuilderError),
}

impl ServerTrust {
    /// Trusts what chains to one of these CA certificates (DER): local anchors and `Ext/Trust/<x>/Cert` (D80). Chain,
    /// validity and name are always checked. None at all is allowed: every server is then refused.
    ///
    /// # Errors
    /// [`ServerTrustError::Malformed`] for the first that is no certificate.
    pub fn anchors(anchors: &[CertificateDer<'_>]) -> Result<Self, ServerTrustError> {
        let mut trust = Self {
            anchors: RootCertStore::empty(),
            accepted_leaves: Vec::new(),
            accepted_fingerprints: Vec::new(),
            crls: Vec::new(),
            pinned: false,
        };
        for (position, der) in anchors.iter().enumerate() {
            trust.add_anchor(der, position)?;
        }
        Ok(trust)
    }

    /// Trusts this certificate (DER) and nothing else (D78): a server that presents it is accepted as it is; if it is
    /// a CA certificate, so is a server that chains to it and bears the name.
    ///
    /// # Errors
    /// [`ServerTrustError::Malformed`] where it is no certificate.
    pub fn pinned(certificate: &CertificateDer<'_>) -> Result<Self, ServerTrustError> {
        let mut trust = Self::anchors(&[])?.with_server_key(certificate)?;
        trust.pinned = true;
        Ok(trust)
    }

    /// Adds a `ServerPubKey` to anchors (D80): as [`ServerTrust::pinned`], but what was trusted before stays trusted.
    ///
    /// # Errors
    /// [`ServerTrustError::Malformed`] where it is no certificate.
    pub fn with_server_key(
        mut self,
        certificate: &CertificateDer<'_>,
    ) -> Result<Self, ServerTrustError> {
        if is_ca(certificate).ok_or(ServerTrustError::Malformed { position: 0 })? {
            self.add_anchor(certificate, 0)?;
        }
        self.accepted_leaves.push(certificate.clone().into_owned());
        Ok(self)
    }

    /// Adds certificates by their fingerprints: a peer that proves one of them is accepted as it is, whatever name it bears.
    #[must_use]
    pub fn with_fingerprints(mut self, fingerprints: &[Fingerprint]) -> Self {
        self.accepted_fingerprints.extend(fingerprints);
        self
    }

    /// Adds CRLs (DER) of the anchors. A certificate on which they are silent is not refused for that.
    #[must_use]
    pub fn with_crls(mut self, crls: &[CertificateRevocationListDer<'_>]) -> Self {
        self.crls.extend(
            crls.iter()
                .map(|crl| CertificateRevocationListDer::from(crl.as_ref().to_vec())),
        );
        self
    }

    fn add_anchor(
        &mut self,
        der: &CertificateDer<'_>,
        position: usize,
    ) -> Result<(), ServerTrustError> {
        self.anchors
            .add(der.clone().into_owned())
            .map_err(|_| ServerTrustError::Malformed { position })
    }
}

fn is_ca(der: &CertificateDer<'_>) -> Option<bool> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then(|| certificate.is_ca())
}
