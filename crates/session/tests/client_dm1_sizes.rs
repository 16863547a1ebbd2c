//! What does not fit into one message of a DM 1.x session (`dm1x.md` §1.6, M07, M08). Every row in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support_dm1;

use omadm_dm1::syncml::{
    Alert, AlertCode, Command, Data, Encoding, Item, Location, Meta, StatusCode,
};
use omadm_session::client::dm1::{Dm1Outcome, Dm1SessionEvent};
use support_dm1::{
    BOTH, SERVER_NONCE, Shape, Talk, chal, device, get, meta, opening, server_cred, start,
    start_on, texts,
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
        assert!(
            talk.sent.len() > 3 && talk.last().r#final,
            "the last is the end"
        );
        assert!(talk.alerts(1222).next().is_none(), "nothing is asked for");
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
        assert!(messages > 1 && talk.last().r#final);
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

/// A generic alert with this much to say.
fn generic(name: &str, text: &str) -> Alert {
    Alert {
        cmd_id: None,
        code: Some(AlertCode::GENERIC_ALERT),
        correlator: Some("c1".into()),
        items: vec![Item {
            source: Some(Location::new(format!("./{name}/1"))),
            meta: Meta {
                r#type: Some(format!("org.example.{name}")),
                format: Some("chr".into()),
                ..Meta::default()
            },
            data: Some(Data::from(text)),
            ..Item::default()
        }],
    }
}

/// What a test's server takes of alerts and DevInfo.
#[derive(Default)]
struct Heard {
    /// Of each alert: where it is about, and its text.
    alerts: Vec<(String, String)>,
    /// Sizes as they were announced.
    sizes: Vec<u64>,
    dev_info: Vec<(String, String)>,
    messages: usize,
}

impl Heard {
    /// Hears the last message, and says what it owes: statuses, with these sizes in the header of the first answer.
    fn hear(&mut self, talk: &mut Talk, sizes: &str) {
        let last = talk.last().clone();
        let (of, mut owed) = (last.header.msg_id, String::new());
        self.messages += 1;
        let mut chunks = 0;
        for command in &last.commands {
            let (items, into) = match command {
                Command::Alert(alert) => (&alert.items, &mut self.alerts),
                Command::Replace(replace) => (&replace.items, &mut self.dev_info),
                _ => continue,
            };
            let mut code = 200;
            for item in items {
                let text = item.data.as_ref().unwrap().text().unwrap();
                let uri = item.source.as_ref().unwrap().uri.clone();
                match into.last_mut().filter(|(before, _)| *before == uri) {
                    Some((_, before)) => before.push_str(text),
                    None => into.push((uri, text.to_owned())),
                }
                self.sizes.extend(item.meta.size);
                if item.more_data {
                    (code, chunks) = (213, chunks + 1);
                }
            }
            let (id, name) = (command.cmd_id().unwrap().as_str(), command.name());
            owed.push_str(&format!(
                "<Status><CmdID>4{id}</CmdID><MsgRef>{of}</MsgRef><CmdRef>{id}</CmdRef><Cmd>{name}</Cmd><Data>{code}</Data></Status>"
            ));
        }
        assert!(chunks <= 1, "chunks are in consecutive messages");
        assert!(chunks == 0 || !last.r#final, "a chunk is not the end");
        let next = "<Alert><CmdID>7</CmdID><Data>1222</Data></Alert>";
        let (next, end) = if last.r#final {
            ("", "<Final/>")
        } else {
            (next, "")
        };
        let (cred, code) = match self.messages {
            1 => (server_cred(SERVER_NONCE), 212),
            _ => (String::new(), 200),
        };
        let taken = talk.header_status(code, "");
        let sizes = if sizes.is_empty() {
            String::new()
        } else {
            meta(sizes)
        };
        talk.answer(
            &format!("{cred}{sizes}"),
            &format!("{taken}{owed}{next}{end}"),
        );
    }

    fn all(mut self, talk: &mut Talk, sizes: &str) -> Self {
        while talk.outcome.is_none() && self.messages < 60 {
            self.hear(talk, sizes);
        }
        self
    }
}

fn answered(talk: &Talk) -> Vec<(usize, u16)> {
    let answered = talk.events.iter().filter_map(|event| match event {
        Dm1SessionEvent::AlertAnswered { index, status } => Some((*index, status.0)),
        _ => None,
    });
    answered.collect()
}

#[test]
fn m08_an_alert_larger_than_a_message_goes_in_chunks_and_its_last_status_counts() {
    let long: String = (0..1800).map(|n| ["ü", "&", "x", "€"][n % 4]).collect();
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.limits.max_msg_size = 1500;
        with.alerts = vec![
            generic("a", "short"),
            generic("b", &long),
            generic("c", &long),
            generic("d", "last"),
        ];
        let mut talk = start_on(device(&Shape::default()), with);
        let heard = Heard::default().all(&mut talk, "");
        assert!(
            talk.sent
                .iter()
                .all(|(request, _)| request.body.len() <= 1500)
        );
        let texts = ["short", &long, &long, "last"];
        let expected: Vec<_> = ["./a/1", "./b/1", "./c/1", "./d/1"]
            .into_iter()
            .zip(texts)
            .map(|(uri, text)| (uri.to_owned(), text.to_owned()))
            .collect();
        assert_eq!(heard.alerts, expected);
        assert_eq!(heard.sizes, [long.len() as u64; 2]);
        assert_eq!(heard.dev_info.len(), 5, "DevInfo comes behind them");
        assert_eq!(answered(&talk), [(0, 200), (1, 200), (2, 200), (3, 200)]);
        let ended = matches!(
            talk.outcome,
            Some(Dm1Outcome::Ended {
                server_proven: true
            })
        );
        assert!(ended, "{:?}", talk.outcome);
    }
}

#[test]
fn m08_an_alert_that_the_server_can_never_take_is_not_told_again() {
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.limits.max_msg_size = 1500;
        with.alerts = (0..8).map(|_| generic("a", &"x".repeat(700))).collect();
        with.alerts.push(generic("b", &"x".repeat(5000)));
        let mut talk = start_on(device(&Shape::default()), with);
        Heard::default().all(&mut talk, "MaxMsgSize=1500 MaxObjSize=4000");
        assert_eq!(
            answered(&talk).into_iter().find(|(index, _)| *index == 8),
            Some((8, 413))
        );
        assert_eq!(answered(&talk).len(), 9);
    }
}

