//! Bad input: each has its answer, and none has an effect (§1.1, M03, M10, M13).

use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Alert, AlertCode, Command, Encoding, Message, NodeCommand, StatusCode};
use omadm_session::server::dm1::{
    AbortReason, Aborter, Dm1Event, Dm1Refusal, Dm1SessionState, Irregularity, MessageRefusal,
    identify,
};

use crate::bed::{Bed, ENCODINGS, Say, get, nonce, opened, proven, replace};

#[test]
fn m10_a_body_without_readable_header_is_refused_by_http_and_one_that_is_too_large_too() {
    let limits = MarkupLimits {
        octets: 1000,
        depth: 32,
    };
    let large = [b"<SyncML>".as_slice(), &[b' '; 1000]].concat();
    for (encoding, body, status) in [
        (Encoding::Xml, &b""[..], 400),
        (Encoding::Xml, b"<SyncML><SyncHdr>", 400),
        (Encoding::Xml, b"<Other/>", 400),
        (
            Encoding::Xml,
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><SyncML>&b;</SyncML>",
            400,
        ),
        (Encoding::Wbxml, b"\x02\xa4\x01\x6a\x00\x6d", 400),
        (Encoding::Wbxml, b"\xff\xff\xff", 400),
        (Encoding::Xml, &large, 413),
    ] {
        let refusal = identify(body, encoding, limits).map(|_| ());
        assert_eq!(
            refusal.as_ref().map_err(Dm1Refusal::http_status),
            Err(status)
        );
    }
}

/// A message whose body breaks off behind its header.
fn broken(say: &Say, encoding: Encoding) -> Vec<u8> {
    let mut octets = say.octets(encoding);
    match encoding {
        Encoding::Xml => {
            let text = String::from_utf8(octets).unwrap();
            text.replacen("<SyncBody>", "<SyncBody><Alert", 1)
                .into_bytes()
        }
        Encoding::Wbxml => {
            octets.truncate(octets.len() - 3);
            octets
        }
    }
}

#[test]
fn m10_a_readable_header_with_a_broken_body_is_answered_400_with_an_abort_and_nothing_is_done() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let right = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
        let answer = bed.post(&broken(&right, encoding), None, None);
        assert_eq!((answer.code(), answer.alerts()), (400, vec![1223]));
        assert!(answer.message.r#final && bed.state.is_none());
        assert!(matches!(
            bed.events[..],
            [Dm1Event::Refused(MessageRefusal::Unreadable(_))]
        ));
        assert!(
            bed.account.client_nonces.package.is_some(),
            "nothing was consumed"
        );
        bed.want("1", get("./A"));
        let answer = bed.say(&right, None);
        let next = Say::new("A5", 2)
            .header(&answer, 212, None)
            .all(&answer, 200);
        let said = bed.post(&broken(&next, encoding), Some(&answer.token()), None);
        assert_eq!((said.code(), said.alerts()), (400, vec![1223]));
        let is_it = |event: &Dm1Event| {
            let Dm1Event::Aborted { by } = event else {
                return false;
            };
            matches!(by, Aborter::Server(AbortReason::Unreadable(_)))
        };
        assert!(bed.events.iter().any(is_it) && bed.state.unwrap().ended);
    }
}

#[test]
fn unspoken_versions_are_told_and_nothing_else() {
    for encoding in ENCODINGS {
        for (dtd, proto, code) in [
            ("1.1", "DM/1.2", 505),
            ("2.0", "DM/1.2", 505),
            ("1.2", "DM/1.1", 513),
            ("1.2", "DM/2.0", 513),
            ("1.2", "SyncML/1.2", 513),
            ("1.3", "DM/1.3", 212),
        ] {
            let mut bed = Bed::new(encoding);
            let mut say = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
            say.message.header.ver_dtd = dtd.into();
            say.message.header.ver_proto = proto.into();
            let answer = bed.say(&say, None);
            assert_eq!(answer.code(), code, "{dtd} {proto}");
            assert_eq!(bed.state.is_some(), code == 212);
            let why = match code {
                505 => Some(MessageRefusal::VerDtd(dtd.into())),
                513 => Some(MessageRefusal::VerProto(proto.into())),
                _ => None,
            };
            assert!(why.is_none_or(|why| bed.events == [Dm1Event::Refused(why)]));
            assert!(answer.commands().is_empty() && answer.message.r#final);
        }
    }
}

#[test]
fn commands_that_a_client_does_not_send_have_their_status() {
    for encoding in ENCODINGS {
        let strange: [(Command, u16); 9] = [
            (get("./A"), 406),
            (Command::Exec(Default::default()), 406),
            (Command::Atomic(Default::default()), 406),
            (replace("./X", "1"), 405),
            (Command::Replace(NodeCommand::default()), 412),
            (alert(None), 412),
            (alert(Some(AlertCode(1221))), 406),
            (alert(Some(AlertCode::DISPLAY)), 406),
            (alert(Some(AlertCode::GENERIC_ALERT)), 412),
        ];
        let mut bed = Bed::new(encoding);
        for (at, (command, code)) in strange.into_iter().enumerate() {
            let more = |mut say: Say| {
                let mut command = command.clone();
                number(&mut command, say.id());
                say.message.commands.push(command);
                say
            };
            let answer = proven(&mut bed, &format!("{at:X}"), "client boot", more);
            assert_eq!(answer.codes(), [200, 200, code], "{command:?}");
        }
        let without = |mut say: Say| {
            say.message.commands.push(get("./A"));
            say
        };
        let answer = proven(&mut bed, "F0", "client boot", without);
        assert_eq!(answer.codes(), [200, 200, 400]);
        let status = answer.statuses().last().unwrap();
        assert_eq!(
            (&status.cmd_ref, status.cmd.as_deref()),
            (&None, Some("Get")),
            "no CmdID to refer to"
        );
    }
}

fn alert(code: Option<AlertCode>) -> Command {
    Command::Alert(Alert {
        cmd_id: None,
        code,
        correlator: None,
        items: Vec::new(),
    })
}

fn number(command: &mut Command, id: Option<omadm_dm1::syncml::CmdId>) {
    match command {
        Command::Get(one) | Command::Replace(one) => one.cmd_id = id,
        Command::Exec(exec) => exec.cmd_id = id,
        Command::Atomic(group) => group.cmd_id = id,
        Command::Alert(alert) => alert.cmd_id = id,
        Command::Other(other) => other.cmd_id = id,
        _ => {}
    }
}

#[test]
fn commands_that_nobody_knows_are_501_and_those_that_dm_leaves_out_406() {
    for (name, code) in [
        ("Sync", 406),
        ("Map", 406),
        ("Search", 406),
        ("Frobnicate", 501),
    ] {
        let mut bed = Bed::new(Encoding::Xml);
        let say = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
        let text = String::from_utf8(say.octets(Encoding::Xml)).unwrap();
        let strange =
            format!("<{name}><CmdID>77</CmdID><Item><Data>x</Data></Item></{name}><Final");
        let text = text.replacen("<Final", &strange, 1);
        let answer = bed.post(text.as_bytes(), None, None);
        assert_eq!(answer.codes(), [200, 200, code], "{name}");
        let (command, code) = (name.to_owned(), StatusCode(code));
        let refused = Irregularity::CommandRefused { command, code };
        assert!(bed.has(&Dm1Event::Irregular(refused)));
    }
}

#[test]
fn m13_commands_of_one_cmd_id_are_carried_out_in_order_and_told() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let mut say = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
        let first = say.message.commands[0].cmd_id().cloned();
        number(&mut say.message.commands[1], first.clone());
        let answer = bed.say(&say, None);
        assert_eq!(answer.codes(), [200, 200]);
        let id = first.unwrap().as_str().to_owned();
        let repeated = Dm1Event::Irregular(Irregularity::CmdIdRepeated(id));
        assert!(bed.has(&repeated), "{:?}", bed.events);
        assert!(bed.delta.dev_info.is_some());
    }
}

