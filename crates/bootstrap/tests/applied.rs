//! What a first bootstrap makes of a device.

mod support;

use omadm_bootstrap::plan::{PlanStep, PreviewAction, SkippedReason, preview};
use omadm_bootstrap::{
    BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, CompletionState, EventId,
    PayloadHash, Utc,
};
use omadm_mo::{Moid, NodeAddress, TreeView as _};
use serde_json::json;
use support::*;

const SRV: &str = "dms.example.com";

#[test]
fn b_13_an_account_is_added_with_a_counted_miid_as_an_hget_would() {
    let mut bench = Bench::new();
    let planned = bench.apply(&json!([
        account_item(&account(SRV)),
        account_item(&account("dms2.example.com")),
    ]));
    assert_eq!(bench.miids(DM_ACC), ["1", "2"]);
    let order: Vec<_> = planned.servers.iter().map(|id| id.as_str()).collect();
    assert_eq!(order, [SRV, "dms2.example.com"]);
    assert_eq!(
        bench.text(DM_ACC, "1", &["SrvURI"]).as_deref(),
        Some("https://dms.example.com/dm/2.0")
    );
    for planned in planned.plan.accounts {
        assert_eq!(bench.account(planned.srv_id.as_str()), planned);
    }
}

#[test]
fn b_33_the_completion_is_owed_from_the_commit_that_brings_the_account() {
    let mut bench = Bench::new();
    let planned = bench.apply(&minimal());
    let owed = bench.account(SRV).owed.expect("owed");
    assert_eq!((owed.attempts, owed.not_before), (0, None));
    assert_eq!(bench.account(SRV).state(), CompletionState::Pending);
    assert_eq!(planned.plan.accounts.len(), 1);
}

#[test]
fn b_31_the_bootstrap_type_stands_in_the_tree() {
    for (method, value) in [
        (BootstrapMethod::Factory, "factory"),
        (BootstrapMethod::Smartcard, "smartcard"),
        (BootstrapMethod::ClientInitiated, "client"),
        (BootstrapMethod::ServerInitiated, "server"),
    ] {
        let mut bench = Bench::new();
        let document = minimal();
        bench.apply_as(&document, |d| d.method = method);
        let hash = PayloadHash::of(document.to_string().as_bytes()).to_hex();
        for (name, expected) in [
            ("Method", value),
            ("Profile", "dm2"),
            ("Kind", "first"),
            ("Seq", "1"),
            ("Time", "20260101T120000Z"),
            ("EventId", EventId::of([1; 16]).as_str()),
            ("PayloadHash", &hash),
            ("State", "pending"),
        ] {
            let found = bench.text(DM_ACC, "1", &["Ext", "Bootstrap", name]);
            assert_eq!(found.as_deref(), Some(expected), "{name}");
        }
        let provenance = bench.account(SRV).provenance;
        assert_eq!(provenance.method, method);
        assert_eq!(provenance.source, server(BOOT_SERVER));
        assert_eq!(provenance.channel, ChannelSecurity::MutualTls);
        assert_eq!(provenance.at, Some(Utc(1_767_268_800_000)));
    }
}

#[test]
fn without_a_clock_the_time_is_empty_and_after_a_reset_the_kind_says_so() {
    let mut bench = Bench::new();
    bench.apply_as(&minimal(), |d| {
        d.at = None;
        d.after_reset = true;
    });
    let text = |name| bench.text(DM_ACC, "1", &["Ext", "Bootstrap", name]);
    assert_eq!(text("Time").as_deref(), Some(""));
    assert_eq!(text("Kind").as_deref(), Some("reset"));
    assert_eq!(bench.account(SRV).provenance.kind, BootstrapKind::Reset);
}

#[test]
fn what_a_document_delivers_below_ext_bootstrap_is_ignored() {
    let mut members = account(SRV);
    members["Ext"] =
        json!({"Bootstrap": {"Method": "factory", "Seq": 99, "State": "acked", "EventId": "00"}});
    let mut bench = Bench::new();
    bench.apply(&json!([account_item(&members)]));
    let plain = {
        let mut other = Bench::new();
        other.apply_as(&minimal(), |_| {});
        other.account_node(SRV)
    };
    let now = bench.account_node(SRV);
    let names = ["Method", "Kind", "Seq", "Time", "EventId", "State"];
    for name in names {
        let path = ["Ext", "Bootstrap", name];
        assert_eq!(now.find(&path), plain.find(&path), "{name}");
    }
}

