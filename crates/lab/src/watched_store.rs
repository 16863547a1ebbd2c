//! A store over another one, of which a test sees every use, or in place of which it fails.

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;
use omadm_server::model::{
    AllowEntry, AwaitedReceipt, BootstrapRecord, CommandId, Credential, CredentialProof,
    DeferredMark, Deployment, Device, EventLag, ExchangeDelta, FailedCred, Object, ObjectHead,
    ObjectOwner, Piece, PskRow, QueuedCommand, RecordId, RepeatedCall, RepositoryUse,
    RevokedCertificate, SessionRow, StoredEvent, Trigger, UploadId, WaitingDevice, WaitingId,
    WaitingWrite,
};
use omadm_server::store::{
    Admissions, Bootstraps, Commit, CommitCounts, CommitError, Committed, Deployments, Devices,
    Events, Queue, Repository, Sessions, Store, StoreError,
};

/// What is done at the uses of a store.
#[async_trait]
pub trait StoreWatch: Send + Sync {
    /// Before a read, by the name of its method.
    ///
    /// # Errors
    /// What the read is to fail with.
    async fn before_read(&self, read: &'static str) -> Result<(), StoreError>;

    /// In place of a commit.
    ///
    /// # Errors
    /// What the commit is to fail with.
    async fn commit(
        &self,
        store: &dyn Store,
        delta: ExchangeDelta,
    ) -> Result<Committed, CommitError> {
        store.commit(delta).await
    }

    /// In place of the writing of a piece.
    ///
    /// # Errors
    /// What that is to fail with.
    async fn put_piece(&self, store: &dyn Store, piece: Piece) -> Result<(), CommitError> {
        store.put_piece(piece).await
    }

    /// In place of a deferred mark.
    fn defer(&self, store: &dyn Store, mark: DeferredMark) {
        store.defer(mark);
    }

    /// How far positions are said to be behind.
    fn lag(&self, lag: EventLag) -> EventLag {
        lag
    }
}

/// A store that is watched. Derefs to its watch.
pub struct WatchedStore<W> {
    store: Arc<dyn Store>,
    watch: W,
}

impl<W: StoreWatch> WatchedStore<W> {
    /// Watches a store.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>, watch: W) -> Self {
        Self { store, watch }
    }
}

impl<W> Deref for WatchedStore<W> {
    type Target = W;

    fn deref(&self) -> &W {
        &self.watch
    }
}

#[async_trait]
impl<W: StoreWatch> Devices for WatchedStore<W> {
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError> {
        self.watch.before_read("device").await?;
        self.store.device(dev_id).await
    }

    async fn devices(
        &self,
        after: Option<&DevId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        self.watch.before_read("devices").await?;
        self.store.devices(after, limit).await
    }

    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError> {
        self.watch.before_read("credential").await?;
        self.store.credential(proof).await
    }

    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError> {
        self.watch.before_read("credentials").await?;
        self.store.credentials(dev_id).await
    }

    async fn psks(&self, added_since: Utc) -> Result<Vec<PskRow>, StoreError> {
        self.watch.before_read("psks").await?;
        self.store.psks(added_since).await
    }

    async fn revoked(&self, since: Utc, now: Utc) -> Result<Vec<RevokedCertificate>, StoreError> {
        self.watch.before_read("revoked").await?;
        self.store.revoked(since, now).await
    }
}

#[async_trait]
impl<W: StoreWatch> Bootstraps for WatchedStore<W> {
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError> {
        self.watch.before_read("bootstrap").await?;
        self.store.bootstrap(id).await
    }

    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.watch.before_read("bootstraps_of").await?;
        self.store.bootstraps_of(dev_id).await
    }

    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.watch.before_read("bootstraps").await?;
        self.store.bootstraps(before, limit).await
    }

    async fn sealed_document(
        &self,
        dev_id: &DevId,
        id: &RecordId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.watch.before_read("sealed_document").await?;
        self.store.sealed_document(dev_id, id).await
    }

    async fn due_pushes(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.watch.before_read("due_pushes").await?;
        self.store.due_pushes(now, limit).await
    }

    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.watch.before_read("overdue").await?;
        self.store.overdue(now, limit).await
    }
}

#[async_trait]
impl<W: StoreWatch> Admissions for WatchedStore<W> {
    async fn waiting_device(&self, id: &WaitingId) -> Result<Option<WaitingDevice>, StoreError> {
        self.watch.before_read("waiting_device").await?;
        self.store.waiting_device(id).await
    }

    async fn waiting_devices(
        &self,
        after: Option<&WaitingId>,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        self.watch.before_read("waiting_devices").await?;
        self.store.waiting_devices(after, limit).await
    }

    async fn waited_too_long(
        &self,
        now: Utc,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        self.watch.before_read("waited_too_long").await?;
        self.store.waited_too_long(now, limit).await
    }

    async fn trigger(&self, key: &str) -> Result<Option<Trigger>, StoreError> {
        self.watch.before_read("trigger").await?;
        self.store.trigger(key).await
    }

    async fn allowed(&self, dev_id: &DevId) -> Result<Vec<AllowEntry>, StoreError> {
        self.watch.before_read("allowed").await?;
        self.store.allowed(dev_id).await
    }

    async fn allow_list(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<AllowEntry>, StoreError> {
        self.watch.before_read("allow_list").await?;
        self.store.allow_list(after, limit).await
    }
}

#[async_trait]
impl<W: StoreWatch> Sessions for WatchedStore<W> {
    async fn sessions(&self, dev_id: &DevId) -> Result<Vec<SessionRow>, StoreError> {
        self.watch.before_read("sessions").await?;
        self.store.sessions(dev_id).await
    }

