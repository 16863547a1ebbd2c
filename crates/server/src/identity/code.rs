//! Bootstrap codes (D81): HTTP Basic or Digest over TLS, compared in constant time, wrong tries counted durably before the answer.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use omadm_bootstrap::{BootstrapFailureCause as Cause, Utc};
use omadm_mo::DevId;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::http::Offer;
use super::{ByHttp, forbidden};
use crate::exchange::{Head, Refusal, of_commit};
use crate::model::{
    Credential, CredentialChange, CredentialProof, Device, EventKind, ExchangeDelta,
};
use crate::node::{Node, event};
use crate::store::{CommitError, StoreError};

/// How often a wrong try is counted again after other commits of the device came between.
const RETRIES: usize = 8;

/// How many gates there are: devices of one gate wait for each other.
const GATES: usize = 64;
/// Longest wait at a gate: as long as one call of a store that does not answer. The answer to a longer one is that of such a store.
const WAIT: Duration = Duration::from_secs(5);

/// The codes of a device are tried one after the other on a node, so that wrong tries are counted exactly (D81).
pub(crate) struct CodeGates {
    gates: [Mutex<()>; GATES],
    /// Nobody outside knows who shares a gate with whom.
    order: RandomState,
}

impl Default for CodeGates {
    fn default() -> Self {
        Self {
            gates: std::array::from_fn(|_| Mutex::new(())),
            order: RandomState::new(),
        }
    }
}

impl CodeGates {
    async fn enter(&self, dev_id: &DevId) -> Result<MutexGuard<'_, ()>, StoreError> {
        let hash = self.order.hash_one(dev_id.as_str()) % GATES as u64;
        let gate = &self.gates[usize::try_from(hash).unwrap_or_default()];
        timeout(WAIT, gate.lock()).await.map_err(|_late| {
            let why = format!("the bootstrap codes tried before wait for it longer than {WAIT:?}");
            StoreError::Unavailable("the store".to_owned(), why)
        })
    }
}

/// SHA-256 of salt and code, as it is kept.
pub(crate) fn hash(salt: &[u8; 16], code: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(salt);
    context.update(code);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Judges an offer by the bootstrap codes of the device whose DevID its user is. None where it is of none; a wrong try is counted, for `known` too.
/// 403 where it is right but the code's time is over.
pub(super) async fn check(
    node: &Node,
    head: &Head,
    offer: &Offer<'_>,
    known: Option<&DevId>,
) -> Result<ByHttp, Refusal> {
    let users = offer.users();
    let mut dev_ids = users
        .iter()
        .filter_map(|user| Some((*user, DevId::parse(user).ok()?)));
    // A code has no colon, so the first reading of Basic is the one.
    let Some((user, dev_id)) = dev_ids.next() else {
        return Err(offer.wrong(node, known));
    };
    let _one_by_one = node.code_gates.enter(&dev_id).await?;
    let mut wrong = None;
    for _again in 0..RETRIES {
        let Some(device) = node.store.device(&dev_id).await? else {
            let _same_work = offer
                .password(user)
                .map(|code| hash(&[0; 16], code.expose()));
            return Err(offer.wrong(node, known));
        };
        let codes = node.store.credentials(&dev_id).await?;
        if let Some(credential) = matching(node, &codes, offer, user) {
            let right = alive(head.now, device, credential.clone())?;
            offer.count(node)?;
            return Ok(right);
        }
        if !codes
            .iter()
            .any(|code| is_code(code) && is_alive(code, head.now))
        {
            return Err(offer.wrong(node, known));
        }
        let refusal = wrong.get_or_insert_with(|| {
            let mut refusal = offer.wrong(node, None);
            // The delta has its event.
            refusal.recorded = false;
            refusal
        });
        let delta = wrong_try(head, &device, &codes, refusal);
        match node.store.commit(delta).await {
            Ok(_) => return Err(wrong.unwrap_or_else(|| of_commit(node, CommitError::Conflict))),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(of_commit(node, error)),
        }
    }
    Err(of_commit(node, CommitError::Conflict))
}

/// Codes are kept as salted hashes, and sealed for Digest (D81).
fn matching<'a>(
    node: &Node,
    codes: &'a [Credential],
    offer: &Offer<'_>,
    user: &str,
) -> Option<&'a Credential> {
    let mut found = None;
    for credential in codes {
        let CredentialProof::BootstrapCode { salt, hash: kept } = &credential.proof else {
            continue;
        };
        let equal = match offer.password(user) {
            Some(code) => {
                let equal: Choice = hash(salt, code.expose()).ct_eq(kept);
                equal.into()
            }
            None => {
                let context = credential.proof.seal_context(&credential.dev_id);
                let sealed = credential.sealed.as_ref();
                let code = sealed.and_then(|sealed| node.sealing.open(&context, sealed).ok());
                code.is_some_and(|code| offer.knows(user, &code))
            }
        };
        if equal {
            found = Some(credential);
        }
    }
    found
}

fn alive(now: Utc, device: Device, credential: Credential) -> Result<ByHttp, Refusal> {
    let holder = Some(&device.dev_id);
    if credential.tries_left == Some(0) {
        return Err(forbidden(
            Cause::CredentialRevoked,
            holder,
            "the bootstrap code was tried wrongly too often",
        ));
    }
    if credential.revoked_at.is_some() {
        return Err(forbidden(
            Cause::CredentialRevoked,
            holder,
            "the bootstrap code has served; it ended with the completion, or the operator revoked it",
        ));
    }
    if credential.expires_at.is_some_and(|end| end <= now) {
        return Err(forbidden(
            Cause::Expired,
            holder,
            "the bootstrap code's time is over",
        ));
    }
    Ok(ByHttp {
        device: Some(device),
        credential,
    })
}

fn wrong_try(
    head: &Head,
    device: &Device,
    codes: &[Credential],
    refusal: &Refusal,
) -> ExchangeDelta {
    let mut delta = ExchangeDelta::new(device.dev_id.clone(), Some(device.epoch), head.now);
    delta.credentials.push(CredentialChange::WrongCode);
    delta
        .events
        .push(event(refusal.event(head), &head.correlation));
    if codes
        .iter()
        .any(|code| is_code(code) && is_alive(code, head.now) && code.tries_left == Some(1))
    {
        delta.events.push(event(
            EventKind::CredentialRevoked {
                fingerprint: None,
                name: None,
            },
            &head.correlation,
        ));
    }
    delta
}

const fn is_code(credential: &Credential) -> bool {
    matches!(credential.proof, CredentialProof::BootstrapCode { .. })
}

fn is_alive(credential: &Credential, now: Utc) -> bool {
    credential.revoked_at.is_none()
        && credential.tries_left != Some(0)
        && credential.expires_at.is_none_or(|end| end > now)
}
