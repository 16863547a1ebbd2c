mod file;
mod load;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{SqliteOptions, SqliteStore};
use crate::store::Store;
use crate::store::battery::{BackEnd, Settings, battery};

/// A folder with one database.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("server.db")
    }

    fn open(&self, options: &SqliteOptions) -> SqliteStore {
        open(&self.file(), options)
    }
}

fn open(path: &Path, options: &SqliteOptions) -> SqliteStore {
    SqliteStore::open(path, options).unwrap_or_else(|err| panic!("{err}"))
}

impl BackEnd for Place {
    async fn open(&self, settings: Settings) -> Arc<dyn Store> {
        let Settings {
            queue,
            defer_interval,
        } = settings;
        Arc::new(Self::open(
            self,
            &SqliteOptions {
                queue,
                defer_interval,
                ..SqliteOptions::default()
            },
        ))
    }
}

battery!(super::Place::new());
