//! The bootstrap event, re-bootstrap with changed secrets, rotation (§6, M21, M26, M27).

use omadm_bootstrap::generation::Generation::{Boot, Current, Pending};
use omadm_dm1::credential::UserHash;
use omadm_dm1::syncml::{AlertCode, Command, Group, StatusCode};
use omadm_session::server::dm1::{
    AppAuthNames, Direction, Dm1Event, HeldCause, Irregularity, OwnCommand1, OwnOutcome1,
};

use crate::bed::{
    Answer, Bed, DEVICE, ENCODINGS, SERVER, Say, event, kept, nonce, opened, proven, secret,
};

/// An account whose secrets were replaced since its bootstrap, in these directions.
pub(crate) fn replaced(encoding: omadm_dm1::syncml::Encoding, client: bool, server: bool) -> Bed {
    let mut bed = Bed::new(encoding);
    bed.account.client_nonces.package = None;
    named(&mut bed);
    if client {
        bed.account.client_secrets = vec![
            kept("client boot", Boot, true),
            kept("client 2", Current, false),
        ];
    }
    let side = bed.account.server.as_mut().unwrap();
    side.nonce = Some(nonce("server later"));
    if server {
        side.secrets = vec![
            kept("server boot", Boot, true),
            kept("server 2", Current, false),
        ];
    }
    bed
}

/// Says which node is whose credential.
pub(crate) fn named(bed: &mut Bed) {
    bed.account.model.quirks.app_auth = Some(AppAuthNames {
        client: "1".to_owned(),
        server: "2".to_owned(),
    });
}

/// Whether the answer's Cred is of this secret and nonce.
fn shows(answer: &Answer, password: &str, with: &str) -> bool {
    let cred = answer.message.header.cred.as_ref().unwrap();
    let due = UserHash::new(SERVER, &secret(password));
    due.md5_matches(&nonce(with), cred.data.text().unwrap())
}

/// The new secrets in an answer: of the client, of the server.
pub(crate) fn new_secrets(answer: &Answer) -> Option<(String, String)> {
    let group = answer
        .commands()
        .into_iter()
        .find_map(|command| match command {
            Command::Atomic(group) | Command::Sequence(group) => Some(group),
            _ => None,
        })?;
    let text = |at: usize, place: &str| {
        let Command::Replace(replace) = &group.members[at] else {
            panic!("{group:?}");
        };
        let item = &replace.items[0];
        assert_eq!(
            item.target.as_ref().unwrap().uri,
            format!("./DMAcc/1/AppAuth/{place}/AAuthSecret")
        );
        item.data.as_ref().unwrap().text().unwrap().to_owned()
    };
    Some((text(0, "1"), text(1, "2")))
}

#[test]
fn dm_hlr_1_dm_hlr_2_an_event_is_stored_once_and_acknowledged_as_often_as_it_comes() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let told = event(1, 2, "re");
        let answer = proven(&mut bed, "A5", "client boot", |say| say.event(&told));
        assert_eq!((answer.code(), answer.codes()), (212, vec![200, 200, 200]));
        let report = bed.delta.bootstrap.clone().unwrap();
        assert_eq!(
            (report.data.seq, report.source.as_deref()),
            (2, Some("./DMAcc/1"))
        );
        assert_eq!(bed.account.account_uri.as_deref(), Some("./DMAcc/1"));
        for (session, again) in [("B6", event(1, 2, "re")), ("C7", event(9, 1, "re"))] {
            let answer = proven(&mut bed, session, "client boot", |say| say.event(&again));
            assert_eq!(answer.codes(), [200, 200, 200]);
            assert!(bed.delta.bootstrap.is_none(), "id or number was seen");
        }
        for (session, id, kind) in [("D8", 3, "reset"), ("E9", 4, "first")] {
            // The account had gone with its card, and came back with it.
            let anew = event(id, 1, kind);
            proven(&mut bed, session, "client boot", |say| say.event(&anew));
            assert!(bed.delta.bootstrap.is_some(), "{kind}: it counts anew");
        }
    }
}

