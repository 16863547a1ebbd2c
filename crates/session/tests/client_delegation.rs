//! Rights on MO instances, and passing them on through the DAC MO (`dm20.md` §12.4, §13).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_bootstrap::DeviceView as _;
use omadm_bootstrap::plan::{RightsChange, TreePlan};
use omadm_mo::{AccessList, Miid, Moid, Rights, SrvId, TreeView as _};
use omadm_session::pair::Delivered;
use serde_json::{Value, json};
use support::*;

/// A third server, whose Perm list names less.
const THIRD: &str = "third.example.com";
const READ: u8 = 1;
const WRITE: u8 = 2;
const EXECUTE: u8 = 4;
const DELEGATE: u8 = 8;

fn srv(text: &str) -> SrvId {
    SrvId::parse(text).unwrap()
}

fn given(bench: &Bench, miid: &str) -> AccessList {
    let (moid, miid) = (Moid::parse(GPS).unwrap(), Miid::parse(miid).unwrap());
    bench.pair.end.device.access(&moid, &miid).unwrap()
}

/// Sets the rights of a server on an instance of GPS, past every rule.
fn set(bench: &mut Bench, miid: &str, server: &str, bits: u8) {
    let mut access = given(bench, miid);
    access.allow(&srv(server), Rights::from_bits(bits));
    let mut plan = TreePlan::at(bench.pair.end.device.version());
    plan.rights.push(RightsChange {
        moid: Moid::parse(GPS).unwrap(),
        miid: Miid::parse(miid).unwrap(),
        access,
    });
    bench.pair.end.device.apply(&plan).unwrap();
}

fn third() -> Bench {
    let mut bench = Bench::new();
    let mut account = account(THIRD);
    account["Perm"] = json!({"1": {"MOID": DM_ACC}, "2": {"MOID": DAC}});
    let document = json!([item(&format!("{DM_ACC}//"), "DMAcc", &account)]);
    let delivered = bench.pair.deliver(document.to_string().as_bytes(), ORIGIN);
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    bench
}

/// ClientURI of the instance of the DAC MO that governs an instance of GPS, and of a node below it.
fn dac(bench: &Bench, miid: &str, rest: &str) -> String {
    let all = bench.pair.end.device.governed().unwrap();
    let found = all.iter().find(|governed| governed.miid.as_str() == miid);
    format!("{DAC}/{}/{rest}", found.unwrap().number)
}

fn entry(server: &str, bits: impl Into<Value>) -> Value {
    let bits: Value = bits.into();
    json!([{"MOData": {"x": {"SrvID": server, "Rights": bits}}}])
}

/// What a server sees of the DAC MO: MOID, MIID, owner, and the entries as `name SrvID rights`.
fn shown(bench: &mut Bench, server: &str) -> Vec<(String, String, Option<String>, Vec<String>)> {
    let status = bench.one_as(server, json!(["GET", format!("{DAC}/*/")]));
    assert_eq!(status.code.get(), 200);
    let items = result(&status);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let shown = items.as_array().unwrap().iter().map(|item| {
        assert_eq!(item.get("CV"), None);
        let root = &item["MOData"]["DAC"];
        let servers = root["Servers"].as_object().unwrap().iter();
        let servers = servers.map(|(name, entry)| {
            let server = entry["SrvID"].as_str().unwrap();
            format!("{name} {server} {}", entry["Rights"])
        });
        (
            text(&root["MOID"]).unwrap(),
            text(&root["MIID"]).unwrap(),
            text(&root["Owner"]),
            servers.collect(),
        )
    });
    shown.collect()
}

fn row(
    moid: &str,
    miid: &str,
    owner: Option<&str>,
    entries: &[&str],
) -> (String, String, Option<String>, Vec<String>) {
    let entries = entries.iter().map(|entry| (*entry).to_owned());
    (
        moid.to_owned(),
        miid.to_owned(),
        owner.map(str::to_owned),
        entries.collect(),
    )
}

