//! The README's quick start as its reader runs it: `omadm serve`, `omadm device`, `omadm client`, each a process of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use omadm_tests::process::{Device, PATIENCE, Server, Signal, omadm};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

/// The objects that lines of JSON hold.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The item of `omadm client tree --json` whose ClientURI begins so.
fn item<'a>(items: &'a [Value], moid: &str) -> &'a Value {
    let mut found = items
        .iter()
        .filter(|item| item["ClientURI"].as_str().unwrap().starts_with(moid));
    let one = found.next().unwrap();
    assert!(found.next().is_none(), "one instance of {moid}");
    one
}

#[test]
fn b_01_b_08_a_device_is_registered_by_its_request_bootstrapped_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");

    let done = device.client_at("bootstrap", &server).run().good();
    assert_eq!(done.field("bootstrapped:"), "dm.example.com");

    let shown = server.operator(&token, &["show", DEVICE]).run().good();
    for part in [
        "bootstrapped client-initiated at ",
        "  minimal  completed  dm.example.com",
        "bootstrap-completed",
        "session-started     urn:oma:at:dm:2.0:BootstrapComplete  (session ",
        "command-answered    GET urn:oma:mo:oma-dm-devinfo:1.2//: 200 after ",
        "session-ended",
        "\"SwV\":",
    ] {
        assert!(shown.stdout.contains(part), "no {part:?}: {}", shown.stdout);
    }
    let listed = server.operator(&token, &["list"]).run().good();
    assert!(listed.stdout.contains(DEVICE), "{}", listed.stdout);

    let tree = device.client("tree").arg("--json").run().good();
    let tree = lines(&tree.stdout);
    assert_eq!(tree.len(), 3, "DevInfo, Session Info, DM Account: {tree:?}");
    let dev_info = &item(&tree, "urn:oma:mo:oma-dm-devinfo:1.2/")["MOData"]["DevInfo"];
    assert_eq!(dev_info["DevID"], DEVICE);
    let account = &item(&tree, "urn:oma:mo:oma-dm-dmacc:1.2/")["MOData"]["DMAcc"];
    assert_eq!(account["SrvID"], "dm.example.com");
    assert_eq!(account["Ext"]["Bootstrap"]["Method"], "client");
    assert_eq!(account["Ext"]["Bootstrap"]["State"], "acked");
    assert!(account.get("Perm").is_none(), "{account}");

    let alerts = device.client("alerts").run().good();
    assert_eq!(
        alerts.stdout.trim(),
        "dm.example.com  BootstrapComplete acknowledged  queued alerts 0"
    );
}

#[test]
fn b_24_dm_boot_001_c_m_dm_boot_004_c_o_a_device_that_has_nothing_comes_in_by_its_bootstrap_code_once()
 {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let code = device.register_by_code(&server, &token, "full");

    let done = device
        .client_at("bootstrap", &server)
        .env("OMADM_BOOTSTRAP_CODE", &code)
        .run()
        .good();
    assert_eq!(done.field("bootstrapped:"), "dm-full.example.com");

    let tree = device.client("tree").arg("--json").run().good();
    let tree = lines(&tree.stdout);
    let reporting = &item(&tree, "urn:example:mo:reporting:1.0/")["MOData"]["Reporting"];
    assert_eq!(reporting["Label"], DEVICE);
    assert_eq!(reporting["IntervalSeconds"], 900);
    let account = &item(&tree, "urn:oma:mo:oma-dm-dmacc:1.2/")["MOData"]["DMAcc"];
    assert_eq!(account["Ext"]["Bootstrap"]["State"], "acked");
    assert_eq!(account["Auth"]["Noti"]["Type"], 1);
    for (part, secret) in [
        ("Bootstrap", "ClientSecretKey"),
        ("Noti", "Secret"),
        ("Trsp", "Secret"),
    ] {
        assert!(account["Auth"][part].is_object(), "{account}");
        assert!(account["Auth"][part].get(secret).is_none(), "{account}");
    }

    let shown = server
        .operator(&token, &["--json", "show", DEVICE])
        .run()
        .good();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["bootstraps"][0]["state"], "completed");
    let spent = shown["credentials"].as_array().unwrap().iter();
    let spent: Vec<_> = spent
        .filter(|credential| credential["proof"] == "bootstrap-code")
        .collect();
    assert_eq!(spent.len(), 1);
    assert!(spent[0]["revoked_at"].is_string(), "{spent:?}");

    // The same code in the hands of another is worth nothing any more.
    let thief = Device::init(&folder.path().join("thief"), DEVICE);
    let refused = thief
        .client_at("bootstrap", &server)
        .env("OMADM_BOOTSTRAP_CODE", &code)
        .run()
        .refused();
    assert!(
        refused.stderr.contains("the bootstrap code has served"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_device_that_nobody_named_is_refused_and_an_event_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    // Another server's CA vouches for it, so that it has a certificate at all.
    let foreign = Server::start(&folder.path().join("foreign")).unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&foreign, foreign.token.as_ref().unwrap(), "minimal");
    let before = device.client("tree").run().good().stdout;

    let refused = device.client_at("bootstrap", &server).run().refused();
    for part in [
        "HTTP 403",
        DEVICE,
        "  do: Register the device's certificate",
    ] {
        assert!(
            refused.stderr.contains(part),
            "{part:?}: {}",
            refused.stderr
        );
    }
    let alerts = device.client("alerts").run().good();
    assert!(
        alerts.stdout.contains("[credential-unknown]"),
        "{}",
        alerts.stdout
    );
    assert_eq!(device.client("tree").run().good().stdout, before);

    // The events of refusals are written soon, not before the answer.
    let events = |arguments: &[&str]| {
        let events = omadm(["events", "--only", "request-refused"]).args(arguments);
        server.reached(events, &token).run().good().stdout
    };
    let end = Instant::now() + PATIENCE;
    let told = loop {
        let told = events(&[]);
        if told.contains(DEVICE) {
            break told;
        }
        assert!(Instant::now() < end, "no event: {told}");
    };
    assert!(told.contains("status=403") && told.contains("from=127.0.0.1"));
    let whole = events(&["--after", "0", "--json"]);
    let event: Value = serde_json::from_str(whole.lines().last().unwrap()).unwrap();
    assert_eq!(event["what"]["claimed"], DEVICE);
    let position = event["position"].to_string();
    assert_eq!(events(&["--after", &position]), "");
    let unknown = server.operator(&token, &["show", DEVICE]).run().refused();
    assert!(unknown.stderr.contains("no device"), "{}", unknown.stderr);
}

