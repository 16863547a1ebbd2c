use std::sync::Arc;

use async_trait::async_trait;
use omadm_lab::watched_store::{StoreWatch, WatchedStore};
use omadm_server::model::{DeferredMark, ExchangeDelta, Piece};
use omadm_server::store::{CommitError, Committed, Store, StoreError};

use super::Steps;

/// Reads that come without a message: of sweeps, and of what a server looks after by itself.
const UNCOUNTED: [&str; 18] = [
    "psks",
    "revoked",
    "due_pushes",
    "overdue",
    "waiting_device",
    "waiting_devices",
    "waited_too_long",
    "trigger",
    "allowed",
    "allow_list",
    "expired_sessions",
    "deployment",
    "claim",
    "call",
    "due_calls",
    "lag",
    "awaited_receipt",
    "awaited_receipts",
];

/// A store whose every use is a step, and whose every write is two: before it, and after it is done. The sweep's reads are none.
pub(super) type CountedStore = WatchedStore<CountedUses>;

/// Makes steps of the uses of a store.
pub(super) struct CountedUses(pub(super) Arc<Steps>);

#[async_trait]
impl StoreWatch for CountedUses {
    async fn before_read(&self, read: &'static str) -> Result<(), StoreError> {
        if !UNCOUNTED.contains(&read) {
            self.0.reach(&format!("read {}", read.replace('_', " ")));
        }
        Ok(())
    }

    async fn commit(
        &self,
        store: &dyn Store,
        delta: ExchangeDelta,
    ) -> Result<Committed, CommitError> {
        self.0.reach("before a commit");
        let done = store.commit(delta).await;
        self.0.reach("after a commit");
        done
    }

    async fn put_piece(&self, store: &dyn Store, piece: Piece) -> Result<(), CommitError> {
        self.0.reach("before a piece");
        let done = store.put_piece(piece).await;
        self.0.reach("after a piece");
        done
    }

    fn defer(&self, store: &dyn Store, mark: DeferredMark) {
        self.0.reach("before a deferred mark");
        store.defer(mark);
        self.0.reach("after a deferred mark");
    }
}
