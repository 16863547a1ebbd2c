//! Make before break of accounts (`dm20.md` §14.7, D82).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_bootstrap::plan::plan_shadows;
use omadm_bootstrap::{AccountShadow, DeviceView as _, ShadowCause};
use omadm_mo::{ServerUri, SrvId, TreeView as _};
use omadm_session::client::{Effect, Input, SessionEvent, SessionReason};
use omadm_session::pair::Delivered;
use serde_json::{Value, json};
use support::*;

const OLD: &str = "https://dms.example.com/dm/2.0";
const NEW: &str = "https://new.example.com/dm";

fn shadow(bench: &Bench) -> Option<AccountShadow> {
    let srv = SrvId::parse(SRV).unwrap();
    bench.pair.end.device.shadow(&srv).unwrap()
}

fn former(bench: &Bench) -> Option<String> {
    shadow(bench).map(|shadow| shadow.set.srv_uri.to_string())
}

/// The first account once more, changed.
fn again(bench: &mut Bench, change: impl FnOnce(&mut Value)) {
    let mut account = account(SRV);
    change(&mut account);
    let mut document = document();
    document[0] = item(&format!("{DM_ACC}//"), "DMAcc", &account);
    let delivered = bench.pair.deliver(document.to_string().as_bytes(), ORIGIN);
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
}

fn move_to(bench: &mut Bench, uri: &str) {
    again(bench, |account| account["SrvURI"] = json!(uri));
}

fn set_leaf(bench: &mut Bench, path: &str, value: &str) -> u16 {
    let name = path.rsplit('/').next().unwrap();
    let body = json!([{"MOData": {name: value}}]);
    bench.hget_as(SRV, &format!("{DM_ACC}//{path}"), &body)
}

#[test]
fn a_replaced_account_keeps_its_former_set_until_the_new_one_was_used_d82() {
    let mut bench = Bench::new();
    assert!(shadow(&bench).is_none());
    again(&mut bench, |account| {
        account["SrvURI"] = json!(NEW);
        account["Auth"]["Trsp"] = json!({"Data": "bmV3", "Secret": "bmV3"});
        account["Ext"] = json!({});
    });
    let kept = shadow(&bench).unwrap();
    assert_eq!((kept.by, kept.refusals), (ShadowCause::Bootstrap, 0));
    assert_eq!(kept.set.srv_uri.as_str(), OLD);
    assert_eq!(kept.set.trsp.unwrap().secret.expose(), b"trsp-secret");
    assert_eq!(kept.set.http_auth.unwrap().password.expose(), b"password");
    // The new values count from the next connection; a refusal proves nothing.
    let run = bench.session(SRV, |_, _| answer(403, ""));
    assert_eq!(run.requests[0].to.as_str(), NEW);
    assert!(shadow(&bench).is_some() && bench.account(SRV).owed.is_some());
    let before = bench.pair.end.device.version();
    let run = bench.session(SRV, |_, _| answer(200, ""));
    assert!(shadow(&bench).is_none() && bench.account(SRV).owed.is_none());
    assert_eq!(bench.pair.end.device.version().0, before.0 + 1);
    let acked = |event: &SessionEvent| matches!(event, SessionEvent::CompletionAcknowledged { .. });
    assert!(run.events.iter().any(acked));
}

#[test]
fn nothing_is_kept_where_the_set_stays_the_same() {
    let mut bench = Bench::new();
    again(&mut bench, |account| account["Name"] = json!("Other name"));
    assert_eq!(set_leaf(&mut bench, "Name", "Third name"), 200);
    assert!(shadow(&bench).is_none());
}

#[test]
fn an_hget_of_each_part_of_the_set_keeps_the_former_one_d82() {
    for (path, value) in [
        ("SrvURI", NEW),
        ("Auth/Trsp/Secret", "bmV3"),
        ("Ext/HTTPAuth/Password", "new"),
    ] {
        let mut bench = Bench::new();
        assert_eq!(set_leaf(&mut bench, path, value), 200);
        let kept = shadow(&bench).unwrap();
        assert_eq!(
            (kept.by, kept.is_due()),
            (ShadowCause::Command, false),
            "{path}"
        );
        assert_eq!(former(&bench).as_deref(), Some(OLD));
        // The session that brought it does not prove it; the next one does, and acknowledges no completion.
        let run = bench.session(SRV, |_, _| answer(200, ""));
        assert!(shadow(&bench).is_none(), "{path}");
        let acked =
            |event: &SessionEvent| matches!(event, SessionEvent::CompletionAcknowledged { .. });
        assert!(!run.events.iter().any(acked));
    }
    let mut bench = Bench::new();
    let trsp = json!(["DELETE", format!("{DM_ACC}//Auth/Trsp")]);
    assert_eq!(bench.code(trsp), 200);
    assert!(shadow(&bench).unwrap().set.trsp.is_some());
}

