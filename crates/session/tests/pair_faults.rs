//! A bootstrap of both ends with everything that can go wrong, at every position.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::DeviceView as _;
use omadm_dm2::Command;
use omadm_mo::{Moid, Node, NodeAddress, NodePath, TreeView as _, Value};
use omadm_session::pair::{Delivered, Fault, FaultPlan, FixedObject, Moment, Pair, Settled};
use omadm_session::server::SessionEvent;
use support::*;

/// More sessions than any plan of these tests needs.
const BOUND: u32 = 12;

fn pair(faults: FaultPlan) -> Pair {
    let mut pair = Pair::new(faults).seeded(1);
    pair.end.registry = registry();
    pair.end.plug_in(FixedObject::dev_info(&dev_info()));
    for uri in [format!("{GPS}/left/ID"), format!("{GPS}/right/")] {
        pair.server.queue(Command::read(&["GET", &uri]).unwrap());
    }
    let data = r#"[{"MOData":{"Data":{"3":{"Date":"12.3"},"4":{"Date":"12.4"}}}}]"#;
    pair.end.repository.put(REPO, None, data);
    let hget = ["HGET", REPO, &format!("{GPS}/left/Data")];
    pair.server.queue(Command::read(&hget).unwrap());
    pair
}

/// What there is of accounts and delivered objects, without what tells when and how often.
fn tree(pair: &Pair) -> Vec<(String, Option<Node>)> {
    let device = &pair.end.device;
    let mut found = Vec::new();
    for moid in [DM_ACC, GPS] {
        let moid = Moid::parse(moid).unwrap();
        for miid in device.instances(&moid).unwrap() {
            let mut node = device
                .subtree(&NodeAddress::root(moid.clone(), miid.clone()))
                .unwrap();
            if let Some(node) = &mut node {
                node.remove(&omadm_mo::standard::dm_acc::names::bootstrap_type());
            }
            found.push((format!("{moid}/{miid}"), node));
        }
    }
    found
}

fn one_account() -> Vec<u8> {
    let document = serde_json::json!([
        item(&format!("{DM_ACC}//"), "DMAcc", &account(SRV)),
        item(&format!("{GPS}/left/"), "GPS", &gps("a")),
        item(&format!("{GPS}/right/"), "GPS", &gps("b")),
    ]);
    document.to_string().into_bytes()
}

/// Delivers until the device has it, as whoever fetches would.
fn deliver(
    pair: &mut Pair,
    old: &[(String, Option<Node>)],
    new: Option<&[(String, Option<Node>)]>,
) {
    for _ in 0..6 {
        let delivered = pair.deliver(&one_account(), ORIGIN);
        let now = tree(pair);
        let is_new = new.is_none_or(|new| now == new) && now != old;
        match &delivered {
            Delivered::Applied(..) | Delivered::Already => {
                assert!(is_new, "{delivered:?} under {}", pair.faults);
                return;
            }
            Delivered::Died => assert!(now == old || is_new, "under {}", pair.faults),
            Delivered::NotStored(_) => assert_eq!(now, old, "under {}", pair.faults),
            Delivered::Refused(refusal) => panic!("{refusal}"),
        }
        pair.now = pair.now.plus_secs(10);
    }
    panic!("never applied under {}", pair.faults);
}

/// One whole bootstrap under these faults, and what must hold of it.
fn survives(faults: FaultPlan, new: &[(String, Option<Node>)]) -> Pair {
    let mut pair = pair(faults);
    let old = tree(&pair);
    deliver(&mut pair, &old, Some(new));
    let settled = pair.settle(BOUND);
    let faults = &pair.faults;
    assert!(
        matches!(settled, Settled::Acknowledged(_)),
        "{settled:?} under {faults}"
    );
    assert_eq!(pair.violations, [], "under {faults}");
    let accounts = pair.end.device.accounts().unwrap();
    assert_eq!(accounts.len(), 1, "under {faults}");
    assert_eq!(pair.server.completions.len(), 1, "under {faults}");
    assert!(
        pair.server
            .completions
            .contains_key(&accounts[0].provenance.event_id),
        "under {faults}"
    );
    // An HGET whose session broke off waits for the next one; it came as a whole or not at all.
    let now = tree(&pair);
    assert!(now == new || now == with_hget(new), "under {faults}");
    let state = pair
        .end
        .device
        .account(&accounts[0].srv_id)
        .unwrap()
        .unwrap()
        .state();
    assert_eq!(text_of_state(&pair), state.node_value(), "under {faults}");
    pair
}

