//! How a DM 1.x session of the client goes (`dm1x.md` §1.5 to §1.10, §6.2, §6.3). Every row in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support_dm1;

use omadm_bootstrap::{BootstrapKind, CompletionState, EventData};
use omadm_dm1::syncml::{
    Alert, AlertCode, Command, Data, Encoding, Item, Location, Meta, StatusCode,
};
use omadm_mo::TreeError;
use omadm_session::client::Cause;
use omadm_session::client::dm1::{
    Dm1Effect, Dm1Fault, Dm1Input, Dm1Outcome, Dm1Reason, Dm1SessionEvent, UserAnswer,
};
use support_dm1::{
    BOTH, DEVICE, SERVER_NONCE, SRV, Shape, Talk, URL, device, get, opening, replace, server_cred,
    start, start_on, texts,
};

const NAME: &str = "./DMAcc/1/Name";
const SECRET: &str = "./DMAcc/1/AppAuth/CLCRED/AAuthSecret";
const ENDED: Dm1Outcome = Dm1Outcome::Ended {
    server_proven: true,
};

fn owed() -> Shape {
    Shape {
        owed: true,
        ..Shape::default()
    }
}

#[test]
fn the_first_message_tells_why_who_and_what_the_device_is() {
    for encoding in BOTH {
        for (reason, code) in [
            (Dm1Reason::Client, 1201),
            (Dm1Reason::Triggered { session: 0xa1 }, 1200),
        ] {
            let mut opening = opening(encoding);
            opening.reason = reason;
            let talk = start_on(device(&Shape::default()), opening);
            let message = talk.last();
            let header = &message.header;
            assert_eq!((&*header.ver_dtd, &*header.ver_proto), ("1.2", "DM/1.2"));
            assert_eq!((header.msg_id, &*header.target.uri), (1, URL));
            assert_eq!(header.meta.max_msg_size, Some(65_536));
            assert_eq!(header.meta.max_obj_size, Some(1 << 20));
            if code == 1200 {
                assert_eq!(header.session_id, "A1", "upper-case hexadecimal, no zeros");
            }
            assert_eq!(talk.alerts(code).count(), 1);
            let Some(Command::Replace(replace)) = message.commands.last() else {
                panic!("no Replace of DevInfo");
            };
            let items: Vec<_> = replace
                .items
                .iter()
                .map(|item| {
                    let source = item.source.as_ref().unwrap();
                    (&*source.uri, item.data.as_ref().unwrap().text().unwrap())
                })
                .collect();
            let due = [
                ("./DevInfo/DevId", DEVICE),
                ("./DevInfo/DmV", "1.2"),
                ("./DevInfo/Lang", "en"),
                ("./DevInfo/Man", "Acme"),
                ("./DevInfo/Mod", "M1"),
            ];
            assert_eq!(items, due);
            assert!(message.r#final);
        }
    }
}

#[test]
fn b1_c_09_m26_the_event_is_alone_in_its_alert_behind_the_session_alert() {
    for encoding in BOTH {
        for (kind, mark) in [
            (BootstrapKind::First, "informational"),
            (BootstrapKind::Re, "warning"),
        ] {
            let talk = start(&Shape { kind, ..owed() }, encoding);
            let Command::Alert(event) = &talk.last().commands[1] else {
                panic!("no alert");
            };
            assert_eq!(event.code, Some(AlertCode::GENERIC_ALERT));
            let [item] = event.items.as_slice() else {
                panic!("not one item");
            };
            assert_eq!(item.source.as_ref().unwrap().uri, "./DMAcc/1");
            assert_eq!(item.meta.r#type(), EventData::ALERT_TYPE);
            assert_eq!(item.meta.format(), "chr");
            assert_eq!(item.meta.mark.as_deref(), Some(mark));
            let text = item.data.as_ref().unwrap().text().unwrap();
            let data = EventData::read(text).unwrap();
            assert_eq!((data.seq, data.kind), (2, kind));
            assert_eq!(data.security.as_deref(), Some("card"));
        }
    }
}

#[test]
fn b1_c_09_m27_the_event_is_settled_by_the_statuses_of_6_3_and_stays_owed_otherwise() {
    let rows = [
        (200, Some(CompletionState::Acked)),
        (202, Some(CompletionState::Acked)),
        (406, Some(CompletionState::Unsupported)),
        (415, Some(CompletionState::Unsupported)),
        (401, None),
        (412, None),
        (500, None),
    ];
    for encoding in BOTH {
        for (code, state) in rows {
            let mut talk = start(&owed(), encoding);
            let status = talk.event_status(code);
            talk.proven(&format!("{status}<Final/>"));
            assert_eq!(talk.outcome, Some(ENDED));
            assert_eq!(talk.account().owed.is_none(), state.is_some(), "{code}");
            let leaf = talk.leaf("Ext/Bootstrap/State");
            let due = state.map_or("pending", CompletionState::node_value);
            assert_eq!(leaf.as_deref(), Some(due));
            let told = talk.events.iter().any(|event| {
                matches!(event, Dm1SessionEvent::EventSettled { state: told, .. } if Some(*told) == state)
            });
            assert_eq!(told, state.is_some());
        }
    }
}

#[test]
fn b1_c_09_the_event_is_stored_as_settled_before_anything_else_is_sent() {
    let mut talk = start(&owed(), Encoding::Xml);
    let status = talk.event_status(200);
    talk.proven(&format!("{status}{}", get(3, NAME)));
    let applied = talk.effects.iter().position(|effect| {
        matches!(effect, Dm1Effect::Apply(_, plan) if plan.accounts.iter().any(|one| one.owed.is_none()))
    });
    let sent = talk
        .effects
        .iter()
        .rposition(|effect| matches!(effect, Dm1Effect::Send(_)));
    assert!(applied.unwrap() < sent.unwrap());
}

#[test]
fn after_two_sessions_broken_off_over_the_event_the_third_goes_without_it() {
    for encoding in BOTH {
        let mut device = device(&owed());
        for n in 0..2 {
            let mut talk = start_on(device, opening(encoding));
            assert_eq!(talk.alerts(1226).count(), 1, "session {n}");
            talk.http(500);
            device = talk.device;
        }
        let mut without = start_on(device.clone(), opening(encoding));
        assert_eq!(without.alerts(1226).count(), 0);
        without.proven("<Final/>");
        assert!(without.account().owed.is_none());
        let state = without.leaf("Ext/Bootstrap/State");
        assert_eq!(state.as_deref(), Some("unsupported"));
        // Where it fails without the event too, the event is not to blame.
        let mut fails = start_on(device, opening(encoding));
        fails.http(500);
        let again = start_on(fails.device, opening(encoding));
        assert_eq!(again.alerts(1226).count(), 1);
    }
}

#[test]
fn being_out_of_reach_or_busy_is_not_held_against_the_event() {
    let mut device = device(&owed());
    for _ in 0..3 {
        let mut talk = start_on(device, opening(Encoding::Wbxml));
        talk.http(503);
        let mut talk = start_on(talk.device, opening(Encoding::Wbxml));
        let lost = || Dm1Input::SendFailed(Cause::Unreachable("down".into()));
        talk.input(lost());
        talk.input(lost());
        assert!(matches!(talk.outcome, Some(Dm1Outcome::Lost(_))));
        device = talk.device;
    }
    let next = start_on(device, opening(Encoding::Wbxml));
    assert_eq!(next.alerts(1226).count(), 1);
}

#[test]
fn a_session_ends_when_only_the_status_of_the_header_is_left_to_say() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&format!("{}<Final/>", get(3, NAME)));
        assert_eq!(talk.sent.len(), 2);
        let taken = talk.header_status(200, "");
        talk.answer("", &format!("{taken}<Final/>"));
        assert_eq!(talk.outcome, Some(ENDED));
        assert_eq!(talk.sent.len(), 2);
    }
}

