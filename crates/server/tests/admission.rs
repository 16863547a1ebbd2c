//! What becomes of devices that ask for their bootstrap and have no record: refused, let in by list or maker, or held for an operator (DESIGN §4 rule 5).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use omadm_mo::DevId;
use omadm_server::admission::{AdmissionPolicy, DevIdPattern, DevIdRule, Hold, Maker, Permit};
use omadm_server::config::ServerConfig;
use omadm_server::model::EventKind;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{NewAllow, NewApproval, NewDevice, NewRejection, WaitingBody};
use omadm_tls::{CertificateValidity, DevelopmentCa, DeviceKey, Fingerprint, Identity, UnixTime};
use support::{Answer, CLIENT_INITIATED, DEVICE, PACKAGE1, Rig, soon};

const OTHER: &str = "IMEI:490000000000001";
const DAY: u64 = 86_400;

fn ca(name: &str) -> DevelopmentCa {
    let validity = CertificateValidity::starting(UnixTime::now(), Duration::from_secs(30 * DAY));
    DevelopmentCa::create(name, validity).unwrap()
}

fn issued_by(ca: &DevelopmentCa, dev_id: &str) -> Identity {
    let validity = CertificateValidity::starting(UnixTime::now(), Duration::from_secs(20 * DAY));
    let dev_id = DevId::parse(dev_id).unwrap();
    ca.issue_for_generated_key(&dev_id, validity).unwrap().1
}

/// A certificate that nobody vouches for.
fn stranger(dev_id: &str) -> Identity {
    let validity = CertificateValidity::starting(UnixTime::now(), Duration::from_secs(20 * DAY));
    let key = DeviceKey::generate().unwrap();
    let dev_id = DevId::parse(dev_id).unwrap();
    let certificate = key.self_signed(&dev_id, validity).unwrap();
    key.identity(vec![certificate]).unwrap()
}

fn print_of(identity: &Identity) -> Fingerprint {
    Fingerprint::of(identity.chain().first().unwrap())
}

fn maker(ca: &DevelopmentCa) -> Maker {
    Maker {
        name: "Acme".to_owned(),
        anchors: omadm_tls::pem::certificates(&ca.certificate_pem()).unwrap(),
        dev_id: DevIdRule::default(),
        only: Vec::new(),
        profile: Some("minimal".to_owned()),
        approval: false,
    }
}

fn held() -> Hold {
    Hold {
        self_signed: true,
        ..Hold::default()
    }
}

fn settings(policy: AdmissionPolicy) -> impl FnOnce(&mut ServerConfig) {
    |config| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        config.admission = policy;
    }
}

async fn rig(policy: AdmissionPolicy) -> Rig {
    Rig::with(settings(policy), |server| server).await
}

async fn holding() -> Rig {
    rig(AdmissionPolicy {
        hold: Some(held()),
        ..AdmissionPolicy::default()
    })
    .await
}

async fn fetch(rig: &Rig, identity: &Identity, dev_id: &str) -> Answer {
    rig.connect(Some(identity)).await.fetch(dev_id).await
}

async fn waiting(rig: &Rig) -> Vec<WaitingBody> {
    rig.api.waiting_devices(None).await.unwrap().devices
}

fn approval(profile: &str) -> NewApproval {
    NewApproval {
        profile: Some(profile.to_owned()),
    }
}

/// The names of the events, deferred ones written out.
async fn happened(rig: &Rig, of: impl Fn(&EventKind) -> bool) -> usize {
    let all = rig.events().await;
    all.iter().filter(|stored| of(&stored.event.kind)).count()
}

#[tokio::test]
async fn nobody_without_record_is_let_in_or_waits_unless_that_is_set() {
    let rig = rig(AdmissionPolicy::default()).await;
    let refused = fetch(&rig, &stranger(DEVICE), DEVICE).await;
    assert_eq!(
        (refused.status, refused.cause().as_str()),
        (403, "credential-unknown")
    );
    assert_eq!(waiting(&rig).await, []);
}

