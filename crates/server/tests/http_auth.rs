//! HTTP Basic and Digest of devices, and the users that the records know (D05, D45, D70, D71, D81).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Command, Stdio};

use http::Method;
use omadm_dm2::http_auth::{Challenge, DigestAlgorithm, DigestChallenge, DigestResponse, basic};
use omadm_mo::Secret;
use omadm_server::model::EventKind;
use omadm_server::operator::types::{NewCredential, NewDevice, SecretText};
use support::{Answer, CLIENT_INITIATED, DEVICE, DOCUMENT, PACKAGE1, Rig, Wire};

const OTHER: &str = "IMEI:490000000000001";
const USER: &str = "meter-7";
const HOUR: i64 = 3600;

/// Registers a device with an HTTP user; tells the password that the server drew.
async fn user(rig: &Rig, dev_id: &str, user: &str) -> Secret {
    let new = NewDevice {
        dev_id: dev_id.to_owned(),
        http_user: Some(user.to_owned()),
        ..NewDevice::default()
    };
    let added = rig.api.add_device(&new).await.unwrap();
    Secret::from(added.http_password.unwrap())
}

async fn by(wire: &mut Wire, dev_id: &str, authorization: &str) -> Answer {
    let headers = [("OMADM-DevID", dev_id), ("Authorization", authorization)];
    wire.send(Method::GET, "/bootstrap", &headers, "").await
}

async fn session_by(wire: &mut Wire, dev_id: &str, authorization: &str) -> Answer {
    let headers = [
        ("OMADM-DevID", dev_id),
        ("Authorization", authorization),
        ("Content-Type", PACKAGE1),
    ];
    wire.send(Method::POST, "/dm/2.0", &headers, CLIENT_INITIATED)
        .await
}

fn basic_of(user: &str, password: &Secret) -> String {
    String::from_utf8(basic(user, password).expose().to_vec()).unwrap()
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    assert_eq!(answer.status, 401);
    let lines = answer.headers.get_all("www-authenticate");
    let lines = lines.iter().map(|line| line.to_str().unwrap());
    Challenge::read_all(lines)
}

fn digest(answer: &Answer, wanted: DigestAlgorithm) -> DigestChallenge {
    let mut all = challenges(answer).into_iter();
    all.find_map(|challenge| match challenge {
        Challenge::Digest(digest) if digest.algorithm == wanted => Some(digest),
        _ => None,
    })
    .unwrap()
}

fn right(challenge: &DigestChallenge, password: &Secret, nc: u32) -> DigestResponse {
    challenge.answer(USER, password, "GET", "/bootstrap", "0a4f113b", nc)
}

/// What differs between two answers to the same request.
fn told(answer: &Answer, user: &str) -> (u16, serde_json::Value, usize) {
    let mut json = answer.json();
    let members = json.as_object_mut().unwrap();
    members.remove("correlation");
    let detail = members["detail"].as_str().unwrap().replace(user, "USER");
    members.insert("detail".to_owned(), detail.into());
    (answer.status, json, answer.headers.len())
}

#[tokio::test]
async fn x_sec_001_basic_and_digest_open_bootstrap_and_session() {
    let rig = Rig::new().await;
    let password = user(&rig, DEVICE, USER).await;
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let mut wire = rig.connect(None).await;
    let line = basic_of(USER, &password);
    assert_eq!(by(&mut wire, DEVICE, &line).await.body, DOCUMENT);
    assert_eq!(session_by(&mut wire, DEVICE, &line).await.status, 200);
    for algorithm in DigestAlgorithm::ALL {
        // With two nodes, one challenges and the other judges.
        let challenge = digest(&wire.fetch(DEVICE).await, algorithm);
        let line = right(&challenge, &password, 1).write();
        assert_eq!(by(&mut wire, DEVICE, &line).await.body, DOCUMENT);
        let line = challenge.answer(USER, &password, "POST", "/dm/2.0", "c", 2);
        let answer = session_by(&mut wire, DEVICE, &line.write()).await;
        assert_eq!(answer.status, 200, "{algorithm:?}");
    }
}

#[tokio::test]
async fn x_sec_001_a_401_offers_sha_256_then_md5_then_basic() {
    let rig = Rig::new().await;
    let mut wire = rig.connect(None).await;
    for answer in [
        wire.fetch(DEVICE).await,
        wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await,
        by(&mut wire, DEVICE, "Bearer x").await,
        by(&mut wire, DEVICE, "Digest realm=omadm").await,
    ] {
        let lines = answer.headers.get_all("www-authenticate").iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        assert!(lines[0].contains("algorithm=SHA-256, "), "{lines:?}");
        assert!(lines[1].contains("algorithm=MD5, "), "{lines:?}");
        assert!(lines[2].starts_with("Basic realm=\"omadm\""), "{lines:?}");
        assert_eq!((lines.len(), challenges(&answer).len()), (3, 3));
    }
}

