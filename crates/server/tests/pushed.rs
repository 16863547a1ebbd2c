//! Server-initiated bootstrap (`dm20.md` §14.6, D56): the document goes to the device itself over mutual TLS, try by try, to an end in bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use omadm_bootstrap::PayloadHash;
use omadm_mo::DevId;
use omadm_server::config::{PushPolicy, ServerConfig};
use omadm_server::model::{BootstrapChange, BootstrapState, EventKind, ExchangeDelta, RecordId};
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{BootstrapBody, NewBootstrap, NewDevice, NewTrigger};
use omadm_tls::{CertificateValidity, DevelopmentCa, Fingerprint, UnixTime};
use support::listening_device::{ListeningDevice, Reply, problem, status};
use support::{DEVICE, PACKAGE1, Rig, completion};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

const OTHER: &str = "IMEI:004402520020088";
const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries that follow one another soon: three of them.
fn soon(config: &mut ServerConfig) {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
    config.profiles_dir = Some(profiles);
    config.push = PushPolicy {
        try_within: Duration::from_millis(1500),
        waits: vec![Duration::from_millis(100); 2],
        calls: vec![Duration::from_millis(300); 2],
        at_once: 4,
    };
}

async fn rig() -> Rig {
    Rig::with(soon, |server| server).await
}

fn new(to: &str) -> NewBootstrap {
    NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("minimal".to_owned()),
        to: Some(to.to_owned()),
        ..NewBootstrap::default()
    }
}

