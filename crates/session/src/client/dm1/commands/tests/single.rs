use omadm_bootstrap::plan::{RightsChange, TreePlan};
use omadm_dm1::syncml::{CmdId, Command, Data, Item, Meta, Named, NodeCommand};
use omadm_mo::standard::Dm1Version;
use omadm_mo::{AccessList, Miid, Moid, Node, NodeProperties, TreeView as _, Value};

use super::{Bed, GADGET, add, add_node, at, copy, delete, exec, get, item, replace};
use crate::client::dm1::commands::{Answer, Need, Progress, begin, resume};

fn text(bed: &Bed, path: &str) -> Option<String> {
    let value = bed.device.leaf(&at(path)).unwrap()?;
    Some(value.to_text().to_string())
}

fn read(bed: &mut Bed, uri: &str) -> (u16, Option<String>, Option<String>) {
    let outcome = bed.run(&[get(uri)]).remove(0);
    let item = outcome.results.and_then(|items| items.into_iter().next());
    let format = item.as_ref().and_then(|item| item.meta.format.clone());
    let data = item.and_then(|item| item.data.as_ref().and_then(Data::text).map(Into::into));
    (outcome.code.0, format, data)
}

fn with(uri: &str, format: &str, data: &str) -> Item {
    item(uri, Some(format), Some(data))
}

fn replaces(item: Item) -> Command {
    Command::Replace(NodeCommand {
        cmd_id: Some(CmdId::number(1)),
        items: vec![item],
        ..NodeCommand::default()
    })
}

