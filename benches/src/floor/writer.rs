//! One thread that commits what waits in one transaction: WAL, `synchronous = FULL`, one row a commit.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Broken, CommitOctets, Unexpected};

/// The checkpoint interval of the server's store, in pages.
const CHECKPOINT_PAGES: u32 = 4096;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Commits so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commits {
    /// That were waited for.
    pub(crate) commits: u64,
    /// Of the database; one may carry many.
    pub(crate) transactions: u64,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    commits: AtomicU64,
    transactions: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    commits: Vec<(usize, oneshot::Sender<()>)>,
    closing: bool,
}

impl Writer {
    pub(super) fn open(path: &Path, octets: CommitOctets) -> Result<Self, Broken> {
        let connection = Connection::open(path)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.execute_batch(
            "PRAGMA synchronous = FULL; CREATE TABLE commits (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT;",
        )?;
        connection.query_row(
            &format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"),
            [],
            |_| Ok(()),
        )?;
        let shared = Arc::new(Shared::default());
        let (own, content) = (
            Arc::clone(&shared),
            vec![b'x'; octets.completion.max(octets.read)],
        );
        let thread = thread::Builder::new()
            .name("floor-writer".into())
            .spawn(move || own.run(&connection, &content))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Returns once this many octets are durable.
    pub(super) async fn commit(&self, octets: usize) -> Result<(), Unexpected> {
        let (done, durable) = oneshot::channel();
        self.shared.lock().commits.push((octets, done));
        self.shared.wake.notify_one();
        durable.await.map_err(|_| Unexpected::WriterGone)
    }

    pub(super) fn counts(&self) -> Commits {
        Commits {
            commits: self.shared.commits.load(Ordering::Relaxed),
            transactions: self.shared.transactions.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _joined = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group that fails is dropped unanswered: whoever waits for it sees [`Unexpected::WriterGone`].
    fn run(&self, connection: &Connection, content: &[u8]) {
        while let Some(group) = self.take() {
            if write(connection, content, &group).is_ok() {
                let commits = u64::try_from(group.len()).unwrap_or_default();
                self.commits.fetch_add(commits, Ordering::Relaxed);
                self.transactions.fetch_add(1, Ordering::Relaxed);
                for (_, done) in group {
                    let _gone = done.send(());
                }
            }
        }
    }

    fn take(&self) -> Option<Vec<(usize, oneshot::Sender<()>)>> {
        let mut waiting = self.lock();
        while waiting.commits.is_empty() {
            if waiting.closing {
                return None;
            }
            waiting = self
                .wake
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Some(std::mem::take(&mut waiting.commits))
    }
}

fn write(
    connection: &Connection,
    content: &[u8],
    group: &[(usize, oneshot::Sender<()>)],
) -> rusqlite::Result<()> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]);
    execute("BEGIN IMMEDIATE")?;
    {
        let mut insert = connection.prepare_cached("INSERT INTO commits (content) VALUES (?1)")?;
        for (octets, _) in group {
            insert.execute([content.get(..*octets).unwrap_or(content)])?;
        }
    }
    execute("COMMIT").map(|_| ())
}