#[test]
fn x_dac_001_an_instance_is_its_creators_alone_until_rights_are_given() {
    let mut bench = Bench::new();
    let left = format!("{GPS}/left/");
    let body = json!([{"MOData": {"ID": "new"}}]);
    for command in [
        json!(["GET", left]),
        json!(["HPUT", REPO, left]),
        json!(["HPOST", REPO, left]),
        json!(["DELETE", left]),
        json!(["EXEC", format!("{left}Reset")]),
    ] {
        assert_eq!(bench.code_as(OTHER, command.clone()), 404, "{command}");
    }
    assert_eq!(bench.hget_as(OTHER, &format!("{left}ID"), &body), 404);
    assert_eq!(bench.hget_as(SRV, &format!("{left}ID"), &body), 200);
    // What a server creates is its own.
    let new = json!([item(&format!("{GPS}//"), "GPS", &gps("mine"))]);
    assert_eq!(bench.hget_as(OTHER, "", &new), 200);
    let all = json!(["GET", format!("{GPS}/*/ID")]);
    assert_eq!(
        result(&bench.one_as(OTHER, all.clone()))[0]["MOData"]["ID"],
        "mine"
    );
    assert_eq!(result(&bench.one_as(SRV, all)).as_array().unwrap().len(), 2);
}

#[test]
fn x_dac_001_each_right_opens_its_commands_and_no_others_d48() {
    for bits in 0..16 {
        let mut bench = Bench::new();
        set(&mut bench, "left", OTHER, bits);
        let left = format!("{GPS}/left/");
        let may = |right: u8| bits & right != 0;
        // An instance without any right is as if it were not there (D69).
        let code = |allowed: bool, yes: u16| match (bits, allowed) {
            (0, _) => 404,
            (_, true) => yes,
            (_, false) => 403,
        };
        for verb in ["HPUT", "HPOST"] {
            let command = json!([verb, REPO, left]);
            assert_eq!(bench.code_as(OTHER, command), code(may(READ), 200));
        }
        let get = |bench: &mut Bench, rest: &str| {
            bench.code_as(OTHER, json!(["GET", format!("{left}{rest}")]))
        };
        assert_eq!(get(&mut bench, ""), code(may(READ), 200), "{bits}");
        // D48: the right first, then what the node allows.
        assert_eq!(get(&mut bench, "Key"), code(may(READ), 405), "{bits}");
        let exec = |bench: &mut Bench, rest: &str| {
            bench.code_as(OTHER, json!(["EXEC", format!("{left}{rest}")]))
        };
        assert_eq!(exec(&mut bench, "Reset"), code(may(EXECUTE), 200), "{bits}");
        assert_eq!(exec(&mut bench, "ID"), code(may(EXECUTE), 405), "{bits}");
        let leaf = json!([{"MOData": {"ID": "b"}}]);
        let hget = |bench: &mut Bench, rest: &str, body: &Value| {
            bench.hget_as(OTHER, &format!("{left}{rest}"), body)
        };
        assert_eq!(
            hget(&mut bench, "ID", &leaf),
            code(may(WRITE), 200),
            "{bits}"
        );
        let fixed = json!([{"MOData": {"Fixed": "b"}}]);
        assert_eq!(hget(&mut bench, "Fixed", &fixed), code(may(WRITE), 405));
        let delete = |bench: &mut Bench, rest: &str| {
            bench.code_as(OTHER, json!(["DELETE", format!("{left}{rest}")]))
        };
        assert_eq!(delete(&mut bench, "ID"), code(may(WRITE), 405), "{bits}");
        assert_eq!(delete(&mut bench, "Rate"), code(may(WRITE), 200), "{bits}");
        let at = dac(&bench, "left", "Servers/new");
        let expected = code(may(DELEGATE), 200);
        assert_eq!(
            bench.hget_as(OTHER, &at, &entry(THIRD, 0)),
            expected,
            "{bits}"
        );
        assert_eq!(delete(&mut bench, ""), code(may(WRITE), 200), "{bits}");
        assert_eq!(bench.miids(GPS).len(), if may(WRITE) { 1 } else { 2 });
    }
}

#[test]
fn x_dac_001_a_delivery_replaces_an_instance_that_the_server_may_write_d15() {
    let mut bench = Bench::new();
    let new = json!([item(&format!("{GPS}/left/"), "GPS", &gps("b"))]);
    assert_eq!(bench.hget_as(OTHER, "", &new), 403);
    set(&mut bench, "left", OTHER, READ);
    assert_eq!(bench.hget_as(OTHER, "", &new), 403);
    set(&mut bench, "left", OTHER, WRITE);
    assert_eq!(bench.hget_as(OTHER, "", &new), 200);
    assert_eq!(bench.text(GPS, "left", &["ID"]).as_deref(), Some("b"));
    // The owner stays, and so do the rights.
    assert_eq!(given(&bench, "left").rights(&srv(SRV)), Rights::FULL);
    assert_eq!(given(&bench, "left").rights(&srv(OTHER)), Rights::WRITE);
}

