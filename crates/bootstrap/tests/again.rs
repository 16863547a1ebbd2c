//! A device that is bootstrapped again (B-25).

mod support;

use omadm_bootstrap::plan::{BootstrapPlan, PreviewAction, preview};
use omadm_bootstrap::{BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, EventId};
use omadm_mo::{Moid, Node, NodePath, Value as Leaf};
use serde_json::json;
use support::*;

const SRV: &str = "dms.example.com";

/// Applied and acknowledged.
fn bootstrapped(items: &serde_json::Value) -> Bench {
    let mut bench = Bench::new();
    bench.apply(items);
    bench.acknowledge_all();
    bench
}

#[test]
fn b_25_a_further_server_gets_its_own_account() {
    let mut bench = bootstrapped(&minimal());
    let first = bench.account_node(SRV);
    bench.apply(&json!([account_item(&account("dms2.example.com"))]));
    assert_eq!(bench.miids(DM_ACC), ["1", "2"]);
    assert_eq!(bench.account_node(SRV), first);
    assert!(bench.account(SRV).owed.is_none());
    assert!(bench.account("dms2.example.com").owed.is_some());
}

#[test]
fn b_25_the_same_server_again_keeps_its_miid_and_is_counted() {
    let mut bench = bootstrapped(&minimal());
    let mut members = account(SRV);
    members["Name"] = json!("New name");
    members["Perm"] = json!({"1": {"MOID": DM_ACC}});
    let document = json!([item(DM_ACC, "77", "DMAcc", &members)]);
    bench.apply_as(&document, |d| d.event_id = EventId::of([2; 16]));
    assert_eq!(bench.miids(DM_ACC), ["1"]);
    let account = bench.account(SRV);
    assert_eq!(account.provenance.seq, 2);
    assert_eq!(account.provenance.kind, BootstrapKind::Re);
    assert_eq!(account.provenance.event_id, EventId::of([2; 16]));
    assert!(account.owed.is_some());
    for (name, expected) in [("Kind", "re"), ("Seq", "2"), ("State", "pending")] {
        let found = bench.text(DM_ACC, "1", &["Ext", "Bootstrap", name]);
        assert_eq!(found.as_deref(), Some(expected), "{name}");
    }
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("New name")
    );
    // D59: the Perm list is replaced as a whole.
    assert_eq!(account.perm, [Moid::parse(DM_ACC).unwrap()]);
}

#[test]
fn b_23_srv_id_stays_unique_however_often_a_document_comes() {
    let mut bench = Bench::new();
    for n in 1..=3 {
        bench.apply(&minimal());
        bench.acknowledge_all();
        assert_eq!(bench.miids(DM_ACC), ["1"]);
        assert_eq!(bench.account(SRV).provenance.seq, n);
    }
}

#[test]
fn a_replaced_account_loses_what_is_not_delivered_but_for_permanent_nodes() {
    let mut members = account_with_bootstrap(SRV, "https://boot.example.com");
    members["Auth"]["Noti"] = json!({"Type": 1, "Data": "", "Secret": KEY});
    let mut bench = bootstrapped(&json!([account_item(&members)]));
    let mut again = account(SRV);
    again["Auth"] = json!({"Trsp": {"Data": CERT, "Secret": KEY}});
    bench.apply(&json!([account_item(&again)]));
    let now = bench.account_node(SRV);
    assert!(now.find(&["Auth", "Noti"]).is_none());
    assert!(now.find(&["Auth", "Trsp", "Secret"]).is_some());
    assert!(now.find(&["Auth", "Bootstrap", "ServerURI"]).is_some());
}

#[test]
fn the_same_item_of_a_later_document_replaces_its_instance_d75() {
    let first = json!([
        account_item(&account(SRV)),
        gps("", "a"),
        gps("left", "b"),
        gps("", "c")
    ]);
    let mut bench = bootstrapped(&first);
    assert_eq!(bench.miids(GPS), ["1", "left", "2"]);
    bench.apply(&json!([
        account_item(&account(SRV)),
        gps("", "A"),
        gps("", "B")
    ]));
    assert_eq!(bench.miids(GPS), ["1", "left"]);
    assert_eq!(bench.text(GPS, "1", &["ID"]).as_deref(), Some("A"));
    assert_eq!(bench.text(GPS, "left", &["ID"]).as_deref(), Some("B"));
    assert_eq!(bench.account(SRV).provided.len(), 2);
}

#[test]
fn a_replaced_instance_keeps_permanent_nodes_that_are_not_delivered_d15() {
    let full = json!({"ID": "a", "Rate": 5, "Serial": "s"});
    let mut bench = bootstrapped(&json!([
        account_item(&account(SRV)),
        item(GPS, "", "GPS", &full)
    ]));
    bench.apply(&json!([account_item(&account(SRV)), gps("", "b")]));
    let text = |name| bench.text(GPS, "1", &[name]);
    assert_eq!(text("ID").as_deref(), Some("b"));
    assert_eq!(text("Serial").as_deref(), Some("s"));
    assert_eq!(text("Rate"), None);
}

