//! A start that fails: what it made and what it tells.
//! One node, whatever `OMADM_TEST_NODES` says: it never comes to serve.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_server::config::ServerConfig;
use omadm_server::model::Deployment;
use omadm_server::operator::client::ApiClient;
use omadm_server::store::Deployments as _;
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_server::{DmServer, StartError};
use support::moody::{Mood, Moods};
use support::{DEVICE, Rig};

fn on(state: &Path, store: &str) -> DmServer {
    let mut config = ServerConfig::new(state.to_owned());
    config.device_listen = "127.0.0.1:0".parse().unwrap();
    config.operator_listen = "127.0.0.1:0".parse().unwrap();
    config.store = store.parse().unwrap();
    DmServer::new(config)
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_refused_before_a_state_directory_is() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let store = format!("sqlite:{}/nodir/a.sqlite", dir.path().display());
    let why = on(&state, &store).start().await.err().unwrap();
    assert!(matches!(why, StartError::Store(_)), "{why:?}");
    assert!(!state.exists());
}

#[tokio::test]
async fn a_first_start_that_fails_late_gives_the_token_that_the_next_start_takes() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    // Within the state directory, so that it cannot be opened before.
    let store = format!("sqlite:{}/nodir/a.sqlite", state.display());
    let why = on(&state, &store).start().await.err().unwrap();
    assert!(!format!("{why:?}").contains("token"), "{why:?}");
    let StartError::AfterFirstStart { cause, first } = why else {
        panic!("{why:?}")
    };
    assert!(matches!(*cause, StartError::Store(_)), "{cause:?}");
    let store = format!("sqlite:{}/a.sqlite", dir.path().display());
    let next = on(&state, &store).start().await.unwrap();
    assert!(next.first_start.is_none());
    assert_eq!(next.ca_fingerprint, first.ca_fingerprint);
    let port = next.operator_addr.port();
    let api = ApiClient::new("127.0.0.1", port, next.ca_certificate(), &first.token).unwrap();
    assert_eq!(api.devices(None).await.unwrap().devices.len(), 0);
    next.shutdown().await.unwrap();
}

#[tokio::test]
async fn half_a_copy_is_refused_as_such_and_no_state_directory_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("half.sqlite"));
    let half = SqliteStore::open(&file, &SqliteOptions::default()).unwrap();
    let (ca, sealing_key) = ("unfinished copy of caca".to_owned(), "key".to_owned());
    half.claim(Deployment { ca, sealing_key }).await.unwrap();
    let half = Arc::new(half);
    let start = || on(&state, "sqlite:unused").with_store(half.clone()).start();
    let why = start().await.err().unwrap();
    assert!(matches!(why, StartError::UnfinishedCopy(_)), "{why:?}");
    assert!(!state.exists());
    // The same for a node that has its keys.
    let own = format!("sqlite:{}/own.sqlite", dir.path().display());
    on(&state, &own)
        .start()
        .await
        .unwrap()
        .shutdown()
        .await
        .unwrap();
    let why = start().await.err().unwrap();
    assert!(matches!(why, StartError::UnfinishedCopy(_)), "{why:?}");
}

#[tokio::test]
async fn codes_of_other_devices_do_not_wait_for_one_that_the_store_holds_up() {
    let store = Moods::store();
    let given = Arc::clone(&store);
    let rig = Rig::one_node(|_| {}, |server| server.with_store(given.clone())).await;
    rig.device(DEVICE).await;
    let _code = rig.code(DEVICE).await;
    store.is(Mood::Hangs);
    let (mut first, mut second) = (rig.connect(None).await, rig.connect(None).await);
    let mut stranger = rig.connect(None).await;
    let held = async { first.fetch_with_code(DEVICE, "wrong").await.status };
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begin = Instant::now();
        let late = second.fetch_with_code(DEVICE, "wrong").await;
        assert_eq!(late.status, 503);
        assert!(!late.header("retry-after").is_empty());
        assert!(begin.elapsed() >= Duration::from_secs(4));
        // One in 64 shares the gate.
        let mut served = 0;
        for number in 1..4 {
            let dev_id = format!("IMEI:49300510059281{number}");
            let answer = stranger.fetch_with_code(&dev_id, "wrong").await;
            served += usize::from(answer.status == 401);
        }
        assert!(served > 0);
        store.is(Mood::Works);
        store.gate.add_permits(1);
    };
    let (held, ()) = support::soon(async { tokio::join!(held, others) }).await;
    assert_eq!(held, 401);
}
