//! Generations of a device's secrets: rotate, revoke one, let a device come back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_bootstrap::generation::{Generation, SecretScope};
use omadm_bootstrap::{BootstrapMethod, ProfileFormat};
use omadm_mo::{DevId, SrvId};
use serde::Deserialize;

use super::answer::{JsonBody, Parameters, Refused};
use super::bootstraps::{body as bootstrap_body, draft_refused, lifetime};
use super::credentials::name;
use super::devices::{dev_id, registered, unknown_profile};
use super::dm1::accept_into;
use super::pushes;
use super::types::{GenerationAccepted, GenerationRevoked, NewRotation, RotationBody};
use crate::bootstrap_service::{Draft, draft_into};
use crate::entropy::correlation;
use crate::generations::{self, Book, Reason, RotateError, Rotation, rotate_into};
use crate::model::{
    BootstrapRecord, BootstrapState, CredentialChange, CredentialScope, ExchangeDelta, of_dm2,
};
use crate::node::Node;
use crate::problem::{Problem, ProblemBody};
use crate::push_service;
use crate::store::CommitError;

/// How often a change is made again after other commits of the device came between.
const RETRIES: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopeQuery {
    scope: Option<String>,
}

/// Gives a device a new secret by a command in its next session, or in the one that runs; that of `Auth/Bootstrap` by a further bootstrap, since no session may
/// change it (B-17). The one in use stays in use until the device used, or reported, the new one.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/rotations", tag = "credentials", params(("dev_id" = String, Path)), request_body = NewRotation,
    responses((status = 201, body = RotationBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn rotate(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
    JsonBody(new): JsonBody<NewRotation>,
) -> Result<(StatusCode, Json<RotationBody>), Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let scope = match new.scope.as_deref() {
        Some(text) => scope(text)?,
        None => SecretScope::Session,
    };
    let srv_id = new.srv_id.as_deref().map(|text| {
        SrvId::parse(text).map_err(|cause| Refused::bad(format!("srv_id: {text:?}: {cause}")))
    });
    let account = srv_id.transpose()?;
    if scope == SecretScope::Bootstrap {
        return by_bootstrap(&node, &dev_id, account.as_ref(), &correlation).await;
    }
    if new.own_key && scope != SecretScope::Session {
        return Err(Refused::bad(
            "own_key: only the sessions of a device are proved by a key of its own",
        ));
    }
    let wanted = Rotation {
        scope,
        account: account.as_ref(),
        reason: Reason::Operator,
        own_key: new.own_key,
    };
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let mut book = Book::read(&node, &device).await?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let rotated = rotate_into(&node, &mut book, &mut delta, wanted, &correlation);
        let rotated = rotated.await.map_err(not_rotated)?;
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, scope = scope.name(), command = %rotated.command, "rotation queued");
                let body = RotationBody {
                    device: dev_id.to_string(),
                    scope: rotated.scope.name().to_owned(),
                    command: Some(rotated.command.to_string()),
                    bootstrap: None,
                    credential: name(&rotated.proof),
                };
                return Ok((StatusCode::CREATED, Json(body)));
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// A further bootstrap from the profile that brought the account. The device is called for it where it can be, else it fetches it when it asks next.
async fn by_bootstrap(
    node: &Arc<Node>,
    dev_id: &DevId,
    account: Option<&SrvId>,
    correlation: &str,
) -> Result<(StatusCode, Json<RotationBody>), Refused> {
    for _again in 0..RETRIES {
        let device = registered(node, dev_id).await?;
        let records = of_dm2(node.store.bootstraps_of(dev_id).await?);
        let of_account =
            |record: &&BootstrapRecord| account.is_none_or(|account| record.srv_id == *account);
        let mut of_account = records.iter().filter(of_account);
        let last = of_account
            .clone()
            .find(|record| record.state == BootstrapState::Completed)
            .ok_or_else(|| not_rotated(RotateError::NoAccount(account.cloned())))?;
        let open =
            of_account.find(|record| record.srv_id == last.srv_id && !record.state.is_terminal());
        if let Some(open) = open {
            return Err(not_rotated(RotateError::BootstrapUnderWay(open.id.clone())));
        }
        let profile = node
            .profiles
            .get(&last.profile)
            .ok_or_else(|| unknown_profile(&last.profile))?;
        // Whoever cannot be called gets it all the same.
        let push = if device.notify.addresses.is_empty() {
            None
        } else {
            let wanted = pushes::wanted(
                node,
                dev_id,
                pushes::Push::default(),
                (BootstrapMethod::ServerInitiated, ProfileFormat::Dm2),
            );
            wanted.await.ok().flatten()
        };
        let method = if push.is_some() {
            BootstrapMethod::ServerInitiated
        } else {
            BootstrapMethod::ClientInitiated
        };
        let draft = Draft {
            profile,
            format: ProfileFormat::Dm2,
            method,
            expires_in: lifetime(node, method),
            model: None,
            push,
        };
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let drafted = draft_into(node, &mut delta, &draft, correlation)
            .await
            .map_err(draft_refused)?;
        let brought = delta.credentials.iter().find_map(|change| match change {
            CredentialChange::Add(one) if one.scope == CredentialScope::Bootstrap => {
                Some(name(&one.proof))
            }
            _ => None,
        });
        let Some(credential) = brought else {
            let account = drafted.record.srv_id;
            return Err(not_rotated(RotateError::NoBootstrap(account)));
        };
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, bootstrap = %drafted.record.id, "rotation by a further bootstrap");
                if drafted.record.push.is_some() {
                    push_service::begin(node, drafted.record.id.clone());
                }
                let body = RotationBody {
                    device: dev_id.to_string(),
                    scope: SecretScope::Bootstrap.name().to_owned(),
                    command: None,
                    bootstrap: Some(bootstrap_body(&drafted.record)),
                    credential,
                };
                return Ok((StatusCode::CREATED, Json(body)));
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// Revokes a generation, of all scopes or one. `boot` is what is in escrow: what was replaced opens nothing any more, and what is still in use leaves escrow.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/generations/{generation}/revoke", tag = "credentials",
    params(("dev_id" = String, Path), ("generation" = String, Path, description = "`boot`, `current` or `pending`"),
        ("scope" = Option<String>, Query, description = "`session`, `bootstrap` or `notification`; else all")),
    responses((status = 200, body = GenerationRevoked), (status = 404, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn revoke(
    State(node): State<Arc<Node>>,
    Path((device, generation)): Path<(String, String)>,
    Parameters(query): Parameters<ScopeQuery>,
) -> Result<Json<GenerationRevoked>, Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    let generation = Generation::from_name(&generation).ok_or_else(|| {
        Refused::bad(format!(
            "{generation:?} is no generation; boot, current and pending are"
        ))
    })?;
    let scope = query.scope.as_deref().map(scope).transpose()?;
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let book = Book::read(&node, &device).await?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let done = generations::revoke(&book, generation, scope, &mut delta, &correlation);
        let body = GenerationRevoked {
            revoked: done.revoked.iter().map(name).collect(),
            out_of_escrow: done.out_of_escrow.iter().map(name).collect(),
        };
        if delta.credentials.is_empty() {
            return Ok(Json(body));
        }
        match node.store.commit(delta).await {
            Ok(_) => {}
            Err(CommitError::Conflict) => continue,
            Err(error) => return Err(error.into()),
        }
        node.list_revoked(&correlation).await;
        tracing::info!(correlation, device = %dev_id, generation = generation.name(), "generation revoked");
        return Ok(Json(body));
    }
    Err(CommitError::Conflict.into())
}

/// Lets a device come back with secrets that were replaced, though it reported no bootstrap that brought them back; what had replaced them is dead. Of a DM 1.x
/// account that happens when the device proves them next; where two hold it, the recovery that is not finished is taken back.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/generations/boot/accept", tag = "credentials", params(("dev_id" = String, Path)),
    responses((status = 200, body = GenerationAccepted), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn accept(
    State(node): State<Arc<Node>>,
    Path(device): Path<String>,
) -> Result<Json<GenerationAccepted>, Refused> {
    let (dev_id, correlation) = (dev_id(&device)?, correlation());
    for _again in 0..RETRIES {
        let device = registered(&node, &dev_id).await?;
        let mut book = Book::read(&node, &device).await?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let accepted = generations::accept(&mut book, &mut delta, &correlation);
        let credentials = book.credentials();
        // Whose secrets of DM 2.0 come back has said nothing of its account of DM 1.x.
        let only_held = accepted > 0;
        let dm1 = match accept_into(&node, credentials, only_held, &mut delta, &correlation)? {
            Some(Ok(what)) => Some(what),
            Some(Err(cause)) if accepted == 0 => {
                return Err(Problem::new(StatusCode::CONFLICT, cause.to_string())
                    .advising(cause.action())
                    .into());
            }
            None if accepted == 0 => {
                let detail = format!("{dev_id} has no replaced secret in escrow");
                return Err(Problem::new(StatusCode::CONFLICT, detail)
                    .advising("Start a new bootstrap for the device.")
                    .into());
            }
            Some(Err(_)) | None => None,
        };
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, accepted, ?dm1, "replaced secrets count again");
                return Ok(Json(GenerationAccepted {
                    accepted,
                    dm1: dm1.map(|what| what.name().to_owned()),
                }));
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

fn scope(text: &str) -> Result<SecretScope, Refused> {
    SecretScope::from_name(text).ok_or_else(|| {
        Refused::bad(format!(
            "scope: {text:?} is none; session, bootstrap and notification are"
        ))
    })
}

fn not_rotated(error: RotateError) -> Refused {
    let told = error.to_string();
    let conflict = |action: &str| Problem::new(StatusCode::CONFLICT, told.clone()).advising(action);
    match error {
        RotateError::NoAccount(_) => conflict("Wait until a bootstrap of the device is completed."),
        RotateError::NoNotification(_) => {
            conflict("Bootstrap the device with a profile that has `[account.noti]`.")
        }
        RotateError::UnderWay(..) => {
            conflict("Wait for its next session, or call it with `omadm device notify`.")
        }
        RotateError::NoBootstrap(_) => {
            conflict("Bootstrap the device with a profile that has `[account.bootstrap]`.")
        }
        RotateError::BootstrapUnderWay(_) => {
            conflict("Wait until it is completed; `omadm device show` tells how far it is.")
        }
        RotateError::KeyNotKnown => conflict(
            "Register the certificate with which the device opens its sessions: `omadm device add-credential DEVID --csr …`.",
        ),
        RotateError::ByBootstrapAlone => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, told)
            .advising("Start a new bootstrap for the device: it brings a new Auth/Bootstrap."),
        RotateError::Store(error) => return error.into(),
        RotateError::StateDir(error) => return error.into(),
        RotateError::Entropy(error) => return error.into(),
        RotateError::Seal(error) => return error.into(),
        RotateError::Document(_) => {
            tracing::error!(error = told, "a secret could not be rotated");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, told)
        }
    }
    .into()
}
