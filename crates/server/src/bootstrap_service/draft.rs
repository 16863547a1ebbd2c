//! Makes a bootstrap: document and secrets are stored, sealed, before they can leave (DESIGN §4).

use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{BootstrapMethod, EventId, PayloadHash, ProfileFormat, SignError, Utc};
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::DeviceModel;

use super::dm1::{self, Signing};
use super::document::{self, DocumentError, Issued, Made};
use super::end::end_into;
use crate::clock::utc;
use crate::config::ReBootstrap;
use crate::dm1_service::{AccountError, Clash, IssueError};
use crate::entropy::{NoRandomness, random};
use crate::generations::join;
use crate::model::{
    BootstrapChange, BootstrapPush, BootstrapRecord, BootstrapState, Credential, CredentialChange,
    CredentialProof, EventKind, ExchangeDelta, Generation, PushCarrierKind, RecordId,
};
use crate::node::{Node, event};
use crate::profiles::Profile;
use crate::push_service::{Prover, seal_prover};
use crate::seal::SealError;
use crate::state_dir::serial_text;
use crate::store::StoreError;

/// A bootstrap to be made.
pub(crate) struct Draft {
    pub(crate) profile: Arc<Profile>,
    pub(crate) format: ProfileFormat,
    /// The device's model, where an operator says it: what a document of DM 1.x is written by, and its account keeps.
    pub(crate) model: Option<&'static DeviceModel>,
    pub(crate) method: BootstrapMethod,
    pub(crate) expires_in: Duration,
    /// How it is brought to the device, where the server brings it.
    pub(crate) push: Option<DraftPush>,
}

/// How a bootstrap is to be brought to its device.
pub(crate) struct DraftPush {
    pub(crate) carrier: PushCarrierKind,
    pub(crate) to: String,
    /// Whom the Notification names, without `bs:`.
    pub(crate) source: Option<String>,
    /// What proves the Notification where the device's account does not.
    pub(crate) prover: Option<Prover>,
    /// What a WAP push is signed with.
    pub(crate) signing: Option<Signing>,
}

/// A bootstrap that stands in a delta.
pub(crate) struct Drafted {
    pub(crate) record: BootstrapRecord,
    pub(crate) document: Secret,
}

