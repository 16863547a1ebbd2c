use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{CmdId, Command, Data, Encoding, Item, Meta, NodeCommand};
use omadm_dm1::tnds::{MEDIA_TYPE_XML, MgmtTree};
use omadm_mo::TreeView as _;

use super::{Bed, GADGET, at, get};

fn command(uri: &str, nodes: &str) -> NodeCommand {
    let xml = format!("<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD>{nodes}</MgmtTree>");
    NodeCommand {
        cmd_id: Some(CmdId::number(1)),
        meta: Meta {
            format: Some("xml".into()),
            r#type: Some(MEDIA_TYPE_XML.into()),
            ..Meta::default()
        },
        items: vec![Item {
            data: Some(Data::Text(xml)),
            ..Item::at(uri)
        }],
    }
}

fn leaf(name: &str, format: &str, value: &str) -> String {
    format!(
        "<Node><NodeName>{name}</NodeName><RTProperties><Format><{format}/></Format></RTProperties><Value>{value}</Value></Node>"
    )
}

fn interior(name: &str, properties: &str, below: &str) -> String {
    format!(
        "<Node><NodeName>{name}</NodeName><RTProperties>{properties}</RTProperties>{below}</Node>"
    )
}

fn ddf_name() -> String {
    format!("<Type><DDFName>{GADGET}</DDFName></Type>")
}

#[test]
fn an_object_is_added_whole_with_its_acls_or_not_at_all() {
    let state = leaf("State", "chr", "on");
    let acl = "<ACL>Get=*&amp;Replace=dms</ACL><Title>A part</Title>";
    let parts = |below: &str| interior("Parts", "", &interior("p", acl, below));
    let good = parts(&leaf("Name", "chr", "n"));
    for (uri, nodes, code) in [
        (
            "./Gadget/new",
            interior("", &ddf_name(), &(state.clone() + &good)),
            200,
        ),
        ("./Gadget/new", interior("new", "", &good), 200),
        ("./Gadget", interior("new", "", &good), 200),
        ("./Inbox", interior("new", &ddf_name(), &good), 200),
        (
            "./Gadget/new",
            interior("new", "<Type><DDFName>urn:x:y:1.0</DDFName></Type>", &good),
            415,
        ),
        ("./Inbox", interior("new", "", &good), 415),
        (
            "./Inbox",
            interior("new", "<Type><DDFName>urn:x:y:1.0</DDFName></Type>", ""),
            415,
        ),
        (
            "./Inbox",
            interior(
                "9",
                "<Type><DDFName>org.openmobilealliance/1.0/w7</DDFName></Type>",
                "",
            ),
            405,
        ),
        ("./Gadget/1", interior("1", "", &good), 418),
        (
            "./Gadget/new",
            interior("new", "", &leaf("Nothing", "chr", "x")),
            405,
        ),
        (
            "./Gadget/new",
            interior("new", "", &leaf("Fixed", "chr", "x")),
            405,
        ),
        (
            "./Gadget/new",
            interior("new", "", &leaf("Level", "chr", "x")),
            415,
        ),
        (
            "./Gadget/new",
            interior("new", "", &leaf("Level", "int", "x")),
            400,
        ),
        (
            "./Gadget/new",
            interior("new", "", &(state.clone() + &state)),
            400,
        ),
        ("./Gadget/new", interior("new", "<ACL>Get</ACL>", ""), 400),
        (
            "./Gadget/new",
            interior(
                "new",
                "",
                &interior(
                    "Parts",
                    "",
                    &["a", "b", "c", "d"]
                        .map(|name| interior(name, "", ""))
                        .concat(),
                ),
            ),
            403,
        ),
        ("./Gadget/new", "<Node><NodeName/></Node><Oops".into(), 415),
        ("./Gadget/new", String::new(), 412),
        ("./Gadget/3/Parts/x", interior("x", "", ""), 425),
    ] {
        let mut bed = Bed::new();
        let before = bed.snapshot();
        let outcome = bed.run(&[Command::Add(command(uri, &nodes))]).remove(0);
        assert_eq!(outcome.code.0, code, "{uri} {nodes}");
        if code != 200 {
            assert_eq!(bed.snapshot(), before, "{uri} {nodes}");
            continue;
        }
        let name = bed
            .device
            .leaf(&at("Gadget/new/Parts/p/Name"))
            .unwrap()
            .unwrap();
        assert_eq!(name.as_text(), Some("n"));
        // What no server can make came with its parent.
        assert!(
            bed.device
                .leaf(&at("Gadget/new/Parts/p/Kept"))
                .unwrap()
                .is_some()
        );
        assert!(
            bed.snapshot()
                .contains("Some(\"Get=*&Replace=dms\") Some(\"A part\")")
        );
    }
}

