//! The device listener's connections: how many exchanges one carries.
//! One node, whatever `OMADM_TEST_NODES` says: a connection has one listener.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use support::{DEV_INFO, DEVICE, DOCUMENT, PACKAGE1, PACKAGE3, Rig, completion, open, soon};

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";

#[tokio::test]
async fn the_last_exchange_of_a_connection_is_answered_in_full_and_closes_it() {
    let limit = |config: &mut omadm_server::config::ServerConfig| {
        config.limits.exchanges_per_connection = Some(2);
    };
    let rig = Rig::one_node(limit, |server| server).await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let fetched = wire.fetch(DEVICE).await;
    assert_eq!(fetched.header("connection"), "");
    let report = completion(EVENT, DOCUMENT);
    let first = wire.package(DEVICE, PACKAGE1, report).await;
    assert_eq!((first.status, first.header("connection")), (200, "close"));
    assert_eq!(first.json()["CMD"][0][0], "GET");
    let closed = soon(wire.try_send(Method::GET, "/bootstrap", &[], "")).await;
    assert!(closed.is_err());

    // The session is the device's, not the connection's (D02).
    let mut next = rig.connect(Some(&identity)).await;
    let last = next.package(DEVICE, PACKAGE3, DEV_INFO).await;
    assert_eq!(last.json(), serde_json::json!({"CMD": [["END"]]}));
    let traffic = rig.server().traffic();
    assert_eq!((traffic.connections, traffic.exchanges), (2, 3));
}

#[tokio::test]
async fn an_error_answer_counts_as_an_exchange_too() {
    let limit = |config: &mut omadm_server::config::ServerConfig| {
        config.limits.exchanges_per_connection = Some(1);
    };
    let rig = Rig::one_node(limit, |server| server).await;
    let mut wire = rig.connect(None).await;
    let answer = wire.send(Method::GET, "/elsewhere", &[], "").await;
    assert_eq!((answer.status, answer.header("connection")), (404, "close"));
    let closed = soon(wire.try_send(Method::GET, "/elsewhere", &[], "")).await;
    assert!(closed.is_err());
}

#[tokio::test]
async fn without_a_limit_and_for_operators_a_connection_goes_on() {
    for (limit, operator) in [(None, false), (Some(1), true)] {
        let settings = |config: &mut omadm_server::config::ServerConfig| {
            config.limits.exchanges_per_connection = limit;
        };
        let rig = Rig::one_node(settings, |server| server).await;
        let address = if operator {
            rig.operator_addr()
        } else {
            rig.device_addr()
        };
        let mut wire = open(address, &rig.connector(None)).await;
        for _ in 0..1100 {
            let answer = wire.send(Method::GET, "/elsewhere", &[], "").await;
            assert_eq!((answer.status, answer.header("connection")), (404, ""));
        }
    }
}
