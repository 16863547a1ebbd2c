//! Who is let in, and what those hear who are not: each refusal has its status, its cause, and an event that names the device (D70, D71, D81).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use omadm_server::model::EventKind;
use omadm_server::operator::types::NewCredential;
use omadm_tls::{
    CertificateValidity, ClientTrust, DevelopmentCa, Identity, PeerIdentity, UnixTime, Verdict, pem,
};
use support::{Answer, DEVICE, DOCUMENT, PACKAGE1, Rig};

const OTHER: &str = "IMEI:490000000000001";
const HOUR: i64 = 3600;

fn dev_id(text: &str) -> DevId {
    DevId::parse(text).unwrap()
}

fn foreign_ca() -> DevelopmentCa {
    DevelopmentCa::create(
        "foreign CA",
        CertificateValidity::starting(UnixTime::now(), Duration::from_secs(86_400)),
    )
    .unwrap()
}

fn issued_by(ca: &DevelopmentCa, name: &str, lifetime: u64) -> Identity {
    let validity = CertificateValidity::starting(UnixTime::now(), Duration::from_secs(lifetime));
    ca.issue_for_generated_key(&dev_id(name), validity)
        .unwrap()
        .1
}

fn server_ca(rig: &Rig) -> DevelopmentCa {
    let read =
        |name: &str| std::fs::read_to_string(rig.dir.path().join("state").join(name)).unwrap();
    DevelopmentCa::from_pem(&read("ca.crt"), &read("ca.key")).unwrap()
}

/// Status and cause of the answer, and the device, cause and claim of the newest event.
async fn judged(rig: &Rig, answer: &Answer) -> (u16, String, Option<String>, Option<String>) {
    assert_eq!(answer.header("content-type"), "application/problem+json");
    // Refusals are deferred, so those about several devices may stand in another order than they came.
    let told = |kind: &EventKind| matches!(kind, EventKind::RequestRefused { status, detail, .. } if *status == answer.status && answer.json()["detail"] == detail.as_str());
    let refusals = rig.refusals().await;
    let (device, kind) = refusals
        .into_iter()
        .rfind(|(_, kind)| told(kind))
        .expect("an event");
    let EventKind::RequestRefused {
        status,
        cause,
        claimed,
        detail,
        ..
    } = kind
    else {
        unreachable!()
    };
    assert_eq!(status, answer.status);
    assert_eq!(cause.as_deref(), Some(answer.cause().as_str()));
    assert_eq!(answer.json()["detail"], detail.as_str());
    (answer.status, answer.cause(), device, claimed)
}

fn refused(
    status: u16,
    cause: &str,
    device: Option<&str>,
    claimed: Option<&str>,
) -> (u16, String, Option<String>, Option<String>) {
    (
        status,
        cause.to_owned(),
        device.map(str::to_owned),
        claimed.map(str::to_owned),
    )
}

#[tokio::test]
async fn a_registered_certificate_opens_bootstrap_and_session() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(wire.fetch(DEVICE).await.status, 204);
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let fetched = wire.fetch(DEVICE).await;
    assert_eq!(
        (fetched.status, fetched.header("content-type")),
        (200, "application/vnd.oma.dm.mo+json")
    );
    assert_eq!(fetched.body, DOCUMENT);
}

#[tokio::test]
async fn b_16_an_unknown_certificate_is_403_and_the_event_names_the_device_it_claims() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let stranger = issued_by(&foreign_ca(), DEVICE, 3600);
    let mut wire = rig.connect(Some(&stranger)).await;
    let answer = wire.fetch(DEVICE).await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "credential-unknown", Some(DEVICE), Some(DEVICE))
    );
    let answer = wire.fetch(OTHER).await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "credential-unknown", None, Some(OTHER))
    );
    let answer = wire.package(DEVICE, PACKAGE1, "{}").await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "credential-unknown", Some(DEVICE), Some(DEVICE))
    );
}

#[tokio::test]
async fn a_foreign_certificate_opens_the_door_once_its_fingerprint_is_registered() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let maker = issued_by(&foreign_ca(), DEVICE, 3600);
    let new = NewCredential {
        certificate: Some(maker.chain_pem()),
        ..NewCredential::default()
    };
    rig.api.add_credential(DEVICE, &new).await.unwrap();
    assert_eq!(
        rig.connect(Some(&maker)).await.fetch(DEVICE).await.status,
        204
    );
}

