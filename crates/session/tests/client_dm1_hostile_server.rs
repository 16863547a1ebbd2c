//! What a server can do wrong in a DM 1.x session, by accident or on purpose (`dm1x.md` §1.8, §1.11, M03, M10). Every row in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support_dm1;

use omadm_dm1::syncml::Encoding;
use omadm_session::client::dm1::{Dm1Effect, Dm1Fault, Dm1Input, Dm1Outcome};
use support_dm1::{
    BOTH, SERVER_NONCE, Shape, Talk, device, document, get, in_encoding, meta, opening, replace,
    server_cred, start, start_on,
};

const NAME: &str = "./DMAcc/1/Name";
const SECRET: &str = "./DMAcc/1/AppAuth/CLCRED/AAuthSecret";

fn wrote(talk: &Talk) -> bool {
    talk.effects
        .iter()
        .any(|effect| matches!(effect, Dm1Effect::Apply(_, plan) if !plan.steps.is_empty()))
}

fn session(talk: &Talk) -> String {
    talk.last().header.session_id.clone()
}

#[test]
fn an_answer_that_is_no_message_ends_the_session() {
    let bodies: [&[u8]; 9] = [
        b"",
        b"not markup",
        b"<html><body>Proxy</body></html>",
        b"<SyncML>",
        b"<SyncML><SyncBody><Final/></SyncBody></SyncML>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><SyncML>&b;</SyncML>",
        &[0x02, 0xa4],
        &[0x03, 0x01, 0x6a, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xff; 40],
    ];
    for encoding in BOTH {
        for body in bodies {
            let mut talk = start(&Shape::default(), encoding);
            talk.octets(body.to_vec(), None);
            let ended = matches!(
                talk.outcome,
                Some(Dm1Outcome::Fault(Dm1Fault::Unreadable(_)))
            );
            assert!(ended, "{body:?}: {:?}", talk.outcome);
            assert_eq!(talk.sent.len(), 1);
            assert!(!wrote(&talk));
        }
    }
}

#[test]
fn m10_a_broken_body_behind_a_good_header_gets_400_and_alert_1223() {
    let mut talk = start(&Shape::default(), Encoding::Xml);
    let good = talk.xml(&server_cred(SERVER_NONCE), &replace(3, SECRET, "x"));
    let mut text = String::from_utf8(good).unwrap();
    text = text.replace("</SyncBody>", "<Alert></SyncBody>");
    talk.octets(text.into_bytes(), None);
    assert_eq!(talk.statuses(), [("0".into(), 400)]);
    assert_eq!(talk.alerts(1223).count(), 1);
    assert!(talk.last().r#final);
    talk.http(200);
    assert!(matches!(
        talk.outcome,
        Some(Dm1Outcome::Fault(Dm1Fault::Unreadable(_)))
    ));
    assert!(!wrote(&talk));
}

#[test]
fn an_unknown_version_gets_505_or_513_and_nothing_is_carried_out() {
    for encoding in BOTH {
        for (from, to, code, fault) in [
            ("<VerDTD>1.2", "<VerDTD>2.0", 505, Dm1Fault::DtdVersion),
            ("DM/1.2", "DM/2.0", 513, Dm1Fault::ProtocolVersion),
            ("DM/1.2", "SyncML/1.2", 513, Dm1Fault::ProtocolVersion),
        ] {
            let mut talk = start(&Shape::default(), encoding);
            let body = document(
                &session(&talk),
                1,
                &server_cred(SERVER_NONCE),
                &replace(3, SECRET, "x"),
                Encoding::Xml,
            );
            let text = String::from_utf8(body).unwrap().replace(from, to);
            talk.octets(in_encoding(&text, encoding), None);
            assert_eq!(talk.statuses(), [("0".into(), code)]);
            assert_eq!(talk.alerts(1223).count(), 1);
            talk.http(200);
            assert_eq!(talk.outcome, Some(Dm1Outcome::Fault(fault)));
            assert!(!wrote(&talk));
        }
        let mut talk = start(&Shape::default(), encoding);
        let body = document(
            &session(&talk),
            1,
            &server_cred(SERVER_NONCE),
            &get(3, NAME),
            Encoding::Xml,
        );
        let text = String::from_utf8(body).unwrap();
        let text = text
            .replace("<VerDTD>1.2", "<VerDTD> 1.3")
            .replace("DM/1.2", "DM/1.3");
        talk.octets(in_encoding(&text, encoding), None);
        assert_eq!(talk.statuses()[1], ("3".into(), 200));
    }
}

#[test]
fn an_answer_of_another_session_is_not_answered() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let body = document(
            "other",
            1,
            &server_cred(SERVER_NONCE),
            &replace(3, SECRET, "x"),
            encoding,
        );
        talk.octets(body, None);
        assert_eq!(talk.outcome, Some(Dm1Outcome::Fault(Dm1Fault::Session)));
        assert_eq!(talk.sent.len(), 1);
    }
}