#[test]
fn a_message_that_is_owed_too_many_statuses_or_has_too_many_items_is_not_carried_out() {
    for encoding in ENCODINGS {
        for (count, code) in [(300, 413), (5000, 400)] {
            let mut bed = Bed::new(encoding);
            let mut say = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
            for _ in 0..count {
                say = say.alert(AlertCode::NEXT_MESSAGE);
            }
            let answer = bed.say(&say, None);
            assert_eq!((answer.code(), answer.alerts()), (code, vec![1223]));
            assert!(answer.body.len() < 65_536 && bed.delta.dev_info.is_none());
        }
        let mut bed = Bed::new(encoding);
        let mut stranger = Say::package1("A5", 1);
        for _ in 0..3000 {
            stranger = stranger.alert(AlertCode::NEXT_MESSAGE);
        }
        assert!(bed.say(&stranger, None).body.len() < 65_536);
    }
}

#[test]
fn a_client_that_never_sends_final_is_aborted() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.server.limits.messages = 5;
        bed.want("1", get("./A"));
        let mut answer = opened(&mut bed);
        let token = answer.token();
        for msg_id in 2..=6 {
            assert!(bed.state.as_ref().is_some_and(|state| !state.ended));
            answer = bed.say(
                &Say::new("A5", msg_id).header(&answer, 212, None).open(),
                Some(&token),
            );
        }
        assert_eq!(answer.alerts(), [1222]);
        answer = bed.say(
            &Say::new("A5", 7).header(&answer, 212, None).open(),
            Some(&token),
        );
        assert_eq!(answer.alerts(), [1223]);
        let by = Aborter::Server(AbortReason::Endless);
        assert!(bed.has(&Dm1Event::Aborted { by }));
        assert!(bed.outcome("1").is_some());
    }
}

#[test]
fn a_stored_session_is_read_as_written_and_of_another_version_not_at_all() {
    let mut bed = Bed::new(ENCODINGS[0]);
    bed.want("1", get("./A"));
    opened(&mut bed);
    let state = bed.state.unwrap();
    let text = String::from_utf8(state.to_text().expose().to_vec()).unwrap();
    assert_eq!(
        Dm1SessionState::from_text(text.as_bytes()),
        Ok(state.clone())
    );
    assert_eq!(state.open_commands().collect::<Vec<_>>(), ["1"]);
    let later = text.replacen("\"version\":1", "\"version\":9", 1);
    let refused = Dm1SessionState::from_text(later.as_bytes()).map_err(|error| error.found);
    assert_eq!(refused, Err(Some(9)));
    assert!(Dm1SessionState::from_text(b"{}").is_err());
    assert!(
        !format!("{state:?}").contains("s="),
        "its token is not shown"
    );
}

#[test]
fn what_a_client_writes_into_its_header_cannot_break_the_answer() {
    let mut bed = Bed::new(Encoding::Wbxml);
    let mut say = Say::package1("A\u{1}5", 1);
    say.message.header.source.uri = "IMEI:\u{2}<&>1".into();
    let octets = say.octets(Encoding::Wbxml);
    let answer = bed.post(&octets, None, None);
    assert_eq!(answer.code(), 407);
    assert!(Message::decode(&answer.body, Encoding::Wbxml, MarkupLimits::MESSAGE).is_ok());
}