/// What the HGET of these tests makes of a tree.
fn with_hget(tree: &[(String, Option<Node>)]) -> Vec<(String, Option<Node>)> {
    let mut tree = tree.to_vec();
    for node in tree.iter_mut().filter(|(at, _)| at.ends_with("/left")) {
        let Some(node) = &mut node.1 else { continue };
        let path = |text: &str| NodePath::of(text).unwrap();
        node.put(&path("Data"), Node::empty());
        for (name, date) in [("Data/3/Date", "12.3"), ("Data/4/Date", "12.4")] {
            node.put(&path(name), Value::chr(date).into());
        }
    }
    tree
}

fn text_of_state(pair: &Pair) -> String {
    let root = NodeAddress::root(Moid::parse(DM_ACC).unwrap(), omadm_mo::Miid::counted(1));
    let node = pair.end.device.subtree(&root).unwrap().unwrap();
    let state = node
        .find(&["Ext", "Bootstrap", "State"])
        .and_then(Node::value);
    state.unwrap().to_text().to_string()
}

fn undisturbed() -> (Pair, Vec<(String, Option<Node>)>) {
    let mut pair = pair(FaultPlan::none());
    deliver(&mut pair, &[], None);
    let new = tree(&pair);
    assert_eq!(pair.settle(1), Settled::Acknowledged(1));
    (pair, new)
}

#[test]
fn b_15_an_undisturbed_bootstrap_is_acknowledged_in_its_first_session() {
    let (pair, new) = undisturbed();
    assert_eq!(tree(&pair), with_hget(&new));
    assert_eq!(pair.server.completions_received, 1);
    assert!(pair.server.is_done());
    assert!(pair.server.dev_info.is_some());
    assert!(matches!(
        pair.server.events.last(),
        Some(SessionEvent::Ended)
    ));
    assert_eq!(pair.violations, []);
    // Package#1, one Package#3, END.
    assert_eq!(pair.counts().0, 2);
}

#[test]
fn b_30_every_single_fault_at_every_position_ends_in_one_acknowledged_completion() {
    let (calm, new) = undisturbed();
    let (requests, effects, applies) = calm.counts();
    let positions = requests.max(effects).max(applies) + 1;
    for n in 0..positions {
        for fault in Fault::all_at(n) {
            survives(FaultPlan::of([fault]), &new);
        }
    }
}

#[test]
fn b_30_every_pair_of_faults_ends_in_one_acknowledged_completion() {
    let (calm, new) = undisturbed();
    let positions = calm.counts().1 + 1;
    let all: Vec<_> = (0..positions).flat_map(Fault::all_at).collect();
    for (n, first) in all.iter().enumerate() {
        for second in &all[n + 1..] {
            survives(FaultPlan::of([*first, *second]), &new);
        }
    }
}

#[test]
fn b_30_many_faults_at_once_are_survived_too() {
    let (_, new) = undisturbed();
    for seed in 0..500 {
        survives(FaultPlan::seeded(seed, 6, 8), &new);
    }
}

#[test]
fn b_30_a_completion_is_not_cleared_before_the_server_has_it() {
    let (_, new) = undisturbed();
    for (fault, received) in [
        (Fault::DropRequest(0), 1),
        (Fault::DropReply(0), 2),
        (Fault::ServerDies(Moment::Before, 0), 1),
        (Fault::ServerDies(Moment::After, 0), 2),
        (Fault::DelayReply(0, 400_000), 2),
    ] {
        let mut pair = pair(FaultPlan::of([fault]));
        deliver(&mut pair, &[], Some(&new));
        assert_eq!(pair.settle(1), Settled::StillOwed(1), "{fault:?}");
        assert_eq!(text_of_state(&pair), "pending");
        assert_eq!(pair.settle(1), Settled::Acknowledged(1), "{fault:?}");
        assert_eq!(text_of_state(&pair), "acked");
        assert_eq!(pair.server.completions.len(), 1);
        let came = pair.server.completions_received;
        assert!(came <= received, "{fault:?}: {came}");
    }
}

