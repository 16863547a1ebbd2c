//! DM messages: what a peer may write sloppily, what is refused, and that both serializations say the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_dm1::markup::{MarkupFault, MarkupLimits};
use omadm_dm1::syncml::{
    Alert, AlertCode, Chal, CmdId, Command, Cred, Data, Encoding, Exec, Group, Item, Location,
    Message, MessageFault, Meta, NodeCommand, Results, Status, StatusCode, SyncHdr, VER_DTD,
    VER_PROTO,
};

const LIMITS: MarkupLimits = MarkupLimits::MESSAGE;

fn header() -> SyncHdr {
    SyncHdr {
        ver_dtd: VER_DTD.into(),
        ver_proto: VER_PROTO.into(),
        session_id: "A5".into(),
        msg_id: 1,
        target: Location::new("https://dm.example.com/dm"),
        source: Location {
            uri: "IMEI:493005100592800".into(),
            name: Some("user1".into()),
        },
        resp_uri: Some("https://dm.example.com/dm?t=1".into()),
        cred: Some(Cred {
            meta: Meta {
                format: Some("b64".into()),
                r#type: Some("syncml:auth-md5".into()),
                ..Meta::default()
            },
            data: "Zz6EivR3yeaaENcRN6lpAQ==".into(),
        }),
        meta: Meta {
            max_msg_size: Some(65536),
            max_obj_size: Some(1 << 20),
            ..Meta::default()
        },
    }
}

fn on(id: u32, item: Item) -> NodeCommand {
    NodeCommand {
        cmd_id: Some(CmdId::number(id)),
        meta: Meta::default(),
        items: vec![item],
    }
}

fn every_command() -> Message {
    let value = Item {
        data: Some("a < b & c".into()),
        ..Item::at("./Vendor/A")
    };
    let blob = Item {
        meta: Meta {
            format: Some("bin".into()),
            r#type: Some("application/octet-stream".into()),
            ..Meta::default()
        },
        data: Some(Data::Octets(b"text as octets".to_vec())),
        more_data: true,
        ..Item::at("./Vendor/B")
    };
    let commands = vec![
        Command::Status(Status {
            cmd_id: Some(CmdId::number(1)),
            msg_ref: Some(1),
            cmd_ref: Some(CmdId::header()),
            cmd: Some("SyncHdr".into()),
            target_refs: vec!["IMEI:1".into()],
            source_refs: vec!["https://dm.example.com/dm".into()],
            chal: Some(Chal {
                meta: Meta {
                    format: Some("b64".into()),
                    r#type: Some("syncml:auth-md5".into()),
                    next_nonce: Some("Tm9uY2U=".into()),
                    ..Meta::default()
                },
            }),
            code: Some(StatusCode::AUTHENTICATED),
            items: Vec::new(),
        }),
        Command::Alert(Alert {
            cmd_id: Some(CmdId::number(2)),
            code: Some(AlertCode::GENERIC_ALERT),
            correlator: Some("c1".into()),
            items: vec![Item {
                source: Some(Location::new("./DMAcc/1")),
                meta: Meta {
                    mark: Some("warning".into()),
                    ..Meta::default()
                },
                data: Some("v=1&id=5f".into()),
                ..Item::default()
            }],
        }),
        Command::Atomic(Group {
            cmd_id: Some(CmdId::number(3)),
            meta: Meta::default(),
            members: vec![
                Command::Add(on(4, value.clone())),
                Command::Sequence(Group {
                    cmd_id: Some(CmdId::number(5)),
                    meta: Meta::default(),
                    members: vec![Command::Delete(on(6, Item::at("./Vendor/C")))],
                }),
            ],
        }),
        Command::Replace(on(7, blob)),
        Command::Get(on(8, Item::at("./DevInfo?list=Struct"))),
        Command::Copy(on(
            9,
            Item {
                source: Some(Location::new("./A")),
                ..Item::at("./B")
            },
        )),
        Command::Exec(Exec {
            cmd_id: Some(CmdId::number(10)),
            meta: Meta::default(),
            correlator: Some("c2".into()),
            items: vec![Item::at("./Fumo/Update")],
        }),
        Command::Results(Results {
            cmd_id: Some(CmdId::number(11)),
            msg_ref: Some(1),
            cmd_ref: Some(CmdId::number(8)),
            meta: Meta::default(),
            items: vec![value],
        }),
    ];
    Message {
        header: header(),
        commands,
        r#final: true,
    }
}

