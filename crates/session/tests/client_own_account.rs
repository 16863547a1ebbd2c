//! What a server may do with its own account, and what none ever sees.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_mo::{Node, NodePath};
use omadm_session::client::Effect;
use serde_json::{Value, json};
use support::*;

fn acc(path: &str) -> String {
    format!("{DM_ACC}//{path}")
}

fn delivery(change: impl FnOnce(&mut Value)) -> Value {
    let mut members = json!({"SrvID": SRV, "SrvURI": "https://new.example.com/dm", "Name": "New"});
    change(&mut members);
    json!([item(&acc(""), "DMAcc", &members)])
}

fn own(bench: &Bench) -> Node {
    bench.instance(DM_ACC, "1").unwrap()
}

#[test]
fn a_server_replaces_its_own_account_and_the_clients_parts_stay_d74() {
    let mut bench = Bench::new();
    let before = own(&bench);
    let status = bench.hget(&delivery(|_| {}));
    assert_eq!(
        (status.code.get(), status.uri),
        (200, vec![format!("{DM_ACC}/1/")])
    );
    let now = own(&bench);
    for kept in [
        &["Auth", "Bootstrap"][..],
        &["Ext", "Bootstrap"],
        &["SrvID"],
    ] {
        assert!(now.find(kept).is_some());
        assert_eq!(now.find(kept), before.find(kept), "{kept:?}");
    }
    assert!(now.find(&["Auth", "Trsp"]).is_none());
    assert!(now.find(&["Perm"]).is_none());
    assert_eq!(bench.text(DM_ACC, "1", &["Name"]).as_deref(), Some("New"));
}

#[test]
fn the_clients_parts_may_be_delivered_as_they_are_and_not_otherwise_d74() {
    let mut bench = Bench::new();
    let perm = account(SRV)["Perm"].clone();
    let auth = json!({"Bootstrap": account(SRV)["Auth"]["Bootstrap"]});
    let same = delivery(|members| {
        members["Perm"] = perm.clone();
        members["Auth"] = auth.clone();
    });
    assert_eq!(bench.hget(&same).code.get(), 200);
    assert!(own(&bench).find(&["Perm"]).is_none());
    let before = own(&bench);
    let perm_before = bench.account(SRV).perm;
    let mut other_perm = perm.clone();
    other_perm["9"] = json!({"MOID": PRIVATE});
    let mut other_auth = auth;
    other_auth["Bootstrap"]["ServerPubKey"] = json!("AA==");
    for change in [
        json!({"Perm": other_perm}),
        json!({"Auth": other_auth}),
        json!({"Ext": {"Bootstrap": {"State": "acked"}}}),
        json!({"Ext": {"Bootstrap": {"Method": "factory"}}}),
    ] {
        let body = delivery(|members| {
            for (name, value) in change.as_object().unwrap() {
                members[name] = value.clone();
            }
        });
        assert_eq!(bench.hget(&body).code.get(), 403, "{change}");
        assert_eq!(bench.hget_to(&acc(""), &body).code.get(), 403, "{change}");
    }
    assert_eq!(own(&bench), before);
    assert_eq!(bench.account(SRV).perm, perm_before);
}

#[test]
fn b_17_no_command_reaches_the_clients_parts_of_an_account() {
    let mut bench = Bench::new();
    let before = own(&bench);
    let auth = &account(SRV)["Auth"]["Bootstrap"];
    for (path, member) in [
        ("SrvID", json!({"SrvID": SRV})),
        ("Perm", json!({"Perm": {"1": {"MOID": PRIVATE}}})),
        ("Perm/1", json!({"1": {"MOID": PRIVATE}})),
        ("Auth/Bootstrap", json!({"Bootstrap": auth})),
        ("Auth/Bootstrap/SecMode", json!({"SecMode": "AA=="})),
        ("Ext/Bootstrap", json!({"Bootstrap": {"State": "acked"}})),
        ("Ext/Bootstrap/State", json!({"State": "acked"})),
    ] {
        let code = bench
            .hget_to(&acc(path), &json!([{"MOData": member}]))
            .code
            .get();
        assert!(matches!(code, 403 | 404), "{path}: {code}");
        let code = bench.code(json!(["DELETE", acc(path)]));
        assert!(matches!(code, 403 | 404), "{path}: {code}");
    }
    // From above.
    for path in ["Auth", "Ext"] {
        assert_eq!(bench.code(json!(["DELETE", acc(path)])), 405);
    }
    let new_auth = json!([{"MOData": {"Auth": {"Trsp": {"Data": "AA==", "Secret": "AA=="}}}}]);
    assert_eq!(own(&bench), before);
    assert_eq!(bench.hget_to(&acc("Auth"), &new_auth).code.get(), 200);
    assert_eq!(
        own(&bench).find(&["Auth", "Bootstrap"]),
        before.find(&["Auth", "Bootstrap"])
    );
}

