//! The push service: brings server-initiated bootstraps to their devices (`dm20.md` §14.6, D56), try by try, until the device has it or it is given up.
//!
//! A try is claimed by a commit that says when it is given up as lost: of several nodes one makes it, and where a node dies another makes it again.

mod called;
mod claim;
mod direct;
mod settle;
mod wap;

use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::{BootstrapFailureCause as Cause, Utc};

pub(crate) use called::{Prover, own_source, seal_prover};
pub(crate) use wap::arrived;

use crate::entropy::{NoRandomness, correlation};
use crate::model::{BootstrapRecord, PushCarrierKind, RecordId};
use crate::node::Node;
use crate::store::{CommitError, StoreError};

/// Records that a sweep looks at.
const PAGE: usize = 100;
/// How often a change is made again after other commits of the device came between.
const RETRIES: usize = 8;

/// What came of one try.
enum Tried {
    /// The device has the document, durably.
    Taken,
    /// The Notification left.
    Called,
    /// A push left; nobody tells whether it arrived, or the carrier does later.
    Left,
    /// It may go better later.
    Later {
        cause: Cause,
        detail: String,
        /// Not before, as the device asked.
        after: Option<Duration>,
    },
    /// It will not.
    Never { cause: Cause, detail: String },
}

/// Why a try did not come to an end. It is made again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// The store failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The system gave no randomness.
    #[error(transparent)]
    Entropy(#[from] NoRandomness),
}

impl From<StoreError> for PushError {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

/// Begins a try of its own where one is due; nobody waits for it.
pub(crate) fn begin(node: &Arc<Node>, id: RecordId) {
    // What finds no place now is found by the sweep.
    let Ok(place) = Arc::clone(&node.pushes).try_acquire_owned() else {
        return;
    };
    let node = Arc::clone(node);
    tokio::spawn(async move {
        if let Err(error) = attempt(&node, &id).await {
            tracing::warn!(bootstrap = %id, %error, "a pushed bootstrap was not brought further; it is tried again");
        }
        drop(place);
    });
}

/// Begins the tries that are due. Any node may do it.
pub(crate) async fn sweep(node: &Arc<Node>) -> Result<usize, StoreError> {
    let due = node.store.due_pushes(node.now(), PAGE).await?;
    for record in &due {
        begin(node, record.id.clone());
    }
    Ok(due.len())
}

/// One try, unless another node makes it or none is due.
async fn attempt(node: &Arc<Node>, id: &RecordId) -> Result<(), PushError> {
    let correlation = correlation();
    let Some(claimed) = claim::claim(node, id, &correlation).await? else {
        return Ok(());
    };
    let within = node.config.push.try_within;
    let tried = tokio::time::timeout(within, make(node, &claimed, &correlation)).await;
    let tried = tried.unwrap_or_else(|_| Tried::Later {
        cause: Cause::DeviceUnreachable,
        detail: format!("no answer within {} s", within.as_secs_f64()),
        after: None,
    });
    settle::settle(node, &claimed, tried, &correlation).await
}

/// A try that this node makes.
struct Claimed {
    record: BootstrapRecord,
    /// Its number, by which it is known that no later one has begun.
    number: u32,
    /// NOTIFICATION-ID, or the number by which receipts of a WAP push are known; none where the document goes by TLS.
    notification_id: Option<u16>,
    /// The receipts of this number are awaited no more.
    settled: Option<u16>,
}

impl Claimed {
    /// When the try counts as lost.
    fn due(&self) -> Option<Utc> {
        self.record.push.as_ref()?.due
    }
}

async fn make(node: &Arc<Node>, claimed: &Claimed, correlation: &str) -> Tried {
    match claimed.record.push.as_ref().map(|push| push.carrier) {
        Some(PushCarrierKind::Direct) => direct::send(node, &claimed.record).await,
        Some(PushCarrierKind::Notification) => called::call(node, claimed, correlation).await,
        Some(PushCarrierKind::Wap) => wap::send(node, claimed, correlation).await,
        None => Tried::Never {
            cause: Cause::DeviceUnreachable,
            detail: "the record says nothing of a push".to_owned(),
        },
    }
}