#[test]
fn a_revoked_credential_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let shown = server
        .operator(&token, &["--json", "show", DEVICE])
        .run()
        .good();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let credential = shown["credentials"][0]["id"].as_str().unwrap();
    let revoked = server
        .operator(&token, &["revoke", DEVICE, credential])
        .run()
        .good();
    assert_eq!(revoked.field("revoked:"), credential);
    let refused = device.client_at("bootstrap", &server).run().refused();
    assert!(refused.stderr.contains("HTTP 403"), "{}", refused.stderr);
}

#[test]
fn ca_and_token_are_made_and_the_token_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let first = Server::start(&state).unwrap();
    let token = first.token.clone().unwrap();
    let greeting = first.greeting.clone();
    let fingerprint = |greeting: &str| {
        let line = greeting
            .lines()
            .find_map(|line| line.strip_prefix("CA fingerprint:  SHA-256 "));
        line.unwrap().to_owned()
    };
    assert_eq!(fingerprint(&greeting).split(':').count(), 32);
    assert_eq!(greeting.matches(&token).count(), 1);
    assert_eq!(
        first.end().unwrap().good().stdout.matches(&token).count(),
        1
    );

    let second = Server::start(&state).unwrap();
    assert_eq!(second.token, None);
    assert_eq!(fingerprint(&second.greeting), fingerprint(&greeting));
    let _works = second.operator(&token, &["list"]).run().good();
    let ended = second.end().unwrap().good();
    assert!(!ended.stdout.contains(&token), "{}", ended.stdout);
}

#[test]
fn a_server_ends_by_sigterm_and_what_it_acknowledged_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let first = Server::start(&state).unwrap();
    let token = first.token.clone().unwrap();
    let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &first, "minimal");
    let ended = first.end().unwrap().good();
    assert!(ended.stdout.contains("ending: "), "{}", ended.stdout);

    let second = Server::start(&state).unwrap();
    let shown = second.operator(&token, &["show", DEVICE]).run().good();
    assert!(shown.stdout.contains("  completed  "), "{}", shown.stdout);
    // A completed device that asks again is refused unless the operator said otherwise.
    let again = device.client_at("bootstrap", &second).run().refused();
    assert!(again.stderr.contains("HTTP 403"), "{}", again.stderr);
}

#[test]
fn the_daemon_bootstraps_its_device_and_ends_by_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let daemon = device.client_at("run", &server).start().unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = server.operator(&token, &["show", DEVICE]).run().good();
        if shown.stdout.contains("  completed  ") && shown.stdout.contains("session-ended") {
            break;
        }
        assert!(Instant::now() < end, "{}", shown.stdout);
    }
    daemon.signal(Signal::Term).unwrap();
    let _ended = daemon.wait(PATIENCE).unwrap().good();
    let alerts = device.client("alerts").run().good();
    assert!(
        alerts.stdout.contains("BootstrapComplete acknowledged"),
        "{}",
        alerts.stdout
    );
}

#[test]
fn an_operator_without_the_right_token_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let wrong = server.operator("wrong", &["list"]).run().refused();
    assert!(wrong.stderr.contains("admin token"), "{}", wrong.stderr);
    assert_eq!(wrong.stdout, "");
    let none = server.operator("", &["list"]).run().refused();
    assert!(none.stderr.contains("token"), "{}", none.stderr);
}

#[test]
fn a_profile_that_the_server_does_not_have_registers_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let refused = server
        .operator(&token, &["add", DEVICE, "--code", "--profile", "nope"])
        .run()
        .refused();
    assert!(refused.stderr.contains("nope"), "{}", refused.stderr);
    let listed = server.operator(&token, &["--json", "list"]).run().good();
    assert_eq!(listed.stdout, "");
}

#[test]
fn a_device_does_not_take_a_bootstrap_from_a_server_it_has_no_anchor_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let other = Server::start(&folder.path().join("other")).unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let before = device.client("tree").run().good().stdout;

    let foreign = device
        .client("bootstrap")
        .args(["--url", &server.url(), "--ca"])
        .arg(other.ca())
        .run()
        .refused();
    assert!(foreign.stderr.contains(&server.url()), "{}", foreign.stderr);
    let none = device.client("bootstrap").run().refused();
    assert!(none.stderr.contains("--url and --ca"), "{}", none.stderr);
    assert_eq!(device.client("tree").run().good().stdout, before);

    // Nothing was lost: with the right anchor it is bootstrapped.
    let _done = device.client_at("bootstrap", &server).run().good();
}

#[test]
fn a_server_whose_port_is_taken_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = omadm(["serve", "--operators", "127.0.0.1:0", "--devices", &address])
        .arg("--state")
        .arg(folder.path().join("server"))
        .run()
        .refused();
    assert!(refused.stderr.contains(&address), "{}", refused.stderr);
    assert!(
        !folder.path().join("server").exists(),
        "the first start must not be used up"
    );
}