#[test]
fn the_set_that_was_last_in_use_is_the_one_that_is_kept() {
    let mut bench = Bench::new();
    move_to(&mut bench, NEW);
    let first = shadow(&bench).unwrap();
    move_to(&mut bench, "https://third.example.com/dm");
    let second = shadow(&bench).unwrap();
    assert_eq!(second.set, first.set);
    assert!(second.since > first.since);
    // What brings it back ends it: nothing is unproven any more.
    move_to(&mut bench, OLD);
    assert!(shadow(&bench).is_none());
}

#[test]
fn an_answer_to_the_former_set_does_not_prove_the_new_one() {
    let mut bench = Bench::new();
    let mut session = bench.start(SRV);
    let is_send = |effect: &Effect| matches!(effect, Effect::Send(_));
    while !is_send(&session.poll_effect().unwrap()) {}
    move_to(&mut bench, NEW);
    let response = answer(200, "").unwrap();
    session.handle_input(&bench.pair.end.device, Input::Response(response));
    while let Some(effect) = session.poll_effect() {
        assert!(!matches!(effect, Effect::Apply(..)), "{effect:?}");
    }
    assert_eq!(former(&bench).as_deref(), Some(OLD));
}

#[test]
fn a_session_elsewhere_than_at_the_srv_uri_proves_nothing() {
    let mut bench = Bench::new();
    move_to(&mut bench, NEW);
    bench.to = Some(ServerUri::parse("https://late.example.com/exec").unwrap());
    bench.session(SRV, |_, _| answer(200, ""));
    assert_eq!(former(&bench).as_deref(), Some(OLD));
}

#[test]
fn a_session_with_the_former_set_lets_the_server_repair_and_settles_nothing_d82() {
    let mut bench = Bench::new();
    move_to(&mut bench, NEW);
    bench.reason = SessionReason::Repair;
    bench.to = Some(shadow(&bench).unwrap().set.srv_uri);
    let repaired = "https://repaired.example.com/dm";
    let leaf = json!([{"MOData": {"SrvURI": repaired}}]);
    bench.pair.end.repository.put(REPO, None, leaf.to_string());
    let hget = json!({"CMD": [["HGET", REPO, format!("{DM_ACC}//SrvURI")]]});
    let mut package = Some(hget.to_string());
    let run = bench.session(SRV, |_, _| answer(200, &package.take().unwrap_or_default()));
    assert_eq!(run.requests[0].to.as_str(), OLD);
    let package = body(&run.requests[0]);
    let alerts: Vec<_> = package["Alert"].as_array().unwrap().iter().collect();
    assert_eq!(
        alerts,
        [&json!({"AlertType": "urn:oma:at:dm:2.0:ClientInitiatedMgmt"})]
    );
    assert_eq!(statuses(&run.requests[1])[0].code.get(), 200);
    assert!(run.events.iter().any(|event| matches!(
        event,
        SessionEvent::Started {
            bootstrap_complete: false,
            ..
        }
    )));
    // Still owed, still kept: the repaired set was not used yet.
    assert!(bench.account(SRV).owed.is_some());
    assert_eq!(former(&bench).as_deref(), Some(OLD));
    (bench.reason, bench.to) = (SessionReason::Client, None);
    let run = bench.session(SRV, |_, _| answer(200, ""));
    assert_eq!(run.requests[0].to.as_str(), repaired);
    assert!(bench.account(SRV).owed.is_none() && shadow(&bench).is_none());
}

#[test]
fn a_shadow_goes_with_its_account_and_is_no_part_of_the_tree() {
    let mut bench = Bench::new();
    move_to(&mut bench, NEW);
    again(&mut bench, |account| {
        account["SrvURI"] = json!(NEW);
        account["Auth"]["Trsp"] = json!({"Data": "bmV3", "Secret": "bmV3"});
    });
    let read = bench.run(json!([
        ["GET", format!("{DM_ACC}/*/")],
        ["GET", format!("{DAC}/*/")]
    ]));
    for status in &read {
        let told = result(status).to_string();
        assert!(!told.contains(OLD) && !told.contains("Y2VydA=="), "{told}");
    }
    let kept = format!("{:?}", shadow(&bench));
    assert!(!kept.contains("secret"), "{kept}");
    let mut plan = omadm_bootstrap::plan::TreePlan::at(bench.pair.end.device.version());
    plan_shadows(&bench.pair.end.device, &mut plan, ShadowCause::Command).unwrap();
    assert!(plan.is_empty());
    plan.removed_accounts.push(SrvId::parse(SRV).unwrap());
    bench.pair.end.device.apply(&plan).unwrap();
    assert!(shadow(&bench).is_none());
}
