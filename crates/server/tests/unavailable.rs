//! What peers and operators see while the store does not answer.
//! One node, whatever `OMADM_TEST_NODES` says: its store is one that fails on demand; `database_trouble.rs` disturbs the one that two share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use http::Method;
use omadm_server::model::{BootstrapState, EventKind, EventLag, StoredEvent};
use support::moody::{ADDRESS, Mood, Moods, Moody, WHY};
use support::{Answer, DEVICE, DOCUMENT, PACKAGE1, Rig, completion, open, soon};

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const AWAY: &str = "the store does not answer now";
const NOT_KNOWN: &str =
    "the store does not answer now; whether this request was carried out is not known";

async fn rig() -> (Arc<Moody>, Rig) {
    let store = Moods::store();
    let given = Arc::clone(&store);
    let rig = Rig::one_node(|_| {}, |server| server.with_store(given.clone())).await;
    (store, rig)
}

/// A request to the operator listener.
async fn ask(rig: &Rig, method: Method, path: &str, token: Option<&str>, body: &str) -> Answer {
    let mut wire = open(rig.operator_addr(), &rig.connector(None)).await;
    let bearer = format!("Bearer {}", token.unwrap_or_default());
    let mut headers = vec![("Content-Type", "application/json")];
    if token.is_some() {
        headers.push(("Authorization", &bearer));
    }
    soon(wire.send(method, path, &headers, body.to_owned())).await
}

fn token(rig: &Rig) -> String {
    String::from_utf8(rig.token.expose().to_vec()).unwrap()
}

/// 503 with this sentence, a wait from 3 to 10 s, an advice, and nothing of the store's address.
fn is_503(answer: &Answer, sentence: &str) {
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (503, &503.into()));
    assert_eq!(json["detail"], sentence);
    let wait: u32 = answer.header("retry-after").parse().unwrap();
    assert!((3..=10).contains(&wait), "{wait}");
    assert!(json["action"].as_str().unwrap().contains("Retry-After"));
    let text = format!(
        "{:?}{}",
        answer.headers,
        String::from_utf8_lossy(&answer.body)
    );
    for secret in [ADDRESS, WHY, "keeper", "internal", "192.0.2.7", "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn devices_are_told_to_come_back_and_find_everything_when_they_do() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let code = rig.code(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let mut stranger = rig.connect(None).await;
    store.is(Mood::Away);
    is_503(&wire.fetch(DEVICE).await, AWAY);
    is_503(&stranger.fetch_with_code(DEVICE, &code).await, AWAY);
    let package = completion(EVENT, DOCUMENT);
    is_503(&wire.package(DEVICE, PACKAGE1, package.clone()).await, AWAY);
    let named = [("OMADM-DevID", DEVICE)];
    let object = wire.send(Method::GET, "/repo/object", &named, "").await;
    is_503(&object, AWAY);
    store.is(Mood::Works);
    assert_eq!(wire.fetch(DEVICE).await.status, 200);
    assert_eq!(wire.package(DEVICE, PACKAGE1, package).await.status, 200);
    assert_eq!(rig.record(&id).await.state, BootstrapState::Completed);
    assert_eq!(rig.refusals().await, []);
}

#[tokio::test]
async fn a_completion_whose_answer_the_store_lost_is_accepted_again_and_recorded_once() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let package = completion(EVENT, DOCUMENT);
    store.is(Mood::AnswerLost);
    is_503(
        &wire.package(DEVICE, PACKAGE1, package.clone()).await,
        NOT_KNOWN,
    );
    store.is(Mood::Works);
    assert_eq!(wire.package(DEVICE, PACKAGE1, package).await.status, 200);
    assert_eq!(rig.record(&id).await.state, BootstrapState::Completed);
    let completed =
        |stored: &&StoredEvent| matches!(stored.event.kind, EventKind::BootstrapCompleted { .. });
    assert_eq!(rig.events().await.iter().filter(completed).count(), 1);
}

