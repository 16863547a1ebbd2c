//! HGET with the statuses of D24, places by D15 and D73.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_mo::{Miid, Moid, NodeAddress};
use omadm_mo::{Node, NodePath, TreeError, TreeWrite as _, Value as Leaf};
use omadm_session::client::{Cause, Effect};
use serde_json::json;
use support::*;

fn at(rest: &str) -> String {
    format!("{GPS}{rest}")
}

fn new_gps(id: &str) -> serde_json::Value {
    json!({"ID": id})
}

#[test]
fn x_cmd_001_without_client_uri_an_instance_is_added_and_its_uri_told_d15() {
    let mut bench = Bench::new();
    let status = bench.hget(&json!([item(&at("//"), "GPS", &new_gps("c"))]));
    assert_eq!((status.code.get(), status.uri), (200, vec![at("/1/")]));
    assert_eq!(bench.miids(GPS), ["left", "right", "1"]);
    // The creator has full rights on it.
    assert_eq!(bench.code(json!(["GET", at("/1/ID")])), 200);
    assert_eq!(bench.code(json!(["DELETE", at("/1/")])), 200);
}

#[test]
fn without_client_uri_a_named_instance_is_replaced_and_keeps_permanent_nodes() {
    let mut bench = Bench::new();
    let status = bench.hget(&json!([item(&at("/left/"), "GPS", &new_gps("A"))]));
    assert_eq!((status.code.get(), status.uri), (200, vec![at("/left/")]));
    let text = |name| bench.text(GPS, "left", &[name]);
    assert_eq!(text("ID").as_deref(), Some("A"));
    assert_eq!(text("Fixed").as_deref(), Some("f"));
    assert_eq!(text("Rate"), None);
}

#[test]
fn an_object_that_occurs_once_is_replaced_and_never_doubled() {
    let mut bench = Bench::new();
    let clock = |id: &str| item(&format!("{CLOCK}//"), "Clock", &json!({"ID": id}));
    assert_eq!(
        bench.hget(&json!([clock("a")])).uri,
        [format!("{CLOCK}/1/")]
    );
    assert_eq!(
        bench.hget(&json!([clock("b")])).uri,
        [format!("{CLOCK}/1/")]
    );
    let second = item(&format!("{CLOCK}/2/"), "Clock", &json!({"ID": "c"}));
    assert_eq!(bench.hget(&json!([second])).code.get(), 400);
    assert_eq!(
        bench
            .hget_to(&format!("{CLOCK}/2/"), &json!([clock("c")]))
            .code
            .get(),
        403
    );
    assert_eq!(bench.miids(CLOCK), ["1"]);
    assert_eq!(bench.text(CLOCK, "1", &["ID"]).as_deref(), Some("b"));
}

#[test]
fn with_client_uri_an_instance_is_replaced_or_made_with_that_miid_d73() {
    let mut bench = Bench::new();
    let status = bench.hget_to(
        &at("/left/"),
        &json!([item("urn:x//", "GPS", &new_gps("A"))]),
    );
    assert_eq!((status.code.get(), status.uri.len()), (200, 0));
    let status = bench.hget_to(
        &at("/up/"),
        &json!([item(&at("/left/"), "GPS", &new_gps("u"))]),
    );
    assert_eq!((status.code.get(), status.uri), (200, vec![at("/up/")]));
    assert_eq!(bench.text(GPS, "up", &["ID"]).as_deref(), Some("u"));
    assert_eq!(bench.text(GPS, "left", &["ID"]).as_deref(), Some("A"));
    // `moid//` with several instances names none of them.
    assert_eq!(
        bench
            .hget_to(&at("//"), &json!([item(&at("//"), "GPS", &new_gps("x"))]))
            .code
            .get(),
        400
    );
}

#[test]
fn an_empty_instance_step_makes_a_counted_instance_where_there_is_none_d73() {
    let mut bench = Bench::new();
    let body = json!([item(&format!("{CLOCK}//"), "Clock", &json!({"ID": "c"}))]);
    let status = bench.hget_to(&format!("{CLOCK}//"), &body);
    assert_eq!(
        (status.code.get(), status.uri),
        (200, vec![format!("{CLOCK}/1/")])
    );
}

#[test]
fn a_leaf_or_a_subtree_is_replaced_at_its_place() {
    let mut bench = Bench::new();
    let leaf = json!([{"MOData": {"ID": "new"}}]);
    assert_eq!(bench.hget_to(&at("/left/ID"), &leaf).code.get(), 200);
    assert_eq!(bench.text(GPS, "left", &["ID"]).as_deref(), Some("new"));
    let data = json!({"MOData": {"Data": {"7": {"Date": "1.1"}}}});
    assert_eq!(bench.hget_to(&at("/left/Data"), &data).code.get(), 200);
    assert_eq!(
        bench.text(GPS, "left", &["Data", "7", "Date"]).as_deref(),
        Some("1.1")
    );
    assert_eq!(bench.text(GPS, "left", &["Data", "1", "Date"]), None);
    let by_name = at("/(x)/ID?nv=(x)/ID:b");
    assert_eq!(bench.hget_to(&by_name, &leaf).code.get(), 200);
    assert_eq!(bench.text(GPS, "right", &["ID"]).as_deref(), Some("new"));
}

