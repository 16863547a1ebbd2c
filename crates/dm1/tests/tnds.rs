//! TNDS objects in every form in which they stand in a message.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Command, Data, Encoding, Message};
use omadm_dm1::tnds::{MgmtTree, NodeType, RtProperties, TndsFault, TndsNode};
use omadm_mo::Format;
use proptest::prelude::*;

const LIMITS: MarkupLimits = MarkupLimits::MESSAGE;
const ACCOUNT: &str = include_str!("data/dmacc-tnds.xml");

fn read(xml: &str) -> Result<MgmtTree, TndsFault> {
    MgmtTree::decode(&xml.into(), LIMITS)
}

#[test]
fn an_account_is_read_with_every_property() {
    let tree = read(ACCOUNT).unwrap();
    let [account] = &tree.nodes[..] else {
        panic!("{tree:?}");
    };
    assert_eq!(account.name.as_deref(), Some("Acme"));
    assert_eq!(
        account.properties,
        RtProperties {
            acl: Some("Get=com.acme&Replace=com.acme&Delete=com.acme".into()),
            format: Some(Format::Node),
            r#type: Some(NodeType::DdfName("urn:oma:mo:oma-dm-dmacc:1.0".into())),
            ..RtProperties::default()
        }
    );
    let names: Vec<_> = account
        .nodes
        .iter()
        .map(|node| node.name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["AppID", "ServerID", "AppAuth", "Ext"]);
    assert_eq!(account.nodes[0].value.as_ref().unwrap().text(), Some("w7"));
    assert_eq!(account.nodes[3].properties.ver_no, Some(3));
}

#[test]
fn it_is_the_same_in_wbxml_in_a_message_and_unescaped() {
    let tree = read(ACCOUNT).unwrap();
    let wbxml = tree.encode(Encoding::Wbxml).unwrap();
    assert!(matches!(wbxml, Data::Octets(_)));
    assert_eq!(MgmtTree::decode(&wbxml, LIMITS).unwrap(), tree);
    let escaped = ACCOUNT.replace('&', "&amp;").replace('<', "&lt;");
    for data in [ACCOUNT, escaped.as_str()] {
        let message = format!(
            "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID><Target>t</Target>\
             <Source>s</Source></SyncHdr><SyncBody><Add><CmdID>1</CmdID><Item><Data>{data}</Data></Item></Add></SyncBody></SyncML>"
        );
        let message = Message::decode(message.as_bytes(), Encoding::Xml, LIMITS).unwrap();
        let [Command::Add(add)] = &message.commands[..] else {
            panic!("{message:?}");
        };
        let data = add.items[0].data.as_ref().unwrap();
        assert_eq!(MgmtTree::decode(data, LIMITS).unwrap(), tree);
    }
}

#[test]
fn a_name_may_be_missing_or_empty_and_a_format_capitalised() {
    let tree = read("<MgmtTree><Node><RTProperties><Format><Chr/></Format></RTProperties></Node><Node><NodeName/></Node></MgmtTree>").unwrap();
    assert_eq!(tree.nodes[0].name, None);
    assert_eq!(tree.nodes[0].properties.format, Some(Format::Chr));
    assert_eq!(tree.nodes[1].name.as_deref(), Some(""));
}

#[test]
fn what_is_no_tnds_is_refused_with_what_is_wrong() {
    assert_eq!(read("<SyncML/>").unwrap_err(), TndsFault::NotMgmtTree);
    assert!(matches!(
        read("<MgmtTree>").unwrap_err(),
        TndsFault::Markup(_)
    ));
    let both = "<MgmtTree><Node><NodeName>a</NodeName><Value>1</Value><Node/></Node></MgmtTree>";
    assert_eq!(
        read(both).unwrap_err(),
        TndsFault::ValueAndNodes("a".into())
    );
    let format =
        "<MgmtTree><Node><RTProperties><Format><text/></Format></RTProperties></Node></MgmtTree>";
    assert_eq!(read(format).unwrap_err(), TndsFault::Format("text".into()));
    let many = format!("<MgmtTree>{}</MgmtTree>", "<Node/>".repeat(4097));
    assert_eq!(read(&many).unwrap_err(), TndsFault::TooMany);
}

fn nodes() -> impl Strategy<Value = TndsNode> {
    let format = prop::sample::select(vec![Format::Chr, Format::Int, Format::Bin, Format::Xml]);
    let leaf =
        ("[a-zA-Z0-9äß._-]{0,8}", format, "[ -~äß€]{0,16}").prop_map(|(name, format, value)| {
            TndsNode {
                name: Some(name),
                properties: RtProperties {
                    format: Some(format),
                    r#type: Some(NodeType::Mime("text/plain".into())),
                    ..RtProperties::default()
                },
                value: Some(Data::Text(value)),
                ..TndsNode::default()
            }
        });
    leaf.prop_recursive(4, 24, 4, |inner| {
        ("[a-z]{1,6}", prop::collection::vec(inner, 1..4)).prop_map(|(name, nodes)| TndsNode {
            name: Some(name),
            properties: RtProperties {
                acl: Some("Get=*".into()),
                format: Some(Format::Node),
                r#type: Some(NodeType::DdfName(String::new())),
                title: Some("t".into()),
                ..RtProperties::default()
            },
            nodes,
            ..TndsNode::default()
        })
    })
}

proptest! {
    #[test]
    fn a_tree_is_read_as_it_was_written(node in nodes()) {
        let tree = MgmtTree { man: Some("M".into()), model: None, nodes: vec![node] };
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let data = tree.encode(encoding).unwrap();
            prop_assert_eq!(&MgmtTree::decode(&data, LIMITS).unwrap(), &tree);
        }
    }
}
