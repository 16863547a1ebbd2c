//! Points of sale, portals, the network and voice systems tell the server of devices (B-28).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use omadm_bootstrap::{PushJudged, PushKeys, PushedBootstrap};
use omadm_dm1::bootstrap_mac::Imsi;
use omadm_mo::DevId;
use omadm_push::wsp::Push;
use omadm_server::admission::{AdmissionPolicy, DevIdRule, Maker};
use omadm_server::model::EventKind;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{NewTrigger, SecretText};
use omadm_tls::{CertificateValidity, DevelopmentCa, UnixTime};
use support::{DEVICE, Rig, soon};
use tokio::net::UdpSocket;

async fn rig(admission: AdmissionPolicy) -> Rig {
    let settings = |config: &mut omadm_server::config::ServerConfig| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        config.admission = admission;
    };
    Rig::with(settings, |server| server).await
}

fn trigger(key: &str, source: &str) -> NewTrigger {
    NewTrigger {
        key: key.to_owned(),
        source: source.to_owned(),
        dev_id: DEVICE.to_owned(),
        profile: "full".to_owned(),
        ..NewTrigger::default()
    }
}

fn status(refused: Result<impl std::fmt::Debug, ApiError>) -> u16 {
    match refused {
        Err(ApiError::Refused(problem)) => problem.status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn b_28_a_trigger_of_each_source_makes_record_and_bootstrap_and_its_event_names_the_source() {
    let rig = rig(AdmissionPolicy::default()).await;
    for (number, source) in ["point-of-sale", "self-service", "network", "voice", "other"]
        .into_iter()
        .enumerate()
    {
        let new = NewTrigger {
            dev_id: format!("IMEI:{number}"),
            address: Some(format!("udp://192.0.2.{number}:5683")),
            reference: Some("shop 7".to_owned()),
            ..trigger(&format!("k{number}"), source)
        };
        let taken = rig.api.trigger(&new).await.unwrap();
        assert!(!taken.repeated);
        let device = rig.api.device(&new.dev_id).await.unwrap();
        assert_eq!(device.bootstraps, std::slice::from_ref(&taken.bootstrap));
        assert_eq!(
            device.device.notify.addresses.unwrap(),
            [new.address.clone().unwrap()]
        );
        let told = EventKind::DeviceTriggered {
            source: source.to_owned(),
            reference: new.reference,
            address: new.address,
            bootstrap: taken.bootstrap.id,
        };
        let events = rig.events().await;
        let of = events
            .iter()
            .find(|stored| stored.event.kind == told)
            .unwrap();
        assert_eq!(of.dev_id.as_ref().unwrap().as_str(), new.dev_id);
    }
}

#[tokio::test]
async fn b_28_a_repeated_trigger_starts_nothing_and_is_answered_with_the_same_record_and_code() {
    let rig = rig(AdmissionPolicy::default()).await;
    let new = NewTrigger {
        code: true,
        ..trigger("sale-1", "point-of-sale")
    };
    let first = rig.api.trigger(&new).await.unwrap();
    let (commits, again) = rig.commits_of(rig.api.trigger(&new)).await;
    let again = again.unwrap();
    assert_eq!(commits, 0);
    assert!(again.repeated && again.code.is_some());
    assert_eq!(
        (&again.bootstrap, &again.code),
        (&first.bootstrap, &first.code)
    );
    let rig = rig.restarted().await;
    assert_eq!(rig.api.trigger(&new).await.unwrap(), again);

    let code = again.code.unwrap();
    let mut wire = rig.connect(None).await;
    assert_eq!(wire.fetch_with_code(DEVICE, &code).await.status, 200);

    let other = NewTrigger {
        dev_id: "IMEI:2".to_owned(),
        ..new
    };
    assert_eq!(status(rig.api.trigger(&other).await), 409);
    assert_eq!(status(rig.api.device("IMEI:2").await), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_of_one_key_that_come_at_once_start_one_bootstrap() {
    let rig = rig(AdmissionPolicy::default()).await;
    let new = trigger("sale-1", "network");
    let all = futures_util::future::join_all((0..8).map(|_| rig.api.trigger(&new))).await;
    let ids: Vec<_> = all
        .into_iter()
        .map(|taken| taken.unwrap().bootstrap.id)
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(rig.api.device(DEVICE).await.unwrap().bootstraps.len(), 1);
}

#[tokio::test]
async fn a_triggered_device_comes_in_with_its_makers_certificate() {
    let validity = CertificateValidity::starting(UnixTime::now(), Duration::from_secs(86_400));
    let acme = DevelopmentCa::create("Acme", validity).unwrap();
    let rig = rig(AdmissionPolicy {
        makers: vec![Maker {
            name: "Acme".to_owned(),
            anchors: omadm_tls::pem::certificates(&acme.certificate_pem()).unwrap(),
            dev_id: DevIdRule::default(),
            only: Vec::new(),
            profile: None,
            approval: false,
        }],
        ..AdmissionPolicy::default()
    })
    .await;
    let dev_id = DevId::parse(DEVICE).unwrap();
    let identity = || acme.issue_for_generated_key(&dev_id, validity).unwrap().1;
    let (first, second) = (identity(), identity());
    assert_eq!(
        rig.connect(Some(&first)).await.fetch(DEVICE).await.status,
        403
    );
    rig.api.trigger(&trigger("hlr-1", "network")).await.unwrap();
    assert_eq!(
        rig.connect(Some(&first)).await.fetch(DEVICE).await.status,
        200
    );
    // It has its own now; another one is the operator's affair.
    assert_eq!(
        rig.connect(Some(&second)).await.fetch(DEVICE).await.status,
        403
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_trigger_is_told_and_nothing_is_made() {
    let rig = rig(AdmissionPolicy::default()).await;
    for (wrong, told) in [
        (trigger("", "network"), "key"),
        (trigger("a b", "network"), "key"),
        (trigger("k", "hearsay"), "source"),
        (
            NewTrigger {
                profile: "none".to_owned(),
                ..trigger("k", "voice")
            },
            "profile",
        ),
        (
            NewTrigger {
                address: Some("carrier-pigeon".to_owned()),
                ..trigger("k", "voice")
            },
            "carrier-pigeon",
        ),
        (
            NewTrigger {
                dev_id: "a b".to_owned(),
                ..trigger("k", "voice")
            },
            "DevID",
        ),
    ] {
        let refused = rig.api.trigger(&wrong).await.unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(rig.api.devices(None).await.unwrap().devices, []);
}

#[tokio::test]
async fn b_28_a_trigger_brings_a_client_of_dm_1_x_its_document_as_a_signed_push() {
    let rig = rig(AdmissionPolicy::default()).await;
    for (number, format) in ["cp", "dm"].into_iter().enumerate() {
        let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let new = NewTrigger {
            dev_id: format!("IMEI:{number}"),
            profile: "dm1x".to_owned(),
            profile_format: Some(format.to_owned()),
            method: Some("server-initiated".to_owned()),
            address: Some(format!("udp://{}", ear.local_addr().unwrap())),
            imsi: Some("310150123456789".to_owned()),
            ..trigger(&format!("k{number}"), "network")
        };
        let taken = rig.api.trigger(&new).await.unwrap();
        assert_eq!(taken.bootstrap.profile_format, format);
        let push = taken.bootstrap.push.unwrap();
        assert_eq!(
            (push.carrier.as_str(), push.sec.as_deref()),
            ("wap", Some("networkid"))
        );
        let mut octets = vec![0; 65_536];
        let length = soon(ear.recv(&mut octets)).await.unwrap();
        let pushed = Push::decode(&octets[..length]).unwrap();
        let pushed = PushedBootstrap::of_push(&pushed).unwrap();
        let keys = PushKeys {
            subscribers: vec![Imsi::parse("310150123456789").unwrap().into()],
            user_pin_mac: false,
        };
        assert!(matches!(pushed.judge(&keys), PushJudged::Proved(_)));
        assert!(rig.api.trigger(&new).await.unwrap().repeated);
        let account = rig.api.device(&new.dev_id).await.unwrap().dm1.unwrap();
        assert_eq!(account.client[0].generation, "pending");
    }
}

#[tokio::test]
async fn a_triggered_client_of_dm_1_x_fetches_its_document_with_its_code() {
    let rig = rig(AdmissionPolicy::default()).await;
    for (format, media_type) in [
        ("cp", "application/vnd.wap.connectivity-wbxml"),
        ("dm", "application/vnd.syncml.dm+wbxml"),
    ] {
        let new = NewTrigger {
            dev_id: format!("IMEI:{format}"),
            profile: "dm1x".to_owned(),
            profile_format: Some(format.to_owned()),
            code: true,
            ..trigger(format, "point-of-sale")
        };
        let taken = rig.api.trigger(&new).await.unwrap();
        assert_eq!(taken.bootstrap.method, "client-initiated");
        let mut wire = rig.connect(None).await;
        let basic = STANDARD.encode(format!("{}:{}", new.dev_id, taken.code.unwrap()));
        let basic = format!("Basic {basic}");
        let headers = [
            ("OMADM-DevID", new.dev_id.as_str()),
            ("Authorization", &basic),
            ("Accept", media_type),
        ];
        let answer = wire
            .send(Method::GET, "/bootstrap", &headers, Vec::new())
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, media_type)
        );
    }
}

#[tokio::test]
async fn a_repeat_is_known_by_all_but_its_pin_and_unsigned_pushes_are_refused() {
    let rig = rig(AdmissionPolicy::default()).await;
    let pushed = |key: &str, pin: Option<&str>| NewTrigger {
        profile: "dm1x".to_owned(),
        profile_format: Some("cp".to_owned()),
        method: Some("server-initiated".to_owned()),
        address: Some("udp://127.0.0.1:9".to_owned()),
        pin: pin.map(|pin| SecretText(pin.to_owned())),
        ..trigger(key, "voice")
    };
    for (wrong, told) in [
        (pushed("a", None), "nobody could sign"),
        (pushed("b", Some("12")), "pin"),
        (
            NewTrigger {
                profile_format: Some("tnds".to_owned()),
                ..trigger("c", "voice")
            },
            "neither cp nor dm",
        ),
        (
            NewTrigger {
                profile_format: None,
                ..pushed("d", Some("1234"))
            },
            "are of a server-initiated bootstrap of DM 1.x",
        ),
    ] {
        let refused = rig.api.trigger(&wrong).await.unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(rig.api.devices(None).await.unwrap().devices, []);
    let first = rig.api.trigger(&pushed("e", Some("1234"))).await.unwrap();
    let again = rig.api.trigger(&pushed("e", Some("4321"))).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.bootstrap.id, first.bootstrap.id);
    assert_eq!(status(rig.api.trigger(&pushed("e", None)).await), 409);
}
