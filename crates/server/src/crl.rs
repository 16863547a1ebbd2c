//! The CRL follows the store: what is revoked there, by whichever node, is signed, put in force and published here.
//!
//! No revocation waits for it: identity looks every request's certificate up in the store, so a revocation takes effect at once on every node. The CRL
//! says the same to those who see the certificate alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use omadm_bootstrap::Utc;
use tokio::sync::Mutex;

use crate::model::RevokedCertificate;
use crate::node::Node;
use crate::state_dir::StateDirError;
use crate::store::StoreError;

/// An unchanged CRL is signed anew after so long, well before it says that it is over.
const RENEWAL_MILLIS: i64 = 86_400_000;

/// Revocations are looked for from so long before the newest one known: clocks of nodes differ, and a commit takes its time.
const OVERLAP_SECS: i64 = 600;

/// The CRL that is in force and published; none before the first.
#[derive(Default)]
pub(crate) struct CrlInForce(Mutex<Option<Signed>>);

struct Signed {
    revoked: BTreeMap<String, Utc>,
    at: Utc,
    number: u64,
}

/// Why the CRL could not be brought up to date. The former one stays in force; revocations take effect all the same.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// The store did not say what is revoked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be signed, or not be written to the state directory.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The process is ending.
    #[error("the CRL was not signed, since the process is ending")]
    Ending,
}

impl Node {
    /// The same after a revocation, which is in force by the record: what the CRL still lacks follows with the housekeeping.
    pub(crate) async fn list_revoked(self: &Arc<Self>, correlation: &str) {
        if let Err(error) = self.refresh_crl().await {
            tracing::error!(correlation, %error, "the CRL could not be brought up to date");
        }
    }

    /// Signs the CRL from what the store says now and puts it in force, on open and on resumed connections too; nothing where it says so already.
    pub(crate) async fn refresh_crl(self: &Arc<Self>) -> Result<(), CrlError> {
        let mut in_force = self.crl.0.lock().await;
        let now = self.now();
        let known = in_force
            .as_ref()
            .filter(|former| now.0.saturating_sub(former.at.0) < RENEWAL_MILLIS);
        // All at first and once a day, when those that expired leave the list; else the newest alone.
        let since = known
            .and_then(|known| known.revoked.values().max())
            .map_or(Utc(i64::MIN), |newest| newest.plus_secs(-OVERLAP_SECS));
        let mut revoked = known.map(|known| known.revoked.clone()).unwrap_or_default();
        let found = self.store.revoked(since, now).await?;
        revoked.extend(found.into_iter().map(|found| (found.serial, found.at)));
        // The time as number: it grows over all nodes (RFC 5280 §5.2.3).
        let mut number = u64::try_from(now.0).unwrap_or(0);
        if let Some(former) = &*in_force {
            if known.is_some() && former.revoked == revoked {
                return Ok(());
            }
            number = number.max(former.number.saturating_add(1));
        }
        let node = Arc::clone(self);
        let signing = tokio::task::spawn_blocking(move || {
            let listed = revoked.iter().map(|(serial, at)| RevokedCertificate {
                serial: serial.clone(),
                at: *at,
            });
            let crl = node
                .state
                .sign_crl(&listed.collect::<Vec<_>>(), number, now)?;
            let trust = node.state.client_trust(std::slice::from_ref(&crl))?;
            node.trust.replace(trust);
            node.state.publish_crl(&crl)?;
            Ok::<_, StateDirError>(revoked)
        });
        let revoked = signing.await.map_err(|_cut| CrlError::Ending)??;
        *in_force = Some(Signed {
            revoked,
            at: now,
            number,
        });
        Ok(())
    }
}
