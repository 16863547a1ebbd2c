//! The command queue of a DM Server, through the reducer and the real client machine.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_dm2::Command;
use omadm_mo::{
    ExecOutcome, Miid, Moid, Node, NodeAddress, NodePath, SrvId, TreeView as _, Value as MoValue,
};
use omadm_session::client::Outcome;
use omadm_session::pair::{Fault, FaultPlan, FixedObject, Moment, Pair, QueuedCommand};
use omadm_session::server::{CommandOutcome, MAX_COMMANDS, SessionEvent};
use serde_json::{Value, json};
use support::*;

/// A device with two accounts and its objects, at a server that does not read DevInfo by itself.
fn pair() -> Pair {
    let mut pair = Bench::new().pair;
    pair.server.read_dev_info = false;
    pair
}

fn queue(pair: &mut Pair, words: &[&str]) -> String {
    pair.server.queue(Command::read(words).unwrap())
}

fn run(pair: &mut Pair) -> Option<Outcome> {
    pair.run_session(&SrvId::parse(SRV).unwrap())
}

fn found<'a>(pair: &'a Pair, id: &str) -> &'a QueuedCommand {
    let mut queue = pair.server.queue.iter();
    queue.find(|queued| queued.id == id).unwrap()
}

fn outcome<'a>(pair: &'a Pair, id: &str) -> &'a CommandOutcome {
    found(pair, id).outcome.as_ref().unwrap()
}

fn status(pair: &Pair, id: &str) -> u16 {
    outcome(pair, id).status.get()
}

fn result(pair: &Pair, id: &str) -> Value {
    serde_json::from_str(outcome(pair, id).result.as_ref().unwrap()).unwrap()
}

#[test]
fn x_cmd_001_every_command_goes_through_the_queue_in_order_and_is_answered_once() {
    let mut pair = pair();
    let data = json!([{"MOData": {"Data": {"3": {"Date": "12.3"}}}}]).to_string();
    pair.end.repository.put(REPO, None, data);
    let left = format!("{GPS}/left/");
    let (data, rate) = (format!("{left}Data"), format!("{left}Rate"));
    let commands: [&[&str]; 11] = [
        &["HGET", REPO, &data],
        &["HPUT", "https://repo.example.com/put", &left],
        &["HPOST", "https://repo.example.com/post", &left, &data],
        &["DELETE", &rate],
        &["EXEC", &rate],
        &["GET", &data],
        &["SHOW", "https://ui.example.com/"],
        &["CONT", "https://dms.example.com/dm/2.0"],
        &["DEFAULT", REPO, CLOCK],
        &["SUB", "https://repo.example.com/sub", &left],
        &["UNSUB", &left],
    ];
    let ids: Vec<_> = commands
        .iter()
        .map(|words| queue(&mut pair, words))
        .collect();
    assert_eq!(run(&mut pair), Some(Outcome::Ended));
    assert!(pair.server.is_done());
    let answered: Vec<_> = pair
        .server
        .events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Answered(outcome) => outcome.id.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(answered, ids);
    for (id, expected) in ids.iter().zip([200, 200, 200, 200, 404, 200]) {
        assert_eq!(
            status(&pair, id),
            expected,
            "{:?}",
            found(&pair, id).command
        );
    }
    assert_eq!(status(&pair, &ids[7]), 200, "CONT");
    assert!(pair.server.queue.iter().all(|queued| queued.sends == 1));
    // In order: what HGET brought was sent by HPOST and read by GET.
    assert_eq!(pair.end.repository.uploads.len(), 2);
    let read = result(&pair, &ids[5]);
    assert_eq!(read[0]["MOData"]["Data"]["3"]["Date"], "12.3");
}

#[test]
fn x_flow_001_a_cont_takes_the_session_on_to_its_end() {
    let mut pair = pair();
    let cont = queue(&mut pair, &["CONT", "https://other.example.com/dm/2.0"]);
    let gets: Vec<_> = (0..=MAX_COMMANDS)
        .map(|_| queue(&mut pair, &["GET", &format!("{GPS}/left/ID")]))
        .collect();
    assert_eq!(run(&mut pair), Some(Outcome::Ended));
    assert_eq!(status(&pair, &cont), 200);
    assert!(gets.iter().all(|id| status(&pair, id) == 200));
    assert_eq!(pair.counts().0, 3, "Package#1, two Package#3");
}

#[test]
fn what_an_hget_made_is_told_with_its_answer() {
    let mut pair = pair();
    let document = json!([item(&format!("{GPS}//"), "GPS", &gps("c"))]);
    pair.end.repository.put(REPO, None, document.to_string());
    let id = queue(&mut pair, &["HGET", REPO]);
    run(&mut pair);
    assert_eq!(status(&pair, &id), 200);
    assert_eq!(outcome(&pair, &id).uris, [format!("{GPS}/1/")]);
    assert_eq!(outcome(&pair, &id).result, None);
}

#[test]
fn x_cache_001_an_instance_that_did_not_change_is_not_sent_again() {
    let mut pair = pair();
    let words = ["GET", &format!("{GPS}/left/")];
    let first = queue(&mut pair, &words);
    run(&mut pair);
    let cv = outcome(&pair, &first).cv.clone().unwrap();
    let second = queue(&mut pair, &words);
    run(&mut pair);
    assert_eq!(status(&pair, &second), 304);
    assert_eq!(outcome(&pair, &second).unchanged.as_ref(), Some(&cv));
    assert_eq!(outcome(&pair, &second).result, None);
    queue(&mut pair, &["DELETE", &format!("{GPS}/left/Rate")]);
    let third = queue(&mut pair, &words);
    run(&mut pair);
    assert_eq!(status(&pair, &third), 200);
    assert_ne!(outcome(&pair, &third).cv, Some(cv));
}

