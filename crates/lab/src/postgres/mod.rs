//! A PostgreSQL server of one's own, in a temporary folder, from the programs that the system has installed.
//!
//! Everything here blocks; from async code it is called by `tokio::task::spawn_blocking`.

mod account;
mod database;
mod error;
mod postmaster;
mod programs;
mod psql;
mod settings;
mod url;
mod watchdog;

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

use omadm_mo::Secret;
use tempfile::TempDir;

use account::{Account, data};
use error::Tried;
use postmaster::{NotStarted, Plan, Postmaster};
use programs::{Programs, command};
use url::{ServerUrl, hexadecimal};
use watchdog::Watchdog;

pub use database::{Database, TEST_SERVER};
pub use error::PrivatePostgresError;
pub use settings::{Durability, PostgresSettings, PostgresTls, Shutdown};

/// The superuser of a private server.
const SUPERUSER: &str = "omadm";

/// How often another port is tried where one was taken.
const PORTS_TRIED: u32 = 16;

/// A PostgreSQL server of one's own: data, Unix socket and log in a temporary folder, on a port of 127.0.0.1, with a
/// random password.
///
/// Where we are root, who may not run PostgreSQL, it runs as the user `postgres`, else `nobody`.
/// Dropping it ends every process of it and removes the folder; when we are ended by force, a watchdog does so within
/// seconds. No `Debug`: it holds a password.
pub struct PrivatePostgres {
    // The order of the fields is the order of the end: server, whatever is left of it, folder.
    postmaster: Mutex<Option<Postmaster>>,
    plan: Plan,
    port: u16,
    server: ServerUrl,
    _watchdog: Watchdog,
    _folder: TempDir,
}

impl PrivatePostgres {
    /// Makes a database cluster and starts a server over it; takes a second or two. Blocks.
    ///
    /// # Errors
    /// Any of [`PrivatePostgresError`] but those of a caller. Nothing is left behind then.
    pub fn start(settings: PostgresSettings) -> Result<Self, PrivatePostgresError> {
        let programs = Programs::find()?;
        let account = Account::find()?;
        let folder = account.folder()?;
        let watchdog = Watchdog::start(&account, folder.path())?;
        let mut plan = Plan {
            programs,
            account,
            folder: folder.path().to_owned(),
            configuration: settings.configuration(),
        };
        let password = random_password()?;
        plan.initdb(&password)?;
        if let Some(tls) = settings.tls {
            plan.add_tls(&tls)?;
        }
        let (port, postmaster) = start_on_free_port(&plan)?;
        Ok(Self {
            postmaster: Mutex::new(Some(postmaster)),
            plan,
            port,
            server: ServerUrl::local(SUPERUSER, password, port, "?sslmode=disable"),
            _watchdog: watchdog,
            _folder: folder,
        })
    }