/// The bootstrap once it is so.
async fn until(
    rig: &Rig,
    id: &str,
    what: &str,
    so: impl Fn(&BootstrapBody) -> bool,
) -> BootstrapBody {
    let end = Instant::now() + PATIENCE;
    loop {
        let now = rig.api.bootstrap(id).await.unwrap();
        if so(&now) {
            return now;
        }
        assert!(Instant::now() < end, "it never came about: {what}: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ended(rig: &Rig, id: &str) -> BootstrapBody {
    until(rig, id, "its end", |now| now.ended_at.is_some()).await
}

fn refused(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn b_10_b_11_dm_boot_001_s_m_a_document_is_pushed_over_mutual_tls_and_completed() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let device = ListeningDevice::start(&identity, vec![status(202)]).await;
    let begun = rig.api.start_bootstrap(&new(&device.url())).await.unwrap();
    assert_eq!(
        (begun.method.as_str(), begun.state.as_str()),
        ("server-initiated", "queued")
    );
    let push = begun.push.unwrap();
    assert_eq!((push.carrier.as_str(), push.to), ("direct", device.url()));
    let there = until(&rig, &begun.id, "delivered", |now| now.state == "delivered").await;
    let [came] = &device.came()[..] else {
        panic!("{:?}", device.came())
    };
    assert!(
        came.head.starts_with("POST /bootstrap HTTP/1.1\r\n"),
        "{}",
        came.head
    );
    assert!(
        came.head.contains("application/vnd.oma.dm.mo+json"),
        "{}",
        came.head
    );
    assert_eq!(PayloadHash::of(&came.body).to_hex(), there.payload_hash);
    let server = rig.server().ca_certificate();
    assert!(
        came.by.is_some_and(|by| by != Fingerprint::of(server)),
        "the server proves itself"
    );
    let push = there.push.unwrap();
    assert_eq!((push.attempts, push.next_at), (1, None));

    let mut wire = rig.connect(Some(&identity)).await;
    let package = completion(EVENT, &came.body).replace("\"client\"", "\"server\"");
    assert_eq!(wire.package(DEVICE, PACKAGE1, package).await.status, 200);
    let done = rig.api.bootstrap(&begun.id).await.unwrap();
    assert_eq!(
        (done.state.as_str(), done.method.as_str()),
        ("completed", "server-initiated")
    );
    let names = [
        "BootstrapDrafted",
        "BootstrapPushed",
        "BootstrapDelivered",
        "BootstrapCompleted",
    ];
    let events = rig.events().await;
    let told = events
        .iter()
        .map(|stored| format!("{:?}", stored.event.kind));
    let told: Vec<_> = told
        .filter_map(|told| names.into_iter().find(|name| told.starts_with(name)))
        .collect();
    assert_eq!(told, names);
}

#[tokio::test]
async fn b_11_who_is_not_the_device_gets_no_octet_of_the_document() {
    let rig = rig().await;
    let _own = rig.device(DEVICE).await;
    let other = rig.device(OTHER).await;
    let impostor = ListeningDevice::start(&other, vec![status(202)]).await;
    let begun = rig
        .api
        .start_bootstrap(&new(&impostor.url()))
        .await
        .unwrap();
    let over = ended(&rig, &begun.id).await;
    assert_eq!(
        (over.state.as_str(), over.cause.as_deref()),
        ("failed", Some("device-not-trusted"))
    );
    assert!(over.action.unwrap().contains("add-credential"));
    assert_eq!((impostor.connections(), impostor.came().len()), (1, 0));

    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("https://{}/bootstrap", plain.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        let mut heard = vec![0; 4096];
        let octets = stream.read(&mut heard).await.unwrap();
        heard.truncate(octets);
        heard
    });
    let begun = rig.api.start_bootstrap(&new(&to)).await.unwrap();
    let heard = heard.await.unwrap();
    assert_eq!(
        heard.first(),
        Some(&0x16),
        "a TLS handshake and nothing else"
    );
    let over = ended(&rig, &begun.id).await;
    assert_eq!(
        (over.state.as_str(), over.cause.as_deref()),
        ("failed", Some("device-unreachable"))
    );
    assert_eq!(over.push.unwrap().attempts, 3);

    for (to, carrier) in [
        ("udp://127.0.0.1:9", Some("direct")),
        ("sms:+15551230001", Some("direct")),
        ("http://127.0.0.1/bootstrap", None),
    ] {
        let mut wrong = new(to);
        wrong.carrier = carrier.map(str::to_owned);
        let (status, detail) = refused(rig.api.start_bootstrap(&wrong).await);
        assert_eq!(status, 400, "{detail}");
    }
}

#[tokio::test]
async fn what_the_device_refuses_for_good_ends_the_bootstrap_with_its_cause() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let elsewhere = ListeningDevice::start(&identity, vec![status(202)]).await;
    let away: &'static str = format!("Location: {}\r\n", elsewhere.url()).leak();
    let redirect = Reply::Answer(307, away, String::new());
    for (reply, cause) in [
        (problem(403, "source-not-trusted"), "source-not-trusted"),
        (problem(403, "consent-refused"), "consent-refused"),
        (problem(400, "unknown-node"), "unknown-node"),
        (problem(413, "document-too-big"), "document-too-big"),
        (problem(403, "no-such-cause"), "device-refused"),
        (status(415), "device-refused"),
        (Reply::Endless(403), "device-refused"),
        (status(404), "device-misbehaved"),
        (status(200), "device-misbehaved"),
        (redirect, "device-misbehaved"),
    ] {
        let device = ListeningDevice::start(&identity, vec![reply.clone()]).await;
        let begun = rig.api.start_bootstrap(&new(&device.url())).await.unwrap();
        let over = ended(&rig, &begun.id).await;
        assert_eq!(
            (over.state.as_str(), over.cause.as_deref()),
            ("failed", Some(cause)),
            "{reply:?}"
        );
        let push = over.push.unwrap();
        assert_eq!((push.attempts, push.next_at), (1, None), "{reply:?}");
        assert!(push.trouble.is_some() && over.action.is_some(), "{reply:?}");
    }
    assert_eq!(elsewhere.connections(), 0, "no redirect is followed");
}

