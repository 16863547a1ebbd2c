//! One message: account and session are loaded by what it names, the reducer decides, and what it decides is durable before the answer leaves.

use ::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::credential::CredentialType;
use omadm_mo::{DevId, Secret};
use omadm_session::server::dm1::{
    AccountFacts, Channel, DeviceModel, Dm1Event, Dm1Reply, Dm1SessionState, Dm1Step, Identified,
    MessageIn, RespUriUse, ServerFacts, advance,
};
use omadm_tls::Verdict;

use super::account::Account;
use super::completion::applied;
use super::unproven::Unproven;
use super::{account_row, failures, held, is_over, layout, story, unproven};
use crate::config::Rotate;
use crate::entropy::random;
use crate::exchange::{Head, Refusal, of_commit};
use crate::model::{
    Credential, CredentialChange, CredentialProof, Device, DeviceChange, DmGeneration,
    ExchangeDelta, SessionChange, SessionRow,
};
use crate::node::{Node, event};
use crate::notification_service::answered_to;
use crate::session_service::queue::Queue;
use crate::session_service::{elsewhere, over};
use crate::store::{CommitError, StoreError};

/// What the text of a stored session of DM 1.x begins with; base64 of what is sealed follows.
const SESSION_PREFIX: &str = "dm1:";

/// A name that no device can be registered by in earnest.
const NOBODY: &str = "urn:uuid:00000000-0000-0000-0000-000000000000";

/// A message as it came.
pub(super) struct Incoming<'a> {
    pub(super) server: &'a ServerFacts,
    pub(super) identified: &'a Identified,
    pub(super) body: &'a [u8],
    pub(super) mac: Option<&'a str>,
    pub(super) token: Option<&'a str>,
}

/// What became of a message.
pub(super) enum Advanced {
    /// What it led to is durable, and this is the answer.
    Answer(Dm1Reply),
    /// The device moved on in between; nothing was kept.
    Conflict,
}

/// The account that a message names, with the device's row.
struct Known {
    row: Credential,
    user: String,
    device: Device,
    account: Account,
}

