//! What a device keeps of nodes beside their values, for DM 1.x servers (`dm1x.md` §4.2).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_bootstrap::plan::{PlanStep, PlannedDevice, PropertiesChange, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView, EventId,
    MemoryDevice, PayloadHash, ProfileFormat, Provenance, Utc,
};
use omadm_mo::standard::dm_acc1;
use omadm_mo::{
    Acl, Miid, Moid, Node, NodeAddress, NodeName, NodePath, NodeProperties, SrvId, TreeVersion,
    Value,
};

const TIME: Utc = Utc(994_869_497_000);
const TSTAMP: &str = "20010711T163817Z";

fn srv(text: &str) -> SrvId {
    SrvId::parse(text).unwrap()
}

fn account(format: ProfileFormat) -> Account {
    let provenance = Provenance {
        method: BootstrapMethod::ServerInitiated,
        format,
        kind: BootstrapKind::First,
        seq: 1,
        at: None,
        event_id: EventId::of([1; 16]),
        payload_hash: PayloadHash::of(b""),
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
    };
    Account::new(srv("a"), Miid::counted(1), provenance)
}

fn at(path: &str) -> NodeAddress {
    let moid = Moid::parse("urn:example:mo:gps:1.0").unwrap();
    NodeAddress::root(moid, Miid::counted(1)).with_path(NodePath::of(path).unwrap())
}

fn node(leaves: &[(&str, &str)]) -> Node {
    let mut root = Node::empty();
    for (path, text) in leaves {
        root.put(&NodePath::of(path).unwrap(), Value::chr(*text).into());
    }
    root
}

fn acl(text: &str) -> Option<Acl> {
    Acl::parse(text).unwrap()
}

fn set(path: &str, text: &str, title: Option<&str>) -> PropertiesChange {
    PropertiesChange {
        live: false,
        at: at(path),
        acl: acl(text),
        title: title.map(str::to_owned),
    }
}

/// A device with one object, and an account of this format.
fn device(format: ProfileFormat) -> MemoryDevice {
    let mut device = MemoryDevice::new(1);
    let mut plan = TreePlan::at(TreeVersion(0));
    plan.time = Some(TIME);
    plan.accounts = vec![account(format)];
    plan.steps = vec![
        PlanStep::Add {
            moid: dm_acc1::moid(),
            miid: Miid::counted(1),
            root: Node::empty(),
            creator: None,
        },
        PlanStep::Add {
            moid: at("").moid,
            miid: Miid::counted(1),
            root: node(&[("A/B", "1"), ("A/C", "2"), ("D", "3")]),
            creator: None,
        },
    ];
    device.apply(&plan).unwrap();
    device
}

/// Applies, to the device and to the same device as planned; both then know the same.
fn apply(device: &mut MemoryDevice, change: impl FnOnce(&mut TreePlan)) {
    let mut plan = TreePlan::at(omadm_mo::TreeView::version(device));
    change(&mut plan);
    let before = device.clone();
    let mut planned = PlannedDevice::over(&before).unwrap();
    planned.apply(&plan).unwrap();
    device.apply(&plan).unwrap();
    assert_eq!(planned.all_properties(), device.all_properties());
    assert_eq!(planned.accounts(), device.accounts());
    for (at, kept) in device.all_properties().unwrap() {
        assert_eq!(planned.properties(&at), Ok(kept.clone()));
        let first = planned.properties_within(&at).unwrap().remove(0);
        assert_eq!(first, (at.path, kept));
    }
}

fn numbers(device: &MemoryDevice, paths: &[&str]) -> Vec<(u16, bool)> {
    let of = |path: &&str| device.properties(&at(path)).unwrap();
    let seen = paths.iter().map(of);
    seen.map(|kept| (kept.ver_no, kept.tstamp.is_some()))
        .collect()
}

const PATHS: [&str; 5] = ["", "A", "A/B", "A/C", "D"];

#[test]
fn a_change_counts_for_the_node_whose_value_or_children_it_changes() {
    let mut device = device(ProfileFormat::Dm);
    assert_eq!(numbers(&device, &PATHS), [(0, true); 5]);
    let fresh = device.properties(&at("D")).unwrap();
    assert_eq!(fresh.tstamp.as_deref(), Some(TSTAMP));
    apply(&mut device, |plan| {
        plan.steps = vec![PlanStep::Replace {
            at: at("A/B"),
            node: Value::chr("new").into(),
        }];
    });
    let counted = [(0, true), (0, true), (1, false), (0, true), (0, true)];
    assert_eq!(numbers(&device, &PATHS), counted);
    apply(&mut device, |plan| {
        plan.time = Some(TIME);
        plan.steps = vec![
            PlanStep::Remove { at: at("A/C") },
            PlanStep::Replace {
                at: at("A/B"),
                node: Value::chr("new").into(),
            },
        ];
    });
    let counted = [(0, true), (1, true), (1, false), (0, false), (0, true)];
    assert_eq!(numbers(&device, &PATHS), counted, "the same value is none");
    apply(&mut device, |plan| {
        plan.steps = vec![PlanStep::Replace {
            at: at(""),
            node: node(&[("A/B", "new"), ("E", "5")]),
        }];
    });
    let counted = [(1, false), (1, true), (1, false), (0, false), (0, false)];
    assert_eq!(numbers(&device, &PATHS), counted);
}

