//! A device that has a pre-shared key and nothing else, from its bootstrap to its session (dm20.md §16.2, §16.4).
#![cfg(feature = "psk")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_client::{Client, DeviceDir, NoBootstrap};
use omadm_lab::balancer::Balancer;
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::config::DeviceListener;
use omadm_server::model::{CredentialProof, CredentialScope, Generation};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{NewCredential, NewDevice, SecretText};
use omadm_session::client::Outcome;
use omadm_session::pair::acme;
use omadm_tls::{Psk, TlsProfile};
use support::{DEV_ID, Served, one_node_with};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const IDENTITY: &str = "meter 7";
const KEY: [u8; 16] = *b"sixteen octets!!";

/// A server that devices know by its PSK listener, through a port in front of it; a device with a PSK there.
async fn served(folder: &Path, profile: &str) -> (Served, Balancer) {
    let (running, balancer, _) = served_with(folder, profile).await;
    (running, balancer)
}

fn hexadecimal(key: &[u8]) -> SecretText {
    SecretText(key.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// The same, with its API.
async fn served_with(folder: &Path, profile: &str) -> (Served, Balancer, ApiClient) {
    let profiles = folder.join("profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    let text = include_str!("../../../profiles/psk/psk.toml");
    std::fs::write(profiles.join("psk.toml"), text).unwrap();
    let balancer = Balancer::start(vec![LOOPBACK]).await.unwrap();
    let (running, api) = one_node_with(folder, |config| {
        config.public_server = Some(format!("localhost:{}", balancer.address().port()));
        config.further_device_listeners.push(DeviceListener {
            profile: TlsProfile::Psk,
            listen: LOOPBACK,
        });
    })
    .await;
    balancer.replace(0, running.further_device_addrs[0].1);
    let new = NewDevice {
        dev_id: DEV_ID.into(),
        psk_identity: Some(IDENTITY.into()),
        psk: Some(hexadecimal(&KEY)),
        profile: Some(profile.into()),
        ..NewDevice::default()
    };
    api.add_device(&new).await.unwrap();
    (running, balancer, api)
}

fn client(folder: &Path, port: u16, identity: &str, key: [u8; 16]) -> Client {
    let info = acme(DevId::parse(DEV_ID).unwrap());
    let dir = DeviceDir::init(&folder.join("device"), &info).unwrap();
    let url = format!("https://localhost:{port}{BOOTSTRAP_PATH}");
    let psk = Psk::new(identity.as_bytes(), Secret::new(key.to_vec())).unwrap();
    // No anchor: the key proves the server, too (D78).
    Client::builder(info, dir.store_file())
        .source(ServerUri::parse(&url).unwrap(), Vec::new())
        .psk(psk)
        .unwrap()
        .build()
        .unwrap()
}

/// Bootstraps the device once.
async fn bootstrapped(client: &Client) {
    // The listener knows a new key after a round of the housekeeping at the latest.
    let fetched = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match client.bootstrap().await {
                Err(NoBootstrap::Refused(refusal)) if refusal.cause == Cause::HandshakeRefused => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                other => break other,
            }
        }
    });
    fetched.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x_sec_002_a_device_with_a_psk_alone_is_bootstrapped_and_runs_its_session_on_one_connection()
 {
    let folder = tempfile::tempdir().unwrap();
    let (running, balancer) = served(folder.path(), "minimal").await;
    let port = balancer.address().port();
    let client = client(folder.path(), port, IDENTITY, KEY);
    bootstrapped(&client).await;
    let settled = client.settle().await.unwrap();
    assert_eq!(
        (&settled[0].outcome, settled[0].still_owed),
        (&Outcome::Ended, false)
    );
    assert_eq!(client.counts().await, (1, 3));
    let dev_id = DevId::parse(DEV_ID).unwrap();
    let records = running.store().bootstraps_of(&dev_id).await.unwrap();
    assert_eq!(records[0].state.name(), "completed");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_a_wrong_psk_is_told_so_and_nothing_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let (running, balancer) = served(folder.path(), "minimal").await;
    let port = balancer.address().port();
    let client = client(folder.path(), port, IDENTITY, *b"sixteen octets!?");
    let Err(NoBootstrap::Refused(refusal)) = client.bootstrap().await else {
        unreachable!("the wrong key opened the server")
    };
    assert_eq!(refusal.cause, Cause::HandshakeRefused);
    let told = refusal.to_string();
    assert!(told.contains("pre-shared key"), "{told}");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_key_is_the_other_one_of_its_identity_tries_again_and_is_in() {
    const NEW: [u8; 16] = *b"sixteen newer !!";
    let folder = tempfile::tempdir().unwrap();
    let (running, balancer, api) = served_with(folder.path(), "minimal").await;
    let port = balancer.address().port();
    let new = NewCredential {
        psk_identity: Some(IDENTITY.into()),
        psk: Some(hexadecimal(&NEW)),
        ..NewCredential::default()
    };
    api.add_credential(DEV_ID, &new).await.unwrap();
    let with = |name: &str, key| client(&folder.path().join(name), port, IDENTITY, key);
    let (former, newer) = (with("former", KEY), with("newer", NEW));
    // From here on the listener knows both.
    bootstrapped(&newer).await;
    bootstrapped(&former).await;
    for client in [&newer, &former, &newer] {
        client.bootstrap().await.unwrap();
    }
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x_sec_002_b_24_a_profile_brings_pre_shared_keys_for_sessions_and_further_bootstraps() {
    let folder = tempfile::tempdir().unwrap();
    let (running, balancer) = served(folder.path(), "psk").await;
    let client = client(folder.path(), balancer.address().port(), IDENTITY, KEY);
    let dev_id = DevId::parse(DEV_ID).unwrap();
    let issued = async || {
        let all = running.store().credentials(&dev_id).await.unwrap();
        let mut issued: Vec<_> = all.into_iter().filter(|one| one.record.is_some()).collect();
        issued.sort_by_key(|one| one.scope);
        issued
    };
    let kinds = [CredentialScope::Bootstrap, CredentialScope::Session];
    let before = issued().await;
    assert_eq!(
        before.iter().map(|one| one.scope).collect::<Vec<_>>(),
        kinds
    );
    assert_ne!(before[0].proof, before[1].proof);
    for one in &before {
        assert!(matches!(one.proof, CredentialProof::Psk { .. }));
        assert!(one.generation == Generation::Pending && one.sealed.is_some());
    }
    bootstrapped(&client).await;
    let settled = client.settle().await.unwrap();
    assert_eq!(
        (&settled[0].outcome, settled[0].still_owed),
        (&Outcome::Ended, false)
    );
    // Auth/Trsp has an identity of its own, so the session has a connection of its own (D79).
    assert_eq!(client.counts().await, (2, 3));
    let after = issued().await;
    assert_eq!(after.len(), 2);
    assert!(
        after
            .iter()
            .all(|one| one.generation == Generation::Current)
    );
    running.shutdown().await.unwrap();
}
