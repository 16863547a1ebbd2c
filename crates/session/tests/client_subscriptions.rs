//! SUB, UNSUB and DEFAULT: what the device remembers for a server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_bootstrap::{DeviceView as _, PayloadHash};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{ClientUri, TreeError};
use omadm_session::client::{Cause, change_report};
use omadm_session::pair::Delivered;
use serde_json::{Value, json};
use support::*;

const ELSEWHERE: &str = "https://repo.example.com/elsewhere";

fn at(rest: &str) -> String {
    format!("{GPS}{rest}")
}

fn sub(rest: &str) -> Value {
    json!(["SUB", REPO, at(rest)])
}

fn unsub(rest: &str) -> Value {
    json!(["UNSUB", at(rest)])
}

fn default(moid: &str) -> Value {
    json!(["DEFAULT", REPO, moid])
}

/// ClientURI and ServerURI of each subscription.
fn subscribed(bench: &Bench, server: &str) -> Vec<(String, String)> {
    let subscriptions = bench.account(server).subscriptions;
    subscriptions
        .into_iter()
        .map(|one| (one.client, one.server.to_string()))
        .collect()
}

fn defaults(bench: &Bench, server: &str) -> Vec<(String, String)> {
    let defaults = bench.account(server).defaults;
    defaults
        .into_iter()
        .map(|one| (one.moid.to_string(), one.server.to_string()))
        .collect()
}

#[test]
fn x_cmd_003_sub_is_remembered_and_a_second_one_has_its_address_replaced_d22() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(sub("/left/")), 200);
    assert_eq!(bench.code(sub("/*/Data")), 200);
    assert_eq!(bench.code(json!(["SUB", at("/left/"), ELSEWHERE])), 200);
    assert_eq!(
        subscribed(&bench, SRV),
        [
            (at("/left/"), ELSEWHERE.to_owned()),
            (at("/*/Data"), REPO.to_owned())
        ]
    );
    assert!(subscribed(&bench, OTHER).is_empty());
}

#[test]
fn x_cmd_003_sub_answers_with_the_statuses_of_d24() {
    let mut bench = Bench::new();
    for (command, code) in [
        (json!(["SUB", REPO]), 400),
        (json!(["SUB", REPO, at("/left/"), at("/right/")]), 400),
        (json!(["SUB", "file:///etc/passwd", at("/left/")]), 400),
        (sub("/none/"), 404),
        (sub("/left/None"), 404),
        (sub("/left/Key"), 403),
        (json!(["SUB", REPO, format!("{PRIVATE}//")]), 403),
        (
            json!(["SUB", REPO, format!("{DM_ACC}/1/Auth/Trsp/Secret")]),
            403,
        ),
        (json!(["SUB", REPO, format!("{DEV_INFO}//Man")]), 200),
    ] {
        assert_eq!(bench.code(command.clone()), code, "{command}");
    }
    for (cause, code) in [
        (Cause::Tree(TreeError::NoRoom), 507),
        (Cause::Tree(TreeError::Storage("x".into())), 500),
    ] {
        bench.refuse_applies.push_back(cause);
        assert_eq!(bench.code(sub("/left/")), code);
    }
    bench.pair.end.forbidden.insert(REPO.to_owned());
    assert_eq!(bench.code(sub("/left/")), 403);
    let (_, statuses) = bench.run_as(OTHER, json!([["SUB", ELSEWHERE, at("/left/")]]));
    assert_eq!(
        statuses[0].code.get(),
        404,
        "what it cannot see is not there"
    );
    assert_eq!(subscribed(&bench, SRV).len(), 1);
}

#[test]
fn x_cmd_003_sub_is_planned_again_where_the_tree_changed() {
    let mut bench = Bench::new();
    bench.refuse_applies.push_back(Cause::Stale);
    assert_eq!(bench.code(sub("/left/")), 200);
    assert_eq!(subscribed(&bench, SRV).len(), 1);
}

