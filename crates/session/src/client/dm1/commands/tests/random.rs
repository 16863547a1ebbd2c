use omadm_dm1::syncml::{Command, Meta};
use proptest::prelude::*;

use super::{Bed, add, add_node, atomic, copy, delete, get, replace, sequence, shown};
use crate::client::dm1::commands::{Progress, begin};

const PLACES: [&str; 20] = [
    ".",
    "./Inbox",
    "./Gadget",
    "./Gadget/1",
    "./Gadget/2",
    "./Gadget/new",
    "./Gadget/1/State",
    "./Gadget/1/Level",
    "./Gadget/1/Note",
    "./Gadget/1/Secret",
    "./Gadget/1/Parts",
    "./Gadget/1/Parts/a",
    "./Gadget/1/Parts/b/Name",
    "./Gadget/1/Ext/x/y/z",
    "./Gadget/1/Ext/x/y",
    "./Gadget/2/Ext/x",
    "./Gadget/new/Parts/a/Name",
    "./DMAcc/1/Name",
    "./DMAcc/2",
    "./Nowhere/x",
];
const PROPERTIES: [(&str, &str); 6] = [
    ("ACL", "Get=*&Replace=dms&Add=dms"),
    ("ACL", ""),
    ("Title", "t"),
    ("Name", "b"),
    ("Name", "new"),
    ("Format", "int"),
];

fn one() -> impl Strategy<Value = Command> {
    let place = || (0..PLACES.len()).prop_map(|n| PLACES[n]);
    let value = prop_oneof![Just("7"), Just("true"), Just("")];
    prop_oneof![
        place().prop_map(get),
        (place(), value.clone()).prop_map(|(at, value)| add(at, value)),
        place().prop_map(add_node),
        (place(), value).prop_map(|(at, value)| replace(at, value)),
        (place(), 0..PROPERTIES.len()).prop_map(|(at, n)| {
            let (property, value) = PROPERTIES[n];
            replace(&format!("{at}?prop={property}"), value)
        }),
        place().prop_map(delete),
        (place(), place()).prop_map(|(from, to)| copy(from, to)),
    ]
}

fn any() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => one(),
        1 => prop::collection::vec(one(), 0..6).prop_map(atomic),
        1 => prop::collection::vec(one(), 0..4).prop_map(sequence),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Refused commands change nothing, an Atomic all or nothing, and what a message reads is what the device has once its plan is applied.
    #[test]
    fn the_workspace_is_the_device_as_it_becomes(commands in prop::collection::vec(any(), 1..14)) {
        let mut bed = Bed::new();
        let account = bed.dms();
        let mut workspace = bed.workspace();
        for command in &commands {
            let before = shown(workspace.view(), &bed.layout);
            let Progress::Done(done) = begin(&mut workspace, &account, command) else {
                panic!("nothing waits");
            };
            prop_assert!(!done.is_empty());
            let refused = match command {
                Command::Sequence(_) => done.iter().skip(1).all(|one| !one.code.is_success()),
                _ => !done[0].code.is_success(),
            };
            if refused || matches!(command, Command::Get(_)) {
                prop_assert_eq!(&shown(workspace.view(), &bed.layout), &before, "{:?}", command);
            }
            for read in done.iter().filter_map(|one| one.results.as_ref()) {
                let told: Vec<_> = read.iter().filter_map(|item| item.data.as_ref()?.text()).collect();
                prop_assert!(told.iter().all(|text| *text != "QUIET"));
                prop_assert!(read.iter().all(|item| item.meta != Meta::default() || item.data.is_some()));
            }
        }
        let expected = shown(workspace.view(), &bed.layout);
        let plan = workspace.into_plan();
        bed.device.apply(&plan).unwrap();
        prop_assert_eq!(bed.snapshot(), expected);
    }
}
