//! BootstrapComplete: one event completes one record, however often it is reported (D27).

use omadm_bootstrap::{BootstrapComplete, BootstrapMethod, EventId, PayloadHash};

use crate::model::{
    BootstrapChange, BootstrapRecord, BootstrapState, CredentialChange, DeviceChange, EventKind,
    ExchangeDelta,
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
        let record = records.iter_mut().find(|record| fits(record, completion));
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
        if let Some(record) = record {
            completed(record, completion, method, delta);
            end_codes(node, record, delta).await?;
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

/// A bootstrap code dies with the completion of its record (D81).
async fn end_codes(
    node: &Node,
    record: &BootstrapRecord,
    delta: &mut ExchangeDelta,
) -> Result<(), StoreError> {
    let credentials = node.store.credentials(&delta.dev_id).await?;
    let codes = credentials
        .into_iter()
        .filter(|credential| credential.tries_left.is_some() && credential.revoked_at.is_none());
    let codes = codes.filter(|code| code.record.as_ref().is_none_or(|id| *id == record.id));
    delta
        .credentials
        .extend(codes.map(|code| CredentialChange::Revoke(code.proof)));
    Ok(())
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
    if records.iter().any(|record| fits(record, completion)) {
        return Ok(false);
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
