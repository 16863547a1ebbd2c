//! Opening the file: one process at a time, never a damaged or foreign file, never one of a newer program.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use refinery::Target;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::SqliteOptions;
use super::fault::{fault, io_fault};
use crate::store::StoreError;

/// `omad`, in the header of every store.
const APPLICATION_ID: i32 = 0x6f6d_6164;
/// Files up to this size are checked whole when they are opened; larger ones page by page as they are read.
const CHECKED_WHOLE: u64 = 64 << 20;
/// Pages of the write-ahead log after which they move to the main file: 16 MiB at 4 KiB each.
const CHECKPOINT_PAGES: u32 = 4096;
/// Pages that the writing connection holds in memory at most, and each reading one: with SQLite's own 2 MiB the upper pages of a store with a million
/// devices do not stay.
const WRITER_CACHE_KIB: i32 = 64 << 10;
const READER_CACHE_KIB: i32 = 32 << 10;
/// Statements each connection keeps prepared; more than there are.
const STATEMENTS: usize = 64;

mod embedded {
    #![allow(missing_docs, unreachable_pub)]
    refinery::embed_migrations!("src/store/sqlite/migrations");
}

/// A store that this process owns.
pub(super) struct Opened {
    /// The file, as the operator knows it.
    pub(super) file: String,
    /// The file, without links.
    pub(super) path: PathBuf,
    /// Held until the store is closed.
    pub(super) lock: File,
    /// The one connection that writes.
    pub(super) writer: Connection,
}

/// Opens or makes the store at `path`.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Opened, StoreError> {
    let file = path.display().to_string();
    let path = resolve(path).map_err(|err| io_fault(&file, &err))?;
    let lock = lock(&path, &file)?;
    if path.try_exists().map_err(|err| io_fault(&file, &err))? {
        check_header(&path, &file)?;
    } else if beside(&path, "-wal").exists() {
        return Err(StoreError::Corrupt(
            file,
            "the file is missing, but its write-ahead log is there".into(),
        ));
    } else {
        create(&path, &file)?;
    }
    let mut writer = open_writer(&path, options).map_err(|err| fault(&file, &err))?;
    check_content(&path, &writer, &file)?;
    migrate(&mut writer, &file)?;
    Ok(Opened {
        file,
        path,
        lock,
        writer,
    })
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let reader = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    reader.busy_timeout(options.busy_timeout)?;
    reader.set_prepared_statement_cache_capacity(STATEMENTS);
    reader.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    reader.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(reader)
}

/// The path without links, so that two names of one file take one lock.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(err) if err.kind() == ErrorKind::NotFound => {
            let name = path.file_name().ok_or(ErrorKind::InvalidFilename)?;
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            Ok(folder
                .unwrap_or_else(|| Path::new("."))
                .canonicalize()?
                .join(name))
        }
        other => other,
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// SQLite's own locks admit many processes; the sequencer keeps its numbers in memory, so there is one.
fn lock(path: &Path, file: &str) -> Result<File, StoreError> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(|err| io_fault(file, &err))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(file.into())),
        Err(TryLockError::Error(err)) => Err(io_fault(file, &err)),
    }
}

/// Makes an empty store under another name first: it appears whole or not at all.
pub(super) fn create(path: &Path, file: &str) -> Result<(), StoreError> {
    let fresh = beside(path, ".new");
    for leftover in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(beside(&fresh, leftover)) {
            Err(err) if err.kind() != ErrorKind::NotFound => return Err(io_fault(file, &err)),
            _ => {}
        }
    }
    // The log and its index take the mode of the main file.
    File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(|err| io_fault(file, &err))?;
    mark(&fresh).map_err(|err| fault(file, &err))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::rename(&fresh, path)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|err| io_fault(file, &err))
}

fn mark(fresh: &Path) -> rusqlite::Result<()> {
    let conn = Connection::open(fresh)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.close().map_err(|(_, err)| err)
}