#[tokio::test]
async fn a_device_with_its_makers_certificate_is_let_in_and_its_certificate_is_its_own_then() {
    let acme = ca("Acme");
    let rig = rig(AdmissionPolicy {
        makers: vec![maker(&acme)],
        ..AdmissionPolicy::default()
    })
    .await;
    let identity = issued_by(&acme, DEVICE);
    let mut wire = rig.connect(Some(&identity)).await;
    let (commits, first) = rig.commits_of(wire.fetch(DEVICE)).await;
    assert_eq!((first.status, commits), (200, 1));
    assert_eq!(wire.fetch(DEVICE).await.body, first.body);
    let device = rig.api.device(DEVICE).await.unwrap();
    assert_eq!(device.bootstraps.len(), 1);
    let print = print_of(&identity);
    let own = device
        .credentials
        .iter()
        .find(|one| one.id == print.to_hex());
    assert_eq!(own.unwrap().generation, "current");
    let admitted = EventKind::DeviceAdmitted {
        by: "maker".to_owned(),
        fingerprint: print.to_string(),
        vouched_by: Some("Acme".to_owned()),
        waited_since: None,
    };
    assert_eq!(happened(&rig, |kind| *kind == admitted).await, 1);
    // A second certificate of the maker for the same device is the operator's affair.
    let second = fetch(&rig, &issued_by(&acme, DEVICE), DEVICE).await;
    assert_eq!(
        (second.status, second.cause().as_str()),
        (403, "credential-unknown")
    );
}

#[tokio::test]
async fn a_makers_certificate_opens_no_other_devices_record() {
    let acme = ca("Acme");
    let rig = rig(AdmissionPolicy {
        makers: vec![maker(&acme)],
        hold: Some(held()),
        ..AdmissionPolicy::default()
    })
    .await;
    let refused = fetch(&rig, &issued_by(&acme, OTHER), DEVICE).await;
    assert_eq!(
        (refused.status, refused.cause().as_str()),
        (403, "credential-foreign")
    );
    assert_eq!(waiting(&rig).await, []);
    // Nor a session before it asked for its bootstrap.
    let mut wire = rig.connect(Some(&issued_by(&acme, OTHER))).await;
    let session = wire.package(OTHER, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(
        (session.status, session.cause().as_str()),
        (403, "credential-unknown")
    );
    // One of a CA with the same name is none of the maker's.
    let twin = fetch(&rig, &issued_by(&ca("Acme"), OTHER), OTHER).await;
    assert_eq!(twin.status, 202);
    assert_eq!(waiting(&rig).await[0].vouched_by, None);
}

#[tokio::test]
async fn a_maker_speaks_for_its_own_devices_only_and_where_an_operator_has_to_approve_they_wait() {
    let acme = ca("Acme");
    let rig = rig(AdmissionPolicy {
        makers: vec![Maker {
            only: vec![DevIdPattern::parse("IMEI:4930*").unwrap()],
            approval: true,
            dev_id: DevIdRule::parse("{cn}").unwrap(),
            ..maker(&acme)
        }],
        hold: Some(Hold::default()),
        ..AdmissionPolicy::default()
    })
    .await;
    let beyond = fetch(&rig, &issued_by(&acme, OTHER), OTHER).await;
    assert_eq!(
        (beyond.status, beyond.cause().as_str()),
        (403, "credential-unknown")
    );
    let unvouched = fetch(&rig, &stranger(DEVICE), DEVICE).await;
    assert_eq!(unvouched.status, 403);
    let identity = issued_by(&acme, DEVICE);
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 202);
    let all = waiting(&rig).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].vouched_by.as_deref(), Some("Acme"));
    assert_eq!(all[0].profile.as_deref(), Some("minimal"));
    rig.api
        .approve(&all[0].id, &NewApproval::default())
        .await
        .unwrap();
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 200);
}