#[test]
fn b_29_the_repeated_report_names_the_same_event() {
    let (_, new) = undisturbed();
    let pair = survives(FaultPlan::of((0..4).map(Fault::DropReply)), &new);
    let completion = pair.server.completions.values().next().unwrap();
    let provenance = pair.end.device.accounts().unwrap()[0].provenance.clone();
    assert_eq!(completion.event_id.as_ref(), Some(&provenance.event_id));
    assert_eq!(completion.method, Some(provenance.method));
    assert_eq!(completion.kind, Some(provenance.kind));
    assert_eq!(completion.seq, Some(1));
    assert_eq!(
        completion.payload_hash,
        Some(provenance.payload_hash.to_hex())
    );
    assert_eq!(pair.server.completions.len(), 1);
    assert!(pair.counts().0 > 4);
}

#[test]
fn b_33_what_is_owed_is_tried_by_the_schedule_and_survives_a_restart() {
    let mut pair = pair(FaultPlan::of((0..5).map(Fault::DropRequest)));
    deliver(&mut pair, &[], None);
    let mut waits = Vec::new();
    for attempt in 1..=5 {
        assert_eq!(pair.settle(1), Settled::StillOwed(1));
        let owed = pair.end.device.accounts().unwrap()[0].owed.clone().unwrap();
        assert_eq!(owed.attempts, attempt);
        waits.push(owed.not_before.unwrap().millis_since(pair.now));
    }
    for (wait, secs) in waits.into_iter().zip([10, 60, 300, 1800, 3600]) {
        let bounds = secs * 800..=secs * 1200;
        assert!(bounds.contains(&wait), "{wait} after {secs}");
    }
    let before = pair.now;
    assert_eq!(pair.settle(1), Settled::Acknowledged(1));
    assert!(pair.now > before);
}

#[test]
fn b_33_a_client_that_died_tries_again_at_its_start_and_not_an_hour_later() {
    let mut pair = pair(FaultPlan::of([
        Fault::DropRequest(0),
        Fault::ClientDies(Moment::Before, 2),
    ]));
    deliver(&mut pair, &[], None);
    assert_eq!(pair.settle(1), Settled::StillOwed(1));
    let due = pair.now.plus_millis(12_000);
    assert_eq!(pair.settle(2), Settled::Acknowledged(2));
    assert!(pair.now <= due.plus_millis(Pair::RESTART_MILLIS));
}

#[test]
fn a_truncated_first_answer_acknowledges_and_ends_the_session_d60() {
    let mut pair = pair(FaultPlan::of([Fault::TruncateReply(0)]));
    deliver(&mut pair, &[], None);
    assert_eq!(pair.settle(1), Settled::Acknowledged(1));
    assert_eq!(pair.server.completions_received, 1);
    assert!(pair.server.dev_info.is_none());
}

#[test]
fn b_25_a_second_bootstrap_is_owed_and_reported_on_its_own() {
    let (mut pair, _) = undisturbed();
    let first = pair.server.completions.len();
    assert_eq!(
        pair.deliver(&one_account(), ORIGIN),
        Delivered::Applied(vec![omadm_mo::SrvId::parse(SRV).unwrap()], Vec::new())
    );
    assert!(pair.owes());
    assert_eq!(pair.settle(BOUND), Settled::Acknowledged(1));
    assert_eq!(pair.server.completions.len(), first + 1);
    let mut seqs: Vec<_> = pair
        .server
        .completions
        .values()
        .filter_map(|c| c.seq)
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, [1, 2]);
    assert_eq!(pair.violations, []);
}

#[test]
fn two_servers_of_one_document_are_both_told() {
    let mut pair = pair(FaultPlan::none());
    let delivered = pair.deliver(document().to_string().as_bytes(), ORIGIN);
    let Delivered::Applied(servers, skipped) = delivered else {
        panic!("{delivered:?}")
    };
    assert_eq!(
        servers
            .iter()
            .map(omadm_mo::SrvId::as_str)
            .collect::<Vec<_>>(),
        [SRV, OTHER]
    );
    assert!(skipped.is_empty());
    assert!(matches!(pair.settle(BOUND), Settled::Acknowledged(2)));
    assert_eq!(pair.server.completions_received, 2);
}

#[test]
fn the_same_plan_and_seed_give_the_same_run() {
    let (_, new) = undisturbed();
    let run = || {
        let pair = survives(FaultPlan::seeded(11, 6, 8), &new);
        (pair.now, pair.counts(), pair.told, pair.server.events)
    };
    assert_eq!(run(), run());
}
