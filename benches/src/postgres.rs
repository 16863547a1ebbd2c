//! The PostgreSQL server of a benchmark.

use std::time::Duration;

use omadm_lab::postgres::{PostgresSettings, PrivatePostgres};
use omadm_server::store::address::PostgresAddress;
use omadm_server::store::postgres::migrate;
use tokio::runtime::Runtime;

use crate::{Broken, cpu};

/// Room for the log between two checkpoints, so that what a million devices wrote is not written out time and again while it is loaded.
const LOG_ROOM: &str = "4GB";

/// A private PostgreSQL server whose commits reach the disk. Ends when dropped.
pub(crate) struct Postgres(PrivatePostgres);

impl Postgres {
    /// Starts one with these settings, by name and value, and its data below `TMPDIR`. Blocks.
    pub(crate) fn start(parameters: &[(String, String)]) -> Result<Self, Broken> {
        let mut settings = PostgresSettings::durable();
        let log_room = ("max_wal_size".to_owned(), LOG_ROOM.to_owned());
        settings.parameters.push(log_room);
        settings.parameters.extend_from_slice(parameters);
        Ok(Self(PrivatePostgres::start(settings)?))
    }

    /// A new database's URL.
    pub(crate) fn database(&self, name: &str) -> Result<String, Broken> {
        self.0.create_database(name)?;
        Ok(self.0.url(name))
    }

    /// A new database with the schema of the server's store.
    pub(crate) fn store(&self, name: &str, runtime: &Runtime) -> Result<PostgresAddress, Broken> {
        let address: PostgresAddress = self.database(name)?.parse()?;
        runtime.block_on(migrate(&address))?;
        Ok(address)
    }

    /// CPU of all its processes so far.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        cpu::of_processes(&self.0.processes().ok()?)
    }
}
