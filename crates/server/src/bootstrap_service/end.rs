//! Ends a bootstrap that did not complete: what it issued opens nothing any more.

use omadm_bootstrap::{BootstrapFailureCause as Cause, Utc};

use crate::model::{
    BootstrapChange, BootstrapRecord, BootstrapState, Credential, CredentialChange, EventKind,
    ExchangeDelta, Generation,
};
use crate::node::{Node, event};
use crate::store::{CommitError, StoreError};

/// Ends a record in a commit of its own; false where another ended it, or the device moved on in between and it is left to the next sweep.
pub(crate) async fn end(
    node: &Node,
    record: &BootstrapRecord,
    state: BootstrapState,
    correlation: &str,
) -> Result<bool, StoreError> {
    let Some(device) = node.store.device(&record.dev_id).await? else {
        return Ok(false);
    };
    // Read again behind the epoch: what was seen before it may be old.
    let Some(record) = node.store.bootstrap(&record.id).await? else {
        return Ok(false);
    };
    if record.state.is_terminal() {
        return Ok(false);
    }
    let credentials = node.store.credentials(&record.dev_id).await?;
    let id = record.id.clone();
    let mut delta = ExchangeDelta::new(record.dev_id.clone(), Some(device.epoch), node.now());
    end_into(&mut delta, record, &credentials, state, correlation);
    match node.store.commit(delta).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict | CommitError::Busy) => Ok(false),
        Err(CommitError::Store(error)) => Err(error),
        Err(error) => {
            tracing::error!(bootstrap = %id, %error, "a bootstrap could not be ended");
            Ok(false)
        }
    }
}

/// Adds the end of a record to a delta.
pub(crate) fn end_into(
    delta: &mut ExchangeDelta,
    mut record: BootstrapRecord,
    credentials: &[Credential],
    state: BootstrapState,
    correlation: &str,
) {
    let cause = match state {
        BootstrapState::Expired => Some(Cause::Expired),
        BootstrapState::Superseded => Some(Cause::Superseded),
        _ => record.cause,
    };
    for unused in unused(&record, credentials) {
        delta
            .credentials
            .push(CredentialChange::Revoke(unused.proof.clone()));
    }
    delta.events.push(event(
        EventKind::BootstrapEnded {
            bootstrap: record.id.to_string(),
            state: state.name().to_owned(),
            cause: cause.map(|cause| cause.code().to_owned()),
        },
        correlation,
    ));
    ended(&mut record, state, cause, delta.at);
    delta
        .bootstraps
        .push(BootstrapChange::Update(Box::new(record)));
}

fn ended(record: &mut BootstrapRecord, state: BootstrapState, cause: Option<Cause>, at: Utc) {
    record.state = state;
    record.cause = cause;
    record.ended_at = Some(at);
    record.end_push();
}

/// What a record issued and nobody used: `pending` credentials, and its codes. What is in escrow stays: the card or image with it may be used later.
fn unused<'a>(
    record: &'a BootstrapRecord,
    credentials: &'a [Credential],
) -> impl Iterator<Item = &'a Credential> {
    credentials.iter().filter(|credential| {
        credential.record.as_ref() == Some(&record.id)
            && credential.revoked_at.is_none()
            && (credential.tries_left.is_some()
                || credential.generation == Generation::Pending
                    && credential.command.is_none()
                    && !credential.escrowed)
    })
}
