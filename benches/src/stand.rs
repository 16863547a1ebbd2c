//! A DM Server of a benchmark: one node or several on one store, all with the CA and the keys of the first server.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use omadm_mo::Secret;
use omadm_server::config::ServerConfig;
use omadm_server::store::Store;
use omadm_server::store::address::PostgresAddress;
use omadm_server::store::postgres::{PostgresOptions, PostgresStore};
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_server::{DmServer, Running};
use omadm_tls::CertificateDer;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::device::Device;
use crate::registrar::{Numbers, PROFILE, Registrar};
use crate::run::Totals;
use crate::sample::Arm;
use crate::wire::HOST;
use crate::{Broken, Unexpected};

const MINIMAL: &str = include_str!("../../profiles/minimal.toml");
/// Devices being registered at once.
const REGISTRATIONS: usize = 16;
/// Where devices reach several nodes, in their documents. Here they go on with the connection they have.
const BALANCER: &str = "localhost:8443";
/// The store of a state directory.
const STORE: &str = "server.sqlite";

/// A server that runs.
pub(crate) struct Stand {
    pub(crate) arm: Arm,
    nodes: Vec<Running>,
    registrar: Arc<Registrar>,
}

/// What a server's nodes share.
pub(crate) struct Ground {
    folder: PathBuf,
    place: Place,
}

/// Where a server's records are.
pub(crate) enum Place {
    /// In its state directory.
    StateDirectory,
    /// In PostgreSQL, for so many nodes.
    Postgres(Box<PostgresAddress>, usize),
}

/// What the first server made, and the others were given.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) anchor: CertificateDer<'static>,
    pub(crate) token: Secret,
    pub(crate) numbers: Numbers,
}

impl Ground {
    /// State directories below `folder`, which does not exist.
    pub(crate) const fn new(folder: PathBuf, place: Place) -> Self {
        Self { folder, place }
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// The file of an SQLite store.
    pub(crate) fn file(&self) -> PathBuf {
        self.state_dir(0).join(STORE)
    }

    pub(crate) fn state_dir(&self, node: usize) -> PathBuf {
        self.folder.join(format!("node-{node}"))
    }

    const fn nodes(&self) -> usize {
        match &self.place {
            Place::StateDirectory => 1,
            Place::Postgres(_, nodes) => *nodes,
        }
    }

    /// Copies CA and keys of another server.
    pub(crate) fn take_keys(&self, state: &Path) -> io::Result<()> {
        for node in 0..self.nodes() {
            copy(state, &self.state_dir(node))?;
        }
        Ok(())
    }

    pub(crate) fn config(&self, node: usize) -> Result<ServerConfig, Broken> {
        let profiles = self.folder.join("profiles");
        fs::create_dir_all(&profiles)?;
        fs::write(profiles.join(format!("{PROFILE}.toml")), MINIMAL)?;
        let mut config = ServerConfig::new(self.state_dir(node));
        config.profiles_dir = Some(profiles);
        config.names.insert(0, HOST.to_owned());
        config.names.dedup();
        if self.nodes() > 1 {
            config.public_server = Some(BALANCER.to_owned());
        }
        Ok(config)
    }

    /// Starts the first server of all, which makes the keys.
    pub(crate) fn start_first(
        &self,
        arm: Arm,
        serving: &Runtime,
        numbers: Numbers,
    ) -> Result<(Stand, Keys), Broken> {
        let node = serving.block_on(DmServer::new(self.config(0)?).start())?;
        let keys = Keys {
            anchor: node.ca_certificate().clone(),
            token: match &node.first_start {
                Some(first) => first.token.clone(),
                None => return Err(Unexpected::NotFresh.into()),
            },
            numbers,
        };
        Ok((Stand::new(arm, vec![node], &keys)?, keys))
    }

    /// Starts the nodes, which have their keys.
    pub(crate) fn start(&self, arm: Arm, serving: &Runtime, keys: &Keys) -> Result<Stand, Broken> {
        let nodes = serving.block_on(async {
            let mut nodes = Vec::new();
            for node in 0..self.nodes() {
                let store: Arc<dyn Store> = match &self.place {
                    Place::StateDirectory => {
                        Arc::new(SqliteStore::open(self.file(), &SqliteOptions::default())?)
                    }
                    Place::Postgres(address, _) => {
                        let options = PostgresOptions::default();
                        Arc::new(PostgresStore::open(address, &options).await?)
                    }
                };
                let server = DmServer::new(self.config(node)?).with_store(store);
                nodes.push(server.start().await?);
            }
            Ok::<_, Broken>(nodes)
        })?;
        Stand::new(arm, nodes, keys)
    }
}

impl Stand {
    fn new(arm: Arm, nodes: Vec<Running>, keys: &Keys) -> Result<Self, Broken> {
        let port = nodes.first().map_or(0, |node| node.operator_addr.port());
        let registrar = Registrar::new(port, &keys.anchor, &keys.token, &keys.numbers)?;
        Ok(Self {
            arm,
            nodes,
            registrar: Arc::new(registrar),
        })
    }

    /// Where the nodes listen for devices.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.device_addr).collect()
    }

    /// Registers devices, and lets the store write out what was deferred.
    pub(crate) async fn register(&self, count: usize) -> Result<Vec<Device>, Broken> {
        let mut running = JoinSet::new();
        let mut devices = Vec::with_capacity(count);
        for _ in 0..count {
            if running.len() == REGISTRATIONS
                && let Some(registered) = running.join_next().await
            {
                devices.push(registered??);
            }
            let registrar = Arc::clone(&self.registrar);
            running.spawn(async move { registrar.register().await });
        }
        while let Some(registered) = running.join_next().await {
            devices.push(registered??);
        }
        for node in &self.nodes {
            node.store().flush().await?;
        }
        Ok(devices)
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for node in &self.nodes {
            let (traffic, commits) = (node.traffic(), node.commits());
            sum.connections += traffic.connections;
            sum.exchanges += traffic.exchanges;
            sum.commits += commits.deltas;
            sum.transactions += commits.transactions;
        }
        sum
    }

    pub(crate) async fn shutdown(self) -> Result<(), Broken> {
        for node in self.nodes {
            node.shutdown().await?;
        }
        Ok(())
    }
}

/// A state directory's files without the store. The first server may be running: what its keys are does not change.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(&name))?;
        } else if !name.to_string_lossy().starts_with(STORE) {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}