/// Looks at the file before SQLite does, since SQLite may change a foreign file by merely opening it. The application id stands in the main file from
/// the start, see [`create`].
pub(super) fn check_header(path: &Path, file: &str) -> Result<(), StoreError> {
    let corrupt = |why: &str| Err(StoreError::Corrupt(file.into(), why.into()));
    let mut header = [0; 100];
    match File::open(path).and_then(|mut opened| opened.read_exact(&mut header)) {
        Ok(()) => {}
        Err(err) if err.kind() == ErrorKind::UnexpectedEof => {
            return corrupt("it is cut off within its header");
        }
        Err(err) => return Err(io_fault(file, &err)),
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return corrupt("it is no SQLite database");
    }
    if header[68..72] != APPLICATION_ID.to_be_bytes() {
        return corrupt("it is a database of another program");
    }
    // SQLite reads what is missing within the last page as zeros. A log means an unclean end: then its recovery comes first.
    let logged = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    let length = fs::metadata(path)
        .map_err(|err| io_fault(file, &err))?
        .len();
    if !logged && length < length_by_header(&header) {
        return corrupt("it is cut off");
    }
    Ok(())
}

/// How long the file was when it was written: page size (65 536 is written as 1) times the count of pages.
fn length_by_header(header: &[u8; 100]) -> u64 {
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        other => u64::from(other),
    };
    page * u64::from(u32::from_be_bytes([
        header[28], header[29], header[30], header[31],
    ]))
}

/// Opens a connection that writes; waits for another one no longer than the busy timeout.
pub(super) fn open_writer(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let writer = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    writer.busy_timeout(options.busy_timeout)?;
    writer.set_prepared_statement_cache_capacity(STATEMENTS);
    writer.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    writer.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
    )?;
    writer.query_row(
        &format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"),
        [],
        |_| Ok(()),
    )?;
    writer.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    if let Some(pages) = options.max_page_count {
        writer.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Ok(writer)
}

fn check_content(path: &Path, writer: &Connection, file: &str) -> Result<(), StoreError> {
    let size = fs::metadata(path)
        .map_err(|err| io_fault(file, &err))?
        .len();
    if size > CHECKED_WHOLE {
        return Ok(());
    }
    let verdict: String = writer
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|err| fault(file, &err))?;
    if verdict == "ok" {
        Ok(())
    } else {
        Err(StoreError::Corrupt(file.into(), verdict))
    }
}

fn migrate(writer: &mut Connection, file: &str) -> Result<(), StoreError> {
    let found = schema_version(writer).map_err(|err| fault(file, &err))?;
    let newest = newest();
    match found.cmp(&newest.into()) {
        Ordering::Greater => Err(StoreError::Newer(file.into(), found)),
        Ordering::Equal => Ok(()),
        Ordering::Less => migrate_to(writer, file, newest),
    }
}

/// Carries out the migrations up to this one.
pub(super) fn migrate_to(
    writer: &mut Connection,
    file: &str,
    version: i32,
) -> Result<(), StoreError> {
    embedded::migrations::runner()
        .set_target(Target::Version(version))
        .run(writer)
        .map(drop)
        .map_err(|err| match err.kind() {
            refinery::error::Kind::Connection(_, source) => {
                match source.downcast_ref::<rusqlite::Error>() {
                    Some(err) => fault(file, err),
                    None => StoreError::Failed(format!("{file}: {err}")),
                }
            }
            _ => StoreError::Corrupt(file.into(), err.to_string()),
        })
}

/// The newest schema this program knows.
pub(super) fn newest() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// 0 where no migration ran yet.
pub(super) fn schema_version(writer: &Connection) -> rusqlite::Result<i64> {
    let history =
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'refinery_schema_history'";
    if writer
        .query_row(history, [], |_| Ok(()))
        .optional()?
        .is_none()
    {
        return Ok(0);
    }
    let newest: Option<i64> = writer.query_row(
        "SELECT MAX(version) FROM refinery_schema_history",
        [],
        |row| row.get(0),
    )?;
    Ok(newest.unwrap_or(0))
}
