//! Nothing is acknowledged before it is durable, and a shutdown lets running exchanges end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use omadm_server::model::{
    BootstrapRecord, BootstrapState, Credential, CredentialProof, DeferredMark, Deployment, Device,
    EventLag, ExchangeDelta, RecordId, RevokedCertificate, SessionRow, StoredEvent,
};
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_server::store::{
    Bootstraps, Commit, CommitCounts, CommitError, Committed, Deployments, Devices, Events,
    Repository, Sessions, StoreError,
};
use support::{DEVICE, DOCUMENT, PACKAGE1, Rig, completion, soon};
use tokio::sync::Semaphore;

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const WORKS: u8 = 0;
const HANGS: u8 = 1;
const NO_ROOM: u8 = 2;
const BUSY: u8 = 3;
const CONFLICT: u8 = 4;

/// A store whose commits fail or hang on demand.
struct Moody {
    inner: SqliteStore,
    mood: AtomicU8,
    gate: Semaphore,
    _dir: tempfile::TempDir,
}

impl Moody {
    fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let inner =
            SqliteStore::open(dir.path().join("store.sqlite"), &SqliteOptions::default()).unwrap();
        Arc::new(Self {
            inner,
            mood: AtomicU8::new(WORKS),
            gate: Semaphore::new(0),
            _dir: dir,
        })
    }

    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }
}

#[async_trait]
impl Devices for Moody {
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError> {
        self.inner.device(dev_id).await
    }
    async fn devices(
        &self,
        after: Option<&DevId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        self.inner.devices(after, limit).await
    }
    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError> {
        self.inner.credential(proof).await
    }
    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError> {
        self.inner.credentials(dev_id).await
    }

    async fn revoked(&self) -> Result<Vec<RevokedCertificate>, StoreError> {
        self.inner.revoked().await
    }
}

#[async_trait]
impl Bootstraps for Moody {
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError> {
        self.inner.bootstrap(id).await
    }
    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.inner.bootstraps_of(dev_id).await
    }
    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.inner.bootstraps(before, limit).await
    }
    async fn sealed_document(
        &self,
        dev_id: &DevId,
        id: &RecordId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.sealed_document(dev_id, id).await
    }
    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError> {
        self.inner.overdue(now, limit).await
    }
}

#[async_trait]
impl Sessions for Moody {
    async fn session(&self, dev_id: &DevId) -> Result<Option<SessionRow>, StoreError> {
        self.inner.session(dev_id).await
    }

    async fn expired_sessions(&self, now: Utc, limit: usize) -> Result<Vec<DevId>, StoreError> {
        self.inner.expired_sessions(now, limit).await
    }
}

#[async_trait]
impl Repository for Moody {
    async fn object(&self, dev_id: &DevId, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.object(dev_id, path).await
    }

    async fn object_paths(&self, dev_id: &DevId) -> Result<Vec<String>, StoreError> {
        self.inner.object_paths(dev_id).await
    }
}

#[async_trait]
impl Deployments for Moody {
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.inner.deployment().await
    }

    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError> {
        self.inner.claim(deployment).await
    }
}

#[async_trait]
impl Events for Moody {
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.inner.events_after(position, limit).await
    }
    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.inner.events_of(dev_id, after, limit).await
    }

    async fn lag(&self) -> Result<EventLag, StoreError> {
        self.inner.lag().await
    }
}

#[async_trait]
impl Commit for Moody {
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError> {
        match self.mood.load(Ordering::SeqCst) {
            HANGS => self.gate.acquire().await.unwrap().forget(),
            NO_ROOM => return Err(StoreError::NoRoom("store.sqlite".to_owned()).into()),
            BUSY => return Err(CommitError::Busy),
            CONFLICT => return Err(CommitError::Conflict),
            _ => {}
        }
        self.inner.commit(delta).await
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

async fn rig() -> (Arc<Moody>, Rig) {
    let store = Moody::new();
    let given = Arc::clone(&store);
    let rig = Rig::with(|_| {}, |server| server.with_store(given)).await;
    (store, rig)
}

#[tokio::test]
async fn a_completion_that_was_not_committed_is_not_acknowledged() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for (mood, status) in [(NO_ROOM, 500), (BUSY, 503), (CONFLICT, 503)] {
        store.is(mood);
        let answer = wire
            .package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
        assert!(!rig.record(&id).await.state.is_terminal());
    }
    store.is(WORKS);
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status,
        200
    );
    assert_eq!(rig.record(&id).await.state, BootstrapState::Completed);
}

#[tokio::test]
async fn a_fetch_waits_for_no_commit() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    store.is(HANGS);
    assert_eq!(
        soon(rig.connect(Some(&identity)).await.fetch(DEVICE))
            .await
            .status,
        200
    );
    store.flush().await.unwrap();
    assert_eq!(rig.record(&id).await.state, BootstrapState::Fetched);
}

#[tokio::test]
async fn the_answer_waits_for_the_commit_and_a_shutdown_waits_for_the_answer() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let mut idle = rig.connect(Some(&identity)).await;
    assert_eq!(idle.fetch(DEVICE).await.status, 200);
    store.is(HANGS);
    let mut exchange = tokio::spawn(async move {
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status
    });
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut exchange)
            .await
            .is_err(),
        "answered before the commit"
    );
    let address = rig.server.device_addr;
    let mut shutdown = tokio::spawn(rig.server.shutdown());
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut shutdown)
            .await
            .is_err(),
        "ended before the exchange did"
    );
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "still accepts"
    );
    assert!(
        idle.try_send(
            http::Method::GET,
            "/bootstrap",
            &[("OMADM-DevID", DEVICE)],
            ""
        )
        .await
        .is_err(),
        "an idle connection stays"
    );
    store.gate.add_permits(1);
    assert_eq!(soon(exchange).await.unwrap(), 200);
    soon(shutdown).await.unwrap().unwrap();
    assert_eq!(
        store.bootstrap(&id).await.unwrap().unwrap().state,
        BootstrapState::Completed
    );
}

#[tokio::test]
async fn a_drain_ends_at_its_limit() {
    let store = Moody::new();
    let given = Arc::clone(&store);
    let rig = Rig::with(
        |config| config.limits.drain = Duration::from_millis(100),
        |server| server.with_store(given),
    )
    .await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    store.is(HANGS);
    let exchange = tokio::spawn(async move {
        wire.try_send(
            http::Method::POST,
            "/dm/2.0",
            &[("OMADM-DevID", DEVICE), ("Content-Type", PACKAGE1)],
            completion(EVENT, DOCUMENT),
        )
        .await
        .map(|answer| answer.status)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    soon(rig.server.shutdown()).await.unwrap();
    assert!(
        soon(exchange).await.unwrap().is_err(),
        "acknowledged though nothing was committed"
    );
}
