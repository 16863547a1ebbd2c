//! A device whose account brings an HTTP user and no `Auth/Trsp`: its sessions by Digest (D45).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity};
use omadm_client::policy::NetworkPolicy;
use omadm_client::{Client, ClientEvent, ClientObserver, Exchange};
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::model::{CredentialProof, CredentialScope, Generation};
use omadm_server::operator::types::{NewBootstrap, NewCredential, NewDevice};
use omadm_session::pair::acme;
use support::{DEV_ID, Served, server};

#[derive(Default)]
struct Watcher(Mutex<Vec<u16>>);

impl ClientObserver for Watcher {
    fn event(&self, _event: &ClientEvent) {}

    fn exchange(&self, exchange: &Exchange) {
        self.0.lock().unwrap().push(exchange.status);
    }
}

fn dev_info() -> DevInfo {
    acme(DevId::parse(DEV_ID).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn x_sec_001_b_24_an_account_with_http_auth_and_without_trsp_has_its_sessions_by_digest() {
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let new = NewDevice {
        dev_id: DEV_ID.to_owned(),
        http_user: Some(DEV_ID.to_owned()),
        ..NewDevice::default()
    };
    let password = api.add_device(&new).await.unwrap().http_password.unwrap();
    let ca = match &running {
        Served::One(one) => one.ca_certificate(),
        Served::Several(nodes, _) => nodes.running()[0].ca_certificate(),
    };
    let document = serde_json::json!([{
        "ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//",
        "MOData": {"DMAcc": {
            "SrvID": "dms.example.com",
            "SrvURI": format!("https://localhost:{}/dm/2.0", running.device_port()),
            "Name": "HTTP",
            "Perm": {
                "1": {"MOID": "urn:oma:mo:oma-dm-devinfo:1.2"},
                "2": {"MOID": "urn:oma:mo:oma-dm-dmacc:1.2"},
            },
            "Ext": {
                "HTTPAuth": {"User": DEV_ID, "Password": password},
                "Trust": {"1": {"Cert": STANDARD.encode(ca)}},
            },
        }},
    }]);
    let watcher = Arc::<Watcher>::default();
    // Basic is forbidden, so it can only be Digest.
    let client = Client::builder(dev_info(), folder.path().join("tree.redb"))
        .observer(Arc::clone(&watcher) as _)
        .allow_http_basic(false)
        .network(NetworkPolicy {
            allow_loopback: true,
            ..NetworkPolicy::default()
        })
        .build()
        .unwrap();
    client
        .deliver(
            document.to_string().into_bytes(),
            BootstrapMethod::Factory,
            BootstrapSource::FactoryImage,
            ChannelSecurity::Local,
        )
        .await
        .unwrap();
    let reports = client.settle().await.unwrap();
    assert_eq!(reports.len(), 1);
    assert!(!reports[0].still_owed, "{:?}", reports[0].outcome);
    assert_eq!(*watcher.0.lock().unwrap(), [401, 200, 200]);
    let detail = api.device(DEV_ID).await.unwrap();
    assert_eq!(detail.device.bootstrapped_by.as_deref(), Some("factory"));
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x_sec_001_b_24_a_profile_brings_a_password_and_a_later_one_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let profile = include_str!("../../../profiles/http.toml");
    std::fs::write(profiles.join("http.toml"), profile).unwrap();
    let (running, api) = server(folder.path()).await;
    let new = NewDevice {
        dev_id: DEV_ID.to_owned(),
        code: true,
        profile: Some("http".to_owned()),
        ..NewDevice::default()
    };
    let code = api.add_device(&new).await.unwrap().code.unwrap();
    let port = running.device_port();
    let url = format!("https://localhost:{port}{BOOTSTRAP_PATH}");
    let watcher = Arc::<Watcher>::default();
    // Basic is forbidden, so it can only be Digest, the bootstrap code's too.
    let ca = running.ca_certificate().clone();
    let device = |code: String| {
        Client::builder(dev_info(), folder.path().join("tree.redb"))
            .observer(Arc::clone(&watcher) as _)
            .source(ServerUri::parse(&url).unwrap(), vec![ca.clone()])
            .bootstrap_code(Secret::from(code))
            .allow_http_basic(false)
            .build()
            .unwrap()
    };
    let client = device(code);
    client.bootstrap().await.unwrap();
    let dev_id = DevId::parse(DEV_ID).unwrap();
    let users = async || {
        let all = running.store().credentials(&dev_id).await.unwrap();
        let users = all
            .into_iter()
            .filter(|one| matches!(one.proof, CredentialProof::HttpUser { .. }));
        users.collect::<Vec<_>>()
    };
    let first = users().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].scope, CredentialScope::Session);
    assert_eq!(first[0].generation, Generation::Pending);
    assert!(first[0].record.is_some() && first[0].sealed.is_some());
    let reports = client.settle().await.unwrap();
    assert!(!reports[0].still_owed, "{:?}", reports[0].outcome);
    assert_eq!(*watcher.0.lock().unwrap(), [401, 200, 401, 200, 200]);
    assert_eq!(users().await[0].generation, Generation::Current);

    let again = NewBootstrap {
        device: DEV_ID.to_owned(),
        profile: Some("http".to_owned()),
        ..NewBootstrap::default()
    };
    api.start_bootstrap(&again).await.unwrap();
    let code = NewCredential {
        code: true,
        ..NewCredential::default()
    };
    let code = api.add_credential(DEV_ID, &code).await.unwrap().code;
    drop(client);
    let client = device(code.unwrap());
    client.bootstrap().await.unwrap();
    let reports = client.settle().await.unwrap();
    assert!(!reports[0].still_owed, "{:?}", reports[0].outcome);
    let both = users().await;
    let (former, fresh): (Vec<_>, Vec<_>) =
        both.iter().partition(|one| one.proof == first[0].proof);
    assert!(former[0].revoked_at.is_some());
    assert_eq!(fresh.len(), 1);
    assert!(fresh[0].generation == Generation::Current && fresh[0].revoked_at.is_none());
    running.shutdown().await.unwrap();
}