#[tokio::test]
async fn a_device_that_is_busy_hangs_or_closes_is_tried_again_as_late_as_it_asks() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let asks = Reply::Answer(503, "Retry-After: 2\r\n", String::new());
    for first in [
        asks,
        problem(409, "device-busy"),
        Reply::Silence,
        Reply::Close,
    ] {
        let device = ListeningDevice::start(&identity, vec![first.clone(), status(202)]).await;
        let since = Instant::now();
        let begun = rig.api.start_bootstrap(&new(&device.url())).await.unwrap();
        let there = until(&rig, &begun.id, "delivered", |now| now.state == "delivered").await;
        assert_eq!(there.push.unwrap().attempts, 2, "{first:?}");
        if matches!(first, Reply::Answer(503, ..)) {
            assert!(since.elapsed() >= Duration::from_secs(2), "{first:?}");
        }
        let came = device.came();
        assert_eq!(came.len(), 2, "{first:?}");
        assert_eq!(came[0].body, came[1].body, "the same octets each time");
    }
    let failed = rig
        .events()
        .await
        .into_iter()
        .filter_map(|stored| match stored.event.kind {
            EventKind::BootstrapPushFailed {
                cause,
                retry_at: Some(_),
                ..
            } => Some(cause),
            _ => None,
        });
    let expected = [
        "device-unreachable",
        "device-busy",
        "device-unreachable",
        "device-unreachable",
    ];
    assert_eq!(failed.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_bootstrap_whose_tries_are_used_up_has_failed_and_what_it_issued_opens_nothing() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let device = ListeningDevice::start(&identity, vec![status(503)]).await;
    let mut wanted = new(&device.url());
    wanted.profile = Some("full".to_owned());
    let begun = rig.api.start_bootstrap(&wanted).await.unwrap();
    let over = ended(&rig, &begun.id).await;
    assert_eq!(
        (over.state.as_str(), over.cause.as_deref()),
        ("failed", Some("device-unreachable"))
    );
    assert_eq!((over.push.unwrap().attempts, device.came().len()), (3, 3));
    let shown = rig.api.device(DEVICE).await.unwrap();
    let issued = shown.credentials.iter();
    let mut issued = issued.filter(|one| one.bootstrap.as_deref() == Some(&begun.id));
    assert!(issued.all(|one| one.revoked_at.is_some()));
}

#[tokio::test]
async fn what_cannot_be_pushed_is_told_before_anything_is_made() {
    let rig = rig().await;
    let to = "https://127.0.0.1:9/bootstrap";
    let (status, _) = refused(rig.api.start_bootstrap(&new(to)).await);
    assert_eq!(status, 404);
    let bare = NewDevice {
        dev_id: DEVICE.to_owned(),
        code: true,
        ..NewDevice::default()
    };
    rig.api.add_device(&bare).await.unwrap();
    let (status, detail) = refused(rig.api.start_bootstrap(&new(to)).await);
    assert_eq!(
        (status, detail.contains("no certificate")),
        (409, true),
        "{detail}"
    );
    let mut nowhere = new(to);
    (nowhere.to, nowhere.method) = (None, Some("server-initiated".to_owned()));
    let (status, detail) = refused(rig.api.start_bootstrap(&nowhere).await);
    assert_eq!(
        (status, detail.contains("not known where")),
        (409, true),
        "{detail}"
    );
    let mut mixed = new(to);
    mixed.method = Some("factory".to_owned());
    assert_eq!(refused(rig.api.start_bootstrap(&mixed).await).0, 400);
    let (status, detail) = refused(rig.api.start_bootstrap(&new("sms:+15551230001")).await);
    assert_eq!(
        (status, detail.contains("no SMSC")),
        (409, true),
        "{detail}"
    );
    let (status, detail) = refused(rig.api.start_bootstrap(&new("udp://127.0.0.1:9")).await);
    assert_eq!(
        (status, detail.contains("no completed bootstrap")),
        (409, true),
        "{detail}"
    );
    assert!(
        rig.api
            .bootstraps(None)
            .await
            .unwrap()
            .bootstraps
            .is_empty()
    );
}

#[tokio::test]
async fn a_newer_bootstrap_and_the_end_of_its_time_stop_the_tries() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let asks = Reply::Answer(503, "Retry-After: 3600\r\n", String::new());
    let device = ListeningDevice::start(&identity, vec![asks]).await;
    let older = rig.api.start_bootstrap(&new(&device.url())).await.unwrap();
    until(&rig, &older.id, "its first try", |now| {
        now.push.as_ref().is_some_and(|push| push.trouble.is_some())
    })
    .await;
    let newer = rig.api.start_bootstrap(&new(&device.url())).await.unwrap();
    let over = ended(&rig, &older.id).await;
    assert_eq!(
        (over.state.as_str(), over.push.unwrap().next_at),
        ("superseded", None)
    );
    rig.jump(8 * 86_400);
    let over = ended(&rig, &newer.id).await;
    assert_eq!(
        (over.state.as_str(), over.cause.as_deref()),
        ("expired", Some("expired"))
    );
}