#[test]
fn b1_s_03_the_event_is_known_by_its_types_and_malformed_or_foreign_ones_have_their_status() {
    let good = event(1, 1, "first");
    let cases = [
        (
            "Reversed-Domain-Name: org.example.dm.bootstrap",
            &*good,
            200,
            true,
        ),
        (" org.example.dm.bootstrap ", &good, 200, true),
        ("urn:oma:at:dm:2.0:BootstrapComplete", &good, 200, true),
        (
            "Reversed-Domain-Name:urn:oma:at:dm:2.0:BootstrapComplete",
            &good,
            200,
            true,
        ),
        ("org.example.dm.bootstrap", "v=1", 412, false),
        ("org.example.dm.bootstrap", "", 412, false),
        ("org.example.dm.Bootstrap", &good, 200, false),
    ];
    for (kind, data, code, is_event) in cases {
        let mut bed = Bed::new(ENCODINGS[0]);
        let answer = proven(&mut bed, "A5", "client boot", |say| say.generic(kind, data));
        assert_eq!(answer.codes(), [200, 200, code], "{kind} {data}");
        assert_eq!(bed.delta.bootstrap.is_some(), is_event, "{kind} {data}");
    }
    let mut bed = Bed::new(ENCODINGS[0]);
    bed.server.keep_alerts = false;
    let answer = proven(&mut bed, "A5", "client boot", |say| {
        say.generic("org.acme.other", "")
    });
    assert_eq!(answer.codes(), [200, 200, 415]);
    let two = |mut say: Say| {
        say = say.event(&event(1, 1, "first"));
        if let Some(Command::Alert(alert)) = say.message.commands.last_mut() {
            alert.items.push(alert.items[0].clone());
        }
        say
    };
    let answer = proven(&mut bed, "B6", "client boot", two);
    assert_eq!(answer.codes(), [200, 200, 412], "it is alone in its alert");
}

#[test]
fn b1_s_04_a_replaced_secret_with_its_event_is_recovered_on_a_fresh_challenge_and_replaced_again() {
    for encoding in ENCODINGS {
        let mut bed = replaced(encoding, true, true);
        bed.account.client_nonces.package = Some(nonce("client package nonce"));
        let told = event(1, 1, "reset");
        let first = Say::package1("A5", 1)
            .event(&told)
            .md5("client boot", &nonce("client package nonce"));
        let octets = first.octets(encoding);
        let answer = bed.post(&octets, None, None);
        assert_eq!(answer.code(), 401, "never on what could be a replay");
        assert!(!bed.delta.failed && bed.delta.bootstrap.is_none());
        assert_eq!(bed.client_generations(), [Boot, Current]);
        assert_eq!(bed.post(&octets, None, None).code(), 401);
        let second = Say::package1("A5", 2)
            .event(&told)
            .md5("client boot", &answer.next_nonce());
        let answer = bed.say(&second, Some(&answer.token()));
        assert_eq!((answer.code(), answer.codes()), (212, vec![200, 200, 200]));
        assert!(bed.has(&Dm1Event::Recovered(Direction::Client)));
        assert!(shows(&answer, "server boot", "server package nonce"));
        let (client, server) = new_secrets(&answer).unwrap();
        assert_ne!(client, server);
        assert_eq!(bed.client_generations(), [Current, Current, Pending]);
        assert!(
            bed.account.client_secrets[1].previous,
            "kept until what is pending was used"
        );
        let done = Say::new("A5", 3)
            .header(&answer, 212, None)
            .all(&answer, 200);
        bed.say(&done, Some(&answer.token()));
        assert!(bed.has(&Dm1Event::Recovered(Direction::Server)));
        // The next session proves both new ones; only then the old ones go.
        let answer = proven(&mut bed, "B6", &client, |say| say.event(&told));
        assert_eq!(answer.code(), 212);
        assert!(bed.has(&Dm1Event::Promoted(Direction::Client)));
        assert!(shows(&answer, &server, "server package nonce"));
        assert_eq!(bed.client_generations(), [Boot, Current]);
        assert_eq!(
            bed.account.client_secrets[1].secret.expose(),
            client.as_bytes()
        );
        assert!(new_secrets(&answer).is_none());
        bed.want("1", crate::bed::get("./A"));
        let answer = proven(&mut bed, "C7", &client, |say| say);
        let done = Say::new("C7", 3)
            .header(&answer, 212, None)
            .all(&answer, 404);
        bed.say(&done, Some(&answer.token()));
        assert!(bed.has(&Dm1Event::Promoted(Direction::Server)));
        let side = bed.account.server.as_ref().unwrap();
        assert_eq!(side.secrets.len(), 2);
    }
}

