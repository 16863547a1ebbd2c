use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes a file that its owner alone may read, as a whole or not at all: under another name first, then in its place. Not synced: whoever counts on it after a
/// power cut compares its hash.
///
/// # Errors
/// What the system says; the former file is then as it was.
pub fn write_private(file: &Path, octets: &[u8]) -> io::Result<()> {
    let new = beside(file);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&new)?.write_all(octets)?;
    fs::rename(&new, file)
}

/// The name a file has until it is whole; nothing else is called so.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
