use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use omadm_dm2::StatusCode;
use omadm_mo::{SrvId, TreeError};
use omadm_session::client::Cause;

/// Why a download did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server answered with this HTTP status. It is at fault, or who gave the URL.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// No connection may or can be made. Server, policy or configuration is at fault.
    #[error(transparent)]
    Connection(Cause),
    /// It broke off again and again, or began anew too often; what is there stays for the next time. Network or server is at fault.
    #[error("given up after {tries} tries: {cause}")]
    GivenUp {
        /// Requests that were made.
        tries: u32,
        /// Why the last one ended.
        #[source]
        cause: Cause,
    },
    /// The object is longer than the device's policy allows (`[limits] download_octets`).
    #[error("the object is longer than the {0} octets that the device's policy allows")]
    TooLarge(u64),
    /// There is no room for it. The environment is at fault.
    #[error("there is no room for it at {}: {cause}", file.display())]
    NoRoom {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// A file cannot be read or written. The environment is at fault.
    #[error("{}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// Who watched it ended it; what is there stays for the next time.
    #[error("the download was stopped")]
    Stopped,
    /// The device has no account of this server. The caller is at fault.
    #[error("the device has no account of {0}")]
    NoAccount(SrvId),
    /// The tree cannot be read. The environment is at fault.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl DownloadError {
    /// The status of a command that needed the download (`dm20.md` §5.3).
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Status(401 | 403) | Self::Connection(Cause::Forbidden(_)) => {
                StatusCode::FORBIDDEN
            }
            Self::Status(404 | 410) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::TOO_LARGE,
            Self::NoRoom { .. } => StatusCode::NO_ROOM,
            _ => StatusCode::FAILED,
        }
    }

    /// Whether the same request would fail in the same way, so that what is there is of no use.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Status(_) | Self::TooLarge(_) | Self::NoRoom { .. }
        )
    }

    pub(super) fn of_file(file: &Path, cause: io::Error) -> Self {
        let file = file.to_owned();
        match cause.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::NoRoom { file, cause }
            }
            _ => Self::File { file, cause },
        }
    }
}