    /// `postgres://omadm:PASSWORD@127.0.0.1:PORT/DATABASE?sslmode=disable`, for a superuser. The caller must not log it.
    ///
    /// With TLS set up, a client takes it from `sslmode`: replace the parameter.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.server.with_password(database)
    }

    /// The same for another user, of whom the server may or may not know.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        self.server
            .with_user(user, password)
            .with_password(database)
    }

    /// The TCP port on 127.0.0.1; the same for the server's whole life.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's own folder, which holds its log `server.log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.plan.folder
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Name`]; [`PrivatePostgresError::Statement`] when there is one of this name;
    /// [`PrivatePostgresError::Unreachable`].
    pub fn create_database(&self, name: &str) -> Result<(), PrivatePostgresError> {
        let sql = database::creation(name)?;
        self.execute("postgres", &sql).map(drop)
    }

    /// Drops a database, cutting whoever is connected to it. One that is not there is no error.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Name`], [`PrivatePostgresError::Unreachable`].
    pub fn drop_database(&self, name: &str) -> Result<(), PrivatePostgresError> {
        let sql = database::removal(name)?;
        self.execute("postgres", &sql).map(drop)
    }

    /// Runs statements, each in a transaction of its own, stopping at the first that fails. Gives the rows: a line
    /// each, columns parted by `|`. Runs `psql`, so it shares no code with what it may be judging.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Statement`], [`PrivatePostgresError::Unreachable`] (after 30 s without an answer).
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, PrivatePostgresError> {
        psql::execute(&self.plan.programs.psql, &self.server, database, sql)
    }

    /// Ends every connection but the one it needs for that; gives their number.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn cut_connections(&self) -> Result<u64, PrivatePostgresError> {
        let cut = self.execute(
            "postgres",
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )?;
        Ok(cut.parse().unwrap_or_default())
    }

    /// Stops the server and starts it again, on the same port over the same data.
    ///
    /// # Errors
    /// As [`Self::stop`] and [`Self::start_again`].
    pub fn restart(&self, how: Shutdown) -> Result<(), PrivatePostgresError> {
        self.stop(how)?;
        self.start_again()
    }

    /// Stops the server; data and port stay its own. A stopped server stays so.
    ///
    /// # Errors
    /// [`PrivatePostgresError::System`].
    pub fn stop(&self, how: Shutdown) -> Result<(), PrivatePostgresError> {
        let mut postmaster = self.postmaster();
        if let Some(running) = &mut *postmaster {
            running.stop(how)?;
        }
        *postmaster = None;
        Ok(())
    }

    /// Starts a stopped server on the same port over the same data; a running one goes on.
    ///
    /// # Errors
    /// [`PrivatePostgresError::NotStarted`] with the end of its log, [`PrivatePostgresError::System`].
    pub fn start_again(&self) -> Result<(), PrivatePostgresError> {
        let mut postmaster = self.postmaster();
        if postmaster.is_none() {
            *postmaster = Some(match Postmaster::start(&self.plan, self.port) {
                Ok(running) => running,
                Err(NotStarted::PortTaken) => return Err(port_taken()),
                Err(NotStarted::Failed(error)) => return Err(error),
            });
        }
        Ok(())
    }

    /// Halts every process of the server where it is (`SIGSTOP`): connections stay, none is answered.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Stopped`], [`PrivatePostgresError::System`].
    pub fn freeze(&self) -> Result<(), PrivatePostgresError> {
        self.running(Postmaster::freeze)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Stopped`], [`PrivatePostgresError::System`].
    pub fn thaw(&self) -> Result<(), PrivatePostgresError> {
        self.running(Postmaster::thaw)
    }

    /// Ids of the server's processes, its parent process first.
    ///
    /// # Errors
    /// [`PrivatePostgresError::Stopped`], [`PrivatePostgresError::System`].
    pub fn processes(&self) -> Result<Vec<u32>, PrivatePostgresError> {
        self.running(Postmaster::processes)
    }

    fn running<T>(
        &self,
        act: impl FnOnce(&Postmaster) -> Result<T, PrivatePostgresError>,
    ) -> Result<T, PrivatePostgresError> {
        let postmaster = self.postmaster();
        act(postmaster.as_ref().ok_or(PrivatePostgresError::Stopped)?)
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Postmaster>> {
        // A thread that panicked has left a whole value.
        self.postmaster
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn initdb(&self, password: &Secret) -> Result<(), PrivatePostgresError> {
        let password_file = self.folder.join("password");
        self.account.write(&password_file, password.expose())?;
        let mut command = command(&self.programs.initdb);
        command
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--auth=scram-sha-256",
            ])
            .arg(format!("--username={SUPERUSER}"))
            .arg(format!("--pwfile={}", password_file.display()))
            .arg("--pgdata")
            .arg(data(&self.folder))
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        let said = self.account.run(&mut command).output();
        let said = said.tried("initdb cannot be started")?;
        if !said.status.success() {
            let text = String::from_utf8_lossy(&said.stderr);
            return Err(PrivatePostgresError::Initdb(text.trim().to_owned()));
        }
        fs::remove_file(&password_file).tried("the password's file cannot be removed")
    }

    fn add_tls(&mut self, tls: &PostgresTls) -> Result<(), PrivatePostgresError> {
        let certificate = self.folder.join("server.crt");
        let key = self.folder.join("server.key");
        self.account
            .write(&certificate, tls.certificate.as_bytes())?;
        self.account.write(&key, tls.key.expose())?;
        self.configuration.extend([
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", certificate.display()),
            format!("ssl_key_file={}", key.display()),
        ]);
        Ok(())
    }
}

fn start_on_free_port(plan: &Plan) -> Result<(u16, Postmaster), PrivatePostgresError> {
    for _ in 0..PORTS_TRIED {
        let port = free_port()?;
        match Postmaster::start(plan, port) {
            Ok(postmaster) => return Ok((port, postmaster)),
            Err(NotStarted::PortTaken) => {}
            Err(NotStarted::Failed(error)) => return Err(error),
        }
    }
    Err(port_taken())
}

fn port_taken() -> PrivatePostgresError {
    PrivatePostgresError::NotStarted("its port is taken by another process".to_owned())
}

/// A port below those that Linux gives to outgoing connections: one of these could take it while the server is down.
fn free_port() -> Result<u16, PrivatePostgresError> {
    const FIRST: u16 = 10_000;
    const BEYOND: u16 = 32_768;
    for _ in 0..PORTS_TRIED {
        let port = FIRST + u16::from_le_bytes(random()?) % (BEYOND - FIRST);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(port_taken())
}

/// 32 hexadecimal digits.
fn random_password() -> Result<Secret, PrivatePostgresError> {
    Ok(Secret::from(hexadecimal(&random::<16>()?)))
}

fn random<const OCTETS: usize>() -> Result<[u8; OCTETS], PrivatePostgresError> {
    let mut octets = [0; OCTETS];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut octets))
        .tried("/dev/urandom cannot be read")?;
    Ok(octets)
}
