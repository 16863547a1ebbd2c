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
    let ended = omadm(["demo", "--json"]).run().good();
    counts(&row(&ended), "dm.example.com", [1, 3, 2]);
}

#[test]
fn the_full_profile_takes_one_connection_more() {
    let ended = omadm(["demo", "--json", "--profile", "full"]).run().good();
    counts(&row(&ended), "dm-full.example.com", [2, 3, 2]);
}

#[test]
fn the_timeline_tells_what_each_end_did_and_the_table_how_it_ended() {
    let ended = omadm(["demo"]).run().good();
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

#[test]
fn trace_shows_every_exchange_with_its_secrets_masked() {
    let ended = omadm(["demo", "--trace", "--profile", "full"]).run().good();
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
    let mut kept = omadm(["demo", "--keep"]).start().unwrap();
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