#[tokio::test]
async fn an_expired_certificate_is_403_registered_or_not() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let unregistered = issued_by(&server_ca(&rig), DEVICE, 3600);
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(wire.fetch(DEVICE).await.status, 204);
    rig.jump(2 * 365 * 86_400);
    // On the open connection, and on new ones.
    let answer = wire.fetch(DEVICE).await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "credential-expired", Some(DEVICE), Some(DEVICE))
    );
    let answer = rig.connect(Some(&unregistered)).await.fetch(DEVICE).await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "credential-expired", Some(DEVICE), Some(DEVICE))
    );
}

#[tokio::test]
async fn revocation_by_record_counts_at_once_on_open_and_resumed_connections() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let connector = rig.connector(Some(&identity));
    let mut open = rig.connect_by(&connector).await;
    assert_eq!(open.fetch(DEVICE).await.status, 204);
    let credential = rig
        .api
        .device(DEVICE)
        .await
        .unwrap()
        .credentials
        .pop()
        .unwrap();
    rig.api
        .revoke_credential(DEVICE, &credential.id)
        .await
        .unwrap();
    let mut resumed = rig.connect_by(&connector).await;
    assert!(resumed.resumed);
    for wire in [&mut open, &mut resumed] {
        let answer = wire.fetch(DEVICE).await;
        assert_eq!(
            judged(&rig, &answer).await,
            refused(403, "credential-revoked", Some(DEVICE), Some(DEVICE))
        );
    }
    assert!(
        rig.events()
            .await
            .iter()
            .any(|stored| matches!(stored.event.kind, EventKind::CredentialRevoked { .. }))
    );
}

/// What a CA with these CRLs says of a certificate.
fn judged_by(rig: &Rig, crls: &[String], identity: &Identity) -> Verdict {
    let crls: Vec<_> = crls
        .iter()
        .flat_map(|crl| pem::revocation_lists(crl).unwrap())
        .collect();
    let trust = ClientTrust::new(&[rig.server().ca_certificate().clone()], &crls).unwrap();
    let chain = identity.chain();
    PeerIdentity::judge(chain, Arc::new(trust), UnixTime::now())
        .verdict()
        .clone()
}

/// One node: the file is one process's. `nodes.rs` has the CRL of a second one.
#[tokio::test]
async fn a_revoked_certificate_is_on_the_published_crl_which_is_made_anew_where_it_is_lost() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let (revoked, other) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let file = rig.dir.path().join("state/devices.crl");
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(judged_by(&rig, std::slice::from_ref(&before), &revoked).is_trusted());
    // One from elsewhere is none of this CA's.
    let maker = issued_by(&foreign_ca(), DEVICE, 3600);
    let new = NewCredential {
        certificate: Some(maker.chain_pem()),
        ..NewCredential::default()
    };
    rig.api.add_credential(DEVICE, &new).await.unwrap();
    for credential in rig.api.device(DEVICE).await.unwrap().credentials {
        rig.api
            .revoke_credential(DEVICE, &credential.id)
            .await
            .unwrap();
    }
    let after = std::fs::read_to_string(&file).unwrap();
    // The later one wins by its number, in whatever order they are given.
    for crls in [
        [before.clone(), after.clone()],
        [after.clone(), before.clone()],
    ] {
        assert_eq!(judged_by(&rig, &crls, &revoked), Verdict::Revoked);
        assert!(judged_by(&rig, &crls, &other).is_trusted());
    }
    let listed = rig.store().revoked(Utc(0), rig.now()).await.unwrap();
    let leaf = omadm_tls::Leaf::parse(revoked.chain().first().unwrap()).unwrap();
    let serials: Vec<_> = listed.into_iter().map(|it| it.serial).collect();
    assert_eq!(serials, [leaf.serial().to_string().to_lowercase()]);
    std::fs::remove_file(&file).unwrap();
    let rig = rig.restarted().await;
    let again = std::fs::read_to_string(&file).unwrap();
    assert_eq!(judged_by(&rig, &[again], &revoked), Verdict::Revoked);
}

#[tokio::test]
async fn a_certificate_of_the_device_ca_admits_a_recorded_device_only() {
    let rig = Rig::new().await;
    let unregistered = issued_by(&server_ca(&rig), DEVICE, 3600);
    let mut wire = rig.connect(Some(&unregistered)).await;
    let answer = wire.fetch(DEVICE).await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "device-unknown", None, Some(DEVICE))
    );
    rig.device(DEVICE).await;
    assert_eq!(wire.fetch(DEVICE).await.status, 204);
}