#[test]
fn x_cache_001_what_lies_below_an_instance_that_did_not_change_is_not_sent_again() {
    let mut pair = pair();
    let left = format!("{GPS}/left/");
    let leaf = format!("{left}Data/1/Date");
    let first = queue(&mut pair, &["GET", &leaf]);
    queue(&mut pair, &["GET", &left]);
    run(&mut pair);
    assert_eq!(status(&pair, &first), 200, "no validator is known yet");
    let data = format!("{left}Data");
    let below = [&leaf, &data].map(|uri| queue(&mut pair, &["GET", uri]));
    let together = queue(&mut pair, &["GET", &leaf, &data]);
    run(&mut pair);
    for id in below.iter().chain([&together]) {
        assert_eq!(status(&pair, id), 304);
    }
    queue(&mut pair, &["DELETE", &format!("{left}Rate")]);
    let changed = queue(&mut pair, &["GET", &leaf]);
    run(&mut pair);
    assert_eq!(
        result(&pair, &changed),
        result(&pair, &first),
        "another leaf changed, which the validator does not tell apart"
    );
}

/// The same device with something to execute.
fn executing(done: ExecOutcome) -> (Pair, [String; 2]) {
    let mut pair = pair();
    let mut node = Node::empty();
    node.put(&NodePath::of("Reset").unwrap(), MoValue::chr("").into());
    let clock = FixedObject::new(ddf(CLOCK, "Clock", "ZeroOrOne"), node.clone());
    pair.end.plug_in(clock.executing(Ok(done)));
    // What the server made it may execute.
    let (moid, miid) = (Moid::parse(CLOCK).unwrap(), Miid::counted(1));
    let mut plan = TreePlan::at(pair.end.device.version());
    plan.steps.push(PlanStep::Remove {
        at: NodeAddress::root(moid.clone(), miid.clone()),
    });
    plan.steps.push(PlanStep::Add {
        moid,
        miid,
        root: node,
        creator: Some(SrvId::parse(SRV).unwrap()),
    });
    pair.end.device.apply(&plan).unwrap();
    let exec = queue(&mut pair, &["EXEC", &format!("{CLOCK}//Reset")]);
    let get = queue(&mut pair, &["GET", &format!("{GPS}/left/ID")]);
    (pair, [exec, get])
}

#[test]
fn x_asyn_001_an_exec_that_is_accepted_is_answered_and_its_alert_is_an_event_of_its_own() {
    let (mut pair, [exec, _]) = executing(ExecOutcome::Later);
    run(&mut pair);
    assert_eq!(status(&pair, &exec), 202);
    let source = format!("{CLOCK}/1/Reset");
    let mut alert = omadm_dm2::Alert::new(omadm_dm2::AlertType::new("urn:example:at:done"));
    alert.source = Some(source.clone());
    pair.alerts.push(alert);
    run(&mut pair);
    let told = pair.server.events.iter().any(|event| {
        matches!(event, SessionEvent::Alert(alert) if alert.source.as_ref() == Some(&source))
    });
    assert!(told, "{:?}", pair.server.events);
    assert_eq!(found(&pair, &exec).sends, 1);
}

#[test]
fn x_flow_001_where_the_answer_was_lost_an_exec_waits_and_others_are_sent_again() {
    // The Package#2 is lost; the client dies with it; its Package#3 is lost; the server dies before that is durable.
    for fault in [
        Fault::DropReply(0),
        Fault::ClientDies(Moment::After, 0),
        Fault::DropRequest(1),
        Fault::ServerDies(Moment::Before, 1),
    ] {
        let (mut pair, [exec, get]) = executing(ExecOutcome::Done);
        let offset = pair.counts();
        assert_eq!(offset.0, 0);
        pair.faults = FaultPlan::of([match fault {
            Fault::ClientDies(moment, n) => Fault::ClientDies(moment, offset.1 + n),
            other => other,
        }]);
        assert_ne!(run(&mut pair), Some(Outcome::Ended), "{fault:?}");
        assert_eq!(run(&mut pair), Some(Outcome::Ended), "{fault:?}");
        assert!(found(&pair, &exec).held, "{fault:?}");
        assert_eq!(found(&pair, &exec).sends, 1, "{fault:?}");
        assert_eq!(found(&pair, &get).sends, 2, "{fault:?}");
        assert_eq!(status(&pair, &get), 200, "{fault:?}");
        // An operator lets it go again, under its old id.
        let held = pair.server.queue.iter_mut().find(|it| it.held).unwrap();
        held.held = false;
        assert_eq!(run(&mut pair), Some(Outcome::Ended), "{fault:?}");
        assert_eq!(status(&pair, &exec), 200, "{fault:?}");
        assert_eq!(found(&pair, &exec).sends, 2, "{fault:?}");
    }
}

#[test]
fn what_is_durable_counts_though_the_end_of_the_session_is_lost() {
    for fault in [Fault::DropReply(1), Fault::ServerDies(Moment::After, 1)] {
        let (mut pair, [exec, get]) = executing(ExecOutcome::Done);
        pair.faults = FaultPlan::of([fault]);
        assert_ne!(run(&mut pair), Some(Outcome::Ended), "{fault:?}");
        assert_eq!(run(&mut pair), Some(Outcome::Ended), "{fault:?}");
        for id in [&exec, &get] {
            assert_eq!(
                (status(&pair, id), found(&pair, id).sends),
                (200, 1),
                "{fault:?}"
            );
        }
    }
}
