//! The pre-shared keys a node knows: what the store has, opened, in the memory of its PSK listeners (DESIGN §7). A handshake never asks the store.

use std::sync::{Arc, Mutex, PoisonError};

use omadm_bootstrap::Utc;
use omadm_mo::Secret;
use omadm_tls::{Psk, PskIdentity, PskKeys};

use crate::model::{CredentialProof, PskRow};
use crate::node::Node;
use crate::store::StoreError;

/// How far back each reading goes behind the one before: for clocks of other nodes, and for commits that took their time.
const OVERLAP_MS: i64 = 60_000;

/// So many keys of one identity count at a time: the one in use, and the one that takes its place. Of two a device has the right one after one failed handshake at
/// most.
pub(crate) const MOST_KEYS: usize = 2;

/// The keys, and up to when the store was read.
#[derive(Default)]
pub(crate) struct PskBook {
    keys: Arc<PskKeys>,
    /// None where no listener needs them.
    read_until: Mutex<Option<Utc>>,
}

impl PskBook {
    /// What a listener reads. Whoever puts a key in here spares it the wait for the next round.
    pub(crate) const fn keys(&self) -> &Arc<PskKeys> {
        &self.keys
    }

    /// A key that is about to be stored, so that its device does not wait for the next round. Where it is not stored after all it opens nothing: the
    /// handshake proves possession, and the records say whose it is.
    pub(crate) fn expect(&self, identity: &str, key: &Secret) {
        let is_read = |until: &Option<Utc>| until.is_some();
        if is_read(
            &self
                .read_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        ) && let Ok(psk) = Psk::new(identity.as_bytes(), key.clone())
        {
            self.keys.put(psk);
        }
    }
}

impl Node {
    /// Reads every key; from now on each round of the housekeeping reads what is new.
    pub(crate) async fn read_psks(&self) -> Result<(), StoreError> {
        self.read_psks_since(Utc(0)).await
    }

    /// Reads what was added. A key that was revoked stays: its device learns the cause as an answer, not as a broken handshake.
    pub(crate) async fn refresh_psks(&self) -> Result<(), StoreError> {
        let until = *self.read_until();
        match until {
            Some(until) => self.read_psks_since(until.plus_millis(-OVERLAP_MS)).await,
            None => Ok(()),
        }
    }

    async fn read_psks_since(&self, since: Utc) -> Result<(), StoreError> {
        let now = self.now();
        for row in self.store.psks(since).await? {
            match self.open_psk(&row) {
                Ok(psk) => {
                    let identity = psk.identity().clone();
                    self.psks.keys.put(psk);
                    if self.psks.keys.count(&identity) > MOST_KEYS {
                        self.forget_revoked(&row, &identity).await?;
                    }
                }
                Err(problem) => {
                    tracing::error!(device = %row.dev_id, identity = ?row.identity, problem, "a pre-shared key of the records cannot be used");
                }
            }
        }
        *self.read_until() = Some(now);
        Ok(())
    }

    /// A handshake is tried with one key after the other, so what is over makes room for what is newer.
    async fn forget_revoked(&self, row: &PskRow, identity: &PskIdentity) -> Result<(), StoreError> {
        let known = self.store.credentials(&row.dev_id).await?;
        let live = known.iter().filter(|one| one.revoked_at.is_none());
        let numbers: Vec<u32> = live
            .filter_map(|one| match &one.proof {
                CredentialProof::Psk { identity, nr } if *identity == row.identity => Some(*nr),
                _ => None,
            })
            .collect();
        self.psks.keys.keep(identity, &numbers);
        Ok(())
    }

    fn open_psk(&self, row: &PskRow) -> Result<Psk, String> {
        let proof = CredentialProof::Psk {
            identity: row.identity.clone(),
            nr: row.nr,
        };
        let key = self
            .sealing
            .open(&proof.seal_context(&row.dev_id), &row.sealed)
            .map_err(|error| error.to_string())?;
        let psk = Psk::new(row.identity.as_bytes(), key).map_err(|error| error.to_string())?;
        Ok(psk.numbered(row.nr))
    }

    fn read_until(&self) -> std::sync::MutexGuard<'_, Option<Utc>> {
        self.psks
            .read_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
