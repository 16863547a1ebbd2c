//! What does not fit into one message of a DM 1.x session (`dm1x.md` §1.6, M07, M08). Every row in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support_dm1;

use omadm_dm1::syncml::{Command, Encoding};
use support_dm1::{
    BOTH, SERVER_NONCE, Shape, device, get, meta, opening, server_cred, start, start_on, texts,
};

const NAME: &str = "./DMAcc/1/Name";
const SECRET: &str = "./DMAcc/1/AppAuth/CLCRED/AAuthSecret";

#[test]
fn m07_what_does_not_fit_goes_in_the_next_messages_and_the_last_one_is_final() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let sizes = meta("MaxMsgSize=1600");
        let taken = talk.header_status(212, "");
        let gets: String = (3..40).map(|id| get(id, NAME)).collect();
        talk.answer(
            &format!("{}{sizes}", server_cred(SERVER_NONCE)),
            &format!("{taken}{gets}<Final/>"),
        );
        let mut told = Vec::new();
        for _ in 0..40 {
            assert!(talk.request().body.len() <= 1600);
            told.extend(texts(&talk.last().commands));
            if talk.last().r#final {
                break;
            }
            let taken = talk.header_status(200, "");
            talk.answer(
                "",
                &format!("{taken}<Alert><CmdID>7</CmdID><Data>1222</Data></Alert>"),
            );
            assert_eq!(talk.statuses()[0], ("0".into(), 200));
        }
        assert!(talk.sent.len() > 3);
        assert_eq!(told, vec!["Example"; 37]);
    }
}

/// A device whose account has a long name.
fn long_name(text: &str) -> omadm_bootstrap::MemoryDevice {
    use omadm_bootstrap::plan::{PlanStep, TreePlan};
    use omadm_mo::{Node, NodePath, TreeView as _, Value};
    let mut device = device(&Shape::default());
    let mut plan = TreePlan::at(device.version());
    plan.steps.push(PlanStep::Replace {
        at: support_dm1::root().with_path(NodePath::of("Name").unwrap()),
        node: Node::Leaf(Value::chr(text)),
    });
    device.apply(&plan).unwrap();
    device
}

#[test]
fn m08_a_result_larger_than_a_message_goes_in_chunks_that_cut_no_character() {
    let long: String = (0..900).map(|n| ["ü", "<", "x", "€"][n % 4]).collect();
    for encoding in BOTH {
        let mut talk = start_on(long_name(&long), opening(encoding));
        let sizes = meta("MaxMsgSize=1400");
        let taken = talk.header_status(212, "");
        let gets = get(3, NAME) + &get(4, "./DMAcc/1/AppID");
        talk.answer(
            &format!("{}{sizes}", server_cred(SERVER_NONCE)),
            &format!("{taken}{gets}<Final/>"),
        );
        let (mut whole, mut sizes, mut messages) = (String::new(), Vec::new(), 0);
        let mut others = Vec::new();
        while messages < 20 {
            assert!(talk.request().body.len() <= 1400);
            messages += 1;
            for command in &talk.last().commands {
                if let Command::Results(results) = command {
                    let item = &results.items[0];
                    let text = item.data.as_ref().unwrap().text().unwrap();
                    if item.source.as_ref().unwrap().uri == NAME {
                        whole.push_str(text);
                        sizes.extend(item.meta.size);
                    } else {
                        others.push(text.to_owned());
                    }
                }
            }
            if talk.last().r#final {
                break;
            }
            let results = talk
                .last()
                .commands
                .iter()
                .find(|command| matches!(command, Command::Results(_)));
            let of = talk.last().header.msg_id;
            let chunk = results.map_or(String::new(), |results| {
                let id = results.cmd_id().unwrap().as_str();
                format!("<Status><CmdID>2</CmdID><MsgRef>{of}</MsgRef><CmdRef>{id}</CmdRef><Cmd>Results</Cmd><Data>213</Data></Status>")
            });
            let next = "<Alert><CmdID>7</CmdID><Data>1222</Data></Alert>";
            let taken = talk.header_status(200, "");
            talk.answer("", &format!("{taken}{chunk}{next}"));
        }
        assert!(messages > 2);
        assert_eq!(whole, long);
        assert_eq!(sizes, [long.len() as u64], "announced once");
        assert_eq!(others, ["w7"], "what comes behind it");
    }
}

#[test]
fn m08_an_object_that_the_server_refuses_is_not_gone_on_with() {
    let long = "x".repeat(5000);
    let mut talk = start_on(long_name(&long), opening(Encoding::Xml));
    let sizes = meta("MaxMsgSize=1400");
    let taken = talk.header_status(212, "");
    talk.answer(
        &format!("{}{sizes}", server_cred(SERVER_NONCE)),
        &format!("{taken}{}<Final/>", get(3, NAME)),
    );
    assert!(!talk.last().r#final);
    talk.answer(
        "",
        "<Alert><CmdID>7</CmdID><Data>1225</Data></Alert><Final/>",
    );
    assert!(texts(&talk.last().commands).is_empty());
    assert!(talk.last().r#final);
}

#[test]
fn m07_a_result_over_the_servers_max_obj_size_is_413_without_results() {
    for encoding in BOTH {
        let mut talk = start_on(long_name(&"x".repeat(5000)), opening(encoding));
        let sizes = meta("MaxMsgSize=1400 MaxObjSize=4000");
        let taken = talk.header_status(212, "");
        talk.answer(
            &format!("{}{sizes}", server_cred(SERVER_NONCE)),
            &format!("{taken}{}<Final/>", get(3, NAME)),
        );
        assert_eq!(talk.statuses()[1], ("3".into(), 413));
        assert!(texts(&talk.last().commands).is_empty());
    }
}

#[test]
fn m08_an_object_in_chunks_is_written_once_it_is_whole() {
    let chunk = |id: u32, size: &str, text: &str, more: &str| {
        format!(
            "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>{SECRET}</LocURI></Target>{size}<Data>{text}</Data>{more}</Item></Replace>"
        )
    };
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&chunk(3, &meta("Size=10"), "first", "<MoreData/>"));
        assert_eq!(talk.statuses()[1], ("3".into(), 213));
        assert_eq!(talk.alerts(1222).count(), 1);
        assert_ne!(
            talk.leaf("AppAuth/CLCRED/AAuthSecret").as_deref(),
            Some("first")
        );
        talk.answer("", &format!("{}<Final/>", chunk(3, "", "-last", "")));
        assert_eq!(talk.statuses()[1], ("3".into(), 200));
        let written = talk.leaf("AppAuth/CLCRED/AAuthSecret");
        assert_eq!(written.as_deref(), Some("first-last"));
        // Broken off by another command, and by the end of the package.
        for behind in [get(4, NAME), String::new()] {
            let mut talk = start(&Shape::default(), encoding);
            talk.proven(&chunk(3, &meta("Size=10"), "first", "<MoreData/>"));
            talk.answer("", &format!("{behind}<Final/>"));
            let broken = talk.alerts(1225).next().unwrap();
            assert_eq!(broken.items[0].target.as_ref().unwrap().uri, SECRET);
            assert_ne!(
                talk.leaf("AppAuth/CLCRED/AAuthSecret").as_deref(),
                Some("first")
            );
        }
    }
}
