//! The table of answers, row by row (D70).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use support::{
    CLIENT_INITIATED, DEV_INFO, DEVICE, DOCUMENT, PACKAGE1, PACKAGE2, PACKAGE3, Rig, completion,
};

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";

#[tokio::test]
async fn wrong_method_is_405_with_allow() {
    let rig = Rig::new().await;
    let mut wire = rig.connect(None).await;
    for (method, path, allow) in [
        (Method::GET, "/dm/2.0", "POST"),
        (Method::PUT, "/bootstrap/x", "GET, POST"),
        (Method::DELETE, "/repo/x", "GET, HEAD, PUT, POST"),
    ] {
        let answer = wire.send(method, path, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow));
        assert_eq!(answer.json()["status"], 405);
    }
    assert_eq!(
        wire.send(Method::GET, "/elsewhere", &[], "").await.status,
        404
    );
}

#[tokio::test]
async fn over_capacity_is_503_with_retry_after_and_running_sessions_go_on() {
    let rig = Rig::with(|config| config.limits.beginnings = 0, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for answer in [
        wire.fetch(DEVICE).await,
        wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await,
    ] {
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 409);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let rig = Rig::with(|config| config.limits.body_octets = 1000, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, vec![b' '; 1001])
            .await
            .status,
        413
    );
    // Before any credential is looked at.
    assert_eq!(
        rig.connect(None)
            .await
            .package(DEVICE, PACKAGE1, vec![b' '; 4000])
            .await
            .status,
        413
    );
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn x_nego_001_an_accept_that_excludes_the_answer_is_406() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let headers = [
        ("OMADM-DevID", DEVICE),
        ("Content-Type", PACKAGE1),
        ("Accept", "text/html"),
    ];
    assert_eq!(
        wire.send(Method::POST, "/dm/2.0", &headers, CLIENT_INITIATED)
            .await
            .status,
        406
    );
    assert_eq!(
        wire.send(Method::GET, "/bootstrap", &headers, "")
            .await
            .status,
        406
    );
    let headers = [
        ("OMADM-DevID", DEVICE),
        ("Accept", "text/html, application/vnd.oma.dm.mo+json;q=0.1"),
    ];
    assert_eq!(
        wire.send(Method::GET, "/bootstrap", &headers, "")
            .await
            .status,
        200
    );
    assert_eq!(
        rig.refusals()
            .await
            .iter()
            .filter(|(device, _)| device.as_deref() == Some(DEVICE))
            .count(),
        2
    );
}

#[tokio::test]
async fn x_nego_001_a_content_type_that_is_no_package_is_415() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for content_type in [
        "application/json",
        PACKAGE2,
        "text/plain",
        "application/vnd.oma.dm.initiation+json; charset=utf-16",
    ] {
        assert_eq!(
            wire.package(DEVICE, content_type, CLIENT_INITIATED)
                .await
                .status,
            415,
            "{content_type}"
        );
    }
    assert_eq!(
        wire.send(
            Method::POST,
            "/dm/2.0",
            &[("OMADM-DevID", DEVICE)],
            CLIENT_INITIATED
        )
        .await
        .status,
        415
    );
}

#[tokio::test]
async fn bad_packages_are_400_and_harm_no_running_session() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(
        wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT))
            .await
            .status,
        200
    );
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for body in [
        "",
        "{",
        "[]",
        r#"{"Alert":[]}"#,
        r#"{"Alert":[],"Alert":[]}"#,
        &deep,
    ] {
        let answer = wire.package(DEVICE, PACKAGE1, body.to_owned()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    }
    for body in [
        r#"{"Status":[]}"#,
        r#"{"Status":[{"sc":200},{"sc":200}]}"#,
        r#"{"Status":[{"sc":"200"}]}"#,
    ] {
        assert_eq!(
            wire.package(DEVICE, PACKAGE3, body).await.status,
            400,
            "{body}"
        );
    }
    assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 200);
}

#[tokio::test]
async fn a_package3_without_running_session_is_409() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 409);
}

#[tokio::test]
async fn nothing_to_do_is_204_for_a_fetch_and_end_for_a_session() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let nothing = wire.fetch(DEVICE).await;
    assert_eq!((nothing.status, nothing.body.len()), (204, 0));
    let end = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(
        (end.status, end.json()),
        (200, serde_json::json!({"CMD": [["END"]]}))
    );
}

#[tokio::test]
async fn post_fetches_as_get_does() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let posted = wire
        .send(
            Method::POST,
            "/bootstrap/any/thing",
            &[("OMADM-DevID", DEVICE)],
            "{}",
        )
        .await;
    assert_eq!((posted.status, posted.body.as_ref()), (200, DOCUMENT));
}

#[tokio::test]
async fn a_device_reaches_its_own_objects_of_the_repository_alone() {
    const OTHER: &str = "IMEI:490000000000001";
    let rig = Rig::with(
        |config| config.limits.repository_objects = 2,
        |server| server,
    )
    .await;
    let (identity, other) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let mut wire = rig.connect(Some(&identity)).await;
    let headers = [
        ("OMADM-DevID", DEVICE),
        ("Content-Type", "application/vnd.oma.dm.mo+json"),
    ];
    assert_eq!(
        wire.send(Method::PUT, "/repo/in/a", &headers, "[1]")
            .await
            .status,
        204
    );
    assert_eq!(
        wire.send(Method::POST, "/repo/in/b", &headers, "[2]")
            .await
            .status,
        204
    );
    assert_eq!(
        wire.send(Method::PUT, "/repo/in/a", &headers, "[3]")
            .await
            .status,
        204
    );
    assert_eq!(
        wire.send(Method::PUT, "/repo/in/c", &headers, "[4]")
            .await
            .status,
        507
    );
    assert_eq!(
        wire.send(Method::PUT, "/repo/in/a", &headers, "{")
            .await
            .status,
        400
    );
    assert_eq!(
        wire.send(Method::PUT, "/repo/in/a", &headers[..1], "[1]")
            .await
            .status,
        415
    );
    assert_eq!(
        wire.send(Method::GET, "/repo/in/a", &headers, "")
            .await
            .body,
        "[3]"
    );
    let mut wire = rig.connect(Some(&other)).await;
    assert_eq!(
        wire.send(Method::GET, "/repo/in/a", &[("OMADM-DevID", OTHER)], "")
            .await
            .status,
        404
    );
}
