//! Triggers: a point of sale, a portal, the network or a voice system tells that a subscriber's device exists (B-28). Each starts one bootstrap, however
//! often it is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use omadm_bootstrap::{BootstrapMethod, PayloadHash};

use super::answer::{JsonBody, Refused};
use super::bootstraps::{body as bootstrap_body, draft_refused, format_of, lifetime, model_of};
use super::credentials::{Issue, issue_into};
use super::devices::{dev_id, unknown_profile};
use super::named_credentials::Named;
use super::notify_at::set_into;
use super::pushes;
use super::types::{NewTrigger, NotifyAt, SecretText, TriggerBody};
use crate::bootstrap_service::{Draft, draft_into};
use crate::entropy::correlation;
use crate::model::{
    CredentialProof, Device, EventKind, ExchangeDelta, NotifySettings, PushCarrierKind, Trigger,
    WaitingChange,
};
use crate::node::{Node, event};
use crate::problem::{Problem, ProblemBody};
use crate::push_service;
use crate::store::CommitError;

/// Who may tell of a device.
const SOURCES: [&str; 5] = ["point-of-sale", "self-service", "network", "voice", "other"];
/// Longest idempotency key, in octets, and longest reference, in characters.
const LONGEST: usize = 128;
/// Most addresses of a device.
const ADDRESSES: usize = 8;
/// How often a trigger is taken anew after other commits of the device came between.
const RETRIES: usize = 8;

/// Takes a trigger: the device is registered where it is not, its address noted, its bootstrap started; a server-initiated one goes to that address. A repeat
/// under the same key changes nothing and is answered with the same record.
#[utoipa::path(post, path = "/api/v1/triggers", tag = "triggers", request_body = NewTrigger,
    responses((status = 201, body = TriggerBody), (status = 200, body = TriggerBody, description = "a repeat"),
        (status = 409, body = ProblemBody, description = "the key belongs to another trigger"), (status = "default", body = ProblemBody)))]
