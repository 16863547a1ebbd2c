//! Makes a rotation: a new secret beside the one in use, and the HGET that brings it to the device.

use omadm_bootstrap::EventId;
use omadm_bootstrap::generation::{NewSecret, SecretScope};
use omadm_dm2::CommandName;
use omadm_mo::standard::dm_acc::{AuthNoti, AuthTrsp, HttpAuth};
use omadm_mo::{Secret, SrvId};

use super::book::{Book, fingerprint};
use super::{join, split};
use crate::bootstrap_service::{self, OpenError};
use crate::clock::utc;
use crate::entropy::{NoRandomness, fresh_name, random, token};
use crate::model::{
    BootstrapRecord, BootstrapState, CommandChange, CommandId, Credential, CredentialProof,
    CredentialScope, EventKind, ExchangeDelta, Generation, RecordId,
};
use crate::node::{Node, event};
use crate::notification_service::account_in;
use crate::repository;
use crate::seal::SealError;
use crate::state_dir::{StateDirError, serial_text};
use crate::store::StoreError;

/// `Auth/Noti/Type` of what this server makes (D42).
pub(crate) const SHA256_DIGEST: i64 = 1;

/// Why a secret is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// An operator wants it.
    Operator,
    /// The device completed a bootstrap.
    Bootstrap,
    /// A rollback brought an old one back.
    Recovery,
    /// The device did not get at the one that was made for it before.
    Retry,
}

/// A rotation that is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Rotation<'a> {
    pub(crate) scope: SecretScope,
    /// The account; none means that of the newest completed bootstrap.
    pub(crate) account: Option<&'a SrvId>,
    pub(crate) reason: Reason,
    /// A certificate for the key that the device made itself; `Secret` of `Auth/Trsp` is empty then. What replaces such a certificate is one again.
    pub(crate) own_key: bool,
}

/// A rotation that stands in a delta.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Rotated {
    pub(crate) scope: SecretScope,
    pub(crate) command: CommandId,
    pub(crate) proof: CredentialProof,
}

/// Why nothing is rotated. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotateError {
    /// The operator asks for what there is none of.
    #[error("the device has no completed bootstrap{}", .0.as_ref().map(|id| format!(" of {id}")).unwrap_or_default())]
    NoAccount(Option<SrvId>),
    /// No server may change these secrets in a session (B-17).
    #[error("Auth/Bootstrap is changed by a bootstrap alone, never in a session")]
    ByBootstrapAlone,
    /// The key is the device's alone, and no certificate of it is known.
    #[error("no certificate is known of a key that the device made itself")]
    KeyNotKnown,
    /// The profile of the account brings no `Auth/Bootstrap`.
    #[error("the account of {0} has no Auth/Bootstrap")]
    NoBootstrap(SrvId),
    /// A bootstrap that brings one is on its way.
    #[error("a further bootstrap of the account is on its way: {0}")]
    BootstrapUnderWay(RecordId),
    /// The account has none.
    #[error("the account of {0} has no Auth/Noti")]
    NoNotification(SrvId),
    /// One is on its way.
    #[error("a new {scope} secret is on its way to the device by command {command}", scope = .0.name(), command = .1)]
    UnderWay(SecretScope, CommandId),
    /// The stored document cannot be opened or read. The server's operator is at fault.
    #[error("the bootstrap document of the device cannot be used: {0}")]
    Document(String),
    /// The CA failed.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
    /// The secret could not be sealed.
    #[error("the secret could not be sealed: {0}")]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Reason {
    const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Bootstrap => "bootstrap",
            Self::Recovery => "recovery",
            Self::Retry => "retry",
        }
    }
}