#[test]
fn b1_s_04_each_direction_is_recovered_by_itself() {
    for encoding in ENCODINGS {
        for (client, server) in [(true, false), (false, true), (false, false)] {
            let mut bed = replaced(encoding, client, server);
            let answer = proven(&mut bed, "A5", "client boot", |say| {
                say.event(&event(1, 1, "re"))
            });
            assert_eq!(answer.code(), 212);
            assert_eq!(bed.has(&Dm1Event::Recovered(Direction::Client)), client);
            assert_eq!(new_secrets(&answer).is_some(), client);
            assert!(shows(&answer, "server boot", "server package nonce"));
            if client {
                continue;
            }
            // Nothing tells of the server's direction but the client's refusal: its nonce, then the next generation.
            bed.want("1", crate::bed::get("./A"));
            let mut answer = proven(&mut bed, "B6", "client boot", |say| say);
            let current = if server { "server 2" } else { "server boot" };
            assert!(shows(&answer, current, "server package nonce"));
            for (msg_id, expected) in [(3, current), (4, "server boot")] {
                let challenge = format!("challenge {msg_id}");
                let say = Say::new("B6", msg_id)
                    .header(&answer, 401, Some(&nonce(&challenge)))
                    .all(&answer, 401);
                answer = bed.say(&say, Some(&answer.token()));
                assert!(shows(&answer, expected, &challenge), "{msg_id}");
            }
            let say = Say::new("B6", 5)
                .header(&answer, 212, Some(&nonce("given")))
                .all(&answer, 404);
            bed.say(&say, Some(&answer.token()));
            assert_eq!(bed.has(&Dm1Event::Recovered(Direction::Server)), server);
            assert_eq!(
                bed.account.server.as_ref().unwrap().nonce,
                Some(nonce("given"))
            );
        }
    }
}

#[test]
fn b1_s_04_without_event_revoked_or_of_another_device_a_replaced_secret_does_not_count() {
    for encoding in ENCODINGS {
        let told = event(1, 1, "reset");
        let mut bed = replaced(encoding, true, true);
        assert_eq!(proven(&mut bed, "A5", "client boot", |say| say).code(), 401);
        let held = |cause| Dm1Event::RecoveryHeld { cause };
        assert!(bed.has(&held(HeldCause::WithoutEvent)));
        bed.account.model.quirks.recovery_without_event = true;
        assert_eq!(proven(&mut bed, "B6", "client boot", |say| say).code(), 212);

        let mut bed = replaced(encoding, true, true);
        bed.account.client_secrets[0].standing.revoked = true;
        let answer = proven(&mut bed, "A5", "client boot", |say| say.event(&told));
        assert_eq!((answer.code(), answer.commands().len()), (401, 0));
        assert!(bed.has(&held(HeldCause::Revoked)) && bed.delta.bootstrap.is_none());

        let mut bed = replaced(encoding, true, true);
        bed.account.user = "card".to_owned();
        let swapped = |mut say: Say| {
            say.message.header.source.uri = "IMEI:1".into();
            say.user("card").event(&told)
        };
        assert_eq!(proven(&mut bed, "A5", "client boot", swapped).code(), 401);
        let claimed = "IMEI:1".to_owned();
        assert!(bed.has(&Dm1Event::OtherDevice { claimed }));
        assert_eq!(bed.account.dev_id.as_deref(), Some(DEVICE));
        assert_eq!(bed.client_generations(), [Boot, Current]);
    }
}

#[test]
fn b1_s_04_an_event_that_was_seen_recovers_nothing_again() {
    let mut bed = replaced(ENCODINGS[0], true, true);
    let told = event(1, 1, "reset");
    bed.account.last_event = Some(omadm_session::server::dm1::LastEvent {
        id: omadm_bootstrap::EventId::parse(&format!("{:032x}", 1)).unwrap(),
        seq: 1,
    });
    assert_eq!(
        proven(&mut bed, "A5", "client boot", |say| say.event(&told)).code(),
        401
    );
}

