//! An SQLite file as an end of a copy.

use std::fs::File;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use super::side::{Row, Side};
use crate::store::StoreError;
use crate::store::sqlite::fault::fault;
use crate::store::sqlite::{SqliteOptions, direct};
use crate::store::statements::Value;

pub(in crate::store) struct SqliteSide {
    file: String,
    connection: Connection,
    /// Held as long as it is written to.
    _lock: Option<File>,
}

impl SqliteSide {
    /// To read, while a server may write: needs no lock. The snapshot keeps the log beside the file from shrinking.
    pub(in crate::store) fn source(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            file: path.display().to_string(),
            connection: direct::open_to_read(path, &SqliteOptions::default())?,
            _lock: None,
        })
    }

    /// To write, as its only user; made where it does not exist.
    pub(super) fn target(path: &Path) -> Result<Self, StoreError> {
        let (connection, lock) = direct::open_to_write(path, &SqliteOptions::default())?;
        Ok(Self {
            file: path.display().to_string(),
            connection,
            _lock: Some(lock),
        })
    }

    fn tried<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|err| fault(&self.file, &err))
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.tried(self.connection.execute_batch(sql))
    }
}

impl Side for SqliteSide {
    fn name(&self) -> &str {
        &self.file
    }

    fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.tried(read(&self.connection, sql, values))
    }

    fn execute(&mut self, sql: &str, rows: &[Row]) -> Result<(), StoreError> {
        let write = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            rows.iter()
                .try_for_each(|row| statement.execute(params_from_iter(row)).map(drop))
        };
        self.tried(write())
    }

    fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        // The transaction sees the state of its first read.
        self.batch("BEGIN")?;
        self.rows("SELECT id FROM sequencer", &[]).map(drop)
    }

    fn begin_write(&mut self) -> Result<(), StoreError> {
        self.batch("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.batch("COMMIT")
    }

    fn roll_back(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(err) = self.batch("ROLLBACK")
        {
            tracing::warn!(error = %err, "a transaction could not be rolled back");
        }
    }

    fn living_holder(&mut self) -> Result<Option<String>, StoreError> {
        // The lock file keeps others away.
        Ok(None)
    }

    fn lease(&mut self) -> Result<Option<(String, i64)>, StoreError> {
        Ok(None)
    }

    fn analyze(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn read(conn: &Connection, sql: &str, values: &[Value<'_>]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = conn.prepare_cached(sql)?;
    let columns = statement.column_count();
    statement
        .query_map(params_from_iter(values), |row| {
            (0..columns).map(|at| value(row, at)).collect()
        })?
        .collect()
}

fn value(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Value<'static>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(_) => Value::Text(row.get::<_, String>(at)?.into()),
        ValueRef::Blob(octets) => Value::Octets(octets.to_vec().into()),
        other @ ValueRef::Real(_) => {
            let name = row.as_ref().column_name(at)?.to_owned();
            return Err(rusqlite::Error::InvalidColumnType(
                at,
                name,
                other.data_type(),
            ));
        }
    })
}