/// Adds a rotation of this scope to a delta: the new secret, sealed, as `pending`, and its command. The account is that of the newest completed bootstrap
/// unless it is named. The secret in use stays in use until the device used the new one.
pub(crate) async fn rotate_into(
    node: &Node,
    book: &mut Book,
    delta: &mut ExchangeDelta,
    wanted: Rotation<'_>,
    correlation: &str,
) -> Result<Rotated, RotateError> {
    let Rotation {
        scope,
        account,
        reason,
        own_key,
    } = wanted;
    let kept = match scope {
        SecretScope::Bootstrap => return Err(RotateError::ByBootstrapAlone),
        SecretScope::Session => CredentialScope::Session,
        SecretScope::Notification => CredentialScope::Notification,
    };
    let completed = |record: &&BootstrapRecord| {
        record.state == BootstrapState::Completed
            && account.is_none_or(|account| record.srv_id == *account)
    };
    let record = book.records().iter().find(completed).cloned();
    let record = record.ok_or_else(|| RotateError::NoAccount(account.cloned()))?;
    let account = Some(&record.srv_id);
    let coming = book.live(kept, account).find_map(|one| {
        let command = one.command.clone()?;
        (one.generation == Generation::Pending && book.is_coming(one)).then_some(command)
    });
    if let Some(command) = coming {
        return Err(RotateError::UnderWay(scope, command));
    }
    let of = |generation: Generation| {
        let mut live = book.live(kept, account).rev();
        live.find(|one| one.generation == generation).cloned()
    };
    let basis = of(Generation::Current).or_else(|| of(Generation::Pending));
    let own = match scope {
        SecretScope::Session => own_certificate(node, book, basis.as_ref(), own_key, delta)?,
        _ => None,
    };
    let (secret, mut credential, has_parent) =
        make(node, delta, scope, (basis.as_ref(), own), &record).await?;
    let command = CommandId(EventId::of(random()?));
    credential.record = Some(record.id.clone());
    credential.command = Some(command.clone());
    let context = credential.proof.seal_context(&delta.dev_id);
    let sealed = match &secret {
        NewSecret::Trsp(AuthTrsp { data, secret })
            if matches!(credential.proof, CredentialProof::Certificate(_)) =>
        {
            join(data, secret)
        }
        NewSecret::Trsp(AuthTrsp { secret, .. }) => secret.clone(),
        NewSecret::HttpAuth(login) => login.password.clone(),
        NewSecret::Noti(noti) => join(&noti.data, &noti.secret),
    };
    credential.sealed = Some(node.sealing.seal(&context, &sealed)?);
    if let (CredentialProof::Psk { identity, .. }, NewSecret::Trsp(trsp)) =
        (&credential.proof, &secret)
    {
        node.psks.expect(identity, &trsp.secret);
    }
    let url = repository::command_url(node, &command);
    let words = vec![
        CommandName::HGet.as_str().to_owned(),
        url,
        secret.target(has_parent),
    ];
    delta.commands.push(CommandChange::Add {
        id: command.clone(),
        words,
    });
    let queued = EventKind::RotationQueued {
        id: command.to_string(),
        scope: scope.name().to_owned(),
        proof: credential.proof.kind().to_owned(),
        fingerprint: fingerprint(&credential),
        name: credential.proof.name().map(str::to_owned),
        reason: reason.name().to_owned(),
    };
    delta.events.push(event(queued, correlation));
    let rotated = Rotated {
        scope,
        command,
        proof: credential.proof.clone(),
    };
    book.add(credential, delta);
    Ok(rotated)
}

/// A certificate of the key that the device made itself (DER), where its sessions go on being proved with that key or are to be.
fn own_certificate(
    node: &Node,
    book: &Book,
    basis: Option<&Credential>,
    asked: bool,
    delta: &ExchangeDelta,
) -> Result<Option<Vec<u8>>, RotateError> {
    let opened = |credential: &Credential| {
        let context = credential.proof.seal_context(&credential.dev_id);
        let opened = node.sealing.open(&context, credential.sealed.as_ref()?);
        let (certificate, key) = split(&opened.ok()?)?;
        key.is_empty().then_some(certificate)
    };
    let is_certificate = |one: &Credential| matches!(one.proof, CredentialProof::Certificate(_));
    if let Some(certificate) = basis.filter(|basis| is_certificate(basis)).and_then(opened) {
        return Ok(Some(certificate));
    }
    if !asked {
        return Ok(None);
    }
    if basis.is_some_and(|basis| !is_certificate(basis)) {
        return Err(RotateError::KeyNotKnown);
    }
    let mut known = book.credentials().iter().rev().filter(|one| {
        one.scope == CredentialScope::Device
            && is_certificate(one)
            && one.revoked_at.is_none()
            && one.expires_at.is_none_or(|end| end > delta.at)
    });
    known
        .find_map(opened)
        .map(Some)
        .ok_or(RotateError::KeyNotKnown)
}

