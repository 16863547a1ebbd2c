//! A server and a device in this process, over real mutual TLS on loopback. With `OMADM_TEST_NODES=2` the server is two nodes over one PostgreSQL, and each
//! exchange goes to the other one than the exchange before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::ops::Deref;
use std::path::Path;

use omadm_bootstrap::BootstrapPolicy;
use omadm_client::{Client, DeviceDir};
use omadm_lab::nodes::{Nodes, wanted_nodes};
use omadm_lab::postgres::Database;
use omadm_mo::ddf::Ddf;
use omadm_mo::{DevId, ServerUri};
use omadm_server::config::ServerConfig;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::store::StoreError;
use omadm_server::{BOOTSTRAP_PATH, DmServer, Running};
use omadm_session::pair::acme;

const REPORTING: &str = include_str!("../../../../profiles/ddf/reporting-1.0.ddf");
pub(crate) const DEV_ID: &str = "IMEI:493005100592800";

/// A server that runs: as its first node where it is looked at.
#[allow(clippy::large_enum_variant, reason = "one to a test")]
pub(crate) enum Served {
    One(Running),
    Several(Nodes, Database),
}

/// As many nodes as were asked for.
pub(crate) async fn server(folder: &Path) -> (Served, ApiClient) {
    let mut config = config(folder);
    if wanted_nodes().unwrap() == 1 {
        return one_node(config).await;
    }
    config.limits.exchanges_per_connection = Some(1);
    let database = tokio::task::spawn_blocking(Database::fresh);
    let database = database.await.unwrap().unwrap();
    let address = database.url().parse().unwrap();
    let nodes = Nodes::start(2, &address, &config, |server| server).await;
    let nodes = nodes.unwrap();
    let api = api(&nodes.running()[0], nodes.operators().address().port());
    (Served::Several(nodes, database), api)
}

/// One node whatever was asked for: where a test is about one process and its connections.
pub(crate) async fn one_node_with(
    folder: &Path,
    settings: impl FnOnce(&mut ServerConfig),
) -> (Served, ApiClient) {
    let mut config = config(folder);
    settings(&mut config);
    one_node(config).await
}

async fn one_node(config: ServerConfig) -> (Served, ApiClient) {
    let running = DmServer::new(config).start().await.unwrap();
    let api = api(&running, running.operator_addr.port());
    (Served::One(running), api)
}

fn api(first: &Running, port: u16) -> ApiClient {
    let token = &first.first_start.as_ref().unwrap().token;
    ApiClient::new("127.0.0.1", port, first.ca_certificate(), token).unwrap()
}

fn config(folder: &Path) -> ServerConfig {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(
        profiles.join("minimal.toml"),
        include_str!("../../../../profiles/minimal.toml"),
    )
    .unwrap();
    std::fs::write(
        profiles.join("full.toml"),
        include_str!("../../../../profiles/full.toml"),
    )
    .unwrap();
    std::fs::create_dir_all(profiles.join("ddf")).unwrap();
    std::fs::write(profiles.join("ddf/reporting-1.0.ddf"), REPORTING).unwrap();
    let mut config = ServerConfig::new(folder.join("server"));
    config.profiles_dir = Some(profiles);
    config
}

impl Served {
    /// The port of localhost under which devices know it.
    pub(crate) fn device_port(&self) -> u16 {
        match self {
            Self::One(running) => running.device_addr.port(),
            Self::Several(nodes, _) => nodes.devices().address().port(),
        }
    }

    /// Insists that each node answered some of these exchanges of devices, and all together all.
    #[track_caller]
    pub(crate) fn answered(&self, exchanges: u64) {
        let each: Vec<_> = match self {
            Self::One(running) => vec![running.traffic().exchanges],
            Self::Several(nodes, _) => {
                let nodes = nodes.running().iter();
                nodes.map(|node| node.traffic().exchanges).collect()
            }
        };
        assert_eq!(each.iter().sum::<u64>(), exchanges, "{each:?}");
        assert!(each.iter().all(|node| *node > 0), "{each:?}");
    }

    /// Ends every node gracefully.
    pub(crate) async fn shutdown(self) -> Result<(), StoreError> {
        match self {
            Self::One(running) => running.shutdown().await,
            Self::Several(nodes, _database) => nodes.shutdown().await,
        }
    }
}

impl Deref for Served {
    type Target = Running;

    fn deref(&self) -> &Running {
        match self {
            Self::One(running) => running,
            Self::Several(nodes, _) => &nodes.running()[0],
        }
    }
}

pub(crate) async fn client(
    folder: &Path,
    running: &Served,
    api: &ApiClient,
    profile: &str,
    policy: BootstrapPolicy,
) -> Client {
    let port = running.device_port();
    client_at(folder, running, api, profile, policy, port).await
}

/// A client that knows the server under this port of localhost.
pub(crate) async fn client_at(
    folder: &Path,
    running: &Served,
    api: &ApiClient,
    profile: &str,
    policy: BootstrapPolicy,
    port: u16,
) -> Client {
    let info = acme(DevId::parse(DEV_ID).unwrap());
    let dir = DeviceDir::init(&folder.join("device"), &info).unwrap();
    let csr = Some(std::fs::read_to_string(dir.request_file()).unwrap());
    let profile = Some(profile.to_owned());
    let new = NewDevice {
        dev_id: DEV_ID.into(),
        csr,
        profile,
        ..NewDevice::default()
    };
    let added = api.add_device(&new).await.unwrap();
    std::fs::write(dir.certificate_file(), added.certificate.unwrap()).unwrap();
    let url = format!("https://localhost:{port}{BOOTSTRAP_PATH}");
    let ca = vec![running.ca_certificate().clone()];
    let builder =
        Client::builder(info, dir.store_file()).identity(dir.identity().unwrap().unwrap());
    let builder = builder
        .source(ServerUri::parse(&url).unwrap(), ca.clone())
        .anchors(ca);
    builder
        .mo(Ddf::read(REPORTING).unwrap())
        .bootstrap_policy(policy)
        .build()
        .unwrap()
}
