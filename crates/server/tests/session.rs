//! A bootstrap from fetch to END over the wire, and what the records say of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::BootstrapMethod;
use omadm_server::model::{BootstrapState, EventKind};
use support::{
    CLIENT_INITIATED, DEV_INFO, DEVICE, DOCUMENT, PACKAGE1, PACKAGE2, PACKAGE3, Rig, completion,
};

const HOUR: i64 = 3600;
const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const OTHER_EVENT: &str = "00000000000000000000000000000001";

fn names(kinds: &[EventKind]) -> Vec<String> {
    kinds
        .iter()
        .map(|kind| {
            serde_json::to_value(kind).unwrap()["event"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

async fn kinds(rig: &Rig) -> Vec<EventKind> {
    rig.events()
        .await
        .into_iter()
        .map(|stored| stored.event.kind)
        .collect()
}

async fn completed_events(rig: &Rig) -> usize {
    kinds(rig)
        .await
        .iter()
        .filter(|kind| matches!(kind, EventKind::BootstrapCompleted { .. }))
        .count()
}

#[tokio::test]
async fn a_minimal_bootstrap_takes_one_connection_three_exchanges_and_two_commits() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let (commits, ()) = rig
        .commits_of(async {
            let mut wire = rig.connect(Some(&identity)).await;
            assert_eq!(wire.fetch(DEVICE).await.body, DOCUMENT);
            rig.flush_several().await;
            let first = wire
                .package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
                .await;
            assert_eq!(
                (first.status, first.header("content-type")),
                (200, PACKAGE2)
            );
            assert_eq!(
                first.json(),
                serde_json::json!({"CMD": [["GET", "urn:oma:mo:oma-dm-devinfo:1.2//"]]})
            );
            assert!(first.header("set-cookie").starts_with("omadm-session="));
            assert_eq!(
                rig.record(&id).await.state,
                BootstrapState::Completed,
                "durable before it is acknowledged"
            );
            let last = wire.package(DEVICE, PACKAGE3, DEV_INFO).await;
            assert_eq!(last.json(), serde_json::json!({"CMD": [["END"]]}));
        })
        .await;
    assert_eq!(commits, 2);
    let traffic = rig.traffic();
    assert_eq!((traffic.connections, traffic.exchanges), (1, 3));
    let record = rig.record(&id).await;
    assert_eq!(
        (
            record.event_id.as_ref().map(|id| id.as_str()),
            record.method
        ),
        (Some(EVENT), BootstrapMethod::ClientInitiated)
    );
    let device = rig.api.device(DEVICE).await.unwrap().device;
    assert_eq!(device.bootstrapped_by.as_deref(), Some("client-initiated"));
    assert_eq!(device.dev_info.unwrap()["Man"], "Acme");
    let expected = [
        "device-registered",
        "credential-added",
        "bootstrap-fetched",
        "session-started",
        "bootstrap-completed",
        "command-sent",
        "command-answered",
        "session-ended",
    ];
    assert_eq!(names(&kinds(&rig).await), expected);
}

/// The events of this name, as members.
async fn told(rig: &Rig, name: &str) -> Vec<serde_json::Value> {
    let kinds = kinds(rig).await;
    let kinds = kinds.iter().map(|kind| serde_json::to_value(kind).unwrap());
    kinds.filter(|kind| kind["event"] == name).collect()
}

/// What is told of the server's own read of DevInfo, beside durations.
fn own_read(mut what: serde_json::Value) -> serde_json::Value {
    what["duration_ms"].take();
    what
}

#[tokio::test]
async fn the_servers_own_read_of_dev_info_is_told_as_sent_each_time_and_as_answered() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for _again in 0..2 {
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await;
    }
    wire.package(DEVICE, PACKAGE3, DEV_INFO).await;
    let session = told(&rig, "session-started").await[0]["session"].clone();
    let get = "urn:oma:mo:oma-dm-devinfo:1.2//";
    let sent = |sends: u32| serde_json::json!({"event": "command-sent", "session": session, "command": "GET", "uri": get, "sends": sends});
    assert_eq!(told(&rig, "command-sent").await, [sent(1), sent(2)]);
    let answered = told(&rig, "command-answered").await;
    assert!(answered[0]["duration_ms"].is_u64(), "{answered:?}");
    let expected = serde_json::json!({"event": "command-answered", "session": session, "command": "GET", "uri": get, "status": 200, "duration_ms": null});
    assert_eq!(
        answered.into_iter().map(own_read).collect::<Vec<_>>(),
        [expected]
    );
}

#[tokio::test]
async fn an_own_read_that_is_never_answered_is_told_with_the_end_of_its_session() {
    for end in ["superseded", "swept", "found over"] {
        let rig = Rig::new().await;
        let identity = rig.device(DEVICE).await;
        let mut wire = rig.connect(Some(&identity)).await;
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await;
        match end {
            "superseded" => {}
            _ => rig.jump(15 * 60 + 1),
        }
        if end == "swept" {
            support::soon(async {
                while told(&rig, "command-unanswered").await.is_empty() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            })
            .await;
        }
        wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        let session = told(&rig, "session-started").await[0]["session"].clone();
        let unanswered = told(&rig, "command-unanswered").await;
        assert!(unanswered[0]["duration_ms"].is_u64(), "{unanswered:?}");
        let expected = serde_json::json!({"event": "command-unanswered", "session": session, "command": "GET",
            "uri": "urn:oma:mo:oma-dm-devinfo:1.2//", "duration_ms": null});
        assert_eq!(
            unanswered.into_iter().map(own_read).collect::<Vec<_>>(),
            [expected],
            "{end}"
        );
    }
}

#[tokio::test]
async fn b_30_a_completion_reported_many_times_is_one_event_and_one_record() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, HOUR).await;
    for _again in 0..3 {
        let mut wire = rig.connect(Some(&identity)).await;
        assert_eq!(
            wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
                .await
                .status,
            200
        );
        assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 200);
    }
    assert_eq!(completed_events(&rig).await, 1);
    assert_eq!(rig.record(&id).await.state, BootstrapState::Completed);
}