#[tokio::test]
async fn a_lying_dev_id_is_403_with_both_values_in_the_event() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    rig.device(OTHER).await;
    let unregistered = issued_by(&server_ca(&rig), DEVICE, 3600);
    for liar in [&identity, &unregistered] {
        let answer = rig.connect(Some(liar)).await.fetch(OTHER).await;
        assert_eq!(
            judged(&rig, &answer).await,
            refused(403, "credential-foreign", Some(DEVICE), Some(OTHER))
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains(DEVICE) && detail.contains(OTHER),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn a_missing_repeated_or_malformed_dev_id_is_400_and_the_event_names_the_certificates_device()
{
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let long = "x".repeat(129);
    for headers in [
        &[][..],
        &[("OMADM-DevID", DEVICE), ("OMADM-DevID", DEVICE)],
        &[("OMADM-DevID", "a b")],
        &[("OMADM-DevID", &long)],
    ] {
        let answer = wire.send(Method::GET, "/bootstrap", headers, "").await;
        assert_eq!(
            judged(&rig, &answer).await,
            refused(400, "peer-misbehaved", Some(DEVICE), None)
        );
    }
}

#[tokio::test]
async fn b_16_without_credential_both_uris_answer_401_with_a_challenge() {
    let rig = Rig::new().await;
    let mut wire = rig.connect(None).await;
    for answer in [
        wire.fetch(DEVICE).await,
        wire.package(DEVICE, PACKAGE1, "{}").await,
    ] {
        assert_eq!(
            (answer.status, answer.cause().as_str()),
            (401, "credential-missing")
        );
        let lines = answer.headers.get_all("www-authenticate");
        let mut lines = lines.iter().map(|line| line.to_str().unwrap());
        assert!(lines.any(|line| line.starts_with("Basic realm=\"omadm\"")));
    }
}

#[tokio::test]
async fn a_right_bootstrap_code_gets_the_document_again_and_again() {
    let rig = Rig::new().await;
    rig.known(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let code = rig.code(DEVICE).await;
    let mut wire = rig.connect(None).await;
    for _again in 0..3 {
        let fetched = wire.fetch_with_code(DEVICE, &code).await;
        assert_eq!(fetched.status, 200);
        assert_eq!(fetched.body, DOCUMENT);
    }
    // It opens no session.
    let basic = [
        ("OMADM-DevID", DEVICE),
        ("Authorization", "Basic YTpi"),
        ("Content-Type", PACKAGE1),
    ];
    assert_eq!(
        wire.send(Method::POST, "/dm/2.0", &basic, "{}")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn five_wrong_tries_end_a_bootstrap_code_d81() {
    let rig = Rig::new().await;
    rig.known(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, HOUR).await;
    let code = rig.code(DEVICE).await;
    let mut wire = rig.connect(None).await;
    for _try in 0..4 {
        assert_eq!(
            wire.fetch_with_code(DEVICE, "WRON-GWRO-NGWR-ONGW")
                .await
                .status,
            401
        );
    }
    assert_eq!(wire.fetch_with_code(DEVICE, &code).await.status, 200);
    assert_eq!(
        wire.fetch_with_code(DEVICE, "WRON-GWRO-NGWR-ONGW")
            .await
            .status,
        401
    );
    let answer = wire.fetch_with_code(DEVICE, &code).await;
    assert_eq!(
        (answer.status, answer.cause().as_str()),
        (403, "credential-revoked")
    );
    let under_device = rig
        .refusals()
        .await
        .iter()
        .filter(|(device, _)| device.as_deref() == Some(DEVICE))
        .count();
    assert_eq!(under_device, 6);
}

#[tokio::test]
async fn a_bootstrap_code_is_over_after_24_hours_d81() {
    let rig = Rig::new().await;
    rig.known(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 100 * HOUR).await;
    let code = rig.code(DEVICE).await;
    rig.jump(24 * HOUR + 1);
    let answer = rig.connect(None).await.fetch_with_code(DEVICE, &code).await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "expired", Some(DEVICE), Some(DEVICE))
    );
}

#[tokio::test]
async fn a_code_of_another_device_is_403_and_a_codes_user_must_be_known() {
    let rig = Rig::new().await;
    rig.known(DEVICE).await;
    let code = rig.code(DEVICE).await;
    let mut wire = rig.connect(None).await;
    assert_eq!(wire.fetch_with_code(OTHER, &code).await.status, 401);
    let basic = format!(
        "Basic {}",
        base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{DEVICE}:{code}")
        )
    );
    let answer = wire
        .send(
            Method::GET,
            "/bootstrap",
            &[("OMADM-DevID", OTHER), ("Authorization", &basic)],
            "",
        )
        .await;
    assert_eq!(
        judged(&rig, &answer).await,
        refused(403, "credential-foreign", Some(DEVICE), Some(OTHER))
    );
}