pub(super) async fn advance_once(
    node: &Node,
    head: &Head,
    incoming: &Incoming<'_>,
) -> Result<Advanced, Refusal> {
    let name = incoming.identified.account();
    let known = known(node, name).await?;
    let connection = format!("{}/{}", node.dm1.instance, head.connection);
    let certificate = match &known {
        Some(known) => own_certificate(node, head, &known.device.dev_id).await?,
        None => None,
    };
    let message = MessageIn {
        body: incoming.body,
        identified: incoming.identified,
        mac: incoming.mac,
        token: incoming.token,
        channel: Channel {
            encrypted: head.peer.is_some(),
            connection: Some(&connection),
            certificate: certificate.as_deref(),
        },
    };
    let entropy = random()
        .map_err(|error| Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let step = |state, account: Option<&AccountFacts>| {
        advance(head.now, &entropy, incoming.server, state, account, message)
    };
    let Some(Known {
        row,
        user,
        device,
        mut account,
    }) = known
    else {
        read_of_nobody(node, head, name).await?;
        let step = step(None, None);
        let who = Unproven {
            claimed: incoming.identified.dev_id(),
            user: name,
            dev_id: None,
        };
        unproven::tell(node, head, &who, &step.delta);
        return Ok(Advanced::Answer(step.reply));
    };
    let dev_id = &device.dev_id;
    let records = if account.awaits() {
        let records = node.store.bootstraps_of(dev_id).await?;
        account.drop_ended(|id| is_over(&records, id, head.now));
        Some(records)
    } else {
        None
    };
    let failed = &node.dm1.failed;
    let failures = failed.of(node, dev_id, head.from, head.now).await?;
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), head.now);
    let sessions = node.store.sessions(dev_id).await?;
    let elsewhere = elsewhere(node, dev_id, &sessions, DmGeneration::Dm1);
    let mut queue = Queue::load(node, &device, &elsewhere).await?;
    let running = sessions
        .iter()
        .find(|row| row.generation == DmGeneration::Dm1 && row.expires_at > head.now);
    let before = running.and_then(|row| stored_session(node, dev_id, &row.state));
    if before.is_none() {
        let row = sessions
            .iter()
            .find(|row| row.generation == DmGeneration::Dm1);
        let told = row.map(|row| over(node, dev_id, row, head.now));
        let told = told.into_iter().flatten();
        delta
            .events
            .extend(told.map(|kind| event(kind, &head.correlation)));
        queue.lose_all(&mut delta, &head.correlation);
    }
    let layout = layout(&node.registry, &account.device_model());
    let mut facts = account.facts(&user, dev_id, failures, queue.wanted1(&layout));
    if head.peer.is_none() {
        in_clear(&mut facts);
    }
    let Dm1Step {
        state,
        delta: said,
        reply,
    } = step(before.clone(), Some(&facts));
    if said.failed {
        let counted = failed.count(node, dev_id, head.from, head.now);
        counted.map_err(|error| {
            Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })?;
    }
    if !said.proven {
        let who = Unproven {
            claimed: incoming.identified.dev_id(),
            user: &user,
            dev_id: Some(dev_id),
        };
        unproven::tell(node, head, &who, &said);
        if !held::keep(node, head, (&device, &row, &mut account), &said).await? {
            return Ok(Advanced::Conflict);
        }
        // A repeated message is answered from the store, a stranger's changes nothing (M03, M12).
        return Ok(Advanced::Answer(reply));
    }
    failed.clear(dev_id, head.from);
    let is_cleared = failures.from_source > 0;
    if state == before && said.events.is_empty() && queue.is_unchanged() && !is_cleared {
        return Ok(Advanced::Answer(reply));
    }
    let mut changed = account.take(&said);
    let records = match records {
        None if said.bootstrap.is_some() => node.store.bootstraps_of(dev_id).await?,
        records => records.unwrap_or_default(),
    };
    let report = said.bootstrap.as_ref();
    let mut completed = None;
    if let Some(applied) = applied(&account, &said, &records) {
        let credentials = node.store.credentials(dev_id).await?;
        let now = applied.now;
        let account = &mut account;
        let record = applied.add_to(
            report,
            account,
            &records,
            &credentials,
            &mut delta,
            &head.correlation,
        );
        completed = Some((record, now));
    }
    let is_new = report.is_some() || completed.as_ref().is_some_and(|(_, now)| *now);
    let in_clear = completed
        .as_ref()
        .is_some_and(|(record, _)| record.went_in_clear());
    let rotates = is_new
        && (node.config.rotate >= Rotate::AfterBootstrap
            || in_clear && node.config.rotate > Rotate::Never);
    account.rotate |= rotates && !said.rotated;
    changed |= rotates || completed.as_ref().is_some_and(|(_, now)| *now);
    if changed {
        let sealed = account.seal(node, &row.proof, dev_id).map_err(|error| {
            Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })?;
        let reseal = CredentialChange::Reseal(row.proof.clone(), sealed);
        delta.credentials.push(reseal);
    }
    if row
        .used_at
        .is_none_or(|at| head.now.millis_since(at) >= 3_600_000)
    {
        let used = CredentialChange::Used(row.proof.clone());
        delta.credentials.push(used);
    }
    if let Some(leaves) = &said.dev_info {
        let json = serde_json::json!(leaves).to_string();
        delta.device.push(DeviceChange::DevInfo(json));
    }
    let is_triggered = |what: &Dm1Event| {
        matches!(
            what,
            Dm1Event::Started {
                triggered: true,
                ..
            }
        )
    };
    if said.events.iter().any(is_triggered) {
        let ids = trigger_ids(incoming.identified.session_id(), &account);
        answered_to(node, &device, &ids, &mut delta, &head.correlation).await?;
    }
    story::tell(
        &said,
        &user,
        completed.as_ref(),
        &mut queue,
        &mut delta,
        &head.correlation,
    );
    delta.commands.extend(queue.changes());
    delta.device.push(DeviceChange::Seen);
    delta.right_from = is_cleared.then(|| failures::name(head.from));
    delta.session = match &state {
        Some(state) => SessionChange::Set(SessionRow {
            generation: DmGeneration::Dm1,
            state: session_text(node, dev_id, state)?,
            expires_at: state.deadline(),
        }),
        None => SessionChange::End(DmGeneration::Dm1),
    };
    match node.store.commit(delta).await {
        Ok(_) => Ok(Advanced::Answer(reply)),
        Err(CommitError::Conflict) => Ok(Advanced::Conflict),
        Err(error) => Err(of_commit(node, error)),
    }
}

