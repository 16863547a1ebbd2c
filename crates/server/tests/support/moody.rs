//! A store with moods, over a real one.

use std::sync::{Arc, Mutex};

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
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_server::store::{
    Admissions, Bootstraps, Commit, CommitCounts, CommitError, Committed, Deployments, Devices,
    Events, Queue, Repository, Sessions, StoreError,
};
use tokio::sync::Semaphore;

/// The address that the store claims to have: nobody but the log may learn it.
pub(crate) const ADDRESS: &str = "postgres://keeper@db.internal:5432/omadm";
/// What the store says of its trouble, likewise.
pub(crate) const WHY: &str = "the connection to 192.0.2.7 was cut (hunter2)";

/// What a [`Moody`] does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Works,
    /// Commits wait for the gate.
    Hangs,
    /// Commits find no room.
    NoRoom,
    /// Commits find a standby.
    ReadOnly,
    /// Commits find a full queue.
    Busy,
    /// Commits find that the device changed.
    Conflict,
    /// Nothing is answered.
    Away,
    /// Commits take place, and the connection is cut before the answer.
    AnswerLost,
    /// Nothing ever ends.
    Frozen,
}

fn away() -> StoreError {
    StoreError::Unavailable(ADDRESS.to_owned(), WHY.to_owned())
}

/// A store that fails, hangs or is away on demand.
pub(crate) struct Moody {
    inner: SqliteStore,
    mood: Mutex<Mood>,
    lag: Mutex<Option<EventLag>>,
    pub(crate) gate: Semaphore,
    _dir: tempfile::TempDir,
}

impl Moody {
    pub(crate) fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let inner =
            SqliteStore::open(dir.path().join("store.sqlite"), &SqliteOptions::default()).unwrap();
        Arc::new(Self {
            inner,
            mood: Mutex::new(Mood::Works),
            lag: Mutex::new(None),
            gate: Semaphore::new(0),
            _dir: dir,
        })
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Says from now on that positions are behind by this.
    pub(crate) fn lags(&self, lag: EventLag) {
        *self.lag.lock().unwrap() = Some(lag);
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    /// The store to read from.
    async fn awake(&self) -> Result<&SqliteStore, StoreError> {
        match self.mood() {
            Mood::Away => Err(away()),
            Mood::Frozen => std::future::pending().await,
            _ => Ok(&self.inner),
        }
    }
}

#[async_trait]
impl Devices for Moody {
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError> {
        self.awake().await?.device(dev_id).await
    }
    async fn devices(
        &self,
        after: Option<&DevId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        self.awake().await?.devices(after, limit).await
    }
    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError> {
        self.awake().await?.credential(proof).await
    }
    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError> {
        self.awake().await?.credentials(dev_id).await
    }
    async fn psks(&self, added_since: Utc) -> Result<Vec<PskRow>, StoreError> {
        self.awake().await?.psks(added_since).await
    }

    async fn revoked(&self, since: Utc, now: Utc) -> Result<Vec<RevokedCertificate>, StoreError> {
        self.awake().await?.revoked(since, now).await
    }
}

#[async_trait]
impl Bootstraps for Moody {
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError> {
        self.awake().await?.bootstrap(id).await
    }
    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.awake().await?.bootstraps_of(dev_id).await
    }
    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.awake().await?.bootstraps(before, limit).await
    }
    async fn sealed_document(
        &self,
        dev_id: &DevId,
        id: &RecordId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.awake().await?.sealed_document(dev_id, id).await
    }
    async fn due_pushes(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.awake().await?.due_pushes(now, limit).await
    }
    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.awake().await?.overdue(now, limit).await
    }
}

