//! What bootstraps bring to an account: secrets that wait until the device uses them (`dm1x.md` §5.9). Several may be on their way, since a push may come late or
//! out of order; the first that is used ends those before it.

use omadm_bootstrap::EventId;
use omadm_bootstrap::generation::{Generation, Standing};
use omadm_mo::Secret;
use omadm_session::server::dm1::{Brought, ClientNonces, KeptSecret, ServerSide};

use super::Account;
use super::issue::Issue;
use crate::model::{BootstrapRecord, BootstrapState};

/// Most secrets of a direction: so many are looked at when a device proves itself, and a rotation needs a place.
const MOST: usize = 7;

/// Why a bootstrap does not fit the account that the device has. The operator or the profile is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Clash {
    /// It is of another server.
    #[error("the device has a DM 1.x account of {has}, and the profile is of {wanted}")]
    Server {
        /// The account's.
        has: String,
        /// The profile's.
        wanted: String,
    },
    /// It is proven otherwise.
    #[error(
        "the device's DM 1.x account is proven otherwise than the profile says: {has} in place of {wanted}"
    )]
    Credential {
        /// The account's type.
        has: &'static str,
        /// The profile's.
        wanted: &'static str,
    },
    /// A card or image may bring back as many secrets as are looked at.
    #[error("the device's DM 1.x account has as many secrets that can come back as are looked at")]
    Full,
}

impl Account {
    /// The account that a first bootstrap makes.
    pub(crate) fn issued(issue: &Issue, by: &EventId, escrowed: bool) -> Self {
        let drawn = &issue.credentials;
        let nonce = drawn.server_nonce.clone();
        Self {
            server_id: issue.server_id.clone(),
            credential: issue.client,
            client_secrets: vec![waiting(&drawn.client_secret, by, None, escrowed)],
            client_nonces: ClientNonces {
                package: Some(drawn.client_nonce.clone()),
                next: None,
                proofs: 0,
            },
            server: issue.server.map(|credential| ServerSide {
                credential,
                user: issue.server_id.clone(),
                secrets: vec![waiting(
                    &drawn.server_secret,
                    by,
                    Some(nonce.clone()),
                    escrowed,
                )],
                nonce: Some(nonce.clone()),
                boot_nonce: Some(nonce),
            }),
            model: None,
            last_event: None,
            account_uri: None,
            rotate: false,
            held: None,
            accepted: false,
        }
    }

    /// Adds what a further bootstrap brings. What is in use stays so until the device used the new.
    pub(crate) fn bring(
        &mut self,
        issue: &Issue,
        by: &EventId,
        escrowed: bool,
    ) -> Result<(), Clash> {
        if self.server_id != issue.server_id {
            return Err(Clash::Server {
                has: self.server_id.clone(),
                wanted: issue.server_id.clone(),
            });
        }
        if self.credential != issue.client {
            return Err(Clash::Credential {
                has: self.credential.aauth_type(),
                wanted: issue.client.aauth_type(),
            });
        }
        let has = self.server.as_ref().map(|side| side.credential);
        if has != issue.server {
            let named = |kind: Option<omadm_dm1::credential::CredentialType>| {
                kind.map_or("none", |kind| kind.aauth_type())
            };
            return Err(Clash::Credential {
                has: named(has),
                wanted: named(issue.server),
            });
        }
        let in_server = self.server.as_ref().map_or(0, |side| side.secrets.len());
        if self.client_secrets.len().max(in_server) >= MOST {
            return Err(Clash::Full);
        }
        let drawn = &issue.credentials;
        self.client_secrets
            .push(waiting(&drawn.client_secret, by, None, escrowed));
        self.client_nonces.package = Some(drawn.client_nonce.clone());
        if let Some(side) = &mut self.server {
            let nonce = Some(drawn.server_nonce.clone());
            side.secrets
                .push(waiting(&drawn.server_secret, by, nonce, escrowed));
        }
        Ok(())
    }

    /// Whether a bootstrap's secret waits for its first use.
    pub(crate) fn awaits(&self) -> bool {
        self.all().any(|kept| waits(kept).is_some())
    }

    /// The bootstrap that brought what the device proves itself with.
    pub(crate) fn in_use(&self) -> Option<&EventId> {
        let mut current = self.client_secrets.iter();
        let current = current.find(|kept| {
            kept.standing.generation == Generation::Current
                && !kept.previous
                && !kept.standing.revoked
        })?;
        current.brought.as_ref().map(|brought| &brought.by)
    }

    /// Whether what this bootstrap brought still counts, or can come back.
    pub(crate) fn can_bring_back(&self, by: &EventId) -> bool {
        self.client_secrets.iter().any(|kept| {
            let own = kept
                .brought
                .as_ref()
                .is_some_and(|brought| brought.by == *by);
            own && kept.standing.escrowed && !kept.standing.revoked
        })
    }

    /// Whether this bootstrap brought a secret that was not used yet.
    pub(crate) fn awaits_of(&self, by: &EventId) -> bool {
        self.client_secrets
            .iter()
            .any(|kept| waits(kept) == Some(by))
    }

    /// Drops what bootstraps brought that ended without completion: what a card or image can bring back stays as that, the rest opens nothing any more. Whether
    /// anything changed.
    pub(crate) fn drop_ended(&mut self, is_over: impl Fn(&EventId) -> bool) -> bool {
        let mut changed = false;
        let mut of = |secrets: &mut Vec<KeptSecret>| {
            secrets.retain_mut(|kept| {
                let Some(true) = waits(kept).map(&is_over) else {
                    return true;
                };
                changed = true;
                kept.standing.generation = Generation::Boot;
                kept.standing.coming = false;
                kept.standing.escrowed
            });
        };
        of(&mut self.client_secrets);
        if let Some(side) = &mut self.server {
            of(&mut side.secrets);
        }
        changed
    }

    fn all(&self) -> impl Iterator<Item = &KeptSecret> {
        let server = self.server.iter().flat_map(|side| &side.secrets);
        self.client_secrets.iter().chain(server)
    }
}

/// Whether the bootstrap of this id ended, and nothing that it brought was used. An expired one opens nothing, though no sweep saw it yet (§5.9).
pub(crate) fn is_over(
    records: &[BootstrapRecord],
    id: &EventId,
    now: omadm_bootstrap::Utc,
) -> bool {
    let record = records.iter().find(|record| record.id.0 == *id);
    record.is_none_or(|record| {
        record.state != BootstrapState::Completed
            && (record.state.is_terminal() || record.expires_at <= now)
    })
}

fn waits(kept: &KeptSecret) -> Option<&EventId> {
    let brought = kept.brought.as_ref()?;
    (kept.standing.generation == Generation::Pending).then_some(&brought.by)
}

fn waiting(
    secret: &Secret,
    by: &EventId,
    nonce: Option<omadm_dm1::credential::Nonce>,
    escrowed: bool,
) -> KeptSecret {
    KeptSecret {
        secret: secret.clone(),
        standing: Standing {
            generation: Generation::Pending,
            escrowed,
            revoked: false,
            coming: true,
        },
        previous: false,
        brought: Some(Brought {
            by: by.clone(),
            nonce,
        }),
    }
}