#[test]
fn m04_statuses_are_in_the_order_of_the_commands_and_results_behind_theirs() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let commands = [get(3, NAME), replace(9, SECRET, "new"), get(4, NAME)].concat();
        talk.proven(&format!("{commands}<Final/>"));
        let names: Vec<_> = talk.last().commands.iter().map(Command::name).collect();
        assert_eq!(
            names,
            ["Status", "Status", "Results", "Status", "Status", "Results"]
        );
        let refs = ["0", "3", "9", "4"];
        let codes = [212, 200, 200, 200];
        let due: Vec<_> = refs.map(str::to_owned).into_iter().zip(codes).collect();
        assert_eq!(talk.statuses(), due);
        assert!(talk.last().r#final);
        let ids: Vec<_> = talk
            .last()
            .commands
            .iter()
            .map(|c| c.cmd_id().unwrap().as_str().to_owned())
            .collect();
        assert_eq!(ids, ["1", "2", "3", "4", "5", "6"]);
    }
}

#[test]
fn a_server_in_the_midst_of_its_package_is_asked_for_the_next_message() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&get(3, NAME));
        assert_eq!(talk.alerts(1222).count(), 1);
        assert!(!talk.last().r#final, "not before the server (§1.5/3)");
        talk.answer("", &format!("{}<Final/>", get(3, NAME)));
        assert_eq!(talk.alerts(1222).count(), 0);
        assert!(talk.last().r#final);
    }
}

