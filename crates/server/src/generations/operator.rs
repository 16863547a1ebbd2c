//! What an operator decides about generations: that one opens nothing any more, that a rotation is off, that a held device may come back.

use omadm_bootstrap::generation::{Decision, SecretScope};

use super::Book;
use super::book::fingerprint;
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
    Generation, QueuedCommand,
};
use crate::node::event;

/// What the revocation of a generation came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Revoked {
    /// Open nothing any more.
    pub(crate) revoked: Vec<CredentialProof>,
    /// Are in use, or on their way, as before; but no card, image or URL brings them back once they are replaced.
    pub(crate) out_of_escrow: Vec<CredentialProof>,
}

/// Adds the revocation of a generation to a delta. `boot` is all that is in escrow: what was replaced opens nothing any more, what still is in use leaves escrow.
pub(crate) fn revoke(
    book: &Book,
    generation: Generation,
    scope: Option<SecretScope>,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Revoked {
    let mut done = Revoked::default();
    let wanted = |one: &&Credential| {
        let of_scope = match scope {
            None => !matches!(one.scope, CredentialScope::Device | CredentialScope::Dm1),
            Some(scope) => one.scope.name() == scope.name(),
        };
        of_scope && one.revoked_at.is_none() && one.tries_left.is_none()
    };
    for credential in book.credentials().iter().filter(wanted) {
        let proof = credential.proof.clone();
        if credential.generation == generation {
            delta
                .credentials
                .push(CredentialChange::Revoke(proof.clone()));
            let kind = EventKind::CredentialRevoked {
                fingerprint: fingerprint(credential),
                name: credential.proof.name().map(str::to_owned),
            };
            delta.events.push(event(kind, correlation));
            done.revoked.push(proof);
        } else if generation == Generation::Boot && credential.escrowed {
            delta
                .credentials
                .push(CredentialChange::EndEscrow(proof.clone()));
            let kind = EventKind::EscrowEnded {
                scope: credential.scope.name().to_owned(),
                fingerprint: fingerprint(credential),
                name: credential.proof.name().map(str::to_owned),
            };
            delta.events.push(event(kind, correlation));
            done.out_of_escrow.push(proof);
        }
    }
    done
}

/// Adds to a delta what a rotation leaves whose command is taken back. A secret that never left opens nothing any more. One that stood in an answer may be on
/// the device, whose word about it was lost: it goes on waiting until it is used, or until a later one is.
pub(crate) fn take_back(
    book: &Book,
    command: &QueuedCommand,
    delta: &mut ExchangeDelta,
    correlation: &str,
) {
    let brought = |one: &&Credential| {
        one.command.as_ref() == Some(&command.id)
            && one.generation == Generation::Pending
            && one.revoked_at.is_none()
    };
    let credential = book.credentials().iter().find(brought);
    let Some(credential) = credential.filter(|_| command.sends == 0) else {
        return;
    };
    let proof = credential.proof.clone();
    delta.credentials.push(CredentialChange::Revoke(proof));
    let kind = EventKind::CredentialRevoked {
        fingerprint: fingerprint(credential),
        name: credential.proof.name().map(str::to_owned),
    };
    delta.events.push(event(kind, correlation));
}

/// Adds to a delta that a device may come back with what was replaced, without having reported a bootstrap: each `boot` counts again. Answers how many.
pub(crate) fn accept(book: &mut Book, delta: &mut ExchangeDelta, correlation: &str) -> usize {
    let boot: Vec<_> = book
        .credentials()
        .iter()
        .filter(|one| one.generation == Generation::Boot && one.revoked_at.is_none())
        .cloned()
        .collect();
    // The newest of each scope and account counts; an older one is a card or image of its own.
    let mut accepted: Vec<Credential> = Vec::new();
    for credential in boot.into_iter().rev() {
        let account = book.account_of(&credential).cloned();
        let same = |one: &Credential| {
            one.scope == credential.scope && book.account_of(one) == account.as_ref()
        };
        if accepted.iter().any(same) {
            continue;
        }
        book.settle(
            Decision::Recover,
            Some(&credential.proof),
            credential.scope,
            account.as_ref(),
            delta,
            correlation,
        );
        let kind = EventKind::CredentialAccepted {
            scope: credential.scope.name().to_owned(),
            fingerprint: fingerprint(&credential),
            name: credential.proof.name().map(str::to_owned),
        };
        delta.events.push(event(kind, correlation));
        accepted.push(credential);
    }
    accepted.len()
}