#[test]
fn the_last_step_is_created_where_the_ddf_allows_it_d73() {
    let mut bench = Bench::new();
    let entry = json!([{"MOData": {"9": {"Date": "9.9"}}}]);
    let status = bench.hget_to(&at("/left/Data/9"), &entry);
    assert_eq!(
        (status.code.get(), status.uri),
        (200, vec![at("/left/Data/9")])
    );
    assert_eq!(
        bench.text(GPS, "left", &["Data", "9", "Date"]).as_deref(),
        Some("9.9")
    );
    assert_eq!(bench.hget_to(&at("/left/None/9"), &entry).code.get(), 404);
    assert_eq!(bench.hget_to(&at("/up/Data/9"), &entry).code.get(), 404);
    // No Add on it, and not in the DDF at all.
    assert_eq!(bench.code(json!(["DELETE", at("/left/Blob")])), 404);
    assert_eq!(
        bench
            .hget_to(&at("/left/Hue"), &json!([{"MOData": {"Hue": "x"}}]))
            .code
            .get(),
        405
    );
    bench.hget(&json!([item(&at("/bare/"), "GPS", &new_gps("bare"))]));
    assert_eq!(
        bench
            .hget_to(&at("/bare/Fixed"), &json!([{"MOData": {"Fixed": "x"}}]))
            .code
            .get(),
        405
    );
}

#[test]
fn a_pattern_never_creates_and_has_to_name_one_node_d73() {
    let mut bench = Bench::new();
    let body = json!([{"MOData": {"ID": "x"}}]);
    for (uri, code) in [
        ("/*/ID", 400),
        ("/left/Data/*/Date", 400),
        ("/(x)/ID?nv=(x)/Data/1/Date:12.1", 400),
        ("/(x)/ID?nv=(x)/ID:none", 404),
        ("/left/Data/(x)/Date?nv=(x)/Date:0", 404),
    ] {
        assert_eq!(bench.hget_to(&at(uri), &body).code.get(), code, "{uri}");
    }
}