#[test]
fn every_command_is_read_as_it_was_written_in_wbxml() {
    let message = every_command();
    let octets = message.encode(Encoding::Wbxml).unwrap();
    assert_eq!(
        Message::decode(&octets, Encoding::Wbxml, LIMITS).unwrap(),
        message
    );
}

#[test]
fn every_command_is_read_as_it_was_written_in_xml() {
    let message = every_command();
    let octets = message.encode(Encoding::Xml).unwrap();
    let read = Message::decode(&octets, Encoding::Xml, LIMITS).unwrap();
    // XML knows no opaque: the same content is text there.
    assert_eq!(
        format!("{read:?}").replace("Text(14", "Octets(14"),
        format!("{message:?}")
    );
}

#[test]
fn octets_that_are_no_text_travel_as_base64_in_xml_and_as_they_are_in_wbxml() {
    let mut message = every_command();
    let item = Item {
        data: Some(Data::Octets(vec![0, 1, 0xff])),
        ..Item::at("./Vendor/B")
    };
    message.commands = vec![Command::Replace(on(1, item))];
    let xml = String::from_utf8(message.encode(Encoding::Xml).unwrap()).unwrap();
    assert!(
        xml.contains("<Meta><Format xmlns=\"syncml:metinf\">b64</Format></Meta><Data>AAH/</Data>"),
        "{xml}"
    );
    let wbxml = message.encode(Encoding::Wbxml).unwrap();
    assert!(
        wbxml
            .windows(5)
            .any(|octets| octets == [0xc3, 3, 0, 1, 0xff])
    );
}

fn sloppy(body: &str) -> Message {
    let xml = format!(
        "<SyncML><SyncBody>{body}</SyncBody><SyncHdr><Source>IMEI:1</Source><Target><LocURI> https://s/dm </LocURI></Target>\
         <MsgID> 2 </MsgID><SessionID>1</SessionID><VerProto>DM/1.2</VerProto><VerDTD>1.2</VerDTD></SyncHdr></SyncML>"
    );
    Message::decode(xml.as_bytes(), Encoding::Xml, LIMITS).unwrap()
}