#[tokio::test]
async fn operators_are_told_to_come_back_and_whether_anything_was_done() {
    let (store, rig) = rig().await;
    rig.device(DEVICE).await;
    let token = token(&rig);
    let ask = async |method, path, body| ask(&rig, method, path, Some(&token), body).await;
    let new_device = r#"{"dev_id":"IMEI:493005100592818","code":true}"#;
    store.is(Mood::Away);
    for path in [
        "/api/v1/devices",
        "/api/v1/devices/IMEI:493005100592800",
        "/api/v1/bootstraps",
        "/api/v1/events",
    ] {
        is_503(&ask(Method::GET, path, "").await, AWAY);
    }
    let added = ask(Method::POST, "/api/v1/devices", new_device).await;
    is_503(&added, AWAY);
    store.is(Mood::ReadOnly);
    let added = ask(Method::POST, "/api/v1/devices", new_device).await;
    is_503(&added, "the store takes no writes now; nothing was changed");
    store.is(Mood::AnswerLost);
    let added = ask(Method::POST, "/api/v1/devices", new_device).await;
    is_503(&added, NOT_KNOWN);
    store.is(Mood::Works);
    let added = ask(Method::POST, "/api/v1/devices", new_device).await;
    assert_eq!(added.status, 409);
}

#[tokio::test]
async fn a_node_is_ready_only_while_its_store_answers_in_time_and_takes_writes() {
    let (store, rig) = rig().await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 3600).await;
    let probe = async |path| ask(&rig, Method::GET, path, None, "").await;
    assert_eq!(probe("/readyz").await.status, 200);
    for mood in [Mood::Away, Mood::Frozen] {
        store.is(mood);
        is_503(&probe("/readyz").await, AWAY);
        assert_eq!(probe("/healthz").await.status, 200);
        store.is(Mood::Works);
        assert_eq!(probe("/readyz").await.body, "ready\n");
    }
    let mut wire = rig.connect(Some(&identity)).await;
    store.is(Mood::ReadOnly);
    assert_eq!(probe("/readyz").await.status, 200);
    let refused = wire
        .package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
        .await;
    let sentence = "the store takes no writes now";
    is_503(&refused, &format!("{sentence}; nothing was changed"));
    is_503(&probe("/readyz").await, sentence);
    store.is(Mood::Works);
    is_503(&probe("/readyz").await, sentence);
    let taken = wire
        .package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
        .await;
    assert_eq!(taken.status, 200);
    assert_eq!(probe("/readyz").await.status, 200);
}

#[tokio::test]
async fn metrics_need_the_token_and_show_how_far_positions_are_behind() {
    let (store, rig) = rig().await;
    rig.device(DEVICE).await;
    let mut wire = rig.connect(None).await;
    for _again in 0..3 {
        wire.fetch(DEVICE).await;
    }
    for wrong in [None, Some(""), Some("wrong")] {
        let answer = ask(&rig, Method::GET, "/metrics", wrong, "").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"omadm\"");
    }
    store.lags(EventLag {
        position: 41,
        waiting: 3,
        since: Some(rig.now().plus_millis(-90_500)),
    });
    let token = token(&rig);
    let answer = ask(&rig, Method::GET, "/metrics", Some(&token), "").await;
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let has = |text: &str, line: &str| assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    let deltas = rig.server().commits().deltas;
    has(&text, "omadm_store_up 1");
    has(&text, "omadm_event_position 41");
    has(&text, "omadm_events_waiting 3");
    has(&text, "# TYPE omadm_event_lag_seconds gauge");
    has(&text, "omadm_store_backlog 0");
    has(&text, "# TYPE omadm_commits counter");
    has(
        &text,
        &format!("omadm_commits_total{{kind=\"delta\"}} {deltas}"),
    );
    has(&text, "omadm_connections_total{listener=\"device\"} 1");
    has(&text, "omadm_exchanges_total{listener=\"device\"} 3");
    has(
        &text,
        &format!(
            "omadm_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
    );
    assert_eq!(text.lines().last(), Some("# EOF"));
    let lag = text
        .lines()
        .find_map(|line| line.strip_prefix("omadm_event_lag_seconds "));
    let lag: f64 = lag.unwrap().parse().unwrap();
    assert!((90.5..120.0).contains(&lag), "{lag}");

    store.is(Mood::Away);
    let answer = ask(&rig, Method::GET, "/metrics", Some(&token), "").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.status, 200);
    has(&text, "omadm_store_up 0");
    has(&text, "omadm_exchanges_total{listener=\"device\"} 3");
    assert!(!text.contains("omadm_event"), "{text}");
}
