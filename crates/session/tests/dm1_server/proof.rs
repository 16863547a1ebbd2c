//! Who speaks (§3, M15 to M22).

use omadm_dm1::credential::{CredentialType, MacHeader, Nonce, UserHash};
use omadm_dm1::syncml::Command;
use omadm_session::server::dm1::{Dm1Event, NonceForm};

use crate::bed::{Bed, ENCODINGS, SERVER, Say, event, get, nonce, opened, proven, secret};

#[test]
fn m16_a_challenge_is_answered_once_and_heals_any_stale_nonce() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let none = bed.say(&Say::package1("A5", 1), None);
        assert_eq!((none.code(), none.codes()), (407, vec![407, 407]));
        let stale = Say::package1("A5", 2).md5("client boot", &nonce("stale"));
        let wrong = bed.say(&stale, Some(&none.token()));
        assert_eq!((wrong.code(), wrong.codes()), (401, vec![401, 401]));
        assert_eq!(bed.account.failures.from_source, 1);
        assert!(bed.state.is_none() && !bed.delta.proven);
        let right = Say::package1("A5", 3).md5("client boot", &wrong.next_nonce());
        let octets = right.octets(encoding);
        let answer = bed.post(&octets, Some(&wrong.token()), None);
        assert_eq!(answer.code(), 212);
        assert_eq!(bed.account.failures.from_source, 0);
        let next = answer.next_nonce();
        bed.state = None;
        assert_eq!(bed.post(&octets, None, None).code(), 401, "a replay");
        let again = Say::package1("A6", 1).md5("client boot", &next);
        assert_eq!(bed.say(&again, None).code(), 212);
        bed.state = None;
        let twice = Say::package1("A7", 1).md5("client boot", &next);
        assert_eq!(bed.say(&twice, None).code(), 401, "each nonce once");
    }
}

#[test]
fn m12_an_unproven_message_changes_nothing_but_its_failure() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let before = bed.account.clone();
        let say = Say::package1("A5", 1)
            .event(&event(1, 1, "first"))
            .md5("guess", &nonce("x"));
        let answer = bed.say(&say, None);
        assert_eq!(answer.codes(), [401, 401, 401]);
        assert!(answer.commands().is_empty() && answer.message.r#final);
        assert!(
            answer.message.header.cred.is_none(),
            "no digest to guess on"
        );
        assert!(bed.state.is_none() && bed.delta.bootstrap.is_none());
        assert_eq!(bed.account.client_nonces, before.client_nonces);
        assert_eq!(bed.account.last_event, before.last_event);
        assert!(bed.delta.failed);
    }
}

#[test]
fn m15_every_nonce_we_give_survives_poor_decoders() {
    let mut bed = Bed::new(ENCODINGS[0]);
    let mut given = vec![bed.say(&Say::package1("A5", 1), None).next_nonce()];
    given.push(opened(&mut bed).next_nonce());
    for nonce in given {
        assert_eq!(nonce.octets().len(), 24);
        assert!(nonce.octets().iter().all(u8::is_ascii_alphanumeric));
        assert!(!nonce.base64().contains(['=', '+', '/']));
    }
}

#[test]
fn m16_of_two_parallel_sessions_on_one_nonce_one_is_challenged() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let say = |session| {
            let say = Say::package1(session, 1);
            say.md5("client boot", &nonce("client package nonce"))
                .octets(encoding)
        };
        let (first, _) = bed.decide(&say("A5"), None, None, true);
        let (second, answer) = bed.decide(&say("B6"), None, None, true);
        assert_eq!(answer.code(), 212, "decided on what was stored then");
        bed.store(first.0, first.1);
        // The store says that the account moved on: decided again.
        let _conflict = second;
        let again = bed.post(&say("B6"), None, None);
        assert_eq!(again.code(), 401);
        let healed = Say::package1("B6", 2).md5("client boot", &again.next_nonce());
        assert_eq!(bed.say(&healed, Some(&again.token())).code(), 212);
    }
}

#[test]
fn m17_the_servers_nonce_is_used_again_until_the_client_hands_a_new_one_over() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let proves = |answer: &crate::bed::Answer, with: &str| {
            let cred = answer.message.header.cred.as_ref().unwrap();
            let due = UserHash::new(SERVER, &secret("server boot"));
            due.md5_matches(&nonce(with), cred.data.text().unwrap())
        };
        let answer = opened(&mut bed);
        assert!(proves(&answer, "server package nonce"));
        bed.want("1", get("./A"));
        let package1 = Say::package1("B6", 1).md5("client boot", &answer.next_nonce());
        let answer = bed.say(&package1, None);
        assert!(
            proves(&answer, "server package nonce"),
            "no message followed to hand one over"
        );
        let package3 = Say::new("B6", 2)
            .header(&answer, 212, Some(&nonce("new")))
            .all(&answer, 404);
        bed.say(&package3, Some(&answer.token()));
        let answer = proven(&mut bed, "C7", "client boot", |say| say);
        assert!(proves(&answer, "new"));
    }
}

