//! The servers of a demo: one node, or several over one PostgreSQL behind a balancer that sends every exchange to the next one.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use omadm_server::config::ServerConfig;
use omadm_server::store::StoreError;
use omadm_server::store::address::{PostgresAddress, StoreAddress};
use omadm_server::store::postgres::{connect, migrate};
use omadm_server::{DmServer, ExchangeObserver, ObservedExchange, Running};
use tokio::task::spawn_blocking;

use super::{DemoError, DemoStore, Timeline, Who};
use crate::nodes::Nodes;
use crate::postgres::{PostgresSettings, PrivatePostgres, PrivatePostgresError};

/// Nodes that run, on what was made for them.
pub(super) struct DemoNodes {
    serving: Serving,
    database: Option<Database>,
}

enum Serving {
    One(Box<Running>),
    Several(Nodes),
}

/// What the demo made in PostgreSQL, to be taken away at its end.
enum Database {
    /// A schema of its own in a database that was there.
    Schema(PostgresAddress, String),
    /// A server of its own.
    Private(PrivatePostgres),
}

/// Tells which node answered.
struct Named(usize, Timeline);

impl DemoNodes {
    /// Where it fails, or `stop` is ready first, what was made in PostgreSQL is taken away again.
    pub(super) async fn start(
        folder: &Path,
        number: usize,
        store: &DemoStore,
        timeline: &Timeline,
        stop: impl Future<Output = ()>,
    ) -> Result<Self, DemoError> {
        if number == 0 || (number > 1 && matches!(store, DemoStore::StateDirectory)) {
            return Err(DemoError::NodesNeedPostgres(number));
        }
        let (address, database) = prepare(store, timeline).await?;
        let served = tokio::select! {
            biased;
            () = stop => Err(DemoError::Stopped),
            served = serve(folder, number, address, timeline) => served,
        };
        let serving = match served {
            Ok(serving) => serving,
            Err(err) => return Err(err.and(take_away(database).await)),
        };
        let nodes = Self { serving, database };
        for (number, node) in (1..).zip(nodes.all()) {
            let name = match nodes.serving {
                Serving::One(_) => String::new(),
                Serving::Several(_) => format!("node {number} "),
            };
            let what = format!(
                "{name}listens: devices on {}, operators on {}; CA {}",
                node.device_addr, node.operator_addr, node.ca_fingerprint
            );
            timeline.say(Who::Server, what);
        }
        Ok(nodes)
    }

    /// The node that was started first.
    pub(super) fn first(&self) -> Result<&Running, DemoError> {
        self.all().first().ok_or(DemoError::NodesNeedPostgres(0))
    }

    /// What devices connect to.
    pub(super) fn port(&self) -> u16 {
        match &self.serving {
            Serving::One(node) => node.device_addr.port(),
            Serving::Several(nodes) => nodes.devices().address().port(),
        }
    }

    /// Durable commits of all nodes, deferred marks that left alone included.
    pub(super) fn commits(&self) -> u64 {
        let counts = self.all().iter().map(Running::commits);
        counts.map(|count| count.deltas + count.deferred).sum()
    }

    /// Writes out what waits on any node, so that the log tells everything.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        for node in self.all() {
            node.store().flush().await?;
        }
        Ok(())
    }

    /// Ends all, and takes away what the demo made in PostgreSQL, however they end.
    pub(super) async fn end(self) -> Result<(), DemoError> {
        let ended = match self.serving {
            Serving::One(node) => node.shutdown().await,
            Serving::Several(nodes) => nodes.shutdown().await,
        };
        let gone = take_away(self.database).await;
        match ended {
            Ok(()) => gone,
            Err(err) => Err(DemoError::from(err).and(gone)),
        }
    }

    fn all(&self) -> &[Running] {
        match &self.serving {
            Serving::One(node) => std::slice::from_ref(node),
            Serving::Several(nodes) => nodes.running(),
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

/// One node, or several on PostgreSQL.
async fn serve(
    folder: &Path,
    number: usize,
    address: Option<PostgresAddress>,
    timeline: &Timeline,
) -> Result<Serving, DemoError> {
    let mut config = ServerConfig::new(folder.join("server"));
    config.profiles_dir = Some(folder.join("profiles"));
    match (number, address) {
        (1, address) => {
            if let Some(address) = address {
                migrate(&address).await?;
                config.store = StoreAddress::Postgres(Box::new(address));
            }
            let node = DmServer::new(config).start().await?;
            Ok(Serving::One(Box::new(node)))
        }
        (2.., Some(address)) => {
            config.limits.exchanges_per_connection = Some(1);
            let started = AtomicUsize::new(0);
            let named = |server: DmServer| {
                let number = started.fetch_add(1, Ordering::Relaxed) + 1;
                server.with_observer(Arc::new(Named(number, timeline.clone())))
            };
            let nodes = Nodes::start(number, &address, &config, named).await?;
            Ok(Serving::Several(nodes))
        }
        _ => Err(DemoError::NodesNeedPostgres(number)),
    }
}

/// Leaves PostgreSQL as it was before the demo.
async fn take_away(database: Option<Database>) -> Result<(), DemoError> {
    match database {
        Some(Database::Schema(address, schema)) => {
            let drop = format!("DROP SCHEMA {schema} CASCADE");
            let gone = match connect(&address).await {
                Ok(client) => client.batch_execute(&drop).await.map_err(|err| told(&err)),
                Err(err) => Err(err.to_string()),
            };
            gone.map_err(|why| DemoError::LeftBehind {
                schema,
                why,
                first: None,
            })
        }
        Some(Database::Private(server)) => {
            drop(spawn_blocking(move || drop(server)).await);
            Ok(())
        }
        None => Ok(()),
    }
}

/// An error with its causes: the driver's own text tells only that the database said something.
fn told(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text.push_str(&format!(": {err}"));
        cause = err.source();
    }
    text
}

/// An empty place in PostgreSQL; none where the records stay in the state directory.
async fn prepare(
    store: &DemoStore,
    timeline: &Timeline,
) -> Result<(Option<PostgresAddress>, Option<Database>), DemoError> {
    match store {
        DemoStore::StateDirectory => Ok((None, None)),
        DemoStore::Postgres(address) => {
            let schema = format!("omadm_demo_{}", std::process::id());
            let create = format!("CREATE SCHEMA {schema}");
            let made = connect(address).await?.batch_execute(&create).await;
            made.map_err(|err| {
                DemoError::Database(format!("no schema could be made: {}", told(&err)))
            })?;
            let own = address.with_schema(&schema);
            let made = Database::Schema(PostgresAddress::clone(address), schema);
            Ok((Some(own), Some(made)))
        }
        DemoStore::PrivatePostgres => {
            timeline.say(Who::Server, "starts a private PostgreSQL");
            let started = spawn_blocking(|| {
                let server = PrivatePostgres::start(PostgresSettings::durable())?;
                server.create_database("demo")?;
                Ok::<_, PrivatePostgresError>(server)
            });
            let server = started
                .await
                .map_err(|err| DemoError::Database(err.to_string()))??;
            Ok((
                Some(server.url("demo").parse()?),
                Some(Database::Private(server)),
            ))
        }
    }
}