#[test]
fn m02_the_next_message_goes_to_resp_uri_and_never_from_https_to_http() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let there = "https://other.example.com:8443/dm?t=1";
        let header = |uri: &str| format!("<RespURI>{uri}</RespURI>{}", server_cred(SERVER_NONCE));
        talk.answer(&header(there), &get(3, NAME));
        assert_eq!(talk.request().to.as_str(), there);
        assert_eq!(talk.last().header.target.uri, there);
        // Beside the address that was asked, where a server leaves the rest out.
        for uri in ["/dm?t=2", "?t=3", "next"] {
            let mut talk = start(&Shape::default(), encoding);
            let from = talk.request().to.clone();
            talk.answer(&header(uri), &get(3, NAME));
            let to = from.join(uri).unwrap();
            assert_eq!(
                (&talk.request().to, &*talk.last().header.target.uri),
                (&to, to.as_str())
            );
        }
        for uri in [
            "http://dms.example.com/dm",
            "//dms.example.com/dm",
            "::",
            "ftp://dms.example.com",
        ] {
            let mut talk = start(&Shape::default(), encoding);
            talk.answer(&header(uri), &get(3, NAME));
            assert_eq!(talk.outcome, Some(Dm1Outcome::Fault(Dm1Fault::RespUri)));
            assert_eq!(talk.sent.len(), 1);
        }
    }
}

#[test]
fn m03_a_broken_exchange_is_repeated_once_with_the_same_octets() {
    for encoding in BOTH {
        let mut talk = start(&owed(), encoding);
        let lost = || Dm1Input::SendFailed(Cause::Unreachable("reset".into()));
        talk.input(lost());
        assert_eq!(talk.sent.len(), 2);
        assert_eq!(talk.sent[0].0, talk.sent[1].0);
        talk.input(lost());
        assert!(matches!(talk.outcome, Some(Dm1Outcome::Lost(_))));
        assert!(talk.account().owed.is_some());
        let mut talk = start(&owed(), encoding);
        talk.input(Dm1Input::SendFailed(Cause::ServerNotTrusted("name".into())));
        assert_eq!(talk.sent.len(), 1, "no use");
    }
}

#[test]
fn m09_http_415_changes_the_encoding_once_and_m10_other_statuses_end_the_session() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.http(415);
        assert_eq!(talk.sent.len(), 2);
        assert_ne!(talk.request().content_type, encoding.media_type());
        assert_eq!(talk.sent[0].1, talk.sent[1].1, "the same message");
        talk.http(415);
        let refused = |status| {
            Some(Dm1Outcome::Refused {
                status,
                retry_after: None,
            })
        };
        assert_eq!(talk.outcome, refused(415));
        for status in [400, 401, 404, 413, 500, 503, 204, 302] {
            let mut talk = start(&Shape::default(), encoding);
            talk.http(status);
            assert_eq!(talk.outcome, refused(status));
        }
    }
}

#[test]
fn an_exec_runs_after_what_stands_before_it_is_in_the_tree_and_before_what_stands_behind() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let exec = "<Exec><CmdID>4</CmdID><Item><Target><LocURI>./DMAcc/1/Name</LocURI></Target></Item></Exec>";
        let commands = [
            replace(3, SECRET, "one"),
            exec.to_owned(),
            replace(5, SECRET, "two"),
        ];
        talk.proven(&format!("{}<Final/>", commands.concat()));
        let order: Vec<_> = talk
            .effects
            .iter()
            .filter_map(|effect| match effect {
                Dm1Effect::Apply(..) => Some("apply"),
                Dm1Effect::Exec(..) => Some("exec"),
                Dm1Effect::Send(_) => Some("send"),
                _ => None,
            })
            .collect();
        if talk.statuses()[2].1 == 200 {
            assert_eq!(order, ["send", "apply", "exec", "apply", "send"]);
        }
        let ids: Vec<_> = talk.statuses().into_iter().map(|(of, _)| of).collect();
        assert_eq!(ids, ["0", "3", "4", "5"]);
    }
}