/// A new secret of the kind that is in use, its credential, and whether the account has the node above it. A device that opens its sessions with its own
/// identity gets a certificate for them.
async fn make(
    node: &Node,
    delta: &ExchangeDelta,
    scope: SecretScope,
    (basis, own): (Option<&Credential>, Option<Vec<u8>>),
    record: &BootstrapRecord,
) -> Result<(NewSecret, Credential, bool), RotateError> {
    let new = |proof: CredentialProof, scope: CredentialScope| {
        let dev_id = delta.dev_id.clone();
        Credential::new(dev_id, proof, scope, Generation::Pending, delta.at)
    };
    if scope == SecretScope::Notification {
        if basis.is_none() && opened(node, record).await?.noti.is_none() {
            return Err(RotateError::NoNotification(record.srv_id.clone()));
        }
        let (id, data) = (random()?, random::<8>()?.to_vec());
        let secret = Secret::new(random::<32>()?.to_vec());
        let proof = CredentialProof::Notification { id };
        let credential = new(proof, CredentialScope::Notification);
        let kind = SHA256_DIGEST;
        let noti = AuthNoti { kind, data, secret };
        return Ok((NewSecret::Noti(noti), credential, true));
    }
    let has_parent = match basis {
        Some(_) => true,
        None => {
            let account = opened(node, record).await?;
            account.bootstrap.is_some() || account.noti.is_some() || account.trsp.is_some()
        }
    };
    match basis.map(|basis| &basis.proof) {
        Some(CredentialProof::Psk { .. }) => {
            let identity = fresh_name()?;
            let trsp = AuthTrsp {
                data: identity.clone().into_bytes(),
                secret: Secret::new(random::<32>()?.to_vec()),
            };
            let proof = CredentialProof::Psk { identity, nr: 0 };
            let credential = new(proof, CredentialScope::Session);
            Ok((NewSecret::Trsp(trsp), credential, has_parent))
        }
        Some(CredentialProof::HttpUser { .. }) => {
            let (user, password) = (fresh_name()?, token()?);
            let proof = CredentialProof::HttpUser { user: user.clone() };
            let login = HttpAuth { user, password };
            let credential = new(proof, CredentialScope::Session);
            Ok((NewSecret::HttpAuth(login), credential, has_parent))
        }
        _ => {
            let lifetime = node.config.certificate_lifetime;
            let (made, key) = match own {
                Some(known) => {
                    let (dev_id, at) = (&delta.dev_id, delta.at);
                    let made = node.state.issue_for_key_of(&known, dev_id, at, lifetime)?;
                    (made, Secret::new(Vec::new()))
                }
                None => {
                    let (dev_id, at) = (&delta.dev_id, delta.at);
                    let made = node.state.issue_for_generated_key(dev_id, at, lifetime)?;
                    (made.0, made.1.key().clone())
                }
            };
            let proof = CredentialProof::Certificate(*made.fingerprint.octets());
            let mut credential = new(proof, CredentialScope::Session);
            credential.expires_at = Some(utc(made.not_after));
            credential.serial = Some(serial_text(&made.serial));
            let trsp = AuthTrsp {
                data: made.der.to_vec(),
                secret: key,
            };
            Ok((NewSecret::Trsp(trsp), credential, has_parent))
        }
    }
}

/// The account as the bootstrap brought it.
async fn opened(
    node: &Node,
    record: &BootstrapRecord,
) -> Result<omadm_mo::standard::DmAcc, RotateError> {
    let document = bootstrap_service::open_document(node, record)
        .await
        .map_err(|error| match error {
            OpenError::Store(error) => RotateError::Store(error),
            error => RotateError::Document(error.to_string()),
        })?;
    account_in(node, document.expose(), &record.srv_id).map_err(RotateError::Document)
}