#[test]
fn a_device_that_knows_no_dm_1_x_server_keeps_nothing() {
    let mut device = device(ProfileFormat::Dm2);
    assert!(!device.has_properties().unwrap());
    apply(&mut device, |plan| {
        plan.properties = vec![set("D", "Get=*", None), set("X", "Get=*", None)];
    });
    apply(&mut device, |plan| {
        let text = |path| PlanStep::Replace {
            at: at(path),
            node: Value::chr("new").into(),
        };
        plan.steps = vec![text("D"), text("A/B")];
    });
    let all = device.all_properties().unwrap();
    assert_eq!(all.len(), 1, "one that has properties is counted on");
    assert_eq!((all[0].1.ver_no, all[0].0.clone()), (1, at("D")));
}

#[test]
fn properties_of_a_node_are_kept_whose_value_lives_outside_the_store() {
    let mut device = device(ProfileFormat::Dm);
    apply(&mut device, |plan| {
        let live = |path: &str, live| PropertiesChange {
            live,
            ..set(path, "Get=*", Some("title"))
        };
        plan.properties = vec![live("X", false), live("Y", true)];
    });
    let title = |path: &str| device.properties(&at(path)).unwrap().title;
    assert_eq!((title("X"), title("Y").as_deref()), (None, Some("title")));
}

#[test]
fn properties_go_with_their_node_and_with_the_tree_put_in_its_place() {
    let mut device = device(ProfileFormat::Cp);
    apply(&mut device, |plan| {
        let paths = ["", "A", "A/B", "D"];
        plan.properties = paths
            .iter()
            .map(|path| set(path, "Get=*", Some("title")))
            .collect();
    });
    apply(&mut device, |plan| {
        plan.steps = vec![PlanStep::Replace {
            at: at("A"),
            node: node(&[("B", "1")]),
        }];
    });
    let kept = |device: &MemoryDevice, path: &str| {
        let kept = device.properties(&at(path)).unwrap();
        (kept.acl.is_some(), kept.title.is_some())
    };
    assert_eq!(kept(&device, "A"), (true, true), "the node itself");
    assert_eq!(kept(&device, "A/B"), (false, false), "what is below it");
    apply(&mut device, |plan| {
        plan.steps = vec![PlanStep::Remove { at: at("A") }];
    });
    let none = NodeProperties::default();
    assert_eq!(device.properties(&at("A")).unwrap(), none);
    apply(&mut device, |plan| {
        plan.steps = vec![PlanStep::Remove { at: at("") }];
    });
    assert_eq!(device.properties_within(&at("")).unwrap(), []);
}

#[test]
fn a_renamed_node_keeps_its_properties_and_an_account_its_instance() {
    let mut device = device(ProfileFormat::Dm);
    let rename = |at: NodeAddress, name: &str| PlanStep::Rename {
        at,
        name: NodeName::parse(name).unwrap(),
    };
    let own = NodeAddress::root(dm_acc1::moid(), Miid::counted(1));
    apply(&mut device, |plan| {
        plan.properties = vec![set("A/B", "Get=*", None)];
    });
    apply(&mut device, |plan| {
        plan.steps = vec![
            rename(at("A"), "Z"),
            rename(at("nothing"), "X"),
            rename(own.clone(), "Acme"),
        ];
    });
    assert_eq!(device.properties(&at("Z/B")).unwrap().acl, acl("Get=*"));
    let changed = [(1, false), (0, false), (1, false), (0, true)];
    assert_eq!(numbers(&device, &["", "A", "Z", "Z/B"]), changed);
    let account = device.account(&srv("a")).unwrap().unwrap();
    assert_eq!(account.miid.as_str(), "Acme");
    let wrong = |plan: &mut TreePlan| plan.steps = vec![rename(at(""), "*")];
    let mut plan = TreePlan::at(omadm_mo::TreeView::version(&device));
    wrong(&mut plan);
    assert!(device.apply(&plan).is_err());
}

#[test]
fn no_acl_names_a_server_whose_account_is_gone() {
    let mut device = device(ProfileFormat::Dm);
    apply(&mut device, |plan| {
        plan.properties = vec![
            set("A", "Add=a&Get=*&Replace=a+b", None),
            set("D", "Replace=a", None),
        ];
    });
    apply(&mut device, |plan| plan.removed_accounts = vec![srv("a")]);
    let left = device.properties(&at("A")).unwrap().acl;
    assert_eq!(left, acl("Get=*&Replace=b"));
    assert_eq!(device.properties(&at("D")).unwrap().acl, None);
}
