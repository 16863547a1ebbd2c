//! The state directory of a DM Server: development CA, server certificate, sealing key, hash of the admin token, the
//! published CRL, and the SQLite store's file. Nodes of one deployment have copies of it, all but the store's file.
//!
//! Made as a whole on the first start; what is damaged or half made is refused with the file's name and never made anew.

mod crl;
mod files;
mod store_kind;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use omadm_bootstrap::Utc;
use omadm_mo::{DevId, Secret};
use omadm_tls::{
    CertificateRequest, CertificateRevocationListDer, CertificateValidity, ClientTrust,
    ClientTrustError, DevelopmentCa, DevelopmentCaError, Fingerprint, Identity, IdentityError,
    IssuedCertificate, pem,
};

pub(crate) use self::crl::serial_text;
use self::files::Mode;
pub use self::store_kind::StoreKind;
use crate::clock::unix_time;
use crate::entropy::{NoRandomness, random, token};
use crate::model::RevokedCertificate;

const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const SERVER_CERTIFICATE: &str = "server.crt";
const SERVER_KEY: &str = "server.key";
const RSA_CERTIFICATE: &str = "server-rsa.crt";
const RSA_KEY: &str = "server-rsa.key";
const SEALING_KEY: &str = "sealing.key";
const TOKEN_HASH: &str = "admin-token.sha256";
const CRL: &str = "devices.crl";
/// The SQLite file of a state directory.
pub const STORE: &str = "server.sqlite";
/// Written last: a directory without it was not made to its end.
const MARKER: &str = "omadm-state";
const MARKER_TEXT: &str = "omadm state 1\n";

const CA_NAME: &str = "omadm development CA";
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
const SERVER_LIFETIME: Duration = Duration::from_secs(2 * 365 * 86_400);

/// An open state directory.
pub struct StateDir {
    path: PathBuf,
    ca: DevelopmentCa,
    identity: Identity,
    sealing_key: Secret,
    token_hash: [u8; 32],
}

/// What came into being on the first start. The token is kept nowhere; it is to be printed once.
pub struct FirstStart {
    /// SHA-256 of the development CA's certificate.
    pub ca_fingerprint: Fingerprint,
    /// The admin token: base64url of 32 random octets.
    pub token: Secret,
}

impl fmt::Debug for FirstStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstStart")
            .field("ca_fingerprint", &self.ca_fingerprint)
            .finish_non_exhaustive()
    }
}

/// Why a state directory cannot be used. The operator or the environment is at fault; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The operating system failed on a file.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        cause: io::Error,
    },
    /// A file is missing.
    #[error("{} is missing; put it back from a backup, or start on an empty directory", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file does not hold what it has to.
    #[error("{} is damaged: {problem}; put it back from a backup, or start on an empty directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The directory holds something, but is no state directory, or its first start was cut short.
    #[error("{} is neither empty nor a complete state directory ({found} stands there, {MARKER} does not); name another or empty it", path.display())]
    NotAStateDirectory {
        /// The directory.
        path: PathBuf,
        /// One file found in it.
        found: String,
    },
    /// Another version of this program made it.
    #[error("{} is of another version ({found:?})", path.display())]
    OtherVersion {
        /// The marker.
        path: PathBuf,
        /// What stands in it.
        found: String,
    },
    /// The CA could not be made or did not sign.
    #[error("the development CA failed: {0}")]
    Ca(#[from] DevelopmentCaError),
    /// Anchors or CRL cannot be used.
    #[error("the CRL or the device CA cannot be used: {0}")]
    Trust(#[from] ClientTrustError),
    /// The store names a serial number that is none. The store is at fault.
    #[error(
        "no CRL can be signed: the store has {found:?} as the serial number of a revoked certificate"
    )]
    SerialNumber {
        /// What it names.
        found: String,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
}

impl StateDir {
    /// Whether a state directory was made here, to its end.
    #[must_use]
    pub fn is_made(path: &Path) -> bool {
        path.join(MARKER).exists()
    }

    /// Opens a state directory; makes one where the path does not exist or is empty. `names` are for the server certificate then.
    ///
    /// # Errors
    /// [`StateDirError`], which names the file.
    pub fn open_or_create(
        path: &Path,
        names: &[String],
        now: Utc,
    ) -> Result<(Self, Option<FirstStart>), StateDirError> {
        fs::create_dir_all(path).map_err(|cause| StateDirError::Io {
            path: path.to_owned(),
            cause,
        })?;
        if Self::is_made(path) {
            return Ok((Self::open(path)?, None));
        }
        if let Some(found) = files::entries(path)?.first() {
            let found = found
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            return Err(StateDirError::NotAStateDirectory {
                path: path.to_owned(),
                found,
            });
        }
        let token = Self::create(path, names, now)?;
        let opened = Self::open(path)?;
        let first = FirstStart {
            ca_fingerprint: opened.ca.fingerprint(),
            token,
        };
        Ok((opened, Some(first)))
    }

