//! Who believes whom in a DM 1.x session (`dm1x.md` §3.2, M15 to M22). Every row in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support_dm1;

use omadm_bootstrap::plan::PlanStep;
use omadm_dm1::syncml::{Command, Encoding};
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::client::dm1::{Dm1Effect, Dm1Fault, Dm1Outcome};
use support_dm1::{
    BOTH, CLIENT_NONCE, DEVICE, SERVER_NONCE, Shape, Talk, chal, client_digest, client_mac_is,
    cred, get, opening, replace, server_basic, server_cred, server_mac, start, start_on,
};

const NAME: &str = "./DMAcc/1/Name";
const SECRET: &str = "./DMAcc/1/AppAuth/CLCRED/AAuthSecret";

fn digest(talk: &Talk) -> Option<String> {
    let cred = talk.last().header.cred.as_ref()?;
    Some(cred.data.text().unwrap().to_owned())
}

/// Whether anything was written or executed.
fn touched(talk: &Talk) -> bool {
    talk.effects.iter().any(|effect| match effect {
        Dm1Effect::Exec(..) | Dm1Effect::AskUser(..) => true,
        Dm1Effect::Apply(_, plan) => !plan.steps.is_empty(),
        _ => false,
    })
}

#[test]
fn the_first_message_proves_itself_where_the_account_prefers_a_type() {
    for encoding in BOTH {
        let talk = start(&Shape::default(), encoding);
        assert_eq!(digest(&talk), Some(client_digest(CLIENT_NONCE)));
        assert_eq!(talk.last().header.source.uri, DEVICE);
        assert_eq!(talk.last().header.source.name.as_deref(), Some(DEVICE));
        let silent = start(
            &Shape {
                pref: None,
                ..Shape::default()
            },
            encoding,
        );
        assert_eq!(digest(&silent), None);
    }
}

#[test]
fn m18_a_challenge_is_answered_with_its_nonce_by_the_same_message_under_the_next_number() {
    for encoding in BOTH {
        let mut talk = start(
            &Shape {
                owed: true,
                ..Shape::default()
            },
            encoding,
        );
        let first = talk.last().clone();
        for (n, nonce) in [(2, b"first challenge"), (3, b"other challenge")] {
            let refused = talk.header_status(401, &chal("md5", nonce));
            talk.answer("", &refused);
            let again = talk.last();
            assert_eq!(again.header.msg_id, n);
            assert_eq!(again.header.session_id, first.header.session_id);
            assert_eq!(digest(&talk), Some(client_digest(nonce)));
            // Status of the server's header, then what the first message held.
            assert_eq!(talk.statuses(), [("0".into(), 200)]);
            assert_eq!(again.commands.len(), first.commands.len() + 1);
            assert_eq!(talk.alerts(1226).count(), 1);
            assert!(again.r#final);
        }
        assert_eq!(
            talk.nonce("CLCRED"),
            CLIENT_NONCE,
            "a challenge is not stored"
        );
    }
}

#[test]
fn m20_after_three_credentials_the_session_ends_and_is_counted() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        for nonce in [b"nonce 1", b"nonce 2", b"nonce 3"] {
            assert_eq!(talk.outcome, None);
            let refused = talk.header_status(401, &chal("md5", nonce));
            talk.answer("", &refused);
        }
        assert_eq!(talk.outcome, Some(Dm1Outcome::NotBelieved));
        assert_eq!(talk.sent.len(), 3);
        assert_eq!(talk.account().dm1.exhausted, 1);
        let device = talk.device;
        let mut next = start_on(device, opening(encoding));
        next.proven("");
        assert_eq!(next.account().dm1.exhausted, 0);
    }
}