#[test]
fn b1_s_04_what_a_recovery_replaced_is_an_alarm_while_the_recovery_is_unfinished() {
    let mut bed = replaced(ENCODINGS[1], true, true);
    proven(&mut bed, "A5", "client boot", |say| {
        say.event(&event(1, 1, "reset"))
    });
    let answer = proven(&mut bed, "B6", "client 2", |say| say);
    assert_eq!((answer.code(), answer.commands().len()), (401, 0));
    assert!(bed.has(&Dm1Event::TwoHolders));
}

#[test]
fn m21_a_pending_secret_that_was_never_confirmed_is_sent_again_and_the_old_one_still_opens() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.account.account_uri = Some("./DMAcc/1".to_owned());
        bed.account.rotate = true;
        named(&mut bed);
        let answer = opened(&mut bed);
        let sent = new_secrets(&answer).unwrap();
        assert!(!bed.account.rotate && bed.delta.rotated);
        // The answer was lost: the device knows nothing of it.
        bed.account.rotate = true;
        let answer = proven(&mut bed, "B6", "client boot", |say| say);
        assert_eq!(
            new_secrets(&answer).unwrap(),
            sent,
            "one of each direction at most"
        );
        assert_eq!(bed.client_generations(), [Current, Pending]);
        // The device has it, and its status was lost.
        let answer = proven(&mut bed, "C7", &sent.0, |say| say);
        assert_eq!(answer.code(), 212);
        assert_eq!(bed.client_generations(), [Boot, Current]);
    }
}

#[test]
fn m21_a_refused_atomic_becomes_a_sequence_and_a_refused_secret_is_dropped() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.account.account_uri = Some("./DMAcc/1".to_owned());
        bed.account.rotate = true;
        named(&mut bed);
        let answer = opened(&mut bed);
        let sent = new_secrets(&answer).unwrap();
        let [Command::Atomic(_)] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let say = Say::new("A5", 2)
            .header(&answer, 212, None)
            .all(&answer, 406);
        let answer = bed.say(&say, Some(&answer.token()));
        assert_eq!(new_secrets(&answer).unwrap(), sent);
        let [sequence @ Command::Sequence(Group { members, .. })] = answer.commands()[..] else {
            panic!("{:?}", answer.commands());
        };
        let say = Say::new("A5", 3)
            .header(&answer, 200, None)
            .status(&answer, sequence.cmd_id(), "Sequence", 200)
            .of(&answer, &members[0], 200)
            .of(&answer, &members[1], 405);
        bed.say(&say, Some(&answer.token()));
        assert_eq!(bed.client_generations(), [Current, Pending]);
        assert!(!bed.account.client_secrets[1].standing.coming);
        assert_eq!(bed.account.server.as_ref().unwrap().secrets.len(), 1);
        let direction = Direction::Server;
        assert!(bed.events.iter().any(|event| matches!(event,
            Dm1Event::RotationRefused { direction: of, code } if *of == direction && code.0 == 405)));
        assert!(bed.has(&Dm1Event::Ended));
    }
}

#[test]
fn m21_a_model_without_atomic_gets_a_sequence_at_once() {
    let mut bed = Bed::new(ENCODINGS[0]);
    bed.account.account_uri = Some("./DMAcc/1".to_owned());
    bed.account.rotate = true;
    bed.account.model.quirks.atomic = false;
    named(&mut bed);
    let answer = opened(&mut bed);
    assert!(matches!(answer.commands()[..], [Command::Sequence(_)]));
}

#[test]
fn m06_a_rotation_that_the_client_challenged_goes_once_more_with_the_same_secrets() {
    let mut bed = replaced(ENCODINGS[1], true, true);
    let answer = proven(&mut bed, "A5", "client boot", |say| {
        say.event(&event(1, 1, "reset"))
    });
    let sent = new_secrets(&answer).unwrap();
    let say = Say::new("A5", 3)
        .header(&answer, 401, Some(&nonce("c")))
        .all(&answer, 401);
    let again = bed.say(&say, Some(&answer.token()));
    assert_eq!(new_secrets(&again).unwrap(), sent);
    assert!(shows(&again, "server boot", "c"));
    assert_eq!(again.codes(), [200, 200, 200], "the event's among them");
    let (name, uri) = ("Atomic", "./DMAcc/1/AppAuth");
    let session = bed.delta.session.clone().unwrap();
    let nothing = outcome_in(&session, (name, uri), None, 0);
    assert_eq!(
        own(&bed),
        [own_sent(name, uri), nothing, own_sent(name, uri)]
    );
}