#[test]
fn m18_our_cred_is_in_every_message_until_212_came() {
    let mut bed = Bed::new(ENCODINGS[1]);
    bed.server.limits.commands = 1;
    for id in ["1", "2", "3"] {
        bed.want(id, get("./A"));
    }
    let first = opened(&mut bed);
    let say = Say::new("A5", 2)
        .header(&first, 200, Some(&nonce("n2")))
        .all(&first, 404);
    let second = bed.say(&say, Some(&first.token()));
    let due = UserHash::new(SERVER, &secret("server boot"));
    let cred = second.message.header.cred.as_ref().unwrap();
    assert!(due.md5_matches(&nonce("n2"), cred.data.text().unwrap()));
    let say = Say::new("A5", 3)
        .header(&second, 212, None)
        .all(&second, 404);
    let third = bed.say(&say, Some(&first.token()));
    assert!(third.message.header.cred.is_none());
    assert_eq!(third.commands().len(), 1);
}

#[test]
fn m19_nothing_weaker_than_the_account_is_evaluated() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let answer = bed.say(&Say::package1("A5", 1).basic("client boot"), None);
        assert_eq!(answer.code(), 401, "right, and too weak");
        assert_eq!(answer.chal().unwrap().0, CredentialType::Md5);
        bed.account.credential = CredentialType::Mac;
        let md5 = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
        let answer = bed.say(&md5, None);
        assert_eq!(
            (answer.code(), answer.chal().unwrap().0),
            (401, CredentialType::Mac)
        );
        bed.account.credential = CredentialType::Basic;
        let answer = bed.say(&Say::package1("A5", 1).basic("client boot"), None);
        assert_eq!((answer.code(), answer.chal()), (212, None));
        bed.state = None;
        let answer = bed.say(&Say::package1("A6", 1).basic("guess"), None);
        assert_eq!(
            (answer.code(), answer.chal()),
            (401, Some((CredentialType::Basic, None)))
        );
    }
}

#[test]
fn m19_an_unknown_account_is_answered_like_a_wrong_secret() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        for say in [
            Say::package1("A5", 1).md5("guess", &nonce("x")),
            Say::package1("A5", 1),
            Say::package1("A5", 1)
                .event(&event(1, 1, "re"))
                .md5("guess", &nonce("x")),
        ] {
            let octets = say.octets(encoding);
            let ((state, delta), unknown) = bed.decide(&octets, None, None, false);
            assert!(state.is_none() && !delta.proven);
            let (_, known) = bed.decide(&octets, None, None, true);
            let shown = |mut message: omadm_dm1::syncml::Message| {
                assert!(message.header.resp_uri.take().is_some());
                if let Some(Command::Status(status)) = message.commands.first_mut() {
                    let chal = status.chal.as_mut().unwrap();
                    assert!(chal.meta.next_nonce.take().is_some());
                }
                message
            };
            assert_eq!(unknown.body.len(), known.body.len());
            assert_eq!(shown(unknown.message), shown(known.message));
        }
    }
}

#[test]
fn m20_three_creds_are_evaluated_in_a_session_and_then_none() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let mut token = None;
        let mut last = None;
        for msg_id in 1..=3 {
            let say = Say::package1("A5", msg_id).md5("guess", &nonce("x"));
            let answer = bed.say(&say, token.as_deref());
            assert_eq!(answer.code(), 401);
            let is_last = msg_id == 3;
            assert_eq!(answer.alerts().is_empty(), !is_last);
            token = Some(answer.token());
            last = Some(answer);
        }
        let last = last.unwrap();
        assert_eq!(last.alerts(), [1223]);
        let right = Say::package1("A5", 4).md5("client boot", &last.next_nonce());
        let answer = bed.say(&right, token.as_deref());
        assert_eq!((answer.code(), answer.alerts()), (401, vec![1223]));
        assert!(answer.chal().is_some());
        assert_eq!(
            bed.account.failures.from_source, 3,
            "unevaluated is not counted"
        );
        let honest = proven(&mut bed, "B6", "client boot", |say| say);
        assert_eq!(honest.code(), 212, "an honest device in its own session");
        assert_eq!(bed.account.failures.from_source, 0);
    }
}

#[test]
fn m20_too_many_failures_leave_creds_unevaluated_but_not_those_under_the_accounts_certificate() {
    let right = || Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
    for (source, all, counts) in [(9, 99, true), (10, 10, false), (0, 100, false)] {
        let mut bed = Bed::new(ENCODINGS[0]);
        bed.account.failures.from_source = source;
        bed.account.failures.from_all = all;
        assert_eq!(
            bed.say(&right(), None).code(),
            if counts { 212 } else { 401 }
        );
        if !counts {
            assert!(bed.has(&Dm1Event::AttemptsExhausted));
            bed.channel.certificate = Some("5f");
            assert_eq!(bed.say(&right(), None).code(), 212);
        }
    }
}

