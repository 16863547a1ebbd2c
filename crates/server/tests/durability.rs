//! Nothing is acknowledged before it is durable, and a shutdown lets running exchanges end.
//! One node, whatever `OMADM_TEST_NODES` says: its store is one that fails on demand; `database_trouble.rs` disturbs the one that two share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use omadm_server::model::BootstrapState;
use omadm_server::store::{Bootstraps as _, Commit as _};
use support::moody::{Mood, Moods, Moody};
use support::{DEVICE, DOCUMENT, PACKAGE1, Rig, completion, soon};

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";

async fn rig() -> (Arc<Moody>, Rig) {
    let store = Moods::store();
    let given = Arc::clone(&store);
    let rig = Rig::one_node(|_| {}, |server| server.with_store(given.clone())).await;
    (store, rig)
}

#[tokio::test]
async fn a_completion_that_was_not_committed_is_not_acknowledged() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for (mood, status) in [
        (Mood::NoRoom, 503),
        (Mood::Busy, 503),
        (Mood::Conflict, 503),
    ] {
        store.is(mood);
        let answer = wire
            .package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await;
        assert_eq!(answer.status, status);
        assert!(answer.headers.contains_key("retry-after"));
        assert!(!rig.record(&id).await.state.is_terminal());
    }
    store.is(Mood::Works);
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status,
        200
    );
    assert_eq!(rig.record(&id).await.state, BootstrapState::Completed);
}

#[tokio::test]
async fn a_fetch_waits_for_no_commit() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    store.is(Mood::Hangs);
    assert_eq!(
        soon(rig.connect(Some(&identity)).await.fetch(DEVICE))
            .await
            .status,
        200
    );
    store.flush().await.unwrap();
    assert_eq!(rig.record(&id).await.state, BootstrapState::Fetched);
}

#[tokio::test]
async fn the_answer_waits_for_the_commit_and_a_shutdown_waits_for_the_answer() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let mut idle = rig.connect(Some(&identity)).await;
    assert_eq!(idle.fetch(DEVICE).await.status, 200);
    store.is(Mood::Hangs);
    let mut exchange = tokio::spawn(async move {
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status
    });
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut exchange)
            .await
            .is_err(),
        "answered before the commit"
    );
    let address = rig.device_addr();
    let mut shutdown = tokio::spawn(rig.shutdown());
    assert!(
        tokio::time::timeout(Duration::from_millis(200), &mut shutdown)
            .await
            .is_err(),
        "ended before the exchange did"
    );
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "still accepts"
    );
    assert!(
        idle.try_send(
            http::Method::GET,
            "/bootstrap",
            &[("OMADM-DevID", DEVICE)],
            ""
        )
        .await
        .is_err(),
        "an idle connection stays"
    );
    store.gate.add_permits(1);
    assert_eq!(soon(exchange).await.unwrap(), 200);
    soon(shutdown).await.unwrap().unwrap();
    assert_eq!(
        store.bootstrap(&id).await.unwrap().unwrap().state,
        BootstrapState::Completed
    );
}

#[tokio::test]
async fn a_drain_ends_at_its_limit() {
    let store = Moods::store();
    let given = Arc::clone(&store);
    let rig = Rig::one_node(
        |config| config.limits.drain = Duration::from_millis(100),
        |server| server.with_store(given.clone()),
    )
    .await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    store.is(Mood::Hangs);
    let exchange = tokio::spawn(async move {
        wire.try_send(
            http::Method::POST,
            "/dm/2.0",
            &[("OMADM-DevID", DEVICE), ("Content-Type", PACKAGE1)],
            completion(EVENT, DOCUMENT),
        )
        .await
        .map(|answer| answer.status)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    soon(rig.shutdown()).await.unwrap();
    assert!(
        soon(exchange).await.unwrap().is_err(),
        "acknowledged though nothing was committed"
    );
}