/// What is told of the server's own commands.
fn own(bed: &Bed) -> Vec<Dm1Event> {
    let is_own =
        |event: &&Dm1Event| matches!(event, Dm1Event::OwnSent(_) | Dm1Event::OwnOutcome(_));
    bed.events.iter().filter(is_own).cloned().collect()
}

fn command(name: &str, uri: &str) -> OwnCommand1 {
    OwnCommand1 {
        name: name.to_owned(),
        uri: Some(uri.to_owned()),
    }
}

fn own_sent(name: &str, uri: &str) -> Dm1Event {
    Dm1Event::OwnSent(command(name, uri))
}

/// An outcome in this session.
fn outcome_in(
    session: &str,
    (name, uri): (&str, &str),
    code: Option<u16>,
    duration_ms: u64,
) -> Dm1Event {
    Dm1Event::OwnOutcome(OwnOutcome1 {
        command: command(name, uri),
        session: session.to_owned(),
        code: code.map(StatusCode),
        duration_ms,
    })
}

#[test]
fn own_commands_are_told_with_place_status_and_duration_and_without_what_they_carry() {
    let mut bed = Bed::new(ENCODINGS[1]);
    bed.account.account_uri = Some("./DMAcc/1".to_owned());
    bed.account.rotate = true;
    let at = "./DMAcc/1/AppAuth";
    let answer = opened(&mut bed);
    let ask = answer.commands()[0];
    bed.now = bed.now.plus_millis(7);
    let say = Say::new("A5", 2)
        .header(&answer, 212, None)
        .of(&answer, ask, 200)
        .results(&answer, ask, at, "7/8".into());
    let answer = bed.say(&say, Some(&answer.token()));
    bed.now = bed.now.plus_millis(8);
    let [Command::Sequence(group)] = answer.commands()[..] else {
        panic!("{:?}", answer.commands());
    };
    let mut say = Say::new("A5", 3)
        .header(&answer, 200, None)
        .all(&answer, 200);
    for (member, (name, level)) in group
        .members
        .iter()
        .zip([("7", "SRVCRED"), ("8", "CLCRED")])
    {
        let uri = format!("./DMAcc/1/AppAuth/{name}/AAuthLevel");
        say = say.results(&answer, member, &uri, level.into());
    }
    let answer = bed.say(&say, Some(&answer.token()));
    bed.now = bed.now.plus_millis(9);
    let say = Say::new("A5", 4)
        .header(&answer, 200, None)
        .all(&answer, 200);
    bed.say(&say, Some(&answer.token()));
    let session = bed.delta.session.clone().unwrap();
    let done = |name, millis| outcome_in(&session, (name, at), Some(200), millis);
    let expected = [
        own_sent("Get", at),
        done("Get", 7),
        own_sent("Sequence", at),
        done("Sequence", 8),
        own_sent("Atomic", at),
        done("Atomic", 9),
    ];
    assert_eq!(own(&bed), expected);
    let told = format!("{:?}", bed.events);
    let kept = bed.account.client_secrets.iter();
    let secrets = kept.chain(&bed.account.server.as_ref().unwrap().secrets);
    for kept in secrets {
        let secret = String::from_utf8_lossy(kept.secret.expose()).into_owned();
        assert!(!told.contains(&secret), "{told}");
    }
}

