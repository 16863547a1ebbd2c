use std::path::{Path, PathBuf};

use omadm_mo::Secret;
use omadm_mo::standard::dm_acc::AuthNoti;

use crate::PolicyFileError;

/// Files of what the Notifications of a bootstrap source are checked with (D84); their octets count as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotificationFiles {
    /// `noti_secret_file`: server-secret of §11.4.
    pub secret: PathBuf,
    /// `noti_data_file`: auth-data, empty without it.
    pub data: Option<PathBuf>,
}

impl NotificationFiles {
    /// Reads the files. An empty secret is none, so that Notifications are ignored.
    pub(crate) fn read(&self) -> Result<AuthNoti, PolicyFileError> {
        let data = self.data.as_deref().map(octets).transpose()?;
        Ok(AuthNoti {
            kind: AuthNoti::SHA256_DIGEST,
            data: data.unwrap_or_default(),
            secret: Secret::new(octets(&self.secret)?),
        })
    }
}

pub(super) fn octets(file: &Path) -> Result<Vec<u8>, PolicyFileError> {
    std::fs::read(file).map_err(|cause| PolicyFileError::Read {
        file: file.to_owned(),
        cause,
    })
}
