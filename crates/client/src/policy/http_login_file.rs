use std::path::PathBuf;

use omadm_mo::Secret;

use crate::PolicyFileError;

/// `[identity] http_user` and `http_password_file`: what proves the device by HTTP where an account brings nothing (D45).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpLoginFile {
    /// The user.
    pub user: String,
    /// The file that holds the password; the end of its last line is no part of it.
    pub password: PathBuf,
}

impl HttpLoginFile {
    /// Reads the password.
    pub(crate) fn read(&self) -> Result<Secret, PolicyFileError> {
        let read = std::fs::read(&self.password).map(Secret::new);
        let text = read.map_err(|cause| PolicyFileError::Read {
            file: self.password.clone(),
            cause,
        })?;
        let line = text.expose();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Ok(Secret::new(
            line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
        ))
    }
}