    async fn expired_sessions(&self, now: Utc, limit: usize) -> Result<Vec<DevId>, StoreError> {
        self.watch.before_read("expired_sessions").await?;
        self.store.expired_sessions(now, limit).await
    }

    async fn failed_creds(
        &self,
        dev_id: &DevId,
        after: Utc,
        limit: usize,
    ) -> Result<Vec<FailedCred>, StoreError> {
        self.watch.before_read("failed_creds").await?;
        self.store.failed_creds(dev_id, after, limit).await
    }
}

#[async_trait]
impl<W: StoreWatch> Queue for WatchedStore<W> {
    async fn open_commands(&self, dev_id: &DevId) -> Result<Vec<QueuedCommand>, StoreError> {
        self.watch.before_read("open_commands").await?;
        self.store.open_commands(dev_id).await
    }

    async fn command(
        &self,
        dev_id: &DevId,
        id: &CommandId,
    ) -> Result<Option<QueuedCommand>, StoreError> {
        self.watch.before_read("command").await?;
        self.store.command(dev_id, id).await
    }

    async fn commands_of(
        &self,
        dev_id: &DevId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<QueuedCommand>, StoreError> {
        self.watch.before_read("commands_of").await?;
        self.store.commands_of(dev_id, before, limit).await
    }

    async fn newest_result(
        &self,
        dev_id: &DevId,
        words: &[String],
    ) -> Result<Option<QueuedCommand>, StoreError> {
        self.watch.before_read("newest_result").await?;
        self.store.newest_result(dev_id, words).await
    }
}

#[async_trait]
impl<W: StoreWatch> Repository for WatchedStore<W> {
    async fn object(&self, dev_id: &DevId, path: &str) -> Result<Option<Object>, StoreError> {
        self.watch.before_read("object").await?;
        self.store.object(dev_id, path).await
    }

    async fn objects(
        &self,
        dev_id: &DevId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectHead>, StoreError> {
        self.watch.before_read("objects").await?;
        self.store.objects(dev_id, after, limit).await
    }

    async fn repository_use(
        &self,
        dev_id: &DevId,
        owner: ObjectOwner,
    ) -> Result<RepositoryUse, StoreError> {
        self.watch.before_read("repository_use").await?;
        self.store.repository_use(dev_id, owner).await
    }

    async fn piece(
        &self,
        dev_id: &DevId,
        upload: &UploadId,
        nr: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.watch.before_read("piece").await?;
        self.store.piece(dev_id, upload, nr).await
    }
}

#[async_trait]
impl<W: StoreWatch> Deployments for WatchedStore<W> {
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.watch.before_read("deployment").await?;
        self.store.deployment().await
    }

    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError> {
        self.watch.before_read("claim").await?;
        self.store.claim(deployment).await
    }
}

#[async_trait]
impl<W: StoreWatch> Events for WatchedStore<W> {
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.watch.before_read("events_after").await?;
        self.store.events_after(position, limit).await
    }

    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.watch.before_read("events_of").await?;
        self.store.events_of(dev_id, after, limit).await
    }

    async fn call(&self, dev_id: &DevId) -> Result<Option<RepeatedCall>, StoreError> {
        self.watch.before_read("call").await?;
        self.store.call(dev_id).await
    }

    async fn due_calls(&self, now: Utc, limit: usize) -> Result<Vec<RepeatedCall>, StoreError> {
        self.watch.before_read("due_calls").await?;
        self.store.due_calls(now, limit).await
    }

    async fn lag(&self) -> Result<EventLag, StoreError> {
        self.watch.before_read("lag").await?;
        Ok(self.watch.lag(self.store.lag().await?))
    }

    async fn awaited_receipt(
        &self,
        message_id: &str,
    ) -> Result<Option<AwaitedReceipt>, StoreError> {
        self.watch.before_read("awaited_receipt").await?;
        self.store.awaited_receipt(message_id).await
    }

    async fn awaited_receipts(&self, dev_id: &DevId) -> Result<Vec<AwaitedReceipt>, StoreError> {
        self.watch.before_read("awaited_receipts").await?;
        self.store.awaited_receipts(dev_id).await
    }
}

#[async_trait]
impl<W: StoreWatch> Commit for WatchedStore<W> {
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError> {
        self.watch.commit(self.store.as_ref(), delta).await
    }

    async fn put_piece(&self, piece: Piece) -> Result<(), CommitError> {
        self.watch.put_piece(self.store.as_ref(), piece).await
    }

    async fn give_up_upload(&self, dev_id: &DevId, upload: &UploadId) -> Result<(), CommitError> {
        self.store.give_up_upload(dev_id, upload).await
    }

    async fn sweep_uploads(&self, since: Utc) -> Result<(), CommitError> {
        self.store.sweep_uploads(since).await
    }

    async fn sweep_failed_creds(&self, before: Utc) -> Result<(), CommitError> {
        self.store.sweep_failed_creds(before).await
    }

    async fn write_waiting(&self, write: WaitingWrite) -> Result<(), CommitError> {
        self.store.write_waiting(write).await
    }

    fn defer(&self, mark: DeferredMark) {
        self.watch.defer(self.store.as_ref(), mark);
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.store.flush().await
    }

    fn commits(&self) -> CommitCounts {
        self.store.commits()
    }

    fn backlog(&self) -> usize {
        self.store.backlog()
    }
}
