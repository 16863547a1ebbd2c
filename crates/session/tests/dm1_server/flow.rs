//! Packages, statuses, sizes, repeats (§1.5 to §1.10).

use omadm_dm1::credential::UserHash;
use omadm_dm1::syncml::{AlertCode, Command, Data, Group, StatusCode};
use omadm_session::server::dm1::{Aborter, Dm1Event, Irregularity, Outcome, RespUriUse};

use crate::bed::{Bed, DEVICE, ENCODINGS, SERVER, Say, get, nonce, opened, replace, secret};

#[test]
fn a_whole_session_reads_writes_and_ends_in_order() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./DevDetail/FwV"));
        bed.want("2", replace("./X/A", "v"));
        let answer = opened(&mut bed);
        assert_eq!(answer.code(), 212);
        assert_eq!(answer.codes(), [200, 200]);
        assert!(answer.message.r#final);
        assert_eq!(answer.message.header.msg_id, 1);
        assert!(answer.message.header.cred.is_some());
        let dev_info = bed.delta.dev_info.clone().unwrap();
        assert_eq!(dev_info["DevId"], DEVICE);
        let [read, write] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let package3 = Say::new("A5", 2)
            .header(&answer, 212, Some(&nonce("server next")))
            .of(&answer, read, 200)
            .results(&answer, read, "./DevDetail/FwV", Data::from("7.1"))
            .of(&answer, write, 404);
        let end = bed.say(&package3, Some(&answer.token()));
        assert_eq!(end.code(), 200);
        assert!(end.codes().is_empty());
        assert!(end.commands().is_empty() && end.message.r#final);
        assert_eq!(end.message.header.msg_id, 2);
        assert!(end.message.header.cred.is_none(), "after 212 in none");
        let Some(Outcome::Answered { code, results, .. }) = bed.outcome("1") else {
            panic!("{:?}", bed.events);
        };
        assert_eq!(*code, StatusCode::OK);
        assert_eq!(results[0].data, Data::from("7.1"));
        assert!(matches!(bed.outcome("2"), Some(Outcome::Answered { code, .. }) if code.0 == 404));
        assert!(bed.has(&Dm1Event::Ended));
        assert!(bed.state.unwrap().ended);
        assert_eq!(
            bed.account.server.unwrap().nonce,
            Some(nonce("server next"))
        );
    }
}

#[test]
fn a_package_of_several_messages_is_asked_for_and_only_its_end_brings_commands() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let first = Say::new("A5", 1)
            .alert(AlertCode::CLIENT_INITIATED)
            .open()
            .md5("client boot", &nonce("client package nonce"));
        let answer = bed.say(&first, None);
        assert_eq!((answer.code(), answer.alerts()), (212, vec![1222]));
        assert!(!answer.message.r#final);
        assert_eq!(answer.commands().len(), 1, "no command but the alert");
        let rest = Say::new("A5", 2)
            .header(&answer, 212, None)
            .dev_info(DEVICE);
        let answer = bed.say(&rest, Some(&answer.token()));
        assert!(matches!(answer.commands()[..], [Command::Get(_)]));
        assert_eq!(answer.codes(), [200]);
        assert!(answer.message.r#final);
    }
}

#[test]
fn m02_a_session_is_found_by_its_token_or_by_what_it_came_on() {
    for encoding in ENCODINGS {
        let next = |answer: &crate::bed::Answer| Say::new("A5", 2).header(answer, 212, None);
        let fresh = |connection, certificate| {
            let mut bed = Bed::new(encoding);
            bed.channel.connection = connection;
            bed.channel.certificate = certificate;
            bed.want("1", get("./A"));
            let answer = opened(&mut bed);
            (bed, answer)
        };
        let (mut bed, answer) = fresh(None, None);
        let say = next(&answer);
        for token in [
            None,
            Some(""),
            Some("00"),
            Some("0123456789abcdef0123456789abcdef"),
        ] {
            let refused = bed.say(&say, token);
            assert_eq!(refused.code(), 407, "{token:?}");
            assert!(!bed.state.as_ref().unwrap().ended);
        }
        let mut foreign = say.clone();
        foreign.message.header.source.uri = "IMEI:1".into();
        assert_eq!(bed.say(&foreign, Some(&answer.token())).code(), 407);
        assert_eq!(bed.say(&say, Some(&answer.token())).code(), 200);

        for (connection, certificate) in [(Some("7"), None), (None, Some("5f"))] {
            let (mut bed, answer) = fresh(connection, certificate);
            assert_eq!(bed.say(&next(&answer), None).code(), 200);
            let (mut bed, answer) = fresh(connection, certificate);
            bed.channel.connection = Some("8");
            bed.channel.certificate = None;
            assert_eq!(bed.say(&next(&answer), None).code(), 407);
        }
    }
}

