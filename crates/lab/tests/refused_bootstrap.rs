//! A refused bootstrap leaves tree and accounts as they were, and both ends can say why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use omadm_bootstrap::{BootstrapFailureCause as Cause, BootstrapPolicy};
use omadm_client::{Client, DeviceDir, NoBootstrap};
use omadm_mo::standard::{DevInfo, dev_info};
use omadm_mo::{DevId, ServerUri};
use omadm_server::config::ServerConfig;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{DeviceDetail, NewDevice};
use omadm_server::{BOOTSTRAP_PATH, DmServer, Running};

const DEV_ID: &str = "IMEI:493005100592800";

async fn server(folder: &Path) -> (Running, ApiClient) {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(
        profiles.join("minimal.toml"),
        include_str!("../../../profiles/minimal.toml"),
    )
    .unwrap();
    let mut config = ServerConfig::new(folder.join("server"));
    config.profiles_dir = Some(profiles);
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

async fn client(
    folder: &Path,
    running: &Running,
    api: &ApiClient,
    policy: BootstrapPolicy,
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
    let profile = Some("minimal".to_owned());
    let new = NewDevice {
        dev_id: DEV_ID.into(),
        csr,
        profile,
        ..NewDevice::default()
    };
    let added = api.add_device(&new).await.unwrap();
    std::fs::write(dir.certificate_file(), added.certificate.unwrap()).unwrap();
    let url = format!(
        "https://localhost:{}{BOOTSTRAP_PATH}",
        running.device_addr.port()
    );
    let ca = vec![running.ca_certificate().clone()];
    let builder =
        Client::builder(info, dir.store_file()).identity(dir.identity().unwrap().unwrap());
    let builder = builder
        .source(ServerUri::parse(&url).unwrap(), ca.clone())
        .anchors(ca);
    builder.bootstrap_policy(policy).build().unwrap()
}

fn told(detail: &DeviceDetail) -> Option<&serde_json::Value> {
    detail
        .events
        .iter()
        .map(|event| &event.what)
        .find(|what| what["event"] == "bootstrap-refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn b_22_a_perm_list_beyond_the_policy_is_refused_and_both_ends_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let policy = BootstrapPolicy {
        allowed_moids: Some(vec![dev_info::moid()]),
        ..BootstrapPolicy::default()
    };
    let client = client(folder.path(), &running, &api, policy).await;
    let before = client.readable_tree().await.unwrap();

    let NoBootstrap::Refused(refusal) = client.bootstrap().await.unwrap_err() else {
        panic!("not refused")
    };
    assert_eq!(refusal.cause, Cause::PermissionRefused);
    assert_eq!(client.readable_tree().await.unwrap(), before);
    assert!(client.accounts().unwrap().is_empty());
    let kept = client.last_refusal().unwrap().unwrap();
    assert_eq!(
        (kept.cause.as_str(), kept.item.as_deref()),
        ("permission-refused", Some("$[0]"))
    );
    assert_eq!(kept.uri.as_deref(), Some("urn:oma:mo:oma-dm-dacmo:1.0"));

    let detail = api.device(DEV_ID).await.unwrap();
    let record = &detail.bootstraps[0];
    assert_eq!(
        (record.state.as_str(), record.cause.as_deref()),
        ("failed", Some("permission-refused"))
    );
    assert!(
        record
            .action
            .as_deref()
            .is_some_and(|action| action.contains("allowed_moids"))
    );
    let told = told(&detail).expect("the server has the device's words");
    assert_eq!(told["item"], "$[0]");
    assert_eq!(told["uri"], "urn:oma:mo:oma-dm-dacmo:1.0");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_ends_and_a_further_fetch_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let policy = BootstrapPolicy {
        max_accounts: 0,
        ..BootstrapPolicy::default()
    };
    let client = client(folder.path(), &running, &api, policy).await;
    assert!(matches!(
        client.bootstrap().await,
        Err(NoBootstrap::Refused(_))
    ));
    assert!(matches!(
        client.bootstrap().await,
        Err(NoBootstrap::Nothing { .. })
    ));
    let detail = api.device(DEV_ID).await.unwrap();
    assert_eq!(detail.bootstraps.len(), 1);
    assert_eq!(
        detail.bootstraps[0].cause.as_deref(),
        Some("too-many-accounts")
    );
    running.shutdown().await.unwrap();
}
