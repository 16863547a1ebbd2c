//! BootstrapComplete: one event completes one record, however often it is reported (D27).

use omadm_bootstrap::generation::{Decision, SecretScope};
use omadm_bootstrap::{BootstrapComplete, BootstrapMethod, EventId, PayloadHash};
use omadm_mo::SrvId;

use super::generation::Used;
use crate::config::Rotate;
use crate::generations::{Book, Reason, RotateError, Rotation, rotate_into};
use crate::model::{
    BootstrapChange, BootstrapRecord, BootstrapState, CredentialChange, CredentialScope, Device,
    DeviceChange, EventKind, ExchangeDelta, Generation,
};
use crate::node::{Node, event};
use crate::store::StoreError;

/// Events read at once while looking for one that was reported before.
const PAGE: usize = 500;

/// Adds the completions of a Package#1 to its delta: records end, secrets that a document brought count, those that it brought back count again (D83), and what
/// policy wants rotated is rotated.
pub(super) async fn complete(
    node: &Node,
    device: &Device,
    mut used: Used,
    completions: &[BootstrapComplete],
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    for completion in completions {
        // What brought secrets back is told, though the device may have reported it before.
        let known = is_known(node, completion, used.book.records(), delta).await?;
        if known && used.recovered.is_empty() {
            continue;
        }
        let Applied { record, open } = applied(&used, completion);
        let method = completion
            .method
            .or_else(|| record.as_ref().map(|record| record.method));
        let completed = EventKind::BootstrapCompleted {
            bootstrap: record.as_ref().map(|record| record.id.to_string()),
            method: method.map(|method| method.name().to_owned()),
            kind: completion.kind.map(|kind| kind.node_value().to_owned()),
            event_id: completion.event_id.as_ref().map(ToString::to_string),
        };
        delta.events.push(event(completed, correlation));
        delta.device.extend(method.map(DeviceChange::Bootstrapped));
        if let Some(record) = &record {
            if open {
                completed_now(record, completion, method, &mut used.book, delta);
            }
            end_codes(&used.book, record, delta);
            settle(&mut used, record, delta, correlation);
        }
        if device.bootstrapped.is_some() {
            let recovered = used.recovered.iter();
            let again = EventKind::Rebootstrapped {
                bootstrap: record.as_ref().map(|record| record.id.to_string()),
                method: method.map(|method| method.name().to_owned()),
                event_id: completion.event_id.as_ref().map(ToString::to_string),
                recovered: recovered.map(|scope| scope.name().to_owned()).collect(),
            };
            delta.events.push(event(again, correlation));
        }
        let account = record.as_ref().map(|record| &record.srv_id);
        rotate(node, &mut used, account, delta, correlation).await?;
    }
    Ok(())
}

/// Which document a completion is of.
struct Applied {
    /// None where it is none of this server's.
    record: Option<BootstrapRecord>,
    /// Whether it completes it now; else it did so before.
    open: bool,
}

/// The open record it fits; else the completed one whose document a card, image or URL brought back: by its hash where the alert tells it, else by the
/// credential that came with it.
fn applied(used: &Used, completion: &BootstrapComplete) -> Applied {
    let records = used.book.records();
    if let Some(open) = records.iter().find(|record| fits(record, completion)) {
        return Applied {
            record: Some(open.clone()),
            open: true,
        };
    }
    let issuer = || {
        let credential = used.book.credential(used.proof.as_ref()?)?;
        Some(credential.record.as_ref()?.clone())
    };
    let hash = hash(completion);
    let is_it = |record: &&BootstrapRecord| match &hash {
        Some(hash) => record.payload_hash == *hash,
        None => issuer().is_some_and(|id| record.id == id),
    };
    let record = records
        .iter()
        .find(|record| record.state == BootstrapState::Completed && is_it(record));
    Applied {
        record: record.cloned(),
        open: false,
    }
}