#[test]
fn m02_a_model_that_ignores_resp_uri_and_reconnects_proves_each_message() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.account.model.quirks.resp_uri = RespUriUse::IgnoresAndReconnects;
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        assert_eq!(answer.code(), 200);
        let say = Say::new("A5", 2)
            .header(&answer, 212, None)
            .all(&answer, 404);
        assert_eq!(bed.say(&say, None).code(), 407);
        assert!(bed.outcome("1").is_none());
        let proven = say.md5("client boot", &answer.next_nonce());
        let end = bed.say(&proven, None);
        assert_eq!(end.code(), 200);
        assert!(end.chal().is_some(), "each answer brings the next nonce");
        assert!(bed.outcome("1").is_some());
        assert_ne!(end.next_nonce(), answer.next_nonce());
    }
}

#[test]
fn m03_a_repeated_message_gets_the_stored_answer_and_nothing_happens_twice() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let first = Say::package1("A5", 1)
            .md5("client boot", &nonce("client package nonce"))
            .octets(encoding);
        let answer = bed.post(&first, None, None);
        let (events, account) = (bed.events.len(), bed.account.client_nonces.clone());
        assert_eq!(bed.post(&first, None, None).body, answer.body);
        assert_eq!(bed.events.len(), events);
        assert_eq!(bed.account.client_nonces, account);
        bed.now = bed.now.plus_secs(61);
        assert_eq!(
            bed.post(&first, None, None).code(),
            401,
            "its nonce is consumed"
        );
        let package3 = Say::new("A5", 2)
            .header(&answer, 212, None)
            .all(&answer, 404);
        let octets = package3.octets(encoding);
        let end = bed.post(&octets, Some(&answer.token()), None);
        let events = bed.events.len();
        bed.now = bed.now.plus_secs(1000);
        let again = bed.post(&octets, Some(&answer.token()), None);
        assert_eq!(again.body, end.body);
        assert_eq!(bed.events.len(), events);
    }
}

#[test]
fn m03_the_same_msg_id_with_another_body_ends_the_session_and_a_gap_does_not() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        let other = Say::new("A5", 1)
            .header(&answer, 212, None)
            .all(&answer, 200);
        let refused = bed.say(&other, Some(&answer.token()));
        assert_eq!((refused.code(), refused.alerts()), (400, vec![1223]));
        assert!(bed.state.as_ref().unwrap().ended);
        assert_eq!(bed.outcome("1"), Some(&Outcome::Unknown));

        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        let later = Say::new("A5", 9)
            .header(&answer, 212, None)
            .all(&answer, 404);
        let end = bed.say(&later, Some(&answer.token()));
        assert_eq!((end.code(), end.header().msg_ref), (200, Some(9)));
        assert!(bed.has(&Dm1Event::Irregular(Irregularity::MsgIdGap)));
    }
}

#[test]
fn m04_statuses_are_matched_by_reference_in_any_order() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let group = Group {
            members: vec![replace("./A", "1"), replace("./B", "2")],
            ..Group::default()
        };
        bed.want("group", Command::Atomic(group));
        bed.want("get", get("./C"));
        let answer = opened(&mut bed);
        let [atomic, read] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let Command::Atomic(group) = atomic else {
            panic!("{atomic:?}");
        };
        // Results before anything, members before their container, the header last.
        let package3 = Say::new("A5", 2)
            .results(&answer, read, "./C", Data::from("c"))
            .of(&answer, &group.members[1], 216)
            .of(&answer, &group.members[0], 404)
            .status(&answer, atomic.cmd_id(), "Atomic", 507)
            .of(&answer, read, 200)
            .header(&answer, 212, None);
        bed.say(&package3, Some(&answer.token()));
        let Some(Outcome::Answered { code, members, .. }) = bed.outcome("group") else {
            panic!("{:?}", bed.events);
        };
        assert_eq!(code.0, 507);
        let codes: Vec<_> = members.iter().map(|code| code.unwrap().0).collect();
        assert_eq!(codes, [404, 216]);
        assert!(
            matches!(bed.outcome("get"), Some(Outcome::Answered { results, .. }) if results.len() == 1)
        );
    }
}

#[test]
fn m05_statuses_of_single_items_are_read_and_one_that_failed_counts() {
    for codes in [[200, 404], [404, 200]] {
        let mut bed = Bed::new(ENCODINGS[0]);
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        let [read] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let package3 = Say::new("A5", 2)
            .header(&answer, 212, None)
            .of(&answer, read, codes[0])
            .of(&answer, read, codes[1]);
        bed.say(&package3, Some(&answer.token()));
        assert!(matches!(bed.outcome("1"), Some(Outcome::Answered { code, .. }) if code.0 == 404));
    }
}

#[test]
fn a_command_without_status_in_a_complete_package_has_an_unknown_outcome() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        bed.want("2", replace("./B", "b"));
        let answer = opened(&mut bed);
        let [_, write] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let package3 = Say::new("A5", 2)
            .header(&answer, 212, None)
            .of(&answer, write, 200);
        bed.say(&package3, Some(&answer.token()));
        assert_eq!(bed.outcome("1"), Some(&Outcome::Unknown));
        assert!(matches!(bed.outcome("2"), Some(Outcome::Answered { .. })));
    }
}

