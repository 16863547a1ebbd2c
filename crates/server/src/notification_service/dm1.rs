//! Package 0 of DM 1.x (`dm1x.md` §7): proved with the server's credential of the device's account, and sent as a WAP push. Where no session follows it is sent
//! again, proved with what else the device may have (§6.5/8, M21).

use std::sync::Arc;
use std::time::Instant;

use omadm_bootstrap::generation::Generation;
use omadm_dm1::credential::UserHash;
use omadm_dm1::trigger::{Initiator, Trigger, UiMode, VERSION};
use omadm_mo::{DevId, Secret, SrvId};
use omadm_push::wsp::{self, ApplicationId, MediaName, well_known};
use omadm_session::server::dm1::{KeptSecret, NonceForm, ServerSide};

use super::repeated::repeated;
use super::{
    CredentialError, Message, NotifyError, Sent, Wanted, certificates, find, fresh_id, recent,
    record_with,
};
use crate::carrier::{Payload, Push, PushAddress};
use crate::dm1_service::{Account, account_row};
use crate::model::{
    CallChange, CredentialChange, DmGeneration, EventKind, ExchangeDelta, StoredEvent,
};
use crate::node::Node;
use crate::store::CommitError;

/// How the proof by the default nonce is called in events.
const RESYNC: &str = "resync";

/// The account that a device is called by.
pub(super) struct Called1 {
    account: Account,
    srv_id: SrvId,
}

/// How a device is called now.
pub(super) struct Call {
    srv_id: SrvId,
    ui_mode: UiMode,
    proof: Proof,
    /// How many have left then, where another one is to follow.
    next: Option<usize>,
}

/// What a Package 0 is proved with.
struct Proof {
    name: &'static str,
    secret: Secret,
    nonce: Vec<u8>,
}

/// The device's account of DM 1.x, where it is to be called by that; none where by its account of DM 2.0.
pub(super) async fn account(
    node: &Node,
    dev_id: &DevId,
    wanted: &Wanted,
) -> Result<Option<Called1>, NotifyError> {
    // It stands in for an account of DM 2.0 by which the device could not tell who calls.
    let stands_in = match wanted.generation {
        Some(DmGeneration::Dm2) => return Ok(None),
        Some(DmGeneration::Dm1) => false,
        None if wanted.ui_mode.is_some() || wanted.resync => false,
        None => match find(node, dev_id, wanted.srv_id.as_ref()).await {
            Ok(_) if wanted.req_mos || wanted.prefer.is_some() => return Ok(None),
            Ok(found) if found.proving(wanted.unauthenticated).is_ok() => return Ok(None),
            Ok(_) => true,
            Err(NotifyError::Credential(CredentialError::NoBootstrap(_))) => false,
            Err(error) => return Err(error),
        },
    };
    let known = node.store.credentials(dev_id).await?;
    let no = || CredentialError::NoDm1(dev_id.clone());
    let Some(row) = account_row(&known) else {
        return match wanted.generation {
            Some(_) => Err(no().into()),
            None => Ok(None),
        };
    };
    let account =
        Account::open(node, row).map_err(|error| CredentialError::Document(error.to_string()))?;
    let srv_id = SrvId::parse(&account.server_id)
        .map_err(|error| CredentialError::Document(error.to_string()))?;
    if wanted.srv_id.as_ref().is_some_and(|named| *named != srv_id) {
        return match wanted.generation {
            Some(_) => Err(no().into()),
            None => Ok(None),
        };
    }
    if stands_in && account.server.is_none() {
        return Ok(None);
    }
    Ok(Some(Called1 { account, srv_id }))
}

