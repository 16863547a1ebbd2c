//! Files of the state directory: written whole or not at all, secrets for the owner's eyes only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::StateDirError;

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everybody: certificates, CRL.
    Public,
    /// The owner: keys, token hash.
    Private,
}

/// Writes a file under a temporary name, makes it durable, and gives it its name: whoever reads finds the old one or the new one.
pub(super) fn write(
    dir: &Path,
    name: &str,
    content: &[u8],
    mode: Mode,
) -> Result<(), StateDirError> {
    let path = dir.join(name);
    let temporary = dir.join(format!(".{name}.new"));
    let written = || -> io::Result<()> {
        let bits = if mode == Mode::Private { 0o600 } else { 0o644 };
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(bits)
            .open(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(bits))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    written().map_err(|cause| StateDirError::Io { path, cause })
}

/// Reads a file that has to be there.
pub(super) fn read(dir: &Path, name: &str) -> Result<Vec<u8>, StateDirError> {
    let path = dir.join(name);
    match fs::read(&path) {
        Ok(content) => Ok(content),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Err(StateDirError::Missing { path })
        }
        Err(cause) => Err(StateDirError::Io { path, cause }),
    }
}

/// Reads a text file that has to be there.
pub(super) fn read_text(dir: &Path, name: &str) -> Result<String, StateDirError> {
    String::from_utf8(read(dir, name)?).map_err(|_| damaged(dir, name, "it is not UTF-8"))
}

pub(super) fn damaged(dir: &Path, name: &str, problem: impl std::fmt::Display) -> StateDirError {
    StateDirError::Damaged {
        path: dir.join(name),
        problem: problem.to_string(),
    }
}

/// The entries of a directory without those that a crash left under their temporary names.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>, StateDirError> {
    let listed = || -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            if !(name.starts_with('.') && name.ends_with(".new")) {
                found.push(path);
            }
        }
        Ok(found)
    };
    listed().map_err(|cause| StateDirError::Io {
        path: dir.to_owned(),
        cause,
    })
}