#[test]
fn m08_an_alert_refused_at_a_chunk_is_over_and_the_rest_goes_on() {
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.limits.max_msg_size = 1500;
        with.alerts = vec![generic("a", &"x".repeat(5000)), generic("b", "last")];
        let mut talk = start_on(device(&Shape::default()), with);
        let chunk = talk.alerts(1226).next().unwrap().clone();
        assert!(chunk.items[0].more_data);
        let (of, id) = (talk.last().header.msg_id, chunk.cmd_id.unwrap());
        let refused = format!(
            "<Status><CmdID>5</CmdID><MsgRef>{of}</MsgRef><CmdRef>{}</CmdRef><Cmd>Alert</Cmd><Data>406</Data></Status>",
            id.as_str()
        );
        let next = "<Alert><CmdID>7</CmdID><Data>1222</Data></Alert>";
        talk.proven(&format!("{refused}{next}"));
        assert_eq!(answered(&talk), [(0, StatusCode::NOT_SUPPORTED.0)]);
        let left: Vec<_> = talk.alerts(1226).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].items[0].data, Some(Data::from("last")));
        assert!(talk.last().r#final);
    }
}

#[test]
fn m08_a_chunk_that_was_not_taken_is_cut_anew_behind_what_stood_before_it() {
    let long = "y".repeat(6000);
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.limits.max_msg_size = 1500;
        with.alerts = vec![generic("a", "short"), generic("b", &long)];
        let shape = Shape {
            pref: None,
            ..Shape::default()
        };
        let mut talk = start_on(device(&shape), with);
        // The first message is challenged: all of it goes once more, and is larger by its credential.
        let challenged = talk.header_status(401, &chal("md5", b"fresh nonce"));
        talk.answer(&server_cred(SERVER_NONCE), &format!("{challenged}<Final/>"));
        assert!(talk.request().body.len() <= 1500);
        let heard = Heard::default().all(&mut talk, "");
        let expected = [("./a/1", "short"), ("./b/1", &*long)];
        assert_eq!(
            heard.alerts,
            expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert!(heard.sizes.ends_with(&[6000]), "announced anew");
        assert_eq!(answered(&talk), [(0, 200), (1, 200)]);
    }
}

#[test]
fn m08_a_dev_info_larger_than_a_message_goes_leaf_by_leaf() {
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.limits.max_msg_size = 1200;
        with.dev_info.man = "Manufacturer ".repeat(40);
        with.dev_info.mod_ = "M".repeat(3000);
        let expected = with.dev_info.clone();
        let mut talk = start_on(device(&Shape::default()), with);
        let heard = Heard::default().all(&mut talk, "");
        let leaf = |name: &str| {
            let mut found = heard.dev_info.iter().filter(|(uri, _)| uri.ends_with(name));
            let (_, text) = found.next().unwrap();
            assert!(found.next().is_none(), "{name} once");
            text.clone()
        };
        assert_eq!((leaf("/Man"), leaf("/Mod")), (expected.man, expected.mod_));
        assert_eq!(
            (leaf("/DevId"), leaf("/DmV")),
            (expected.dev_id.to_string(), expected.dm_v)
        );
        assert!(heard.sizes.contains(&3000));
    }
}