#[tokio::test]
async fn an_allow_list_lets_in_whom_it_names_by_certificate_or_a_ca_vouches_for() {
    let (acme, listed) = (ca("Acme"), stranger(DEVICE));
    let mut policy = AdmissionPolicy {
        makers: vec![Maker {
            profile: None,
            ..maker(&acme)
        }],
        ..AdmissionPolicy::default()
    };
    let permit = |certificate| Permit {
        certificate,
        profile: "minimal".to_owned(),
    };
    let exact = DevIdPattern::parse(DEVICE).unwrap();
    let print = *print_of(&listed).octets();
    policy.allowed.allow(exact, permit(Some(print)));
    policy
        .allowed
        .allow(DevIdPattern::parse("IMEI:49000000*").unwrap(), permit(None));
    let rig = rig(policy).await;
    for (identity, dev_id, status) in [
        (&stranger(DEVICE), DEVICE, 403),
        (&listed, OTHER, 403),
        (&listed, DEVICE, 200),
        (&stranger(OTHER), OTHER, 403),
        (&issued_by(&acme, OTHER), OTHER, 200),
        // Vouched for, but on no list.
        (&issued_by(&acme, "IMEI:1"), "IMEI:1", 403),
    ] {
        assert_eq!(
            fetch(&rig, identity, dev_id).await.status,
            status,
            "{dev_id}"
        );
    }
}

#[tokio::test]
async fn a_held_device_is_told_to_come_again_and_gets_its_document_once_it_is_approved() {
    let rig = holding().await;
    let identity = stranger(DEVICE);
    let mut wire = rig.connect(Some(&identity)).await;
    for _again in 0..2 {
        let held = wire.fetch(DEVICE).await;
        assert_eq!((held.status, held.header("retry-after")), (202, "3600"));
        assert_eq!(held.cause(), "awaiting-approval");
        let detail = held.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains(&print_of(&identity).to_string()),
            "{detail}"
        );
    }
    let is_held = |kind: &EventKind| matches!(kind, EventKind::DeviceHeld { .. });
    assert_eq!(happened(&rig, is_held).await, 1);
    let rig = rig.restarted().await;
    let all = waiting(&rig).await;
    assert_eq!((all.len(), all[0].dev_id.as_str()), (1, DEVICE));
    assert_eq!(all[0].fingerprint, print_of(&identity).to_string());
    assert!(
        rig.api.device(DEVICE).await.is_err(),
        "it has no record yet"
    );

    let refused = rig.api.approve(&all[0].id, &NewApproval::default()).await;
    assert!(matches!(refused, Err(ApiError::Refused(problem)) if problem.status == 422));
    let added = rig
        .api
        .approve(&all[0].id, &approval("minimal"))
        .await
        .unwrap();
    assert_eq!(added.bootstrap.unwrap().profile, "minimal");
    assert_eq!(waiting(&rig).await, []);
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 200);
    let again = rig.api.approve(&all[0].id, &approval("minimal")).await;
    assert!(matches!(again, Err(ApiError::Refused(problem)) if problem.status == 404));
}

#[tokio::test]
async fn nothing_is_delivered_to_a_certificate_that_the_operator_did_not_approve() {
    let rig = holding().await;
    let (approved, other) = (stranger(DEVICE), stranger(DEVICE));
    assert_eq!(fetch(&rig, &other, DEVICE).await.status, 202);
    assert_eq!(fetch(&rig, &approved, DEVICE).await.status, 202);
    let all = waiting(&rig).await;
    assert_eq!(all.len(), 2, "one entry for each certificate");
    let wanted = print_of(&approved).to_string();
    let right = all.iter().find(|one| one.fingerprint == wanted).unwrap();
    rig.api
        .approve(&right.id, &approval("minimal"))
        .await
        .unwrap();
    let refused = fetch(&rig, &other, DEVICE).await;
    assert_eq!(
        (refused.status, refused.cause().as_str()),
        (403, "credential-unknown")
    );
    assert_eq!(
        waiting(&rig).await,
        [],
        "who else claimed it waits no longer"
    );
    assert_eq!(fetch(&rig, &approved, DEVICE).await.status, 200);
    // Without certificate there is nothing to approve.
    let nobody = rig.connect(None).await.fetch(OTHER).await;
    assert_eq!(
        (nobody.status, nobody.cause().as_str()),
        (401, "credential-missing")
    );
}

