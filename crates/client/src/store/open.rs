use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use omadm_mo::TreeError;
use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, ReadableDatabase as _, StorageBackend, StorageError, TableError,
    TableHandle as _,
};

use super::device_tables::FACTS;
use super::device_write::WriteTxn;
use super::storage_error::{is_full, tree_error};
use super::{facts, upgrade};

/// The form of file that this build writes. A file of a higher one was made by a newer build.
pub(super) const FORMAT: u32 = 6;

/// Octets of the file kept in memory, at most; a tree that is smaller takes no more than it has. The daemon's memory is bounded (DESIGN §9). redb divides
/// them among 131 parts that do not lend to each other: with a page or two in each, the pages that a read comes by again and again drive each other out.
const CACHE: usize = 4 << 20;

/// Why a store was not opened. What is on disk stays as it is; a store is never made anew in place of one that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// Another process, or another part of this one, has it open. The environment is at fault.
    #[error("the tree store {} is in use by another process", file.display())]
    Locked {
        /// The file.
        file: PathBuf,
    },
    /// It is no tree store, or a damaged one. The environment is at fault: restore the file, or remove it as a factory reset would.
    #[error("the tree store {} cannot be read: {why}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What was found.
        why: String,
    },
    /// A newer build made it. The configuration is at fault.
    #[error("the tree store {} was made by a newer version: its format is {found}, this version knows up to {known}", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The file's format.
        found: u32,
        /// The highest format of this build.
        known: u32,
    },
    /// No room is left. The environment is at fault.
    #[error("there is no room to open the tree store {}", file.display())]
    NoRoom {
        /// The file.
        file: PathBuf,
    },
    /// The file cannot be made, opened or read. The environment is at fault.
    #[error("the tree store {} cannot be opened: {cause}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// Opens the store's file, and makes it where there is none or an empty one.
pub(super) fn open_or_create(file: &Path, epoch: u32) -> Result<Database, StoreOpenError> {
    match fs::metadata(file) {
        Ok(found) if found.len() > 0 => prepared(
            open_file(file).map_err(|why| because(file, why))?,
            file,
            epoch,
        ),
        Ok(_) => create(file, epoch),
        Err(cause) if cause.kind() == ErrorKind::NotFound => create(file, epoch),
        Err(cause) => Err(StoreOpenError::Io {
            file: file.into(),
            cause,
        }),
    }
}

/// Opens an existing file; the permissions become the owner's alone, since it holds secrets.
pub(super) fn open_file(file: &Path) -> Result<Database, DatabaseError> {
    let handle = OpenOptions::new().read(true).write(true).open(file)?;
    keep_private(&handle)?;
    open_backend(FileBackend::new(handle)?)
}

/// Opens a store on any storage; the whole of it is checked.
pub(super) fn open_backend(backend: impl StorageBackend) -> Result<Database, DatabaseError> {
    redb::Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
}

/// Checks the form of an opened store, brings an older one to this build's, and gives a new one its tables.
pub(super) fn prepared(
    database: Database,
    file: &Path,
    epoch: u32,
) -> Result<Database, StoreOpenError> {
    match format(&database).map_err(|why| because_of(file, why))? {
        Some(FORMAT) => {}
        Some(found @ 1..FORMAT) => {
            upgrade::from_form(found, &database).map_err(|why| because_of(file, why))?;
        }
        Some(found) if found > FORMAT => {
            return Err(StoreOpenError::Newer {
                file: file.into(),
                found,
                known: FORMAT,
            });
        }
        Some(found) => {
            return Err(StoreOpenError::Corrupt {
                file: file.into(),
                why: format!("there is no format {found}"),
            });
        }
        None => make_tables(&database, epoch).map_err(|why| because_of(file, why))?,
    }
    Ok(database)
}

/// A new store is made beside its place and put there when it is complete: a power cut on the way leaves no half-made store behind. Whoever holds the lock of
/// the new file may do that.
fn create(file: &Path, epoch: u32) -> Result<Database, StoreOpenError> {
    let io = |cause: io::Error| because(file, DatabaseError::from(cause));
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let handle = create_private(&new).map_err(io)?;
    if handle.try_lock().is_err() {
        return Err(StoreOpenError::Locked { file: file.into() });
    }
    if fs::metadata(file).is_ok_and(|found| found.len() > 0) {
        fs::remove_file(&new).map_err(io)?;
        return open_or_create(file, epoch);
    }
    handle.set_len(0).map_err(io)?;
    let backend = FileBackend::new(handle).map_err(|why| because(file, why))?;
    let database = open_backend(backend).map_err(|why| because(file, why))?;
    let database = prepared(database, file, epoch)?;
    fs::rename(&new, file).map_err(io)?;
    sync_folder(file).map_err(io)?;
    Ok(database)
}

fn make_tables(database: &Database, epoch: u32) -> Result<(), TreeError> {
    let transaction = database.begin_write().map_err(tree_error)?;
    WriteTxn::create(&transaction, FORMAT, epoch)?;
    transaction.commit().map_err(tree_error)
}

/// The format of the store; none where it has no table at all.
fn format(database: &Database) -> Result<Option<u32>, TreeError> {
    let transaction = database.begin_read().map_err(tree_error)?;
    let foreign = || TreeError::Damaged("it holds no DM tree".into());
    match transaction.open_table(FACTS) {
        Ok(found) => facts::read_u32(&found, facts::FORMAT)?
            .ok_or_else(foreign)
            .map(Some),
        Err(TableError::TableDoesNotExist(_)) => {
            let mut tables = transaction
                .list_tables()
                .map_err(tree_error)?
                .map(|table| table.name().to_owned());
            if tables.next().is_some() {
                Err(foreign())
            } else {
                Ok(None)
            }
        }
        Err(TableError::Storage(why)) => Err(tree_error(why)),
        Err(_) => Err(foreign()),
    }
}

/// Why redb did not open a file.
pub(super) fn because(file: &Path, why: DatabaseError) -> StoreOpenError {
    let file = file.to_owned();
    match why {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreOpenError::Locked { file }
        }
        DatabaseError::Storage(StorageError::Io(cause)) => match cause.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => StoreOpenError::Corrupt {
                file,
                why: cause.to_string(),
            },
            _ if is_full(&cause) => StoreOpenError::NoRoom { file },
            _ => StoreOpenError::Io { file, cause },
        },
        other => StoreOpenError::Corrupt {
            file,
            why: other.to_string(),
        },
    }
}

fn because_of(file: &Path, why: TreeError) -> StoreOpenError {
    let file = file.to_owned();
    match why {
        TreeError::NoRoom => StoreOpenError::NoRoom { file },
        TreeError::Storage(why) => StoreOpenError::Io {
            file,
            cause: io::Error::other(why.into_string()),
        },
        TreeError::Damaged(why) => StoreOpenError::Corrupt {
            file,
            why: why.into(),
        },
    }
}

#[cfg(unix)]
fn create_private(file: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let handle = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)?;
    keep_private(&handle)?;
    Ok(handle)
}

#[cfg(not(unix))]
fn create_private(file: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(file)
}

#[cfg(unix)]
fn keep_private(handle: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if handle.metadata()?.permissions().mode() & 0o077 != 0 {
        handle.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// Makes the file's name durable.
#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
