//! Several DM Server nodes in this process over one PostgreSQL store: for devices behind one TCP balancer, for operators behind another.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fs, io};

use omadm_server::config::ServerConfig;
use omadm_server::store::StoreError;
use omadm_server::store::address::{PostgresAddress, StoreAddress};
use omadm_server::store::postgres::migrate;
use omadm_server::{DmServer, Running, StartError};

use crate::balancer::Balancer;

/// How many nodes the end-to-end suites run: 1 where it is unset.
pub const TEST_NODES: &str = "OMADM_TEST_NODES";

/// The discard port, closed to ordinary users: where no node is yet.
pub const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// Nodes that run. Dropping them stops them without waiting.
pub struct Nodes {
    running: Vec<Running>,
    devices: Balancer,
    operators: Balancer,
}

/// Why nodes did not start; none of them runs then.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// The database was not migrated or cannot be used. The environment is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The state directory could not be copied, or a balancer found no port. The environment is at fault.
    #[error("the nodes' surroundings cannot be made: {0}")]
    System(#[from] io::Error),
}

/// How many nodes [`TEST_NODES`] asks of the suites that can run over several: 1 where it is unset.
///
/// # Errors
/// Where it is neither 1 nor 2.
pub fn wanted_nodes() -> io::Result<usize> {
    match std::env::var(TEST_NODES).as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("" | "1") => Ok(1),
        Ok("2") => Ok(2),
        _ => Err(io::Error::other(format!("{TEST_NODES} is 1 or 2"))),
    }
}

impl Nodes {
    /// Migrates the database and starts `number` nodes on it with these settings, each with these parts. The first makes the state directory
    /// of the settings where there is none; the n-th has a copy of it, named with `-n`. Devices are told the balancer's port unless the settings say
    /// where the server is reached.
    ///
    /// # Errors
    /// [`NodesError`].
    pub async fn start(
        number: usize,
        database: &PostgresAddress,
        config: &ServerConfig,
        parts: impl Fn(DmServer) -> DmServer,
    ) -> Result<Self, NodesError> {
        migrate(database).await?;
        let mut nodes = Self {
            running: Vec::with_capacity(number),
            devices: Balancer::start(vec![NOWHERE; number]).await?,
            operators: Balancer::start(vec![NOWHERE; number]).await?,
        };
        for index in 0..number {
            let mut config = config.clone();
            if index > 0 {
                let own = state_dir(&config.state_dir, index);
                copy_state(&config.state_dir, &own)?;
                config.state_dir = own;
            }
            let public = format!("localhost:{}", nodes.devices.address().port());
            config.public_server.get_or_insert(public);
            config.store = StoreAddress::Postgres(Box::new(database.clone()));
            let running = parts(DmServer::new(config)).start().await?;
            nodes.devices.replace(index, running.device_addr);
            nodes.operators.replace(index, running.operator_addr);
            nodes.running.push(running);
        }
        Ok(nodes)
    }

    /// The nodes; the first one made the state directory.
    #[must_use]
    pub fn running(&self) -> &[Running] {
        &self.running
    }

    /// The same, to be changed: what a first start made can be taken.
    pub fn running_mut(&mut self) -> &mut [Running] {
        &mut self.running
    }

    /// The balancer before the device listeners.
    #[must_use]
    pub const fn devices(&self) -> &Balancer {
        &self.devices
    }

    /// The balancer before the operator listeners.
    #[must_use]
    pub const fn operators(&self) -> &Balancer {
        &self.operators
    }

    /// Ends all of them gracefully, at once.
    ///
    /// # Errors
    /// As [`Running::shutdown`], of the first node that tells one.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        let ends: Vec<_> = self
            .running
            .into_iter()
            .map(|node| tokio::spawn(node.shutdown()))
            .collect();
        let mut all = Ok(());
        for end in ends {
            all = all.and(end.await.unwrap_or(Err(StoreError::Closed)));
        }
        all
    }
}

/// Where the node of this index, from 0, has its state directory.
#[must_use]
pub fn state_dir(first: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return first.to_owned();
    }
    let mut name = OsString::from(first);
    name.push(format!("-{}", index + 1));
    name.into()
}

/// Does what an operator does for a further node: copies the state directory, without an SQLite store. A copy that is there stays.
///
/// # Errors
/// What the operating system says.
pub fn copy_state(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let of_store = name.to_string_lossy().starts_with("server.sqlite");
        if entry.file_type()?.is_file() && !of_store {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
