//! Whether the credential of a package counts, and what its use does to the others (D83).

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_bootstrap::generation::{Attempt, Decision, Presented, SecretScope, decide};
use omadm_session::server::{SessionDelta, SessionEvent};

use crate::exchange::{Head, Refusal, of_commit};
use crate::generations::Book;
use crate::identity::{HELD_SECS, SessionDevice};
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
    Generation,
};
use crate::node::{Node, event};

/// A use is noted again after so long.
const NOTED_MILLIS: i64 = 3_600_000;

/// What the use of a credential came to.
pub(super) struct Used {
    /// The device's secrets as they are now.
    pub(super) book: Book,
    /// What the device proved itself with; none where a device CA alone vouches for it.
    pub(super) proof: Option<CredentialProof>,
    /// Scopes in which a secret came back that had been replaced.
    pub(super) recovered: Vec<SecretScope>,
}

/// Adds what the use of the credential means to the delta. 403 where it was replaced and the device reports no bootstrap. None where nothing changes and
/// nothing is completed: the usual session, which reads no secret.
pub(super) async fn used(
    node: &Node,
    head: &Head,
    device: &SessionDevice,
    step: &SessionDelta,
    delta: &mut ExchangeDelta,
) -> Result<Option<Used>, Refusal> {
    let credential = device.credential();
    let attempt = Attempt {
        by: presented(credential),
        completion: !step.completions.is_empty(),
        same_device: true,
    };
    let decision = decide(attempt, node.config.generations);
    match (decision, credential) {
        (Decision::Hold(_), Some(credential)) => {
            return Err(hold(node, head, device, credential).await);
        }
        (Decision::Refuse(_) | Decision::Hold(_), _) => return Err(replaced(device)),
        _ => {}
    }
    let began = step
        .events
        .iter()
        .any(|event| matches!(event, SessionEvent::Started { .. }));
    if let Some(credential) = credential.filter(|_| began) {
        let noted = credential.used_at;
        if noted.is_none_or(|noted| delta.at.millis_since(noted) >= NOTED_MILLIS) {
            let noted = CredentialChange::Used(credential.proof.clone());
            delta.credentials.push(noted);
        }
    }
    if decision == Decision::Accept && !attempt.completion {
        return Ok(None);
    }
    let mut book = Book::read(node, device.device()).await?;
    let mut recovered = Vec::new();
    if let Some(credential) = credential.filter(|one| is_issued(one)) {
        let account = book.account_of(credential).cloned();
        book.settle(
            decision,
            Some(&credential.proof),
            credential.scope,
            account.as_ref(),
            delta,
            &head.correlation,
        );
        if decision == Decision::Recover {
            recovered.extend(SecretScope::from_name(credential.scope.name()));
        }
    }
    Ok(Some(Used {
        book,
        proof: credential.map(|credential| credential.proof.clone()),
        recovered,
    }))
}

/// A credential that opens the bootstrap URI opens sessions as the device identity does, until a newer one took its place.
fn presented(credential: Option<&Credential>) -> Presented {
    match credential {
        Some(credential) if is_issued(credential) => Presented::Issued {
            generation: credential.generation,
            revoked: credential.revoked_at.is_some(),
        },
        _ => Presented::Identity { revoked: false },
    }
}

fn is_issued(credential: &Credential) -> bool {
    match credential.scope {
        CredentialScope::Session => true,
        CredentialScope::Bootstrap => credential.generation == Generation::Boot,
        // A further key of a PSK identity, until it takes the place of the former one.
        CredentialScope::Device => credential.generation == Generation::Pending,
        CredentialScope::Notification | CredentialScope::Dm1 => false,
    }
}

fn replaced(device: &SessionDevice) -> Refusal {
    let detail = "this credential was replaced by a newer one; only a device that was bootstrapped again comes back with it";
    let about = Some(device.dev_id());
    Refusal::of(
        StatusCode::FORBIDDEN,
        Cause::CredentialReplaced,
        about,
        detail,
    )
}

/// The same, and an operator is to decide: that it waits is durable, once.
async fn hold(
    node: &Node,
    head: &Head,
    device: &SessionDevice,
    credential: &Credential,
) -> Refusal {
    if credential.held_at.is_none() {
        let epoch = Some(device.device().epoch);
        let mut held = ExchangeDelta::new(device.dev_id().clone(), epoch, head.now);
        held.credentials
            .push(CredentialChange::Hold(credential.proof.clone()));
        let kind = EventKind::CredentialHeld {
            fingerprint: crate::identity::fingerprint_of(&credential.proof)
                .map(|print| print.to_string()),
            name: credential.proof.name().map(str::to_owned),
            cause: None,
            claimed: None,
        };
        held.events.push(event(kind, &head.correlation));
        if let Err(error) = node.store.commit(held).await {
            return of_commit(node, error);
        }
    }
    let mut refusal = replaced(device).with_header(RETRY_AFTER, HeaderValue::from(HELD_SECS));
    refusal
        .problem
        .detail
        .push_str("; it waits for an operator");
    refusal
}
