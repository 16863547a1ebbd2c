use std::collections::BTreeSet;

use omadm_bootstrap::generation::{Change, Decision, Standing, consequences};
use omadm_mo::SrvId;

use crate::identity::fingerprint_of;
use crate::model::{
    BootstrapRecord, CommandId, Credential, CredentialChange, CredentialProof, CredentialScope,
    Device, EventKind, ExchangeDelta, Generation, RecordId, of_dm2,
};
use crate::node::{Node, event};
use crate::store::StoreError;

/// What the records have of a device's secrets, as it is while a delta is made: a change stands here and in the delta alike.
pub(crate) struct Book {
    /// Oldest first.
    credentials: Vec<Credential>,
    /// Newest first.
    records: Vec<BootstrapRecord>,
    /// Commands that are not answered.
    open: BTreeSet<CommandId>,
}

impl Book {
    pub(crate) async fn read(node: &Node, device: &Device) -> Result<Self, StoreError> {
        let open = if device.open_commands > 0 {
            node.store.open_commands(&device.dev_id).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            credentials: node.store.credentials(&device.dev_id).await?,
            records: of_dm2(node.store.bootstraps_of(&device.dev_id).await?),
            open: open.into_iter().map(|command| command.id).collect(),
        })
    }

    pub(crate) fn credentials(&self) -> &[Credential] {
        &self.credentials
    }

    pub(crate) fn records(&self) -> &[BootstrapRecord] {
        &self.records
    }

    pub(crate) fn record(&self, id: &RecordId) -> Option<&BootstrapRecord> {
        self.records.iter().find(|record| record.id == *id)
    }

    /// A record as it is now.
    pub(crate) fn set_record(&mut self, record: BootstrapRecord) {
        let known = self.records.iter_mut().find(|known| known.id == record.id);
        if let Some(known) = known {
            *known = record;
        }
    }

    pub(crate) fn credential(&self, proof: &CredentialProof) -> Option<&Credential> {
        self.credentials.iter().find(|known| known.proof == *proof)
    }

    /// The account that a secret belongs to; none of one that no bootstrap of this server brought.
    pub(crate) fn account_of(&self, credential: &Credential) -> Option<&SrvId> {
        let record = self.record(credential.record.as_ref()?)?;
        Some(&record.srv_id)
    }

    /// Live secrets of a scope of an account, oldest first.
    pub(crate) fn live<'a>(
        &'a self,
        scope: CredentialScope,
        account: Option<&'a SrvId>,
    ) -> impl DoubleEndedIterator<Item = &'a Credential> {
        let issued = self.credentials.iter();
        issued.filter(move |one| {
            one.scope == scope && one.revoked_at.is_none() && self.account_of(one) == account
        })
    }

    /// Whether it may still reach the device: its command is not answered, or the bootstrap in whose document it stands has not ended.
    pub(crate) fn is_coming(&self, credential: &Credential) -> bool {
        match (&credential.command, &credential.record) {
            (Some(command), _) => self.open.contains(command),
            (None, Some(record)) => {
                let record = self.record(record);
                record.is_some_and(|record| !record.state.is_terminal())
            }
            (None, None) => false,
        }
    }

    /// What this command was to bring is not on its way any more.
    pub(super) fn answered(&mut self, command: &CommandId) {
        self.open.remove(command);
    }

    /// Adds a secret.
    pub(super) fn add(&mut self, credential: Credential, delta: &mut ExchangeDelta) {
        self.open.extend(credential.command.clone());
        self.credentials.push(credential.clone());
        delta.credentials.push(CredentialChange::Add(credential));
    }

    /// Adds what a decision about the secret `used` does to all secrets of this scope and account; of what the operator registered, to those of the same
    /// name. Answers whether one that was in use is over with it.
    pub(crate) fn settle(
        &mut self,
        decision: Decision,
        used: Option<&CredentialProof>,
        scope: CredentialScope,
        account: Option<&SrvId>,
        delta: &mut ExchangeDelta,
        correlation: &str,
    ) -> bool {
        let indices: Vec<usize> = (0..)
            .zip(&self.credentials)
            .filter(|(_, one)| {
                one.scope == scope
                    && one.tries_left.is_none()
                    && self.account_of(one) == account
                    && (scope != CredentialScope::Device
                        || used.is_some_and(|used| is_same_name(used, &one.proof)))
            })
            .map(|(at, _)| at)
            .collect();
        let standings: Vec<_> = indices
            .iter()
            .filter_map(|at| self.credentials.get(*at))
            .map(|one| self.standing(one))
            .collect();
        let place = used.and_then(|used| {
            let is_used =
                |at: &usize| self.credentials.get(*at).map(|one| &one.proof) == Some(used);
            indices.iter().position(is_used)
        });
        let mut replaced = false;
        for (place, change) in consequences(decision, place, &standings) {
            let Some(&at) = indices.get(place) else {
                continue;
            };
            replaced |= self.change(at, change, delta, correlation);
        }
        replaced
    }

    fn standing(&self, credential: &Credential) -> Standing {
        Standing {
            generation: credential.generation,
            escrowed: credential.escrowed,
            revoked: credential.revoked_at.is_some(),
            coming: self.is_coming(credential),
        }
    }

    /// Carries a change out; answers whether a secret in use is over with it.
    fn change(
        &mut self,
        at: usize,
        change: Change,
        delta: &mut ExchangeDelta,
        correlation: &str,
    ) -> bool {
        let Some(credential) = self.credentials.get_mut(at) else {
            return false;
        };
        let was_in_use = credential.generation == Generation::Current;
        let proof = credential.proof.clone();
        match change {
            Change::Enforce if was_in_use => return false,
            Change::Enforce | Change::Retire => {
                let generation = if change == Change::Enforce {
                    Generation::Current
                } else {
                    Generation::Boot
                };
                credential.generation = generation;
                let promoted = CredentialChange::Promote(proof, generation);
                delta.credentials.push(promoted);
                if change == Change::Enforce
                    && (credential.command.is_some() || credential.scope == CredentialScope::Device)
                {
                    let rotated = EventKind::SecretRotated {
                        scope: credential.scope.name().to_owned(),
                        proof: credential.proof.kind().to_owned(),
                        fingerprint: fingerprint(credential),
                        name: credential.proof.name().map(str::to_owned),
                    };
                    delta.events.push(event(rotated, correlation));
                }
            }
            Change::Kill => {
                credential.revoked_at = Some(delta.at);
                delta.credentials.push(CredentialChange::Revoke(proof));
                let revoked = EventKind::CredentialRevoked {
                    fingerprint: fingerprint(credential),
                    name: credential.proof.name().map(str::to_owned),
                };
                delta.events.push(event(revoked, correlation));
            }
        }
        was_in_use && change != Change::Enforce
    }
}

/// Whether both are keys of one PSK identity.
fn is_same_name(one: &CredentialProof, other: &CredentialProof) -> bool {
    one.kind() == other.kind() && one.name().is_some() && one.name() == other.name()
}

/// The fingerprint that people compare, where it is a certificate.
pub(super) fn fingerprint(credential: &Credential) -> Option<String> {
    fingerprint_of(&credential.proof).map(|print| print.to_string())
}
