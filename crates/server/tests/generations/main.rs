//! Generations of secrets over the wire (D83): rotation in a session, the way back of a device that was rolled back, and what policy refuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod renewed;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use omadm_server::config::{GenerationPolicy, ReBootstrap, Rotate, ServerConfig, Verdict};
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{NewBootstrap, NewRotation};
use omadm_tls::{CertificateDer, Fingerprint, Identity};
use serde_json::json;
use support::secrets::{Device, NOTIFICATION, SESSION, commands, trsp};
use support::{Answer, CLIENT_INITIATED, DEV_INFO, DEVICE, PACKAGE1, PACKAGE3, Rig};

const OTHER: &str = "IMEI:493005100592801";
const METHODS: [&str; 4] = ["factory", "smartcard", "client", "server"];

/// The document of a bootstrap can be replayed by every method: cards and images by themselves, the URL by this setting.
async fn rig(settings: impl FnOnce(&mut ServerConfig)) -> Rig {
    let settings = |config: &mut ServerConfig| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        config.re_bootstrap = ReBootstrap::Same;
        settings(config);
    };
    Rig::with(settings, |server| server).await
}

fn refused(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn b_32_a_device_comes_back_by_every_method_whatever_was_rotated_since() {
    let rig = rig(|_| {}).await;
    let rows: [&[&str]; 4] = [&[], &[SESSION], &[NOTIFICATION], &[SESSION, NOTIFICATION]];
    let mut number = 0;
    for method in METHODS {
        for rotated in rows {
            number += 1;
            let row = format!("{method}, rotated: {rotated:?}");
            let mut device = Device::new(&rig, &format!("IMEI:{number:015}"), method).await;
            // First.
            assert_eq!(device.live(SESSION).await, ["pending"], "{row}");
            let first = device.bootstrap().await;
            assert_eq!((first.first.status, first.fetched), (200, 0), "{row}");
            assert_eq!(device.live(SESSION).await, ["current"]);
            assert_eq!(device.live(NOTIFICATION).await, ["current"]);
            assert_eq!(device.told("rebootstrapped").await.len(), 0);

            if !rotated.is_empty() {
                device.rotated(rotated).await;
            }
            let lost = device.trsp.clone();
            for scope in [SESSION, NOTIFICATION] {
                let expected: &[&str] = if rotated.contains(&scope) {
                    &["boot", "current"]
                } else {
                    &["current"]
                };
                assert_eq!(device.live(scope).await, expected, "{row}: {scope}");
            }
            assert!(device.proves_notifications().await, "{row}");

            // Again.
            let again = device.bootstrap().await;
            assert_eq!(again.first.status, 200, "{row}");
            assert_eq!(
                again.fetched,
                rotated.len(),
                "{row}: what came back is replaced"
            );
            let told = device.told("rebootstrapped").await;
            let expected = json!(rotated);
            let recovered = told[0].get("recovered").cloned().unwrap_or(json!([]));
            assert_eq!((told.len(), &recovered), (1, &expected), "{row}");
            let reported = match method {
                "client" => "client-initiated",
                "server" => "server-initiated",
                other => other,
            };
            assert_eq!(told[0]["method"], reported);
            assert_eq!(device.told("bootstrap-completed").await.len(), 2);
            assert!(device.proves_notifications().await, "{row}");
            if rotated.contains(&SESSION) {
                let refusal = rig
                    .connect(Some(&lost))
                    .await
                    .package(&device.dev_id, PACKAGE1, CLIENT_INITIATED)
                    .await;
                let dead = (refusal.status, refusal.cause());
                assert_eq!(dead, (403, "credential-revoked".to_owned()), "{row}");
            }
            // The new ones are in use, and the provisioned ones wait for the next time.
            assert_eq!(device.usual().await.first.status, 200, "{row}");
            for scope in [SESSION, NOTIFICATION] {
                let expected: &[&str] = if rotated.contains(&scope) {
                    &["boot", "current"]
                } else {
                    &["current"]
                };
                assert_eq!(device.live(scope).await, expected, "{row}: {scope}");
            }
            let third = device.bootstrap().await;
            assert_eq!(third.first.status, 200, "{row}: and once more");
        }
    }
}

#[tokio::test]
async fn make_before_break_a_rotation_may_stop_before_and_after_each_message() {
    let rig = rig(|_| {}).await;
    // 0: queued; 1: the command left; 2: the document left; 3: it is stored, its status lost; 4: its status arrived.
    for stop in 0..=4_u8 {
        let mut device = Device::new(&rig, &format!("IMEI:{stop:015}"), "factory").await;
        device.bootstrap().await;
        device.rotate(SESSION).await.unwrap();
        let (state, detail) = refused(device.rotate(SESSION).await);
        assert!(state == 409 && detail.contains("on its way"), "{detail}");
        if stop > 0 {
            let mut wire = device.wire().await;
            let package = format!("{CLIENT_INITIATED}{}", " ".repeat(stop.into()));
            let first = wire.package(&device.dev_id, PACKAGE1, package).await;
            let hget = commands(&first).remove(0);
            assert_eq!(hget[0], "HGET");
            if stop > 1 {
                let found = device.fetch(&mut wire, &hget[1]).await;
                assert_eq!(
                    device.fetch(&mut wire, &hget[1]).await.body,
                    found.body,
                    "an HGET that is repeated brings the same"
                );
                if stop > 2 {
                    device.store(&hget[2], &found.json());
                }
                if stop > 3 {
                    let status = r#"{"Status":[{"sc":200}]}"#;
                    let last = wire.package(&device.dev_id, PACKAGE3, status).await;
                    assert_eq!(last.json(), json!({"CMD": [["END"]]}));
                    let path = &hget[1][hget[1].find("/repo/").unwrap()..];
                    let headers = [("OMADM-DevID", device.dev_id.as_str())];
                    let gone = wire.send(Method::GET, path, &headers, "").await;
                    assert_eq!(gone.status, 404, "the document outlived its command");
                }
            }
        }
        assert_eq!(device.live(SESSION).await, ["current", "pending"]);
        // The device comes by what it has, whichever that is.
        let next = device.usual().await;
        assert_eq!(next.first.status, 200, "stopped at {stop}");
        assert_eq!(next.fetched, usize::from(stop < 4), "stopped at {stop}");
        assert_eq!(device.usual().await.first.status, 200);
        assert_eq!(device.live(SESSION).await, ["boot", "current"]);
        assert_eq!(device.told("secret-rotated").await.len(), 1);
        let replaced = device.credential(&device.boot).await;
        assert!(replaced.escrowed && replaced.used_at.is_some());
        let current = device.credential(&device.trsp).await;
        assert!(!current.escrowed && current.since.is_some() && current.used_at.is_some());
    }
}

#[tokio::test]
async fn a_rotation_that_is_taken_back_before_it_left_leaves_nothing_pending() {
    let rig = rig(|_| {}).await;
    for scope in [SESSION, NOTIFICATION] {
        let mut device = Device::new(&rig, &format!("{scope}:1"), "factory").await;
        device.bootstrap().await;
        let queued = device.rotate(scope).await.unwrap();
        assert_eq!(device.live(scope).await, ["current", "pending"]);
        let cancelled = rig
            .api
            .cancel_command(&device.dev_id, queued.command.as_ref().unwrap());
        assert_eq!(cancelled.await.unwrap().state, "cancelled");
        assert_eq!(device.live(scope).await, ["current"], "{scope}");
        assert_eq!(device.told("credential-revoked").await.len(), 1, "{scope}");
        let again = rig
            .api
            .cancel_command(&device.dev_id, queued.command.as_ref().unwrap());
        assert_eq!(again.await.unwrap().state, "cancelled");
        assert_eq!(device.told("credential-revoked").await.len(), 1, "{scope}");
        // The device gets nothing of it; the next rotation is as if there had been none.
        assert_eq!(device.usual().await.fetched, 0);
        device.rotated(&[scope]).await;
        assert_eq!(device.live(scope).await, ["boot", "current"], "{scope}");
    }
    // One that left is answered first: nobody knows yet whether the device has it.
    let mut device = Device::new(&rig, "IMEI:1", "factory").await;
    device.bootstrap().await;
    let queued = device.rotate(SESSION).await.unwrap();
    let _left = device.open(CLIENT_INITIATED).await;
    let (status, _) = refused(
        rig.api
            .cancel_command(&device.dev_id, queued.command.as_ref().unwrap())
            .await,
    );
    assert_eq!(status, 409);
    assert_eq!(device.live(SESSION).await, ["current", "pending"]);
}

#[tokio::test]
async fn a_device_that_does_not_store_the_new_secret_goes_on_with_the_former_one() {
    let rig = rig(|_| {}).await;
    let mut device = Device::new(&rig, DEVICE, "client").await;
    device.bootstrap().await;
    for scope in [SESSION, NOTIFICATION] {
        device.rotate(scope).await.unwrap();
        let mut wire = device.wire().await;
        let first = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        assert_eq!(commands(&first).len(), 1, "{scope}");
        let status = r#"{"Status":[{"sc":500}]}"#;
        assert_eq!(wire.package(DEVICE, PACKAGE3, status).await.status, 200);
        assert_eq!(device.live(scope).await, ["current", "pending"]);
    }
    let failed = device.told("rotation-failed").await;
    assert_eq!((failed.len(), &failed[0]["status"]), (2, &json!(500)));
    assert!(device.proves_notifications().await);
    device.rotated(&[SESSION, NOTIFICATION]).await;
    for scope in [SESSION, NOTIFICATION] {
        assert_eq!(device.live(scope).await, ["boot", "current"], "{scope}");
    }
    assert!(device.proves_notifications().await);
}

#[tokio::test]
async fn a_secret_that_the_device_cannot_fetch_is_made_three_times() {
    let rig = rig(|_| {}).await;
    let mut device = Device::new(&rig, DEVICE, "client").await;
    device.bootstrap().await;
    for scope in [SESSION, NOTIFICATION] {
        device.rotate(scope).await.unwrap();
        for _fetch in 0..3 {
            let mut wire = device.wire().await;
            let first = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
            assert_eq!(commands(&first).len(), 1, "{scope}");
            let status = r#"{"Status":[{"sc":502}]}"#;
            assert_eq!(wire.package(DEVICE, PACKAGE3, status).await.status, 200);
        }
        let mut wire = device.wire().await;
        let after = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        assert_eq!(commands(&after), [["END"]], "{scope}");
    }
    assert_eq!(device.told("rotation-failed").await.len(), 6);
    let queued = device.told("rotation-queued").await;
    let reasons: Vec<_> = queued.iter().map(|event| &event["reason"]).collect();
    let each = ["operator", "retry", "retry"];
    assert_eq!(reasons, [each, each].concat());
    device.rotated(&[SESSION, NOTIFICATION]).await;
    for scope in [SESSION, NOTIFICATION] {
        assert_eq!(device.live(scope).await, ["boot", "current"], "{scope}");
    }
}

#[tokio::test]
async fn a_replaced_secret_without_bootstrap_complete_is_refused_with_an_event() {
    let rig = rig(|_| {}).await;
    let mut device = Device::new(&rig, DEVICE, "factory").await;
    device.bootstrap().await;
    device.rotated(&[SESSION]).await;
    let current = device.trsp.clone();
    device.roll_back();
    let refusal = device.open(CLIENT_INITIATED).await;
    let told = (refusal.status, refusal.cause());
    assert_eq!(told, (403, "credential-replaced".to_owned()));
    assert_eq!(refusal.header("retry-after"), "");
    let headers = [("OMADM-DevID", DEVICE)];
    let mut wire = device.wire().await;
    let repo = wire.send(Method::GET, "/repo/x", &headers, "").await;
    assert_eq!((repo.status, repo.cause()), told);
    let events = device.told("request-refused").await;
    assert_eq!(events[0]["cause"], "credential-replaced");
    // Nothing became of the one in use.
    device.trsp = current;
    assert_eq!(device.usual().await.first.status, 200);
}

#[tokio::test]
async fn policy_may_hold_a_replaced_secret_until_an_operator_lets_the_device_back() {
    let policy = GenerationPolicy {
        without_event: Verdict::Hold,
        ..GenerationPolicy::default()
    };
    let rig = rig(|config| config.generations = policy).await;
    let mut device = Device::new(&rig, DEVICE, "smartcard").await;
    device.bootstrap().await;
    let (status, _) = refused(rig.api.accept_boot(DEVICE).await);
    assert_eq!(status, 409, "nothing was replaced");
    device.rotated(&[SESSION, NOTIFICATION]).await;
    let rotated = device.trsp.clone();
    device.roll_back();
    for _again in 0..2 {
        let held = device.open(CLIENT_INITIATED).await;
        assert_eq!((held.status, held.header("retry-after")), (403, "3600"));
        assert_eq!(held.cause(), "credential-replaced");
    }
    assert_eq!(device.told("credential-held").await.len(), 1);
    let boot = device.credential(&device.boot).await;
    assert!(boot.held_at.is_some() && boot.generation == "boot");
    assert_eq!(rig.api.accept_boot(DEVICE).await.unwrap().accepted, 2);
    assert_eq!(device.open(CLIENT_INITIATED).await.status, 200);
    let boot = device.credential(&device.boot).await;
    assert!(boot.held_at.is_none() && boot.generation == "current");
    assert!(device.credential(&rotated).await.revoked_at.is_some());
    assert!(device.proves_notifications().await);
    assert_eq!(device.told("credential-accepted").await.len(), 2);
}

#[tokio::test]
async fn a_revoked_generation_never_comes_back() {
    let rig = rig(|_| {}).await;
    let mut device = Device::new(&rig, DEVICE, "smartcard").await;
    device.bootstrap().await;
    device.rotated(&[SESSION]).await;
    let done = rig.api.revoke_generation(DEVICE, "boot", None).await;
    let done = done.unwrap();
    let boot = device.credential(&device.boot).await;
    assert_eq!(done.revoked, [boot.id]);
    // Notification and bootstrap secrets are in use as they were provisioned, and leave escrow.
    assert_eq!(done.out_of_escrow.len(), 2);
    let current = device.trsp.clone();
    device.roll_back();
    let completion = device.completion();
    let refusal = device.open(&completion).await;
    let told = (refusal.status, refusal.cause());
    assert_eq!(told, (403, "credential-revoked".to_owned()));
    assert_eq!(device.told("request-refused").await.len(), 1);
    device.trsp = current;
    device.rotated(&[NOTIFICATION]).await;
    let noti = device.credentials(NOTIFICATION).await;
    assert!(noti[0].revoked_at.is_some(), "out of escrow it is not kept");
    let nothing = rig
        .api
        .revoke_generation(DEVICE, "boot", Some(SESSION))
        .await;
    let nothing = nothing.unwrap();
    assert!(nothing.revoked.is_empty() && nothing.out_of_escrow.is_empty());
    let (status, detail) = refused(rig.api.revoke_generation(DEVICE, "old", None).await);
    assert!(status == 400 && detail.contains("\"old\""), "{detail}");
}

#[tokio::test]
async fn an_old_package_replayed_by_another_device_is_refused_with_an_event_or_held() {
    for hold in [false, true] {
        let verdict = if hold { Verdict::Hold } else { Verdict::Refuse };
        let policy = GenerationPolicy {
            revoked: verdict,
            other_device: verdict,
            ..GenerationPolicy::default()
        };
        let rig = rig(|config| config.generations = policy).await;
        rig.device(OTHER).await;
        let mut device = Device::new(&rig, DEVICE, "smartcard").await;
        device.bootstrap().await;
        device.rotated(&[SESSION]).await;
        let current = device.trsp.clone();
        device.roll_back();
        let completion = device.completion();
        let mut wire = device.wire().await;
        let refusal = wire.package(OTHER, PACKAGE1, completion).await;
        let told = (refusal.status, refusal.cause());
        assert_eq!(told, (403, "credential-foreign".to_owned()));
        let waits = if hold { "3600" } else { "" };
        assert_eq!(refusal.header("retry-after"), waits);
        let events = device.told("request-refused").await;
        assert_eq!(events[0]["claimed"], OTHER);
        let waits_for_operator = events[0]["detail"].as_str().unwrap().contains("operator");
        assert_eq!(waits_for_operator, hold);
        assert!(device.told("rebootstrapped").await.is_empty());
        // The device itself is not harmed; what is revoked is answered by the same policy.
        device.trsp = current;
        assert_eq!(device.usual().await.first.status, 200);
        let id = device.credential(&device.trsp).await.id;
        rig.api.revoke_credential(DEVICE, &id).await.unwrap();
        let revoked = device.open(CLIENT_INITIATED).await;
        assert_eq!(revoked.cause(), "credential-revoked");
        assert_eq!(revoked.header("retry-after"), waits);
    }
}

#[tokio::test]
async fn recovery_costs_no_more_than_a_first_bootstrap() {
    let rig = rig(|config| config.rotate = Rotate::Never).await;
    let identity = rig.device(DEVICE).await;
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("full".to_owned()),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    let mut device: Option<Device<'_>> = None;
    let mut costs = Vec::new();
    for _round in 0..3 {
        let before = rig.traffic();
        let (commits, ()) = rig
            .commits_of(async {
                let document = rig.connect(Some(&identity)).await.fetch(DEVICE).await;
                assert_eq!(document.status, 200);
                let json = document.json();
                let auth = &json[0]["MOData"]["DMAcc"]["Auth"];
                let boot = trsp(&auth["Trsp"]);
                let device = device.get_or_insert_with(|| Device {
                    rig: &rig,
                    dev_id: DEVICE.to_owned(),
                    method: "client",
                    trsp: boot.clone(),
                    boot,
                    noti: String::new(),
                    document,
                    events: 0,
                });
                assert_eq!(device.bootstrap().await.first.status, 200);
            })
            .await;
        let after = rig.traffic();
        costs.push((
            commits,
            after.exchanges - before.exchanges,
            after.connections - before.connections,
        ));
        let device = device.as_mut().unwrap();
        device.rotated(&[SESSION, NOTIFICATION]).await;
    }
    assert_eq!(costs[0].0, 2, "{costs:?}");
    assert_eq!(costs[1], costs[0], "{costs:?}");
    assert_eq!(costs[2], costs[0], "{costs:?}");
    let device = device.unwrap();
    assert_eq!(device.told("rebootstrapped").await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_rotated_is_told_with_what_to_do() {
    let rig = rig(|config| config.rotate = Rotate::AfterBootstrap).await;
    let identity = rig.device(DEVICE).await;
    let rotate = async |scope: &str| {
        let new = NewRotation {
            scope: Some(scope.to_owned()),
            ..NewRotation::default()
        };
        refused(rig.api.rotate(DEVICE, &new).await)
    };
    assert_eq!(rotate(SESSION).await.0, 409);
    assert_eq!(rotate("bootstrap").await.0, 409);
    assert_eq!(rotate("everything").await.0, 400);
    // The minimal profile gives no secret. By policy the device gets one of its own after its bootstrap, with the node above it.
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("minimal".to_owned()),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    let mut wire = rig.connect(Some(&identity)).await;
    let document = wire.fetch(DEVICE).await;
    let event = "5f0c1d2e3a4b5c6d7e8f901122334455";
    let completion = support::completion(event, &document.body);
    assert_eq!(wire.package(DEVICE, PACKAGE1, completion).await.status, 200);
    let next = wire.package(DEVICE, PACKAGE3, DEV_INFO).await;
    let hget = commands(&next).remove(0);
    assert_eq!(hget[2], "urn:oma:mo:oma-dm-dmacc:1.2//Auth");
    let path = &hget[1][hget[1].find("/repo/").unwrap()..];
    let headers = [("OMADM-DevID", DEVICE)];
    let found = wire.send(Method::GET, path, &headers, "").await;
    let issued = trsp(&found.json()[0]["MOData"]["Auth"]["Trsp"]);
    let status = r#"{"Status":[{"sc":200}]}"#;
    wire.package(DEVICE, PACKAGE3, status).await;
    let (status, detail) = rotate(NOTIFICATION).await;
    assert!(status == 409 && detail.contains("no Auth/Noti"), "{detail}");
    let mut own = rig.connect(Some(&issued)).await;
    let answer = own.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(answer.status, 200);
    // A device that was reset comes by its identity again: what was rotated is dead.
    assert_eq!(wire.fetch(DEVICE).await.body, document.body);
    let event = "5f0c1d2e3a4b5c6d7e8f901122334456";
    let again = support::completion(event, &document.body);
    assert_eq!(wire.package(DEVICE, PACKAGE1, again).await.status, 200);
    let dead = own.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(dead.cause(), "credential-revoked");
}

#[tokio::test]
async fn no_secret_of_a_rotation_is_told_by_api_events_or_commands() {
    let rig = rig(|_| {}).await;
    let mut device = Device::new(&rig, DEVICE, "factory").await;
    device.bootstrap().await;
    let rotated = device.rotate(NOTIFICATION).await.unwrap();
    assert_eq!(device.usual().await.fetched, 1);
    let command = rig
        .api
        .command(DEVICE, rotated.command.as_ref().unwrap())
        .await
        .unwrap();
    let told = [
        serde_json::to_string(&rig.api.device(DEVICE).await.unwrap()).unwrap(),
        serde_json::to_string(&command).unwrap(),
        serde_json::to_string(&rotated).unwrap(),
    ];
    for told in told {
        assert!(told.contains("notification") || told.contains("HGET"));
        assert!(!told.contains(&device.noti), "{told}");
    }
    // Another device reads nothing of it, and neither does a stranger.
    let other = rig.device(OTHER).await;
    device.rotate(NOTIFICATION).await.unwrap();
    let first = device.open(CLIENT_INITIATED).await;
    let url = commands(&first).remove(0).remove(1);
    let path = &url[url.find("/repo/").unwrap()..];
    let mut wire = rig.connect(Some(&other)).await;
    for (dev_id, expected) in [(OTHER, 404), (DEVICE, 403)] {
        let answer = wire
            .send(Method::GET, path, &[("OMADM-DevID", dev_id)], "")
            .await;
        assert_eq!(answer.status, expected, "{dev_id}");
    }
}
