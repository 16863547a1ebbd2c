//! Two nodes over one PostgreSQL: either answers any package of any session, and what comes to both is done once.
//! Always two nodes, whatever `OMADM_TEST_NODES` says: each package has its node.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use omadm_mo::Secret;
use omadm_server::config::{ReBootstrap, ServerConfig};
use omadm_server::model::{BootstrapState, EventKind};
use omadm_server::operator::types::NewBootstrap;
use omadm_tls::{CertificateDer, Identity};
use support::{
    Answer, CLIENT_INITIATED, DEV_INFO, DEVICE, DOCUMENT, PACKAGE1, PACKAGE3, Rig, Wire,
    completion, open, soon,
};
use tokio::sync::Barrier;

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const HOUR: i64 = 3600;
/// How often both nodes get the same Package#1.
const ROUNDS: usize = 12;

async fn rig(settings: impl FnOnce(&mut ServerConfig)) -> Rig {
    Rig::two_nodes(settings, |server| server).await
}

/// A connection of a device to each node.
async fn to_each(rig: &Rig, identity: &Identity) -> [Wire; 2] {
    let connector = rig.connector(Some(identity));
    let [one, two] = rig.servers() else {
        panic!("two nodes")
    };
    [
        open(one.device_addr, &connector).await,
        open(two.device_addr, &connector).await,
    ]
}

/// How many events of the log are of this kind.
async fn count(rig: &Rig, of: impl Fn(&EventKind) -> bool) -> usize {
    let events = rig.events().await;
    events.iter().filter(|it| of(&it.event.kind)).count()
}

fn is_completion(kind: &EventKind) -> bool {
    matches!(kind, EventKind::BootstrapCompleted { .. })
}

fn is_start(kind: &EventKind) -> bool {
    matches!(kind, EventKind::SessionStarted { .. })
}

fn is_answer(kind: &EventKind) -> bool {
    matches!(kind, EventKind::CommandAnswered { .. })
}

/// A Package#3 with the cookie that came with this answer.
async fn go_on(wire: &mut Wire, answer: &Answer) -> Answer {
    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    let headers = [
        ("OMADM-DevID", DEVICE),
        ("Content-Type", PACKAGE3),
        ("Cookie", cookie),
    ];
    wire.send(Method::POST, "/dm/2.0", &headers, DEV_INFO).await
}

