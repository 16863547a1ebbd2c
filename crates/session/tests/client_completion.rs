//! What a session reports when it begins, and what its answer acknowledges.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_dm2::{Alert, AlertType};
use omadm_mo::{SrvId, TreeError};
use omadm_session::client::{Cause, Effect, Input, Outcome, SessionEvent};
use omadm_session::pair::Delivered;
use serde_json::{Value, json};
use support::*;

const CMD_GET: &str = r#"{"CMD":[["GET","urn:oma:mo:oma-dm-devinfo:1.2//Man"]]}"#;

fn owes(bench: &Bench) -> bool {
    bench.account(SRV).owed.is_some()
}

#[test]
fn b_15_x_boot_006_the_first_session_reports_bootstrap_complete_with_its_type_d27() {
    let mut bench = Bench::owing();
    let run = bench.session(SRV, |_, _| answer(200, ""));
    let package = body(&run.requests[0]);
    assert_eq!(package["Alert"].as_array().unwrap().len(), 1);
    let alert = &package["Alert"][0];
    assert_eq!(
        alert["AlertType"],
        json!("urn:oma:at:dm:2.0:BootstrapComplete")
    );
    assert_eq!(alert["SourceURI"], json!(format!("{DM_ACC}/1/")));
    assert_eq!(alert["Mark"], json!("informational"));
    assert_eq!(alert["DataType"], json!("application/json"));
    let told = &alert["Data"]["BootstrapType"];
    for (name, leaf) in [
        ("Method", "client"),
        ("Profile", "dm2"),
        ("Kind", "first"),
        ("State", "pending"),
        ("Time", "20260101T120000Z"),
    ] {
        assert_eq!(told[name], json!(leaf), "{name}");
    }
    let provenance = bench.account(SRV).provenance;
    assert_eq!(told["EventId"], json!(provenance.event_id.as_str()));
    assert_eq!(told["Seq"], json!(1));
    assert!(run.events.contains(&SessionEvent::CompletionAcknowledged {
        server: SrvId::parse(SRV).unwrap()
    }));
}

#[test]
fn mos_is_sent_with_bootstrap_complete_alone_and_shows_what_the_server_may_see_d03_d10() {
    let mut bench = Bench::owing();
    let run = bench.session(SRV, |_, _| answer(200, ""));
    let package = body(&run.requests[0]);
    let mos: Vec<_> = package["MOS"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mo| (mo["MOID"].as_str().unwrap(), mo["MIID"].clone()))
        .collect();
    assert_eq!(
        mos,
        [
            (CLOCK, json!([])),
            (GPS, json!(["left", "right"])),
            (DAC, json!(["1", "2", "4", "5"])),
            (DEV_INFO, json!(["1"])),
            (DM_ACC, json!(["1"])),
        ]
    );
    let with_ddf = package["MOS"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mo| mo.get("DDF").is_some());
    assert_eq!(with_ddf.count(), 3);
    let run = bench.session(OTHER, |_, _| answer(200, ""));
    let package = body(&run.requests[0]);
    assert_eq!(package["MOS"][1]["MIID"], json!([]));
    assert_eq!(package["MOS"][2]["MIID"], json!(["1", "3"]));
    assert_eq!(package["MOS"][4]["MIID"], json!(["2"]));

    let run = bench.session(SRV, |_, _| answer(200, ""));
    let package = body(&run.requests[0]);
    assert_eq!(package.get("MOS"), None);
    assert_eq!(
        package["Alert"],
        json!([{"AlertType": "urn:oma:at:dm:2.0:ClientInitiatedMgmt"}])
    );
}