#[test]
fn a_replaced_subtree_is_what_the_object_says_and_permanent_nodes_stay() {
    let mut bed = Bed::new();
    let acl = "<ACL>Get=*&amp;Replace=dms</ACL>";
    let nodes = interior(
        "1",
        "",
        &(leaf("State", "chr", "on") + &interior("Parts", "", &interior("z", acl, ""))),
    );
    assert_eq!(
        bed.codes(&[Command::Replace(command("./Gadget/1", &nodes))]),
        [200]
    );
    let text = |path: &str| {
        let value = bed.device.leaf(&at(path)).unwrap();
        value.map(|value| value.to_text().to_string())
    };
    assert_eq!(text("Gadget/1/State").as_deref(), Some("on"));
    assert_eq!(text("Gadget/1/Level"), None);
    assert_eq!(text("Gadget/1/Parts/a/Name"), None);
    assert!(bed.device.kind(&at("Gadget/1/Run")).unwrap().is_some());
    assert_eq!(text("Gadget/1/Parts/z/Kept").as_deref(), Some("0"));
    for (uri, nodes, code) in [
        ("./Gadget/9", interior("9", "", ""), 404),
        ("./Gadget/2", interior("2", "", ""), 425),
        ("./Gadget", interior("x", "", ""), 405),
        (
            "./DMAcc/1",
            interior("1", "", &leaf("ServerID", "chr", "other")),
            405,
        ),
        ("./Gadget/1/State", interior("State", "", ""), 405),
        (
            "./Gadget/1",
            interior("1", "", &leaf("Fixed", "chr", "other")),
            405,
        ),
    ] {
        let before = bed.snapshot();
        assert_eq!(
            bed.codes(&[Command::Replace(command(uri, &nodes))]),
            [code],
            "{uri}"
        );
        assert_eq!(bed.snapshot(), before);
    }
}

#[test]
fn lists_tell_every_node_that_the_server_sees_and_no_secret() {
    let mut bed = Bed::new();
    bed.set_acl("Gadget/1/Parts", "Get=other");
    let items = |bed: &mut Bed, uri: &str| {
        let outcome = bed.run(&[get(uri)]).remove(0);
        assert_eq!(outcome.code.0, 200);
        outcome.results.unwrap()
    };
    let uris = |items: &[Item]| -> Vec<String> {
        let sources = items.iter().filter_map(|item| item.source.as_ref());
        sources.map(|at| at.uri.clone()).collect()
    };
    let all = items(&mut bed, "./Gadget/1?list=StructData");
    let below = ["", "/Blob", "/Fixed", "/Level", "/Run", "/Secret", "/State"];
    assert_eq!(uris(&all), below.map(|path| format!("./Gadget/1{path}")));
    let told = |item: &Item| item.data.as_ref().and_then(Data::text).map(str::to_owned);
    let values: Vec<_> = all.iter().filter_map(told).collect();
    assert_eq!(values, ["AAH/", "f", "3", "", "off"]);
    let bare = items(&mut bed, "./Gadget/1?list=Struct");
    assert_eq!(uris(&bare), uris(&all));
    assert!(bare.iter().all(|item| item.data.is_none()));
    assert_eq!(bare[1].meta.format.as_deref(), Some("bin"));
    let root = uris(&items(&mut bed, ".?list=Struct"));
    assert!(
        root.iter()
            .any(|uri| uri == "./DMAcc/1/AppAuth/1/AAuthSecret")
    );
    assert!(
        root.iter()
            .all(|uri| !uri.starts_with("./DMAcc/2") && !uri.starts_with("./Gadget/3"))
    );
    assert!(all.iter().filter_map(told).all(|text| text != "QUIET"));
}

#[test]
fn an_object_that_was_read_is_added_as_it_was() {
    let mut bed = Bed::new();
    let read = bed
        .run(&[get("./Gadget/1?list=TNDS-ACL-TStamp-VerNo")])
        .remove(0);
    let data = read.results.unwrap().remove(0).data.unwrap();
    let mut tree = MgmtTree::decode(&data, MarkupLimits::MESSAGE).unwrap();
    let root = &mut tree.nodes[0];
    assert_eq!(root.name.as_deref(), Some("1"));
    assert!(
        root.nodes
            .iter()
            .all(|node| node.name.as_deref() != Some("Secret") || node.value.is_none())
    );
    // What cannot be read cannot be added again, nor what nobody can add.
    root.nodes
        .retain(|node| !matches!(node.name.as_deref(), Some("Secret" | "Fixed")));
    root.name = Some(String::new());
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let mut add = command("./Gadget/copy", "");
        add.items[0].data = Some(tree.encode(encoding).unwrap());
        assert_eq!(bed.codes(&[Command::Add(add)]), [200]);
        for path in ["Blob", "Level", "State", "Parts/a/Name"] {
            let read = |miid: &str| {
                bed.device
                    .leaf(&at(&format!("Gadget/{miid}/{path}")))
                    .unwrap()
            };
            assert_eq!(read("copy"), read("1"), "{path}");
        }
        assert_eq!(bed.codes(&[super::delete("./Gadget/copy")]), [200]);
    }
}