async fn curl(rig: &Rig, arguments: &[&str]) -> (u16, Vec<u8>) {
    let ca = rig.dir.path().join("state/ca.crt");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--write-out", "%{stderr}%{http_code}"])
        .args(["--noproxy", "*", "--cacert"])
        .arg(&ca)
        .args(arguments)
        .stdin(Stdio::null());
    let out = tokio::task::spawn_blocking(move || curl.output());
    let out = out.await.unwrap().unwrap();
    let status = String::from_utf8(out.stderr).unwrap();
    (status.parse().unwrap(), out.stdout)
}

#[tokio::test]
async fn x_sec_001_curl_gets_in_by_basic_and_by_digest() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let password = user(&rig, DEVICE, USER).await;
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let root = format!("https://{}", rig.device_addr());
    let (fetch, session) = (format!("{root}/bootstrap/a?b=c"), format!("{root}/dm/2.0"));
    let header = format!("OMADM-DevID: {DEVICE}");
    let right = format!("{USER}:{}", String::from_utf8_lossy(password.expose()));
    let content = format!("Content-Type: {PACKAGE1}");
    for scheme in ["--digest", "--basic", "--anyauth"] {
        let common = [scheme, "--user", &right, "--header", &header];
        let (status, body) = curl(&rig, &[&common[..], &[&fetch]].concat()).await;
        assert_eq!((status, &body[..]), (200, DOCUMENT), "{scheme}");
        let package = ["--header", &content, "--data", CLIENT_INITIATED, &session];
        let (status, _) = curl(&rig, &[&common[..], &package].concat()).await;
        assert_eq!(status, 200, "{scheme}");
        let wrong = [
            scheme,
            "--user",
            "meter-7:wrong",
            "--header",
            &header,
            &fetch,
        ];
        assert_eq!(curl(&rig, &wrong).await.0, 401, "{scheme}");
    }
}

#[tokio::test]
async fn x_sec_001_an_unknown_user_and_a_wrong_password_look_the_same() {
    let rig = Rig::new().await;
    user(&rig, DEVICE, USER).await;
    let wrong = Secret::from("wrong".to_owned());
    let mut wire = rig.connect(None).await;
    let mut answers = Vec::new();
    for name in [USER, "meter-8"] {
        let line = basic_of(name, &wrong);
        for answer in [
            by(&mut wire, DEVICE, &line).await,
            session_by(&mut wire, DEVICE, &line).await,
        ] {
            answers.push(told(&answer, name));
        }
        let challenge = digest(&wire.fetch(DEVICE).await, DigestAlgorithm::Sha256);
        let line = challenge.answer(name, &wrong, "GET", "/bootstrap", "c", 1);
        let answer = by(&mut wire, DEVICE, &line.write()).await;
        assert!(!digest(&answer, DigestAlgorithm::Sha256).stale);
        answers.push(told(&answer, name));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // The event is under the device whose user it is.
    let refusals = rig.refusals().await;
    let under = |known: bool| {
        let devices = refusals.iter().map(|it| it.0.as_deref());
        devices.filter(|it| *it == known.then_some(DEVICE)).count()
    };
    assert_eq!((under(true), under(false), refusals.len()), (3, 3, 6));
}

#[tokio::test]
async fn x_sec_001_a_digest_counts_once_and_a_nonce_for_five_minutes() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let password = user(&rig, DEVICE, USER).await;
    let mut wire = rig.connect(None).await;
    let challenge = digest(&wire.fetch(DEVICE).await, DigestAlgorithm::Sha256);
    let line = |nc| right(&challenge, &password, nc).write();
    assert_eq!(by(&mut wire, DEVICE, &line(1)).await.status, 204);
    let replayed = by(&mut wire, DEVICE, &line(1)).await;
    let fresh = digest(&replayed, DigestAlgorithm::Sha256);
    assert!(fresh.stale && fresh.nonce != challenge.nonce);
    assert_eq!(by(&mut wire, DEVICE, &line(3)).await.status, 204);
    assert_eq!(by(&mut wire, DEVICE, &line(2)).await.status, 204);
    assert_eq!(by(&mut wire, DEVICE, &line(2)).await.status, 401);
    rig.jump(301);
    let over = by(&mut wire, DEVICE, &line(4)).await;
    let fresh = digest(&over, DigestAlgorithm::Sha256);
    assert!(fresh.stale);
    let line = right(&fresh, &password, 1).write();
    assert_eq!(by(&mut wire, DEVICE, &line).await.status, 204);
    // After a start nobody knows which counters were there.
    let last = digest(&wire.fetch(DEVICE).await, DigestAlgorithm::Sha256);
    let rig = rig.restarted().await;
    let line = right(&last, &password, 1).write();
    let answer = by(&mut rig.connect(None).await, DEVICE, &line).await;
    assert!(digest(&answer, DigestAlgorithm::Sha256).stale);
}

