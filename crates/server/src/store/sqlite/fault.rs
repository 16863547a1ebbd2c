use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What an error of the database means for the store that lies in `file`.
pub(in crate::store) fn fault(file: &str, err: &Error) -> StoreError {
    match err {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => StoreError::NoRoom(file.into()),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                StoreError::Corrupt(file.into(), err.to_string())
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Locked(file.into()),
            _ => StoreError::Failed(format!("{file}: {err}")),
        },
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..) => StoreError::Corrupt(file.into(), err.to_string()),
        _ => StoreError::Failed(format!("{file}: {err}")),
    }
}

/// What an error of the file system means for the store that lies in `file`.
pub(super) fn io_fault(file: &str, err: &std::io::Error) -> StoreError {
    match err.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StoreError::NoRoom(file.into())
        }
        _ => StoreError::Failed(format!("{file}: {err}")),
    }
}
