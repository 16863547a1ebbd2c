//! A rotation on its way: its document, which exists while its command is not answered, like that of any queued command that puts something in the tree; and
//! what the answer means.

use omadm_bootstrap::EventId;
use omadm_bootstrap::generation::{Decision, NewSecret, SecretScope};
use omadm_dm2::StatusCode;
use omadm_mo::standard::dm_acc::{AuthNoti, AuthTrsp, HttpAuth};
use omadm_mo::{DevId, Secret};
use omadm_session::server::queue::{self, NeutralCommand};
use omadm_session::server::{CommandOutcome, SessionEvent};

use super::rotate::SHA256_DIGEST;
use super::{Book, Reason, RotateError, Rotation, rotate_into, split};
use crate::model::{
    CommandId, Credential, CredentialProof, CredentialScope, Device, EventKind, ExchangeDelta,
    Generation,
};
use crate::node::{Node, event};
use crate::repository::COMMANDS;
use crate::store::StoreError;

/// How often a secret is made that the device cannot fetch.
const FETCHES: usize = 3;

/// The document that lies under this path of the device's repository, made from its queued command or from what is sealed for it; none where none of the device is
/// on its way there.
pub(crate) async fn document(
    node: &Node,
    dev_id: &DevId,
    path: &str,
) -> Result<Option<Secret>, StoreError> {
    let id = path.strip_prefix(COMMANDS).map(EventId::parse);
    let Some(id) = id.and_then(Result::ok).map(CommandId) else {
        return Ok(None);
    };
    let Some(command) = node.store.command(dev_id, &id).await? else {
        return Ok(None);
    };
    if !command.state.is_open() {
        return Ok(None);
    }
    let words: Vec<_> = command.words.iter().map(String::as_str).collect();
    if let Some(neutral) = NeutralCommand::read(&words) {
        let neutral = neutral.ok();
        return Ok(neutral.and_then(|neutral| queue::document(&neutral, &node.registry)));
    }
    let credentials = node.store.credentials(dev_id).await?;
    let credential = credentials
        .iter()
        .find(|one| one.command.as_ref() == Some(&id) && one.revoked_at.is_none());
    let Some(credential) = credential else {
        return Ok(None);
    };
    let Some(secret) = secret(node, credential) else {
        tracing::error!(device = %dev_id, command = %id, "the secret of a rotation cannot be opened");
        return Ok(None);
    };
    let has_parent = command.words.get(2) == Some(&secret.target(true));
    Ok(Some(secret.document(has_parent)))
}

/// What the credential brings to the device.
fn secret(node: &Node, credential: &Credential) -> Option<NewSecret> {
    let context = credential.proof.seal_context(&credential.dev_id);
    let opened = node.sealing.open(&context, credential.sealed.as_ref()?);
    let opened = opened.ok()?;
    Some(match &credential.proof {
        CredentialProof::Certificate(_) => {
            let (data, secret) = split(&opened)?;
            NewSecret::Trsp(AuthTrsp { data, secret })
        }
        CredentialProof::Psk { identity, .. } => NewSecret::Trsp(AuthTrsp {
            data: identity.clone().into_bytes(),
            secret: opened,
        }),
        CredentialProof::HttpUser { user } => NewSecret::HttpAuth(HttpAuth {
            user: user.clone(),
            password: opened,
        }),
        CredentialProof::Notification { .. } => {
            let (data, secret) = split(&opened)?;
            let kind = SHA256_DIGEST;
            NewSecret::Noti(AuthNoti { kind, data, secret })
        }
        CredentialProof::BootstrapCode { .. } | CredentialProof::Dm1Account { .. } => return None,
    })
}

/// Adds what the answers to rotations mean. A device that stored a Notification secret has it, so that counts from now on; what it proves itself with counts
/// when it does so. Where it stored nothing, the former secret goes on being in use.
pub(crate) async fn answered(
    node: &Node,
    device: &Device,
    events: &[SessionEvent],
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    let outcomes = events.iter().filter_map(|event| match event {
        SessionEvent::Answered(outcome) => Some((command_of(outcome)?, outcome)),
        _ => None,
    });
    let outcomes: Vec<_> = outcomes.collect();
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut book = Book::read(node, device).await?;
    for (id, outcome) in outcomes {
        let found = book
            .credentials()
            .iter()
            .find(|one| one.command.as_ref() == Some(&id));
        let Some(credential) = found.cloned() else {
            continue;
        };
        let stored = outcome.status == StatusCode::OK;
        if !stored {
            let failed = EventKind::RotationFailed {
                id: id.to_string(),
                scope: credential.scope.name().to_owned(),
                status: outcome.status.get(),
            };
            delta.events.push(event(failed, correlation));
            book.answered(&id);
            if outcome.status == StatusCode::BAD_GATEWAY {
                again(node, &mut book, &credential, delta, correlation).await?;
            }
        } else if credential.scope == CredentialScope::Notification
            && credential.generation == Generation::Pending
        {
            let account = book.account_of(&credential).cloned();
            book.settle(
                Decision::Promote,
                Some(&credential.proof),
                credential.scope,
                account.as_ref(),
                delta,
                correlation,
            );
        }
    }
    Ok(())
}

/// Rotates once more what the device could not fetch: it got no answer, or none that it could use (D24). After three it waits for an operator; a certificate for a
/// key that the device made itself does so after the first.
async fn again(
    node: &Node,
    book: &mut Book,
    failed: &Credential,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), StoreError> {
    let account = book.account_of(failed).cloned();
    let live = book.live(failed.scope, account.as_ref());
    let pending = live.filter(|one| one.generation == Generation::Pending);
    let made = pending.count();
    let scope = match secret(node, failed) {
        _ if made >= FETCHES => return Ok(()),
        Some(NewSecret::Trsp(trsp)) if trsp.secret.is_empty() => return Ok(()),
        Some(NewSecret::Noti(_)) => SecretScope::Notification,
        Some(NewSecret::Trsp(_) | NewSecret::HttpAuth(_)) => SecretScope::Session,
        None => return Ok(()),
    };
    let wanted = Rotation {
        scope,
        account: account.as_ref(),
        reason: Reason::Retry,
        own_key: false,
    };
    match rotate_into(node, book, delta, wanted, correlation).await {
        Ok(_) => Ok(()),
        Err(RotateError::Store(error)) => Err(error),
        Err(error) => {
            tracing::error!(correlation, device = %delta.dev_id, scope = scope.name(), %error, "a secret could not be rotated once more");
            Ok(())
        }
    }
}

/// The rotation that a command fetched, if it looks like one.
fn command_of(outcome: &CommandOutcome) -> Option<CommandId> {
    let id = outcome.id.as_ref()?;
    let ours = outcome
        .command
        .get(1)?
        .ends_with(&format!("/{COMMANDS}{id}"));
    EventId::parse(id).ok().filter(|_| ours).map(CommandId)
}
