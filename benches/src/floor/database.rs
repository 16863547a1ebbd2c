//! A pool of connections to PostgreSQL, each commit one INSERT on one of them: no more is needed for as many octets to be durable there.

use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use omadm_server::store::postgres::PostgresOptions;
use tokio_postgres::{Config, NoTls};

use super::writer::Commits;
use crate::{Broken, CommitOctets};

pub(crate) struct Database {
    pool: Pool,
    content: Vec<u8>,
    commits: AtomicU64,
}

impl Database {
    /// In an empty database; as many connections as a node of the server has.
    pub(super) async fn open(url: &str, octets: CommitOctets) -> Result<Self, Broken> {
        let config: Config = url.parse()?;
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(PostgresOptions::default().connections)
            .build()?;
        let table = "CREATE TABLE commits (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content BYTEA NOT NULL)";
        pool.get().await?.batch_execute(table).await?;
        Ok(Self {
            pool,
            content: vec![b'x'; octets.completion.max(octets.read)],
            commits: AtomicU64::new(0),
        })
    }

    /// Returns once this many octets are durable.
    pub(super) async fn commit(&self, octets: usize) -> Result<(), Broken> {
        let content = self.content.get(..octets).unwrap_or(&self.content);
        let connection = self.pool.get().await?;
        let insert = connection
            .prepare_cached("INSERT INTO commits (content) VALUES ($1)")
            .await?;
        connection.execute(&insert, &[&content]).await?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn counts(&self) -> Commits {
        let commits = self.commits.load(Ordering::Relaxed);
        Commits {
            commits,
            transactions: commits,
        }
    }
}