#[test]
fn m06_a_challenged_server_proves_itself_again_and_repeats_all_of_its_package() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        let challenge = nonce("client challenge");
        let package3 = Say::new("A5", 2)
            .header(&answer, 401, Some(&challenge))
            .all(&answer, 401);
        let again = bed.say(&package3, Some(&answer.token()));
        assert_eq!(again.code(), 212);
        assert_eq!(again.next_nonce(), answer.next_nonce());
        let refs: Vec<_> = again
            .statuses()
            .map(|status| status.msg_ref.unwrap())
            .collect();
        assert_eq!(
            refs,
            [2, 1, 1],
            "the old statuses with their old references"
        );
        assert_eq!(again.commands().len(), 1);
        assert!(bed.outcome("1").is_none());
        let due = UserHash::new(SERVER, &secret("server boot"));
        let cred = again.message.header.cred.as_ref().unwrap();
        assert!(due.md5_matches(&challenge, cred.data.text().unwrap()));
        let stored = nonce("server package nonce");
        assert_eq!(
            bed.account.server.as_ref().unwrap().nonce.as_ref(),
            Some(&stored)
        );
        let package3 = Say::new("A5", 3).header(&again, 212, None).all(&again, 404);
        bed.say(&package3, Some(&again.token()));
        assert!(matches!(bed.outcome("1"), Some(Outcome::Answered { .. })));
    }
}

#[test]
fn m06_a_server_that_is_never_accepted_gives_up() {
    let mut bed = Bed::new(ENCODINGS[1]);
    bed.want("1", get("./A"));
    let mut answer = opened(&mut bed);
    for msg_id in 2..=3 {
        let challenge = nonce("client challenge");
        let package3 = Say::new("A5", msg_id)
            .header(&answer, 401, Some(&challenge))
            .all(&answer, 401);
        answer = bed.say(&package3, Some(&answer.token()));
        assert_eq!(answer.code(), 212);
    }
    let last = Say::new("A5", 4)
        .header(&answer, 401, Some(&nonce("c")))
        .all(&answer, 401);
    let end = bed.say(&last, Some(&answer.token()));
    assert_eq!(end.alerts(), [1223]);
    assert!(bed.has(&Dm1Event::ServerRefused));
    assert!(bed.state.unwrap().ended);
}

#[test]
fn m11_a_new_package_1_ends_the_older_session_only_once_it_is_proven() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        let older = bed.state.as_ref().unwrap().id.clone();
        let stranger = Say::package1("B6", 1).md5("guess", &nonce("x"));
        assert_eq!(bed.say(&stranger, None).code(), 401);
        assert_eq!(bed.state.as_ref().unwrap().id, older);
        let newer = Say::package1("B6", 1).md5("client boot", &answer.next_nonce());
        assert_eq!(bed.say(&newer, None).code(), 212);
        assert!(bed.has(&Dm1Event::Superseded { session: older }));
        assert_eq!(bed.outcome("1"), Some(&Outcome::Unknown));
        let late = Say::new("A5", 2)
            .header(&answer, 212, None)
            .all(&answer, 200);
        assert_eq!(bed.say(&late, Some(&answer.token())).code(), 407);
    }
}

#[test]
fn an_abort_of_the_client_is_confirmed_and_leaves_the_rest_unknown() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.want("1", get("./A"));
        let answer = opened(&mut bed);
        let abort = Say::new("A5", 2)
            .header(&answer, 212, None)
            .alert(AlertCode::SESSION_ABORT);
        let end = bed.say(&abort, Some(&answer.token()));
        assert_eq!(
            (end.code(), end.codes(), end.commands().len()),
            (200, vec![200], 0)
        );
        assert_eq!(bed.outcome("1"), Some(&Outcome::Unknown));
        let by = Aborter::Client;
        assert!(bed.has(&Dm1Event::Aborted { by }));
        assert!(bed.state.unwrap().ended);
    }
}

#[test]
fn a_device_that_is_proven_by_its_certificate_needs_no_cred() {
    let mut bed = Bed::new(ENCODINGS[0]);
    bed.account.by_certificate = true;
    bed.want("1", get("./A"));
    assert_eq!(bed.say(&Say::package1("A5", 1), None).code(), 407);
    bed.channel.certificate = Some("5f");
    let answer = bed.say(&Say::package1("A5", 1), None);
    assert_eq!((answer.code(), answer.commands().len()), (200, 1));
    let end = Say::new("A5", 2)
        .header(&answer, 212, None)
        .all(&answer, 404);
    assert_eq!(bed.say(&end, None).code(), 200);
    assert!(bed.has(&Dm1Event::Ended));
}