/// The status of each command on a fresh tree, and whether the tree is another one afterwards.
#[test]
fn every_command_has_its_status_and_a_refused_one_changes_nothing() {
    let long = format!("./Gadget/1/Ext/{}", "a/".repeat(40));
    let cases = [
        // Get
        (get("./Gadget/1/State"), 200),
        (get("Gadget/1/State"), 200),
        (get("."), 200),
        (get("./Inbox"), 405),
        (get("./Gadget/1/Secret"), 405),
        (get("./Gadget/1/Nothing"), 404),
        (get("./Gadget/9"), 404),
        (get("./Nowhere"), 404),
        (get("./Gadget/2/State"), 200),
        (get("./Gadget/3/State"), 425),
        (get("./Gadget/1/State?prop=Colour"), 406),
        (get("./Gadget/1/State?list=Colour"), 406),
        (get("./Gadget/1?prop=Size"), 405),
        (get("./Gadget/1/Secret?prop=Size"), 405),
        (get("./Gadget/1/../2"), 400),
        (get(""), 400),
        (get(long.trim_end_matches('/')), 414),
        // Accounts: the own one, and one of which nothing is told.
        (get("./DMAcc/1/Name"), 200),
        (get("./DMAcc/1/AppAuth/1/AAuthSecret"), 405),
        (get("./DMAcc/2"), 425),
        (get("./DMAcc/2/Name"), 425),
        (get("./DMAcc/2/Nothing"), 425),
        (get("./DMAcc/2?prop=ACL"), 425),
        (replace("./DMAcc/2/AppAuth/1/AAuthSecret", "x"), 425),
        (replace("./DMAcc/2/Nothing", "x"), 425),
        (replace("./DMAcc/2?prop=ACL", "Get=dms"), 425),
        (replace("./DMAcc/1/ServerID", "other"), 405),
        (replace("./DMAcc/1?prop=Name", "9"), 403),
        (replace("./DMAcc/2?prop=Name", "9"), 425),
        (delete("./DMAcc/1"), 405),
        (delete("./DMAcc/2"), 405),
        (add_node("./DMAcc/9"), 405),
        (
            copy("./DMAcc/1/AppAuth/1/AAuthSecret", "./Gadget/1/Note"),
            405,
        ),
        // Add
        (add("./Gadget/1/Level", "1"), 418),
        (add_node("./Gadget/1"), 418),
        (add_node("./Gadget"), 418),
        (add_node("."), 418),
        (add("./Gadget/1/State", "x"), 405),
        (add("./Gadget/1/Level/deeper", "x"), 405),
        (add("./Gadget/1/Unknown", "x"), 405),
        (add("./Gadget/1/Fixed/x", "x"), 405),
        (add("./Gadget/3/Note", "x"), 425),
        (add("./Nowhere/x", "x"), 405),
        (add("./Inbox", "x"), 415),
        (add("./Inbox/x", "x"), 405),
        (add("./Gadget/1/Flag", "perhaps"), 400),
        (add_node("./Gadget/1/Note"), 415),
        (add("./Gadget/1/Note?prop=ACL", "x"), 405),
        (add_node("./Gadget/4294967296"), 405),
        // Replace
        (replace("./Gadget/1/Note", "x"), 404),
        (replace("./Gadget/1/Parts", "x"), 405),
        (replace("./Gadget/1/Fixed", "x"), 405),
        (replace("./Gadget/1/Level", "much"), 400),
        (replace("./Gadget/1/Level", "2147483648"), 400),
        (replace("./Gadget/1/Blob", "AAH/"), 415),
        (replaces(with("./Gadget/1/Level", "chr", "1")), 415),
        (replaces(with("./Gadget/1/Level", "colour", "1")), 415),
        (replaces(item("./Gadget/1/Level", None, None)), 412),
        (replace("./Gadget/2/State", "x"), 425),
        (replace(".", "x"), 405),
        (replace(".?prop=ACL", "Get=*"), 405),
        (replace("./Gadget?prop=ACL", "Get=*"), 405),
        (replace("./Gadget/1/State?prop=Format", "int"), 405),
        (replace("./Gadget/1/State?list=Struct", "x"), 405),
        (replace("./Gadget/1/State?prop=Name", "Stat"), 405),
        (replace("./Gadget/1/Parts/a?prop=Name", "a/b"), 200),
        (replace("./Gadget/1?prop=Name", "2"), 418),
        (replace("./Gadget/1?prop=ACL", "Get"), 400),
        (replace("./Gadget/1?prop=Title", &"t".repeat(256)), 413),
        (replace("./Gadget/2/State?prop=ACL", "Get=dms"), 425),
        // Delete
        (delete("."), 405),
        (delete("./Gadget"), 405),
        (delete("./Inbox"), 405),
        (delete("./Gadget/1/State"), 405),
        (delete("./Gadget/1/Fixed"), 405),
        (delete("./Gadget/1/Note"), 404),
        (delete("./Gadget/2"), 425),
        (delete("./Gadget/1?prop=ACL"), 405),
        // Copy
        (copy("./Gadget/1/Level", "./Gadget/1/Note"), 415),
        (copy("./Gadget/1/Parts", "./Gadget/1/Ext"), 405),
        (copy("./Gadget/1/Nothing", "./Gadget/1/Note"), 404),
        (copy("./Gadget/1/Level", "./Gadget/2/Level"), 425),
        (copy("./Gadget/3/Level", "./Gadget/1/Level"), 425),
        (copy("./Gadget/1/Secret", "./Gadget/1/Note"), 405),
        // Exec
        (exec("./Gadget/1/Level"), 405),
        (exec("./Gadget/2/Run"), 425),
        (exec("./Gadget/1/Nothing"), 404),
        (exec("."), 405),
    ];
    for (command, code) in cases {
        let mut bed = Bed::new();
        let before = bed.snapshot();
        assert_eq!(
            bed.codes(std::slice::from_ref(&command)),
            [code],
            "{command:?}"
        );
        let changed = bed.snapshot() != before;
        let writes = !matches!(command, Command::Get(_));
        assert_eq!(changed, code == 200 && writes, "{command:?}");
    }
}

#[test]
fn what_is_no_command_of_dm_is_not_supported_or_not_implemented() {
    let mut bed = Bed::new();
    let other = |name: &str, cmd_id| {
        Command::Other(Named {
            name: name.to_owned(),
            cmd_id,
        })
    };
    let id = || Some(CmdId::number(1));
    let nothing = NodeCommand {
        cmd_id: id(),
        ..NodeCommand::default()
    };
    let nowhere = NodeCommand {
        items: vec![Item::default()],
        ..nothing.clone()
    };
    let no_id = NodeCommand {
        items: vec![Item::at("./Gadget/1/Level")],
        ..NodeCommand::default()
    };
    let commands = [
        other("Sync", id()),
        other("Frobnicate", id()),
        Command::Delete(nothing),
        Command::Delete(nowhere),
        Command::Delete(no_id),
    ];
    assert_eq!(bed.codes(&commands), [406, 501, 412, 412, 400]);
}

