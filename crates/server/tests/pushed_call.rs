//! Server-initiated bootstrap by a Notification (`dm20.md` §14.6, D56, D84): the device is called, and fetches its document over mutual TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm2::package0::{
    AbsentDigest, Addressee, Authenticated, Clock, ReceivedPackage0, ReplayWindow, ServerId,
};
use omadm_mo::standard::dm_acc::AuthNoti;
use omadm_mo::{DevId, Secret};
use omadm_server::config::{PushPolicy, ServerConfig};
use omadm_server::operator::types::{BootstrapBody, NewBootstrap, NewTrigger, SecretText};
use support::{DEVICE, PACKAGE1, Rig, completion, soon};
use tokio::net::UdpSocket;

const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const SECRET: &[u8] = b"boot-noti-s3cret";
const DATA: &[u8] = &[0, 255, 7];
const PATIENCE: Duration = Duration::from_secs(30);

fn calls(waits: &'static [u64]) -> impl Fn(&mut ServerConfig) {
    move |config| {
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
        config.profiles_dir = Some(profiles);
        config.push = PushPolicy {
            calls: waits
                .iter()
                .map(|one| Duration::from_millis(*one))
                .collect(),
            ..PushPolicy::default()
        };
    }
}

async fn rig(waits: &'static [u64]) -> Rig {
    Rig::with(calls(waits), |server| server).await
}

/// A device that hears Notifications, and how it is called there.
async fn ear() -> (UdpSocket, NewBootstrap) {
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("full".to_owned()),
        to: Some(format!("udp://{}", ear.local_addr().unwrap())),
        source: Some("boot".to_owned()),
        noti_secret: Some(SecretText(STANDARD.encode(SECRET))),
        noti_data: Some(STANDARD.encode(DATA)),
        ..NewBootstrap::default()
    };
    (ear, new)
}

/// The next Notification, proved by this secret: whom it names, and its id.
async fn heard(ear: &UdpSocket, rig: &Rig, secret: &[u8], data: &[u8]) -> (ServerId, u16) {
    let mut octets = [0; 1024];
    let length = soon(ear.recv(&mut octets)).await.unwrap();
    let received = ReceivedPackage0::decode(&octets[..length]).unwrap();
    let known = Addressee {
        noti: Some(AuthNoti {
            kind: AuthNoti::SHA256_DIGEST,
            data: data.to_vec(),
            secret: Secret::new(secret.to_vec()),
        }),
        window: ReplayWindow::default(),
    };
    let clock = Clock::Set(u64::try_from(rig.now().0 / 1000).unwrap());
    let accepted = received
        .judge(Some(known), AbsentDigest::Ignore, clock)
        .unwrap();
    assert_ne!(accepted.authenticated, Authenticated::Unproven);
    (
        accepted.package.server_id,
        accepted.package.notification_id.unwrap(),
    )
}

