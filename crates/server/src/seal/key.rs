use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use omadm_mo::Secret;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{ID_LEN, first_octets};

const KEY_LEN: usize = 32;

/// One key for secrets at rest. Has no `Debug`; its octets are kept by the cryptographic library alone, which wipes them.
pub struct SealingKey {
    id: KeyId,
    cipher: RandomizedNonceKey,
}

/// Names a key without telling it: the first 8 octets of its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyId(pub [u8; ID_LEN]);

/// Why there is no key. The configuration is at fault, or the file system.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not 32 octets.
    #[error("a sealing key has 32 octets, this one {0}")]
    Length(usize),
    /// Not 64 hexadecimal digits.
    #[error("a sealing key is written as 64 hexadecimal digits")]
    Hex,
    /// The file has another length than a key; it may have been cut off.
    #[error("{0} is no sealing key: it does not have exactly 32 octets")]
    File(PathBuf),
    /// Everybody on the machine may read the file.
    #[error(
        "{0} is open to everybody (mode {1:03o}); take the rights of others away: chmod o= {0}"
    )]
    Open(PathBuf, u32),
    /// The file cannot be read or made.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Library,
}

impl SealingKey {
    /// Takes 32 octets as a key.
    ///
    /// # Errors
    /// [`KeyError::Length`], [`KeyError::Library`].
    pub fn from_octets(octets: &Secret) -> Result<Self, KeyError> {
        if octets.len() != KEY_LEN {
            return Err(KeyError::Length(octets.len()));
        }
        let id = KeyId(first_octets(Sha256::digest(octets.expose()).into()));
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, octets.expose())
            .map_err(|_| KeyError::Library)?;
        Ok(Self { id, cipher })
    }

    /// Reads a key as an environment variable holds it: 64 hexadecimal digits, blanks around them allowed.
    ///
    /// # Errors
    /// [`KeyError::Hex`], [`KeyError::Library`].
    pub fn from_hex(digits: &Secret) -> Result<Self, KeyError> {
        let digits = digits.expose().trim_ascii();
        if digits.len() != 2 * KEY_LEN {
            return Err(KeyError::Hex);
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(KEY_LEN));
        for pair in digits.chunks_exact(2) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (high, low) else {
                return Err(KeyError::Hex);
            };
            octets.push((high << 4 | low) as u8);
        }
        Self::from_octets(&Secret::new(std::mem::take(&mut *octets)))
    }

    /// Reads a key file: 32 octets, not readable by everybody.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |err| KeyError::Io(path.into(), err);
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(KeyError::Open(path.into(), mode));
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
        file.take(KEY_LEN as u64 + 1)
            .read_to_end(&mut octets)
            .map_err(failed)?;
        if octets.len() != KEY_LEN {
            return Err(KeyError::File(path.into()));
        }
        Self::from_octets(&Secret::new(std::mem::take(&mut *octets)))
    }

    /// Reads a key file; makes it with a random key and mode 0600 where there is none. It appears whole or not at all, and of two processes one makes it.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::read(path) {
            Err(KeyError::Io(_, err)) if err.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        let mut octets = Zeroizing::new([0; KEY_LEN]);
        let mut suffix = [0; 8];
        aws_lc_rs::rand::fill(&mut *octets).map_err(|_| KeyError::Library)?;
        aws_lc_rs::rand::fill(&mut suffix).map_err(|_| KeyError::Library)?;
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", KeyId(suffix)));
        let made =
            write_key(Path::new(&fresh), &*octets).and_then(|()| fs::hard_link(&fresh, path));
        let removed = fs::remove_file(&fresh);
        match made {
            // Another process was faster: its key counts.
            Err(err) if err.kind() == ErrorKind::AlreadyExists => {}
            made => made
                .and(removed)
                .and_then(|()| sync_folder(path))
                .map_err(|err| KeyError::Io(path.into(), err))?,
        }
        Self::read(path)
    }

    /// Names the key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(super) const fn cipher(&self) -> &RandomizedNonceKey {
        &self.cipher
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

fn write_key(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use omadm_mo::Secret;

    use super::{KeyError, SealingKey};

    #[test]
    fn a_key_file_is_made_once_closed_to_others_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let made = SealingKey::read_or_create(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::metadata(&path).unwrap().len(), 32);
        assert_eq!(SealingKey::read_or_create(&path).unwrap().id(), made.id());
        assert_eq!(SealingKey::read(&path).unwrap().id(), made.id());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let other = SealingKey::read_or_create(&folder.path().join("other.key")).unwrap();
        assert_ne!(other.id(), made.id());
    }

    #[test]
    fn a_key_file_that_everybody_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        SealingKey::read_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            SealingKey::read_or_create(&path),
            Err(KeyError::Open(_, 0o644))
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(SealingKey::read(&path).is_ok());
    }

    #[test]
    fn a_key_file_of_another_length_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        for length in [0, 31, 33] {
            fs::write(&path, vec![1; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(
                matches!(SealingKey::read_or_create(&path), Err(KeyError::File(_))),
                "{length}"
            );
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn a_key_written_in_hexadecimal_is_the_key_itself() {
        let octets: Vec<u8> = (0..32).map(|n| n * 8 + 3).collect();
        let digits: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        let read = SealingKey::from_hex(&Secret::from(format!("{digits}\n"))).unwrap();
        assert_eq!(
            read.id(),
            SealingKey::from_octets(&Secret::new(octets)).unwrap().id()
        );
        for bad in ["", &digits[2..], &digits.replace('3', "x"), &"ü".repeat(32)] {
            assert!(
                matches!(
                    SealingKey::from_hex(&Secret::from(bad.to_owned())),
                    Err(KeyError::Hex)
                ),
                "{bad}"
            );
        }
    }
}
