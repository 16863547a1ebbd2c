//! The back end for several nodes: PostgreSQL 15 or newer. One transaction a delta; events get their positions afterwards, from the node that holds the
//! sequencer's lease. No advisory lock and no LISTEN/NOTIFY on the way of a device.

mod apply;
mod commit;
mod connect;
pub(super) mod direct;
mod fault;
mod reads;
mod schema;
mod sequencer;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use tokio::sync::{Notify, OwnedSemaphorePermit, RwLock, Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::NoTls;

pub use self::connect::connect;
pub(super) use self::reads::parameters;
pub use self::schema::{Migrated, migrate, schema};

use self::connect::{Encryption, config, encryption};
use self::fault::{fault, silent};
use super::address::PostgresAddress;
use super::marks::Marks;
use super::statements::Statement;
use super::uploads::{of_piece, of_sweep, of_upload_given_up};
use super::waiting::of_waiting;
use super::{Commit, CommitCounts, CommitError, Committed, StoreError, failed_creds};
use crate::model::{DeferredMark, ExchangeDelta, Piece, UploadId, WaitingWrite};

/// A store in a PostgreSQL database, which other nodes may use as well.
///
/// Dropping it gives up what was deferred and not flushed; everything acknowledged is durable.
pub struct PostgresStore {
    node: Arc<PostgresNode>,
    stop: watch::Sender<bool>,
    begun: Once,
}

/// How a [`PostgresStore`] works. The defaults are for production.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Connections of this node at most. Default 16.
    pub connections: usize,
    /// Deltas under way or waiting for a connection; one more is `Busy`. Default 1024.
    pub queue: usize,
    /// Deferred marks that may wait; further ones are lost, with a warning. Default 16 384.
    pub deferred: usize,
    /// Within this time a deferred mark leaves. Default 1 s.
    pub defer_interval: Duration,
    /// After this time without an answer the database counts as unavailable. Default 5 s.
    pub patience: Duration,
    /// How long the sequencer's lease lasts: after its holder's death, events wait so long for their positions. Default 3 s.
    pub lease: Duration,
    /// How often a node looks for events of other nodes without position. Default 100 ms.
    pub look: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            queue: 1024,
            deferred: 16_384,
            defer_interval: Duration::from_secs(1),
            patience: Duration::from_secs(5),
            lease: Duration::from_secs(3),
            look: Duration::from_millis(100),
        }
    }
}

/// What the tasks of one store share.
pub(super) struct PostgresNode {
    /// The database, without the password.
    name: String,
    /// Who holds the sequencer's lease: 32 hexadecimal digits.
    id: String,
    pool: Pool,
    options: PostgresOptions,
    marks: Mutex<Marks>,
    /// A mark waits that is the first.
    marked: Notify,
    /// Events were committed here.
    happened: Notify,
    places: Arc<Semaphore>,
    /// Commits hold it to read; a flush that writes waits for all before it.
    under_way: Arc<RwLock<()>>,
    deltas: AtomicU64,
    deferred: AtomicU64,
    transactions: AtomicU64,
}