fn completed_now(
    record: &BootstrapRecord,
    completion: &BootstrapComplete,
    method: Option<BootstrapMethod>,
    book: &mut Book,
    delta: &mut ExchangeDelta,
) {
    let mut record = record.clone();
    record.state = BootstrapState::Completed;
    record.event_id.clone_from(&completion.event_id);
    record.kind = completion.kind;
    record.method = method.unwrap_or(record.method);
    record.ended_at = Some(delta.at);
    record.end_push();
    book.set_record(record.clone());
    delta
        .bootstraps
        .push(BootstrapChange::Update(Box::new(record)));
}

/// The code that opened the fetch dies with the completion (D81).
fn end_codes(book: &Book, record: &BootstrapRecord, delta: &mut ExchangeDelta) {
    let codes = book
        .credentials()
        .iter()
        .filter(|one| one.tries_left.is_some() && one.revoked_at.is_none());
    for code in codes {
        if code.record.as_ref().is_none_or(|id| *id == record.id) {
            let over = CredentialChange::Revoke(code.proof.clone());
            delta.credentials.push(over);
        }
    }
}

/// The document is installed as a whole, so what stands in it counts now in place of what the account had (D83). Session secrets move when they are used; what
/// was rotated is over where the device came back by its identity.
fn settle(used: &mut Used, record: &BootstrapRecord, delta: &mut ExchangeDelta, correlation: &str) {
    let account = Some(&record.srv_id);
    for scope in [SecretScope::Bootstrap, SecretScope::Notification] {
        let kept = match scope {
            SecretScope::Notification => CredentialScope::Notification,
            _ => CredentialScope::Bootstrap,
        };
        let own = used
            .book
            .live(kept, account)
            .find(|one| one.record.as_ref() == Some(&record.id) && one.command.is_none())
            .map(|one| (one.proof.clone(), one.generation));
        let decision = match &own {
            Some((_, Generation::Current)) => continue,
            Some((_, Generation::Pending)) => Decision::Promote,
            Some((_, Generation::Boot)) | None => Decision::Recover,
        };
        let back = matches!(own, Some((_, Generation::Boot)));
        let proof = own.as_ref().map(|(proof, _)| proof);
        used.book
            .settle(decision, proof, kept, account, delta, correlation);
        if back && !used.recovered.contains(&scope) {
            used.recovered.push(scope);
        }
    }
    let session = CredentialScope::Session;
    let by_session = used
        .proof
        .as_ref()
        .and_then(|proof| used.book.credential(proof));
    if by_session.is_none_or(|one| one.scope != session) {
        let over = used.book.settle(
            Decision::Recover,
            None,
            session,
            account,
            delta,
            correlation,
        );
        if over && !used.recovered.contains(&SecretScope::Session) {
            used.recovered.push(SecretScope::Session);
        }
    }
}

/// What came back is replaced again, and after every bootstrap whatever it brought, as policy has it.
async fn rotate(
    node: &Node,
    used: &mut Used,
    account: Option<&SrvId>,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    for scope in [SecretScope::Session, SecretScope::Notification] {
        let came_back = used.recovered.contains(&scope);
        let reason = match node.config.rotate {
            Rotate::AfterRecovery | Rotate::AfterBootstrap if came_back => Reason::Recovery,
            Rotate::AfterBootstrap => Reason::Bootstrap,
            Rotate::AfterRecovery | Rotate::Never => continue,
        };
        let book = &mut used.book;
        let wanted = Rotation {
            scope,
            account,
            reason,
            own_key: false,
        };
        let made = rotate_into(node, book, delta, wanted, correlation).await;
        match made {
            Err(RotateError::Store(error)) => return Err(error),
            Err(RotateError::NoNotification(_) | RotateError::UnderWay(..)) | Ok(_) => {}
            Err(error) => {
                tracing::error!(correlation, device = %delta.dev_id, scope = scope.name(), %error, "a secret could not be rotated");
            }
        }
    }
    Ok(())
}

/// Whether the record is open, and the document it brings is the one that was applied, where the alert says which.
fn fits(record: &BootstrapRecord, completion: &BootstrapComplete) -> bool {
    !record.state.is_terminal() && hash(completion).is_none_or(|hash| hash == record.payload_hash)
}

fn hash(completion: &BootstrapComplete) -> Option<PayloadHash> {
    let text = completion.payload_hash.as_deref()?;
    PayloadHash::parse(text).ok()
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