#[test]
fn x_cmd_003_a_server_that_subscribes_without_end_is_507() {
    let mut bench = Bench::new();
    let many = (0..65).map(|n| sub(&format!("/left/?cv={n}")));
    let texts: Vec<Value> = many.collect();
    let statuses = bench.run(json!(texts));
    let codes: Vec<_> = statuses.iter().map(|status| status.code.get()).collect();
    let kept = codes.iter().filter(|code| **code == 200).count();
    assert_eq!(subscribed(&bench, SRV).len(), kept);
    assert_eq!((kept, codes.last()), (64, Some(&507)), "{codes:?}");
}

#[test]
fn x_nego_001_what_omadm_accept_excludes_is_406_for_hput_hpost_and_sub() {
    let mut bench = Bench::new();
    let commands = json!([
        ["HPUT", REPO, at("/left/ID")],
        ["HPOST", REPO, at("/left/ID")],
        sub("/left/"),
        ["GET", at("/left/ID")]
    ]);
    for (accept, codes, media_type) in [
        (
            Some("application/vnd.syncml.dmtnds+xml"),
            [406, 406, 406, 200],
            None,
        ),
        (
            Some("text/xml, application/json"),
            [200; 4],
            Some("application/json"),
        ),
        (None, [200; 4], Some("application/vnd.oma.dm.mo+json")),
    ] {
        bench.pair.end.repository.uploads.clear();
        let mut package = Some(json!({"CMD": commands}).to_string());
        let run = bench.session(SRV, |_, _| {
            answer(200, &package.take().unwrap_or_default()).map(|mut response| {
                response.omadm_accept = accept.map(str::to_owned);
                response
            })
        });
        let found = statuses(&run.requests[1]);
        let found: Vec<_> = found.iter().map(|status| status.code.get()).collect();
        assert_eq!(found, codes, "{accept:?}");
        let uploads = &bench.pair.end.repository.uploads;
        assert!(uploads.iter().all(|up| Some(up.media_type) == media_type));
    }
}

#[test]
fn x_cmd_003_unsub_needs_the_very_text_of_the_same_server_d23() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(sub("/left/")), 200);
    for (command, code) in [
        (unsub("/left"), 404),
        (unsub("/left/ID"), 404),
        (unsub("/right/"), 404),
        (json!(["UNSUB", format!("{PRIVATE}//")]), 403),
        (json!(["UNSUB"]), 400),
    ] {
        assert_eq!(bench.code(command.clone()), code, "{command}");
    }
    let (_, statuses) = bench.run_as(OTHER, json!([unsub("/left/")]));
    assert_eq!(statuses[0].code.get(), 404);
    bench
        .refuse_applies
        .push_back(Cause::Tree(TreeError::Storage("x".into())));
    assert_eq!(bench.code(unsub("/left/")), 500);
    assert_eq!(bench.code(unsub("/left/")), 200);
    assert_eq!(bench.code(unsub("/left/")), 404);
    assert!(subscribed(&bench, SRV).is_empty());
}

#[test]
fn x_cmd_003_a_report_says_what_the_subtree_says_and_is_due_once_that_changed() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(sub("/left/Data")), 200);
    let due = |bench: &Bench| {
        let account = bench.account(SRV);
        let uri = ClientUri::parse(&at("/left/Data")).unwrap();
        let end = &bench.pair.end;
        let report = change_report(&end.device, &account, &end.registry, &uri).unwrap();
        let body: Value = serde_json::from_slice(&report.body).unwrap();
        (report.hash != account.subscriptions[0].reported, body)
    };
    assert!(!due(&bench).0);
    assert_eq!(bench.code(json!(["DELETE", at("/left/Rate")])), 200);
    assert!(!due(&bench).0, "that is elsewhere");
    assert_eq!(bench.code(json!(["DELETE", at("/left/Data/1")])), 200);
    let (changed, body) = due(&bench);
    assert!(changed);
    assert_eq!(
        body,
        json!([{"ClientURI": at("/left/Data"), "MOData": {"Data": {"2": {"Date": "12.2"}}}}])
    );
    assert_eq!(bench.code(json!(["DELETE", at("/left/")])), 200);
    assert_eq!(
        due(&bench),
        (true, json!([])),
        "gone, and the server learns it"
    );
}

