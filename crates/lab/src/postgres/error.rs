use std::io;

use thiserror::Error;

/// Why a private PostgreSQL server, or a database on it, could not be had. None of these texts holds a password.
#[derive(Debug, Error)]
pub enum PrivatePostgresError {
    /// Environment: no folder holds both `initdb` and `postgres` of version 15 or newer.
    #[error(
        "PostgreSQL {oldest} or newer is not installed: neither PATH nor /usr/lib/postgresql/*/bin holds its `initdb`, \
         `postgres` and `psql`. On Debian: apt-get install postgresql",
        oldest = super::programs::OLDEST
    )]
    NotInstalled,

    /// Environment: PostgreSQL refuses to run as root, and the system has no other user for it.
    #[error(
        "PostgreSQL refuses to run as root, and this system has neither a user `postgres` nor a user `nobody`: \
         install Debian's package `postgresql`, or start this as an ordinary user"
    )]
    NoOrdinaryUser,

    /// Environment: nowhere to put the server's folder.
    #[error(
        "no folder for temporary files suits PostgreSQL, tried {tried}: it must be one that {user} may enter and write, \
         and its path must be short; set TMPDIR to such a folder"
    )]
    NoFolder {
        /// The folders looked at.
        tried: String,
        /// The account the server would run as.
        user: String,
    },

    /// Environment: the operating system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// Environment: `initdb` did not make the database cluster.
    #[error("initdb failed: {0}")]
    Initdb(String),

    /// Environment or configuration: the server ended, or was not ready in time; the end of its log.
    #[error("PostgreSQL did not start: {0}")]
    NotStarted(String),

    /// Caller: the server was stopped and not started again.
    #[error("PostgreSQL is stopped")]
    Stopped,

    /// Environment: no connection could be had, or it was lost; what `psql` said.
    #[error("PostgreSQL does not answer: {0}")]
    Unreachable(String),

    /// Caller: PostgreSQL refused the statement; what `psql` said.
    #[error("PostgreSQL refused a statement: {0}")]
    Statement(String),

    /// Caller: a database name is 1 to 63 characters of `a-z`, `0-9` and `_`.
    #[error("{0:?} cannot be a database's name: 1 to 63 characters of a-z, 0-9 and _")]
    Name(String),

    /// Configuration: the environment variable does not hold the URL of a superuser's connection.
    #[error("{variable} must be postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    Url {
        /// The variable's name.
        variable: &'static str,
    },
}

/// Names what was tried in an error of the operating system.
pub(super) trait Tried<T> {
    /// # Errors
    /// [`PrivatePostgresError::System`] with `what` where `self` is an error.
    fn tried(self, what: &'static str) -> Result<T, PrivatePostgresError>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: &'static str) -> Result<T, PrivatePostgresError> {
        self.map_err(|error| PrivatePostgresError::System {
            what,
            source: error.into(),
        })
    }
}