#[test]
fn what_is_written_is_read_in_the_same_message_and_after_it() {
    let mut bed = Bed::new();
    let codes = bed.codes(&[
        replace("./Gadget/1/State", "on"),
        add("./Gadget/1/Note", "n"),
        add("./Gadget/1/Parts/b/Name", "second"),
        add("./Gadget/1/Ext/Acme/Knob", "free"),
        copy("./Gadget/1/Note", "./Gadget/1/Parts/a/Name"),
        delete("./Gadget/1/Level"),
        get("./Gadget/1/Parts/b/Kept"),
        get("./Gadget/1/Level"),
    ]);
    assert_eq!(codes, [200, 200, 200, 200, 200, 200, 200, 404]);
    assert_eq!(text(&bed, "Gadget/1/State").as_deref(), Some("on"));
    assert_eq!(text(&bed, "Gadget/1/Parts/a/Name").as_deref(), Some("n"));
    assert_eq!(
        text(&bed, "Gadget/1/Parts/b/Name").as_deref(),
        Some("second")
    );
    // What no server can make came with its parent.
    assert_eq!(text(&bed, "Gadget/1/Parts/b/Kept").as_deref(), Some("0"));
    assert_eq!(
        text(&bed, "Gadget/1/Ext/Acme/Knob").as_deref(),
        Some("free")
    );
    assert_eq!(text(&bed, "Gadget/1/Level"), None);
}

