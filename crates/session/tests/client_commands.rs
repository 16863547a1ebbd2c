//! DELETE, EXEC, SHOW, CONT, END.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_mo::{
    ExecOutcome, ExecResult, ManagedObjectError, Miid, Moid, NodeAddress, NodePath, ServerUri,
    TreeError,
};
use omadm_session::client::{Cause, EXEC_COMPLETE, Effect, Outcome, exec_alert};
use serde_json::{Value, json};
use support::*;

fn at(rest: &str) -> String {
    format!("{GPS}{rest}")
}

fn delete(rest: &str) -> Value {
    json!(["DELETE", at(rest)])
}

#[test]
fn x_cmd_001_delete_takes_a_subtree_an_instance_or_all_that_is_named() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(delete("/left/Data/1")), 200);
    assert_eq!(bench.text(GPS, "left", &["Data", "1", "Date"]), None);
    assert_eq!(bench.code(delete("/*/Data")), 200);
    assert_eq!(bench.instance(GPS, "right").unwrap().find(&["Data"]), None);
    assert_eq!(bench.code(delete("/left/")), 200);
    assert_eq!(bench.miids(GPS), ["right"]);
    assert_eq!(bench.code(delete("/left/")), 404);
}

#[test]
fn delete_of_a_permanent_node_is_405_and_of_several_all_or_none() {
    let mut bench = Bench::new();
    for rest in [
        "/left/ID",
        "/left/Fixed",
        "/left/Data/1/Date",
        "/left/*",
        "/left/Key",
    ] {
        assert_eq!(bench.code(delete(rest)), 405, "{rest}");
    }
    assert!(bench.text(GPS, "left", &["Rate"]).is_some());
}

#[test]
fn delete_needs_the_right_on_the_instance() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(json!(["DELETE", format!("{DEV_INFO}//")])), 403);
    assert_eq!(bench.code(json!(["DELETE", format!("{PRIVATE}//")])), 403);
    let (_, statuses) = bench.run_as(OTHER, json!([delete("/left/"), delete("/*/")]));
    assert!(statuses.iter().all(|status| status.code.get() == 404));
    assert_eq!(bench.miids(GPS), ["left", "right"]);
}

#[test]
fn delete_is_planned_again_where_the_tree_changed_and_fails_with_the_store() {
    let mut bench = Bench::new();
    bench.refuse_applies.push_back(Cause::Stale);
    assert_eq!(bench.code(delete("/left/Rate")), 200);
    bench
        .refuse_applies
        .push_back(Cause::Tree(TreeError::Storage("x".into())));
    assert_eq!(bench.code(delete("/right/Rate")), 500);
    assert!(bench.text(GPS, "right", &["Rate"]).is_some());
}

#[test]
fn x_cmd_001_exec_answers_as_the_object_does_d24() {
    use ManagedObjectError as Refused;
    let mut bench = Bench::new();
    for (exec, code) in [
        (Ok(ExecOutcome::Done), 200),
        (Ok(ExecOutcome::Later), 202),
        (Err(Cause::ManagedObject(Refused::Busy)), 409),
        (Err(Cause::ManagedObject(Refused::NoSuchNode)), 404),
        (Err(Cause::ManagedObject(Refused::NotAllowed)), 405),
        (Err(Cause::ManagedObject(Refused::BadValue)), 400),
        (Err(Cause::ManagedObject(Refused::Device)), 500),
        (
            Err(Cause::Forbidden(
                omadm_session::client::AddressRule::Private,
            )),
            403,
        ),
    ] {
        bench.exec = exec.clone();
        assert_eq!(
            bench.code(json!(["EXEC", at("/left/Reset")])),
            code,
            "{exec:?}"
        );
    }
}

#[test]
fn exec_needs_one_executable_node_and_the_right() {
    let mut bench = Bench::new();
    for (uri, code) in [
        (at("/left/ID"), 405),
        (at("/left/"), 405),
        (at("/*/Reset"), 400),
        (at("/left/None"), 404),
        (at("/up/Reset"), 404),
        (format!("{DEV_INFO}//Man"), 403),
        (format!("{DM_ACC}//Name"), 403),
        (format!("{PRIVATE}//Reset"), 403),
    ] {
        let (run, statuses) = bench.run_as(SRV, json!([["EXEC", uri]]));
        assert_eq!(statuses[0].code.get(), code, "{uri}");
        assert!(!run.effects.iter().any(|e| matches!(e, Effect::Exec(..))));
    }
}

#[test]
fn x_asyn_001_exec_with_server_uri_is_202_even_where_it_is_done_at_once() {
    use ManagedObjectError as Refused;
    let mut bench = Bench::new();
    for (exec, code) in [
        (Ok(ExecOutcome::Done), 202),
        (Ok(ExecOutcome::Later), 202),
        (Err(Cause::ManagedObject(Refused::Busy)), 409),
        (Err(Cause::ManagedObject(Refused::Device)), 500),
    ] {
        bench.exec = exec;
        let (run, statuses) = bench.run_as(SRV, json!([["EXEC", at("/left/Reset"), REPO]]));
        assert_eq!(statuses[0].code.get(), code);
        let reports = |e: &Effect| matches!(e, Effect::Exec(_, _, Some(to)) if to.as_str() == REPO);
        assert_eq!(run.effects.iter().filter(|e| reports(e)).count(), 1);
    }
}

