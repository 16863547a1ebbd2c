use std::path::{Path, PathBuf};

use omadm_bootstrap::profile::{CredentialKind, IssuedCredential};
use omadm_mo::Secret;
use omadm_tls::{Identity, IdentityError, pem};
use zeroize::Zeroizing;

/// Why a credential of a table cannot be used. Whoever made the table is at fault. No value is repeated.
#[derive(Debug, thiserror::Error)]
pub enum CredentialFileError {
    /// A file that it names cannot be read.
    #[error("{}: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Certificate and key are no pair.
    #[error(transparent)]
    Pair(#[from] IdentityError),
    /// Not a certificate or key in PEM.
    #[error(transparent)]
    Pem(#[from] pem::PemError),
    /// A text that is not hexadecimal.
    #[error("not an even number of hexadecimal digits")]
    Hex,
}

/// The text itself where it is PEM, else that of the file it names.
pub(crate) fn pem_text(
    value: &str,
    folder: &Path,
) -> Result<Zeroizing<String>, CredentialFileError> {
    if value.starts_with("-----BEGIN") {
        return Ok(Zeroizing::new(value.to_owned()));
    }
    let file = folder.join(value);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(cause) => Err(CredentialFileError::Read { file, cause }),
    }
}

/// A certificate with its key; the leaf alone goes into the account (D44).
pub(crate) fn certificate(cert: &str, key: &str) -> Result<IssuedCredential, CredentialFileError> {
    let identity = Identity::from_pem(cert, key)?;
    let leaf = pem::certificates(cert)?.remove(0);
    Ok(IssuedCredential {
        kind: CredentialKind::X509,
        public: leaf.to_vec(),
        secret: identity.key().clone(),
    })
}

pub(crate) fn psk(identity: &str, key: &str) -> Result<IssuedCredential, CredentialFileError> {
    Ok(IssuedCredential {
        kind: CredentialKind::Psk,
        public: identity.as_bytes().to_vec(),
        secret: Secret::new(hex(key)?),
    })
}

pub(crate) fn hex(digits: &str) -> Result<Vec<u8>, CredentialFileError> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(CredentialFileError::Hex);
    }
    let octet = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let octets: Option<_> = (0..digits.len()).step_by(2).map(octet).collect();
    octets.ok_or(CredentialFileError::Hex)
}
