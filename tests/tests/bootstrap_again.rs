//! A bootstrap that an operator starts by `omadm device bootstrap`, and sessions that a device opens by `omadm client session`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Device, Server, binary};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

#[test]
fn a_further_bootstrap_is_started_from_the_former_profile_and_keeps_the_miid() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let operator = |arguments: &[&str]| server.operator(&token, arguments).run();

    let unknown = operator(&["bootstrap", DEVICE, "--profile", "minimal"]).refused();
    assert!(unknown.stderr.contains("no device"), "{unknown:?}");
    device.add(&server, &token, &[]);
    let unnamed = operator(&["bootstrap", DEVICE]).refused();
    assert!(unnamed.stderr.contains("--profile"), "{unnamed:?}");
    let named = operator(&["bootstrap", DEVICE, "--profile", "minimal"]).good();
    assert!(
        named
            .field("bootstrap:")
            .contains("from profile minimal, client-initiated"),
        "{named:?}"
    );

    let account = || {
        let got = device
            .client("get")
            .args(["--json", "urn:oma:mo:oma-dm-dmacc:1.2/*/SrvID"])
            .run()
            .good();
        got.stdout
    };
    let _first = device.client_at("bootstrap", &server).run().good();
    let before = account();
    let again = operator(&["bootstrap", DEVICE, "--json"]).good();
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["profile"], "minimal");
    let _second = device.client_at("bootstrap", &server).run().good();
    assert_eq!(account(), before, "the same ClientURI, the same server");

    let shown = operator(&["show", DEVICE, "--json"]).good();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let records = shown["bootstraps"].as_array().unwrap();
    let told = |record: &Value| (record["state"].clone(), record["kind"].clone());
    let told: Vec<_> = records.iter().map(told).collect();
    assert_eq!(
        told,
        [
            ("completed".into(), "re".into()),
            ("completed".into(), "first".into())
        ]
    );
}

#[test]
fn a_session_is_opened_at_once_with_one_server_or_with_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let without = device.client("session").run().refused();
    assert!(without.stderr.contains("no such account"), "{without:?}");
    let _done = device.client_at("bootstrap", &server).run().good();

    let policy = "[network]\nallow_loopback = true\n";
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let ca = server.ca();
    let session = || device.client("session").arg("--ca").arg(&ca);
    let sent = ["send", DEVICE, "GET", "urn:oma:mo:oma-dm-devinfo:1.2//"];
    let _queued = server.operator(&token, &sent).run().good();
    let held = session().run().good();
    assert_eq!(
        held.field("session:"),
        "dm.example.com  ended by the server"
    );
    let commands = server.operator(&token, &["commands", DEVICE]).run().good();
    assert!(commands.stdout.contains("answered"), "{commands:?}");
    let one = session()
        .args(["--json", "--server", "dm.example.com"])
        .run()
        .good();
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one["ended"], true);
    let none = session().args(["--server", "other.example.com"]).run();
    assert!(none.refused().stderr.contains("no such account"));

    let _ended = server.end().unwrap().good();
    let lost = session().run().refused();
    assert!(
        lost.stderr.contains("was not ended by the server"),
        "{lost:?}"
    );
}

#[test]
fn the_hook_of_the_kit_prepares_the_bootstrap_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.add(&server, &token, &[]);
    let session = server.url().replace("/bootstrap", "/dm/2.0");
    let kit = omadm_tests::process::omadm(["conformance", "server", "--json", "--item", "B-14"])
        .args(["--url", &session, "--bootstrap-url", &server.url()])
        .args(["--dev-id", DEVICE, "--ca"])
        .arg(server.ca())
        .arg("--cert")
        .arg(device.file("device-cert.pem"))
        .arg("--key")
        .arg(device.file("device-key.pem"))
        .arg("--hook")
        .arg(format!("{} device", binary().display()))
        .env("OMADM_PROFILE", "full");
    let report = server.reached(kit, &token).run().good();
    let report: Value = serde_json::from_str(report.stdout.lines().last().unwrap()).unwrap();
    let counts = &report["counts"];
    assert!(counts["passed"].as_u64() > Some(0), "{report}");
    assert_eq!(counts["not tested"], 0, "{report}");
    let shown = server.operator(&token, &["show", DEVICE]).run().good();
    assert!(shown.stdout.contains("client-initiated  full"), "{shown:?}");
}
