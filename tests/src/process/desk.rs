use std::io;
use std::path::PathBuf;

/// A folder for what a command is given; it goes with the value.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// An empty one.
    ///
    /// # Errors
    /// Where there is no room for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
        })
    }

    /// A file with these octets.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn file(&self, name: &str, octets: impl AsRef<[u8]>) -> io::Result<PathBuf> {
        let file = self.folder.path().join(name);
        std::fs::write(&file, octets)?;
        Ok(file)
    }
}
