//! Wildcards and x-names (`dm20.md` §7) in every command that takes a ClientURI.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_mo::ClientUri;
use omadm_session::client::{Effect, change_report};
use serde_json::{Value, json};
use support::*;

/// The instance whose ID is `b`.
const NAMED: &str = "?nv=(x)/ID:b";

fn named(rest: &str) -> String {
    format!("{GPS}/(x)/{rest}{NAMED}")
}

fn every(rest: &str) -> String {
    format!("{GPS}/*/{rest}")
}

/// ClientURIs of the items of a serialization.
fn places(items: &Value) -> Vec<&str> {
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| item["ClientURI"].as_str().unwrap())
        .collect()
}

#[test]
fn x_uri_002_what_reads_takes_x_names_for_one_node_and_wildcards_for_all() {
    let (left, right) = (format!("{GPS}/left/Data"), format!("{GPS}/right/Data"));
    for (uri, expected) in [
        (named("Data"), vec![right.as_str()]),
        (every("Data"), vec![&left, &right]),
    ] {
        let mut bench = Bench::new();
        let got = bench.one(json!(["GET", uri]));
        assert_eq!(places(&result(&got)), expected, "GET {uri}");
        for name in ["HPUT", "HPOST"] {
            assert_eq!(bench.code(json!([name, REPO, uri])), 200, "{name} {uri}");
            let upload = bench.pair.end.repository.uploads.pop().unwrap();
            let sent: Value = serde_json::from_slice(&upload.body).unwrap();
            assert_eq!(places(&sent), expected, "{name} {uri}");
        }
        assert_eq!(bench.code(json!(["SUB", REPO, uri])), 200, "SUB {uri}");
        let (account, at) = (bench.account(SRV), ClientUri::parse(&uri).unwrap());
        let end = &bench.pair.end;
        let report = change_report(&end.device, &account, &end.registry, &at).unwrap();
        let told: Value = serde_json::from_slice(&report.body).unwrap();
        assert_eq!(places(&told), expected, "the report of SUB {uri}");
        assert_eq!(bench.code(json!(["UNSUB", uri])), 200, "UNSUB {uri}");
        assert_eq!(bench.code(json!(["UNSUB", uri])), 404, "UNSUB {uri}");
    }
}

#[test]
fn x_uri_002_what_changes_takes_x_names_for_one_node_and_only_delete_takes_wildcards() {
    let mut bench = Bench::new();
    let leaf = json!([{"MOData": {"Rate": 7}}]);
    assert_eq!(bench.hget_to(&named("Rate"), &leaf).code.get(), 200);
    assert_eq!(bench.hget_to(&every("Rate"), &leaf).code.get(), 400);
    let got = bench.one(json!(["GET", every("Rate")]));
    let rates = result(&got);
    let rates: Vec<_> = rates.as_array().unwrap().iter().collect();
    assert_eq!(
        rates
            .iter()
            .map(|item| &item["MOData"]["Rate"])
            .collect::<Vec<_>>(),
        [5, 7]
    );

    for (uri, code, executed) in [
        (named("Reset"), 200, Some("right")),
        (every("Reset"), 400, None),
    ] {
        let (run, statuses) = bench.run_as(SRV, json!([["EXEC", uri]]));
        assert_eq!(statuses[0].code.get(), code, "EXEC {uri}");
        let found = run.effects.iter().find_map(|effect| match effect {
            Effect::Exec(_, at, _) => Some(at.miid.as_str()),
            _ => None,
        });
        assert_eq!(found, executed, "EXEC {uri}");
    }

    assert_eq!(bench.code(json!(["DELETE", named("Data")])), 200);
    let data = |bench: &Bench, miid| bench.instance(GPS, miid).unwrap().find(&["Data"]).is_some();
    assert_eq!((data(&bench, "left"), data(&bench, "right")), (true, false));
    assert_eq!(bench.code(json!(["DELETE", every("Rate")])), 200);
    assert_eq!(bench.text(GPS, "left", &["Rate"]), None);
    assert_eq!(bench.code(json!(["DELETE", named("Data")])), 404);
    assert_eq!(bench.code(json!(["DELETE", format!("{GPS}/*/")])), 200);
    assert!(bench.miids(GPS).is_empty());
}