#[test]
fn b_17_auth_bootstrap_does_not_come_in_by_a_parent_that_is_new() {
    let mut bench = Bench::new();
    let mut plan =
        omadm_bootstrap::plan::TreePlan::at(omadm_mo::TreeView::version(&bench.pair.end.device));
    let root = omadm_mo::NodeAddress::root(
        omadm_mo::standard::dm_acc::moid(),
        omadm_mo::Miid::counted(1),
    );
    let at = root.with_path(NodePath::of("Auth").unwrap());
    plan.steps
        .push(omadm_bootstrap::plan::PlanStep::Remove { at });
    bench.pair.end.device.apply(&plan).unwrap();
    let body = json!([{"MOData": {"Auth": {"Bootstrap": account(SRV)["Auth"]["Bootstrap"]}}}]);
    assert_eq!(bench.hget_to(&acc("Auth"), &body).code.get(), 403);
    assert!(own(&bench).find(&["Auth"]).is_none());
}

#[test]
fn no_delivery_cuts_the_device_off_its_server() {
    let mut bench = Bench::new();
    let before = own(&bench);
    for text in ["http://dms.example.com/", "nowhere", ""] {
        let leaf = json!([{"MOData": {"SrvURI": text}}]);
        assert_eq!(
            bench.hget_to(&acc("SrvURI"), &leaf).code.get(),
            400,
            "{text}"
        );
        let whole = delivery(|members| members["SrvURI"] = json!(text));
        assert_eq!(bench.hget(&whole).code.get(), 400, "{text}");
        bench
            .pair
            .end
            .repository
            .put(REPO, Some("text/plain"), text);
        assert_eq!(
            bench.code(json!(["HGET", REPO, acc("SrvURI")])),
            400,
            "{text}"
        );
    }
    let nameless = delivery(|members| {
        members.as_object_mut().unwrap().remove("Name");
    });
    // Permanent nodes that are not delivered keep their value.
    assert_eq!(own(&bench), before);
    let code = bench.hget_to(&acc(""), &nameless).code.get();
    assert_eq!(code, 200);
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("Example DM")
    );
}

#[test]
fn accounts_come_and_go_by_bootstrap_only_d74() {
    let mut bench = Bench::new();
    let new = delivery(|members| members["SrvID"] = json!("new.example.com"));
    let others = delivery(|members| members["SrvID"] = json!(OTHER));
    for body in [&new, &others] {
        assert_eq!(bench.hget(body).code.get(), 403);
    }
    for miid in ["2", "9"] {
        let uri = format!("{DM_ACC}/{miid}/");
        assert_eq!(bench.hget_to(&uri, &new).code.get(), 403, "{miid}");
        assert_eq!(bench.code(json!(["DELETE", uri])), 404, "{miid}");
    }
    assert_eq!(bench.code(json!(["DELETE", acc("")])), 403);
    assert_eq!(bench.code(json!(["DELETE", format!("{DM_ACC}/*/")])), 403);
    assert_eq!(bench.miids(DM_ACC), ["1", "2"]);
}