/// Chooses what the next Package 0 is proved with. Where no session follows, further ones leave by themselves, each with the next proof (`repeated.rs`).
pub(super) async fn prove(
    node: &Node,
    dev_id: &DevId,
    wanted: &Wanted,
    called: Called1,
) -> Result<Call, NotifyError> {
    if wanted.req_mos || wanted.prefer.is_some() || wanted.unauthenticated {
        let why =
            "req_mos, prefer and unauthenticated are of DM 2.0, and the device is called in DM 1.x";
        return Err(NotifyError::OtherGeneration(why));
    }
    let Called1 { account, srv_id } = called;
    let Some(side) = &account.server else {
        return Err(CredentialError::NoServerCredential(srv_id).into());
    };
    let mut proofs = if wanted.resync {
        force_rotation(node, dev_id).await?;
        resync(&account, side).into_iter().collect()
    } else {
        proofs(&account, side)
    };
    if proofs.is_empty() {
        return Err(CredentialError::NoServerCredential(srv_id).into());
    }
    let device = node.store.device(dev_id).await?;
    let device = device.ok_or_else(|| NotifyError::UnknownDevice(dev_id.clone()))?;
    let before = unanswered(&recent(node, &device).await?);
    let next = (before + 1 < proofs.len() && !wanted.resync).then_some(before + 1);
    let proof = proofs.swap_remove(before % proofs.len());
    let ui_mode = wanted.ui_mode.unwrap_or(UiMode::Background);
    Ok(Call {
        srv_id,
        ui_mode,
        proof,
        next,
    })
}

pub(super) async fn notify_at(
    node: &Arc<Node>,
    dev_id: &DevId,
    to: &PushAddress,
    call: &Call,
    correlation: &str,
) -> Result<Sent, NotifyError> {
    let &Call { ui_mode, next, .. } = call;
    let Call { srv_id, proof, .. } = call;
    let device = node.store.device(dev_id).await?;
    let device = device.ok_or_else(|| NotifyError::UnknownDevice(dev_id.clone()))?;
    let carrier = node.carriers.of(to)?;
    // 0 is none (§7).
    let session_id = fresh_id(&recent(node, &device).await?)?.max(1);
    let trigger = Trigger {
        version: VERSION,
        ui_mode,
        initiator: Initiator::Server,
        session_id,
        server_id: srv_id.as_str().to_owned(),
        vendor: Vec::new(),
    };
    let key = UserHash::new(srv_id.as_str(), &proof.secret);
    let octets = trigger.encode(&key, &proof.nonce);
    let octets = octets.map_err(|error| CredentialError::Document(error.to_string()))?;
    let push = wsp::Push {
        transaction_id: 0,
        content_type: MediaName::Code(well_known::SYNCML_NOTIFICATION).into(),
        application_id: Some(ApplicationId::SYNCML_DM),
        body: octets,
    };
    let message = Message {
        dev_id: dev_id.clone(),
        carrier: carrier.name().to_owned(),
        notification_id: session_id,
        address: to.to_string(),
        correlation: correlation.to_owned(),
        is_repeated: next.is_some(),
    };
    let queued = EventKind::NotificationQueued {
        carrier: message.carrier.clone(),
        notification_id: session_id,
        address: message.address.clone(),
        srv_id: srv_id.to_string(),
        authenticated: true,
        proof: Some(proof.name.to_owned()),
    };
    let repeats = match next {
        Some(made) => {
            let call = repeated(node, dev_id, (to, ui_mode), made, correlation);
            CallChange::Set(Box::new(call))
        }
        None if proof.name == RESYNC => CallChange::Keep,
        None => CallChange::End,
    };
    // What is to be repeated is so although the server end before it left.
    record_with(node, dev_id, queued, correlation, |delta| {
        delta.call.clone_from(&repeats);
    })
    .await?;
    let own = certificates(node, dev_id).await?;
    let going = Push {
        to,
        payload: Payload::Wap(&push),
        device: &own,
    };
    let began = Instant::now();
    let outcome = carrier.push(&going).await;
    message.sent(node, &outcome, began).await?;
    Ok(Sent {
        generation: DmGeneration::Dm1,
        notification_id: session_id,
        carrier: carrier.name(),
        authenticated: true,
        srv_id: srv_id.clone(),
        to: to.clone(),
        outcome: message.wait(node, outcome),
    })
}