#[test]
fn x_dac_001_the_dac_mo_shows_a_server_what_it_may_do_and_no_more() {
    let mut bench = Bench::new();
    let own = |server: &str, account: &str| {
        let owner = Some(server);
        [
            row(DEV_INFO, "1", None, &[&format!("{account} {server} 1")]),
            row(DM_ACC, account, owner, &[&format!("{account} {server} 3")]),
        ]
    };
    let full = format!("1 {SRV} 15");
    let mut of_first = own(SRV, "1").to_vec();
    of_first.push(row(GPS, "left", Some(SRV), &[&full]));
    of_first.push(row(GPS, "right", Some(SRV), &[&full]));
    assert_eq!(shown(&mut bench, SRV), of_first);
    assert_eq!(shown(&mut bench, OTHER), own(OTHER, "2"));

    set(&mut bench, "left", OTHER, READ);
    set(&mut bench, "left", THIRD, READ);
    let entries = [full.clone(), format!("2 {OTHER} 1"), format!("3 {THIRD} 1")];
    of_first[2].3 = entries.to_vec();
    assert_eq!(shown(&mut bench, SRV), of_first);
    let mut of_other = own(OTHER, "2").to_vec();
    of_other.push(row(GPS, "left", Some(SRV), &[&entries[1]]));
    assert_eq!(shown(&mut bench, OTHER), of_other);

    // Delegate shows every entry.
    set(&mut bench, "left", OTHER, DELEGATE);
    of_other[2].3 = vec![full, format!("2 {OTHER} 8"), entries[2].clone()];
    assert_eq!(shown(&mut bench, OTHER), of_other);
}

#[test]
fn x_dac_001_the_dac_mo_answers_every_kind_of_client_uri() {
    let mut bench = Bench::new();
    set(&mut bench, "left", OTHER, WRITE | READ);
    let rights = format!("{DAC}/(x)/Servers/(y)/Rights?nv=(x)/MIID:left&nv=(y)/SrvID:{OTHER}");
    let status = bench.one_as(SRV, json!(["GET", rights]));
    assert_eq!(result(&status)[0]["MOData"], json!({"Rights": 3}));
    let uri = result(&status)[0]["ClientURI"].clone();
    assert_eq!(uri, json!(dac(&bench, "left", "Servers/2/Rights")));
    // The entry of another server is not there for one that may not pass rights on.
    let first = rights.replace(OTHER, SRV);
    assert_eq!(bench.code_as(OTHER, json!(["GET", first])), 404);
    let every = json!(["GET", format!("{DAC}/*/Servers/*/SrvID")]);
    let status = bench.one_as(OTHER, every);
    let items = result(&status);
    let mut servers = items.as_array().unwrap().iter();
    assert!(servers.all(|item| item["MOData"]["SrvID"] == json!(OTHER)));
    for verb in ["HPUT", "HPOST"] {
        let uri = dac(&bench, "left", "Owner");
        assert_eq!(bench.code_as(OTHER, json!([verb, REPO, uri])), 200);
    }
    // No validator: the same `cv` never holds.
    let uri = dac(&bench, "left", "?cv=00000001-1");
    assert_eq!(bench.code_as(SRV, json!(["GET", uri])), 200);
    let exec = dac(&bench, "left", "Servers/2/Rights");
    assert_eq!(bench.code_as(SRV, json!(["EXEC", exec])), 403);
}