#[test]
fn a_server_never_sees_the_account_of_another() {
    let mut bench = Bench::new();
    for uri in [
        format!("{DM_ACC}/2/"),
        format!("{DM_ACC}/2/SrvURI"),
        format!("{DM_ACC}/(x)/?nv=(x)/SrvID:{OTHER}"),
    ] {
        assert_eq!(bench.code(json!(["GET", uri])), 404, "{uri}");
    }
    let all = bench.one(json!(["GET", format!("{DM_ACC}/*/SrvID")]));
    assert_eq!(result(&all).as_array().unwrap().len(), 1);
    let (_, statuses) = bench.run_as(OTHER, json!([["GET", acc("SrvID")]]));
    assert_eq!(result(&statuses[0])[0]["MOData"]["SrvID"], json!(OTHER));
}

#[test]
fn b_31_the_owning_server_reads_the_bootstrap_type() {
    let mut bench = Bench::new();
    let status = bench.one(json!(["GET", acc("Ext/Bootstrap")]));
    let shown = result(&status)[0]["MOData"]["Bootstrap"].clone();
    assert_eq!(
        (&shown["Method"], &shown["Kind"], &shown["Seq"]),
        (&json!("client"), &json!("first"), &json!(1))
    );
}

#[test]
fn b_20_perm_is_never_exposed_whatever_a_server_asks() {
    let mut bench = Bench::new();
    for (path, code) in [
        ("Perm", 404),
        ("Perm/1", 404),
        ("Perm/*", 404),
        ("Perm/1/MOID", 404),
    ] {
        assert_eq!(bench.code(json!(["GET", acc(path)])), code, "{path}");
    }
    let body = everything_shown(&mut bench);
    assert!(!body.contains("Perm"));
    assert!(!body.contains("dacmo"));
}

#[test]
fn b_20_secrets_stand_in_no_result_upload_or_package() {
    let mut bench = Bench::new();
    let body = everything_shown(&mut bench);
    assert!(body.contains("Example DM"));
    for secret in SECRETS {
        let encoded = omadm_mo::Value::bin(secret.as_bytes())
            .to_text()
            .to_string();
        let hidden = !body.contains(secret) && !body.contains(&encoded);
        assert!(hidden, "{secret}");
    }
    assert!(!body.contains("a2V5LW9mLWdwcw"));
    for (path, code) in [
        ("Auth/Trsp/Secret", 405),
        ("Auth/Noti/Secret", 405),
        ("Auth/Bootstrap/ClientSecretKey", 405),
        ("Ext/HTTPAuth/Password", 405),
        ("Auth/Trsp/Data", 200),
    ] {
        assert_eq!(bench.code(json!(["GET", acc(path)])), code, "{path}");
    }
    // A condition does not look at what cannot be read: the guess is not answered.
    let guess = format!("{DM_ACC}/(x)/SrvID?nv=(x)/Ext/HTTPAuth/Password:password");
    assert_eq!(bench.code(json!(["GET", guess])), 404);
}

/// Everything a server can make the device say: requests, uploads, and what is told to whoever watches.
fn everything_shown(bench: &mut Bench) -> String {
    let uris = [
        acc(""),
        acc("*"),
        acc("Auth"),
        acc("Auth/*"),
        acc("Auth/*/*"),
        acc("Ext"),
        acc("Ext/*/*"),
        format!("{GPS}/*/"),
        format!("{DEV_INFO}//"),
    ];
    let mut shown = String::new();
    for uri in uris {
        for command in [
            json!(["GET", uri]),
            json!(["HPUT", REPO, uri]),
            json!(["HPOST", REPO, uri]),
        ] {
            let (run, _) = bench.run_as(SRV, json!([command]));
            for request in &run.requests {
                shown += &String::from_utf8_lossy(&request.body);
            }
            shown += &format!("{:?}{:?}", run.events, run.outcome);
            let others = run
                .effects
                .iter()
                .filter(|e| !matches!(e, Effect::Send(_) | Effect::Upload(..)));
            shown += &format!("{:?}", others.collect::<Vec<_>>());
        }
    }
    for upload in bench.pair.end.repository.uploads.drain(..) {
        shown += &String::from_utf8_lossy(&upload.body);
    }
    shown
}
