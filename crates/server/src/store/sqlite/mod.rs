//! The embedded back end: one SQLite file in WAL mode, synchronized at every commit. One thread writes what waits in one transaction, a pool reads.

mod apply;
pub(super) mod direct;
pub(super) mod fault;
mod open;
mod queue;
mod readers;
mod reads;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use tokio::sync::oneshot;

use self::apply::Sequencer;
use self::fault::{fault, io_fault};
use self::queue::Queue;
use self::readers::Readers;
use self::writer::{Counters, Writer};
use super::statements::Statement;
use super::uploads::{of_piece, of_sweep, of_upload_given_up};
use super::waiting::of_waiting;
use super::{Commit, CommitCounts, CommitError, Committed, StoreError, failed_creds};
use crate::model::{DeferredMark, ExchangeDelta, Piece, UploadId, WaitingWrite};

/// A store in one SQLite file, owned by this process.
///
/// Dropping it writes out what waits and joins the writer, so the thread that drops it blocks for as long as that takes.
pub struct SqliteStore {
    file: String,
    path: PathBuf,
    options: SqliteOptions,
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    counters: Arc<Counters>,
    writer: Option<JoinHandle<()>>,
}

/// How a [`SqliteStore`] works. The defaults are for production.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Deltas that may wait for the writer; one more is `Busy`. Default 1024.
    pub queue: usize,
    /// Deferred marks that may wait; further ones are lost, with a warning. Default 16 384.
    pub deferred: usize,
    /// Connections that read. Default 4.
    pub readers: usize,
    /// Within this time a deferred mark leaves. Default 1 s.
    pub defer_interval: Duration,
    /// How long the writer waits for another program that writes to the file (a shell, a backup). Default 1 s.
    pub busy_timeout: Duration,
    /// The file grows to this many pages of 4 KiB at most. Default none.
    pub max_page_count: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue: 1024,
            deferred: 16_384,
            readers: 4,
            defer_interval: Duration::from_secs(1),
            busy_timeout: Duration::from_secs(1),
            max_page_count: None,
        }
    }
}

impl SqliteStore {
    /// Opens the store at `path`, or makes it where there is no file; the folder must exist. Beside it lie `-wal`, `-shm` and `.lock`. Blocks.
    ///
    /// # Errors
    /// `Locked` while another process (or another store of this one) has it open; `Corrupt` where the file is damaged or not ours, and it stays as it is;
    /// `Newer` where a newer program made it; else what the operating system says.
    pub fn open(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        let opened = open::open(path.as_ref(), options)?;
        let readers = Arc::new(Readers::open(&opened.path, &opened.file, options)?);
        let sequencer = Sequencer::load(&opened.writer).map_err(|err| fault(&opened.file, &err))?;
        let queue = Arc::new(Queue::new(
            options.queue,
            options.deferred,
            options.defer_interval,
        ));
        let counters = Arc::new(Counters::default());
        let writer = Writer {
            file: opened.file.clone(),
            connection: opened.writer,
            sequencer,
            queue: Arc::clone(&queue),
            counters: Arc::clone(&counters),
            _lock: opened.lock,
        };
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run())
            .map_err(|err| io_fault(&opened.file, &err))?;
        Ok(Self {
            file: opened.file,
            path: opened.path,
            options: options.clone(),
            queue,
            readers,
            counters,
            writer: Some(writer),
        })
    }

    /// Durable when this returns.
    async fn loose(&self, statements: Vec<Statement<'static>>) -> Result<(), CommitError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.submit_loose(statements, answer)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

#[async_trait]
impl Commit for SqliteStore {
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.submit(delta, answer)?;
        outcome.await.map_err(|_| StoreError::Closed)?
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
        self.queue.defer([mark]);
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.flush(answer);
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    fn commits(&self) -> CommitCounts {
        self.counters.read()
    }

    fn backlog(&self) -> usize {
        self.queue.backlog()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}