#[test]
fn x_dac_001_a_server_with_delegate_adds_changes_and_removes_rights_of_others() {
    let mut bench = Bench::new();
    let at = dac(&bench, "left", "Servers/shop");
    let get = json!(["GET", format!("{GPS}/left/ID")]);
    let before = bench.pair.end.device.version();
    assert_eq!(bench.hget_as(SRV, &at, &entry(OTHER, 1)), 200);
    assert_eq!(bench.pair.end.device.version().0, before.0 + 1);
    assert_eq!(bench.code_as(OTHER, get.clone()), 200);
    assert_eq!(
        bench.code_as(OTHER, json!(["DELETE", format!("{GPS}/left/")])),
        403
    );
    // Another value of the leaf alone.
    let leaf = json!([{"MOData": {"Rights": 2}}]);
    assert_eq!(bench.hget_as(SRV, &format!("{at}/Rights"), &leaf), 200);
    assert_eq!(given(&bench, "left").rights(&srv(OTHER)), Rights::WRITE);
    assert_eq!(bench.code_as(OTHER, get.clone()), 403);
    // The SrvID stays where only the rights are delivered (D15).
    let only = json!([{"MOData": {"shop": {"Rights": 5}}}]);
    assert_eq!(bench.hget_as(SRV, &at, &only), 200);
    assert_eq!(given(&bench, "left").rights(&srv(OTHER)).bits(), 5);
    assert_eq!(bench.code_as(OTHER, get.clone()), 200);
    assert_eq!(bench.code_as(SRV, json!(["DELETE", at])), 200);
    assert_eq!(bench.code_as(OTHER, get), 404);
    assert_eq!(bench.code_as(SRV, json!(["DELETE", at])), 404);
}

#[test]
fn x_dac_001_rights_are_passed_on_within_the_own_ones_only() {
    let mut bench = Bench::new();
    set(&mut bench, "left", OTHER, READ | DELEGATE);
    let at = dac(&bench, "left", "Servers/x");
    for (bits, code) in [(2, 403), (4, 403), (15, 403), (9, 200), (1, 200), (3, 403)] {
        assert_eq!(
            bench.hget_as(OTHER, &at, &entry(THIRD, bits)),
            code,
            "{bits}"
        );
    }
    // What the entry had already may stay, and may go.
    set(&mut bench, "left", THIRD, READ | WRITE);
    assert_eq!(bench.hget_as(OTHER, &at, &entry(THIRD, 2)), 200);
    assert_eq!(bench.hget_as(OTHER, &at, &entry(THIRD, 3)), 200);
    assert_eq!(bench.hget_as(OTHER, &at, &entry(THIRD, 7)), 403);
    assert_eq!(bench.hget_as(OTHER, &at, &entry(THIRD, 0)), 200);
    assert_eq!(bench.hget_as(OTHER, &at, &entry(THIRD, 2)), 403);
}

#[test]
fn x_dac_001_nobody_raises_itself_or_locks_the_creator_out() {
    let mut bench = Bench::new();
    set(&mut bench, "left", OTHER, READ | DELEGATE);
    let before = given(&bench, "left");
    let (first, own) = (
        dac(&bench, "left", "Servers/1"),
        dac(&bench, "left", "Servers/2"),
    );
    for (server, at, body) in [
        (OTHER, &first, entry(SRV, 1)),
        (OTHER, &first, entry(THIRD, 1)),
        (OTHER, &own, entry(OTHER, 15)),
        (OTHER, &own, entry(OTHER, 1)),
        (OTHER, &own, entry(THIRD, 1)),
        (SRV, &first, entry(SRV, 7)),
        (SRV, &first, entry(OTHER, 7)),
    ] {
        assert_eq!(bench.hget_as(server, at, &body), 403, "{server} {body}");
    }
    for (server, at) in [(OTHER, &first), (OTHER, &own), (SRV, &first)] {
        assert_eq!(bench.code_as(server, json!(["DELETE", at])), 403);
    }
    let all = dac(&bench, "left", "Servers/*");
    assert_eq!(bench.code_as(SRV, json!(["DELETE", all])), 403);
    assert_eq!(given(&bench, "left"), before);
    // As it is it may be delivered; the creator may take a delegate's rights away.
    assert_eq!(bench.hget_as(OTHER, &first, &entry(SRV, 15)), 200);
    assert_eq!(bench.code_as(SRV, json!(["DELETE", own])), 200);
}