#[test]
fn m03_msg_ids_may_leave_gaps_and_never_fall() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.server_msg = 6;
        talk.proven(&get(3, NAME));
        talk.server_msg = 40;
        talk.answer("", &get(3, NAME));
        assert_eq!(talk.statuses()[1], ("3".into(), 200));
        for msg_id in [41, 3, 0] {
            let mut talk = start(&Shape::default(), encoding);
            talk.server_msg = 40;
            talk.proven(&get(3, NAME));
            let body = document(
                &session(&talk),
                msg_id,
                "",
                &replace(3, SECRET, "x"),
                encoding,
            );
            talk.octets(body, None);
            assert_eq!(talk.statuses(), [("0".into(), 400)]);
            assert_eq!(talk.alerts(1223).count(), 1);
            talk.http(200);
            assert_eq!(talk.outcome, Some(Dm1Outcome::Fault(Dm1Fault::MsgId)));
        }
    }
}

#[test]
fn a_message_over_the_announced_size_is_not_read() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let long = replace(3, SECRET, &"x".repeat(70_000));
        let body = talk.xml(&server_cred(SERVER_NONCE), &long);
        talk.octets(body, None);
        assert!(matches!(
            talk.outcome,
            Some(Dm1Outcome::Fault(Dm1Fault::Unreadable(_)))
        ));
        assert!(!wrote(&talk));
    }
}

#[test]
fn commands_that_are_none_or_lack_something_get_a_status_and_no_effect() {
    for encoding in BOTH {
        let rows = [
            (
                "<Put><CmdID>3</CmdID><Item><Data>x</Data></Item></Put>",
                &[406, 501][..],
            ),
            ("<Search><CmdID>3</CmdID></Search>", &[406, 501]),
            (
                "<Results><CmdID>3</CmdID><CmdRef>1</CmdRef><Item><Data>x</Data></Item></Results>",
                &[406],
            ),
            ("<Alert><CmdID>3</CmdID><Data>1221</Data></Alert>", &[406]),
            ("<Alert><CmdID>3</CmdID><Data>1201</Data></Alert>", &[406]),
            ("<Alert><CmdID>3</CmdID></Alert>", &[406, 412]),
            ("<Alert><CmdID>3</CmdID><Data>1226</Data></Alert>", &[406]),
            (
                "<Get><Item><Target><LocURI>./DMAcc/1/Name</LocURI></Target></Item></Get>",
                &[400, 412],
            ),
            ("<Alert><Data>1100</Data></Alert>", &[400, 412]),
        ];
        for (command, codes) in rows {
            let mut talk = start(&Shape::default(), encoding);
            talk.proven(&format!("{command}<Final/>"));
            let statuses = talk.statuses();
            assert_eq!(statuses.len(), 2, "{command}");
            assert!(codes.contains(&statuses[1].1), "{command}: {statuses:?}");
            assert!(talk.last().r#final);
        }
    }
}

#[test]
fn a_server_that_never_comes_to_an_end_is_left() {
    for encoding in BOTH {
        let mut with = opening(encoding);
        with.limits.messages = 20;
        let mut talk = start_on(device(&Shape::default()), with);
        talk.proven("");
        for _ in 0..30 {
            if talk.outcome.is_none() {
                talk.answer("", "");
            }
        }
        assert_eq!(talk.outcome, Some(Dm1Outcome::Fault(Dm1Fault::Endless)));
        assert_eq!(talk.sent.len(), 20);
    }
}

#[test]
fn endless_more_data_is_stopped_by_the_size_that_was_announced() {
    let chunk = |size: &str| {
        let text = "x".repeat(4000);
        format!(
            "<Replace><CmdID>3</CmdID><Item><Target><LocURI>{SECRET}</LocURI></Target>{size}<Data>{text}</Data><MoreData/></Item></Replace>"
        )
    };
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&chunk(&meta("Size=9000")));
        talk.answer("", &chunk(""));
        talk.answer("", &chunk(""));
        assert_eq!(talk.statuses()[1], ("3".into(), 424));
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&chunk(&meta("Size=99999999")));
        assert_eq!(talk.statuses()[1], ("3".into(), 413));
        assert_eq!(
            talk.leaf("AppAuth/CLCRED/AAuthSecret").as_deref(),
            Some("clientSecret#1")
        );
    }
}

