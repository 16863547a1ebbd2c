//! The device listeners with pre-shared keys and legacy suites (dm20.md §16.2, D71).
#![cfg(feature = "psk")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use omadm_mo::{DevId, Secret};
use omadm_server::config::{DeviceListener, ServerConfig};
use omadm_server::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
    Generation,
};
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{CredentialAdded, NewCredential, SecretText};
use omadm_server::{DmServer, StartError};
use omadm_tls::{
    ConnectError, ConnectedStream, Connector, ConnectorConfig, Psk, PskSuite, ServerTrust,
    TlsProfile, TlsSupport,
};
use support::{Answer, CLIENT_INITIATED, DEVICE, PACKAGE1, Rig, open};
use tokio::net::TcpStream;

const KEY: [u8; 16] = *b"sixteen octets!!";
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn both_profiles(config: &mut ServerConfig) {
    for profile in [TlsProfile::Psk, TlsProfile::Legacy] {
        config.further_device_listeners.push(DeviceListener {
            profile,
            listen: LOOPBACK,
        });
    }
}

async fn rig() -> Rig {
    Rig::one_node(both_profiles, |server| server).await
}

fn addr(rig: &Rig, wanted: TlsProfile) -> SocketAddr {
    let mut all = rig.server().further_device_addrs.iter();
    all.find(|(profile, _)| *profile == wanted).unwrap().1
}

/// Puts a PSK of a registered device into the store, as another node would.
async fn register(rig: &Rig, dev_id: &str, identity: &str, key: &[u8]) {
    let dev_id = DevId::parse(dev_id).unwrap();
    let device = rig.store().device(&dev_id).await.unwrap().unwrap();
    let proof = CredentialProof::Psk {
        identity: identity.to_owned(),
        nr: 0,
    };
    let sealed = rig
        .sealing_keys()
        .seal(&proof.seal_context(&dev_id), &Secret::new(key.to_vec()))
        .unwrap();
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), rig.now());
    let scope = CredentialScope::Device;
    let mut made = Credential::new(dev_id, proof, scope, Generation::Current, rig.now());
    made.sealed = Some(sealed);
    delta.credentials.push(CredentialChange::Add(made));
    rig.store().commit(delta).await.unwrap();
}

fn connector(rig: &Rig, identity: &str, key: &[u8], suites: &[PskSuite]) -> Connector {
    let trust = ServerTrust::anchors(&[rig.server().ca_certificate().clone()]).unwrap();
    let psk = Psk::new(identity.as_bytes(), Secret::new(key.to_vec())).unwrap();
    let mut config = ConnectorConfig::new(trust).with_psk(psk);
    config.psk_suites = suites.to_vec();
    Connector::new(config).unwrap()
}

async fn meet(rig: &Rig, connector: &Connector) -> Result<ConnectedStream, ConnectError> {
    let socket = TcpStream::connect(addr(rig, TlsProfile::Psk))
        .await
        .unwrap();
    connector.connect(socket, "127.0.0.1").await
}

/// The refused handshakes of the event log with their devices: identity, cause, detail.
async fn refused_handshakes(rig: &Rig) -> Vec<(Option<String>, String, String, String)> {
    let events = rig.events().await;
    let refused = events.into_iter().filter_map(|stored| {
        let EventKind::HandshakeRefused {
            profile,
            cause,
            identity,
            from,
            detail,
        } = stored.event.kind
        else {
            return None;
        };
        assert_eq!(profile, "psk");
        assert!(from.parse::<SocketAddr>().unwrap().ip().is_loopback());
        let device = stored.dev_id.map(|dev_id| dev_id.to_string());
        Some((device, identity, cause, detail))
    });
    refused.collect()
}

#[tokio::test]
async fn a_key_that_another_node_registers_opens_every_suite_within_a_round_of_the_housekeeping() {
    let rig = rig().await;
    rig.device(DEVICE).await;
    register(&rig, DEVICE, "meter 7", &KEY).await;
    for suite in PskSuite::ALL {
        let connector = connector(&rig, "meter 7", &KEY, &[suite]);
        let connected = support::soon(async {
            loop {
                match meet(&rig, &connector).await {
                    Ok(connected) => break connected,
                    Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
                }
            }
        });
        assert_eq!(
            connected.await.cipher_suite().as_deref(),
            Some(suite.name())
        );
    }
    // A restart reads all of them before the first handshake.
    let rig = rig.restarted().await;
    let connector = connector(&rig, "meter 7", &KEY, &PskSuite::ALL);
    assert!(meet(&rig, &connector).await.is_ok());
}