#[test]
fn x_alrt_001_there_is_exactly_one_session_cause_and_it_comes_first_d04() {
    for (mut bench, cause) in [
        (Bench::owing(), AlertType::BOOTSTRAP_COMPLETE),
        (Bench::new(), AlertType::CLIENT_INITIATED_MGMT),
    ] {
        bench.alerts = vec![
            Alert::new(AlertType::new("urn:example:at:one")),
            Alert::new(AlertType::new("urn:example:at:two")),
        ];
        let run = bench.session(SRV, |_, _| answer(200, ""));
        let package = body(&run.requests[0]);
        let types: Vec<_> = package["Alert"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a["AlertType"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            types,
            [cause.as_str(), "urn:example:at:one", "urn:example:at:two"]
        );
        assert!(
            run.events
                .contains(&SessionEvent::AlertsDelivered { count: 2 })
        );
        let run = bench.session(SRV, |_, _| answer(503, ""));
        assert!(
            !run.events
                .iter()
                .any(|e| matches!(e, SessionEvent::AlertsDelivered { .. }))
        );
    }
}

#[test]
fn b_30_an_unparsable_package2_ends_the_session_but_its_2xx_has_acknowledged_d60() {
    let deep = format!(r#"{{"CMD":{}{}}}"#, "[".repeat(70), "]".repeat(70));
    for text in [
        "{",
        "[]",
        "{}",
        r#"{"CMD":7}"#,
        r#"{"CMD":[[7]]}"#,
        r#"{"CMD":[],"CMD":[]}"#,
        &deep,
    ] {
        let mut bench = Bench::owing();
        let run = bench.session(SRV, |_, _| answer(200, text));
        assert_eq!(run.requests.len(), 1);
        assert!(
            matches!(run.outcome, Some(Outcome::Unparsable(_))),
            "{text}"
        );
        assert!(!owes(&bench), "{text}");
    }
}

#[test]
fn b_30_the_owed_flag_is_cleared_before_any_command_runs() {
    let mut bench = Bench::owing();
    let text = format!(r#"{{"CMD":[["DELETE","{GPS}/left/Rate"]]}}"#);
    let run = bench.session(SRV, |_, n| answer(200, if n == 0 { &text } else { "" }));
    let applies: Vec<_> = run
        .effects
        .iter()
        .filter_map(|e| {
            if let Effect::Apply(_, plan) = e {
                Some(plan)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(applies.len(), 2);
    assert!(applies[0].accounts[0].owed.is_none());
    assert!(applies[1].accounts.is_empty());
    assert_eq!(
        bench
            .text(DM_ACC, "1", &["Ext", "Bootstrap", "State"])
            .as_deref(),
        Some("acked")
    );
    // The account of the other server is still owed its own.
    assert!(bench.account(OTHER).owed.is_some());
}

#[test]
fn b_30_a_device_that_cannot_store_the_acknowledgement_reports_again() {
    for (causes, cleared) in [
        (vec![Cause::Tree(TreeError::NoRoom)], false),
        (vec![Cause::Stale], true),
        (vec![Cause::Stale; 3], true),
        (vec![Cause::Stale; 4], false),
    ] {
        let mut bench = Bench::owing();
        bench.refuse_applies.extend(causes.clone());
        let run = bench.session(SRV, |_, n| answer(200, if n == 0 { CMD_GET } else { "" }));
        assert_eq!(run.outcome, Some(Outcome::Ended));
        assert_eq!(owes(&bench), !cleared, "{causes:?}");
        let told = run
            .events
            .iter()
            .any(|e| matches!(e, SessionEvent::CompletionAcknowledged { .. }));
        assert_eq!(told, cleared);
        let again = bench.session(SRV, |_, _| answer(200, ""));
        let first = body(&again.requests[0])["Alert"][0]["AlertType"].clone();
        let complete = first == json!("urn:oma:at:dm:2.0:BootstrapComplete");
        assert_eq!(complete, !cleared);
    }
}

#[test]
fn b_30_a_bootstrap_applied_during_a_session_is_not_acknowledged_by_it() {
    for mut bench in [Bench::new(), Bench::owing()] {
        let mut session = bench.start(SRV);
        let mut document: Value = document();
        document[0]["MOData"]["DMAcc"]["Name"] = json!("again");
        let delivered = bench.pair.deliver(document.to_string().as_bytes(), ORIGIN);
        assert!(matches!(delivered, Delivered::Applied(..)));
        session.handle_input(
            &bench.pair.end.device,
            Input::Response(answer(200, "").unwrap()),
        );
        let effects: Vec<_> = std::iter::from_fn(|| session.poll_effect()).collect();
        assert!(!effects.iter().any(|e| matches!(e, Effect::Apply(..))));
        assert!(owes(&bench));
    }
}

#[test]
fn a_session_can_be_cancelled_at_any_point_and_what_is_owed_stays() {
    let text = format!(
        r#"{{"CMD":[["DELETE","{GPS}/left/Rate"],["HGET","{REPO}"],["GET","{DEV_INFO}//Man"]]}}"#
    );
    for steps in 0..6 {
        let mut bench = Bench::owing();
        let mut session = bench.start(SRV);
        let mut inputs = 0;
        while inputs < steps {
            let Some(effect) = session.poll_effect() else {
                break;
            };
            let input = match effect {
                Effect::Send(_) => Some(Input::Response(answer(200, &text).unwrap())),
                effect => bench.pair.end.perform(effect),
            };
            if let Some(input) = input {
                inputs += 1;
                session.handle_input(&bench.pair.end.device, input);
            }
        }
        let owed = owes(&bench);
        session.handle_input(&bench.pair.end.device, Input::Cancel);
        let last = std::iter::from_fn(|| session.poll_effect()).last();
        assert_eq!(last, Some(Effect::Finish(Outcome::Cancelled)), "{steps}");
        assert!(session.is_over());
        assert_eq!(owes(&bench), owed);
        session.handle_input(&bench.pair.end.device, Input::Cancel);
        assert_eq!(session.poll_effect(), None);
    }
}
