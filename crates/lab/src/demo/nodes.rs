//! The servers of a demo: one node on its SQLite file, or several over one PostgreSQL with a balancer that sends every exchange to the next one.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use omadm_server::config::ServerConfig;

use omadm_server::store::StoreError;
use omadm_server::store::address::{PostgresAddress, StoreAddress};
use omadm_server::store::postgres::{connect, migrate};
use omadm_server::{DmServer, ExchangeObserver, ObservedExchange, Running};
use tokio::task::spawn_blocking;

use super::{DemoError, DemoStore, Timeline, Who};
use crate::balancer::Balancer;
use crate::postgres::{PostgresSettings, PrivatePostgres};

/// A port that nobody listens on, until the nodes are there.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Nodes that run.
pub(super) struct Nodes {
    running: Vec<Running>,
    /// What devices connect to.
    pub(super) port: u16,
    balancer: Option<Balancer>,
    database: Option<Database>,
}

/// What the demo made in PostgreSQL, to be taken away at its end.
enum Database {
    /// A schema of its own in a database that was there.
    Schema(PostgresAddress, String),
    /// A server of its own.
    Private(PrivatePostgres),
}

/// Tells which node answered, where there are several.
struct Named(usize, Timeline);

impl Nodes {
    /// Starts them. The first makes the state directory, the others get copies.
    pub(super) async fn start(
        folder: &Path,
        number: usize,
        store: &DemoStore,
        timeline: &Timeline,
    ) -> Result<Self, DemoError> {
        if number == 0 || (number > 1 && matches!(store, DemoStore::StateDirectory)) {
            return Err(DemoError::NodesNeedPostgres(number));
        }
        if matches!(store, DemoStore::PrivatePostgres) {
            timeline.say(Who::Server, "starts a private PostgreSQL");
        }
        let (address, database) = prepare(store).await?;
        let balancer = if number > 1 {
            Some(Balancer::start(vec![NOBODY; number]).await?)
        } else {
            None
        };
        let mut nodes = Self {
            running: Vec::with_capacity(number),
            port: 0,
            balancer,
            database,
        };
        for index in 0..number {
            let state = folder.join(format!("server-{}", index + 1));
            if index > 0 {
                copy_state(&folder.join("server-1"), &state)?;
            }
            let mut config = ServerConfig::new(state);
            config.profiles_dir = Some(folder.join("profiles"));
            config.store = address.clone();
            let mut node_observer = None;
            if let Some(balancer) = &nodes.balancer {
                config.public_server = Some(format!("localhost:{}", balancer.address().port()));
                config.limits.exchanges_per_connection = Some(1);
                node_observer = Some(Arc::new(Named(index + 1, timeline.clone())));
            }
            let mut node = DmServer::new(config);
            if let Some(observer) = node_observer {
                node = node.with_observer(observer);
            }
            let running = node.start().await?;
            timeline.say(
                Who::Server,
                format!(
                    "{}listens: devices on {}, operators on {}; CA {}",
                    nodes.name(index),
                    running.device_addr,
                    running.operator_addr,
                    running.ca_fingerprint
                ),
            );
            if let Some(balancer) = &nodes.balancer {
                balancer.replace(index, running.device_addr);
            }
            nodes.running.push(running);
        }
        nodes.port = match (&nodes.balancer, nodes.first()) {
            (Some(balancer), _) => balancer.address().port(),
            (None, first) => first.device_addr.port(),
        };
        Ok(nodes)
    }

    /// The node that was started first.
    #[expect(clippy::indexing_slicing, reason = "`start` makes one at least")]
    pub(super) fn first(&self) -> &Running {
        &self.running[0]
    }

    /// Durable commits of all nodes, deferred marks that left alone included.
    pub(super) fn commits(&self) -> u64 {
        let counts = self.running.iter().map(Running::commits);
        counts.map(|count| count.deltas + count.deferred).sum()
    }

    /// Writes out what waits on any node, so that the log tells everything.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        for node in &self.running {
            node.store().flush().await?;
        }
        Ok(())
    }

    /// Ends all, and takes away what the demo made in PostgreSQL.
    pub(super) async fn end(self) -> Result<(), DemoError> {
        for node in self.running {
            node.shutdown().await?;
        }
        match self.database {
            Some(Database::Schema(address, schema)) => {
                let gone = connect(&address)
                    .await?
                    .batch_execute(&format!("DROP SCHEMA {schema} CASCADE"))
                    .await;
                gone.map_err(|err| {
                    DemoError::Database(format!("schema {schema} is left behind: {err}"))
                })
            }
            Some(Database::Private(server)) => {
                drop(spawn_blocking(move || drop(server)).await);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn name(&self, index: usize) -> String {
        match &self.balancer {
            Some(_) => format!("node {} ", index + 1),
            None => String::new(),
        }
    }
}

impl ExchangeObserver for Named {
    fn exchange(&self, exchange: &ObservedExchange) {
        let Self(number, timeline) = self;
        timeline.say(
            Who::Server,
            format!(
                "node {number} answers {} {}: {}",
                exchange.method, exchange.path, exchange.status
            ),
        );
    }
}

/// A migrated store that holds nothing yet.
async fn prepare(store: &DemoStore) -> Result<(StoreAddress, Option<Database>), DemoError> {
    let (address, database) = match store {
        DemoStore::StateDirectory => return Ok((StoreAddress::StateDirectory, None)),
        DemoStore::Postgres(address) => {
            let schema = format!("omadm_demo_{}", std::process::id());
            let made = connect(address)
                .await?
                .batch_execute(&format!("CREATE SCHEMA {schema}"))
                .await;
            made.map_err(|err| DemoError::Database(format!("no schema could be made: {err}")))?;
            let own = address.with_schema(&schema);
            (
                own,
                Database::Schema(PostgresAddress::clone(address), schema),
            )
        }
        DemoStore::PrivatePostgres => {
            let started = spawn_blocking(|| {
                let server = PrivatePostgres::start(PostgresSettings::durable())?;
                server.create_database("demo")?;
                Ok::<_, crate::postgres::PrivatePostgresError>(server)
            });
            let server = started
                .await
                .map_err(|err| DemoError::Database(err.to_string()))??;
            (server.url("demo").parse()?, Database::Private(server))
        }
    };
    migrate(&address).await?;
    Ok((StoreAddress::Postgres(Box::new(address)), Some(database)))
}

/// What an operator does for a further node: a copy of the state directory, without the store's file.
fn copy_state(from: &Path, to: &Path) -> Result<(), std::io::Error> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let is_store = entry
            .file_name()
            .to_string_lossy()
            .starts_with("server.sqlite");
        if entry.file_type()?.is_file() && !is_store {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