#[test]
fn m19_a_weaker_credential_than_the_accounts_is_never_given() {
    let digest = Some(AuthType1::Digest);
    let rows = [
        (digest, Some("DIGEST"), "basic"),
        (Some(AuthType1::Hmac), Some("HMAC"), "md5"),
        (Some(AuthType1::Hmac), None, "md5"),
    ];
    for encoding in BOTH {
        for (client, pref, asked) in rows {
            let mut talk = start(
                &Shape {
                    client,
                    pref,
                    ..Shape::default()
                },
                encoding,
            );
            let refused = talk.header_status(407, &chal(asked, b"nonce"));
            talk.answer("", &refused);
            assert_eq!(talk.outcome, Some(Dm1Outcome::WeakerAsked), "{asked}");
            assert_eq!(talk.sent.len(), 1);
        }
        let open = Shape {
            client: Some(AuthType1::Basic),
            pref: Some("BASIC"),
            url: "http://dms.example.com/dm",
            ..Shape::default()
        };
        let mut talk = start(&open, encoding);
        assert!(talk.last().header.cred.is_none(), "not without TLS");
        let refused = talk.header_status(407, &chal("basic", b"nonce"));
        talk.answer("", &refused);
        assert_eq!(talk.outcome, Some(Dm1Outcome::WeakerAsked));
    }
}

#[test]
fn a_stronger_credential_is_given_where_it_is_asked_for() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let asked = talk.header_status(401, &chal("MAC", b"nonce for a MAC"));
        talk.answer("", &asked);
        assert!(talk.last().header.cred.is_none());
        assert!(client_mac_is(talk.request(), b"nonce for a MAC"));
    }
}

#[test]
fn m18_after_212_no_credential_is_sent_and_the_nonce_is_stored_for_the_next_session() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let taken = talk.header_status(212, &chal("md5", b"nonce of the next session"));
        talk.answer(
            &server_cred(SERVER_NONCE),
            &format!("{taken}{}", get(3, NAME)),
        );
        assert_eq!(digest(&talk), None);
        assert_eq!(talk.nonce("CLCRED"), b"nonce of the next session");
        let next = start_on(talk.device, opening(encoding));
        assert_eq!(
            digest(&next),
            Some(client_digest(b"nonce of the next session"))
        );
    }
}

#[test]
fn m18_after_200_the_next_message_proves_itself_again_and_nothing_is_stored() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let taken = talk.header_status(200, &chal("md5", b"nonce of the next message"));
        talk.answer(
            &server_cred(SERVER_NONCE),
            &format!("{taken}{}", get(3, NAME)),
        );
        assert_eq!(
            digest(&talk),
            Some(client_digest(b"nonce of the next message"))
        );
        assert_eq!(talk.nonce("CLCRED"), CLIENT_NONCE);
        let taken = talk.header_status(200, "");
        talk.answer("", &format!("{taken}{}", get(3, NAME)));
        let same = Some(client_digest(b"nonce of the next message"));
        assert_eq!(digest(&talk), same, "without a challenge the same nonce");
    }
}

#[test]
fn m18_a_nonce_of_a_server_that_is_not_proven_is_not_stored() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let taken = talk.header_status(212, &chal("md5", b"nonce of a stranger"));
        talk.answer("", &taken);
        assert_eq!(talk.nonce("CLCRED"), CLIENT_NONCE);
        let end = Dm1Outcome::Ended {
            server_proven: false,
        };
        assert_eq!(talk.outcome, Some(end));
    }
}