#[test]
fn x_dac_001_nothing_but_entries_is_written_into_the_dac_mo() {
    let mut bench = Bench::new();
    set(&mut bench, "left", OTHER, READ | WRITE | EXECUTE);
    set(&mut bench, "left", THIRD, READ);
    let root = json!([{"MOData": {"DAC": {"MOID": GPS, "MIID": "left", "Owner": OTHER}}}]);
    let leaf = |name: &str, value: &str| json!([{"MOData": {name: value}}]);
    for (rest, body) in [
        ("", root),
        ("MOID", leaf("MOID", DM_ACC)),
        ("MIID", leaf("MIID", "right")),
        ("Owner", leaf("Owner", OTHER)),
        ("Servers", json!([{"MOData": {"Servers": {}}}])),
        ("Servers/3/SrvID", leaf("SrvID", OTHER)),
    ] {
        let at = dac(&bench, "left", rest);
        // The right first (403), then what the node allows (405).
        let other = bench.hget_as(OTHER, &at, &body);
        assert!(matches!(other, 403 | 404), "{rest}: {other}");
        assert_eq!(bench.hget_as(SRV, &at, &body), 405, "{rest}");
        if rest != "Servers/3/SrvID" {
            assert_eq!(bench.code_as(OTHER, json!(["DELETE", at])), 403, "{rest}");
        }
        assert_eq!(bench.code_as(SRV, json!(["DELETE", at])), 405, "{rest}");
    }
    let new = json!([item(
        &format!("{DAC}//"),
        "DAC",
        &json!({"MOID": GPS, "MIID": "left"})
    )]);
    for server in [SRV, OTHER] {
        let code = bench.hget_as(server, "", &new);
        assert!(matches!(code, 400 | 403), "{code}");
        assert_eq!(bench.hget_as(server, &format!("{DAC}/new/"), &new), 403);
    }
    assert_eq!(given(&bench, "left").entries().len(), 3);
}

#[test]
fn x_dac_001_what_is_no_entry_is_400_and_changes_nothing() {
    let mut bench = Bench::new();
    let before = given(&bench, "left");
    let at = dac(&bench, "left", "Servers/x");
    for body in [
        entry(OTHER, 16),
        entry(OTHER, -1),
        entry(OTHER, "all"),
        entry(OTHER, Value::Null),
        entry("", 1),
        entry("bs:boot", 1),
        json!([{"MOData": {"x": {"SrvID": OTHER}}}]),
        json!([{"MOData": {"x": {"Rights": 1}}}]),
        json!([{"MOData": {"x": {"SrvID": OTHER, "Rights": 1, "More": 1}}}]),
    ] {
        assert_eq!(bench.hget_as(SRV, &at, &body), 400, "{body}");
    }
    assert_eq!(given(&bench, "left"), before);
    assert_eq!(bench.hget_as(SRV, &at, &entry(OTHER, 1)), 200);
    let again = dac(&bench, "left", "Servers/y");
    assert_eq!(bench.hget_as(SRV, &again, &entry(OTHER, 3)), 400);
    assert_eq!(given(&bench, "left").rights(&srv(OTHER)), Rights::READ);
}

#[test]
fn x_dac_001_one_delivery_gives_rights_together_or_not_at_all_d16() {
    let mut bench = Bench::new();
    let item = |miid: &str, name: &str, server: &str, bits: u8, bench: &Bench| {
        let uri = dac(bench, miid, &format!("Servers/{name}"));
        json!({"ClientURI": uri, "MOData": {name: {"SrvID": server, "Rights": bits}}})
    };
    let good = json!([
        item("left", "a", OTHER, 1, &bench),
        item("left", "b", THIRD, 3, &bench),
        item("right", "a", OTHER, 1, &bench),
    ]);
    let mut bad = good.clone();
    bad.as_array_mut()
        .unwrap()
        .push(item("right", "1", SRV, 0, &bench));
    let version = bench.pair.end.device.version();
    assert_eq!(bench.hget_as(SRV, "", &bad), 403);
    assert_eq!(bench.pair.end.device.version(), version);
    bench.pair.end.repository.put(REPO, None, good.to_string());
    let status = bench.one_as(SRV, json!(["HGET", REPO]));
    assert_eq!((status.code.get(), status.uri.len()), (200, 3));
    assert_eq!(bench.pair.end.device.version().0, version.0 + 1);
    assert_eq!(given(&bench, "left").entries().len(), 3);
    assert_eq!(given(&bench, "right").rights(&srv(OTHER)), Rights::READ);
}

