//! An account of DM 1.x as the store keeps it: one credential row, in which every secret and nonce of both directions is sealed.

use omadm_bootstrap::generation::{Generation, Standing};
use omadm_bootstrap::{EventId, Utc};
use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::{
    AccountFacts, Brought, ClientNonces, DeviceModel, Dm1Delta, Failures, KeptSecret, LastEvent,
    ServerSide, WantedCommand1,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::held::{Held, Waits};
use super::models;
use crate::model::{Credential, CredentialProof};
use crate::node::Node;
use crate::seal::SealError;

/// What an account holds.
#[derive(Clone)]
pub(crate) struct Account {
    /// The server identifier.
    pub(crate) server_id: String,
    /// The type of the client's credential.
    pub(crate) credential: CredentialType,
    pub(crate) client_secrets: Vec<KeptSecret>,
    pub(crate) client_nonces: ClientNonces,
    /// None where the server does not prove itself.
    pub(crate) server: Option<ServerSide>,
    /// Name of the device's model; none where it is not told and none was detected.
    pub(crate) model: Option<String>,
    pub(crate) last_event: Option<LastEvent>,
    pub(crate) account_uri: Option<String>,
    /// Both secrets are to be replaced in the next session.
    pub(crate) rotate: bool,
    /// What waits for an operator.
    pub(crate) held: Option<Held>,
    /// What was replaced counts once more, by an operator's word.
    pub(crate) accepted: bool,
}

/// Why an account cannot be used. The store or the key is at fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the DM 1.x account cannot be opened: {0}")]
    Seal(#[from] SealError),
    #[error("the DM 1.x account is none that this version reads")]
    Unreadable,
}

/// The form under the seal.
#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    server_id: String,
    credential: String,
    client: Vec<SecretForm>,
    package_nonce: Option<String>,
    next_nonce: Option<String>,
    proofs: u64,
    server: Option<ServerForm>,
    model: Option<String>,
    last_event: Option<(EventId, u32)>,
    account_uri: Option<String>,
    rotate: bool,
    #[serde(default)]
    held: Option<HeldForm>,
    #[serde(default)]
    accepted: bool,
}