#[tokio::test]
async fn x_sec_001_a_digest_is_for_its_request_alone() {
    let rig = Rig::new().await;
    let password = user(&rig, DEVICE, USER).await;
    let mut wire = rig.connect(None).await;
    let challenge = digest(&wire.fetch(DEVICE).await, DigestAlgorithm::Sha256);
    let made = |challenge: &DigestChallenge, method, uri| {
        challenge
            .answer(USER, &password, method, uri, "c", 1)
            .write()
    };
    let elsewhere = DigestChallenge {
        realm: "elsewhere".to_owned(),
        ..challenge.clone()
    };
    for (line, why) in [
        (made(&challenge, "POST", "/bootstrap"), "method"),
        (made(&challenge, "GET", "/bootstrap/x"), "uri"),
        (made(&challenge, "GET", "/bootstrap?x"), "query"),
        (made(&elsewhere, "GET", "/bootstrap"), "realm"),
        (
            made(&challenge, "GET", "/bootstrap").replace("nc=00000001", "nc=00000002"),
            "nc",
        ),
    ] {
        let answer = by(&mut wire, DEVICE, &line).await;
        assert!(!digest(&answer, DigestAlgorithm::Sha256).stale, "{why}");
    }
    let forged = DigestChallenge {
        nonce: "A".repeat(43),
        ..challenge.clone()
    };
    let answer = by(&mut wire, DEVICE, &made(&forged, "GET", "/bootstrap")).await;
    assert!(digest(&answer, DigestAlgorithm::Sha256).stale);
    let line = made(&challenge, "GET", "/bootstrap");
    assert_eq!(by(&mut wire, DEVICE, &line).await.status, 204);
}

#[tokio::test]
async fn x_sec_001_one_device_cannot_act_for_another_by_its_http_user() {
    let rig = Rig::new().await;
    let password = user(&rig, DEVICE, USER).await;
    let other = rig.device(OTHER).await;
    let line = basic_of(USER, &password);
    let mut nobody = rig.connect(None).await;
    let mut certified = rig.connect(Some(&other)).await;
    for (with_certificate, claimed) in [(false, OTHER), (true, OTHER), (true, DEVICE)] {
        let wire = if with_certificate {
            &mut certified
        } else {
            &mut nobody
        };
        for answer in [
            by(wire, claimed, &line).await,
            session_by(wire, claimed, &line).await,
        ] {
            assert_eq!(
                (answer.status, answer.cause().as_str()),
                (403, "credential-foreign"),
                "{claimed}"
            );
        }
    }
    // No header: the event is under the user's device.
    let headers = [("Authorization", line.as_str())];
    let answer = nobody.send(Method::GET, "/bootstrap", &headers, "").await;
    assert_eq!(answer.status, 400);
    // Refusals are deferred, so those of several devices may stand in another order than they came.
    let is_400 = |kind: &EventKind| matches!(kind, EventKind::RequestRefused { status: 400, .. });
    let refusals = rig.refusals().await;
    let about = refusals.iter().filter(|(_, kind)| is_400(kind));
    let about: Vec<_> = about.map(|(dev_id, _)| dev_id.as_deref()).collect();
    assert_eq!(about, [Some(DEVICE)]);
    // Certificate and user of one device go together.
    let new = NewCredential {
        http_user: Some("meter-8".to_owned()),
        ..NewCredential::default()
    };
    let added = rig.api.add_credential(OTHER, &new).await.unwrap();
    let line = basic_of("meter-8", &Secret::from(added.http_password.unwrap()));
    assert_eq!(by(&mut certified, OTHER, &line).await.status, 204);
    assert_eq!(session_by(&mut certified, OTHER, &line).await.status, 200);
}

