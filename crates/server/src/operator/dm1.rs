//! Accounts of DM 1.x by hand: add, show, rotate, revoke, and what an operator decides about what does not count.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::KeptSecret;

use super::answer::{JsonBody, Refused};
use super::devices::{dev_id, registered};
use super::dm1_made::make;
use super::dm1_types::{
    Dm1AccountAdded, Dm1AccountBody, Dm1HeldBody, Dm1Revocation, Dm1SecretBody, NewDm1Account,
};
use crate::dm1_service::{
    Accepted, Account, AccountError, IssueError, NotAccepted, account_row, known_model,
    last_account_row,
};
use crate::entropy::correlation;
use crate::exchange::DM1_PATH;
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, DmGeneration, EventKind,
    ExchangeDelta, SessionChange,
};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::store::CommitError;

/// How often a change is made again after other commits of the device came between.
const RETRIES: usize = 8;

/// Makes an account of DM 1.x for a device. What the server draws is shown this once.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/dm1", tag = "dm1", params(("dev_id" = String, Path)), request_body = NewDm1Account,
    responses((status = 201, body = Dm1AccountAdded), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    JsonBody(new): JsonBody<NewDm1Account>,
) -> Result<(StatusCode, Json<Dm1AccountAdded>), Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let known = registered(&node, &dev_id).await?;
    let former = node.store.credentials(&dev_id).await?;
    let model = known_model(&node, &former, known.dev_info.as_deref())?;
    let made = make(&node, &new, &dev_id, model)?;
    let user = made.user.clone();
    let proof = CredentialProof::Dm1Account { user: user.clone() };
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let known = node.store.credentials(&dev_id).await?;
        if let Some(row) = account_row(&known) {
            let has = row.proof.name().unwrap_or_default();
            let detail = format!("{dev_id} has the DM 1.x account {has} already");
            return Err(Problem::new(StatusCode::CONFLICT, detail)
                .advising("Revoke it first: `omadm device dm1 revoke`.")
                .into());
        }
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let (id, scope) = (dev_id.clone(), CredentialScope::Dm1);
        let mut row = Credential::current(id, proof.clone(), scope, delta.at);
        row.sealed = Some(made.account.seal(&node, &proof, &dev_id)?);
        let kind = EventKind::CredentialAdded {
            proof: proof.kind().to_owned(),
            fingerprint: None,
            name: Some(user.clone()),
        };
        delta.events.push(event(kind, &correlation));
        delta.credentials.push(CredentialChange::Add(row.clone()));
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, user, "DM 1.x account made");
                let document = made.package.as_ref();
                let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
                let added = Dm1AccountAdded {
                    address: format!("https://{}{DM1_PATH}", node.public_server),
                    client_secret: text(&made.client_secret),
                    client_nonce: made.client_nonce.base64(),
                    server_secret: made.server.as_ref().map(|(secret, _)| text(secret)),
                    server_nonce: made.server.as_ref().map(|(_, nonce)| nonce.base64()),
                    account: body(&row, &made.account),
                    document: document.map(|package| STANDARD.encode(package.document.expose())),
                    document_type: document.map(|package| package.format.media_type().to_owned()),
                };
                return Ok((StatusCode::CREATED, Json(added)));
            }
            Err(CommitError::Conflict) => {}
            Err(CommitError::CredentialTaken) => {
                let detail = format!("the account name {user:?} is taken");
                return Err(Problem::new(StatusCode::CONFLICT, detail)
                    .advising("Choose another `user`: a name is never given twice.")
                    .into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Shows the account of DM 1.x that a device has, or had last, and how its secrets stand.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}/dm1", tag = "dm1", params(("dev_id" = String, Path)),
    responses((status = 200, body = Dm1AccountBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
) -> Result<Json<Dm1AccountBody>, Refused> {
    let dev_id = dev_id(&device)?;
    let credentials = node.store.credentials(&dev_id).await?;
    let row = last_account_row(&credentials).ok_or_else(|| none_of(&dev_id))?;
    Ok(Json(body(row, &Account::open(&node, row)?)))
}

/// Has both secrets replaced in the device's next session. What is in use stays so until the device used the new ones.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/dm1/rotate", tag = "dm1", params(("dev_id" = String, Path)),
    responses((status = 200, body = Dm1AccountBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn rotate(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
) -> Result<Json<Dm1AccountBody>, Refused> {
    change(
        &node,
        &dev_id(&device)?,
        |row, account, delta, correlation| {
            if account.rotate {
                return None;
            }
            account.rotate = true;
            let queued = EventKind::RotationQueued {
                id: String::new(),
                scope: "dm1".to_owned(),
                proof: row.proof.kind().to_owned(),
                fingerprint: None,
                name: row.proof.name().map(str::to_owned),
                reason: "operator".to_owned(),
            };
            delta.events.push(event(queued, correlation));
            Some(Change::Reseal)
        },
    )
    .await
}

/// Revokes the account of DM 1.x: it opens nothing from now on. With `boot`, only what was provisioned.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/dm1/revoke", tag = "dm1", params(("dev_id" = String, Path)), request_body = Dm1Revocation,
    responses((status = 200, body = Dm1AccountBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn revoke(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    JsonBody(what): JsonBody<Dm1Revocation>,
) -> Result<Json<Dm1AccountBody>, Refused> {
    change(
        &node,
        &dev_id(&device)?,
        |row, account, delta, correlation| {
            let name = row.proof.name().map(str::to_owned);
            let (fingerprint, scope) = (None, "dm1".to_owned());
            if !what.boot {
                let revoked = EventKind::CredentialRevoked { fingerprint, name };
                delta.events.push(event(revoked, correlation));
                return Some(Change::Revoke);
            }
            account.revoke_boot().then(|| {
                let ended = EventKind::EscrowEnded {
                    scope,
                    fingerprint,
                    name,
                };
                delta.events.push(event(ended, correlation));
                Change::Reseal
            })
        },
    )
    .await
}

/// Leaves out what waits for a decision about the account of DM 1.x, or takes an acceptance back that was not used. What did not count goes on not counting.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/dm1/reject", tag = "dm1", params(("dev_id" = String, Path)),
    responses((status = 200, body = Dm1AccountBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn reject(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
) -> Result<Json<Dm1AccountBody>, Refused> {
    change(
        &node,
        &dev_id(&device)?,
        |row, account, delta, correlation| {
            account.reject().then(|| {
                let rejected = EventKind::CredentialRejected {
                    scope: CredentialScope::Dm1.name().to_owned(),
                    name: row.proof.name().map(str::to_owned),
                };
                delta.events.push(event(rejected, correlation));
                Change::Reseal
            })
        },
    )
    .await
}

/// Adds to a delta that what the account holds, or else what it had replaced, counts again. None where the device has no account, and where only what is held is
/// meant and nothing is.
pub(super) fn accept_into(
    node: &Node,
    credentials: &[Credential],
    only_held: bool,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<Option<Result<Accepted, NotAccepted>>, Refused> {
    let Some(row) = account_row(credentials) else {
        return Ok(None);
    };
    let mut account = Account::open(node, row)?;
    if only_held && account.held.is_none() {
        return Ok(None);
    }
    let accepted = account.accept();
    if let Ok(what) = &accepted {
        let sealed = account.seal(node, &row.proof, &row.dev_id)?;
        let reseal = CredentialChange::Reseal(row.proof.clone(), sealed);
        delta.credentials.push(reseal);
        let kind = EventKind::CredentialAccepted {
            scope: CredentialScope::Dm1.name().to_owned(),
            fingerprint: None,
            name: row.proof.name().map(str::to_owned),
        };
        delta.events.push(event(kind, correlation));
        if *what == Accepted::Former {
            // That of whoever is out now.
            delta.session = SessionChange::End(DmGeneration::Dm1);
        }
    }
    Ok(Some(accepted))
}

/// What becomes of an account's row.
enum Change {
    Reseal,
    Revoke,
}

async fn change(
    node: &Node,
    dev_id: &DevId,
    decide: impl Fn(&Credential, &mut Account, &mut ExchangeDelta, &str) -> Option<Change>,
) -> Result<Json<Dm1AccountBody>, Refused> {
    let correlation = correlation();
    for _again in 0..RETRIES {
        let device = registered(node, dev_id).await?;
        let (mut row, mut account) = found(node, dev_id).await?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let proof = row.proof.clone();
        let change = match decide(&row, &mut account, &mut delta, &correlation) {
            None => return Ok(Json(body(&row, &account))),
            Some(Change::Revoke) => {
                row.revoked_at = Some(delta.at);
                CredentialChange::Revoke(proof)
            }
            Some(Change::Reseal) => {
                let sealed = account.seal(node, &proof, dev_id)?;
                CredentialChange::Reseal(proof, sealed)
            }
        };
        delta.credentials.push(change);
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, "DM 1.x account changed");
                return Ok(Json(body(&row, &account)));
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// The account of DM 1.x among a device's credentials, if there is one.
pub(super) fn body_of(
    node: &Node,
    credentials: &[Credential],
) -> Result<Option<Dm1AccountBody>, Refused> {
    let Some(row) = account_row(credentials) else {
        return Ok(None);
    };
    Ok(Some(body(row, &Account::open(node, row)?)))
}

async fn found(node: &Node, dev_id: &DevId) -> Result<(Credential, Account), Refused> {
    let credentials = node.store.credentials(dev_id).await?;
    let Some(row) = account_row(&credentials) else {
        return Err(none_of(dev_id));
    };
    Ok((row.clone(), Account::open(node, row)?))
}

fn none_of(dev_id: &DevId) -> Refused {
    Refused::missing(format!("{dev_id} has no DM 1.x account"))
}

fn body(row: &Credential, account: &Account) -> Dm1AccountBody {
    let secrets = |all: &[KeptSecret]| all.iter().map(secret_body).collect();
    let (side, held) = (account.server.as_ref(), account.held.as_ref());
    let is_live = row.revoked_at.is_none();
    Dm1AccountBody {
        device: row.dev_id.to_string(),
        user: row.proof.name().unwrap_or_default().to_owned(),
        server_id: account.server_id.clone(),
        credential: account.credential.aauth_type().to_owned(),
        client: secrets(&account.client_secrets),
        server: side.map_or_else(Vec::new, |side| secrets(&side.secrets)),
        rotate: account.rotate,
        // Whoever revoked it decided.
        held: held.filter(|_| is_live).map(|held| Dm1HeldBody {
            cause: held.cause.name().to_owned(),
            since: held.since.to_string(),
            claimed: held.claimed.clone(),
            sentence: held.cause.sentence().to_owned(),
            action: held.cause.action().to_owned(),
        }),
        accepted: account.accepted && is_live,
        model: account.model.clone(),
        last_event_seq: account.last_event.as_ref().map(|last| last.seq),
        account_uri: account.account_uri.clone(),
        added_at: row.added_at.to_string(),
        used_at: row.used_at.map(|at| at.to_string()),
        revoked_at: row.revoked_at.map(|at| at.to_string()),
    }
}

fn secret_body(kept: &KeptSecret) -> Dm1SecretBody {
    Dm1SecretBody {
        generation: kept.standing.generation.name().to_owned(),
        escrowed: kept.standing.escrowed,
        revoked: kept.standing.revoked,
        previous: kept.previous,
    }
}

impl From<IssueError> for Refused {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Profile { .. } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into()
            }
            IssueError::Entropy(error) => error.into(),
        }
    }
}

impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Self {
        tracing::error!(%error, "a DM 1.x account cannot be used");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
    }
}
