//! GET, HPUT and HPOST with the statuses of D24.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_mo::standard::dev_info;
use omadm_mo::{ManagedObjectError, NodePath, Value as Leaf};
use omadm_session::client::{Cause, Effect, UploadMethod};
use omadm_session::pair::FixedObject;
use serde_json::{Value, json};
use support::*;

fn get(uri: &str) -> Value {
    json!(["GET", uri])
}

fn gps_uri(rest: &str) -> String {
    format!("{GPS}{rest}")
}

#[test]
fn get_answers_with_the_data_in_its_own_status_d12() {
    let status = Bench::new().one(get(&gps_uri("/left/ID")));
    assert_eq!(status.code.get(), 200);
    assert_eq!(
        result(&status),
        json!([{"ClientURI": gps_uri("/left/ID"), "MOData": {"ID": "a"}}])
    );
}

#[test]
fn an_instance_is_answered_with_its_validator_and_without_what_has_no_get() {
    let mut bench = Bench::new();
    let status = bench.one(get(&gps_uri("/left/")));
    let item = result(&status)[0].clone();
    assert_eq!(item["CV"], json!(bench.validator(GPS, "left")));
    assert_eq!(item["ClientURI"], json!(gps_uri("/left/")));
    let members: Vec<_> = item["MOData"]["GPS"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["Data", "Fixed", "ID", "Rate"]);
    assert_eq!(
        result(&bench.one(get(&gps_uri("/left/ID"))))[0].get("CV"),
        None
    );
}

#[test]
fn a_wildcard_gives_one_item_per_node_with_real_names() {
    let status = Bench::new().one(get(&gps_uri("/*/Data/*/Date?nv=")));
    assert_eq!(status.code.get(), 400);
    let status = Bench::new().one(get(&gps_uri("/*/Data/*/Date")));
    let uris: Vec<_> = result(&status)
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["ClientURI"].clone())
        .collect();
    let expected = [
        "/left/Data/1/Date",
        "/left/Data/2/Date",
        "/right/Data/1/Date",
        "/right/Data/2/Date",
    ];
    assert_eq!(uris, expected.map(|rest| json!(gps_uri(rest))));
}

#[test]
fn live_values_come_from_their_object_and_have_no_validator_d76() {
    let status = Bench::new().one(get(&format!("{DEV_INFO}//")));
    let item = result(&status)[0].clone();
    assert_eq!(
        item["MOData"]["DevInfo"]["DevID"],
        json!("IMEI:493005100592800")
    );
    assert_eq!(item.get("CV"), None);
    assert!(item.get("DDF").is_some());
}

#[test]
fn an_object_that_cannot_tell_is_answered_500_and_one_without_value_204_d77() {
    let mut bench = Bench::new();
    let mut node = dev_info().to_node();
    node.put(&NodePath::of("Lang").unwrap(), Leaf::Null.into());
    bench
        .pair
        .end
        .plug_in(FixedObject::new(dev_info::ddf().clone(), node));
    let lang = format!("{DEV_INFO}//Lang");
    assert_eq!(bench.code(get(&lang)), 204);
    assert_eq!(bench.code(json!(["HPUT", REPO, lang])), 204);
    assert_eq!(bench.code(get(&format!("{DEV_INFO}//Man"))), 200);
    assert!(bench.pair.end.repository.uploads.is_empty());
    let broken = FixedObject::new(dev_info::ddf().clone(), dev_info().to_node());
    bench
        .pair
        .end
        .plug_in(broken.reading(Err(ManagedObjectError::Device)));
    assert_eq!(bench.code(get(&lang)), 500);
}

#[test]
fn a_good_validator_is_answered_304_without_data_a_stale_one_with_data() {
    let mut bench = Bench::new();
    let cv = bench.validator(GPS, "left");
    for rest in ["/left/", "/left/ID"] {
        let status = bench.one(get(&gps_uri(&format!("{rest}?cv={cv}"))));
        assert_eq!((status.code.get(), status.result), (304, None));
    }
    assert_eq!(
        bench.code(json!(["HPUT", REPO, gps_uri(&format!("/left/?cv={cv}"))])),
        304
    );
    assert!(bench.pair.end.repository.uploads.is_empty());
    assert_eq!(bench.code(get(&gps_uri("/left/?cv=stale"))), 200);
    // D34: with several instances `cv` does not count; of several ClientURIs only the changed ones are sent.
    assert_eq!(bench.code(get(&gps_uri(&format!("/*/ID?cv={cv}")))), 200);
    let two = json!([
        "GET",
        gps_uri(&format!("/left/ID?cv={cv}")),
        gps_uri("/right/ID")
    ]);
    assert_eq!(result(&bench.one(two)).as_array().unwrap().len(), 1);
}

#[test]
fn b_21_a_moid_outside_the_perm_list_is_403_whether_it_exists_or_not() {
    let mut bench = Bench::new();
    for uri in [
        format!("{PRIVATE}//"),
        "urn:example:mo:nowhere:1.0//".to_owned(),
    ] {
        assert_eq!(bench.code(get(&uri)), 403);
        assert_eq!(bench.code(json!(["HPOST", REPO, uri])), 403);
    }
}