/// Why no bootstrap was made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DraftError {
    /// The document could not be built; the profile or the CA is at fault.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A document of DM 1.x could not be built.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// It does not fit the device's account of DM 1.x.
    #[error("{0}")]
    Clash(#[from] Clash),
    /// The device's account of DM 1.x cannot be opened. The store or the key is at fault.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// It could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The document could not be sealed.
    #[error("the document could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a new bootstrap to a delta of its device: record, sealed document, the credentials it brings; an older open record of the same account ends.
pub(crate) async fn draft_into(
    node: &Node,
    delta: &mut ExchangeDelta,
    draft: &Draft,
    correlation: &str,
) -> Result<Drafted, DraftError> {
    let id = RecordId(EventId::of(random()?));
    let escrowed = is_escrowed(node, draft.method);
    let built = match Dm1Format::of_profile(draft.format) {
        None => document::build(node, &draft.profile, &delta.dev_id, delta.at)?,
        Some(format) => {
            dm1::build(node, delta, draft, format, (&id, escrowed), correlation).await?
        }
    };
    let record = BootstrapRecord {
        id: id.clone(),
        dev_id: delta.dev_id.clone(),
        profile: draft.profile.name.clone(),
        format: draft.format,
        srv_id: built.srv_id,
        method: draft.method,
        has_trsp: built.has_trsp,
        state: if draft.method == BootstrapMethod::ClientInitiated || draft.push.is_some() {
            BootstrapState::Queued
        } else {
            BootstrapState::Drafted
        },
        cause: None,
        payload_hash: PayloadHash::of(built.document.expose()),
        event_id: None,
        kind: None,
        created_at: delta.at,
        expires_at: delta
            .at
            .plus_millis(i64::try_from(draft.expires_in.as_millis()).unwrap_or(i64::MAX)),
        fetched_at: None,
        ended_at: None,
        push: draft
            .push
            .as_ref()
            .map(|push| push.of(node, &delta.dev_id, &id, &built.document, delta.at))
            .transpose()?,
    };
    let sealed = node
        .sealing
        .seal(&super::seal_context(&record), &built.document)?;
    supersede(node, delta, &record, correlation).await?;
    for issued in &built.issued {
        add_issued(node, delta, issued, &record, correlation)?;
    }
    delta.events.push(event(
        EventKind::BootstrapDrafted {
            bootstrap: id.to_string(),
            profile: record.profile.clone(),
            method: record.method.name().to_owned(),
        },
        correlation,
    ));
    delta
        .bootstraps
        .push(BootstrapChange::Create(Box::new(record.clone()), sealed));
    Ok(Drafted {
        record,
        document: built.document,
    })
}

impl DraftPush {
    fn of(
        &self,
        node: &Node,
        dev_id: &DevId,
        id: &RecordId,
        document: &Secret,
        at: Utc,
    ) -> Result<BootstrapPush, DraftError> {
        let sealed = self.prover.as_ref();
        Ok(BootstrapPush {
            carrier: self.carrier,
            to: self.to.clone(),
            source: self.source.clone(),
            sealed: sealed
                .map(|prover| seal_prover(node, dev_id, id, prover))
                .transpose()?,
            security: match &self.signing {
                Some(signing) => Some(signing.sign(document)?),
                None => None,
            },
            attempts: 0,
            due: Some(at),
            trouble: None,
        })
    }
}

async fn supersede(
    node: &Node,
    delta: &mut ExchangeDelta,
    newer: &BootstrapRecord,
    correlation: &str,
) -> Result<(), DraftError> {
    if delta.expected.is_none() {
        return Ok(());
    }
    let records = node.store.bootstraps_of(&newer.dev_id).await?;
    let older = records
        .into_iter()
        .filter(|record| record.is_of_account(newer) && !record.state.is_terminal());
    // What was pushed may come late or out of order: the older ones of DM 1.x stay until one is on the device (`dm1x.md` §5.9).
    let kept = if newer.is_dm1() { dm1::KEPT } else { 0 };
    let older: Vec<_> = older.skip(kept).collect();
    if older.is_empty() {
        return Ok(());
    }
    let credentials = node.store.credentials(&newer.dev_id).await?;
    for record in older {
        end_into(
            delta,
            record,
            &credentials,
            BootstrapState::Superseded,
            correlation,
        );
    }
    Ok(())
}

/// Whether a card, an image or the URL can replay what a bootstrap by this method brings.
fn is_escrowed(node: &Node, method: BootstrapMethod) -> bool {
    matches!(
        method,
        BootstrapMethod::Factory | BootstrapMethod::Smartcard
    ) || node.config.re_bootstrap == ReBootstrap::Same
}

/// A credential inside a document is `pending` until it is used; escrow keeps it where a card, an image or the URL can replay it (D83).
fn add_issued(
    node: &Node,
    delta: &mut ExchangeDelta,
    issued: &Issued,
    record: &BootstrapRecord,
    correlation: &str,
) -> Result<(), DraftError> {
    let joined;
    let (proof, certificate, secret) = match &issued.credential {
        Made::Certificate(made) => {
            let proof = CredentialProof::Certificate(*made.fingerprint.octets());
            (proof, Some(made), None)
        }
        Made::Psk { identity, key } => {
            let identity = identity.clone();
            (CredentialProof::Psk { identity, nr: 0 }, None, Some(key))
        }
        Made::HttpUser { user, password } => {
            let user = user.clone();
            (CredentialProof::HttpUser { user }, None, Some(password))
        }
        Made::Notification { id, secret } => {
            joined = join(&secret.data, &secret.secret);
            (
                CredentialProof::Notification { id: *id },
                None,
                Some(&joined),
            )
        }
    };
    let sealed = secret.map(|secret| {
        let context = proof.seal_context(&record.dev_id);
        node.sealing.seal(&context, secret)
    });
    if let Made::Psk { identity, key } = &issued.credential {
        node.psks.expect(identity, key);
    }
    let kind = EventKind::CredentialAdded {
        proof: proof.kind().to_owned(),
        fingerprint: certificate.map(|made| made.fingerprint.to_string()),
        name: proof.name().map(str::to_owned),
    };
    let mut made = Credential::new(
        record.dev_id.clone(),
        proof,
        issued.scope,
        Generation::Pending,
        delta.at,
    );
    made.escrowed = is_escrowed(node, record.method);
    made.record = Some(record.id.clone());
    made.expires_at = certificate.map(|made| utc(made.not_after));
    made.serial = certificate.map(|made| serial_text(&made.serial));
    made.sealed = sealed.transpose()?;
    delta.credentials.push(CredentialChange::Add(made));
    delta.events.push(event(kind, correlation));
    Ok(())
}
