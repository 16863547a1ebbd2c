//! The example bodies of `dm20.md` are read as what they are, and written as they were read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use omadm_dm2::{
    AlertType, Command, CommandName, Content, Document, MASK, Package1, Package2, Package3,
    SessionCause, StatusCode,
};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::{MoRegistry, dev_info, dm_acc};

const VECTORS: [(&str, &str, &str); 12] = [
    (
        "s4_1_package1",
        "Package#1",
        include_str!("data/s4_1_package1.json"),
    ),
    (
        "s4_2_package2",
        "Package#2",
        include_str!("data/s4_2_package2.json"),
    ),
    (
        "s4_3_package3",
        "Package#3",
        include_str!("data/s4_3_package3.json"),
    ),
    (
        "s6_bootstrap_complete",
        "Package#1",
        include_str!("data/s6_bootstrap_complete.json"),
    ),
    (
        "s9_3_device_info",
        "MO serialization",
        include_str!("data/s9_3_device_info.json"),
    ),
    (
        "s14_2_bootstrap",
        "DM Bootstrap",
        include_str!("data/s14_2_bootstrap.json"),
    ),
    (
        "s21_package1",
        "Package#1",
        include_str!("data/s21_package1.json"),
    ),
    (
        "s21_package2_get",
        "Package#2",
        include_str!("data/s21_package2_get.json"),
    ),
    (
        "s21_package3",
        "Package#3",
        include_str!("data/s21_package3.json"),
    ),
    (
        "s21_package2_end",
        "Package#2",
        include_str!("data/s21_package2_end.json"),
    ),
    (
        "s21_package2_cached_get",
        "Package#2",
        include_str!("data/s21_package2_cached_get.json"),
    ),
    (
        "s21_package3_cached",
        "Package#3",
        include_str!("data/s21_package3_cached.json"),
    ),
];

fn text(name: &str) -> &'static str {
    VECTORS
        .iter()
        .find(|(vector, ..)| *vector == name)
        .unwrap()
        .2
}

fn json(name: &str) -> Json {
    Json::read(text(name).as_bytes(), JsonLimits::default()).unwrap()
}

fn document(name: &str) -> Document {
    Document::read(text(name).as_bytes(), JsonLimits::default()).unwrap()
}

fn commands(name: &str) -> Vec<Command> {
    Package2::read(&json(name))
        .unwrap()
        .commands
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn every_example_is_told_by_its_shape() {
    for (name, title, _) in VECTORS {
        assert_eq!(document(name).title(), title, "{name}");
    }
}

#[test]
fn x_json_001_every_package_is_written_as_it_was_read() {
    for (name, ..) in VECTORS {
        let document = document(name);
        let written = match document.content() {
            Content::Package1(package) => package.write(),
            Content::Package2(package) => {
                let commands: Vec<_> = package
                    .commands
                    .iter()
                    .cloned()
                    .map(Result::unwrap)
                    .collect();
                Package2::write(&commands)
            }
            Content::Package3(package) => package.write(),
            Content::MoSerialization(_) | Content::Bootstrap(_) | Content::Alert(_) => continue,
        };
        assert_eq!(written.to_compact(), document.json().to_compact(), "{name}");
    }
}

#[test]
fn package1_tells_the_supported_mos_and_the_cause() {
    let package = Package1::read(&json("s4_1_package1")).unwrap();
    assert_eq!(
        package.session_causes(),
        [SessionCause::ClientInitiatedMgmt]
    );
    let mos = package.mos.unwrap();
    assert_eq!(mos[0].moid.as_ref(), Some(&dev_info::moid()));
    assert_eq!(
        mos[0].ddf.as_deref(),
        Some("https://ddf.example.com/devinfo-1.2.ddf")
    );
    assert_eq!(mos[0].miids, ["1"]);
}

#[test]
fn package2_keeps_the_order_of_its_commands() {
    let commands = commands("s4_2_package2");
    assert_eq!(
        commands.iter().map(Command::name).collect::<Vec<_>>(),
        [CommandName::HPost, CommandName::HGet, CommandName::Get]
    );
    let Command::HPost { server, clients } = &commands[0] else {
        panic!("{commands:?}")
    };
    assert_eq!(server.host(), "repo.example.com");
    assert_eq!(clients.as_slice().len(), 2);
    assert!(matches!(&commands[1], Command::HGet { client: None, .. }));
}

#[test]
fn package3_tells_where_data_went_and_what_a_get_brought() {
    let package = Package3::read(&json("s4_3_package3")).unwrap();
    let commands = commands("s4_2_package2");
    assert_eq!(package.statuses.len(), commands.len());
    let stored: Vec<_> = package.statuses[1]
        .uris()
        .map(|uri| uri.unwrap().to_string())
        .collect();
    assert_eq!(
        stored,
        [
            "urn:oma:mo:oma-mo:1.0/miid1/",
            "urn:oma:mo:oma-mo:1.0/miid2/"
        ]
    );
    assert!(package.results_for(0, &commands).unwrap().is_empty());
    let items = package.results_for(2, &commands).unwrap();
    assert_eq!(items[0].data.to_compact(), r#"{"CBT":1}"#);
}

#[test]
fn a_completed_bootstrap_names_its_account_and_carries_its_type() {
    let package = Package1::read(&json("s6_bootstrap_complete")).unwrap();
    let [SessionCause::BootstrapComplete(alert)] = package.session_causes()[..] else {
        panic!("one cause")
    };
    assert_eq!(alert.alert_type, AlertType::BOOTSTRAP_COMPLETE);
    assert_eq!(alert.source_uri().unwrap().unwrap().moid, dm_acc::moid());
    let kind = alert
        .data
        .as_ref()
        .and_then(|data| data.member("BootstrapType")?.member("Kind")?.as_text());
    assert_eq!(kind, Some("first"));
}

#[test]
fn the_session_of_section_21_runs_through() {
    let read = commands("s21_package2_get");
    let answer = Package3::read(&json("s21_package3")).unwrap();
    let items = answer.results_for(0, &read).unwrap();
    assert_eq!(items[0].cv.as_ref().unwrap().as_str(), "5f2a");
    assert!(Package2::read(&json("s21_package2_end")).unwrap().has_end());
    assert!(!Package2::read(&json("s21_package2_get")).unwrap().has_end());
    let [Command::Get { clients }] = &commands("s21_package2_cached_get")[..] else {
        panic!("one GET")
    };
    assert_eq!(clients.as_slice()[0].cv, items[0].cv);
    assert_eq!(
        Package3::read(&json("s21_package3_cached"))
            .unwrap()
            .statuses[0]
            .code,
        StatusCode::NOT_MODIFIED
    );
}

#[test]
fn the_bootstrap_is_shown_without_its_secrets() {
    let document = document("s14_2_bootstrap");
    let masked = document.masked(&MoRegistry::standard());
    for secret in [
        "ZGV2LTAwMDE=",
        "c3J2LTE=",
        "AAECAwQFBgcICQoLDA0ODw==",
        "czNjcjN0LW5vdGk=",
        "Dw4NDAsKCQgHBgUEAwIBAA==",
    ] {
        assert!(
            text("s14_2_bootstrap").contains(secret) && !masked.contains(secret),
            "{secret}"
        );
    }
    for shown in [
        "dms1.example.com",
        "urn:oma:mo:oma-fumo:1.0",
        "https://boot.example.com/dm20/bootstrap",
        "ZGV2LTAwMDEtcw==",
    ] {
        assert!(masked.contains(shown), "{shown}");
    }
    assert_eq!(masked.matches(MASK).count(), 5);
}
