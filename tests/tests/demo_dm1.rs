//! `omadm demo --generation 1.x`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use omadm_tests::process::{Ended, omadm};
use serde_json::{Value, json};

/// What the rows say under these names.
fn told(ended: &Ended, names: &[&str]) -> Vec<Vec<Value>> {
    let lines = ended.stdout.lines();
    let rows = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| names.iter().map(|name| row[*name].clone()).collect())
        .collect()
}

#[test]
fn every_method_brings_a_dm_1_x_account_whose_secrets_are_replaced_brought_back_and_replaced_again()
{
    let ended = omadm(["demo", "--generation", "1.x", "--json"])
        .run()
        .good();
    let names = [
        "step",
        "method",
        "profile",
        "device",
        "secrets",
        "recovered",
    ];
    let row = |step: &str, method: &str, profile: &str, n: usize, secrets: &str| {
        let recovered = match step {
            "reset" => json!(["dm1-client"]),
            _ => Value::Null,
        };
        let device = format!("IMEI:49300510059281{n}");
        vec![
            json!(step),
            json!(method),
            json!(profile),
            json!(device),
            json!(secrets),
            recovered,
        ]
    };
    let wanted = [
        row("bootstrap", "factory", "cp", 0, "boot"),
        row("bootstrap", "smartcard", "dm", 1, "boot"),
        row("bootstrap", "client-initiated", "dm", 2, "boot"),
        row("bootstrap", "server-initiated", "cp", 3, "boot"),
        row("bootstrap", "server-initiated", "dm", 4, "boot"),
        row("rotated", "smartcard", "dm", 1, "replaced"),
        row("reset", "smartcard", "dm", 1, "replaced"),
    ];
    assert_eq!(told(&ended, &names), wanted, "{ended:?}");
    for row in told(&ended, &["account", "state", "owed", "miid"]) {
        assert_eq!(
            row,
            [
                json!("org.example.dm"),
                json!("completed"),
                json!(false),
                json!("1")
            ]
        );
    }
}

#[test]
fn its_timeline_and_table_tell_of_each_step() {
    let ended = omadm(["demo", "--generation", "1.x", "--method", "smartcard"]);
    let ended = ended.run().good();
    let mut rest = ended.stdout.as_str();
    for what in [
        "\nsmartcard, a DM message (DM profile): the account is read from the card",
        "drafts a DM Bootstrap from profile dm1x, smartcard",
        "(DM 1.x, DM profile)",
        "package 1 with the bootstrap event",
        "BootstrapComplete is durable: method smartcard, kind first",
        "\nmethod     profile  device",
        "\nsmartcard  dm       IMEI:493005100592810  org.example.dm  completed  no    boot",
    ] {
        let found = rest.find(what);
        let found = found.unwrap_or_else(|| panic!("no {what:?} in its place: {}", ended.stdout));
        rest = &rest[found + what.len()..];
    }
}

#[test]
fn its_trace_shows_decoded_messages_without_secrets_and_its_timeline_no_values_of_the_program() {
    let ended = omadm([
        "demo",
        "--generation",
        "1.x",
        "--method",
        "client",
        "--trace",
    ]);
    let ended = ended.run().good();
    for what in [
        "  >   <SyncHdr>",
        "  >       <Data>********</Data>",
        "<Data>1226</Data>",
        "<Final/>",
        "DM 1.x session over: the server had nothing more to do",
    ] {
        assert!(ended.stdout.contains(what), "no {what:?}: {}", ended.stdout);
    }
    for what in [
        "octets of application/vnd",
        "Ended {",
        "of a header",
        " : status",
    ] {
        assert!(!ended.stdout.contains(what), "{what:?}: {}", ended.stdout);
    }
}

#[test]
fn the_profiles_of_dm_2_0_are_not_for_it() {
    let refused = omadm(["demo", "--generation", "1.x", "--profile", "full"]);
    let refused = refused.run().refused();
    assert!(refused.stderr.contains("leave it out"), "{refused:?}");
}
