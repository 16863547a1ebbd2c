use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::{CommitError, StoreError};

/// What an error of the database means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The transaction was given up in favour of another one; carried out again it may succeed.
    GivenUp(StoreError),
    /// The connection is of no use any more. What was under way on it may have taken place.
    Cut(StoreError),
    /// The values are at fault.
    Refused(CommitError),
    /// The store is.
    Failed(StoreError),
}

impl Fault {
    /// The fault as one of the store, where nobody can do anything about it.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::GivenUp(err) | Self::Cut(err) | Self::Failed(err) => err,
            Self::Refused(err) => StoreError::Failed(err.to_string()),
        }
    }
}

/// What an error means for the store that is shown as `name`.
pub(super) fn fault(name: &str, err: &Error) -> Fault {
    let name = name.to_owned();
    let Some(db) = err.as_db_error() else {
        return Fault::Cut(StoreError::Unavailable(name, cause(err)));
    };
    let said = db.message().to_owned();
    let code = db.code();
    if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
        return Fault::GivenUp(StoreError::Unavailable(name, said));
    }
    let class = code.code().get(..2).unwrap_or_default();
    let failed = match (class, code) {
        (_, &SqlState::DISK_FULL) => StoreError::NoRoom(name),
        (_, &SqlState::INVALID_PASSWORD) | ("28", _) => StoreError::Login(name, said),
        (_, &SqlState::INVALID_CATALOG_NAME) => StoreError::NoDatabase(name),
        (_, &SqlState::INSUFFICIENT_PRIVILEGE) => StoreError::MissingRight(name, said),
        (_, &SqlState::READ_ONLY_SQL_TRANSACTION) => StoreError::ReadOnly(name, said),
        (_, &SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN) => {
            StoreError::Corrupt(name, said)
        }
        ("22" | "23", _) => {
            tracing::error!(
                store = name,
                code = code.code(),
                said,
                "a delta was refused"
            );
            return Fault::Refused(CommitError::Contradiction(
                "a constraint of the schema does not hold, or a value is not taken",
            ));
        }
        // The server ends connections, starts, or has no place; a statement took too long.
        ("08", _) | (_, &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN) => {
            return Fault::Cut(StoreError::Unavailable(name, said));
        }
        (_, &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT) => {
            return Fault::Cut(StoreError::Unavailable(name, said));
        }
        ("53" | "55" | "57", _) => StoreError::Unavailable(name, said),
        _ => StoreError::Failed(format!("{name}: {} ({})", said, code.code())),
    };
    Fault::Failed(failed)
}

/// What the operating system or the driver said. Never holds the password.
fn cause(err: &Error) -> String {
    err.source()
        .map_or_else(|| err.to_string(), ToString::to_string)
}