async fn until(rig: &Rig, id: &str, so: impl Fn(&BootstrapBody) -> bool) -> BootstrapBody {
    let end = Instant::now() + PATIENCE;
    loop {
        let now = rig.api.bootstrap(id).await.unwrap();
        if so(&now) {
            return now;
        }
        assert!(Instant::now() < end, "it never came about: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn b_10_a_device_is_called_by_a_bootstrap_notification_and_fetches_its_document() {
    let rig = rig(&[60_000]).await;
    let identity = rig.device(DEVICE).await;
    let (ear, new) = ear().await;
    let begun = rig.api.start_bootstrap(&new).await.unwrap();
    let push = begun.push.clone().unwrap();
    assert_eq!(
        (push.carrier.as_str(), push.source.as_deref()),
        ("notification", Some("boot"))
    );
    let (server, _) = heard(&ear, &rig, SECRET, DATA).await;
    assert_eq!(server.to_string(), "bs:boot");
    let sent = until(&rig, &begun.id, |now| now.state == "sent").await;
    assert!(
        sent.push.unwrap().next_at.is_some(),
        "it is called again where it does not come"
    );

    let mut wire = rig.connect(Some(&identity)).await;
    let document = wire.fetch(DEVICE).await;
    assert_eq!(document.status, 200);
    until(&rig, &begun.id, |now| now.state == "fetched").await;
    let package = completion(EVENT, &document.body).replace("\"client\"", "\"server\"");
    let answer = wire.package(DEVICE, PACKAGE1, package).await;
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let done = until(&rig, &begun.id, |now| now.ended_at.is_some()).await;
    assert_eq!(
        (done.state.as_str(), done.method.as_str()),
        ("completed", "server-initiated")
    );
    assert_eq!(done.push.unwrap().next_at, None);
    let stored = rig
        .store()
        .bootstraps_of(&DevId::parse(DEVICE).unwrap())
        .await
        .unwrap();
    assert_eq!(
        stored[0].push.as_ref().unwrap().sealed,
        None,
        "its secret is gone"
    );
    let shown = serde_json::to_string(&rig.api.device(DEVICE).await.unwrap()).unwrap();
    for secret in [STANDARD.encode(SECRET), "boot-noti-s3cret".to_owned()] {
        assert!(!shown.contains(&secret));
    }
}

#[tokio::test]
async fn a_device_that_does_not_come_is_called_a_few_times_and_then_its_bootstrap_has_failed() {
    let rig = rig(&[200, 200]).await;
    rig.device(DEVICE).await;
    let (ear, new) = ear().await;
    let begun = rig.api.start_bootstrap(&new).await.unwrap();
    let (_, first) = heard(&ear, &rig, SECRET, DATA).await;
    let (_, second) = heard(&ear, &rig, SECRET, DATA).await;
    assert_ne!(first, second, "a device ignores an id that it has had");
    let over = until(&rig, &begun.id, |now| now.ended_at.is_some()).await;
    let cause = over.cause.as_deref();
    assert_eq!(
        (over.state.as_str(), cause),
        ("failed", Some("notification-unanswered"))
    );
    assert_eq!(over.push.unwrap().attempts, 2);
    let shown = rig.api.device(DEVICE).await.unwrap();
    let mut issued = shown
        .credentials
        .iter()
        .filter(|one| one.bootstrap.as_deref() == Some(&begun.id));
    assert!(issued.all(|one| one.revoked_at.is_some()));
}

#[tokio::test]
async fn a_device_with_an_account_is_called_in_the_name_of_its_bootstrap_server() {
    let rig = rig(&[60_000]).await;
    let identity = rig.device(DEVICE).await;
    let (ear, mut new) = ear().await;
    rig.api.start_bootstrap(&new).await.unwrap();
    heard(&ear, &rig, SECRET, DATA).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let document = wire.fetch(DEVICE).await;
    let trsp = &document.json()[0]["MOData"]["DMAcc"]["Auth"];
    let noti = trsp["Noti"].clone();
    let session = support::secrets::trsp(&trsp["Trsp"]);
    let package = completion(EVENT, &document.body);
    let mut session = rig.connect(Some(&session)).await;
    assert_eq!(session.package(DEVICE, PACKAGE1, package).await.status, 200);

    (new.source, new.noti_secret, new.noti_data) = (None, None, None);
    let begun = rig.api.start_bootstrap(&new).await.unwrap();
    assert_eq!(begun.push.unwrap().source.as_deref(), Some("localhost"));
    let octets = |name: &str| {
        STANDARD
            .decode(noti[name].as_str().unwrap_or_default())
            .unwrap()
    };
    let (server, _) = heard(&ear, &rig, &octets("Secret"), &octets("Data")).await;
    assert_eq!(server.to_string(), "bs:localhost");
}

#[tokio::test]
async fn b_28_a_triggered_device_is_called_where_the_trigger_says() {
    let rig = rig(&[60_000]).await;
    let (ear, told) = ear().await;
    let trigger = |key: &str| NewTrigger {
        key: key.to_owned(),
        source: "network".to_owned(),
        dev_id: DEVICE.to_owned(),
        profile: "full".to_owned(),
        address: told.to.clone(),
        ..NewTrigger::default()
    };
    let noted = rig.api.trigger(&trigger("noted")).await.unwrap();
    assert_eq!(noted.bootstrap.method, "client-initiated");
    assert_eq!(noted.bootstrap.push, None);

    let new = NewTrigger {
        method: Some("server-initiated".to_owned()),
        ..trigger("unproved")
    };
    assert!(
        rig.api.trigger(&new).await.is_err(),
        "nothing proves the Notification"
    );
    let new = NewTrigger {
        bootstrap_source: told.source.clone(),
        noti_secret: told.noti_secret.clone(),
        noti_data: told.noti_data.clone(),
        ..trigger("called")
    };
    let taken = rig.api.trigger(&new).await.unwrap();
    assert_eq!(taken.bootstrap.method, "server-initiated");
    let (server, _) = heard(&ear, &rig, SECRET, DATA).await;
    assert_eq!(server.to_string(), "bs:boot");
    let known = rig.api.device(DEVICE).await.unwrap().device.notify;
    assert_eq!(known.addresses.unwrap_or_default(), [told.to.unwrap()]);
}