#[test]
fn b_20_perm_goes_to_protected_storage_and_never_into_the_tree() {
    let mut bench = Bench::new();
    let planned = bench.apply(&minimal());
    assert!(bench.account_node(SRV).find(&["Perm"]).is_none());
    let in_steps = planned.plan.steps.iter().any(|step| match step {
        PlanStep::Add { root, .. } => root.find(&["Perm"]).is_some(),
        _ => true,
    });
    assert!(!in_steps);
    let perm: Vec<_> = bench.account(SRV).perm;
    let expected = [DM_ACC, DEV_INFO, GPS].map(|moid| Moid::parse(moid).unwrap());
    assert_eq!(perm, expected);
    let changed = preview(&planned.plan, &Bench::new().device).unwrap();
    assert!(!format!("{changed:?}").contains("Perm"));
}

#[test]
fn b_26_further_objects_belong_to_the_first_account_of_the_document() {
    let mut bench = Bench::new();
    let planned = bench.apply(&json!([
        gps("", "a"),
        account_item(&account(SRV)),
        account_item(&account("dms2.example.com")),
        gps("", "b"),
    ]));
    assert!(planned.skipped.is_empty());
    assert_eq!(bench.miids(GPS), ["1", "2"]);
    for miid in ["1", "2"] {
        let creator = bench.creator(GPS, miid);
        assert_eq!(creator.as_deref(), Some(SRV));
    }
    let provided = bench.account(SRV).provided;
    let places: Vec<_> = provided
        .iter()
        .map(|p| (p.position, p.miid.as_str()))
        .collect();
    assert_eq!(places, [(0, "1"), (1, "2")]);
    assert!(bench.account("dms2.example.com").provided.is_empty());
}

#[test]
fn an_unknown_object_is_skipped_and_reported() {
    let mut bench = Bench::new();
    let strange = item(
        "urn:example:mo:strange:1.0",
        "",
        "Strange",
        &json!({"x": 1}),
    );
    let planned = bench.apply(&json!([account_item(&account(SRV)), strange]));
    let [skipped] = planned.skipped.as_slice() else {
        panic!("{:?}", planned.skipped)
    };
    assert_eq!(skipped.item, "$[1]");
    assert_eq!(skipped.uri, "urn:example:mo:strange:1.0//");
    assert_eq!(skipped.reason, SkippedReason::UnknownMo);
    assert!(bench.miids("urn:example:mo:strange:1.0").is_empty());
}

#[test]
fn of_several_versions_of_an_object_the_newest_known_one_counts() {
    let newer = item(GPS_NEWER, "", "GPS", &json!({"ID": "newer"}));
    let unknown = item(
        "urn:example:mo:gps:2.0",
        "",
        "GPS",
        &json!({"ID": "newest"}),
    );
    let mut bench = Bench::new();
    let planned = bench.apply(&json!([
        account_item(&account(SRV)),
        gps("", "older"),
        newer,
        unknown
    ]));
    let reasons: Vec<_> = planned
        .skipped
        .iter()
        .map(|s| (s.item.as_str(), s.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            ("$[3]", SkippedReason::UnknownMo),
            ("$[1]", SkippedReason::OlderVersion)
        ]
    );
    assert!(bench.miids(GPS).is_empty());
    assert_eq!(
        bench.text(GPS_NEWER, "1", &["ID"]).as_deref(),
        Some("newer")
    );
}

#[test]
fn unknown_content_below_ext_is_skipped_and_reported() {
    let mut members = account(SRV);
    members["Ext"] = json!({"Acme": {"Knob": 1}});
    let mut bench = Bench::new();
    let planned = bench.apply(&json!([account_item(&members)]));
    assert_eq!(planned.skipped.len(), 1);
    assert_eq!(planned.skipped[0].reason, SkippedReason::UnknownExtension);
    assert_eq!(planned.skipped[0].uri, format!("{DM_ACC}/Ext/Acme"));
    assert!(bench.account_node(SRV).find(&["Ext", "Acme"]).is_none());
}