#[test]
fn what_cannot_be_seen_or_does_not_exist_is_404_d69() {
    let mut bench = Bench::new();
    for rest in [
        "/up/",
        "/left/Nothing",
        "/left/Data/9/Date",
        "//ID",
        "/(x)/?nv=(x)/ID:none",
    ] {
        assert_eq!(bench.code(get(&gps_uri(rest))), 404, "{rest}");
    }
    // Somebody else's instances.
    for rest in ["/left/", "/*/", "//"] {
        let (_, statuses) = bench.run_as(OTHER, json!([get(&gps_uri(rest))]));
        assert_eq!(statuses[0].code.get(), 404, "{rest}");
    }
}

#[test]
fn a_node_without_get_is_405_and_left_out_below_a_wildcard_d77() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(get(&gps_uri("/left/Key"))), 405);
    assert_eq!(bench.code(get(&gps_uri("/*/Key"))), 405);
    let status = bench.one(get(&gps_uri("/left/*")));
    let shown = result(&status);
    let names: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["ClientURI"].as_str().unwrap())
        .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.ends_with("/Key") || name.ends_with("/Reset"))
    );
    assert_eq!(names.len(), 4);
}

#[test]
fn the_first_failure_of_several_uris_is_the_status_and_nothing_is_shown_d17() {
    let mut bench = Bench::new();
    let status = bench.one(json!([
        "GET",
        gps_uri("/left/ID"),
        gps_uri("/left/Key"),
        gps_uri("/up/")
    ]));
    assert_eq!((status.code.get(), status.result), (405, None));
}

#[test]
fn a_result_over_the_limit_is_413() {
    let mut bench = Bench::new();
    bench.limits.octets = 120;
    assert_eq!(bench.code(get(&gps_uri("/left/"))), 413);
    assert_eq!(bench.code(get(&gps_uri("/left/ID"))), 200);
}

#[test]
fn x_cmd_001_hput_and_hpost_send_one_body_for_all_uris() {
    let mut bench = Bench::new();
    for (name, method) in [("HPUT", UploadMethod::Put), ("HPOST", UploadMethod::Post)] {
        assert_eq!(
            bench.code(json!([
                name,
                REPO,
                gps_uri("/left/ID"),
                gps_uri("/right/ID")
            ])),
            200
        );
        let upload = bench.pair.end.repository.uploads.pop().unwrap();
        assert_eq!((upload.method, upload.to.as_str()), (method, REPO));
        let sent: Value = serde_json::from_slice(&upload.body).unwrap();
        let values: Vec<_> = sent
            .as_array()
            .unwrap()
            .iter()
            .map(|i| &i["MOData"]["ID"])
            .collect();
        assert_eq!(values, [&json!("a"), &json!("b")]);
    }
}

#[test]
fn nothing_is_sent_where_one_uri_fails_d17() {
    let mut bench = Bench::new();
    for (bad, code) in [
        (gps_uri("/up/"), 404),
        (format!("{PRIVATE}//"), 403),
        (gps_uri("/left/Key"), 405),
    ] {
        for name in ["HPUT", "HPOST"] {
            let command = json!([[name, REPO, gps_uri("/left/ID"), bad]]);
            let (run, statuses) = bench.run_as(SRV, command);
            assert_eq!(statuses[0].code.get(), code);
            assert!(!run.effects.iter().any(|e| matches!(e, Effect::Upload(..))));
        }
    }
}

#[test]
fn the_repositorys_answer_becomes_the_status_d24() {
    let mut bench = Bench::new();
    for (cause, code) in [
        (Cause::Status(400), 400),
        (Cause::Status(403), 403),
        (Cause::Status(413), 413),
        (Cause::Status(401), 502),
        (Cause::Status(407), 502),
        (Cause::Status(500), 502),
        (Cause::Status(503), 502),
        (Cause::Status(302), 502),
        (Cause::Unreachable("x".to_owned()), 502),
        (Cause::ServerNotTrusted("x".to_owned()), 502),
        (Cause::HandshakeRefused("x".to_owned()), 502),
        (
            Cause::Forbidden(omadm_session::client::AddressRule::Private),
            403,
        ),
    ] {
        bench.pair.end.repository.fail(REPO, cause.clone());
        assert_eq!(
            bench.code(json!(["HPUT", REPO, gps_uri("/left/ID")])),
            code,
            "{cause}"
        );
        assert_eq!(
            bench.code(json!(["HPOST", REPO, gps_uri("/left/ID")])),
            code,
            "{cause}"
        );
        assert_eq!(bench.code(json!(["HGET", REPO])), code, "{cause}");
    }
    bench.pair.end.repository.fail(REPO, Cause::TooLarge(7));
    assert_eq!(bench.code(json!(["HGET", REPO])), 413);
}

#[test]
fn a_malformed_command_is_400_and_an_unknown_one_501_and_the_order_holds_d11() {
    let statuses = Bench::new().run(json!([
        ["GET"],
        ["FLY", "x"],
        [],
        ["GET", "no uri"],
        get(&gps_uri("/left/ID"))
    ]));
    let codes: Vec<_> = statuses.iter().map(|status| status.code.get()).collect();
    assert_eq!(codes, [400, 501, 400, 400, 200]);
}