#[test]
fn a_plan_is_made_anew_where_the_tree_changed_and_nothing_is_told_done_that_was_not() {
    for encoding in BOTH {
        let mut talk = start(&owed(), encoding);
        talk.refuse.extend([Cause::Stale, Cause::Stale]);
        let event = talk.event_status(200);
        talk.proven(&format!("{event}{}<Final/>", replace(3, SECRET, "new")));
        assert_eq!(talk.statuses(), [("0".into(), 212), ("3".into(), 200)]);
        for (cause, code) in [
            (Cause::Tree(TreeError::NoRoom), 420),
            (Cause::Tree(TreeError::Storage("broken".into())), 510),
        ] {
            let mut talk = start(&owed(), encoding);
            talk.refuse.push_back(cause);
            let event = talk.event_status(200);
            talk.proven(&format!(
                "{event}{}{}<Final/>",
                replace(3, SECRET, "new"),
                get(4, NAME)
            ));
            assert_eq!(talk.statuses()[1], ("3".into(), code));
            assert!(texts(&talk.last().commands).is_empty());
            assert!(
                talk.account().owed.is_none(),
                "what the message settles is stored"
            );
        }
        // Not even that: then no nonce is told either.
        let mut talk = start(&owed(), encoding);
        let broken = || Cause::Tree(TreeError::Storage("broken".into()));
        talk.refuse.extend([broken(), broken(), broken()]);
        talk.proven(&format!("{}<Final/>", replace(3, SECRET, "new")));
        assert_eq!(talk.outcome, Some(Dm1Outcome::Lost(broken())));
        assert_eq!(talk.sent.len(), 1);
    }
}

#[test]
fn user_alerts_are_asked_and_are_406_where_nobody_can_be() {
    let alert = "<Alert><CmdID>3</CmdID><Data>1102</Data><Item><Data>MAXDT=10</Data></Item><Item><Data>PIN?</Data></Item></Alert>";
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.user = true;
        let mut talk = start_on(device(&Shape::default()), with);
        talk.user = UserAnswer::Text("1234".into());
        talk.proven(&format!("{alert}{}<Final/>", get(4, NAME)));
        let Command::Status(status) = &talk.last().commands[1] else {
            panic!("no status");
        };
        assert_eq!(status.code, Some(StatusCode::OK));
        assert_eq!(status.items, [Item::of("1234")]);
        assert_eq!(talk.statuses()[2], ("4".into(), 200));
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&format!("{alert}<Final/>"));
        assert_eq!(talk.statuses()[1], ("3".into(), 406));
        assert!(
            !talk
                .effects
                .iter()
                .any(|effect| matches!(effect, Dm1Effect::AskUser(..)))
        );
    }
}

#[test]
fn waiting_alerts_go_along_and_each_is_told_once_it_is_answered_for_good() {
    let generic = |name: &str| Alert {
        cmd_id: None,
        code: Some(AlertCode::GENERIC_ALERT),
        correlator: Some("c1".into()),
        items: vec![Item {
            source: Some(Location::new("./GPS/1")),
            meta: Meta {
                r#type: Some(name.into()),
                format: Some("chr".into()),
                ..Meta::default()
            },
            data: Some(Data::from("1")),
            ..Item::default()
        }],
    };
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.alerts = ["a", "b", "c"].map(generic).into();
        let mut talk = start_on(device(&Shape::default()), with);
        assert_eq!(talk.alerts(1226).count(), 3);
        let ids: Vec<_> = talk
            .alerts(1226)
            .map(|a| a.cmd_id.clone().unwrap())
            .collect();
        let status = |n: usize, code: u16| {
            let of = ids[n].as_str();
            format!(
                "<Status><CmdID>9</CmdID><MsgRef>1</MsgRef><CmdRef>{of}</CmdRef><Cmd>Alert</Cmd><Data>{code}</Data></Status>"
            )
        };
        let statuses = [status(2, 415), status(0, 200), status(1, 500)].concat();
        talk.proven(&format!("{statuses}<Final/>"));
        let told: Vec<_> = talk
            .events
            .iter()
            .filter_map(|event| match event {
                Dm1SessionEvent::AlertAnswered { index, status } => Some((*index, status.0)),
                _ => None,
            })
            .collect();
        assert_eq!(told, [(2, 415), (0, 200)]);
    }
}

#[test]
fn the_devices_own_objects_are_read_where_dm_1_x_has_them() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let gets = get(3, "./DevInfo/DevId") + &get(4, "./DevDetail/LrgObj");
        talk.proven(&format!("{gets}<Final/>"));
        assert_eq!(texts(&talk.last().commands), [DEVICE, "true"]);
    }
}

#[test]
fn the_session_begins_with_the_account_and_without_one_not_at_all() {
    let talk = start(&owed(), Encoding::Wbxml);
    let begun = Dm1SessionEvent::Started {
        server: support_dm1::srv(),
        event: true,
    };
    assert_eq!(talk.events[0], begun);
    assert_eq!(talk.account().srv_id.as_str(), SRV);
    let nobody = omadm_bootstrap::MemoryDevice::new(1);
    let none: Talk = start_on(nobody, opening(Encoding::Wbxml));
    assert_eq!(none.outcome, Some(Dm1Outcome::NoAccount));
}
