//! The file without the store's threads, for what looks at it or fills it as a whole: a copy, a check.

use std::cmp::Ordering;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::SqliteOptions;
use super::fault::{fault, io_fault};
use super::open::{self, check_header, newest, open_reader, resolve, schema_version};
use crate::store::StoreError;

/// A connection that only reads, beside a server that may have the file open. Nothing is made or upgraded.
pub(in crate::store) fn open_to_read(
    path: &Path,
    options: &SqliteOptions,
) -> Result<Connection, StoreError> {
    let file = path.display().to_string();
    let (connection, found) = look_into(path, options)?;
    let newest = newest_schema();
    match found.cmp(&newest) {
        Ordering::Equal => Ok(connection),
        Ordering::Less => Err(StoreError::Unmigrated(file, found, newest)),
        Ordering::Greater => Err(StoreError::Newer(file, found)),
    }
}

/// The same whatever schema it has, and that schema's version.
pub(in crate::store) fn look_into(
    path: &Path,
    options: &SqliteOptions,
) -> Result<(Connection, i64), StoreError> {
    let file = path.display().to_string();
    let path = resolve(path).map_err(|err| io_fault(&file, &err))?;
    check_header(&path, &file)?;
    let connection = open_reader(&path, options).map_err(|err| fault(&file, &err))?;
    let version = schema_version(&connection).map_err(|err| fault(&file, &err))?;
    Ok((connection, version))
}

/// The connection that writes, with the lock that is to be held as long; opened as a server opens it, so made or upgraded where it has to be.
pub(in crate::store) fn open_to_write(
    path: &Path,
    options: &SqliteOptions,
) -> Result<(Connection, File), StoreError> {
    let opened = open::open(path, options)?;
    Ok((opened.writer, opened.lock))
}

/// The schema this program needs.
pub(in crate::store) fn newest_schema() -> i64 {
    newest().into()
}

/// The file without links: equal for two names of one file.
pub(in crate::store) fn canonical(path: &Path) -> Option<PathBuf> {
    resolve(path).ok()
}