#[test]
fn m20_an_account_that_is_let_alone_is_answered_like_an_unknown_one() {
    for encoding in ENCODINGS {
        for (source, all) in [(0, 0), (10, 10), (0, 100)] {
            let mut bed = Bed::new(encoding);
            bed.account.failures.from_source = source;
            bed.account.failures.from_all = all;
            let [mut unknown, mut known] = [None, None];
            for msg_id in 1..=5 {
                let say = Say::package1("A5", msg_id).md5("guess", &nonce("x"));
                let octets = say.octets(encoding);
                let (_, nobodys) = bed.decide(&octets, unknown.as_deref(), None, false);
                let (_, answer) = bed.decide(&octets, known.as_deref(), None, true);
                assert_eq!(answer.body.len(), nobodys.body.len(), "{source} {msg_id}");
                assert_eq!(answer.alerts(), nobodys.alerts());
                assert_eq!(answer.alerts().is_empty(), msg_id < 3);
                assert_eq!(
                    (answer.code(), answer.codes()),
                    (nobodys.code(), nobodys.codes())
                );
                unknown = Some(nobodys.token());
                known = Some(answer.token());
            }
        }
    }
}

#[test]
fn m22_a_mac_proves_each_message_and_each_answer() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.account.credential = CredentialType::Mac;
        bed.account.server.as_mut().unwrap().credential = CredentialType::Mac;
        bed.want("1", get("./A"));
        let package = nonce("client package nonce");
        let say = Say::package1("A5", 1);
        let octets = say.octets(encoding);
        let mac = say.mac(encoding, "client boot", &package);
        let other = mac.replace("MD5", "SHA-256");
        for wrong in [None, Some(&*other), Some("mac=AAAA"), Some("")] {
            let code = bed.post(&octets, None, wrong).code();
            assert_eq!(code, if wrong.is_none() { 407 } else { 401 }, "{wrong:?}");
        }
        bed.account.failures = Default::default();
        let folded = mac.replace(", ", ",\r\n ");
        let answer = bed.post(&octets, None, Some(&folded));
        assert_eq!(answer.code(), 200);
        let due = UserHash::new(SERVER, &secret("server boot"));
        let header = MacHeader::read(answer.mac.as_deref().unwrap()).unwrap();
        assert!(due.mac_matches(&nonce("server package nonce"), &answer.body, &header.mac));
        assert_eq!(header.username, SERVER);
        let say = Say::new("A5", 2)
            .header(&answer, 200, Some(&nonce("server 2")))
            .all(&answer, 404);
        let octets = say.octets(encoding);
        let token = answer.token();
        assert_eq!(
            bed.post(&octets, Some(&token), None).code(),
            407,
            "even with its token"
        );
        let stale = say.mac(encoding, "client boot", &package);
        assert_eq!(bed.post(&octets, Some(&token), Some(&stale)).code(), 401);
        assert!(bed.outcome("1").is_none());
        let mac = say.mac(encoding, "client boot", &answer.next_nonce());
        let end = bed.post(&octets, Some(&token), Some(&mac));
        assert_eq!(end.code(), 200);
        assert!(bed.outcome("1").is_some() && bed.has(&Dm1Event::Ended));
        let header = MacHeader::read(end.mac.as_deref().unwrap()).unwrap();
        assert!(due.mac_matches(&nonce("server 2"), &end.body, &header.mac));
    }
}

#[test]
fn a_model_that_hashes_the_text_of_a_nonce_is_believed_by_that() {
    let mut bed = Bed::new(ENCODINGS[0]);
    let text = Nonce::new(nonce("client package nonce").base64().into_bytes()).unwrap();
    let say = Say::package1("A5", 1).md5("client boot", &text);
    assert_eq!(bed.say(&say, None).code(), 401);
    bed.account.model.quirks.nonce = NonceForm::Base64Text;
    let answer = bed.say(&say, None);
    assert_eq!(answer.code(), 212);
    let due = UserHash::new(SERVER, &secret("server boot"));
    let text = Nonce::new(nonce("server package nonce").base64().into_bytes()).unwrap();
    let cred = answer.message.header.cred.as_ref().unwrap();
    assert!(due.md5_matches(&text, cred.data.text().unwrap()));
}

#[test]
fn a_user_name_of_its_own_stands_beside_the_device() {
    let mut bed = Bed::new(ENCODINGS[1]);
    bed.account.user = "fleet".to_owned();
    let say = Say::package1("A5", 1)
        .user("fleet")
        .md5("client boot", &nonce("client package nonce"));
    assert_eq!(bed.say(&say, None).code(), 212);
}