#[async_trait]
impl Admissions for Moody {
    async fn waiting_device(&self, id: &WaitingId) -> Result<Option<WaitingDevice>, StoreError> {
        self.awake().await?.waiting_device(id).await
    }
    async fn waiting_devices(
        &self,
        after: Option<&WaitingId>,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        self.awake().await?.waiting_devices(after, limit).await
    }
    async fn waited_too_long(
        &self,
        now: Utc,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError> {
        self.awake().await?.waited_too_long(now, limit).await
    }
    async fn trigger(&self, key: &str) -> Result<Option<Trigger>, StoreError> {
        self.awake().await?.trigger(key).await
    }
    async fn allowed(&self, dev_id: &DevId) -> Result<Vec<AllowEntry>, StoreError> {
        self.awake().await?.allowed(dev_id).await
    }
    async fn allow_list(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<AllowEntry>, StoreError> {
        self.awake().await?.allow_list(after, limit).await
    }
}

#[async_trait]
impl Sessions for Moody {
    async fn sessions(&self, dev_id: &DevId) -> Result<Vec<SessionRow>, StoreError> {
        self.awake().await?.sessions(dev_id).await
    }

    async fn expired_sessions(&self, now: Utc, limit: usize) -> Result<Vec<DevId>, StoreError> {
        self.awake().await?.expired_sessions(now, limit).await
    }

    async fn failed_creds(
        &self,
        dev_id: &DevId,
        after: Utc,
        limit: usize,
    ) -> Result<Vec<FailedCred>, StoreError> {
        self.awake().await?.failed_creds(dev_id, after, limit).await
    }
}

#[async_trait]
impl Queue for Moody {
    async fn open_commands(&self, dev_id: &DevId) -> Result<Vec<QueuedCommand>, StoreError> {
        self.awake().await?.open_commands(dev_id).await
    }

    async fn command(
        &self,
        dev_id: &DevId,
        id: &CommandId,
    ) -> Result<Option<QueuedCommand>, StoreError> {
        self.awake().await?.command(dev_id, id).await
    }

    async fn commands_of(
        &self,
        dev_id: &DevId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<QueuedCommand>, StoreError> {
        self.awake().await?.commands_of(dev_id, before, limit).await
    }

    async fn newest_result(
        &self,
        dev_id: &DevId,
        words: &[String],
    ) -> Result<Option<QueuedCommand>, StoreError> {
        self.awake().await?.newest_result(dev_id, words).await
    }
}

#[async_trait]
impl Repository for Moody {
    async fn object(&self, dev_id: &DevId, path: &str) -> Result<Option<Object>, StoreError> {
        self.awake().await?.object(dev_id, path).await
    }

    async fn objects(
        &self,
        dev_id: &DevId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectHead>, StoreError> {
        self.awake().await?.objects(dev_id, after, limit).await
    }

    async fn repository_use(
        &self,
        dev_id: &DevId,
        owner: ObjectOwner,
    ) -> Result<RepositoryUse, StoreError> {
        self.awake().await?.repository_use(dev_id, owner).await
    }

    async fn piece(
        &self,
        dev_id: &DevId,
        upload: &UploadId,
        nr: u32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.awake().await?.piece(dev_id, upload, nr).await
    }
}

#[async_trait]
impl Deployments for Moody {
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.awake().await?.deployment().await
    }

    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError> {
        self.awake().await?.claim(deployment).await
    }
}

#[async_trait]
impl Events for Moody {
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.awake().await?.events_after(position, limit).await
    }
    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.awake().await?.events_of(dev_id, after, limit).await
    }

    async fn call(&self, dev_id: &DevId) -> Result<Option<RepeatedCall>, StoreError> {
        self.awake().await?.call(dev_id).await
    }

    async fn due_calls(&self, now: Utc, limit: usize) -> Result<Vec<RepeatedCall>, StoreError> {
        self.awake().await?.due_calls(now, limit).await
    }

    async fn lag(&self) -> Result<EventLag, StoreError> {
        let lag = self.awake().await?.lag().await?;
        Ok(self.lag.lock().unwrap().unwrap_or(lag))
    }
    async fn awaited_receipt(
        &self,
        message_id: &str,
    ) -> Result<Option<AwaitedReceipt>, StoreError> {
        self.awake().await?.awaited_receipt(message_id).await
    }
    async fn awaited_receipts(&self, dev_id: &DevId) -> Result<Vec<AwaitedReceipt>, StoreError> {
        self.awake().await?.awaited_receipts(dev_id).await
    }
}

#[async_trait]
impl Commit for Moody {
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError> {
        match self.mood() {
            Mood::Works => {}
            Mood::Hangs => self.gate.acquire().await.unwrap().forget(),
            Mood::NoRoom => return Err(StoreError::NoRoom(ADDRESS.to_owned()).into()),
            Mood::ReadOnly => {
                return Err(StoreError::ReadOnly(ADDRESS.to_owned(), WHY.to_owned()).into());
            }
            Mood::Busy => return Err(CommitError::Busy),
            Mood::Conflict => return Err(CommitError::Conflict),
            Mood::Away => return Err(away().into()),
            Mood::AnswerLost => {
                self.inner.commit(delta).await?;
                return Err(away().into());
            }
            Mood::Frozen => std::future::pending().await,
        }
        self.inner.commit(delta).await
    }
    async fn put_piece(&self, piece: Piece) -> Result<(), CommitError> {
        match self.mood() {
            Mood::NoRoom => Err(StoreError::NoRoom(ADDRESS.to_owned()).into()),
            Mood::Busy => Err(CommitError::Busy),
            _ => self.inner.put_piece(piece).await,
        }
    }
    async fn give_up_upload(&self, dev_id: &DevId, upload: &UploadId) -> Result<(), CommitError> {
        self.inner.give_up_upload(dev_id, upload).await
    }
    async fn sweep_uploads(&self, since: Utc) -> Result<(), CommitError> {
        self.inner.sweep_uploads(since).await
    }
    async fn sweep_failed_creds(&self, before: Utc) -> Result<(), CommitError> {
        self.inner.sweep_failed_creds(before).await
    }
    async fn write_waiting(&self, write: WaitingWrite) -> Result<(), CommitError> {
        self.inner.write_waiting(write).await
    }
    fn defer(&self, mark: DeferredMark) {
        self.inner.defer(mark);
    }
    async fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush().await
    }
    fn commits(&self) -> CommitCounts {
        self.inner.commits()
    }
    fn backlog(&self) -> usize {
        self.inner.backlog()
    }
}
