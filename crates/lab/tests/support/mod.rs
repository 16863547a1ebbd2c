//! A server and a device in this process, over real mutual TLS on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;

use omadm_bootstrap::BootstrapPolicy;
use omadm_client::{Client, DeviceDir};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, ServerUri};
use omadm_server::config::ServerConfig;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::{BOOTSTRAP_PATH, DmServer, Running};

const REPORTING: &str = include_str!("../../../../profiles/ddf/reporting-1.0.ddf");
pub(crate) const DEV_ID: &str = "IMEI:493005100592800";

pub(crate) async fn server(folder: &Path) -> (Running, ApiClient) {
    server_with(folder, |_| {}).await
}

pub(crate) async fn server_with(
    folder: &Path,
    settings: impl FnOnce(&mut ServerConfig),
) -> (Running, ApiClient) {
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
    settings(&mut config);
    let running = DmServer::new(config).start().await.unwrap();
    let token = &running.first_start.as_ref().unwrap().token;
    let host = running.operator_addr.ip().to_string();
    let api = ApiClient::new(
        host,
        running.operator_addr.port(),
        running.ca_certificate(),
        token,
    )
    .unwrap();
    (running, api)
}

pub(crate) async fn client(
    folder: &Path,
    running: &Running,
    api: &ApiClient,
    profile: &str,
    policy: BootstrapPolicy,
) -> Client {
    let port = running.device_addr.port();
    client_at(folder, running, api, profile, policy, port).await
}

/// A client that knows the server under this port of localhost.
pub(crate) async fn client_at(
    folder: &Path,
    running: &Running,
    api: &ApiClient,
    profile: &str,
    policy: BootstrapPolicy,
    port: u16,
) -> Client {
    let info = DevInfo {
        dev_id: DevId::parse(DEV_ID).unwrap(),
        man: "Acme".into(),
        mod_: "M1".into(),
        dm_v: "2.0".into(),
        lang: "en".into(),
        dev_type: "sensor".into(),
        oem: String::new(),
        fw_v: "1".into(),
        sw_v: "1".into(),
        hw_v: String::new(),
    };
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
