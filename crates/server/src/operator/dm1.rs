//! Accounts of DM 1.x that an operator makes by hand: add, show, rotate, revoke.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_dm1::credential::{CredentialType, Nonce, new_password};
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::{ClientNonces, KeptSecret, ServerSide};

use super::answer::{JsonBody, Refused};
use super::devices::{dev_id, unknown};
use super::dm1_types::{
    Dm1AccountAdded, Dm1AccountBody, Dm1Revocation, Dm1SecretBody, NewDm1Account,
};
use super::types::SecretText;
use crate::dm1_service::{Account, AccountError, account_row, models, provisioned};
use crate::entropy::{correlation, random};
use crate::exchange::DM1_PATH;
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::store::CommitError;

/// How often a change is made again after other commits of the device came between.
const RETRIES: usize = 8;
/// Longest account name and server identifier, in octets.
const NAME: usize = 128;
/// Longest password that is taken from elsewhere, in octets.
const PASSWORD: usize = 255;

/// Makes an account of DM 1.x for a device. What the server draws is shown this once.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/dm1", tag = "dm1", params(("dev_id" = String, Path)), request_body = NewDm1Account,
    responses((status = 201, body = Dm1AccountAdded), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn add(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    JsonBody(new): JsonBody<NewDm1Account>,
) -> Result<(StatusCode, Json<Dm1AccountAdded>), Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let user = match &new.user {
        Some(user) => name_of("user", user)?,
        None => dev_id.as_str().to_owned(),
    };
    let made = make(&node, &new, &user)?;
    let proof = CredentialProof::Dm1Account { user: user.clone() };
    for _again in 0..RETRIES {
        let device = node.store.device(&dev_id).await?;
        let device = device.ok_or_else(|| unknown(&dev_id))?;
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
                let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).into_owned();
                let added = Dm1AccountAdded {
                    address: format!("https://{}{DM1_PATH}", node.public_server),
                    client_secret: text(&made.client_secret),
                    client_nonce: made.client_nonce.base64(),
                    server_secret: made.server.as_ref().map(|(secret, _)| text(secret)),
                    server_nonce: made.server.as_ref().map(|(_, nonce)| nonce.base64()),
                    account: body(&row, &made.account),
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

/// Shows the account of DM 1.x that a device has, and how its secrets stand.
#[utoipa::path(get, path = "/api/v1/devices/{dev_id}/dm1", tag = "dm1", params(("dev_id" = String, Path)),
    responses((status = 200, body = Dm1AccountBody), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn show(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
) -> Result<Json<Dm1AccountBody>, Refused> {
    let dev_id = dev_id(&device)?;
    let (row, account) = found(&node, &dev_id).await?;
    Ok(Json(body(&row, &account)))
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
        let device = node.store.device(dev_id).await?;
        let device = device.ok_or_else(|| unknown(dev_id))?;
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
        return Err(Refused::missing(format!("{dev_id} has no DM 1.x account")));
    };
    Ok((row.clone(), Account::open(node, row)?))
}

/// An account with what the device has to be given.
struct Made {
    account: Account,
    client_secret: Secret,
    client_nonce: Nonce,
    server: Option<(Secret, Nonce)>,
}

fn make(node: &Node, new: &NewDm1Account, user: &str) -> Result<Made, Refused> {
    let credential = match new.credential.as_deref() {
        None => CredentialType::Md5,
        Some(text) => kind_of("credential", text)?,
    };
    let server_kind = match new.server_credential.as_deref() {
        None => Some(CredentialType::Md5),
        Some("none") => None,
        Some(text) => Some(kind_of("server_credential", text)?),
    };
    let server_id = match &new.server_id {
        Some(text) => name_of("server_id", text)?,
        None => host_of(&node.public_server).to_owned(),
    };
    let model = new.model.as_deref().map(|name| {
        let known = models::named(name).map(|model| model.name.clone());
        known.ok_or_else(|| {
            let all: Vec<_> = models::names().collect();
            Refused::bad(format!("model: {name:?} is none of {}", all.join(", ")))
        })
    });
    if server_kind.is_none() && (new.server_secret.is_some() || new.server_nonce.is_some()) {
        return Err(Refused::bad(
            "server_secret and server_nonce go with a server_credential",
        ));
    }
    let client_secret = secret_of("client_secret", new.client_secret.as_ref())?;
    let client_nonce = nonce_of("client_nonce", new.client_nonce.as_deref())?;
    let server = match server_kind {
        None => None,
        Some(_) => Some((
            secret_of("server_secret", new.server_secret.as_ref())?,
            nonce_of("server_nonce", new.server_nonce.as_deref())?,
        )),
    };
    if credential == CredentialType::Basic && user.contains(':') && new.user.is_some() {
        return Err(Refused::bad("user: `basic` takes no name with a colon"));
    }
    let side = server_kind.zip(server.as_ref());
    let account = Account {
        credential,
        client_secrets: vec![provisioned(client_secret.clone(), true)],
        client_nonces: ClientNonces {
            package: Some(client_nonce.clone()),
            next: None,
            proofs: 0,
        },
        server: side.map(|(credential, (secret, nonce))| ServerSide {
            credential,
            user: server_id.clone(),
            secrets: vec![provisioned(secret.clone(), true)],
            nonce: Some(nonce.clone()),
            boot_nonce: Some(nonce.clone()),
        }),
        server_id,
        model: model.transpose()?,
        last_event: None,
        account_uri: None,
        rotate: false,
    };
    Ok(Made {
        account,
        client_secret,
        client_nonce,
        server,
    })
}

fn kind_of(member: &str, text: &str) -> Result<CredentialType, Refused> {
    match text {
        "basic" => Ok(CredentialType::Basic),
        "md5" => Ok(CredentialType::Md5),
        "mac" => Ok(CredentialType::Mac),
        _ => Err(Refused::bad(format!(
            "{member}: {text:?} is none of basic, md5 and mac"
        ))),
    }
}

fn name_of(member: &str, text: &str) -> Result<String, Refused> {
    if text.is_empty() || text.len() > NAME || text.chars().any(char::is_control) {
        let detail = format!(
            "{member}: {text:?} is none; it has 1 to {NAME} octets and no control character"
        );
        return Err(Refused::bad(detail));
    }
    Ok(text.to_owned())
}

fn secret_of(member: &str, told: Option<&SecretText>) -> Result<Secret, Refused> {
    let Some(SecretText(text)) = told else {
        return Ok(new_password(&random()?));
    };
    if text.is_empty() || text.len() > PASSWORD || text.chars().any(char::is_control) {
        let detail =
            format!("{member}: it has to have 1 to {PASSWORD} octets and no control character");
        return Err(Refused::bad(detail));
    }
    Ok(Secret::from(text.clone()))
}

fn nonce_of(member: &str, told: Option<&str>) -> Result<Nonce, Refused> {
    match told {
        None => Ok(Nonce::of_entropy(&random()?)),
        Some(text) => {
            Nonce::of_base64(text).map_err(|cause| Refused::bad(format!("{member}: {cause}")))
        }
    }
}

/// A host without its port.
fn host_of(server: &str) -> &str {
    match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => server,
    }
}

fn body(row: &Credential, account: &Account) -> Dm1AccountBody {
    let secrets = |all: &[KeptSecret]| all.iter().map(secret_body).collect();
    let side = account.server.as_ref();
    Dm1AccountBody {
        device: row.dev_id.to_string(),
        user: row.proof.name().unwrap_or_default().to_owned(),
        server_id: account.server_id.clone(),
        credential: account.credential.aauth_type().to_owned(),
        client: secrets(&account.client_secrets),
        server: side.map_or_else(Vec::new, |side| secrets(&side.secrets)),
        rotate: account.rotate,
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

impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Self {
        tracing::error!(%error, "a DM 1.x account cannot be used");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into()
    }
}
