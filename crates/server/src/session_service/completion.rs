//! BootstrapComplete: one event completes one record, however often it is reported (D27).

use omadm_bootstrap::{BootstrapComplete, BootstrapMethod, EventId, PayloadHash};

use crate::model::{
    BootstrapChange, BootstrapRecord, BootstrapState, Credential, CredentialChange,
    CredentialScope, DeviceChange, EventKind, ExchangeDelta, Generation, RecordId,
};
use crate::node::{Node, event};
use crate::store::StoreError;

/// Events read at once while looking for one that was reported before.
const PAGE: usize = 500;

/// Adds the completions of a Package#1 to its delta.
pub(super) async fn complete(
    node: &Node,
    completions: &[BootstrapComplete],
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    if completions.is_empty() {
        return Ok(());
    }
    let mut records = node.store.bootstraps_of(&delta.dev_id).await?;
    for completion in completions {
        if is_known(node, completion, &records, delta).await? {
            continue;
        }
        let fitting = records.iter().position(|record| fits(record, completion));
        let mut record = fitting.and_then(|at| records.get(at)).cloned();
        let method = completion
            .method
            .or_else(|| record.as_ref().map(|record| record.method));
        delta.events.push(event(
            EventKind::BootstrapCompleted {
                bootstrap: record.as_ref().map(|record| record.id.to_string()),
                method: method.map(|method| method.name().to_owned()),
                kind: completion.kind.map(|kind| kind.node_value().to_owned()),
                event_id: completion.event_id.as_ref().map(ToString::to_string),
            },
            correlation,
        ));
        delta.device.extend(method.map(DeviceChange::Bootstrapped));
        if let Some(record) = &mut record {
            completed(record, completion, method, delta);
            let credentials = node.store.credentials(&delta.dev_id).await?;
            settle(record, &records, &credentials, delta);
        }
        if let (Some(slot), Some(record)) = (fitting.and_then(|at| records.get_mut(at)), record) {
            *slot = record;
        }
    }
    Ok(())
}

fn completed(
    record: &mut BootstrapRecord,
    completion: &BootstrapComplete,
    method: Option<BootstrapMethod>,
    delta: &mut ExchangeDelta,
) {
    record.state = BootstrapState::Completed;
    record.event_id.clone_from(&completion.event_id);
    record.kind = completion.kind;
    record.method = method.unwrap_or(record.method);
    record.ended_at = Some(delta.at);
    delta
        .bootstraps
        .push(BootstrapChange::Update(Box::new(record.clone())));
}

/// The document is installed: the bootstrap certificate in it counts now in place of the account's former one (D83), and the code that opened the fetch
/// dies (D81). Session certificates move when they are used.
fn settle(
    record: &BootstrapRecord,
    records: &[BootstrapRecord],
    credentials: &[Credential],
    delta: &mut ExchangeDelta,
) {
    let same_account = |id: &RecordId| {
        let issuer = records.iter().find(|other| other.id == *id);
        issuer.is_some_and(|other| other.srv_id == record.srv_id)
    };
    let live = credentials.iter();
    for credential in live.filter(|credential| credential.revoked_at.is_none()) {
        let proof = credential.proof.clone();
        let own = credential.record.as_ref() == Some(&record.id);
        let change = match (credential.scope, credential.generation) {
            _ if credential.tries_left.is_some() => {
                (own || credential.record.is_none()).then_some(CredentialChange::Revoke(proof))
            }
            (CredentialScope::Bootstrap, Generation::Pending) if own => {
                Some(CredentialChange::Promote(proof, Generation::Current))
            }
            (CredentialScope::Bootstrap, Generation::Current) => credential
                .record
                .as_ref()
                .is_some_and(|id| !own && same_account(id))
                .then_some(CredentialChange::Revoke(proof)),
            _ => None,
        };
        delta.credentials.extend(change);
    }
}

/// Whether the record is open, and the document it brings is the one that was applied, where the alert says which.
fn fits(record: &BootstrapRecord, completion: &BootstrapComplete) -> bool {
    let hash = completion
        .payload_hash
        .as_deref()
        .and_then(|text| PayloadHash::parse(text).ok());
    !record.state.is_terminal() && hash.is_none_or(|hash| hash == record.payload_hash)
}

/// Whether this event was reported before.
async fn is_known(
    node: &Node,
    completion: &BootstrapComplete,
    records: &[BootstrapRecord],
    delta: &ExchangeDelta,
) -> Result<bool, StoreError> {
    let Some(event_id) = &completion.event_id else {
        return Ok(false);
    };
    if records
        .iter()
        .any(|record| record.event_id.as_ref() == Some(event_id))
    {
        return Ok(true);
    }
    Ok(delta
        .events
        .iter()
        .any(|event| reports(&event.kind, event_id))
        || in_log(node, delta, event_id).await?)
}

/// Completions without a record of ours are found in the device's events alone.
async fn in_log(
    node: &Node,
    delta: &ExchangeDelta,
    event_id: &EventId,
) -> Result<bool, StoreError> {
    let mut after = 0;
    loop {
        let page = node.store.events_of(&delta.dev_id, after, PAGE).await?;
        if page
            .iter()
            .any(|stored| reports(&stored.event.kind, event_id))
        {
            return Ok(true);
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            _ => return Ok(false),
        }
    }
}

fn reports(kind: &EventKind, wanted: &EventId) -> bool {
    matches!(kind, EventKind::BootstrapCompleted { event_id: Some(id), .. } if id == wanted.as_str())
}