/// What a server that is not proven may send: no credential, or a wrong one.
#[test]
fn a_command_of_a_server_that_is_not_proven_is_not_carried_out() {
    let wrong = [
        ("", 407),
        (&*server_cred(b"another nonce"), 401),
        (&*cred("md5", "bm8gZGlnZXN0"), 401),
        (&*server_basic(), 401),
        (&*cred("unknown", "AAAA"), 401),
        ("<Cred><Data>AAAA</Data></Cred>", 401),
    ]
    .map(|(header, code)| (header.to_owned(), code));
    for encoding in BOTH {
        for (header, code) in &wrong {
            let mut talk = start(
                &Shape {
                    owed: true,
                    ..Shape::default()
                },
                encoding,
            );
            let taken = talk.header_status(212, "") + &talk.event_status(200);
            let commands = replace(5, SECRET, "stolen") + &get(6, NAME);
            let exec = "<Exec><CmdID>7</CmdID><Item><Target><LocURI>./DMAcc/1</LocURI></Target></Item></Exec>";
            talk.answer(header, &format!("{taken}{commands}{exec}<Final/>"));
            assert!(!touched(&talk));
            assert!(
                talk.account().owed.is_some(),
                "its status does not count (M27)"
            );
            let rows = [("0", *code), ("5", *code), ("6", *code), ("7", *code)];
            let rows = rows.map(|(of, code)| (of.to_owned(), code));
            assert_eq!(talk.statuses(), rows);
            assert!(talk.challenge().is_some());
            assert!(talk.last().r#final);
        }
    }
}

#[test]
fn m06_a_server_that_was_challenged_repeats_itself_and_its_late_statuses_count() {
    for encoding in BOTH {
        let mut talk = start(
            &Shape {
                owed: true,
                ..Shape::default()
            },
            encoding,
        );
        let late = talk.event_status(200);
        let taken = talk.header_status(212, "");
        let stale = server_cred(b"a stale nonce");
        talk.answer(
            &stale,
            &format!("{taken}{late}{}<Final/>", replace(5, SECRET, "new")),
        );
        let nonce = talk.challenge().unwrap();
        let taken = talk.header_status(200, "");
        let fresh = server_cred(nonce.octets());
        talk.answer(&fresh, &format!("{taken}{late}{}<Final/>", get(7, NAME)));
        assert!(talk.account().owed.is_none());
        assert_eq!(talk.statuses()[..2], [("0".into(), 212), ("7".into(), 200)]);
        // The nonce it used is kept beside the new one (M17).
        let previous = talk.account().dm1.previous_server_nonce;
        assert_eq!(previous, Some(nonce));
    }
}

#[test]
fn a_digest_on_an_old_nonce_is_wrong_once_a_challenge_was_given() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        let taken = talk.header_status(212, "");
        talk.answer("", &format!("{taken}{}<Final/>", get(5, NAME)));
        assert!(talk.challenge().is_some());
        let taken = talk.header_status(200, "");
        talk.answer(
            &server_cred(SERVER_NONCE),
            &format!("{taken}{}<Final/>", get(5, NAME)),
        );
        assert_eq!(talk.statuses()[0], ("0".into(), 401));
    }
}

#[test]
fn m20_a_server_is_challenged_twice_and_then_left_with_alert_1223() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        for _ in 0..3 {
            let taken = talk.header_status(200, "");
            let wrong = server_cred(b"wrong");
            talk.answer(
                &wrong,
                &format!("{taken}{}<Final/>", replace(5, SECRET, "stolen")),
            );
        }
        assert_eq!(talk.statuses(), [("0".into(), 401), ("5".into(), 401)]);
        assert!(talk.challenge().is_some(), "401 always has one");
        assert_eq!(talk.alerts(1223).count(), 1);
        assert_eq!(talk.outcome, None);
        talk.http(200);
        assert_eq!(talk.outcome, Some(Dm1Outcome::ServerNotProven));
        assert_eq!(talk.account().dm1.exhausted, 1);
        assert!(!touched(&talk));
    }
}

#[test]
fn m17_the_nonce_for_the_server_is_stored_before_its_message_leaves_and_the_one_before_stays_valid()
{
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&get(3, NAME));
        let next = talk.challenge().unwrap();
        assert_eq!(talk.statuses()[0], ("0".into(), 212));
        assert_eq!(talk.nonce("SRVCRED"), next.octets());
        let stored = talk.effects.iter().rposition(|effect| match effect {
            Dm1Effect::Apply(_, plan) => plan.steps.iter().any(|step| {
                matches!(step, PlanStep::Replace { at, .. } if at.path.to_string().contains("SRVCRED"))
            }),
            _ => false,
        });
        let sent = talk
            .effects
            .iter()
            .rposition(|effect| matches!(effect, Dm1Effect::Send(_)));
        assert!(stored.unwrap() < sent.unwrap());
        // The message was lost: the server goes on with the nonce before.
        for (nonce, proven) in [(SERVER_NONCE, true), (next.octets(), true), (b"x", false)] {
            let mut session = start_on(talk.device.clone(), opening(encoding));
            let taken = session.header_status(212, "");
            session.answer(&server_cred(nonce), &format!("{taken}<Final/>"));
            let end = Dm1Outcome::Ended {
                server_proven: proven,
            };
            assert_eq!(session.outcome, Some(end));
        }
    }
}