#[test]
fn an_own_command_without_status_is_told_as_such_however_its_session_goes_on() {
    let begun = || {
        let mut bed = replaced(ENCODINGS[0], true, true);
        let answer = proven(&mut bed, "A5", "client boot", |say| {
            say.event(&event(1, 1, "reset"))
        });
        assert!(new_secrets(&answer).is_some());
        let session = bed.delta.session.clone().unwrap();
        let unknown = outcome_in(&session, ("Atomic", "./DMAcc/1/AppAuth"), None, 5);
        bed.now = bed.now.plus_millis(5);
        (bed, answer, unknown)
    };
    let (mut bed, answer, unknown) = begun();
    bed.say(
        &Say::new("A5", 3).header(&answer, 212, None),
        Some(&answer.token()),
    );
    assert_eq!(own(&bed)[1..], [unknown], "left out");

    let (mut bed, answer, unknown) = begun();
    let say = Say::new("A5", 3)
        .header(&answer, 212, None)
        .alert(AlertCode::SESSION_ABORT);
    bed.say(&say, Some(&answer.token()));
    assert_eq!(own(&bed)[1..], [unknown], "aborted");

    let (mut bed, _, unknown) = begun();
    proven(&mut bed, "B6", "client boot", |say| say);
    assert_eq!(own(&bed)[1..2], [unknown], "superseded");

    let (bed, _, Dm1Event::OwnOutcome(unknown)) = begun() else {
        panic!("an outcome");
    };
    let open: Vec<_> = bed.state.unwrap().own_outcomes(bed.now).collect();
    assert_eq!(open, [unknown], "swept");
}

#[test]
fn a_device_is_asked_which_node_is_whose_credential_before_its_secrets_are_replaced() {
    for encoding in ENCODINGS {
        let levels = [("7", "SRVCRED"), ("8", "CLCRED")];
        for (told, expected) in [(&levels[..], true), (&levels[..1], false), (&[], false)] {
            let mut bed = Bed::new(encoding);
            bed.account.account_uri = Some("./DMAcc/1".to_owned());
            bed.account.rotate = true;
            let answer = opened(&mut bed);
            let [ask @ Command::Get(get)] = answer.commands()[..] else {
                panic!("{:?}", answer.commands());
            };
            let uri = &get.items[0].target.as_ref().unwrap().uri;
            assert_eq!(uri, "./DMAcc/1/AppAuth");
            assert!(bed.account.rotate, "nothing was sent yet");
            let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
            let say = Say::new("A5", 2)
                .header(&answer, 212, None)
                .of(&answer, ask, 200)
                .results(
                    &answer,
                    ask,
                    "./DMAcc/1/AppAuth",
                    (&*names.join("/")).into(),
                );
            let answer = bed.say(&say, Some(&answer.token()));
            let mut say = Say::new("A5", 3)
                .header(&answer, 200, None)
                .all(&answer, 200);
            for command in answer.commands() {
                let Command::Sequence(group) = command else {
                    panic!("{command:?}");
                };
                for (member, (name, level)) in group.members.iter().zip(told) {
                    let uri = format!("./DMAcc/1/AppAuth/{name}/AAuthLevel");
                    say = say.results(&answer, member, &uri, (*level).into());
                }
            }
            if told.is_empty() {
                assert!(bed.has(&Dm1Event::Irregular(Irregularity::UnknownAccount)));
                continue;
            }
            let answer = bed.say(&say, Some(&answer.token()));
            let replaced = answer
                .commands()
                .into_iter()
                .find_map(|command| match command {
                    Command::Atomic(group) => Some(group.members.clone()),
                    _ => None,
                });
            assert_eq!(replaced.is_some(), expected, "{told:?}");
            match replaced.as_deref() {
                Some([Command::Replace(client), Command::Replace(_)]) => {
                    let uri = &client.items[0].target.as_ref().unwrap().uri;
                    assert_eq!(uri, "./DMAcc/1/AppAuth/8/AAuthSecret");
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    let unknown = Dm1Event::Irregular(Irregularity::UnknownAccount);
                    assert!(bed.has(&unknown) && bed.has(&Dm1Event::Ended));
                }
            }
        }
    }
}

#[test]
fn b1_s_04_a_recovery_that_broke_off_before_its_rotation_goes_on_in_the_next_session() {
    let mut bed = replaced(ENCODINGS[0], true, true);
    bed.account.model.quirks.app_auth = None;
    let answer = proven(&mut bed, "A5", "client boot", |say| {
        say.event(&event(1, 1, "reset"))
    });
    assert!(new_secrets(&answer).is_none() && !answer.commands().is_empty());
    named(&mut bed);
    let answer = proven(&mut bed, "B6", "client boot", |say| say);
    assert!(new_secrets(&answer).is_some());
}