#[test]
fn a_body_that_does_not_fit_is_400_and_changes_nothing() {
    let mut bench = Bench::new();
    let before = bench.instance(GPS, "left");
    for body in [
        "",
        "{",
        "7",
        "[7]",
        r#"[{"MOData":7}]"#,
        r#"[{"MOData":{"GPS":{"ID":7}}}]"#,
        r#"[{"MOData":{"GPS":{"Hue":7}}}]"#,
        r#"[{"MOData":{"GPS":{"Rate":7}}}]"#,
        r#"[{"MOData":{}},{"MOData":{}}]"#,
        "[]",
    ] {
        bench.pair.end.repository.put(REPO, None, body);
        let status = bench.one(json!(["HGET", REPO, at("/up/")]));
        assert_eq!((status.code.get(), status.uri.len()), (400, 0), "{body}");
    }
    bench
        .pair
        .end
        .repository
        .put(REPO, None, r#"[{"MOData":{"GPS":{"ID":"x"}}}]"#);
    assert_eq!(bench.code(json!(["HGET", REPO])), 400);
    assert_eq!(bench.instance(GPS, "left"), before);
    assert_eq!(bench.miids(GPS), ["left", "right"]);
}

#[test]
fn all_items_of_one_hget_are_stored_or_none_d16() {
    let mut bench = Bench::new();
    let good = item(&at("/left/"), "GPS", &new_gps("A"));
    let bad = item(&at("//"), "GPS", &json!({"Rate": 1}));
    assert_eq!(bench.hget(&json!([good, bad])).code.get(), 400);
    assert_eq!(bench.text(GPS, "left", &["ID"]).as_deref(), Some("a"));
    let more = item(&at("//"), "GPS", &new_gps("c"));
    let status = bench.hget(&json!([good, more, more]));
    assert_eq!(status.uri, [at("/left/"), at("/1/"), at("/2/")]);
}

#[test]
fn another_media_type_becomes_the_value_of_a_leaf_and_is_415_elsewhere_d33() {
    let mut bench = Bench::new();
    bench
        .pair
        .end
        .repository
        .put(REPO, Some("application/octet-stream"), *b"\x00\x01");
    for (command, code) in [
        (json!(["HGET", REPO]), 415),
        (json!(["HGET", REPO, at("/left/")]), 415),
        (json!(["HGET", REPO, at("/left/Blob")]), 404),
        (json!(["HGET", REPO, at("/left/Key")]), 200),
        (json!(["HGET", REPO, at("/left/Rate")]), 400),
        (json!(["HGET", REPO, at("/*/Key")]), 400),
        (json!(["HGET", REPO, at("/left/Fixed")]), 405),
    ] {
        assert_eq!(bench.code(command.clone()), code, "{command}");
    }
    let key = bench.instance(GPS, "left").unwrap();
    assert_eq!(
        key.find(&["Key"]).and_then(Node::value),
        Some(&Leaf::bin(*b"\x00\x01"))
    );
    bench
        .pair
        .end
        .repository
        .put(REPO, Some("text/plain; charset=utf-8"), "8");
    assert_eq!(bench.code(json!(["HGET", REPO, at("/left/Rate")])), 200);
    assert_eq!(bench.text(GPS, "left", &["Rate"]).as_deref(), Some("8"));
    for content_type in [
        "application/vnd.oma.dm.mo+json",
        "application/dmmo+json",
        "application/json",
    ] {
        let body = json!([item(&at("/left/"), "GPS", &new_gps(content_type))]).to_string();
        bench
            .pair
            .end
            .repository
            .put(REPO, Some(content_type), body);
        assert_eq!(bench.code(json!(["HGET", REPO])), 200);
    }
}

#[test]
fn a_document_over_the_limit_is_413() {
    let mut bench = Bench::new();
    bench.limits.octets = 90;
    assert_eq!(
        bench
            .hget(&json!([item(&at("//"), "GPS", &new_gps(&"x".repeat(90)))]))
            .code
            .get(),
        413
    );
}

#[test]
fn a_full_device_is_507_and_a_failing_one_500() {
    for (cause, code) in [
        (Cause::Tree(TreeError::NoRoom), 507),
        (Cause::Tree(TreeError::Storage("x".into())), 500),
    ] {
        let mut bench = Bench::new();
        bench.refuse_applies.push_back(cause);
        let status = bench.hget(&json!([item(&at("//"), "GPS", &new_gps("c"))]));
        assert_eq!((status.code.get(), status.uri.len()), (code, 0));
    }
}

#[test]
fn a_stale_plan_is_made_again_three_times_and_fetched_once() {
    for (times, code) in [(1, 200), (3, 200), (4, 409)] {
        let mut bench = Bench::new();
        bench
            .refuse_applies
            .extend((0..times).map(|_| Cause::Stale));
        let body = json!([item(&at("//"), "GPS", &new_gps("c"))]).to_string();
        bench.pair.end.repository.put(REPO, None, body);
        let (run, statuses) = bench.run_as(SRV, json!([["HGET", REPO]]));
        assert_eq!(statuses[0].code.get(), code, "{times}");
        let fetches = run
            .effects
            .iter()
            .filter(|e| matches!(e, Effect::Fetch(..)));
        assert_eq!(fetches.count(), 1);
    }
}

#[test]
fn b_21_nothing_is_fetched_for_a_moid_outside_the_perm_list() {
    let mut bench = Bench::new();
    for moid in [PRIVATE, "urn:example:mo:nowhere:1.0"] {
        let (run, statuses) = bench.run_as(SRV, json!([["HGET", REPO, format!("{moid}//")]]));
        assert_eq!(statuses[0].code.get(), 403);
        assert!(!run.effects.iter().any(|e| matches!(e, Effect::Fetch(..))));
        let body = json!([
            item(&at("//"), "GPS", &new_gps("c")),
            item(&format!("{moid}//"), "X", &new_gps("p"))
        ]);
        assert_eq!(bench.hget(&body).code.get(), 403);
    }
    assert!(bench.miids(PRIVATE).is_empty());
    assert_eq!(bench.miids(GPS), ["left", "right"]);
}

#[test]
fn an_instance_of_somebody_else_is_not_replaced_d49() {
    let mut bench = Bench::new();
    let body = json!([item(&at("/left/"), "GPS", &new_gps("stolen"))]).to_string();
    bench.pair.end.repository.put(REPO, None, body);
    let (_, statuses) = bench.run_as(
        OTHER,
        json!([["HGET", REPO], ["HGET", REPO, at("/left/ID")]]),
    );
    let codes: Vec<_> = statuses.iter().map(|s| s.code.get()).collect();
    assert_eq!(codes, [403, 404]);
    assert_eq!(bench.text(GPS, "left", &["ID"]).as_deref(), Some("a"));
    // An object that is the device's own is read, never written.
    let man = json!([{"MOData": {"Man": "Evil"}}]);
    assert_eq!(
        bench.hget_to(&format!("{DEV_INFO}//Man"), &man).code.get(),
        403
    );
}

#[test]
fn an_object_of_the_device_that_occurs_once_stays_the_devices() {
    let mut bench = Bench::new();
    let root = NodeAddress::root(Moid::parse(CLOCK).unwrap(), Miid::counted(1));
    let mut node = Node::empty();
    node.put(&NodePath::of("ID").unwrap(), Leaf::chr("ours").into());
    bench.pair.end.device.put(&root, &node).unwrap();
    let clock = json!([item(
        &format!("{CLOCK}//"),
        "Clock",
        &json!({"ID": "theirs"})
    )]);
    assert_eq!(bench.hget(&clock).code.get(), 403);
    assert_eq!(bench.hget_to(&format!("{CLOCK}//"), &clock).code.get(), 403);
    assert_eq!(bench.text(CLOCK, "1", &["ID"]).as_deref(), Some("ours"));
}
