//! Bootstraps made from profiles: what a device gets, which of its credentials opens what, and how each record ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::EventId;
use omadm_mo::Secret;
use omadm_server::config::{ReBootstrap, ServerConfig};
use omadm_server::model::{BootstrapState, RecordId};
use omadm_server::operator::types::{BootstrapBody, NewBootstrap, NewDevice};
use omadm_server::{DmServer, StartError};
use omadm_tls::{CertificateDer, Identity};
use support::{Answer, CLIENT_INITIATED, DEV_INFO, DEVICE, PACKAGE1, PACKAGE3, Rig, completion};

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";

async fn rig(settings: impl FnOnce(&mut ServerConfig)) -> Rig {
    let profiles = |config: &mut ServerConfig| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        settings(config);
    };
    Rig::with(profiles, |server| server).await
}

/// What a document gives the device to prove itself with.
fn credential(document: &Answer, part: &str, data: &str, secret: &str) -> Identity {
    let json = document.json();
    let auth = &json[0]["MOData"]["DMAcc"]["Auth"][part];
    let octets = |name: &str| STANDARD.decode(auth[name].as_str().unwrap()).unwrap();
    Identity::new(
        vec![CertificateDer::from(octets(data))],
        Secret::new(octets(secret)),
    )
    .unwrap()
}

async fn start(rig: &Rig, profile: &str) -> BootstrapBody {
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some(profile.to_owned()),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap()
}

async fn generation(rig: &Rig, identity: &Identity) -> (String, bool) {
    let print = omadm_tls::Fingerprint::of(identity.chain().first().unwrap()).to_hex();
    let credentials = rig.api.device(DEVICE).await.unwrap().credentials;
    let found = credentials
        .into_iter()
        .find(|credential| credential.id == print)
        .unwrap();
    (found.generation, found.revoked_at.is_some())
}

#[tokio::test]
async fn b_19_the_full_profile_brings_a_device_with_nothing_but_a_code_to_its_session() {
    let rig = rig(|_| {}).await;
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        code: true,
        profile: Some("full".to_owned()),
        ..NewDevice::default()
    };
    let added = rig.api.add_device(&new).await.unwrap();
    let code = added.code.unwrap();
    let document = rig.connect(None).await.fetch_with_code(DEVICE, &code).await;
    assert_eq!(document.status, 200);
    assert_eq!(
        document.json()[0]["MOData"]["DMAcc"]["SrvURI"],
        format!("https://localhost:{}/dm/2.0", rig.device_addr().port())
    );
    let (trsp, boot) = (
        credential(&document, "Trsp", "Data", "Secret"),
        credential(&document, "Bootstrap", "ClientPubKey", "ClientSecretKey"),
    );
    assert_eq!(generation(&rig, &trsp).await, ("pending".to_owned(), false));
    // Each credential opens its own door (D83).
    let answer = rig
        .connect(Some(&boot))
        .await
        .package(DEVICE, PACKAGE1, completion(EVENT, &document.body))
        .await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-unknown")
    );
    assert_eq!(
        rig.connect(Some(&trsp)).await.fetch(DEVICE).await.status,
        403
    );
    assert_eq!(
        rig.connect(Some(&boot)).await.fetch(DEVICE).await.body,
        document.body
    );
    let (commits, ()) = rig
        .commits_of(async {
            let mut wire = rig.connect(Some(&trsp)).await;
            assert_eq!(
                wire.package(DEVICE, PACKAGE1, completion(EVENT, &document.body))
                    .await
                    .status,
                200
            );
            assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 200);
        })
        .await;
    assert_eq!(commits, 2);
    assert_eq!(generation(&rig, &trsp).await, ("current".to_owned(), false));
    assert_eq!(generation(&rig, &boot).await, ("current".to_owned(), false));
    let record = rig
        .api
        .bootstrap(&added.bootstrap.unwrap().id)
        .await
        .unwrap();
    assert_eq!(
        (record.state.as_str(), record.srv_id.as_str()),
        ("completed", "dm-full.example.com")
    );
    assert_eq!(
        rig.connect(None)
            .await
            .fetch_with_code(DEVICE, &code)
            .await
            .status,
        403,
        "the code outlived the completion"
    );
}

#[tokio::test]
async fn a_newer_bootstrap_of_the_same_account_supersedes_the_open_one() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let older = start(&rig, "full").await;
    let first = rig.connect(Some(&identity)).await.fetch(DEVICE).await;
    let newer = start(&rig, "full").await;
    let second = rig.connect(Some(&identity)).await.fetch(DEVICE).await;
    assert_ne!(first.body, second.body);
    let older = rig.api.bootstrap(&older.id).await.unwrap();
    assert_eq!(
        (older.state.as_str(), older.cause.as_deref()),
        ("superseded", Some("superseded"))
    );
    assert!(older.action.is_some());
    assert_eq!(
        rig.record(&RecordId(EventId::parse(&newer.id).unwrap()))
            .await
            .payload_hash
            .to_hex(),
        newer.payload_hash
    );
    // What the older one brought opens nothing.
    let dead = credential(&first, "Trsp", "Data", "Secret");
    let answer = rig
        .connect(Some(&dead))
        .await
        .package(DEVICE, PACKAGE1, completion(EVENT, &first.body))
        .await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-revoked")
    );
    // Another account's stays open.
    let other = start(&rig, "minimal").await;
    rig.flush().await;
    assert_eq!(rig.api.bootstrap(&newer.id).await.unwrap().state, "fetched");
    assert_eq!(other.state, "queued");
}

