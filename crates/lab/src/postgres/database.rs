use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::programs::find_psql;
use super::url::{ServerUrl, hexadecimal};
use super::{PostgresSettings, PrivatePostgres, PrivatePostgresError, psql, random};

/// Environment variable with the URL of a superuser's connection to the server on which [`Database::fresh`] makes
/// databases.
pub const TEST_SERVER: &str = "OMADM_TEST_POSTGRES";

/// The server of this process, where the environment names none. A process's end does not drop it: its watchdog ends it.
static OF_PROCESS: Mutex<Option<Arc<PrivatePostgres>>> = Mutex::new(None);

/// A database that a test has to itself, dropped with everybody's connections on drop. No `Debug`: its URL has a password.
pub struct Database {
    name: String,
    server: ServerUrl,
    psql: PathBuf,
}

impl Database {
    /// An empty database, on the server that [`TEST_SERVER`] names, else on a careless private one that is started
    /// once a process. Blocks.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Url`] where the variable is no URL, and those of [`PrivatePostgres::start`] and
    /// [`PrivatePostgres::create_database`].
    pub fn fresh() -> Result<Self, PrivatePostgresError> {
        let (server, psql) = match env::var(TEST_SERVER) {
            Ok(url) => {
                let variable = TEST_SERVER;
                let server =
                    ServerUrl::parse(&url).ok_or(PrivatePostgresError::Url { variable })?;
                (server, find_psql()?)
            }
            Err(_) => {
                let running = of_process()?;
                (running.server.clone(), running.plan.programs.psql.clone())
            }
        };
        let database = Self {
            name: format!(
                "test_{}_{}",
                std::process::id(),
                hexadecimal(&random::<8>()?)
            ),
            server,
            psql,
        };
        database.administrate(&creation(&database.name)?)?;
        Ok(database)
    }

    /// `postgres://…/<name>…` for a superuser. The caller must not log it.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.with_password(&self.name)
    }

    /// The same for another user, of whom the server may or may not know. Roles are the whole server's: a test gives
    /// its own a name of its own, such as one made from [`Self::name`].
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str) -> String {
        self.server
            .with_user(user, password)
            .with_password(&self.name)
    }

    /// Its name: no other database on the server ever had it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements as [`PrivatePostgres::execute`] does.
    ///
    /// # Errors
    /// As there.
    pub fn execute(&self, sql: &str) -> Result<String, PrivatePostgresError> {
        psql::execute(&self.psql, &self.server, &self.name, sql)
    }

    /// Ends every connection to this database; gives their number.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn cut_connections(&self) -> Result<u64, PrivatePostgresError> {
        let cut = self.administrate(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        ))?;
        Ok(cut.parse().unwrap_or_default())
    }

    fn administrate(&self, sql: &str) -> Result<String, PrivatePostgresError> {
        psql::execute(&self.psql, &self.server, "postgres", sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(sql) = removal(&self.name) {
            // A server that is gone took the database with it.
            let _ = self.administrate(&sql);
        }
    }
}

/// The statement that makes an empty database.
pub(super) fn creation(name: &str) -> Result<String, PrivatePostgresError> {
    Ok(format!(
        "CREATE DATABASE {} TEMPLATE template0",
        checked(name)?
    ))
}

/// The statement that drops a database and everybody's connection to it, where it is there.
pub(super) fn removal(name: &str) -> Result<String, PrivatePostgresError> {
    Ok(format!(
        "DROP DATABASE IF EXISTS {} WITH (FORCE)",
        checked(name)?
    ))
}

/// `name` in quotes, where it needs no escaping there nor in a URL.
fn checked(name: &str) -> Result<String, PrivatePostgresError> {
    let plain = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if (1..=63).contains(&name.len()) && name.bytes().all(plain) {
        Ok(format!("\"{name}\""))
    } else {
        Err(PrivatePostgresError::Name(name.to_owned()))
    }
}

fn of_process() -> Result<Arc<PrivatePostgres>, PrivatePostgresError> {
    let mut kept = OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    match &*kept {
        Some(running) => Ok(Arc::clone(running)),
        None => {
            let started = PrivatePostgres::start(PostgresSettings::careless())?;
            Ok(Arc::clone(kept.insert(Arc::new(started))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_need_escaping_is_refused() {
        assert_eq!(checked("a_1").unwrap(), "\"a_1\"");
        for name in ["", "a-b", "A", "a\"b", "a/b", &"a".repeat(64)] {
            assert!(
                matches!(checked(name), Err(PrivatePostgresError::Name(_))),
                "{name}"
            );
        }
    }
}
