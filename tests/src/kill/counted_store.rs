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

use super::Steps;

/// A store whose every use is a step, and whose every write is two: before it, and after it is done. The sweep's reads are none.
pub(super) struct CountedStore {
    store: Arc<dyn Store>,
    steps: Arc<Steps>,
}

impl CountedStore {
    pub(super) const fn new(store: Arc<dyn Store>, steps: Arc<Steps>) -> Self {
        Self { store, steps }
    }
}

#[async_trait]
impl Devices for CountedStore {
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError> {
        self.steps.reach("read device");
        self.store.device(dev_id).await
    }

    async fn devices(
        &self,
        after: Option<&DevId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        self.steps.reach("read devices");
        self.store.devices(after, limit).await
    }

    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError> {
        self.steps.reach("read credential");
        self.store.credential(proof).await
    }

    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError> {
        self.steps.reach("read credentials");
        self.store.credentials(dev_id).await
    }

    async fn psks(&self, added_since: Utc) -> Result<Vec<PskRow>, StoreError> {
        self.store.psks(added_since).await
    }

    async fn revoked(&self, since: Utc, now: Utc) -> Result<Vec<RevokedCertificate>, StoreError> {
        self.store.revoked(since, now).await
    }
}

#[async_trait]
impl Bootstraps for CountedStore {
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError> {
        self.steps.reach("read bootstrap");
        self.store.bootstrap(id).await
    }

    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.steps.reach("read bootstraps");
        self.store.bootstraps_of(dev_id).await
    }

    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.steps.reach("read all bootstraps");
        self.store.bootstraps(before, limit).await
    }

    async fn sealed_document(
        &self,
        dev_id: &DevId,
        id: &RecordId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.steps.reach("read document");
        self.store.sealed_document(dev_id, id).await
    }

    async fn due_pushes(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.store.due_pushes(now, limit).await
    }
    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.store.overdue(now, limit).await
    }
}

#[async_trait]
impl Admissions for CountedStore {
    async fn waiting_device(&self, id: &WaitingId) -> Result<Option<WaitingDevice>, StoreError> {
        self.store.waiting_device(id).await
    }
    async fn waiting_devices(
        &self,
        after: Option<&WaitingId>,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        self.store.waiting_devices(after, limit).await
    }
    async fn waited_too_long(
        &self,
        now: Utc,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        self.store.waited_too_long(now, limit).await
    }
    async fn trigger(&self, key: &str) -> Result<Option<Trigger>, StoreError> {
        self.store.trigger(key).await
    }
    async fn allowed(&self, dev_id: &DevId) -> Result<Vec<AllowEntry>, StoreError> {
        self.store.allowed(dev_id).await
    }
    async fn allow_list(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<AllowEntry>, StoreError> {
        self.store.allow_list(after, limit).await
    }
}

#[async_trait]
impl Sessions for CountedStore {
    async fn sessions(&self, dev_id: &DevId) -> Result<Vec<SessionRow>, StoreError> {
        self.steps.reach("read session");
        self.store.sessions(dev_id).await
    }

    async fn expired_sessions(&self, now: Utc, limit: usize) -> Result<Vec<DevId>, StoreError> {
        self.store.expired_sessions(now, limit).await
    }

    async fn failed_creds(
        &self,
        dev_id: &DevId,
        after: Utc,
        limit: usize,
    ) -> Result<Vec<FailedCred>, StoreError> {
        self.steps.reach("read failed credentials");
        self.store.failed_creds(dev_id, after, limit).await
    }
}

#[async_trait]
impl Queue for CountedStore {
    async fn open_commands(&self, dev_id: &DevId) -> Result<Vec<QueuedCommand>, StoreError> {
        self.steps.reach("read open commands");
        self.store.open_commands(dev_id).await
    }

    async fn command(
        &self,
        dev_id: &DevId,
        id: &CommandId,
    ) -> Result<Option<QueuedCommand>, StoreError> {
        self.steps.reach("read command");
        self.store.command(dev_id, id).await
    }

    async fn commands_of(
        &self,
        dev_id: &DevId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<QueuedCommand>, StoreError> {
        self.steps.reach("read commands of the device");
        self.store.commands_of(dev_id, before, limit).await
    }

    async fn newest_result(
        &self,
        dev_id: &DevId,
        words: &[String],
    ) -> Result<Option<QueuedCommand>, StoreError> {
        self.steps.reach("read newest result");
        self.store.newest_result(dev_id, words).await
    }
}

#[async_trait]
impl Repository for CountedStore {
    async fn object(&self, dev_id: &DevId, path: &str) -> Result<Option<Object>, StoreError> {
        self.steps.reach("read object");
        self.store.object(dev_id, path).await
    }

    async fn objects(
        &self,
        dev_id: &DevId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectHead>, StoreError> {
        self.steps.reach("read objects");
        self.store.objects(dev_id, after, limit).await
    }

    async fn repository_use(
        &self,
        dev_id: &DevId,
        owner: ObjectOwner,
    ) -> Result<RepositoryUse, StoreError> {
        self.steps.reach("read repository use");
        self.store.repository_use(dev_id, owner).await
    }

    async fn piece(
        &self,
        dev_id: &DevId,
        upload: &UploadId,
        nr: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.steps.reach("read piece");
        self.store.piece(dev_id, upload, nr).await
    }
}

#[async_trait]
impl Deployments for CountedStore {
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.store.deployment().await
    }

    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError> {
        self.store.claim(deployment).await
    }
}

#[async_trait]
impl Events for CountedStore {
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.steps.reach("read events");
        self.store.events_after(position, limit).await
    }

    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.steps.reach("read events of the device");
        self.store.events_of(dev_id, after, limit).await
    }

    async fn call(&self, dev_id: &DevId) -> Result<Option<RepeatedCall>, StoreError> {
        self.store.call(dev_id).await
    }

    async fn due_calls(&self, now: Utc, limit: usize) -> Result<Vec<RepeatedCall>, StoreError> {
        self.store.due_calls(now, limit).await
    }

    async fn lag(&self) -> Result<EventLag, StoreError> {
        self.store.lag().await
    }
    async fn awaited_receipt(
        &self,
        message_id: &str,
    ) -> Result<Option<AwaitedReceipt>, StoreError> {
        self.store.awaited_receipt(message_id).await
    }
    async fn awaited_receipts(&self, dev_id: &DevId) -> Result<Vec<AwaitedReceipt>, StoreError> {
        self.store.awaited_receipts(dev_id).await
    }
}

#[async_trait]
impl Commit for CountedStore {
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError> {
        self.steps.reach("before a commit");
        let done = self.store.commit(delta).await;
        self.steps.reach("after a commit");
        done
    }

    async fn put_piece(&self, piece: Piece) -> Result<(), CommitError> {
        self.steps.reach("before a piece");
        let done = self.store.put_piece(piece).await;
        self.steps.reach("after a piece");
        done
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
        self.steps.reach("before a deferred mark");
        self.store.defer(mark);
        self.steps.reach("after a deferred mark");
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