#[test]
fn an_abort_is_not_answered_and_what_it_settles_is_stored() {
    let abort = "<Alert><CmdID>3</CmdID><Data>1223</Data></Alert><Final/>";
    for encoding in BOTH {
        let mut talk = start(
            &Shape {
                owed: true,
                ..Shape::default()
            },
            encoding,
        );
        let event = talk.event_status(200);
        talk.proven(&format!("{event}{}{abort}", replace(2, SECRET, "x")));
        assert_eq!(talk.outcome, Some(Dm1Outcome::Aborted));
        assert_eq!(talk.sent.len(), 1);
        assert!(talk.account().owed.is_none());
        assert_eq!(
            talk.leaf("AppAuth/CLCRED/AAuthSecret").as_deref(),
            Some("clientSecret#1")
        );
        let mut stranger = start(&Shape::default(), encoding);
        stranger.answer("", abort);
        assert_eq!(stranger.outcome, Some(Dm1Outcome::Aborted));
    }
}

#[test]
fn a_status_that_refuses_the_header_ends_the_session() {
    for encoding in BOTH {
        for code in [400, 500, 503, 505, 513] {
            let mut talk = start(&Shape::default(), encoding);
            let refused = talk.header_status(code, "");
            talk.answer(
                &server_cred(SERVER_NONCE),
                &format!("{refused}{}", replace(3, SECRET, "x")),
            );
            assert!(
                matches!(talk.outcome, Some(Dm1Outcome::HeaderRefused(told)) if told.0 == code)
            );
            assert!(!wrote(&talk));
        }
    }
}

#[test]
fn a_challenge_that_cannot_be_answered_ends_the_session() {
    for encoding in BOTH {
        for chal in [
            String::new(),
            "<Chal/>".into(),
            support_dm1::chal("X509", b"nonce"),
        ] {
            let mut talk = start(&Shape::default(), encoding);
            let refused = talk.header_status(407, &chal);
            talk.answer("", &refused);
            assert_eq!(talk.outcome, Some(Dm1Outcome::NotBelieved));
            assert_eq!(talk.sent.len(), 1);
        }
    }
}

#[test]
fn a_server_that_takes_next_to_nothing_is_left() {
    for encoding in BOTH {
        for max in [0, 1, 511, 600] {
            let mut talk = start(&Shape::default(), encoding);
            let header = server_cred(SERVER_NONCE) + &meta(&format!("MaxMsgSize={max}"));
            let taken = talk.header_status(212, "");
            talk.answer(&header, &format!("{taken}{}<Final/>", get(3, NAME)));
            match &talk.outcome {
                Some(outcome) => {
                    assert_eq!(*outcome, Dm1Outcome::Fault(Dm1Fault::MaxMsgSize(max)));
                }
                None => assert!(talk.request().body.len() as u64 <= max),
            }
        }
    }
}

#[test]
fn an_answer_nobody_waits_for_is_passed_over_and_a_cancelled_session_is_over() {
    let mut talk = start(&Shape::default(), Encoding::Wbxml);
    let id = omadm_session::client::EffectId(99);
    talk.input(Dm1Input::ApplyDone(id, Ok(omadm_mo::TreeVersion(1))));
    assert_eq!(talk.outcome, None);
    talk.input(Dm1Input::Cancel);
    assert_eq!(talk.outcome, Some(Dm1Outcome::Cancelled));
    talk.http(200);
    assert_eq!(talk.sent.len(), 1);
}