#[tokio::test]
async fn wrong_key_and_unknown_identity_are_events_with_their_cause_and_the_device_that_was_named()
{
    let rig = rig().await;
    rig.device(DEVICE).await;
    register(&rig, DEVICE, "meter 7", &KEY).await;
    let rig = rig.restarted().await;
    for (identity, key) in [("meter 7", *b"sixteen octets!?"), ("nobody", KEY)] {
        let connector = connector(&rig, identity, &key, &PskSuite::ALL);
        let refused = meet(&rig, &connector).await;
        assert!(
            matches!(refused, Err(ConnectError::PskRefused(_))),
            "{refused:?}"
        );
    }
    let events = support::soon(async {
        loop {
            let events = refused_handshakes(&rig).await;
            if events.len() == 2 {
                break events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut events = events.await;
    events.sort();
    let [unknown, wrong] = events.try_into().unwrap();
    let (device, identity, cause, detail) = unknown;
    assert_eq!(
        (device, identity.as_str(), cause.as_str()),
        (None, "nobody", "psk-identity-unknown")
    );
    assert!(detail.contains("\"nobody\""), "{detail}");
    let (device, identity, cause, detail) = wrong;
    assert_eq!(
        (device.as_deref(), identity.as_str(), cause.as_str()),
        (Some(DEVICE), "meter 7", "psk-key-wrong")
    );
    assert!(!detail.contains("sixteen"), "{detail}");
}

/// A further key of a device, by the API.
async fn add_key(
    rig: &Rig,
    dev_id: &str,
    identity: &str,
    key: &[u8],
) -> Result<CredentialAdded, ApiError> {
    let new = NewCredential {
        psk_identity: Some(identity.to_owned()),
        psk: Some(SecretText(
            key.iter().map(|octet| format!("{octet:02x}")).collect(),
        )),
        ..NewCredential::default()
    };
    rig.api.add_credential(dev_id, &new).await
}

/// A session by this key, with how many handshakes failed before one succeeded.
async fn session(rig: &Rig, identity: &str, key: &[u8]) -> (usize, Answer) {
    let connector = connector(rig, identity, key, &PskSuite::ALL);
    let mut failed = 0;
    while meet(rig, &connector).await.is_err() {
        failed += 1;
        assert!(failed < 20, "the key opens nothing");
    }
    let mut wire = open(addr(rig, TlsProfile::Psk), &connector).await;
    let answer = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    (failed, answer)
}

/// Generation of each key of the device, by the id that the API has for it, and whether it is revoked.
async fn keys(rig: &Rig) -> Vec<(String, String, bool)> {
    let all = rig.api.device(DEVICE).await.unwrap().credentials;
    let psks = all.into_iter().filter(|one| one.proof == "psk");
    psks.map(|one| (one.id, one.generation, one.revoked_at.is_some()))
        .collect()
}

#[tokio::test]
async fn a_device_whose_key_is_replaced_under_its_identity_gets_in_by_either_after_one_retry() {
    const NEW: [u8; 16] = *b"sixteen newer !!";
    const THIRD: [u8; 16] = *b"sixteen third !!";
    const OTHER: &str = "IMEI:490000000000001";
    let rig = rig().await;
    let (identity, certificate) = ("meter 7", rig.device(DEVICE).await);
    rig.device(OTHER).await;
    register(&rig, DEVICE, identity, &KEY).await;
    add_key(&rig, DEVICE, identity, &NEW).await.unwrap();
    for (dev_id, key, told) in [
        (OTHER, &NEW, "taken by another device"),
        (DEVICE, &THIRD, "has 2 keys"),
    ] {
        let refused = add_key(&rig, dev_id, identity, key).await.err();
        assert!(
            matches!(&refused, Some(ApiError::Refused(problem)) if problem.status == 409 && problem.detail.contains(told)),
            "{refused:?}"
        );
    }
    // Every node reads them at its start.
    let rig = rig.restarted().await;
    let (failed, answer) = session(&rig, identity, &KEY).await;
    assert_eq!((failed, answer.status), (0, 200));
    let row = |id: &str, generation: &str, revoked| (id.to_owned(), generation.to_owned(), revoked);
    let (first, second) = ("psk:meter 7", "psk.1:meter 7");
    let before = [row(first, "current", false), row(second, "pending", false)];
    assert_eq!(keys(&rig).await, before);

    let (failed, answer) = session(&rig, identity, &NEW).await;
    assert_eq!((failed, answer.status), (1, 200), "{:?}", answer.json());
    let after = [row(first, "current", true), row(second, "current", false)];
    assert_eq!(keys(&rig).await, after);
    let mut wire = rig.connect(Some(&certificate)).await;
    let by_certificate = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(by_certificate.status, 200, "nothing else is over with it");

    // The former key is told why it opens nothing any more.
    let (failed, answer) = session(&rig, identity, &KEY).await;
    assert_eq!((failed, answer.status), (1, 403));
    assert_eq!(answer.cause(), "credential-revoked");
    let rotated = rig.events().await.into_iter().find_map(|stored| {
        let EventKind::SecretRotated { scope, name, .. } = stored.event.kind else {
            return None;
        };
        Some((scope, name))
    });
    assert_eq!(rotated, Some(("device".into(), Some(identity.into()))));
    let tried = support::soon(async {
        loop {
            let tried = refused_handshakes(&rig).await;
            if tried.len() == 2 {
                break tried;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for (device, named, cause, detail) in tried.await {
        assert_eq!(
            (device.as_deref(), &named[..], &cause[..]),
            (Some(DEVICE), identity, "psk-key-wrong")
        );
        assert!(
            detail.contains("of the 2") && detail.contains("next"),
            "{detail}"
        );
    }

    // A third one has place again, and the first makes room for it.
    add_key(&rig, DEVICE, identity, &THIRD).await.unwrap();
    let (_, answer) = support::soon(async {
        loop {
            let connector = connector(&rig, identity, &THIRD, &PskSuite::ALL);
            if meet(&rig, &connector).await.is_ok() {
                break session(&rig, identity, &THIRD).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(answer.status, 200);
    let live = keys(&rig).await.into_iter().filter(|(_, _, over)| !over);
    let live: Vec<_> = live.map(|(id, ..)| id).collect();
    assert_eq!(live, ["psk.2:meter 7"]);
}

#[tokio::test]
async fn who_tries_a_devices_identity_over_and_over_does_not_fill_its_log() {
    let rig = rig().await;
    rig.device(DEVICE).await;
    register(&rig, DEVICE, "meter 7", &KEY).await;
    let rig = rig.restarted().await;
    let wrong = connector(&rig, "meter 7", b"sixteen octets!?", &[PskSuite::PskGcm]);
    for _ in 0..200 {
        assert!(meet(&rig, &wrong).await.is_err());
    }
    let recorded = refused_handshakes(&rig).await.len();
    assert!((1..150).contains(&recorded), "{recorded}");
}

#[tokio::test]
async fn the_legacy_listener_serves_a_device_as_the_default_one_does() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let trust = ServerTrust::anchors(&[rig.server().ca_certificate().clone()]).unwrap();
    let config = ConnectorConfig::new(trust).with_identity(identity);
    let mut wire = open(
        addr(&rig, TlsProfile::Legacy),
        &Connector::new(config).unwrap(),
    )
    .await;
    assert_eq!(wire.fetch(DEVICE).await.status, 204);
    let named = ["server-rsa.crt", "server-rsa.key"];
    for name in named {
        assert!(rig.dir.path().join("state").join(name).exists());
    }
}

#[tokio::test]
async fn a_build_without_openssl_refuses_such_a_listener_before_it_makes_anything() {
    let dir = tempfile::tempdir().unwrap();
    for profile in [TlsProfile::Psk, TlsProfile::Legacy] {
        let state = dir.path().join(profile.name());
        let mut config = ServerConfig::new(&state);
        config.further_device_listeners.push(DeviceListener {
            profile,
            listen: LOOPBACK,
        });
        let server = DmServer::new(config).with_tls(TlsSupport::RUSTLS_ALONE);
        let refused = server.start().await.err().unwrap();
        assert!(
            matches!(refused, StartError::NoSuchProfile { .. }),
            "{refused}"
        );
        let refused = refused.to_string();
        assert!(refused.contains("the feature `psk`"), "{refused}");
        assert!(!state.exists());
    }
}