/// The triggers that a session may be an answer to: a family swaps the octets of the number (`push.md` §5.4).
fn trigger_ids(session_id: &str, account: &Account) -> Vec<u16> {
    let Some(number) = account.device_model().trigger_of(session_id) else {
        return Vec::new();
    };
    let swapped = number.swap_bytes();
    if swapped == number {
        vec![number]
    } else {
        vec![number, swapped]
    }
}

/// Without TLS each message proves itself, by MD5 or MAC: what a passive listener reads opens nothing for him.
fn in_clear(facts: &mut AccountFacts) {
    facts.credential = facts.credential.max(CredentialType::Md5);
    facts.model.quirks.resp_uri = RespUriUse::IgnoresAndReconnects;
}

/// The account of this name; where a client gives none, that of the device (M19).
async fn known(node: &Node, name: &str) -> Result<Option<Known>, Refusal> {
    let proof = CredentialProof::Dm1Account {
        user: name.to_owned(),
    };
    let row = match node.store.credential(&proof).await? {
        Some(row) if row.revoked_at.is_none() => Some(row),
        Some(_) => None,
        None => match DevId::parse(name) {
            Ok(dev_id) => account_row(&node.store.credentials(&dev_id).await?).cloned(),
            Err(_) => None,
        },
    };
    let Some(named) = row else {
        return Ok(None);
    };
    let Some(device) = node.store.device(&named.dev_id).await? else {
        return Ok(None);
    };
    // Read again behind the epoch, so that a commit at this epoch is of what the account holds now: read before it, a nonce could be consumed twice, and secrets
    // that another exchange stored in between be written over.
    let row = node.store.credential(&named.proof).await?;
    let Some(row) = row.filter(|row| row.revoked_at.is_none()) else {
        return Ok(None);
    };
    let account = Account::open(node, &row).map_err(|error| {
        tracing::error!(device = %row.dev_id, %error, "a DM 1.x account cannot be used");
        Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    Ok(Some(Known {
        user: row.proof.name().unwrap_or_default().to_owned(),
        row,
        device,
        account,
    }))
}

/// Reads what is read of an account, of a device that there is not: the time that an answer takes tells no names (M19).
async fn read_of_nobody(node: &Node, head: &Head, name: &str) -> Result<(), StoreError> {
    let Ok(nobody) = DevId::parse(NOBODY) else {
        return Ok(());
    };
    let proof = CredentialProof::Dm1Account {
        user: name.to_owned(),
    };
    let _none = node.store.device(&nobody).await?;
    let _none = node.store.credential(&proof).await?;
    let _none = own_certificate(node, head, &nobody).await?;
    let failed = &node.dm1.failed;
    let _none = failed.of(node, &nobody, head.from, head.now).await?;
    let _none = node.store.sessions(&nobody).await?;
    let _layout = layout(&node.registry, &DeviceModel::default());
    Ok(())
}

/// The fingerprint of the client certificate, where it is trusted and this device's.
async fn own_certificate(
    node: &Node,
    head: &Head,
    dev_id: &DevId,
) -> Result<Option<String>, StoreError> {
    let peer = head.peer.as_ref();
    let trusted = peer.filter(|peer| matches!(peer.verdict(), Verdict::Trusted { .. }));
    let Some(print) = trusted.and_then(omadm_tls::PeerIdentity::fingerprint) else {
        return Ok(None);
    };
    let proof = CredentialProof::Certificate(*print.octets());
    let held = node.store.credential(&proof).await?;
    let own = held.is_some_and(|held| held.dev_id == *dev_id && held.revoked_at.is_none());
    Ok(own.then(|| print.to_string()))
}

fn session_context(dev_id: &DevId) -> Vec<u8> {
    format!("session/dm1/{dev_id}").into_bytes()
}

fn session_text(node: &Node, dev_id: &DevId, state: &Dm1SessionState) -> Result<String, Refusal> {
    let sealed = node
        .sealing
        .seal(&session_context(dev_id), &state.to_text());
    let sealed = sealed
        .map_err(|error| Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(format!("{SESSION_PREFIX}{}", STANDARD.encode(sealed)))
}

/// A session of DM 1.x from the text of its row; none for one of another version, or that cannot be opened.
pub(crate) fn stored_session(node: &Node, dev_id: &DevId, text: &str) -> Option<Dm1SessionState> {
    let sealed = STANDARD.decode(text.strip_prefix(SESSION_PREFIX)?).ok()?;
    let opened: Secret = node.sealing.open(&session_context(dev_id), &sealed).ok()?;
    Dm1SessionState::from_text(opened.expose()).ok()
}