#[tokio::test]
async fn a_rejected_device_is_refused_until_its_time_is_over_and_hears_why() {
    let rig = holding().await;
    let identity = stranger(DEVICE);
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 202);
    let id = waiting(&rig).await[0].id.clone();
    let new = NewRejection {
        why: Some("not one of ours".to_owned()),
    };
    let rejected = rig.api.reject(&id, &new).await.unwrap();
    assert_eq!(rejected.state, "rejected");
    let refused = fetch(&rig, &identity, DEVICE).await;
    assert_eq!(
        (refused.status, refused.cause().as_str()),
        (403, "admission-rejected")
    );
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("not one of ours"), "{detail}");
    let is_rejected = |kind: &EventKind| matches!(kind, EventKind::DeviceRejected { .. });
    assert_eq!(happened(&rig, is_rejected).await, 1);
    assert_eq!(rig.refusals().await.len(), 1);
    rig.jump(8 * DAY as i64);
    let id_of = async || waiting(&rig).await.first().map(|one| one.state.clone());
    soon(async {
        while id_of().await.is_some() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    let expired = |kind: &EventKind| matches!(kind, EventKind::WaitingExpired { state, .. } if state == "rejected");
    assert_eq!(happened(&rig, expired).await, 1);
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 202);
}

#[tokio::test]
async fn as_many_devices_wait_as_may_and_those_that_a_maker_vouches_for_have_room_of_their_own() {
    let acme = ca("Acme");
    let rig = rig(AdmissionPolicy {
        makers: vec![Maker {
            profile: None,
            ..maker(&acme)
        }],
        hold: Some(Hold { most: 2, ..held() }),
        ..AdmissionPolicy::default()
    })
    .await;
    let first = stranger("IMEI:1");
    for (identity, dev_id, status) in [
        (&first, "IMEI:1", 202),
        (&stranger("IMEI:2"), "IMEI:2", 202),
        (&stranger("IMEI:3"), "IMEI:3", 503),
        (&first, "IMEI:1", 202),
        (&issued_by(&acme, "IMEI:4"), "IMEI:4", 202),
    ] {
        let answer = fetch(&rig, identity, dev_id).await;
        assert_eq!(answer.status, status, "{dev_id}");
        if status == 503 {
            assert_eq!(answer.cause(), "too-many-waiting");
            assert_eq!(answer.header("retry-after"), "3600");
        }
    }
    assert_eq!(waiting(&rig).await.len(), 3);
}

