use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

use crate::store::{CommitError, StoreError};

/// `idle_in_transaction_session_timeout` ended the connection.
const IDLE_IN_TRANSACTION: &str = "25P03";
/// `transaction_timeout` ended the connection (PostgreSQL 17).
const TRANSACTION_TIMEOUT: &str = "25P04";

/// What an error of the database means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The transaction was given up in favour of another one; carried out again it may succeed.
    GivenUp(StoreError),
    /// The connection is of no use any more. What was under way on it may have taken place.
    Cut(StoreError),
    /// BEGIN failed, so each statement sent behind it may have taken place by itself. The connection is not to be used again.
    Torn(StoreError),
    /// The values are at fault.
    Refused(CommitError),
    /// The store is.
    Failed(StoreError),
}

impl Fault {
    /// The fault as one of the store, where nobody can do anything about it.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::GivenUp(err) | Self::Cut(err) | Self::Torn(err) | Self::Failed(err) => err,
            Self::Refused(err) => StoreError::Failed(err.to_string()),
        }
    }
}

/// What an error means for the store that is shown as `name`.
pub(super) fn fault(name: &str, err: &Error) -> Fault {
    let name = name.to_owned();
    let Some(db) = err.as_db_error() else {
        // The driver tells these apart by their text alone.
        let said = err.to_string();
        return match said.split(':').next() {
            Some("invalid configuration") => Fault::Failed(StoreError::Address(name, cause(err))),
            Some("authentication error") => Fault::Failed(StoreError::Login(name, cause(err))),
            _ => Fault::Cut(StoreError::Unavailable(name, cause(err))),
        };
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
        // The connection leads to a standby; another one may lead to the primary.
        (_, &SqlState::READ_ONLY_SQL_TRANSACTION) => {
            return Fault::Cut(StoreError::ReadOnly(name, said));
        }
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
        // The server has no place, starts or ends; a statement or transaction took too long, or was cancelled.
        ("08" | "53" | "55" | "57", _) => StoreError::Unavailable(name, said),
        _ if matches!(code.code(), IDLE_IN_TRANSACTION | TRANSACTION_TIMEOUT) => {
            StoreError::Unavailable(name, said)
        }
        _ => StoreError::Failed(format!("{name}: {} ({})", said, code.code())),
    };
    // The server says this and closes the connection, whatever the cause.
    if matches!(
        db.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    ) {
        return Fault::Cut(failed);
    }
    Fault::Failed(failed)
}

/// The database said nothing within the time.
pub(super) fn silent(name: &str, within: Duration) -> StoreError {
    let why = format!("no answer within {} s", within.as_secs_f32());
    StoreError::Unavailable(name.to_owned(), why)
}

/// What the operating system or the driver said. Never holds the password.
fn cause(err: &Error) -> String {
    err.source()
        .map_or_else(|| err.to_string(), ToString::to_string)
}
