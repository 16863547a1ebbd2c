//! From a profile to the final bytes for one device: makes what the profile needs, and builds.

use omadm_bootstrap::Utc;
use omadm_bootstrap::profile::{
    BuildError, CredentialKind, CredentialSlot, HttpLogin, IssuedCredential, Need,
    NotificationSecret, ProfileInputs,
};
use omadm_mo::{DevId, Secret, SrvId};
use omadm_tls::{IssuedCertificate, ProfileUnsupported, TlsProfile, TlsSupport};

use crate::entropy::{NoRandomness, fresh_name, random, token};
use crate::model::CredentialScope;
use crate::node::Node;
use crate::profiles::Profile;
use crate::state_dir::StateDirError;

/// A document with what became known while it was built.
pub(super) struct Built {
    pub(super) document: Secret,
    pub(super) srv_id: SrvId,
    pub(super) has_trsp: bool,
    pub(super) issued: Vec<Issued>,
}

/// A credential that the document brings.
pub(super) struct Issued {
    pub(super) credential: Made,
    pub(super) scope: CredentialScope,
}

/// What was made. Secrets are in it where the server needs them again.
pub(super) enum Made {
    Certificate(IssuedCertificate),
    Psk {
        identity: String,
        key: Secret,
    },
    HttpUser {
        user: String,
        password: Secret,
    },
    Notification {
        id: [u8; 16],
        secret: NotificationSecret,
    },
}

/// Why a document was not built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    /// The profile is at fault.
    #[error("profile {profile}: {cause}")]
    Profile {
        /// Its name.
        profile: String,
        /// What is wrong with it.
        #[source]
        cause: Box<BuildError>,
    },
    /// The profile brings pre-shared keys, which this build has not.
    #[error("profile {profile}: {cause}")]
    NoPsk {
        /// Its name.
        profile: String,
        /// What is missing.
        #[source]
        cause: ProfileUnsupported,
    },
    /// The CA failed.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
}

impl DocumentError {
    /// Whether the profile's author has to act.
    pub(crate) const fn is_of_profile(&self) -> bool {
        matches!(self, Self::Profile { .. } | Self::NoPsk { .. })
    }
}

/// Builds the document of one device; certificates and secrets in it are made here, each for this document alone.
pub(super) fn build(
    node: &Node,
    profile: &Profile,
    dev_id: &DevId,
    now: Utc,
) -> Result<Built, DocumentError> {
    let mut inputs = ProfileInputs {
        ddfs: profile.ddfs.clone(),
        ..ProfileInputs::new(dev_id.clone(), node.public_server.clone())
    };
    let mut issued = Vec::new();
    for need in profile.content.needs() {
        match need {
            // Read with the profile.
            Need::Ddf(_) => {}
            Need::Credential(slot, CredentialKind::X509) => {
                let (certificate, identity) = node.state.issue_for_generated_key(
                    dev_id,
                    now,
                    node.config.certificate_lifetime,
                )?;
                let credential = IssuedCredential {
                    kind: CredentialKind::X509,
                    public: certificate.der.to_vec(),
                    secret: identity.key().clone(),
                };
                inputs.credentials.insert(slot, credential);
                issued.push(Issued {
                    credential: Made::Certificate(certificate),
                    scope: scope(slot),
                });
            }
            Need::Credential(slot, CredentialKind::Psk) => {
                TlsSupport::of_this_build()
                    .require(TlsProfile::Psk)
                    .map_err(|cause| DocumentError::NoPsk {
                        profile: profile.name.clone(),
                        cause,
                    })?;
                let (identity, key) = (fresh_name()?, Secret::new(random::<32>()?.to_vec()));
                let credential = IssuedCredential {
                    kind: CredentialKind::Psk,
                    public: identity.clone().into_bytes(),
                    secret: key.clone(),
                };
                inputs.credentials.insert(slot, credential);
                issued.push(Issued {
                    credential: Made::Psk { identity, key },
                    scope: scope(slot),
                });
            }
            Need::HttpLogin => {
                let (user, password) = (fresh_name()?, token()?);
                inputs.http = Some(HttpLogin {
                    user: user.clone(),
                    password: password.clone(),
                });
                issued.push(Issued {
                    credential: Made::HttpUser { user, password },
                    scope: CredentialScope::Session,
                });
            }
            Need::NotificationSecret => {
                let (secret, data) = (random::<32>()?, random::<8>()?);
                let secret = NotificationSecret {
                    data: data.to_vec(),
                    secret: Secret::new(secret.to_vec()),
                };
                inputs.notification = Some(secret.clone());
                issued.push(Issued {
                    credential: Made::Notification {
                        id: random()?,
                        secret,
                    },
                    scope: CredentialScope::Notification,
                });
            }
            Need::ServerCa => inputs.server_ca = Some(node.state.ca_certificate().to_vec()),
        }
    }
    let wrong = |cause| DocumentError::Profile {
        profile: profile.name.clone(),
        cause: Box::new(cause),
    };
    let account = profile.content.dm_acc(&inputs).map_err(wrong)?;
    let package = profile
        .content
        .build(&inputs, &node.registry)
        .map_err(wrong)?;
    Ok(Built {
        document: Secret::new(package.document().to_vec()),
        srv_id: account.srv_id,
        has_trsp: account.trsp.is_some(),
        issued,
    })
}

const fn scope(slot: CredentialSlot) -> CredentialScope {
    match slot {
        CredentialSlot::Bootstrap => CredentialScope::Bootstrap,
        CredentialSlot::Trsp => CredentialScope::Session,
    }
}
