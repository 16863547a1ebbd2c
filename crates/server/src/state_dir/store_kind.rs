//! In which kind of store the records of a state directory are: one line in its file `store`.

use std::fmt;

use super::{StateDir, StateDirError, files};
use crate::state_dir::files::Mode;

const FILE: &str = "store";

/// Kinds of stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// One file of this machine.
    Sqlite,
    /// A database that other nodes reach too.
    Postgres,
}

impl StoreKind {
    const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    const fn line(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite\n",
            Self::Postgres => "postgres\n",
        }
    }
}

impl StateDir {
    /// The kind of store this directory has served; none before the first.
    ///
    /// # Errors
    /// [`StateDirError::Damaged`] where the file names none.
    pub fn store_kind(&self) -> Result<Option<StoreKind>, StateDirError> {
        let line = match files::read_text(&self.path, FILE) {
            // A directory of a version that did not write the line.
            Err(StateDirError::Missing { .. }) => {
                return Ok(self.store_path().exists().then_some(StoreKind::Sqlite));
            }
            read => read?,
        };
        StoreKind::ALL
            .into_iter()
            .find(|kind| kind.line() == line)
            .map(Some)
            .ok_or_else(|| files::damaged(&self.path, FILE, "it names neither sqlite nor postgres"))
    }

    /// Notes the kind of store that this directory serves from now on.
    ///
    /// # Errors
    /// [`StateDirError::Io`].
    pub fn remember_store_kind(&self, kind: StoreKind) -> Result<(), StateDirError> {
        match files::read_text(&self.path, FILE) {
            Ok(line) if line == kind.line() => Ok(()),
            _ => files::write(&self.path, FILE, kind.line().as_bytes(), Mode::Public),
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}