#[test]
fn a_get_tells_value_format_names_and_properties() {
    let mut bed = Bed::new();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(read(&mut bed, "./Gadget/1/State"), (200, None, some("off")));
    assert_eq!(
        read(&mut bed, "./Gadget/1/Level"),
        (200, some("int"), some("3"))
    );
    assert_eq!(
        read(&mut bed, "./Gadget/1/Blob"),
        (200, some("b64"), some("AAH/"))
    );
    assert_eq!(
        read(&mut bed, "./Gadget/1/Parts"),
        (200, some("node"), some("a"))
    );
    assert_eq!(read(&mut bed, "./DMAcc"), (200, some("node"), some("1")));
    assert_eq!(
        read(&mut bed, "."),
        (200, some("node"), some("DMAcc/Gadget/Inbox"))
    );
    for (uri, expected) in [
        (".?prop=ACL", "Add=*&Get=*"),
        ("./Gadget/1?prop=ACL", ""),
        ("./Gadget/1?prop=Type", GADGET),
        ("./Gadget/1/Blob?prop=Format", "bin"),
        ("./Gadget/1/Blob?prop=Size", "3"),
        ("./Gadget/1/Blob?prop=Name", "Blob"),
        ("./Gadget/1/State?prop=Type", "text/plain"),
        ("./Gadget/1/State?prop=Title", ""),
    ] {
        assert_eq!(read(&mut bed, uri), (200, None, some(expected)), "{uri}");
    }
    let r#type = "./DMAcc/1?prop=Type";
    let version = |minor| (200, None, some(&format!("urn:oma:mo:oma-dm-dmacc:{minor}")));
    assert_eq!(read(&mut bed, r#type), version("1.0"));
    bed.layout = bed.layout.clone().in_version(Dm1Version::V1_3);
    assert_eq!(read(&mut bed, r#type), version("1.1"));
    bed.run(&[add_node("./Gadget/1/Ext")]);
    assert_eq!(
        read(&mut bed, "./Gadget/1/Ext"),
        (200, some("node"), some(""))
    );
}

#[test]
fn octets_come_raw_or_as_base64_and_the_node_keeps_its_format() {
    let mut bed = Bed::new();
    let mut raw = item("./Gadget/1/Blob", Some("bin"), None);
    raw.data = Some(Data::Octets(vec![7, 0]));
    for (item, expected) in [
        (raw, "BwA="),
        (with("./Gadget/1/Blob", "B64", " AA\r\nEC "), "AAEC"),
        (with("./Gadget/1/Blob", "bin", "AAE"), "AAE="),
    ] {
        assert_eq!(bed.codes(&[replaces(item)]), [200]);
        assert_eq!(text(&bed, "Gadget/1/Blob").as_deref(), Some(expected));
        assert_eq!(
            read(&mut bed, "./Gadget/1/Blob?prop=Format").2.as_deref(),
            Some("bin")
        );
    }
}

#[test]
fn meta_of_the_command_holds_for_its_items_and_theirs_overrides_it() {
    let mut bed = Bed::new();
    let command = Command::Replace(NodeCommand {
        cmd_id: Some(CmdId::number(1)),
        meta: Meta {
            format: Some("INT".into()),
            ..Meta::default()
        },
        items: vec![
            item("./Gadget/1/Level", None, Some("5")),
            with("./Gadget/1/State", "Chr", "on"),
        ],
    });
    let outcomes = bed.run(&[command]);
    // M05: alike, so one status.
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        (outcomes[0].code.0, outcomes[0].target_refs.len()),
        (200, 0)
    );
    assert_eq!(text(&bed, "Gadget/1/Level").as_deref(), Some("5"));
}

#[test]
fn items_that_fare_otherwise_have_a_status_each_m05() {
    let mut bed = Bed::new();
    let uris = ["./Gadget/1/State", "./Gadget/1/Nothing", "./Gadget/1/Level"];
    let items = uris.map(Item::at).to_vec();
    let several = NodeCommand {
        cmd_id: Some(CmdId::number(1)),
        items,
        ..NodeCommand::default()
    };
    let outcomes = bed.run(&[Command::Get(several.clone())]);
    let codes: Vec<_> = outcomes.iter().map(|one| one.code.0).collect();
    assert_eq!(codes, [200, 404, 200]);
    let refs: Vec<_> = outcomes.iter().flat_map(|one| &one.target_refs).collect();
    assert_eq!(refs, uris.iter().collect::<Vec<_>>());
    let alike = NodeCommand {
        items: [uris[0], uris[2]].map(Item::at).to_vec(),
        ..several
    };
    let outcomes = bed.run(&[Command::Get(alike)]);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].results.as_ref().map(Vec::len), Some(2));
}

#[test]
fn an_implicit_node_that_cannot_be_made_is_named_and_nothing_is_left() {
    let mut bed = Bed::new();
    for name in ["b", "c"] {
        bed.run(&[add_node(&format!("./Gadget/1/Parts/{name}"))]);
    }
    let before = bed.snapshot();
    let outcome = bed
        .run(&[add("./Gadget/1/Parts/d/Name", "fourth")])
        .remove(0);
    assert_eq!(outcome.code.0, 403);
    let named = outcome.items[0].target.as_ref().map(|at| at.uri.as_str());
    assert_eq!(named, Some("./Gadget/1/Parts/d"));
    assert_eq!(bed.snapshot(), before);
}

#[test]
fn a_new_instance_is_its_creators_and_a_new_node_below_a_foreign_one_too() {
    let mut bed = Bed::new();
    let made = [
        add_node("./Gadget/mine"),
        get("./Gadget/mine/State"),
        delete("./Gadget/mine"),
    ];
    assert_eq!(bed.codes(&made), [200, 200, 200]);
    // Add alone is inherited from the root: what is made there is governed by its maker.
    let made = [add_node("./Gadget/2/Ext"), add("./Gadget/2/Ext/Knob", "k")];
    assert_eq!(bed.codes(&made), [200, 200]);
    let kept = read(&mut bed, "./Gadget/2/Ext?prop=ACL");
    // That ACL has no Get, and decides wholly (§4.3).
    assert_eq!(kept.0, 425);
    let acl = "Add=dms&Delete=dms&Get=*&Replace=dms";
    assert_eq!(bed.codes(&[replace("./Gadget/2/Ext?prop=ACL", acl)]), [200]);
    assert_eq!(
        read(&mut bed, "./Gadget/2/Ext?prop=ACL").2.as_deref(),
        Some(acl)
    );
    assert_eq!(bed.codes(&[delete("./Gadget/2/Ext")]), [200]);
    bed.run(&[add_node("./Gadget/2/Ext")]);
    assert_eq!(
        read(&mut bed, "./Gadget/2/Ext").0,
        425,
        "the ACL went with the node"
    );
}

#[test]
fn the_nearest_acl_decides_wholly_and_a_leafs_is_its_parents_to_change() {
    let mut bed = Bed::new();
    bed.set_acl("Gadget/1", "Get=*");
    assert_eq!(bed.codes(&[replace("./Gadget/1/State", "x")]), [425]);
    assert_eq!(
        bed.codes(&[replace("./Gadget/1?prop=ACL", "Get=dms")]),
        [425]
    );
    bed.set_acl("Gadget/1/Parts", "Replace=dms");
    assert_eq!(bed.codes(&[get("./Gadget/1/Parts")]), [425]);
    bed.set_acl("Gadget/1/State", "Replace=dms");
    assert_eq!(bed.codes(&[replace("./Gadget/1/State", "x")]), [200]);
    assert_eq!(
        bed.codes(&[replace("./Gadget/1/State?prop=ACL", "Get=*")]),
        [425]
    );
    let kept = replace("./Gadget/1/Parts/a/Name?prop=ACL", "Get=*");
    assert_eq!(
        bed.codes(&[kept, get("./Gadget/1/Parts/a/Name")]),
        [200, 200]
    );
    bed.set_acl("DMAcc/2", "Get=dms");
    assert_eq!(
        bed.codes(&[get("./DMAcc/2/Name"), get("./DMAcc/2/Nothing")]),
        [200, 404]
    );
    assert_eq!(bed.codes(&[get("./DMAcc/2/AppAuth/1/AAuthSecret")]), [405]);
}

#[test]
fn an_instance_whose_server_lost_its_rights_is_open_to_nobody_else() {
    let mut bed = Bed::new();
    let gadget = Moid::parse(GADGET).unwrap();
    let mut plan = TreePlan::at(bed.device.version());
    plan.rights = [2, 3]
        .map(|miid| RightsChange {
            moid: gadget.clone(),
            miid: Miid::counted(miid),
            access: AccessList::none(),
        })
        .into();
    bed.device.apply(&plan).unwrap();
    // Nobody made the second one: what the root gives holds there.
    let codes = bed.codes(&[get("./Gadget/2/State"), get("./Gadget/3/State")]);
    assert_eq!(codes, [200, 425]);
}

#[test]
fn a_renamed_node_keeps_values_acl_title_and_rights() {
    let mut bed = Bed::new();
    let codes = bed.codes(&[
        replace("./Gadget/1/Parts/a?prop=ACL", "Get=*&Replace=dms"),
        replace("./Gadget/1/Parts/a?prop=Title", "A part"),
        replace("./Gadget/1/Parts/a?prop=Name", "z"),
        get("./Gadget/1/Parts/z/Name"),
        get("./Gadget/1/Parts/a"),
        replace("./Gadget/1?prop=Name", "left"),
        get("./Gadget/left/Parts/z/Name"),
        replace("./Gadget/left/State", "on"),
    ]);
    assert_eq!(codes, [200, 200, 200, 200, 404, 200, 200, 200]);
    let kept = read(&mut bed, "./Gadget/left/Parts/z?prop=Title").2;
    assert_eq!(kept.as_deref(), Some("A part"));
    let kept = read(&mut bed, "./Gadget/left/Parts/z?prop=ACL").2;
    assert_eq!(kept.as_deref(), Some("Get=*&Replace=dms"));
    assert_eq!(
        bed.codes(&[get("./Gadget/1"), delete("./Gadget/left")]),
        [404, 200]
    );
}

#[test]
fn the_own_accounts_secret_can_be_replaced_and_never_read() {
    let mut bed = Bed::new();
    let secret = "./DMAcc/1/AppAuth/1/AAuthSecret";
    assert_eq!(bed.codes(&[replace(secret, "newer")]), [200]);
    assert_eq!(
        text(&bed, "DMAcc/1/AppAuth/1/AAuthSecret").as_deref(),
        Some("newer")
    );
    let open = bed.codes(&[replace("./DMAcc/1?prop=ACL", "Get=*&Replace=dms")]);
    assert_eq!(open, [200]);
    for uri in [secret, "./DMAcc/1/AppAuth/1/AAuthSecret?prop=Size"] {
        assert_eq!(bed.codes(&[get(uri)]), [405]);
    }
}

#[test]
fn live_values_are_read_and_nothing_of_them_is_made_or_removed() {
    let mut bed = Bed::new();
    let mut root = super::gadget_node();
    root.put(
        &omadm_mo::NodePath::of("State").unwrap(),
        Value::chr("live").into(),
    );
    let key = (at("Gadget/1").moid, at("Gadget/1").miid);
    bed.live.insert(key, root);
    assert_eq!(
        read(&mut bed, "./Gadget/1/State").2.as_deref(),
        Some("live")
    );
    let codes = bed.codes(&[
        add("./Gadget/1/Note", "n"),
        delete("./Gadget/1/Level"),
        replace("./Gadget/1/Parts/a?prop=Name", "b"),
        replace("./Gadget/1/State", "on"),
        get("./Gadget/1/State"),
    ]);
    assert_eq!(codes, [403, 403, 403, 200, 200]);
}

#[test]
fn an_exec_waits_and_its_outcome_is_its_status() {
    use omadm_mo::{ExecOutcome, ManagedObjectError};
    let bed = Bed::new();
    let account = bed.dms();
    for (answer, code) in [
        (Ok(ExecOutcome::Done), 200),
        (Ok(ExecOutcome::Later), 202),
        (Err(ManagedObjectError::NoSuchNode.into()), 404),
        (Err(ManagedObjectError::Busy.into()), 403),
        (Err(ManagedObjectError::Device.into()), 500),
    ] {
        let mut workspace = bed.workspace();
        let Progress::Wait(Need::Exec(node, correlator), paused) =
            begin(&mut workspace, &account, &exec("./Gadget/1/Run"))
        else {
            panic!("an Exec waits");
        };
        assert_eq!(
            (node, correlator.as_deref()),
            (at("Gadget/1/Run"), Some("c1"))
        );
        let mut fresh = bed.workspace();
        let Progress::Done(done) = resume(&mut fresh, &account, paused, Answer::Exec(answer))
        else {
            panic!("it is done");
        };
        assert_eq!((done.len(), done[0].code.0), (1, code));
    }
}

#[test]
fn ten_thousand_items_are_carried_out_and_taken_back() {
    let mut bed = Bed::new();
    let items = (0..10_000).map(|n| item(&format!("./Gadget/1/Ext/n{n}"), None, Some("v")));
    let many = NodeCommand {
        cmd_id: Some(CmdId::number(1)),
        items: items.collect(),
        ..NodeCommand::default()
    };
    assert_eq!(bed.codes(&[Command::Add(many.clone())]), [200]);
    // Items of which the last fails are all taken back.
    let last = Command::Add(NodeCommand {
        items: vec![Item::at("./Nowhere")],
        ..many.clone()
    });
    let commands = [super::atomic(vec![Command::Delete(many), last])];
    let before = bed.snapshot();
    assert_eq!(bed.codes(&commands), [507, 216, 405]);
    assert_eq!(bed.snapshot(), before);
}

#[test]
fn an_empty_acl_lets_the_node_inherit_again() {
    let mut bed = Bed::new();
    bed.run(&[replace(
        "./Gadget/1/Parts?prop=ACL",
        "Get=other&Replace=dms",
    )]);
    assert_eq!(bed.codes(&[get("./Gadget/1/Parts")]), [425]);
    bed.run(&[replace("./Gadget/1/Parts?prop=ACL", "")]);
    assert_eq!(bed.codes(&[get("./Gadget/1/Parts")]), [200]);
    let kept = omadm_bootstrap::DeviceView::properties(&bed.device, &at("Gadget/1/Parts")).unwrap();
    assert_eq!(kept.acl, NodeProperties::default().acl);
    assert!(matches!(
        bed.device.subtree(&at("Gadget/1/Parts")).unwrap(),
        Some(Node::Interior(_))
    ));
}