#[tokio::test]
async fn x_sec_001_wrong_passwords_are_throttled_by_user() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let password = user(&rig, DEVICE, USER).await;
    let mut wire = rig.connect(None).await;
    let wrong = Secret::from("wrong".to_owned());
    for name in [USER, "nobody"] {
        for _try in 0..10 {
            let line = basic_of(name, &wrong);
            assert_eq!(session_by(&mut wire, DEVICE, &line).await.status, 401);
        }
        let answer = session_by(&mut wire, DEVICE, &basic_of(name, &password)).await;
        assert_eq!(answer.status, 429);
        let wait: u32 = answer.header("retry-after").parse().unwrap();
        assert!((1..=7).contains(&wait), "{wait}");
    }
    rig.jump(7);
    let answer = session_by(&mut wire, DEVICE, &basic_of(USER, &password)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_revoked_http_user_is_403_at_once_and_its_name_stays_taken() {
    let rig = Rig::new().await;
    let password = user(&rig, DEVICE, USER).await;
    let line = basic_of(USER, &password);
    let mut wire = rig.connect(None).await;
    assert_eq!(by(&mut wire, DEVICE, &line).await.status, 204);
    let shown = rig.api.device(DEVICE).await.unwrap().credentials;
    assert_eq!(
        (shown[0].id.as_str(), shown[0].proof.as_str()),
        ("http-user:meter-7", "http-user")
    );
    let json = serde_json::to_string(&shown).unwrap();
    assert!(!json.contains(std::str::from_utf8(password.expose()).unwrap()));
    let revoked = rig.api.revoke_credential(DEVICE, &shown[0].id);
    revoked.await.unwrap();
    let answer = by(&mut wire, DEVICE, &line).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-revoked")
    );
    rig.device(OTHER).await;
    for named in [
        NewCredential {
            http_user: Some(USER.to_owned()),
            ..NewCredential::default()
        },
        NewCredential {
            http_user: Some("meter-8".to_owned()),
            http_password: Some(SecretText("too short".to_owned())),
            ..NewCredential::default()
        },
        NewCredential {
            psk_identity: Some("meter-8".to_owned()),
            psk: Some(SecretText("00".repeat(15))),
            ..NewCredential::default()
        },
    ] {
        let refused = rig.api.add_credential(OTHER, &named).await.err().unwrap();
        let taken = named.http_user.as_deref() == Some(USER);
        let wanted = if taken { "is taken" } else { "has to have 16" };
        assert!(refused.to_string().contains(wanted), "{refused}");
        assert!(!format!("{named:?}").contains("too short"));
    }
    let kinds = rig
        .events()
        .await
        .into_iter()
        .map(|stored| stored.event.kind);
    let named: Vec<_> = kinds
        .filter_map(|kind| match kind {
            EventKind::CredentialRevoked { name, .. } => name,
            _ => None,
        })
        .collect();
    assert_eq!(named, [USER]);
}

#[tokio::test]
async fn x_sec_001_a_dev_id_serves_as_http_user_beside_a_bootstrap_code() {
    let rig = Rig::new().await;
    let password = user(&rig, DEVICE, DEVICE).await;
    let code = Secret::from(rig.code(DEVICE).await);
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let mut wire = rig.connect(None).await;
    for secret in [&password, &code] {
        let line = basic_of(DEVICE, secret);
        assert_eq!(by(&mut wire, DEVICE, &line).await.status, 200);
    }
    let line = basic_of(DEVICE, &password);
    assert_eq!(session_by(&mut wire, DEVICE, &line).await.status, 200);
    let line = basic_of(DEVICE, &code);
    assert_eq!(session_by(&mut wire, DEVICE, &line).await.status, 401);
}

#[tokio::test]
async fn d81_a_bootstrap_code_serves_by_digest_too() {
    let rig = Rig::new().await;
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        ..NewDevice::default()
    };
    rig.api.add_device(&new).await.unwrap();
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let code = Secret::from(rig.code(DEVICE).await);
    let mut wire = rig.connect(None).await;
    for algorithm in DigestAlgorithm::ALL {
        let challenge = digest(&wire.fetch(DEVICE).await, algorithm);
        let line = challenge.answer(DEVICE, &code, "GET", "/bootstrap", "c", 1);
        assert_eq!(by(&mut wire, DEVICE, &line.write()).await.body, DOCUMENT);
    }
    // A wrong one counts as a wrong code.
    let challenge = digest(&wire.fetch(DEVICE).await, DigestAlgorithm::Sha256);
    let wrong = Secret::from("WRON-GWRO-NGWR-ONGW".to_owned());
    for nc in 1..=5 {
        let line = challenge.answer(DEVICE, &wrong, "GET", "/bootstrap", "c", nc);
        let answer = by(&mut wire, DEVICE, &line.write()).await;
        assert_eq!(answer.status, 401);
    }
    let line = challenge.answer(DEVICE, &code, "GET", "/bootstrap", "c", 6);
    let answer = by(&mut wire, DEVICE, &line.write()).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-revoked")
    );
}
