//! `omadm demo`, the first command of the README.
//! One node, whatever `OMADM_TEST_NODES` says: the default of the command; `demo_nodes.rs` has several.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Ended, PATIENCE, Signal, omadm};
use serde_json::Value;

/// The one row of `demo --json`.
fn row(ended: &Ended) -> Value {
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "one object a bootstrap: {ended:?}");
    serde_json::from_str(lines[0]).unwrap()
}

/// Insists on a completed bootstrap of this account with these counts: connections, exchanges, commits.
#[track_caller]
fn counts(row: &Value, account: &str, counts: [u64; 3]) {
    let told = ["connections", "exchanges", "commits"].map(|name| row[name].as_u64().unwrap());
    assert_eq!(told, counts, "{row}");
    assert_eq!(row["account"], account);
    assert_eq!(row["state"], "completed");
    assert_eq!(row["owed"], false);
    assert_eq!(row["method"], "client-initiated");
    assert_eq!(row["device"], "IMEI:493005100592800");
    assert!(row["duration_ms"].is_u64(), "{row}");
}

#[test]
fn the_minimal_profile_takes_one_connection_three_exchanges_two_commits() {
    let ended = omadm(["demo", "--json", "--method", "client"]).run().good();
    counts(&row(&ended), "dm.example.com", [1, 3, 2]);
}

#[test]
fn the_full_profile_takes_one_connection_more() {
    let ended = omadm(["demo", "--json", "--method", "client", "--profile", "full"])
        .run()
        .good();
    counts(&row(&ended), "dm-full.example.com", [2, 3, 2]);
}

#[test]
fn the_timeline_tells_what_each_end_did_and_the_table_how_it_ended() {
    let ended = omadm(["demo", "--method", "client"]).run().good();
    let mut rest = ended.stdout.as_str();
    for (who, what) in [
        ("DM Client", "asks for its DM Bootstrap: GET https://"),
        ("DM Client", "receives a DM Bootstrap: "),
        (
            "DM Client",
            "installs it in one transaction; BootstrapComplete is owed to dm.example.com",
        ),
        (
            "DM Client",
            "Package#1 with urn:oma:at:dm:2.0:BootstrapComplete",
        ),
        (
            "DM Client",
            "BootstrapComplete acknowledged by dm.example.com",
        ),
        (
            "DM Client",
            "executes GET urn:oma:mo:oma-dm-devinfo:1.2//: status 200",
        ),
        ("DM Client", "DM session over: END"),
    ] {
        let found = rest
            .lines()
            .position(|line| line.contains(who) && line.contains(what));
        let found = found.unwrap_or_else(|| panic!("no {what:?} in its place: {}", ended.stdout));
        rest = rest.splitn(found + 2, '\n').last().unwrap();
    }
    for what in [
        "drafts a DM Bootstrap from profile minimal",
        "the DM Bootstrap was fetched",
        "BootstrapComplete is durable",
        "GET urn:oma:mo:oma-dm-devinfo:1.2// was answered: 200",
        "DM session ended with END",
    ] {
        assert!(
            ended
                .stdout
                .lines()
                .any(|line| line.contains("DM Server  ") && line.contains(what)),
            "no {what:?}: {}",
            ended.stdout
        );
    }
    let table: Vec<_> = ended.stdout.lines().rev().take(3).collect();
    let cells =
        |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(
        cells(table[2]),
        [
            "method",
            "device",
            "account",
            "state",
            "owed",
            "ms",
            "connections",
            "exchanges",
            "commits"
        ]
    );
    let last = cells(table[0]);
    assert_eq!(
        last[..5].join(" "),
        "client-initiated IMEI:493005100592800 dm.example.com completed no"
    );
    assert_eq!(last[6..], ["1", "3", "2"]);
    assert!(!ended.stdout.contains("exchange 1 on"), "only with --trace");
}

/// What the rows of `demo --json` say under these names.
fn told<const N: usize>(ended: &Ended, names: [&str; N]) -> Vec<[Value; N]> {
    let lines = ended.stdout.lines();
    let rows = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| names.map(|name| row[name].clone()))
        .collect()
}

#[test]
fn every_method_bootstraps_a_fresh_device_then_one_is_bootstrapped_again_and_a_card_removed() {
    for profile in ["minimal", "full"] {
        let ended = omadm(["demo", "--json", "--profile", profile]).run().good();
        let account = match profile {
            "full" => "dm-full.example.com",
            _ => "dm.example.com",
        };
        let rows = told(&ended, ["step", "method", "device", "miid", "miid_before"]);
        let device = |n: usize| format!("IMEI:49300510059280{n}");
        let wanted = [
            ("bootstrap", "factory", 0, Some("1"), None),
            ("bootstrap", "smartcard", 1, Some("1"), None),
            ("bootstrap", "client-initiated", 2, Some("1"), None),
            ("bootstrap", "server-initiated", 3, Some("1"), None),
            ("re-bootstrap", "client-initiated", 2, Some("1"), Some("1")),
            ("card-removed", "smartcard", 1, None, Some("1")),
        ];
        let wanted = wanted.map(|(step, method, n, now, before)| {
            let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
            [
                step.into(),
                method.into(),
                device(n).into(),
                text(now),
                text(before),
            ]
        });
        assert_eq!(rows, wanted, "{profile}");
        for [on, state, owed] in told(&ended, ["account", "state", "owed"]) {
            assert_eq!(
                (on, state, owed),
                (account.into(), "completed".into(), false.into())
            );
        }
        // What needs no fetch saves its exchange; a removal needs no network at all.
        let exchanges = told(&ended, ["exchanges", "commits"]);
        assert_eq!(exchanges.first(), Some(&[2.into(), 2.into()]), "{profile}");
        assert_eq!(exchanges.last(), Some(&[0.into(), 0.into()]), "{profile}");
    }
}