#[derive(Serialize, Deserialize)]
struct HeldForm {
    cause: String,
    since: i64,
    claimed: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ServerForm {
    credential: String,
    user: String,
    secrets: Vec<SecretForm>,
    nonce: Option<String>,
    boot_nonce: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SecretForm {
    secret: Vec<u8>,
    generation: String,
    escrowed: bool,
    revoked: bool,
    coming: bool,
    previous: bool,
    /// The bootstrap it came by.
    #[serde(default)]
    by: Option<EventId>,
    /// The first nonce beside it.
    #[serde(default)]
    nonce: Option<String>,
}

const VERSION: u32 = 1;

impl Account {
    /// Opens the account of a credential row.
    pub(crate) fn open(node: &Node, row: &Credential) -> Result<Self, AccountError> {
        let sealed = row.sealed.as_ref().ok_or(AccountError::Unreadable)?;
        let context = row.proof.seal_context(&row.dev_id);
        Self::read(&node.sealing.open(&context, sealed)?).ok_or(AccountError::Unreadable)
    }

    /// Seals it for its row.
    pub(crate) fn seal(
        &self,
        node: &Node,
        proof: &CredentialProof,
        dev_id: &DevId,
    ) -> Result<Vec<u8>, SealError> {
        node.sealing
            .seal(&proof.seal_context(dev_id), &self.write())
    }

    /// What the reducer is told.
    pub(crate) fn facts(
        &self,
        user: &str,
        dev_id: &DevId,
        failures: Failures,
        wanted: Vec<WantedCommand1>,
    ) -> AccountFacts {
        AccountFacts {
            user: user.to_owned(),
            dev_id: Some(dev_id.as_str().to_owned()),
            server_id: self.server_id.clone(),
            credential: self.credential,
            client_secrets: self.client_secrets.clone(),
            by_certificate: false,
            client_nonces: self.client_nonces.clone(),
            server: self.server.clone(),
            failures,
            model: self.device_model(),
            last_event: self.last_event.clone(),
            account_uri: self.account_uri.clone(),
            rotate: self.rotate,
            accepted: self.accepted,
            wanted,
        }
    }

    /// The peculiarities of the device.
    pub(crate) fn device_model(&self) -> DeviceModel {
        let named = self.model.as_ref().and_then(|name| models::named(name));
        named.cloned().unwrap_or_default()
    }

    /// Takes over what a step says of it; whether anything changed.
    pub(crate) fn take(&mut self, delta: &Dm1Delta) -> bool {
        let mut changed = delta.rotated;
        self.rotate &= !delta.rotated;
        if let Some(nonces) = &delta.client_nonces {
            self.client_nonces.clone_from(nonces);
            changed = true;
        }
        if let Some(secrets) = &delta.client_secrets {
            self.client_secrets.clone_from(secrets);
            changed = true;
        }
        if let Some(server) = &mut self.server {
            if let Some(nonce) = &delta.server_nonce {
                server.nonce = Some(nonce.clone());
                changed = true;
            }
            if let Some(secrets) = &delta.server_secrets {
                server.secrets.clone_from(secrets);
                changed = true;
            }
        }
        if delta.last_event.is_some() {
            self.last_event.clone_from(&delta.last_event);
            changed = true;
        }
        if delta.account_uri.is_some() {
            self.account_uri.clone_from(&delta.account_uri);
            changed = true;
        }
        if let (None, Some(dev_info)) = (&self.model, &delta.dev_info)
            && let Some(model) = models::detected(dev_info)
        {
            self.model = Some(model.name.clone());
            changed = true;
        }
        self.decided(delta.recovers_client()) || changed
    }

    /// Nothing that was provisioned counts again: what was replaced opens nothing, what is in use leaves escrow. Whether anything changed.
    pub(crate) fn revoke_boot(&mut self) -> bool {
        let mut changed = self.reject();
        let server = self.server.iter_mut().flat_map(|side| &mut side.secrets);
        for kept in self.client_secrets.iter_mut().chain(server) {
            let standing = &mut kept.standing;
            changed |= standing.escrowed;
            standing.escrowed = false;
            if standing.generation == Generation::Boot {
                changed |= !standing.revoked;
                standing.revoked = true;
            }
        }
        changed
    }

    fn write(&self) -> Secret {
        let form = Form {
            version: VERSION,
            server_id: self.server_id.clone(),
            credential: self.credential.aauth_type().to_owned(),
            client: self.client_secrets.iter().map(SecretForm::of).collect(),
            package_nonce: self.client_nonces.package.as_ref().map(Nonce::base64),
            next_nonce: self.client_nonces.next.as_ref().map(Nonce::base64),
            proofs: self.client_nonces.proofs,
            server: self.server.as_ref().map(|side| ServerForm {
                credential: side.credential.aauth_type().to_owned(),
                user: side.user.clone(),
                secrets: side.secrets.iter().map(SecretForm::of).collect(),
                nonce: side.nonce.as_ref().map(Nonce::base64),
                boot_nonce: side.boot_nonce.as_ref().map(Nonce::base64),
            }),
            model: self.model.clone(),
            last_event: self
                .last_event
                .as_ref()
                .map(|last| (last.id.clone(), last.seq)),
            account_uri: self.account_uri.clone(),
            rotate: self.rotate,
            held: self.held.as_ref().map(|held| HeldForm {
                cause: held.cause.name().to_owned(),
                since: held.since.0,
                claimed: held.claimed.clone(),
            }),
            accepted: self.accepted,
        };
        Secret::new(serde_json::to_vec(&form).unwrap_or_default())
    }

    fn read(text: &Secret) -> Option<Self> {
        let form: Form = serde_json::from_slice(text.expose()).ok()?;
        let nonce = |text: Option<String>| match text {
            Some(text) => Nonce::of_base64(&text).map(Some).ok(),
            None => Some(None),
        };
        let secrets = |forms: Vec<SecretForm>| {
            let read = forms.into_iter().map(SecretForm::kept);
            read.collect::<Option<Vec<_>>>()
        };
        let server = match form.server {
            None => None,
            Some(side) => Some(ServerSide {
                credential: CredentialType::of_account(&side.credential)?,
                user: side.user,
                secrets: secrets(side.secrets)?,
                nonce: nonce(side.nonce)?,
                boot_nonce: nonce(side.boot_nonce)?,
            }),
        };
        (form.version == VERSION).then_some(())?;
        Some(Self {
            server_id: form.server_id,
            credential: CredentialType::of_account(&form.credential)?,
            client_secrets: secrets(form.client)?,
            client_nonces: ClientNonces {
                package: nonce(form.package_nonce)?,
                next: nonce(form.next_nonce)?,
                proofs: form.proofs,
            },
            server,
            model: form.model,
            last_event: form.last_event.map(|(id, seq)| LastEvent { id, seq }),
            account_uri: form.account_uri,
            rotate: form.rotate,
            held: match form.held {
                None => None,
                Some(held) => Some(Held {
                    cause: Waits::ALL
                        .into_iter()
                        .find(|cause| cause.name() == held.cause)?,
                    since: Utc(held.since),
                    claimed: held.claimed,
                }),
            },
            accepted: form.accepted,
        })
    }
}

impl SecretForm {
    fn of(kept: &KeptSecret) -> Self {
        Self {
            secret: kept.secret.expose().to_vec(),
            generation: kept.standing.generation.name().to_owned(),
            escrowed: kept.standing.escrowed,
            revoked: kept.standing.revoked,
            coming: kept.standing.coming,
            previous: kept.previous,
            by: kept.brought.as_ref().map(|brought| brought.by.clone()),
            nonce: kept
                .brought
                .as_ref()
                .and_then(|brought| brought.nonce.as_ref())
                .map(Nonce::base64),
        }
    }

    fn kept(mut self) -> Option<KeptSecret> {
        let nonce = match self.nonce.take() {
            Some(text) => Some(Nonce::of_base64(&text).ok()?),
            None => None,
        };
        Some(KeptSecret {
            secret: Secret::new(std::mem::take(&mut self.secret)),
            standing: Standing {
                generation: Generation::from_name(&self.generation)?,
                escrowed: self.escrowed,
                revoked: self.revoked,
                coming: self.coming,
            },
            previous: self.previous,
            brought: self.by.take().map(|by| Brought { by, nonce }),
        })
    }
}

impl Drop for SecretForm {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A secret as a bootstrap, or an operator, gives it: in use, and brought back by whatever holds the bootstrap where that is kept.
pub(crate) const fn provisioned(secret: Secret, escrowed: bool) -> KeptSecret {
    KeptSecret {
        secret,
        standing: Standing {
            generation: Generation::Current,
            escrowed,
            revoked: false,
            coming: false,
        },
        previous: false,
        brought: None,
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::generation::Generation;
    use omadm_bootstrap::{EventId, Utc};
    use omadm_dm1::credential::{CredentialType, Nonce};
    use omadm_mo::Secret;
    use omadm_session::server::dm1::{Brought, ClientNonces, Dm1Delta, LastEvent, ServerSide};

    use super::{Account, Held, Waits, provisioned};

    fn nonce(octet: u8) -> Nonce {
        Nonce::new(vec![octet; 12]).unwrap()
    }

    fn account() -> Account {
        let secret = |octet: u8| provisioned(Secret::new(vec![octet; 32]), true);
        let mut brought = secret(5);
        brought.brought = Some(Brought {
            by: EventId::of([7; 16]),
            nonce: Some(nonce(6)),
        });
        Account {
            server_id: "dm.example.com".to_owned(),
            credential: CredentialType::Md5,
            client_secrets: vec![secret(0xff), secret(2)],
            client_nonces: ClientNonces {
                package: Some(nonce(1)),
                next: None,
                proofs: 7,
            },
            server: Some(ServerSide {
                credential: CredentialType::Mac,
                user: "dm".to_owned(),
                secrets: vec![secret(3), brought],
                nonce: None,
                boot_nonce: Some(nonce(4)),
            }),
            model: Some("Windows".to_owned()),
            last_event: Some(LastEvent {
                id: EventId::of([9; 16]),
                seq: 3,
            }),
            account_uri: Some("./DMAcc/1".to_owned()),
            rotate: true,
            held: Some(Held {
                cause: Waits::OtherDevice,
                since: Utc(7),
                claimed: Some("IMEI:1".to_owned()),
            }),
            accepted: true,
        }
    }

    #[test]
    fn an_account_is_read_as_it_was_written() {
        let written = account();
        let read = Account::read(&written.write()).unwrap();
        assert!(read.write() == written.write());
        assert_eq!(read.client_secrets, written.client_secrets);
        assert_eq!(read.client_nonces, written.client_nonces);
        assert_eq!(read.last_event, written.last_event);
        assert_eq!((read.held, read.accepted), (written.held, true));
        let server = read.server.unwrap();
        assert_eq!(server.boot_nonce, Some(nonce(4)));
        assert_eq!(server.secrets, account().server.unwrap().secrets);
        assert_eq!(server.credential, CredentialType::Mac);
        assert_eq!(read.model.as_deref(), Some("Windows"));
        assert!(Account::read(&Secret::from("{}".to_owned())).is_none());
    }

    #[test]
    fn what_a_step_says_is_taken_over_and_nothing_else() {
        let mut account = account();
        assert!(!account.take(&Dm1Delta::default()));
        let delta = Dm1Delta {
            rotated: true,
            server_nonce: Some(nonce(5)),
            client_nonces: Some(ClientNonces::default()),
            ..Dm1Delta::default()
        };
        assert!(account.take(&delta));
        assert!(!account.rotate);
        assert_eq!(account.client_nonces, ClientNonces::default());
        let server = account.server.unwrap();
        assert_eq!(server.nonce, Some(nonce(5)));
        assert_eq!(server.secrets.len(), 2);
    }

    #[test]
    fn what_was_provisioned_counts_no_more_once_it_is_revoked() {
        let mut account = account();
        account.client_secrets[1].standing.generation = Generation::Boot;
        assert!(account.revoke_boot());
        let all = &account.client_secrets;
        assert!(all.iter().all(|kept| !kept.standing.escrowed));
        assert!(!all[0].standing.revoked, "it is in use");
        assert!(all[1].standing.revoked);
        assert!(!account.revoke_boot());
    }
}