#[test]
fn x_asyn_001_exec_reports_to_no_address_that_policy_forbids() {
    let mut bench = Bench::new();
    bench.pair.end.forbidden.insert(REPO.to_owned());
    for server in [REPO, "http://repo.example.com/in"] {
        let (run, statuses) = bench.run_as(SRV, json!([["EXEC", at("/left/Reset"), server]]));
        assert_eq!(statuses[0].code.get(), 403, "{server}");
        assert!(!run.effects.iter().any(|e| matches!(e, Effect::Exec(..))));
    }
}

#[test]
fn x_asyn_001_the_result_is_a_generic_alert_in_a_new_session_at_the_server_uri() {
    let at = NodeAddress::root(Moid::parse(GPS).unwrap(), Miid::parse("left").unwrap())
        .with_path(NodePath::of("Reset").unwrap());
    let done = exec_alert(&at, &ExecResult::new(200));
    let named = ExecResult {
        alert_type: Some("urn:oma:at:scomo:1.0:OperationComplete".to_owned()),
        ..ExecResult::new(1200)
    };
    let mut bench = Bench::new();
    bench.alerts = vec![done, exec_alert(&at, &named)];
    bench.to = Some(ServerUri::parse(REPO).unwrap());
    let run = bench.session(SRV, |_, _| answer(200, ""));
    assert_eq!(run.requests[0].to.as_str(), REPO);
    let alerts = &body(&run.requests[0])["Alert"];
    assert_eq!(
        alerts[0]["AlertType"],
        "urn:oma:at:dm:2.0:ClientInitiatedMgmt"
    );
    assert_eq!(
        alerts[1],
        json!({"AlertType": EXEC_COMPLETE, "SourceURI": format!("{GPS}/left/Reset"), "DataType": "int", "Data": {"DM1x": 200}})
    );
    assert_eq!(
        alerts[2]["AlertType"],
        "urn:oma:at:scomo:1.0:OperationComplete"
    );
    assert_eq!(alerts[2]["Data"], json!({"DM1x": 1200}));
}

#[test]
fn x_cmd_002_show_is_501_without_browser_and_500_where_it_does_not_start_d18() {
    let mut bench = Bench::new();
    assert_eq!(bench.code(json!(["SHOW", REPO])), 501);
    bench.browser = true;
    assert_eq!(bench.code(json!(["SHOW", REPO])), 200);
    bench.pair.end.forbidden.insert(REPO.to_owned());
    assert_eq!(bench.code(json!(["SHOW", REPO])), 500);
    for wrong in [json!(["SHOW"]), json!(["SHOW", "file:///etc/passwd"])] {
        assert_eq!(bench.code(wrong.clone()), 400, "{wrong}");
    }
}

#[test]
fn x_cmd_002_show_starts_the_browser_and_the_session_goes_on_at_once_d18() {
    let mut bench = Bench::new();
    bench.browser = true;
    let (run, statuses) = bench.run_as(SRV, json!([["SHOW", REPO], ["GET", at("/left/ID")]]));
    let codes: Vec<_> = statuses.iter().map(|status| status.code.get()).collect();
    assert_eq!(codes, [200, 200]);
    let shown: Vec<_> = run
        .effects
        .iter()
        .filter(|e| matches!(e, Effect::Show(_, uri) if uri.as_str() == REPO))
        .collect();
    assert_eq!(shown.len(), 1);
}

#[test]
fn x_cmd_001_cont_to_an_address_that_policy_forbids_is_403_and_the_old_one_stays() {
    let mut bench = Bench::new();
    bench.pair.end.forbidden.insert(REPO.to_owned());
    let (run, statuses) = bench.run_as(SRV, json!([["CONT", REPO]]));
    assert_eq!(statuses[0].code.get(), 403);
    assert_eq!(run.requests[1].to, run.requests[0].to);
}

#[test]
fn x_cmd_001_after_cont_the_next_package_goes_elsewhere_and_the_account_stays_d19() {
    let mut bench = Bench::new();
    let commands = json!([
        ["CONT", "https://first.example.com/"],
        ["GET", at("/left/ID")],
        ["CONT", "https://two.example.com/s/1"]
    ]);
    let (run, statuses) = bench.run_as(SRV, commands);
    assert!(statuses.iter().all(|status| status.code.get() == 200));
    assert_eq!(
        run.requests[0].to.as_str(),
        "https://dms.example.com/dm/2.0"
    );
    assert_eq!(run.requests[1].to.as_str(), "https://two.example.com/s/1");
    assert_eq!(
        bench.text(DM_ACC, "1", &["SrvURI"]).as_deref(),
        Some("https://dms.example.com/dm/2.0")
    );
}

#[test]
fn cont_never_lowers_the_security_d19() {
    let mut bench = Bench::new();
    let (run, statuses) = bench.run_as(
        SRV,
        json!([
            ["CONT", "http://two.example.com/"],
            ["CONT", "two.example.com"]
        ]),
    );
    let codes: Vec<_> = statuses.iter().map(|status| status.code.get()).collect();
    assert_eq!(codes, [403, 400]);
    assert_eq!(
        run.requests[1].to.as_str(),
        "https://dms.example.com/dm/2.0"
    );
}

#[test]
fn x_cmd_001_after_end_no_package3_is_sent_wherever_end_stands_d20() {
    for commands in [
        json!([["END"], delete("/left/Rate")]),
        json!([delete("/left/Rate"), ["END"]]),
        json!([["END"], delete("/left/Rate"), ["END"]]),
    ] {
        let mut bench = Bench::new();
        let (run, _) = bench.run_as(SRV, commands);
        assert_eq!(run.requests.len(), 1);
        assert_eq!(run.outcome, Some(Outcome::Ended));
        assert_eq!(bench.text(GPS, "left", &["Rate"]), None);
    }
}