/// Leaves a record as a node does that dies in the middle of a try.
async fn lost(rig: &Rig, id: &str) {
    let id = RecordId(omadm_bootstrap::EventId::parse(id).unwrap());
    loop {
        let mut record = rig.record(&id).await;
        let device = rig.store().device(&record.dev_id).await.unwrap().unwrap();
        record.state = BootstrapState::Sent;
        let push = record.push.as_mut().unwrap();
        (push.due, push.trouble) = (Some(rig.now()), None);
        let mut delta = ExchangeDelta::new(record.dev_id.clone(), Some(device.epoch), rig.now());
        delta
            .bootstraps
            .push(BootstrapChange::Update(Box::new(record)));
        if rig.store().commit(delta).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn two_nodes_make_each_try_once_and_one_takes_up_what_the_other_lost() {
    let rig = Rig::two_nodes(soon, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let asks = Reply::Answer(503, "Retry-After: 3600\r\n", String::new());
    let device = ListeningDevice::start(&identity, vec![asks, status(202)]).await;
    let begun = rig.api.start_bootstrap(&new(&device.url())).await.unwrap();
    until(&rig, &begun.id, "its first try", |now| {
        now.push.as_ref().is_some_and(|push| push.trouble.is_some())
    })
    .await;
    lost(&rig, &begun.id).await;
    let there = until(&rig, &begun.id, "delivered", |now| now.state == "delivered").await;
    assert_eq!(there.push.unwrap().attempts, 2);
    // Both sweep meanwhile.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(device.came().len(), 2);
}

#[tokio::test]
async fn b_28_a_trigger_has_the_document_pushed_to_a_device_that_nobody_knew() {
    let rig = rig().await;
    let day = Duration::from_secs(86_400);
    let validity = CertificateValidity::starting(UnixTime::now(), day);
    let maker = DevelopmentCa::create("Acme", validity).unwrap();
    let dev_id = DevId::parse(DEVICE).unwrap();
    let (_, identity) = maker.issue_for_generated_key(&dev_id, validity).unwrap();
    let device = ListeningDevice::start(&identity, vec![status(202)]).await;
    let trigger = NewTrigger {
        key: "sale-1".to_owned(),
        source: "point-of-sale".to_owned(),
        dev_id: DEVICE.to_owned(),
        profile: "minimal".to_owned(),
        address: Some(device.url()),
        method: Some("server-initiated".to_owned()),
        ..NewTrigger::default()
    };
    let (status, told) = refused(rig.api.trigger(&trigger).await);
    assert_eq!((status, told.contains("no certificate")), (409, true));
    assert_eq!(rig.api.devices(None).await.unwrap().devices, []);

    let trigger = NewTrigger {
        certificate: Some(identity.chain_pem()),
        ..trigger
    };
    let taken = rig.api.trigger(&trigger).await.unwrap();
    let push = taken.bootstrap.push.unwrap();
    assert_eq!((push.carrier.as_str(), push.to), ("direct", device.url()));
    let id = taken.bootstrap.id;
    let there = until(&rig, &id, "delivered", |now| now.state == "delivered").await;
    let came = device.came();
    assert_eq!(PayloadHash::of(&came[0].body).to_hex(), there.payload_hash);
    let repeated = rig.api.trigger(&trigger).await.unwrap();
    assert_eq!((repeated.repeated, repeated.bootstrap), (true, there));
    assert_eq!(device.came().len(), 1);
    // No Notification goes to a listener for documents.
    let known = rig.api.device(DEVICE).await.unwrap().device.notify;
    assert_eq!(known.addresses.unwrap_or_default(), Vec::<String>::new());
}
