use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use omadm_lab::balancer::Balancer;
use omadm_lab::postgres::Database;
use omadm_server::config::ServerConfig;
use omadm_server::store::Store;
use omadm_server::store::postgres::{PostgresOptions, PostgresStore, migrate};
use omadm_server::{DmServer, ExchangeObserver, ObservedExchange, Running};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::completion::assert_completed;
use super::registry::Registry;
use super::server::free_port;
use super::{Device, DeviceState, Fault, PATIENCE, Server, Site, Told, Victim};

/// The discard port: where no node is yet.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Two DM Server nodes over one PostgreSQL database, behind a balancer that gives every exchange to the other one than the one before: a node that stays, in
/// this process, and a node that is killed, in one of its own, which is started for each killing and not brought back.
pub struct Nodes {
    balancer: Balancer,
    staying: Option<Running>,
    answered: Arc<Answered>,
    registry: Registry,
    /// Of the node that is killed.
    ports: [u16; 2],
    /// Where clients and the node that stays run.
    pub runtime: Runtime,
    /// What both nodes keep their records in.
    pub database: Database,
    folder: TempDir,
}

/// To which node the next exchange goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// The one that is to be killed.
    Victim,
    /// The one that stays.
    Staying,
}

#[derive(Default)]
struct Answered(Mutex<Vec<ObservedExchange>>);

impl Nodes {
    /// Makes the database, the balancer and both state directories, and starts the node that stays.
    ///
    /// # Errors
    /// Where PostgreSQL or the node does not start.
    pub fn make() -> Result<Self, Fault> {
        let runtime = Runtime::new()?;
        let folder = tempfile::tempdir()?;
        let database = Database::fresh()?;
        runtime.block_on(migrate(&database.url().parse()?))?;
        let balancer = runtime.block_on(Balancer::start(vec![NOWHERE; 2]))?;
        let answered = Arc::new(Answered::default());
        let staying = start(&runtime, folder.path(), &database, &balancer, &answered)?;
        let registry = Registry::new(folder.path(), &staying)?;
        copy_state(&staying_state(folder.path()), &victim_state(folder.path()))?;
        Ok(Self {
            balancer,
            staying: Some(staying),
            answered,
            registry,
            ports: [free_port()?, free_port()?],
            runtime,
            database,
            folder,
        })
    }

    /// The settings of a node whose devices reach it at this port of a balancer, with a connection for each exchange.
    #[must_use]
    pub fn config(state: &Path, ports: [u16; 2], balancer: u16) -> ServerConfig {
        let mut config = Server::config(state, ports);
        config.public_server = Some(format!("localhost:{balancer}"));
        config.limits.exchanges_per_connection = Some(1);
        config
    }

    /// The store that the nodes share.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn store(url: &str) -> Result<Arc<dyn Store>, Fault> {
        let options = PostgresOptions::default();
        let store = PostgresStore::open(&url.parse()?, &options).await?;
        Ok(Arc::new(store))
    }

    /// The node that stays.
    ///
    /// # Errors
    /// Where it is stopped.
    pub fn staying(&self) -> Result<&Running, Fault> {
        Ok(self.staying.as_ref().ok_or("the node is stopped")?)
    }

    /// Starts the node that stays again.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(&mut self) -> Result<(), Fault> {
        let folder = self.folder.path();
        let staying = start(
            &self.runtime,
            folder,
            &self.database,
            &self.balancer,
            &self.answered,
        )?;
        self.staying = Some(staying);
        Ok(())
    }

    /// Ends the node that stays, gracefully.
    ///
    /// # Errors
    /// Where its last marks could not be written.
    pub fn stop(&mut self) -> Result<(), Fault> {
        if let Some(staying) = self.staying.take() {
            self.runtime.block_on(staying.shutdown())?;
        }
        Ok(())
    }

    /// Starts the node that is to be killed, halting at a step, by the program `kill_server`; returns once it listens.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn victim(&self, program: &str, step: u64) -> Result<Victim, Fault> {
        let state = victim_state(self.folder.path());
        let [devices, operators] = self.ports;
        let victim = Victim::start(
            program,
            [
                state.display().to_string(),
                devices.to_string(),
                operators.to_string(),
                step.to_string(),
                self.balancer.address().port().to_string(),
                self.database.url(),
            ],
        )?;
        match victim.told(PATIENCE)? {
            Told::Ready => Ok(victim),
            other => Err(format!("{other:?} before it was ready").into()),
        }
    }

    /// Gives the next exchange to one of the nodes, the one after it to the other, and so on. No client works.
    ///
    /// # Errors
    /// Where the node that stays is stopped.
    pub fn take_turns(&self, first: First) -> Result<(), Fault> {
        let victim = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[0]));
        let staying = self.staying()?.device_addr;
        let nodes = match first {
            First::Victim => [victim, staying],
            First::Staying => [staying, victim],
        };
        // One of the two takes every connection, so as many were given out.
        let given: u64 = self.balancer.counts().iter().sum();
        let turn = usize::from(given % 2 == 1);
        for (index, node) in nodes.into_iter().enumerate() {
            self.balancer.replace((turn + index) % 2, node);
        }
        Ok(())
    }

    /// What the node that stays has answered since this was last asked.
    #[must_use]
    pub fn answered(&self) -> Vec<ObservedExchange> {
        std::mem::take(&mut self.answered.lock())
    }
}

impl Site for Nodes {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn device(&mut self, profile: &str) -> Result<Device, Fault> {
        let staying = self.staying.as_ref().ok_or("the node is stopped")?;
        let port = self.balancer.address().port();
        let made = self.registry.device(staying, port, profile);
        self.runtime.block_on(made)
    }

    fn assert_completed(
        &self,
        device: &Device,
        state: &DeviceState,
        bootstraps: usize,
    ) -> Result<(), Fault> {
        let store = self.staying()?.store();
        let judged = assert_completed(store.as_ref(), device, state, bootstraps);
        self.runtime.block_on(judged)
    }
}

impl Answered {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ObservedExchange>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExchangeObserver for Answered {
    fn exchange(&self, exchange: &ObservedExchange) {
        self.lock().push(exchange.clone());
    }
}

fn start(
    runtime: &Runtime,
    folder: &Path,
    database: &Database,
    balancer: &Balancer,
    answered: &Arc<Answered>,
) -> Result<Running, Fault> {
    let port = balancer.address().port();
    let config = Nodes::config(&staying_state(folder), [0, 0], port);
    runtime.block_on(async {
        let store = Nodes::store(&database.url()).await?;
        let server = DmServer::new(config)
            .with_store(store)
            .with_observer(Arc::clone(answered) as _);
        let running = server.start().await?;
        balancer.replace(0, running.device_addr);
        balancer.replace(1, running.device_addr);
        Ok(running)
    })
}

fn staying_state(folder: &Path) -> PathBuf {
    folder.join("staying")
}

fn victim_state(folder: &Path) -> PathBuf {
    folder.join("victim")
}

/// What an operator does for a further node: its keys are the first one's.
fn copy_state(from: &Path, to: &Path) -> Result<(), Fault> {
    std::fs::create_dir(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        let is_store = file
            .file_name()
            .to_string_lossy()
            .starts_with("server.sqlite");
        if file.file_type()?.is_file() && !is_store {
            std::fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}