#[test]
fn a_proposed_miid_is_honoured_where_it_is_free_and_plain_d72() {
    let mut bench = Bench::new();
    bench.apply(&json!([
        account_item(&account(SRV)),
        gps("left", "a"),
        gps("2", "b"),
        gps("", "c"),
        gps("", "d"),
        gps("b%2Fd", "e"),
    ]));
    assert_eq!(bench.miids(GPS), ["left", "2", "1", "3", "4"]);
}

#[test]
fn a_proposed_number_cannot_exhaust_the_counter() {
    let mut bench = Bench::new();
    bench.apply(&json!([
        account_item(&account(SRV)),
        gps("18446744073709551615", "a"),
        gps("99999999999999999999999", "b"),
        gps("", "c"),
    ]));
    assert_eq!(bench.miids(GPS)[0], "1");
    assert_eq!(bench.miids(GPS)[2], "3");
}

#[test]
fn a_number_is_never_given_twice_d72() {
    let mut bench = Bench::new();
    bench.apply(&json!([
        account_item(&account(SRV)),
        gps("", "a"),
        gps("", "b")
    ]));
    bench.acknowledge_all();
    bench.apply(&json!([account_item(&account(SRV))]));
    assert!(bench.miids(GPS).is_empty());
    bench.apply(&json!([account_item(&account(SRV)), gps("1", "c")]));
    assert_eq!(bench.miids(GPS), ["3"]);
}

#[test]
fn the_preview_names_what_would_be_new_and_shows_no_value() {
    let bench = Bench::new();
    let mut members = account(SRV);
    members["Auth"] = json!({"Trsp": {"Data": CERT, "Secret": KEY}});
    let document = json!([account_item(&members), gps("left", "hidden")]).to_string();
    let before = bench.snapshot();
    let planned = match bench.plan(&fetched(document.as_bytes())) {
        Ok(omadm_bootstrap::plan::BootstrapPlan::Apply(planned)) => planned,
        other => panic!("{other:?}"),
    };
    let shown = preview(&planned.plan, &bench.device).unwrap();
    assert_eq!(bench.snapshot(), before);
    let lines: Vec<_> = shown
        .lines
        .iter()
        .map(|l| (l.action, l.uri.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (PreviewAction::Add, &*format!("{DM_ACC}/1/")),
            (PreviewAction::Add, &*format!("{GPS}/left/")),
        ]
    );
    assert!(
        shown.lines[0]
            .added
            .contains(&"Auth/Trsp/Secret".to_owned())
    );
    assert!(shown.lines[0].changed.is_empty() && shown.lines[0].removed.is_empty());
    let text = format!("{shown:?}{planned:?}");
    assert!(!text.contains("hidden"));
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    let document = json!([account_item(&account(SRV)), gps("", "a"), gps("x", "b")]).to_string();
    let plan = || Bench::new().plan(&fetched(document.as_bytes())).unwrap();
    assert_eq!(plan(), plan());
}

#[test]
fn factory_and_card_bring_an_account_from_local_storage() {
    for (method, source) in [
        (BootstrapMethod::Factory, BootstrapSource::FactoryImage),
        (
            BootstrapMethod::Smartcard,
            BootstrapSource::Card("8949".to_owned()),
        ),
    ] {
        let mut bench = Bench::new();
        bench.apply_as(&minimal(), |d| {
            d.method = method;
            d.source = source.clone();
            d.channel = ChannelSecurity::Local;
        });
        assert_eq!(bench.account(SRV).provenance.source, source);
    }
}

#[test]
fn a_plan_made_for_another_version_of_the_tree_changes_nothing() {
    let mut bench = Bench::new();
    let document = minimal().to_string();
    let planned = match bench.plan(&fetched(document.as_bytes())) {
        Ok(omadm_bootstrap::plan::BootstrapPlan::Apply(planned)) => planned,
        other => panic!("{other:?}"),
    };
    bench.apply(&json!([account_item(&account("dms2.example.com"))]));
    let before = bench.snapshot();
    assert!(bench.device.apply(&planned.plan).is_err());
    assert_eq!(bench.snapshot(), before);
    let root = NodeAddress::root(Moid::parse(DM_ACC).unwrap(), omadm_mo::Miid::counted(2));
    assert!(bench.device.subtree(&root).unwrap().is_none());
}