#[tokio::test]
async fn a_device_that_the_operator_registers_by_hand_waits_no_longer() {
    let rig = holding().await;
    let identity = stranger(DEVICE);
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 202);
    let id = waiting(&rig).await[0].id.clone();
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        certificate: Some(identity.chain_pem()),
        profile: Some("minimal".to_owned()),
        ..NewDevice::default()
    };
    rig.api.add_device(&new).await.unwrap();
    assert_eq!(waiting(&rig).await, []);
    let late = rig.api.approve(&id, &approval("minimal")).await;
    assert!(matches!(late, Err(ApiError::Refused(problem)) if problem.status == 404));
    assert_eq!(fetch(&rig, &identity, DEVICE).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_one_node_holds_is_approved_at_another_and_served_by_any() {
    let policy = AdmissionPolicy {
        hold: Some(held()),
        ..AdmissionPolicy::default()
    };
    let rig = Rig::two_nodes(settings(policy), |server| server).await;
    let identity = stranger(DEVICE);
    let mut wire = rig.connect(Some(&identity)).await;
    for _node in 0..2 {
        assert_eq!(wire.fetch(DEVICE).await.status, 202);
    }
    for _node in 0..2 {
        assert_eq!(waiting(&rig).await.len(), 1);
    }
    let id = waiting(&rig).await[0].id.clone();
    rig.api.approve(&id, &approval("minimal")).await.unwrap();
    let first = wire.fetch(DEVICE).await;
    assert_eq!(first.status, 200);
    assert_eq!(wire.fetch(DEVICE).await.body, first.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_come_many_at_a_time_are_let_in_once_each() {
    let acme = ca("Acme");
    let rig = rig(AdmissionPolicy {
        makers: vec![maker(&acme)],
        ..AdmissionPolicy::default()
    })
    .await;
    for device in 0..6 {
        let dev_id = format!("urn:dev:many:{device}");
        let identity = issued_by(&acme, &dev_id);
        let connections = (0..8).map(|_| rig.connect(Some(&identity)));
        let mut connections = futures_util::future::join_all(connections).await;
        let fetches = connections.iter_mut().map(|wire| wire.fetch(&dev_id));
        let answers = futures_util::future::join_all(fetches).await;
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200; 8], "{dev_id}: {}", answers[7].cause());
        assert!(answers.iter().all(|answer| answer.body == answers[0].body));
        let known = rig.api.device(&dev_id).await.unwrap();
        assert_eq!(known.bootstraps.len(), 1);
    }
}

#[tokio::test]
async fn an_operator_lets_devices_in_by_name_on_every_node_and_until_the_entry_is_gone() {
    let rig = rig(AdmissionPolicy::default()).await;
    let allow = |dev_id: &str, identity: Option<&Identity>| NewAllow {
        dev_id: dev_id.to_owned(),
        certificate: identity.map(|identity| print_of(identity).to_hex()),
        profile: "minimal".to_owned(),
    };
    let (listed, other) = (stranger(DEVICE), stranger(DEVICE));
    let entry = allow(DEVICE, Some(&listed));
    let added = rig.api.allow(&entry).await.unwrap();
    assert_eq!(rig.api.allow(&entry).await.unwrap().id, added.id);
    assert_eq!(rig.api.allow_list(None).await.unwrap().entries.len(), 1);
    assert_eq!(fetch(&rig, &other, DEVICE).await.status, 403);
    assert_eq!(fetch(&rig, &listed, OTHER).await.status, 403);
    assert_eq!(fetch(&rig, &listed, DEVICE).await.status, 200);
    // A name alone lets nobody in for whom no CA vouches.
    let all = rig.api.allow(&allow("IMEI:49*", None)).await.unwrap();
    assert_eq!(fetch(&rig, &stranger(OTHER), OTHER).await.status, 403);
    for id in [&added.id, &all.id] {
        rig.api.disallow(id).await.unwrap();
        let again = rig.api.disallow(id).await.unwrap_err();
        assert!(again.to_string().contains("no entry"), "{again}");
    }
    let rig = rig.restarted().await;
    assert_eq!(rig.api.allow_list(None).await.unwrap().entries, []);
    // Who came in stays.
    assert_eq!(fetch(&rig, &listed, DEVICE).await.status, 200);
    for (wrong, told) in [
        (allow("a b", None), "dev_id"),
        (
            NewAllow {
                certificate: Some("12".to_owned()),
                ..allow(DEVICE, None)
            },
            "64 hexadecimal",
        ),
        (
            NewAllow {
                profile: "none".to_owned(),
                ..allow(DEVICE, None)
            },
            "profile",
        ),
    ] {
        let refused = rig.api.allow(&wrong).await.unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    let events = |of: fn(&EventKind) -> bool| happened(&rig, of);
    assert_eq!(
        events(|kind| matches!(kind, EventKind::DeviceAllowed { .. })).await,
        3
    );
    assert_eq!(
        events(|kind| matches!(kind, EventKind::DeviceDisallowed { .. })).await,
        2
    );
}