/// Insists on 409 with a sentence that says what became of the session.
#[track_caller]
fn is_told_why(answer: &Answer) {
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 409, "{detail}");
    assert!(detail.contains("session"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_package1_at_both_nodes_at_once_is_one_session_one_record_one_event_and_the_loser_is_told_why()
 {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    for round in 1..=ROUNDS {
        let document = format!(r#"[{{"round":{round}}}]"#);
        let id = rig.seed(DEVICE, document.as_bytes(), HOUR).await;
        let package = completion(&format!("{round:032x}"), document.as_bytes());
        let [mut one, mut two] = to_each(&rig, &identity).await;
        let barrier = Arc::new(Barrier::new(2));
        let send = |mut wire: Wire| {
            let (barrier, package) = (Arc::clone(&barrier), package.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                let answer = wire.package(DEVICE, PACKAGE1, package).await;
                (wire, answer)
            })
        };
        let (first, second) = (send(one), send(two));
        let (first_answer, second_answer);
        (one, first_answer) = soon(first).await.unwrap();
        (two, second_answer) = soon(second).await.unwrap();
        // Both get the one session's answer, each with a cookie; the later cookie voids the earlier one.
        assert_eq!((first_answer.status, second_answer.status), (200, 200));
        assert_eq!(first_answer.body, second_answer.body);
        assert_eq!(count(&rig, is_start).await, round);
        assert_eq!(count(&rig, is_completion).await, round);
        let record = rig.record(&id).await;
        assert_eq!(record.state, BootstrapState::Completed);
        // Each goes on at the other node.
        let ends = [
            go_on(&mut two, &first_answer).await,
            go_on(&mut one, &second_answer).await,
        ];
        let (won, lost): (Vec<_>, Vec<_>) = ends.iter().partition(|it| it.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 1));
        assert_eq!(won[0].json(), serde_json::json!({"CMD": [["END"]]}));
        is_told_why(lost[0]);
        assert_eq!(count(&rig, is_answer).await, round);
    }
    let superseded = |kind: &EventKind| matches!(kind, EventKind::SessionSuperseded { .. });
    assert_eq!(count(&rig, superseded).await, 0);
    let dev_id = omadm_mo::DevId::parse(DEVICE).unwrap();
    assert!(rig.store().sessions(&dev_id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_begun_at_one_node_goes_on_at_the_other_for_every_package() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let mut wires = to_each(&rig, &identity).await;
    for (begins, goes_on) in [(0, 1), (1, 0)] {
        let document = format!(r#"[{{"begins":{begins}}}]"#);
        let id = rig.seed(DEVICE, document.as_bytes(), HOUR).await;
        assert_eq!(wires[begins].fetch(DEVICE).await.body, document);
        let package = completion(&format!("{begins:032x}"), document.as_bytes());
        let first = wires[goes_on].package(DEVICE, PACKAGE1, package).await;
        assert_eq!(first.status, 200);
        assert_eq!(rig.record(&id).await.state, BootstrapState::Completed);
        let last = go_on(&mut wires[begins], &first).await;
        assert_eq!(last.json(), serde_json::json!({"CMD": [["END"]]}));
    }
    for server in rig.servers() {
        assert_eq!(server.traffic().exchanges, 3);
    }
}

#[tokio::test]
async fn a_repeated_package1_gets_the_stored_answer_at_the_other_node_and_a_repeated_last_package3_has_no_second_effect()
 {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let [mut one, mut two] = to_each(&rig, &identity).await;
    let package = completion(EVENT, DOCUMENT);
    let lost = one.package(DEVICE, PACKAGE1, package.clone()).await;
    let again = two.package(DEVICE, PACKAGE1, package).await;
    assert_eq!((again.status, &again.body), (200, &lost.body));
    assert_eq!(count(&rig, is_start).await, 1);
    assert_eq!(count(&rig, is_completion).await, 1);
    let last = go_on(&mut one, &again).await;
    assert_eq!(last.json(), serde_json::json!({"CMD": [["END"]]}));
    // Its session is over (D02).
    let (commits, repeated) = rig.commits_of(go_on(&mut two, &again)).await;
    is_told_why(&repeated);
    assert_eq!(commits, 0);
    assert_eq!(count(&rig, is_answer).await, 1);
}

/// What the document of the full profile gives the device for its sessions.
fn session_credential(document: &Answer) -> Identity {
    let json = document.json();
    let auth = &json[0]["MOData"]["DMAcc"]["Auth"]["Trsp"];
    let octets = |name: &str| STANDARD.decode(auth[name].as_str().unwrap()).unwrap();
    let chain = vec![CertificateDer::from(octets("Data"))];
    Identity::new(chain, Secret::new(octets("Secret"))).unwrap()
}

#[tokio::test]
async fn a_device_is_bootstrapped_again_across_the_nodes_and_its_former_credential_ends_at_both() {
    let rig = rig(|config| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        config.re_bootstrap = ReBootstrap::Allow;
    })
    .await;
    let identity = rig.device(DEVICE).await;
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("full".to_owned()),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    let mut fetching = to_each(&rig, &identity).await;
    let document = fetching[0].fetch(DEVICE).await;
    let former = session_credential(&document);
    let mut former = to_each(&rig, &former).await;
    let package = completion(&format!("{:032x}", 1), &document.body);
    let completed = former[1].package(DEVICE, PACKAGE1, package).await;
    assert_eq!(completed.status, 200);

    let document = fetching[1].fetch(DEVICE).await;
    assert_eq!(document.status, 200);
    // Make before break: the former one opens sessions at both nodes until the new one was used.
    for wire in &mut former {
        let answer = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        assert_eq!(answer.status, 200);
    }
    let current = session_credential(&document);
    let mut current = to_each(&rig, &current).await;
    let package = completion(&format!("{:032x}", 2), &document.body);
    let completed = current[0].package(DEVICE, PACKAGE1, package).await;
    assert_eq!(completed.status, 200);
    for wire in &mut former {
        let answer = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        let told = (answer.status, answer.cause());
        assert_eq!(told, (403, "credential-revoked".to_owned()));
    }
    let answer = current[1].package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(answer.status, 200);
    let records = rig.api.device(DEVICE).await.unwrap().bootstraps;
    let states: Vec<_> = records.iter().map(|it| it.state.as_str()).collect();
    assert_eq!(states, ["completed", "completed"]);
    assert_eq!(count(&rig, is_completion).await, 2);
}