    fn create(path: &Path, names: &[String], now: Utc) -> Result<Secret, StateDirError> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|cause| {
            StateDirError::Io {
                path: path.to_owned(),
                cause,
            }
        })?;
        let now = unix_time(now);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ca = DevelopmentCa::create(CA_NAME, CertificateValidity::starting(now, CA_LIFETIME))?;
        let server =
            ca.issue_server(&names, CertificateValidity::starting(now, SERVER_LIFETIME))?;
        let token = token()?;
        let sealing_key = Secret::new(random::<32>()?.to_vec());
        let hash: String = digest(&SHA256, token.expose())
            .as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        files::write(path, CA_KEY, ca.key_pem().expose(), Mode::Private)?;
        files::write(
            path,
            CA_CERTIFICATE,
            ca.certificate_pem().as_bytes(),
            Mode::Public,
        )?;
        files::write(
            path,
            SERVER_KEY,
            pem::encode_private_key(server.key()).expose(),
            Mode::Private,
        )?;
        files::write(
            path,
            SERVER_CERTIFICATE,
            server.chain_pem().as_bytes(),
            Mode::Public,
        )?;
        files::write(path, SEALING_KEY, sealing_key.expose(), Mode::Private)?;
        files::write(
            path,
            TOKEN_HASH,
            format!("{hash}\n").as_bytes(),
            Mode::Private,
        )?;
        files::write(path, MARKER, MARKER_TEXT.as_bytes(), Mode::Public)?;
        Ok(token)
    }

    fn open(path: &Path) -> Result<Self, StateDirError> {
        let marker = files::read_text(path, MARKER)?;
        if marker != MARKER_TEXT {
            return Err(StateDirError::OtherVersion {
                path: path.join(MARKER),
                found: marker,
            });
        }
        let certificate = files::read_text(path, CA_CERTIFICATE)?;
        let key = Secret::from(files::read_text(path, CA_KEY)?);
        let ca = DevelopmentCa::from_pem(&certificate, text(&key)).map_err(|cause| {
            files::damaged(path, &format!("{CA_CERTIFICATE} or {CA_KEY}"), cause)
        })?;
        let identity = identity(path, SERVER_CERTIFICATE, SERVER_KEY)?;
        let sealing_key = Secret::new(files::read(path, SEALING_KEY)?);
        if sealing_key.len() != 32 {
            return Err(files::damaged(
                path,
                SEALING_KEY,
                "a sealing key has 32 octets",
            ));
        }
        let hash = files::read_text(path, TOKEN_HASH)?;
        let token_hash = *hash
            .trim_end()
            .parse::<Fingerprint>()
            .map_err(|_| files::damaged(path, TOKEN_HASH, "it holds no SHA-256"))?
            .octets();
        Ok(Self {
            path: path.to_owned(),
            ca,
            identity,
            sealing_key,
            token_hash,
        })
    }

    /// What the server proves itself with on both listeners.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the server proves itself with where a suite needs RSA (dm20.md §16.2), for the same names: the files `server-rsa.crt` and `server-rsa.key`,
    /// made where there is no such certificate yet. Only device listeners for such suites ask for it.
    ///
    /// # Errors
    /// [`StateDirError`], which names the file.
    pub fn rsa_identity(&self, now: Utc) -> Result<Identity, StateDirError> {
        if !self.path.join(RSA_CERTIFICATE).exists() {
            let validity = CertificateValidity::starting(unix_time(now), SERVER_LIFETIME);
            let Some(leaf) = self.identity.chain().first() else {
                return Err(files::damaged(
                    &self.path,
                    SERVER_CERTIFICATE,
                    "it is empty",
                ));
            };
            let made = self.ca.issue_rsa_twin(leaf, validity)?;
            let key = pem::encode_private_key(made.key());
            files::write(&self.path, RSA_KEY, key.expose(), Mode::Private)?;
            let chain = made.chain_pem();
            files::write(&self.path, RSA_CERTIFICATE, chain.as_bytes(), Mode::Public)?;
        }
        identity(&self.path, RSA_CERTIFICATE, RSA_KEY)
    }

    /// The development CA's certificate as PEM, for devices and operators to trust.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.ca.certificate_pem()
    }

    /// The development CA's certificate.
    #[must_use]
    pub const fn ca_certificate(&self) -> &omadm_tls::CertificateDer<'static> {
        self.ca.certificate()
    }

    /// SHA-256 of the development CA's certificate.
    #[must_use]
    pub fn ca_fingerprint(&self) -> Fingerprint {
        self.ca.fingerprint()
    }

    /// The key under which documents are sealed: 32 octets.
    #[must_use]
    pub const fn sealing_key(&self) -> &Secret {
        &self.sealing_key
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store's file, where the records are in SQLite and no other file was named.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Whether this is the admin token; compared in constant time.
    #[must_use]
    pub fn is_admin_token(&self, token: &[u8]) -> bool {
        let hash = digest(&SHA256, token);
        subtle::ConstantTimeEq::ct_eq(hash.as_ref(), self.token_hash.as_slice()).into()
    }

    /// Trusts the development CA, less what these CRLs list.
    ///
    /// # Errors
    /// [`StateDirError::Trust`] where a CRL is not of this CA.
    pub fn client_trust(
        &self,
        crls: &[CertificateRevocationListDer<'_>],
    ) -> Result<ClientTrust, StateDirError> {
        Ok(ClientTrust::new(&[self.ca.certificate().clone()], crls)?)
    }

    /// Signs a CRL. `number` has to be greater than that of every former one (RFC 5280 §5.2.3).
    ///
    /// # Errors
    /// [`StateDirError::SerialNumber`]; [`StateDirError::Ca`] where the CA fails.
    pub fn sign_crl(
        &self,
        revoked: &[RevokedCertificate],
        number: u64,
        now: Utc,
    ) -> Result<CertificateRevocationListDer<'static>, StateDirError> {
        crl::sign(&self.ca, revoked, number, now)
    }

    /// Writes a CRL to `devices.crl`, for publication. Nothing reads it here.
    ///
    /// # Errors
    /// [`StateDirError::Io`].
    pub fn publish_crl(&self, crl: &CertificateRevocationListDer<'_>) -> Result<(), StateDirError> {
        let text = pem::encode(pem::PemKind::CertificateRevocationList, crl);
        files::write(&self.path, CRL, text.as_bytes(), Mode::Public)
    }

    /// Issues a device certificate for the key of a request.
    ///
    /// # Errors
    /// [`StateDirError`] where the CA fails.
    pub fn issue_from_csr(
        &self,
        request: &CertificateRequest,
        dev_id: &DevId,
        now: Utc,
        lifetime: Duration,
    ) -> Result<IssuedCertificate, StateDirError> {
        Ok(self.ca.issue_from_csr(
            request,
            dev_id,
            CertificateValidity::starting(unix_time(now), lifetime),
        )?)
    }

    /// Issues a further certificate for the key of one that the device has (DER).
    ///
    /// # Errors
    /// [`StateDirError`] where the CA fails, or does not support the key.
    pub fn issue_for_key_of(
        &self,
        certificate: &[u8],
        dev_id: &DevId,
        now: Utc,
        lifetime: Duration,
    ) -> Result<IssuedCertificate, StateDirError> {
        Ok(self.ca.issue_for_key_of(
            certificate,
            dev_id,
            CertificateValidity::starting(unix_time(now), lifetime),
        )?)
    }

    /// Makes a key for a device and issues its certificate, where a profile carries it by design (D81).
    ///
    /// # Errors
    /// [`StateDirError`] where the CA fails.
    pub fn issue_for_generated_key(
        &self,
        dev_id: &DevId,
        now: Utc,
        lifetime: Duration,
    ) -> Result<(IssuedCertificate, Identity), StateDirError> {
        Ok(self.ca.issue_for_generated_key(
            dev_id,
            CertificateValidity::starting(unix_time(now), lifetime),
        )?)
    }
}

fn identity(path: &Path, certificate: &str, key_file: &str) -> Result<Identity, StateDirError> {
    let chain = files::read_text(path, certificate)?;
    let key = Secret::from(files::read_text(path, key_file)?);
    Identity::from_pem(&chain, text(&key)).map_err(|cause: IdentityError| {
        files::damaged(path, &format!("{certificate} or {key_file}"), cause)
    })
}

fn text(secret: &Secret) -> &str {
    std::str::from_utf8(secret.expose()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