impl PostgresStore {
    /// Opens a migrated database. Creates and alters nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Login`, `NoDatabase`, `ReadOnly`, `MissingRight`, `Unmigrated`, `Newer`, `Corrupt`, `Address`: each says what is wrong with which
    /// database.
    pub async fn open(
        address: &PostgresAddress,
        options: &PostgresOptions,
    ) -> Result<Self, StoreError> {
        let name = address.to_string();
        let client = connect(address).await?;
        timeout(options.patience, schema::check(&client, &name))
            .await
            .unwrap_or_else(|_elapsed| Err(silent(&name, options.patience)))?;
        if address.is_exposed() {
            tracing::warn!(
                store = name,
                "what is said to the database is not encrypted: sslmode=disable"
            );
        }
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match encryption(address)? {
            Encryption::Off => Manager::from_config(config(address), NoTls, recycling),
            Encryption::Verified(tls) => Manager::from_config(config(address), tls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(2))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .wait_timeout(Some(options.patience))
            .create_timeout(Some(options.patience))
            .build()
            .map_err(|err| StoreError::Failed(format!("{name}: {err}")))?;
        let id = crate::entropy::random::<16>()
            .map_err(|err| StoreError::Failed(format!("{name}: {err}")))?;
        let node = Arc::new(PostgresNode {
            name,
            id: id.iter().map(|octet| format!("{octet:02x}")).collect(),
            pool,
            marks: Mutex::new(Marks::new(options.deferred, options.defer_interval)),
            marked: Notify::new(),
            happened: Notify::new(),
            places: Arc::new(Semaphore::new(options.queue.min(Semaphore::MAX_PERMITS))),
            under_way: Arc::new(RwLock::new(())),
            options: options.clone(),
            deltas: AtomicU64::new(0),
            deferred: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
        });
        Ok(Self {
            node,
            stop: watch::Sender::new(false),
            begun: Once::new(),
        })
    }

    /// From the first write on this node also writes what was deferred and gives positions. Not before: who only looks, or is refused, changes nothing.
    pub(super) fn begin(&self) {
        self.begun.call_once(|| {
            let stopped = self.stop.subscribe();
            tokio::spawn(Arc::clone(&self.node).write_marks(stopped.clone()));
            tokio::spawn(Arc::clone(&self.node).give_positions(stopped));
        });
    }

    /// Durable when this returns. A task of its own finishes although the caller is dropped.
    async fn loose(&self, statements: Vec<Statement<'static>>) -> Result<(), CommitError> {
        self.begin();
        let until = Instant::now() + self.node.options.patience;
        let place = self.node.place()?;
        let node = Arc::clone(&self.node);
        let task = tokio::spawn(async move {
            let done = node.commit_loose(&statements, until).await;
            drop(place);
            done
        });
        task.await.map_err(|_| StoreError::Closed)?
    }

    /// Names this node in the sequencer's lease.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.node.id
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[async_trait]
impl Commit for PostgresStore {
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError> {
        self.begin();
        let until = Instant::now() + self.node.options.patience;
        let place = self.node.place()?;
        let node = Arc::clone(&self.node);
        // Submitted from here on: a flush that comes later waits for it. One that came before may be held up by the database.
        let under_way = timeout_at(until, Arc::clone(&node.under_way).read_owned()).await;
        let under_way = under_way.map_err(|_elapsed| node.silent())?;
        // A task of its own finishes although the caller is dropped.
        let task = tokio::spawn(async move {
            let done = node.commit(&delta, until).await;
            drop((place, under_way));
            done
        });
        task.await.map_err(|_| StoreError::Closed)?
    }

    async fn put_piece(&self, piece: Piece) -> Result<(), CommitError> {
        self.loose(of_piece(piece)).await
    }

    async fn give_up_upload(&self, dev_id: &DevId, upload: &UploadId) -> Result<(), CommitError> {
        self.loose(of_upload_given_up(dev_id, upload)).await
    }

    async fn sweep_uploads(&self, since: Utc) -> Result<(), CommitError> {
        self.loose(of_sweep(since)).await
    }

    async fn sweep_failed_creds(&self, before: Utc) -> Result<(), CommitError> {
        self.loose(failed_creds::of_sweep(before)).await
    }

    async fn write_waiting(&self, write: WaitingWrite) -> Result<(), CommitError> {
        self.loose(of_waiting(write)).await
    }

    fn defer(&self, mark: DeferredMark) {
        self.begin();
        self.node.defer([mark]);
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let everything_before = self.node.under_way.write().await;
        let marks = self.node.marks().all();
        drop(everything_before);
        self.node.write(marks).await?;
        self.node.catch_up().await
    }

    fn commits(&self) -> CommitCounts {
        CommitCounts {
            deltas: self.node.deltas.load(Ordering::Relaxed),
            deferred: self.node.deferred.load(Ordering::Relaxed),
            transactions: self.node.transactions.load(Ordering::Relaxed),
        }
    }

    fn backlog(&self) -> usize {
        let places = self.node.options.queue;
        places.saturating_sub(self.node.places.available_permits())
    }
}

impl PostgresNode {
    /// A place in the queue; `Busy` where there is none.
    fn place(&self) -> Result<OwnedSemaphorePermit, CommitError> {
        Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| CommitError::Busy)
    }

    /// A connection that is alive as far as is known.
    async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|err| match err {
            PoolError::Backend(err) => fault(&self.name, &err).into_error(),
            PoolError::Timeout(_) => self.silent(),
            err => StoreError::Failed(format!("{}: {err}", self.name)),
        })
    }

    /// The database said nothing within the time.
    fn silent(&self) -> StoreError {
        silent(&self.name, self.options.patience)
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn defer(&self, marks: impl IntoIterator<Item = DeferredMark>) {
        let mut waiting = self.marks();
        for mark in marks {
            if waiting.defer(mark) {
                self.marked.notify_one();
            }
        }
    }
}

/// Ends when the store is dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