#[tokio::test]
async fn b_29_a_completion_without_record_of_ours_is_one_event_of_its_own() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for body in [
        completion(EVENT, b"image"),
        completion(EVENT, b"image again"),
        completion(OTHER_EVENT, b"image"),
    ] {
        assert_eq!(wire.package(DEVICE, PACKAGE1, body).await.status, 200);
    }
    assert_eq!(completed_events(&rig).await, 2);
}

#[tokio::test]
async fn an_event_that_was_reported_before_completes_no_later_record_d27() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let reported = completion(EVENT, DOCUMENT);
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, reported.clone())
            .await
            .status,
        200
    );
    let id = rig.seed(DEVICE, DOCUMENT, HOUR).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, reported + " ").await.status,
        200
    );
    assert!(!rig.record(&id).await.state.is_terminal());
    assert_eq!(completed_events(&rig).await, 1);
}

#[tokio::test]
async fn a_completion_of_another_document_leaves_the_open_record_open() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, b"another"))
            .await
            .status,
        200
    );
    assert!(!rig.record(&id).await.state.is_terminal());
}

#[tokio::test]
async fn two_package1_at_once_leave_one_session() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let (mut one, mut two) = (
        rig.connect(Some(&identity)).await,
        rig.connect(Some(&identity)).await,
    );
    let (first, second) = tokio::join!(
        one.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT)),
        two.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT) + " ")
    );
    assert_eq!((first.status, second.status), (200, 200));
    let kinds = names(&kinds(&rig).await);
    let count = |name: &str| kinds.iter().filter(|kind| *kind == name).count();
    assert_eq!(
        (
            count("session-started"),
            count("session-superseded"),
            count("bootstrap-completed")
        ),
        (2, 1, 1)
    );
    // The cookie of the older session is dead, the newer one's lives.
    let mut alive = 0;
    for answer in [first, second] {
        let cookie = answer
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let headers = [
            ("OMADM-DevID", DEVICE),
            ("Content-Type", PACKAGE3),
            ("Cookie", cookie.as_str()),
        ];
        alive += u32::from(
            one.send(http::Method::POST, "/dm/2.0", &headers, DEV_INFO)
                .await
                .status
                == 200,
        );
    }
    assert_eq!(alive, 1);
}

#[tokio::test]
async fn a_session_without_a_package_for_15_minutes_is_over_d02() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status,
        200
    );
    rig.jump(15 * 60 + 1);
    assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 409);
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED)
            .await
            .status,
        200
    );
    assert!(names(&kinds(&rig).await).contains(&"session-aborted".to_owned()));
}

#[tokio::test]
async fn a_completed_device_that_fetches_again_is_refused_by_policy_d55() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let code = rig.code(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status,
        200
    );
    let answer = wire.fetch(DEVICE).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "nothing-for-device")
    );
    // The code died with the completion (D81).
    let answer = rig.connect(None).await.fetch_with_code(DEVICE, &code).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-revoked")
    );
    assert_eq!(rig.refusals().await.len(), 2);
}

#[tokio::test]
async fn an_overdue_bootstrap_expires_by_fetch_or_by_sweep() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let id = rig.seed(DEVICE, DOCUMENT, 60).await;
    rig.jump(61);
    assert_eq!(
        rig.connect(Some(&identity))
            .await
            .fetch(DEVICE)
            .await
            .status,
        204
    );
    assert_eq!(rig.record(&id).await.state, BootstrapState::Expired);
    let id = rig.seed(DEVICE, b"[]", 60).await;
    rig.jump(61);
    support::soon(async {
        while rig.record(&id).await.state != BootstrapState::Expired {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let ended = names(&kinds(&rig).await)
        .iter()
        .filter(|name| *name == "bootstrap-ended")
        .count();
    assert_eq!(ended, 2);
}