#[test]
fn x_cmd_003_a_report_to_a_server_that_lost_the_right_is_not_made() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(sub("/left/")), 200);
    let mut account = bench.account(SRV);
    account.perm.retain(|moid| moid.as_str() != GPS);
    let uri = ClientUri::parse(&at("/left/")).unwrap();
    let end = &bench.pair.end;
    let report = change_report(&end.device, &account, &end.registry, &uri);
    assert_eq!(report.unwrap_err().get(), 403);
}

#[test]
fn x_cmd_002_default_is_kept_once_a_moid_and_a_later_one_replaces_it_d21() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(default(GPS)), 200);
    assert_eq!(bench.code(default(CLOCK)), 200);
    assert_eq!(bench.code(json!(["DEFAULT", CLOCK, ELSEWHERE])), 200);
    assert_eq!(
        defaults(&bench, SRV),
        [
            (GPS.to_owned(), REPO.to_owned()),
            (CLOCK.to_owned(), ELSEWHERE.to_owned())
        ]
    );
    let (_, statuses) = bench.run_as(OTHER, json!([default(GPS)]));
    assert_eq!(statuses[0].code.get(), 200);
    assert_eq!(
        defaults(&bench, SRV).len(),
        1,
        "the entry has another owner now"
    );
    assert_eq!(defaults(&bench, OTHER), [(GPS.to_owned(), REPO.to_owned())]);
}

#[test]
fn x_cmd_002_default_answers_with_the_statuses_of_d24() {
    let mut bench = Bench::new();
    for (command, code) in [
        (default(PRIVATE), 403),
        (json!(["DEFAULT", REPO]), 400),
        (json!(["DEFAULT", "file:///etc/passwd", GPS]), 400),
        (json!(["DEFAULT", REPO, "no moid"]), 400),
    ] {
        assert_eq!(bench.code(command.clone()), code, "{command}");
    }
    for (cause, code) in [
        (Cause::Tree(TreeError::NoRoom), 507),
        (Cause::Tree(TreeError::Storage("x".into())), 500),
    ] {
        bench.refuse_applies.push_back(cause);
        assert_eq!(bench.code(default(GPS)), code);
    }
    bench.pair.end.forbidden.insert(REPO.to_owned());
    assert_eq!(bench.code(default(GPS)), 403);
    bench.pair.end.forbidden.clear();
    bench.pair.end.registry = MoRegistry::standard();
    bench
        .pair
        .end
        .plug_in(omadm_session::pair::FixedObject::dev_info(&dev_info()));
    assert_eq!(bench.code(default(GPS)), 404, "the device has no such MO");
    assert!(defaults(&bench, SRV).is_empty());
}

/// The first account's document again, with this Perm list.
fn again(perm: &[&str]) -> String {
    let mut account = account(SRV);
    let perm = perm.iter().enumerate();
    account["Perm"] = perm
        .map(|(n, moid)| (n.to_string(), json!({"MOID": moid})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!([item(&format!("{DM_ACC}//"), "DMAcc", &account)]).to_string()
}

#[test]
fn subscriptions_and_defaults_outlive_a_bootstrap_as_far_as_the_perm_list_goes_d59() {
    let mut bench = Bench::new();
    for command in [
        sub("/left/"),
        json!(["SUB", REPO, format!("{DEV_INFO}//")]),
        default(GPS),
        default(DEV_INFO),
    ] {
        assert_eq!(bench.code(command.clone()), 200, "{command}");
    }
    let known = bench.account(SRV).subscriptions[1].reported;
    let delivered = bench
        .pair
        .deliver(again(&[DM_ACC, DEV_INFO]).as_bytes(), ORIGIN);
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    assert_eq!(
        subscribed(&bench, SRV),
        [(format!("{DEV_INFO}//"), REPO.to_owned())]
    );
    assert_eq!(bench.account(SRV).subscriptions[0].reported, known);
    assert_ne!(known, PayloadHash::of(b"[]"));
    assert_eq!(
        defaults(&bench, SRV),
        [(DEV_INFO.to_owned(), REPO.to_owned())]
    );
    let all = bench.pair.end.device.accounts().unwrap();
    assert!(
        all.iter()
            .all(|account| account.bootstrapped_host.is_some())
    );
}
