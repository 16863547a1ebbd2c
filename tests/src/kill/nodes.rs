use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use omadm_bootstrap::BootstrapMethod;
use omadm_lab::balancer::Balancer;
use omadm_lab::nodes::{self, NOWHERE, copy_state, state_dir};
use omadm_lab::postgres::Database;
use omadm_mo::DevId;
use omadm_server::config::ServerConfig;
use omadm_server::model::StoredEvent;
use omadm_server::operator::client::ApiClient;
use omadm_server::store::Store;
use omadm_server::store::postgres::{PostgresOptions, PostgresStore};
use omadm_server::{DmServer, ExchangeObserver, ObservedExchange, Running};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::completion::assert_completed;
use super::registry::Registry;
use super::server::free_port;
use super::{Device, DeviceState, Fault, PATIENCE, Server, Site, Told, Victim};

/// Two DM Server nodes over one PostgreSQL database, behind a balancer that gives every exchange to the other one than the one before: a node that stays, in
/// this process, and a node that is killed, in one of its own, which is started for each killing and not brought back. Or two that stay.
pub struct Nodes {
    balancer: Balancer,
    /// How many are in this process.
    number: usize,
    staying: Option<nodes::Nodes>,
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
        let made = Self::of(1)?;
        let first = first_state(made.folder.path());
        copy_state(&first, &state_dir(&first, 1))?;
        Ok(made)
    }

    /// The same with two nodes that stay: where it is the client that is killed.
    ///
    /// # Errors
    /// Where PostgreSQL or a node does not start.
    pub fn both_staying() -> Result<Self, Fault> {
        Self::of(2)
    }

    fn of(number: usize) -> Result<Self, Fault> {
        let runtime = Runtime::new()?;
        let folder = tempfile::tempdir()?;
        let database = Database::fresh()?;
        let balancer = runtime.block_on(Balancer::start(vec![NOWHERE; 2]))?;
        let answered = Arc::new(Answered::default());
        let starts = start(number, folder.path(), &database, &balancer, &answered);
        let staying = runtime.block_on(starts)?;
        let first = staying.running().first().ok_or("no node")?;
        let registry = Registry::new(folder.path(), first)?;
        Ok(Self {
            balancer,
            number,
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

    /// The node that stays; the first one where both do.
    ///
    /// # Errors
    /// Where it is stopped.
    pub fn staying(&self) -> Result<&Running, Fault> {
        let first = self.all_staying()?.running().first();
        Ok(first.ok_or("no node")?)
    }

    fn all_staying(&self) -> Result<&nodes::Nodes, Fault> {
        Ok(self.staying.as_ref().ok_or("the node is stopped")?)
    }

    /// Insists that each exchange had a connection of its own, and that these went to the two nodes in turn.
    fn assert_in_turn(&self, nodes: &[Running]) {
        let counts = self.balancer.counts();
        let apart = counts.iter().max().zip(counts.iter().min());
        assert!(
            apart.is_some_and(|(most, least)| most - least <= 1),
            "{counts:?}"
        );
        for traffic in nodes.iter().map(Running::traffic) {
            assert!(traffic.exchanges <= traffic.connections, "{traffic:?}");
        }
    }

    /// Starts the node that stays again.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(&mut self) -> Result<(), Fault> {
        let starts = start(
            self.number,
            self.folder.path(),
            &self.database,
            &self.balancer,
            &self.answered,
        );
        self.staying = Some(self.runtime.block_on(starts)?);
        Ok(())
    }

    /// Starts the node that is to be killed, halting at a step, by the program `kill_server`; returns once it listens.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn victim(&self, program: &str, step: impl Display) -> Result<Victim, Fault> {
        let state = state_dir(&first_state(self.folder.path()), 1);
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

impl Nodes {
    /// Where devices and their operator reach a node that stays.
    fn device_ports(&self) -> Result<[u16; 2], Fault> {
        let staying = self.staying.as_ref().ok_or("the node is stopped")?;
        let operators = staying.operators().address().port();
        Ok([self.balancer.address().port(), operators])
    }
}

impl Site for Nodes {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn device(&mut self, profile: &str) -> Result<Device, Fault> {
        let ports = self.device_ports()?;
        let made = self
            .registry
            .device(ports, profile, BootstrapMethod::ClientInitiated);
        self.runtime.block_on(made)
    }

    fn device_with_image(&mut self, profile: &str) -> Result<Device, Fault> {
        let ports = self.device_ports()?;
        let made = self
            .registry
            .device(ports, profile, BootstrapMethod::Factory);
        self.runtime.block_on(made)
    }

    fn device_with_card(&mut self, profile: &str) -> Result<Device, Fault> {
        let ports = self.device_ports()?;
        let made = self
            .registry
            .device(ports, profile, BootstrapMethod::Smartcard);
        self.runtime.block_on(made)
    }

    fn device_that_listens(&mut self) -> Result<Device, Fault> {
        let ports = self.device_ports()?;
        let made = self
            .registry
            .device(ports, "", BootstrapMethod::ServerInitiated);
        self.runtime.block_on(made)
    }

    fn push(&self, device: &Device, profile: &str) -> Result<(), Fault> {
        let [_, operators] = self.device_ports()?;
        let pushing = self.registry.pushing(operators, device, profile)?;
        self.runtime.block_on(pushing)
    }

    fn another_card(&self, device: &Device, profile: &str) -> Result<(), Fault> {
        let [_, operators] = self.device_ports()?;
        let made = self.registry.another_card(operators, device, profile);
        self.runtime.block_on(made)
    }

    fn assert_completed(
        &self,
        device: &Device,
        state: &DeviceState,
        bootstraps: usize,
    ) -> Result<(), Fault> {
        let staying = self.all_staying()?.running();
        if staying.len() == 2 {
            self.assert_in_turn(staying);
        }
        self.runtime.block_on(async {
            // What a node has deferred cannot be read before.
            for node in staying {
                node.store().flush().await?;
            }
            let store = self.staying()?.store();
            assert_completed(store.as_ref(), device, state, bootstraps, 2).await
        })
    }

    fn operator(&self) -> Result<ApiClient, Fault> {
        let [_, operators] = self.device_ports()?;
        self.registry.api(operators)
    }

    fn events(&self, dev_id: &DevId) -> Result<Vec<StoredEvent>, Fault> {
        let staying = self.all_staying()?.running();
        self.runtime.block_on(async {
            for node in staying {
                node.store().flush().await?;
            }
            Ok(self.staying()?.store().events_of(dev_id, 0, 1000).await?)
        })
    }

    fn stop(&mut self) -> Result<(), Fault> {
        if let Some(staying) = self.staying.take() {
            self.runtime.block_on(staying.shutdown())?;
        }
        Ok(())
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

/// Starts the nodes that stay, and gives them all exchanges.
async fn start(
    number: usize,
    folder: &Path,
    database: &Database,
    balancer: &Balancer,
    answered: &Arc<Answered>,
) -> Result<nodes::Nodes, Fault> {
    let port = balancer.address().port();
    let config = Nodes::config(&first_state(folder), [0, 0], port);
    let observed = |server: DmServer| server.with_observer(Arc::clone(answered) as _);
    let staying = nodes::Nodes::start(number, &database.url().parse()?, &config, observed).await?;
    for (index, node) in staying.running().iter().cycle().take(2).enumerate() {
        balancer.replace(index, node.device_addr);
    }
    Ok(staying)
}

/// The state directory of the first node that stays; the other node's is a copy.
fn first_state(folder: &Path) -> PathBuf {
    folder.join("server")
}
