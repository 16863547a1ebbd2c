//! Certificates, keys and CRLs as PEM text (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_mo::Secret;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, CertificateSigningRequestDer, PrivateKeyDer,
};
use zeroize::{Zeroize as _, Zeroizing};

/// Why PEM text was not read. Its author is at fault.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// No section of the wanted kind is in the text.
    #[error("no {0} section is in this PEM text")]
    Missing(&'static str),
    /// A section is not closed, not base64, or otherwise broken.
    #[error("broken PEM text: {0}")]
    Broken(#[source] rustls_pki_types::pem::Error),
}

/// What a PEM section holds, as far as this stack writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemKind {
    /// `CERTIFICATE`
    Certificate,
    /// `CERTIFICATE REQUEST`
    CertificateRequest,
    /// `X509 CRL`
    CertificateRevocationList,
}

impl PemKind {
    const fn label(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::CertificateRequest => "CERTIFICATE REQUEST",
            Self::CertificateRevocationList => "X509 CRL",
        }
    }
}

/// Writes DER as one PEM section with 64 characters a line.
#[must_use]
pub fn encode(kind: PemKind, der: &[u8]) -> String {
    String::clone(&section(kind.label(), der))
}

/// Writes a PKCS#8 private key as one PEM section.
#[must_use]
pub fn encode_private_key(pkcs8: &Secret) -> Secret {
    Secret::from(std::mem::take(&mut *section("PRIVATE KEY", pkcs8.expose())))
}

/// Reads all certificates of the text in their order; other sections are passed over.
///
/// # Errors
/// [`PemError`] where there is none or one is broken.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err(PemError::Missing("CERTIFICATE")),
        Ok(found) => Ok(found),
        Err(cause) => Err(PemError::Broken(cause)),
    }
}

/// Reads all CRLs of the text in their order; other sections are passed over.
///
/// # Errors
/// [`PemError`] where there is none or one is broken.
pub fn revocation_lists(
    text: &str,
) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err(PemError::Missing("X509 CRL")),
        Ok(found) => Ok(found),
        Err(cause) => Err(PemError::Broken(cause)),
    }
}

/// Reads the first private key: PKCS#8, SEC1 or PKCS#1, as DER in the same encoding.
///
/// # Errors
/// [`PemError`] where there is none or it is broken.
pub fn private_key(text: &str) -> Result<Secret, PemError> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(mut key) => {
            let der = Secret::new(key.secret_der().to_vec());
            key.zeroize();
            Ok(der)
        }
        Err(cause) => Err(sort_out(cause, "PRIVATE KEY")),
    }
}

/// Reads the first PKCS#10 certificate request as DER. Its signature is not looked at here.
///
/// # Errors
/// [`PemError`] where there is none or it is broken.
pub fn certificate_request(text: &str) -> Result<CertificateSigningRequestDer<'static>, PemError> {
    CertificateSigningRequestDer::from_pem_slice(text.as_bytes())
        .map_err(|cause| sort_out(cause, "CERTIFICATE REQUEST"))
}

fn sort_out(cause: rustls_pki_types::pem::Error, wanted: &'static str) -> PemError {
    match cause {
        rustls_pki_types::pem::Error::NoItemsFound => PemError::Missing(wanted),
        cause => PemError::Broken(cause),
    }
}

fn section(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Sized beforehand: a growing buffer would leave copies of a key behind.
    let mut text = Zeroizing::new(String::with_capacity(
        body.len() + body.len() / 64 + 2 * label.len() + 64,
    ));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::{PemError, PemKind, certificates, encode, private_key};

    #[test]
    fn what_was_written_is_read_back_in_order() {
        let one = encode(PemKind::Certificate, &[1; 200]);
        let two = encode(PemKind::Certificate, &[2; 48]);
        let read = certificates(&format!("noise\n{one}{two}")).unwrap();
        assert_eq!(
            read.iter().map(|der| der.len()).collect::<Vec<_>>(),
            [200, 48]
        );
        assert!(one.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn missing_and_broken_sections_are_told_apart() {
        assert!(matches!(
            certificates("nothing"),
            Err(PemError::Missing("CERTIFICATE"))
        ));
        let text = encode(PemKind::Certificate, &[1; 200]);
        assert!(matches!(
            certificates(&text[..text.len() - 10]),
            Err(PemError::Broken(_))
        ));
        assert!(matches!(
            private_key(&text),
            Err(PemError::Missing("PRIVATE KEY"))
        ));
    }
}
