use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::SqliteOptions;
use super::fault::fault;
use super::open::open_reader;
use crate::store::StoreError;

/// Connections that only read, each lent to one read at a time.
pub(super) struct Readers {
    file: String,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// A connection with its place in the pool. Goes back even if the read's caller is gone.
struct Lent {
    pool: Arc<Readers>,
    connection: Option<Connection>,
    // Dropped after `drop` gave the connection back: who gets the permit next finds one.
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn open(
        path: &Path,
        file: &str,
        options: &SqliteOptions,
    ) -> Result<Self, StoreError> {
        let count = options.readers.max(1);
        let idle: rusqlite::Result<Vec<_>> =
            (0..count).map(|_| open_reader(path, options)).collect();
        Ok(Self {
            file: file.into(),
            idle: Mutex::new(idle.map_err(|err| fault(file, &err))?),
            permits: Arc::new(Semaphore::new(count)),
        })
    }

    /// Runs a read on a thread that may block.
    pub(super) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let connection = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let lent = Lent {
            pool: Arc::clone(self),
            connection,
            _permit: permit,
        };
        let read = spawn_blocking(move || lent.connection.as_ref().map(work));
        match read.await {
            Ok(Some(result)) => result.map_err(|err| fault(&self.file, &err)),
            Ok(None) | Err(_) => Err(StoreError::Closed),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.connection.take());
    }
}