pub(super) async fn take(
    State(node): State<Arc<Node>>,
    JsonBody(new): JsonBody<NewTrigger>,
) -> Result<(StatusCode, Json<TriggerBody>), Refused> {
    let (dev_id, correlation) = (dev_id(&new.dev_id)?, correlation());
    check(&new)?;
    let method = pushes::method((&new).into())?;
    if !matches!(
        method,
        BootstrapMethod::ClientInitiated | BootstrapMethod::ServerInitiated
    ) {
        return Err(Refused::bad(
            "method: a trigger starts a client-initiated or a server-initiated bootstrap",
        ));
    }
    let format = format_of(new.profile_format.as_deref())?;
    let model = model_of(new.model.as_deref(), format)?;
    let profile = node
        .profiles
        .get(&new.profile)
        .ok_or_else(|| unknown_profile(&new.profile))?;
    let asked = hash(&new)?;
    for _again in 0..RETRIES {
        if let Some(taken) = node.store.trigger(&new.key).await? {
            return repeat(&node, &new, &asked, &taken).await;
        }
        let draft = Draft {
            profile: Arc::clone(&profile),
            format,
            method,
            expires_in: lifetime(&node, method),
            model,
            push: pushes::wanted(&node, &dev_id, (&new).into(), (method, format)).await?,
        };
        let device = node.store.device(&dev_id).await?;
        let expected = device.as_ref().map(|device| device.epoch);
        let mut delta = ExchangeDelta::new(dev_id.clone(), expected, node.now());
        let (record, code) =
            start_into(&node, &mut delta, device, &new, &draft, &correlation).await?;
        delta.trigger = Some(Trigger {
            key: new.key.clone(),
            dev_id: dev_id.clone(),
            record: record.id.clone(),
            asked: asked.clone(),
            at: delta.at,
        });
        match node.store.commit(delta).await {
            Ok(_) => {
                tracing::info!(correlation, device = %dev_id, source = new.source, bootstrap = %record.id, "trigger taken");
                if record.push.is_some() {
                    push_service::begin(&node, record.id.clone());
                }
                let body = TriggerBody {
                    key: new.key,
                    dev_id: dev_id.to_string(),
                    repeated: false,
                    bootstrap: bootstrap_body(&record),
                    code,
                };
                return Ok((StatusCode::CREATED, Json(body)));
            }
            Err(CommitError::Conflict | CommitError::DeviceExists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// SHA-256 of what is asked for. Secrets are left out: nowhere can they be guessed from.
fn hash(new: &NewTrigger) -> Result<String, Refused> {
    let mut told = new.clone();
    for secret in [&mut told.noti_secret, &mut told.pin] {
        *secret = secret.take().map(|_| SecretText(String::new()));
    }
    let told = serde_json::to_vec(&told).map_err(|cause| Refused::bad(cause.to_string()))?;
    Ok(PayloadHash::of(&told).to_hex())
}

fn check(new: &NewTrigger) -> Result<(), Refused> {
    if !(1..=LONGEST).contains(&new.key.len()) || !new.key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refused::bad(format!(
            "key: 1 to {LONGEST} visible ASCII characters"
        )));
    }
    if !SOURCES.contains(&new.source.as_str()) {
        return Err(Refused::bad(format!(
            "source: one of {}",
            SOURCES.join(", ")
        )));
    }
    let reference = new.reference.as_deref().unwrap_or_default();
    if reference.chars().count() > LONGEST {
        return Err(Refused::bad(format!(
            "reference: {LONGEST} characters at most"
        )));
    }
    Ok(())
}

/// Adds to a delta what a trigger starts; the code is shown once.
async fn start_into(
    node: &Node,
    delta: &mut ExchangeDelta,
    device: Option<Device>,
    new: &NewTrigger,
    draft: &Draft,
    correlation: &str,
) -> Result<(crate::model::BootstrapRecord, Option<String>), Refused> {
    let is_new = device.is_none();
    if is_new {
        delta
            .events
            .push(event(EventKind::DeviceRegistered, correlation));
        delta.waiting.push(WaitingChange::Known);
    }
    let told = delta.events.len();
    // The addresses of a device are those of Notifications.
    let push = draft.push.as_ref();
    let is_listener = push.is_some_and(|push| push.carrier == PushCarrierKind::Direct);
    if let Some(address) = new.address.as_ref().filter(|_| !is_listener) {
        let set = device.map_or_else(NotifySettings::default, |device| device.notify);
        let mut addresses = vec![address.clone()];
        addresses.extend(set.addresses.iter().filter(|one| *one != address).cloned());
        addresses.truncate(ADDRESSES);
        let at = NotifyAt {
            addresses: Some(addresses),
            on_queue: None,
            imsi: None,
            esn: None,
        };
        set_into(delta, set, &at, correlation)?;
    }
    let drafted = draft_into(node, delta, draft, correlation)
        .await
        .map_err(draft_refused)?;
    let issue = Issue {
        csr: None,
        certificate: new.certificate.as_deref(),
        code: new.code,
        named: Named {
            http_user: None,
            http_password: None,
            psk_identity: None,
            psk: None,
        },
    };
    // Nothing that is issued here has a name.
    let record = Some(&drafted.record.id);
    let issued = issue_into(node, delta, issue, &[], record, correlation)?;
    let triggered = EventKind::DeviceTriggered {
        source: new.source.clone(),
        reference: new.reference.clone(),
        address: new.address.clone(),
        bootstrap: drafted.record.id.to_string(),
    };
    delta.events.insert(told, event(triggered, correlation));
    Ok((drafted.record, issued.code))
}

/// The answer to a repeat: the record as it is now.
async fn repeat(
    node: &Node,
    new: &NewTrigger,
    asked: &str,
    taken: &Trigger,
) -> Result<(StatusCode, Json<TriggerBody>), Refused> {
    if taken.asked != asked {
        let detail = format!(
            "the key {:?} belongs to another trigger, of {} at {}",
            new.key, taken.dev_id, taken.at
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .advising("Give each trigger a key of its own, and a repeat the members of the first.")
            .into());
    }
    let record = node.store.bootstrap(&taken.record).await?;
    let record =
        record.ok_or_else(|| Refused::missing("the trigger's bootstrap is not there any more"))?;
    let body = TriggerBody {
        key: new.key.clone(),
        dev_id: taken.dev_id.to_string(),
        repeated: true,
        bootstrap: bootstrap_body(&record),
        code: code(node, taken).await?,
    };
    Ok((StatusCode::OK, Json(body)))
}

/// The code of a trigger whose answer may have been lost, as long as it opens anything.
async fn code(node: &Node, taken: &Trigger) -> Result<Option<String>, Refused> {
    let credentials = node.store.credentials(&taken.dev_id).await?;
    let code = credentials.iter().find(|credential| {
        matches!(credential.proof, CredentialProof::BootstrapCode { .. })
            && credential.record.as_ref() == Some(&taken.record)
            && credential.added_at == taken.at
            && credential.revoked_at.is_none()
            && credential.expires_at.is_none_or(|end| end > node.now())
    });
    let Some((code, sealed)) = code.and_then(|code| Some((code, code.sealed.as_ref()?))) else {
        return Ok(None);
    };
    let context = code.proof.seal_context(&taken.dev_id);
    let opened = node.sealing.open(&context, sealed)?;
    Ok(Some(String::from_utf8_lossy(opened.expose()).into_owned()))
}