#[test]
fn the_whole_demo_tells_each_step_under_its_heading_and_what_came_of_it_below_the_table() {
    let ended = omadm(["demo"]).run().good();
    let mut rest = ended.stdout.as_str();
    for what in [
        "\nfactory: the image",
        "operator   takes the document, builds a factory image",
        "receives a DM Bootstrap: ",
        "BootstrapComplete acknowledged by dm.example.com",
        "\nsmartcard: the DM Bootstrap is read from the card",
        "(a virtual card in this process; real readers: omadm card)",
        "looks at its cards: virtual:",
        "BootstrapComplete acknowledged by dm.example.com",
        "\nclient-initiated: the device asks",
        "\nserver-initiated: the server pushes the document",
        "DM Server  brings the DM Bootstrap to the device: direct to https://127.0.0.1:",
        "receives a DM Bootstrap: 426 octets, server-initiated",
        "BootstrapComplete is durable: method server-initiated, kind first",
        "\nagain: IMEI:493005100592802",
        "BootstrapComplete is durable: method client-initiated, kind re",
        "\ncard removed: the card is taken out of IMEI:493005100592801",
        "dm.example.com: removed, no longer on a card",
        "\nmethod ",
        "\nfactory  ",
        "\nsmartcard  ",
        "\nclient-initiated  ",
        "\nserver-initiated  ",
        "\nclient-initiated, again  ",
        "\ncard removed  ",
        "IMEI:493005100592802 was bootstrapped again: its account of dm.example.com was replaced and kept its MIID, 1.",
        "IMEI:493005100592801 lost its card",
    ] {
        let found = rest.find(what);
        let found = found.unwrap_or_else(|| panic!("no {what:?} in its place: {}", ended.stdout));
        rest = &rest[found + what.len()..];
    }
}

#[test]
fn one_method_or_several_can_be_picked() {
    let two = omadm(["demo", "--json"])
        .args(["--method", "smartcard", "--method", "factory"])
        .run()
        .good();
    let rows = told(&two, ["step", "method", "device"]);
    let row = |method: &str, device: &str| ["bootstrap".into(), method.into(), device.into()];
    let wanted: [[Value; 3]; 2] = [
        row("factory", "IMEI:493005100592800"),
        row("smartcard", "IMEI:493005100592801"),
    ];
    assert_eq!(rows, wanted, "in the order of the demo");
    let other = omadm(["demo", "--method", "pigeon"]).run();
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("smartcard"), "{other:?}");
}

#[test]
fn trace_shows_every_exchange_with_its_secrets_masked() {
    let ended = omadm(["demo", "--trace", "--method", "client", "--profile", "full"])
        .run()
        .good();
    let out = &ended.stdout;
    for number in 1..=3 {
        assert!(
            out.contains(&format!("exchange {number} on connection ")),
            "{out}"
        );
    }
    assert!(!out.contains("exchange 4 on"), "{out}");
    for part in [
        "< ",
        "> ",
        "\"MOS\"",
        "\"Status\"",
        "\"SrvID\": \"dm-full.example.com\"",
    ] {
        assert!(out.contains(part), "no {part:?}: {out}");
    }
    for secret in ["\"ClientSecretKey\": ", "\"Secret\": "] {
        let told: Vec<_> = out
            .lines()
            .filter_map(|line| line.split_once(secret))
            .collect();
        assert!(!told.is_empty(), "no {secret}: {out}");
        for (_, value) in told {
            assert_eq!(value.trim_end_matches(','), "\"•••\"");
        }
    }
}

#[test]
fn keep_leaves_the_server_running_until_ctrl_c() {
    let mut kept = omadm(["demo", "--method", "client", "--keep"])
        .start()
        .unwrap();
    let out = kept.until("Ctrl-C ends it.", PATIENCE).unwrap();
    let at = out
        .lines()
        .find_map(|line| line.strip_prefix("DM Server runs on:"))
        .unwrap();
    let addresses: Vec<_> = at
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("https://"))
        .collect();
    assert_eq!(addresses.len(), 2, "{at}");
    for address in addresses {
        std::net::TcpStream::connect(address).unwrap();
    }
    assert!(out.contains("admin token:"), "{out}");
    kept.signal(Signal::Int).unwrap();
    let _ended = kept.wait(PATIENCE).unwrap().good();
}