#[test]
fn an_instance_that_is_gone_meanwhile_is_added_again() {
    let document = json!([account_item(&account(SRV)), gps("", "a")]);
    let mut bench = bootstrapped(&document);
    bench.remove_instance(GPS, "1");
    bench.apply(&document);
    assert_eq!(bench.miids(GPS), ["2"]);
    assert_eq!(bench.account(SRV).provided[0].miid.as_str(), "2");
}

#[test]
fn an_object_that_occurs_once_is_replaced_where_the_server_made_it_d15() {
    let clock = |id: &str| item(CLOCK, "", "Clock", &json!({"ID": id}));
    let mut bench = bootstrapped(&json!([account_item(&account(SRV)), clock("a")]));
    bench.apply_as(&json!([account_item(&account(SRV)), clock("b")]), |d| {
        d.source = server("https://elsewhere.example.com:443");
        d.consent = true;
    });
    assert_eq!(bench.miids(CLOCK), ["1"]);
    assert_eq!(bench.text(CLOCK, "1", &["ID"]).as_deref(), Some("b"));
}

#[test]
fn instances_of_others_stay_when_a_document_comes_again() {
    let mut bench = bootstrapped(&json!([account_item(&account(SRV)), gps("", "a")]));
    let mut node = Node::empty();
    node.put(&NodePath::of("ID").unwrap(), Leaf::chr("ours").into());
    bench.own_instance(GPS, "own", &node);
    bench.apply(&minimal());
    assert_eq!(bench.miids(GPS), ["own"]);
}

#[test]
fn the_bytes_last_applied_are_not_applied_again_while_owed_d88() {
    let mut bench = Bench::new();
    bench.apply(&minimal());
    let before = bench.snapshot();
    let document = minimal().to_string();
    let mut again = fetched(document.as_bytes());
    again.event_id = EventId::of([9; 16]);
    assert_eq!(bench.plan(&again), Ok(BootstrapPlan::AlreadyApplied));
    assert_eq!(bench.snapshot(), before);

    let other = json!([account_item(&{
        let mut members = account(SRV);
        members["Name"] = json!("other");
        members
    })]);
    bench.apply(&other);
    assert_eq!(bench.account(SRV).provenance.seq, 2);
    bench.acknowledge_all();
    bench.apply(&other);
    assert_eq!(bench.account(SRV).provenance.seq, 3);
}

#[test]
fn a_method_turned_off_meanwhile_is_told_even_for_bytes_already_applied() {
    let mut bench = Bench::new();
    bench.apply(&minimal());
    bench.policy.client_initiated.enabled = false;
    bench.refuses(
        &minimal(),
        omadm_bootstrap::BootstrapFailureCause::MethodDisabled,
    );
}

#[test]
fn a_source_that_owns_an_account_may_send_other_objects_alone_d57() {
    let mut bench = bootstrapped(&minimal());
    let planned = bench.apply_as(&json!([gps("", "a")]), |d| {
        d.event_id = EventId::of([3; 16]);
    });
    assert_eq!(planned.servers.len(), 1);
    assert_eq!(bench.creator(GPS, "1").as_deref(), Some(SRV));
    let account = bench.account(SRV);
    assert_eq!(account.provenance.seq, 2);
    assert!(account.owed.is_some());
    let event = bench.text(DM_ACC, "1", &["Ext", "Bootstrap", "EventId"]);
    assert_eq!(event.as_deref(), Some(EventId::of([3; 16]).as_str()));
    let state = bench.text(DM_ACC, "1", &["Ext", "Bootstrap", "State"]);
    assert_eq!(state.as_deref(), Some("pending"));
}

#[test]
fn a_card_may_bring_objects_for_the_first_account_d57() {
    let mut bench = bootstrapped(&minimal());
    bench.apply_as(&json!([gps("", "a")]), |d| {
        d.method = BootstrapMethod::Smartcard;
        d.source = BootstrapSource::Card("8949".to_owned());
        d.channel = ChannelSecurity::Local;
    });
    assert_eq!(bench.creator(GPS, "1").as_deref(), Some(SRV));
}

#[test]
fn the_preview_of_a_repeated_bootstrap_tells_changed_and_gone_leaves() {
    let full = json!({"ID": "a", "Rate": 5});
    let bench = bootstrapped(&json!([
        account_item(&account(SRV)),
        item(GPS, "", "GPS", &full),
        gps("", "gone")
    ]));
    let document = json!([account_item(&account(SRV)), gps("", "b")]).to_string();
    let plan = match bench.plan(&fetched(document.as_bytes())) {
        Ok(BootstrapPlan::Apply(planned)) => planned.plan,
        other => panic!("{other:?}"),
    };
    let shown = preview(&plan, &bench.device).unwrap();
    let actions: Vec<_> = shown.lines.iter().map(|line| line.action).collect();
    use PreviewAction::{Remove, Replace};
    assert_eq!(actions, [Replace, Replace, Remove]);
    assert!(
        shown.lines[0]
            .changed
            .contains(&"Ext/Bootstrap/Seq".to_owned())
    );
    assert!(!shown.lines[0].changed.contains(&"Name".to_owned()));
    assert_eq!(shown.lines[1].changed, ["ID"]);
    assert_eq!(shown.lines[1].removed, ["Rate"]);
    assert_eq!(shown.lines[2].removed, ["ID"]);
}