/// How many left since the device came last.
pub(super) fn unanswered(recent: &[StoredEvent]) -> usize {
    let came = |stored: &&StoredEvent| {
        !matches!(
            stored.event.kind,
            EventKind::SessionStarted { .. } | EventKind::NotificationAnswered { .. }
        )
    };
    let since = recent.iter().rev().take_while(came);
    since
        .filter(|stored| {
            matches!(&stored.event.kind, EventKind::NotificationQueued { proof: Some(proof), .. } if proof != RESYNC)
        })
        .count()
}

/// What the device may check it with, the likeliest first: what a session brought and it said it has, what is in use, what a push may have brought, what a
/// card, image or URL can have brought back.
fn proofs(account: &Account, side: &ServerSide) -> Vec<Proof> {
    let live = |kept: &&KeptSecret| !kept.standing.revoked && !kept.previous;
    let rank = |kept: &KeptSecret| match (kept.standing.generation, &kept.brought) {
        (Generation::Pending, None) if !kept.standing.coming => 0,
        (Generation::Current, _) => 1,
        (Generation::Pending, None) => 2,
        (Generation::Pending, Some(_)) => 3,
        (Generation::Boot, _) => 4,
    };
    // The newest of a rank first.
    let mut live: Vec<_> = side.secrets.iter().rev().filter(live).collect();
    live.sort_by_key(|kept| rank(kept));
    let form = account.device_model().quirks.nonce;
    let proofs = live.into_iter().filter_map(|kept| {
        let generation = kept.standing.generation;
        let brought = kept.brought.as_ref().and_then(|by| by.nonce.as_ref());
        let nonce = match generation {
            Generation::Current => side.nonce.as_ref().or(brought),
            Generation::Pending => brought.or(side.nonce.as_ref()),
            Generation::Boot => brought.or(side.boot_nonce.as_ref()),
        };
        let nonce = nonce.or(side.boot_nonce.as_ref())?;
        Some(Proof {
            name: generation.name(),
            secret: kept.secret.clone(),
            nonce: match form {
                NonceForm::Octets => nonce.octets().to_vec(),
                NonceForm::Base64Text => nonce.base64().into_bytes(),
            },
        })
    });
    proofs.collect()
}

/// The secret in use with the default nonce, as the device's model writes that.
fn resync(account: &Account, side: &ServerSide) -> Option<Proof> {
    let first = proofs(account, side).into_iter().next()?;
    Some(Proof {
        name: RESYNC,
        nonce: account.device_model().resync_nonce().to_vec(),
        ..first
    })
}

/// Whoever records a Package 0 on the default nonce can repeat it, so the secrets do not outlive the session it brings (§3.5).
async fn force_rotation(node: &Node, dev_id: &DevId) -> Result<(), NotifyError> {
    for _again in 0..super::RETRIES {
        let device = node.store.device(dev_id).await?;
        let device = device.ok_or_else(|| NotifyError::UnknownDevice(dev_id.clone()))?;
        let known = node.store.credentials(dev_id).await?;
        let Some(row) = account_row(&known) else {
            return Ok(());
        };
        let fault = |error: String| NotifyError::from(CredentialError::Document(error));
        let mut account = Account::open(node, row).map_err(|error| fault(error.to_string()))?;
        if account.rotate {
            return Ok(());
        }
        account.rotate = true;
        let sealed = account.seal(node, &row.proof, dev_id);
        let sealed = sealed.map_err(|error| fault(error.to_string()))?;
        let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), node.now());
        let reseal = CredentialChange::Reseal(row.proof.clone(), sealed);
        delta.credentials.push(reseal);
        match node.store.commit(delta).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}