#[test]
fn m17_no_message_is_sent_for_a_nonce_alone() {
    for encoding in BOTH {
        let mut talk = start(&Shape::default(), encoding);
        talk.proven("<Final/>");
        assert_eq!(talk.sent.len(), 1);
        assert_eq!(talk.nonce("SRVCRED"), SERVER_NONCE);
    }
}

fn mac_shape() -> Shape {
    Shape {
        client: Some(AuthType1::Hmac),
        server: Some(AuthType1::Hmac),
        pref: Some("HMAC"),
        ..Shape::default()
    }
}

#[test]
fn m22_macs_prove_every_message_both_ways_each_with_the_last_nonce() {
    for encoding in BOTH {
        let mut talk = start(&mac_shape(), encoding);
        assert!(client_mac_is(talk.request(), CLIENT_NONCE));
        let mut server_nonce = SERVER_NONCE.to_vec();
        for nonce in [b"nonce 2", b"nonce 3"] {
            let taken = talk.header_status(200, &chal("MAC", nonce));
            let body = talk.xml("", &format!("{taken}{}", get(3, NAME)));
            let mac = server_mac(&server_nonce, &body);
            talk.octets(body, Some(mac));
            assert!(client_mac_is(talk.request(), nonce));
            assert_eq!(
                talk.nonce("CLCRED"),
                nonce,
                "the last one is also the next one"
            );
            assert_eq!(talk.statuses(), [("0".into(), 200), ("3".into(), 200)]);
            server_nonce = talk.challenge().unwrap().octets().to_vec();
            assert_eq!(talk.nonce("SRVCRED"), server_nonce);
        }
    }
}

#[test]
fn m22_nothing_of_an_answer_with_a_wrong_or_missing_mac_is_taken() {
    for encoding in BOTH {
        for mac in [None, Some(b"wrong nonce".as_slice())] {
            let mut talk = start(&mac_shape(), encoding);
            let taken = talk.header_status(200, &chal("MAC", b"nonce 2"));
            let body = talk.xml("", &format!("{taken}{}", get(3, NAME)));
            let right = server_mac(SERVER_NONCE, &body);
            talk.octets(body, Some(right));
            let body = talk.xml("", &replace(4, SECRET, "stolen"));
            let header = mac.map(|nonce| server_mac(nonce, &body));
            let before = talk.device.clone();
            talk.octets(body, header);
            assert_eq!(talk.outcome, Some(Dm1Outcome::ServerNotProven));
            assert_eq!(talk.sent.len(), 2);
            assert_eq!(talk.leaf("AppAuth/CLCRED/AAuthSecret"), {
                talk.device = before;
                talk.leaf("AppAuth/CLCRED/AAuthSecret")
            });
        }
    }
}

#[test]
fn m22_a_mac_over_other_octets_or_of_another_name_is_wrong() {
    for encoding in BOTH {
        let mut talk = start(&mac_shape(), encoding);
        let taken = talk.header_status(200, "");
        let body = talk.xml("", &format!("{taken}{}", replace(4, SECRET, "stolen")));
        let mac = server_mac(SERVER_NONCE, b"other octets");
        talk.octets(body, Some(mac));
        assert_eq!(talk.statuses()[1], ("4".into(), 401));
        let mut talk = start(&mac_shape(), encoding);
        let body = talk.xml("", &replace(4, SECRET, "stolen"));
        let mac = server_mac(SERVER_NONCE, &body).replace("mgmtsrv", "other");
        talk.octets(body, Some(mac));
        assert_eq!(talk.statuses()[1], ("4".into(), 401));
        assert!(!touched(&talk));
    }
}