#[test]
fn elements_in_any_order_unknown_ones_and_blanks_are_read() {
    let message = sloppy(
        "<Final/><Replace><Item><Data>1</Data><Vendor><Item/></Vendor><Source><LocURI>./DevInfo/Mod</LocURI></Source></Item>\
         <CmdID> 4 </CmdID></Replace><Frob><CmdID>5</CmdID><Item/></Frob><Put><CmdID>6</CmdID></Put>",
    );
    assert!(message.r#final);
    assert_eq!(message.header.source.uri, "IMEI:1");
    assert_eq!(message.header.target.uri, "https://s/dm");
    assert_eq!(message.header.msg_id, 2);
    let names: Vec<_> = message.commands.iter().map(Command::name).collect();
    assert_eq!(names, ["Replace", "Frob", "Put"]);
    let ids: Vec<_> = message
        .commands
        .iter()
        .map(|command| command.cmd_id().unwrap().as_str())
        .collect();
    assert_eq!(ids, ["4", "5", "6"]);
}

#[test]
fn a_status_without_reference_is_of_the_header_and_one_without_data_is_of_unknown_outcome() {
    let message = sloppy("<Status><CmdID>1</CmdID><Cmd>SyncHdr</Cmd></Status>");
    let [Command::Status(status)] = &message.commands[..] else {
        panic!("{message:?}");
    };
    assert!(status.is_of_header());
    assert_eq!(status.code, None);
}

#[test]
fn a_management_tree_that_was_not_escaped_is_content() {
    let message = sloppy(
        "<Alert><CmdID>1</CmdID><Data>1226</Data><Item><Data> <MgmtTree xmlns='syncml:dmddf1.2'><VerDTD>1.2</VerDTD>\
         <Node><NodeName>a&amp;b</NodeName><RTProperties><Format><node/></Format></RTProperties></Node></MgmtTree></Data></Item></Alert>",
    );
    let [Command::Alert(alert)] = &message.commands[..] else {
        panic!("{message:?}");
    };
    assert_eq!(
        alert.items[0].data.as_ref().unwrap().text().unwrap(),
        "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName>a&amp;b</NodeName>\
         <RTProperties><Format><node/></Format></RTProperties></Node></MgmtTree>"
    );
}

#[test]
fn a_broken_body_leaves_the_header_to_answer_to() {
    let xml = br"<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>7</SessionID><MsgID>1</MsgID>
<Target><LocURI>s</LocURI></Target><Source><LocURI>c</LocURI></Source></SyncHdr><SyncBody><Get><CmdID>1</Get></SyncBody></SyncML>";
    let unreadable = Message::decode(xml, Encoding::Xml, LIMITS).unwrap_err();
    assert_eq!(unreadable.header.unwrap().session_id, "7");
    assert!(matches!(unreadable.fault, MessageFault::Markup(_)));
}

#[test]
fn a_control_character_that_xml_does_not_have_is_refused_and_nothing_behind_the_message_is_read() {
    let message = |data: &str, behind: &str| {
        format!(
            "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>7</SessionID><MsgID>1</MsgID>\
             <Target><LocURI>s</LocURI></Target><Source><LocURI>c</LocURI></Source></SyncHdr><SyncBody><Replace><CmdID>1</CmdID>\
             <Item><Target><LocURI>./a</LocURI></Target><Data>{data}</Data></Item></Replace></SyncBody></SyncML>{behind}"
        )
    };
    let read = |xml: &str| Message::decode(xml.as_bytes(), Encoding::Xml, LIMITS);
    for (data, character) in [("a\0b", 0), ("\u{1}", 1), ("<![CDATA[\u{1b}]]>", 27)] {
        let MessageFault::Markup(error) = read(&message(data, "")).unwrap_err().fault else {
            panic!("another fault");
        };
        assert_eq!(*error.fault(), MarkupFault::Character(character));
    }
    let plain = read(&message("a\tb\n", "")).unwrap();
    assert_eq!(read(&message("a\tb\n", "\0")).unwrap(), plain);
}

#[test]
fn without_a_readable_header_there_is_nobody_to_answer_to() {
    let fault = |xml: &str| {
        let unreadable = Message::decode(xml.as_bytes(), Encoding::Xml, LIMITS).unwrap_err();
        assert_eq!(unreadable.header, None);
        unreadable.fault
    };
    assert_eq!(fault("<DevInf/>"), MessageFault::NotSyncMl);
    assert_eq!(
        fault("<SyncML><SyncBody/></SyncML>"),
        MessageFault::NoHeader
    );
    assert_eq!(
        fault("<SyncML><SyncHdr><VerDTD>1.2</VerDTD></SyncHdr></SyncML>"),
        MessageFault::HeaderLacks("VerProto")
    );
    let MessageFault::Markup(error) =
        fault("<SyncML><SyncHdr><MsgID>one</MsgID></SyncHdr></SyncML>")
    else {
        panic!("another fault");
    };
    assert_eq!(*error.fault(), MarkupFault::NotANumber("MsgID"));
}

#[test]
fn ten_thousand_items_in_one_message_are_refused() {
    let mut message = every_command();
    message.commands = vec![Command::Get(NodeCommand {
        cmd_id: Some(CmdId::number(1)),
        meta: Meta::default(),
        items: vec![Item::at("./A"); 10_000],
    })];
    let octets = message.encode(Encoding::Wbxml).unwrap();
    let unreadable = Message::decode(&octets, Encoding::Wbxml, LIMITS).unwrap_err();
    assert_eq!(unreadable.fault, MessageFault::TooManyItems);
    assert!(unreadable.header.is_some());
}

#[test]
fn debug_shows_no_content_and_no_credential() {
    let debug = format!("{:?}", every_command());
    assert!(!debug.contains("a < b"), "{debug}");
    assert!(!debug.contains("Zz6EivR3"), "{debug}");
}

#[test]
fn an_items_meta_overrides_its_commands_element_by_element() {
    let command = Meta {
        format: Some("Chr".into()),
        r#type: Some("text/plain".into()),
        ..Meta::default()
    };
    let own = Meta {
        r#type: Some(" text/xml ".into()),
        ..Meta::default()
    };
    let both = own.over(&command);
    assert_eq!((both.format().as_str(), both.r#type()), ("chr", "text/xml"));
    assert_eq!(Meta::default().format(), "chr");
}
