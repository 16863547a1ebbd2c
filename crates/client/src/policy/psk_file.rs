use std::path::PathBuf;

use omadm_mo::Secret;
use omadm_tls::{Psk, PskIdentity};

use super::notification_files::octets;
use crate::PolicyFileError;

/// A pre-shared key of the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PskFile {
    /// Its identity (D44).
    pub identity: PskIdentity,
    /// The file whose octets, as they are, are the key: 16 to 64.
    pub key: PathBuf,
}

impl PskFile {
    /// Reads the key.
    pub(crate) fn read(&self) -> Result<Psk, PolicyFileError> {
        let key = Secret::new(octets(&self.key)?);
        Psk::new(self.identity.as_str().as_bytes(), key).map_err(|cause| PolicyFileError::Psk {
            file: self.key.clone(),
            cause,
        })
    }
}