#[tokio::test]
async fn a_completed_device_is_bootstrapped_again_where_policy_allows_and_its_former_credential_ends()
 {
    let rig = rig(|config| config.re_bootstrap = ReBootstrap::Allow).await;
    let identity = rig.device(DEVICE).await;
    start(&rig, "full").await;
    let mut former = None;
    for round in [
        "00000000000000000000000000000001",
        "00000000000000000000000000000002",
    ] {
        let document = rig.connect(Some(&identity)).await.fetch(DEVICE).await;
        assert_eq!(document.status, 200);
        let trsp = credential(&document, "Trsp", "Data", "Secret");
        if let Some(former) = &former {
            // Make before break: the former one works until the new one was used.
            assert_eq!(
                rig.connect(Some(former))
                    .await
                    .package(DEVICE, PACKAGE1, CLIENT_INITIATED)
                    .await
                    .status,
                200
            );
        }
        let mut wire = rig.connect(Some(&trsp)).await;
        assert_eq!(
            wire.package(DEVICE, PACKAGE1, completion(round, &document.body))
                .await
                .status,
            200
        );
        if let Some(former) = former.replace(trsp) {
            assert!(generation(&rig, &former).await.1);
        }
    }
    let records = rig.api.device(DEVICE).await.unwrap().bootstraps;
    assert_eq!(
        records
            .iter()
            .map(|record| record.state.as_str())
            .collect::<Vec<_>>(),
        ["completed", "completed"]
    );
}

#[tokio::test]
async fn b_32_a_reset_device_comes_back_with_its_boot_credential_and_the_rotated_one_dies() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let new = |method: &str| NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("full".to_owned()),
        method: Some(method.to_owned()),
        ..NewBootstrap::default()
    };
    let image = rig.api.start_bootstrap(&new("factory")).await.unwrap();
    assert_eq!(image.state, "drafted");
    assert_eq!(
        rig.connect(Some(&identity))
            .await
            .fetch(DEVICE)
            .await
            .status,
        204,
        "an image is not handed out by a fetch"
    );
    let document = rig
        .document(&RecordId(EventId::parse(&image.id).unwrap()))
        .await;
    let boot = credential(&document, "Trsp", "Data", "Secret");
    assert_eq!(generation(&rig, &boot).await, ("pending".to_owned(), false));
    let mut wire = rig.connect(Some(&boot)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, &document.body))
            .await
            .status,
        200
    );
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED)
            .await
            .status,
        200,
        "nothing was rotated yet"
    );
    // Rotated by another bootstrap of the account.
    rig.api
        .start_bootstrap(&new("client-initiated"))
        .await
        .unwrap();
    let newer = rig.connect(Some(&identity)).await.fetch(DEVICE).await;
    let rotated = credential(&newer, "Trsp", "Data", "Secret");
    let rotation = completion("00000000000000000000000000000002", &newer.body);
    assert_eq!(
        rig.connect(Some(&rotated))
            .await
            .package(DEVICE, PACKAGE1, rotation)
            .await
            .status,
        200
    );
    let answer = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-replaced")
    );
    assert_eq!(generation(&rig, &boot).await, ("boot".to_owned(), false));
    // The reset device applies its image again.
    let again = completion("00000000000000000000000000000003", &document.body);
    assert_eq!(wire.package(DEVICE, PACKAGE1, again).await.status, 200);
    assert_eq!(
        generation(&rig, &rotated).await,
        ("current".to_owned(), true)
    );
    let answer = rig
        .connect(Some(&rotated))
        .await
        .package(DEVICE, PACKAGE1, CLIENT_INITIATED)
        .await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-revoked")
    );
}

#[tokio::test]
async fn everything_is_still_there_after_a_restart() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let record = start(&rig, "minimal").await;
    let document = rig.connect(Some(&identity)).await.fetch(DEVICE).await;
    let fingerprint = rig.server().ca_fingerprint;
    let rig = rig.restarted().await;
    for server in rig.servers() {
        assert!(server.first_start.is_none());
        assert_eq!(server.ca_fingerprint, fingerprint);
    }
    let id = RecordId(EventId::parse(&record.id).unwrap());
    assert_eq!(rig.record(&id).await.state, BootstrapState::Fetched);
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(wire.fetch(DEVICE).await.body, document.body);
}

/// One node: the file is one process's.
#[tokio::test]
async fn a_second_server_on_one_state_directory_is_refused() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let second = DmServer::new(ServerConfig::new(rig.dir.path().join("state")))
        .start()
        .await;
    assert!(matches!(second.err(), Some(StartError::Store(_))));
}

#[tokio::test]
async fn a_profile_that_cannot_be_read_stops_the_start_by_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bad.toml"), "[account]\ncolour = 1\n").unwrap();
    let mut config = ServerConfig::new(dir.path().join("state"));
    config.profiles_dir = Some(dir.path().to_owned());
    let refused = DmServer::new(config)
        .start()
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("bad.toml") && refused.contains("colour") && refused.contains("line 2"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_code_without_a_session_credential_to_come_is_refused() {
    let rig = rig(|_| {}).await;
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        code: true,
        profile: Some("minimal".to_owned()),
        ..NewDevice::default()
    };
    assert!(rig.api.add_device(&new).await.is_err());
    assert!(rig.api.devices(None).await.unwrap().devices.is_empty());
    let names: Vec<_> = rig
        .api
        .profiles()
        .await
        .unwrap()
        .into_iter()
        .map(|profile| profile.name)
        .collect();
    assert_eq!(names, ["dm1x", "full", "http", "minimal"]);
}