#[test]
fn without_srvcred_verified_tls_proves_the_server_and_an_open_channel_never_does() {
    for encoding in BOTH {
        let mut shape = Shape {
            server: None,
            ..Shape::default()
        };
        let mut talk = start(&shape, encoding);
        let taken = talk.header_status(212, "");
        talk.answer("", &format!("{taken}{}<Final/>", get(3, NAME)));
        assert_eq!(talk.statuses()[1], ("3".into(), 200));
        shape.url = "http://dms.example.com/dm";
        let mut talk = start(&shape, encoding);
        let taken = talk.header_status(212, "");
        talk.answer(
            "",
            &format!("{taken}{}<Final/>", replace(3, SECRET, "stolen")),
        );
        assert_eq!(talk.statuses()[1], ("3".into(), 407));
        talk.http(200);
        assert_eq!(talk.outcome, Some(Dm1Outcome::ServerNotProven));
        assert!(!touched(&talk));
    }
}

#[test]
fn a_replayed_answer_is_not_taken_twice() {
    for encoding in BOTH {
        let mut talk = start(&mac_shape(), encoding);
        let taken = talk.header_status(200, "");
        let body = talk.xml("", &format!("{taken}{}", get(3, NAME)));
        let mac = server_mac(SERVER_NONCE, &body);
        talk.octets(body.clone(), Some(mac.clone()));
        talk.octets(body, Some(mac));
        assert_eq!(talk.outcome, Some(Dm1Outcome::ServerNotProven));
        let mut talk = start(&Shape::default(), encoding);
        talk.proven(&get(3, NAME));
        talk.server_msg -= 1;
        talk.answer("", &get(3, NAME));
        assert_eq!(talk.statuses(), [("0".into(), 400)]);
        talk.http(200);
        assert_eq!(talk.outcome, Some(Dm1Outcome::Fault(Dm1Fault::MsgId)));
    }
}

#[test]
fn secrets_that_a_server_replaces_count_from_the_next_session_on() {
    for encoding in BOTH {
        let mut talk = start(&mac_shape(), encoding);
        let taken = talk.header_status(200, "");
        let body = talk.xml("", &format!("{taken}{}", replace(4, SECRET, "newSecret")));
        let mac = server_mac(SERVER_NONCE, &body);
        talk.octets(body, Some(mac));
        assert_eq!(talk.statuses()[1], ("4".into(), 200));
        assert_eq!(
            talk.leaf("AppAuth/CLCRED/AAuthSecret").as_deref(),
            Some("newSecret")
        );
        assert!(
            client_mac_is(talk.request(), CLIENT_NONCE),
            "the old one to the end"
        );
        let next = start_on(talk.device, opening(encoding));
        assert!(!client_mac_is(next.request(), CLIENT_NONCE));
    }
}

#[test]
fn nonces_of_ours_are_m15s_and_no_two_are_alike() {
    let mut talk = start(&mac_shape(), Encoding::Wbxml);
    let mut given = Vec::new();
    let mut nonce = SERVER_NONCE.to_vec();
    for _ in 0..5 {
        let taken = talk.header_status(200, "");
        let body = talk.xml("", &format!("{taken}{}", get(3, NAME)));
        let mac = server_mac(&nonce, &body);
        talk.octets(body, Some(mac));
        nonce = talk.challenge().unwrap().octets().to_vec();
        assert_eq!(nonce.len(), 24);
        assert!(nonce.iter().all(u8::is_ascii_alphanumeric));
        assert!(!given.contains(&nonce));
        given.push(nonce.clone());
    }
    let gets = talk.last().commands.iter();
    assert!(
        gets.into_iter()
            .any(|command| matches!(command, Command::Results(_)))
    );
}
