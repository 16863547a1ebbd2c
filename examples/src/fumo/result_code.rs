use std::io;

use omadm_client::DownloadError;
use omadm_session::client::Cause;
use serde::{Deserialize, Serialize};

/// How an operation ended, in the numbers of FUMO 1.0: what the alert tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ResultCode(pub u16);

impl ResultCode {
    /// Done.
    pub const SUCCESS: Self = Self(200);
    /// The client itself failed: a file, its store.
    pub const CLIENT_ERROR: Self = Self(400);
    /// Somebody at the device ended it.
    pub const CANCELLED: Self = Self(401);
    /// The package is not the one whose digest was told.
    pub const CORRUPTED: Self = Self(402);
    /// There is no package to be checked any more.
    pub const FAILED_VALIDATION: Self = Self(404);
    /// The package is longer than the device takes.
    pub const NOT_ACCEPTABLE: Self = Self(405);
    /// The server of the package and the device do not trust each other.
    pub const AUTHENTICATION_FAILURE: Self = Self(406);
    /// The server of the package took too long.
    pub const REQUEST_TIMEOUT: Self = Self(407);
    /// Nothing of the others.
    pub const UNDEFINED: Self = Self(409);
    /// The package could not be installed.
    pub const UPDATE_FAILED: Self = Self(410);
    /// There is no such package, or the URL is none.
    pub const BAD_URL: Self = Self(411);
    /// The server of the package is not available now.
    pub const SERVER_UNAVAILABLE: Self = Self(412);
    /// The server of the package failed.
    pub const SERVER_ERROR: Self = Self(500);
    /// No room for the download.
    pub const NO_ROOM_TO_DOWNLOAD: Self = Self(501);
    /// No room for the installation.
    pub const NO_ROOM_TO_INSTALL: Self = Self(502);
    /// The network failed.
    pub const NETWORK: Self = Self(503);

    /// Why a download did not succeed.
    #[must_use]
    pub const fn of_download(error: &DownloadError) -> Self {
        match error {
            DownloadError::Status(status) => Self::of_status(*status),
            DownloadError::Connection(cause) | DownloadError::GivenUp { cause, .. } => {
                match cause {
                    Cause::Status(status) => Self::of_status(*status),
                    Cause::Forbidden(_) => Self::BAD_URL,
                    Cause::ServerNotTrusted(_) | Cause::HandshakeRefused(_) => {
                        Self::AUTHENTICATION_FAILURE
                    }
                    Cause::Unreachable(_) => Self::NETWORK,
                    Cause::TooLarge(_) => Self::NOT_ACCEPTABLE,
                    Cause::Stale | Cause::Tree(_) => Self::CLIENT_ERROR,
                    Cause::ManagedObject(_) | Cause::Browser(_) | Cause::SessionTooLong(_) => {
                        Self::UNDEFINED
                    }
                }
            }
            DownloadError::TooLarge(_) => Self::NOT_ACCEPTABLE,
            DownloadError::NoRoom { .. } => Self::NO_ROOM_TO_DOWNLOAD,
            DownloadError::File { .. } | DownloadError::NoAccount(_) | DownloadError::Tree(_) => {
                Self::CLIENT_ERROR
            }
            DownloadError::Stopped => Self::CANCELLED,
        }
    }

    /// Why a package that arrived cannot be kept.
    #[must_use]
    pub fn of_file(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NO_ROOM_TO_DOWNLOAD,
            _ => Self::CLIENT_ERROR,
        }
    }

    /// What an HTTP status of the package's server means.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::AUTHENTICATION_FAILURE,
            400 | 404 | 410 | 414 => Self::BAD_URL,
            408 | 504 => Self::REQUEST_TIMEOUT,
            502 | 503 => Self::SERVER_UNAVAILABLE,
            500..600 => Self::SERVER_ERROR,
            _ => Self::UNDEFINED,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use omadm_client::DownloadError;
    use omadm_mo::SrvId;
    use omadm_session::client::Cause;

    use super::ResultCode;

    #[test]
    fn a_status_of_the_packages_server_is_told_in_the_enablers_numbers() {
        let told = [
            (401, 406),
            (403, 406),
            (404, 411),
            (410, 411),
            (408, 407),
            (504, 407),
            (503, 412),
            (500, 500),
            (599, 500),
            (418, 409),
            (304, 409),
        ];
        for (status, code) in told {
            let error = DownloadError::Status(status);
            assert_eq!(ResultCode::of_download(&error).0, code, "{status}");
        }
    }

    #[test]
    fn whatever_ends_a_download_has_its_code() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let (file, why) = (PathBuf::from("f"), || "x".to_owned());
        for (error, code) in [
            (
                DownloadError::Connection(Cause::Forbidden(
                    omadm_session::client::AddressRule::Private,
                )),
                411,
            ),
            (
                DownloadError::Connection(Cause::ServerNotTrusted(why())),
                406,
            ),
            (
                DownloadError::Connection(Cause::HandshakeRefused(why())),
                406,
            ),
            (
                DownloadError::GivenUp {
                    tries: 6,
                    cause: Cause::Unreachable(why()),
                },
                503,
            ),
            (
                DownloadError::GivenUp {
                    tries: 6,
                    cause: Cause::Status(503),
                },
                412,
            ),
            (DownloadError::TooLarge(1), 405),
            (
                DownloadError::NoRoom {
                    file: file.clone(),
                    cause: full(),
                },
                501,
            ),
            (
                DownloadError::File {
                    file,
                    cause: full(),
                },
                400,
            ),
            (DownloadError::Stopped, 401),
            (DownloadError::NoAccount(SrvId::parse("a").unwrap()), 400),
        ] {
            assert_eq!(ResultCode::of_download(&error).0, code, "{error:?}");
        }
    }
}