#[test]
fn x_dac_001_giving_rights_does_not_tell_who_else_manages_the_device() {
    let mut bench = third();
    let at = |name: &str, bench: &Bench| dac(bench, "left", &format!("Servers/{name}"));
    // An account that is there, one whose Perm list lacks the MOID, one that is not there: one answer.
    for server in [OTHER, THIRD, "nobody.example.com"] {
        let uri = at(server, &bench);
        assert_eq!(bench.hget_as(SRV, &uri, &entry(server, 1)), 200);
    }
    // B-21: what the Perm list does not name stays closed whatever was given.
    let get = json!(["GET", format!("{GPS}/left/")]);
    assert_eq!(bench.code_as(THIRD, get.clone()), 403);
    assert!(shown(&mut bench, THIRD).iter().all(|row| row.0 == DM_ACC));
    // It takes effect when the server comes.
    let mut late = account("nobody.example.com");
    late["Auth"] = json!({});
    let document = json!([item(&format!("{DM_ACC}//"), "DMAcc", &late)]);
    let delivered = bench.pair.deliver(document.to_string().as_bytes(), ORIGIN);
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    assert_eq!(bench.code_as("nobody.example.com", get), 200);
}

#[test]
fn x_dac_001_no_more_entries_than_a_list_holds_507() {
    let mut bench = Bench::new();
    for n in 1..AccessList::MOST {
        let server = format!("s{n}");
        set(&mut bench, "left", &server, READ);
    }
    let at = dac(&bench, "left", "Servers/more");
    assert_eq!(bench.hget_as(SRV, &at, &entry(OTHER, 1)), 507);
}

#[test]
fn x_dac_001_instances_of_the_dac_mo_keep_their_miid_d72() {
    let mut bench = Bench::new();
    let before = dac(&bench, "right", "");
    assert_eq!(
        bench.code_as(SRV, json!(["DELETE", format!("{GPS}/left/")])),
        200
    );
    let new = json!([item(&format!("{GPS}/left/"), "GPS", &gps("new"))]);
    assert_eq!(bench.hget_as(SRV, "", &new), 200);
    let body = json!([{"MOData": {"ID": "c"}}]);
    assert_eq!(bench.hget_as(SRV, &format!("{GPS}/right/ID"), &body), 200);
    assert_eq!(dac(&bench, "right", ""), before);
    let numbers: Vec<_> = bench.pair.end.device.governed().unwrap();
    let numbers: Vec<_> = numbers.iter().map(|governed| governed.number).collect();
    let mut sorted = numbers.clone();
    sorted.dedup();
    assert_eq!(sorted, numbers);
    assert_eq!(given(&bench, "left"), AccessList::of_creator(&srv(SRV)));
}

#[test]
fn x_dac_001_rights_go_with_the_instance_and_with_the_account_d53() {
    let mut bench = Bench::new();
    for miid in ["left", "right"] {
        set(&mut bench, miid, OTHER, READ);
    }
    assert_eq!(
        bench.code_as(SRV, json!(["DELETE", format!("{GPS}/left/")])),
        200
    );
    assert_eq!(given(&bench, "left"), AccessList::none());
    let mut plan = TreePlan::at(bench.pair.end.device.version());
    plan.removed_accounts.push(srv(OTHER));
    bench.pair.end.device.apply(&plan).unwrap();
    assert_eq!(given(&bench, "right"), AccessList::of_creator(&srv(SRV)));
}

#[test]
fn x_dac_001_a_bootstrap_gives_its_server_back_what_it_delivers_d49() {
    let mut bench = Bench::new();
    set(&mut bench, "left", SRV, 0);
    set(&mut bench, "left", OTHER, READ);
    assert_eq!(bench.code(json!(["GET", format!("{GPS}/left/")])), 404);
    let delivered = bench
        .pair
        .deliver(document().to_string().as_bytes(), ORIGIN);
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    assert_eq!(bench.code(json!(["GET", format!("{GPS}/left/")])), 200);
    assert_eq!(given(&bench, "left").rights(&srv(OTHER)), Rights::READ);
}

#[test]
fn x_dac_001_a_bootstrap_brings_no_instance_of_the_dac_mo() {
    let mut bench = Bench::new();
    let foreign =
        json!({"MOID": GPS, "MIID": "left", "Servers": {"1": {"SrvID": OTHER, "Rights": 15}}});
    let mut document = document();
    document
        .as_array_mut()
        .unwrap()
        .push(item(&format!("{DAC}//"), "DAC", &foreign));
    let delivered = bench.pair.deliver(document.to_string().as_bytes(), ORIGIN);
    assert!(matches!(delivered, Delivered::Refused(_)), "{delivered:?}");
    assert_eq!(given(&bench, "left").rights(&srv(OTHER)), Rights::NONE);
}
