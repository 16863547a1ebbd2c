//! Secrets that bootstraps bring: several may be on their way, and the device has both directions of one (§5.9).

use omadm_bootstrap::EventId;
use omadm_bootstrap::generation::Generation::{Boot, Current, Pending};
use omadm_dm1::credential::UserHash;
use omadm_dm1::syncml::{Command, Item, NodeCommand};
use omadm_session::server::dm1::{Brought, Direction, Dm1Event, KeptSecret};

use crate::bed::{Answer, Bed, ENCODINGS, SERVER, Say, event, kept, nonce, proven, secret};

fn one() -> EventId {
    EventId::of([1; 16])
}

fn two() -> EventId {
    EventId::of([2; 16])
}

fn brought(text: &str, by: &EventId, first: Option<&str>) -> KeptSecret {
    let mut kept = kept(text, Pending, false);
    kept.standing.coming = true;
    kept.brought = Some(Brought {
        by: by.clone(),
        nonce: first.map(nonce),
    });
    kept
}

/// An account whose device is being sent two bootstraps.
fn pushed_twice(encoding: omadm_dm1::syncml::Encoding) -> Bed {
    let mut bed = Bed::new(encoding);
    let account = &mut bed.account;
    account.client_secrets.extend([
        brought("client one", &one(), None),
        brought("client two", &two(), None),
    ]);
    account.client_nonces.package = Some(nonce("package two"));
    let side = account.server.as_mut().unwrap();
    side.secrets.extend([
        brought("server one", &one(), Some("first one")),
        brought("server two", &two(), Some("first two")),
    ]);
    bed
}

/// A command, so that the device has something to believe.
fn want(bed: &mut Bed) {
    let read = NodeCommand {
        items: vec![Item::at("./DevDetail/SwV")],
        ..NodeCommand::default()
    };
    bed.want("1", Command::Get(read));
}

fn shows(answer: &Answer, password: &str, with: &str) -> bool {
    let cred = answer.message.header.cred.as_ref().unwrap();
    let due = UserHash::new(SERVER, &secret(password));
    due.md5_matches(&nonce(with), cred.data.text().unwrap())
}

fn generations(all: &[KeptSecret]) -> Vec<(omadm_bootstrap::generation::Generation, bool)> {
    let each = all.iter().map(|kept| {
        let by = kept.brought.as_ref();
        (
            kept.standing.generation,
            by.is_some_and(|by| by.by == two()),
        )
    });
    each.collect()
}

#[test]
fn the_server_proves_itself_by_what_came_with_the_secret_that_the_device_used() {
    for encoding in ENCODINGS {
        for (password, server, first) in [
            ("client one", "server one", "first one"),
            ("client two", "server two", "first two"),
        ] {
            let mut bed = pushed_twice(encoding);
            want(&mut bed);
            let answer = proven(&mut bed, "A5", password, |say| say);
            assert_eq!(answer.code(), 212, "{password}");
            assert!(shows(&answer, server, first), "{password}");
            assert!(bed.has(&Dm1Event::Promoted(Direction::Client)));
            said(&mut bed, &answer);
            assert!(
                bed.has(&Dm1Event::Promoted(Direction::Server)),
                "{password}"
            );
            let side = bed.account.server.as_ref().unwrap();
            let all = generations(&side.secrets);
            let is_two = password == "client two";
            assert_eq!(
                all,
                [
                    (Boot, false),
                    (if is_two { Pending } else { Current }, false),
                    (if is_two { Current } else { Pending }, true)
                ],
                "what is on its way stays on it"
            );
        }
    }
}

#[test]
fn no_session_brings_what_a_bootstrap_brings() {
    let mut bed = pushed_twice(ENCODINGS[0]);
    bed.account.rotate = true;
    bed.account.account_uri = Some("./DMAcc/1".to_owned());
    bed.account.model.quirks.app_auth = Some(omadm_session::server::dm1::AppAuthNames {
        client: "1".to_owned(),
        server: "2".to_owned(),
    });
    let answer = proven(&mut bed, "A5", "client boot", |say| {
        say.event(&event(1, 1, "first"))
    });
    assert!(shows(&answer, "server boot", "server package nonce"));
    let text = format!("{:?}", answer.commands());
    assert!(
        !text.contains("client one") && !text.contains("server one"),
        "{text}"
    );
    assert_eq!(
        bed.account.client_secrets.len(),
        4,
        "a new one is on its way"
    );
    let kept = bed.account.client_secrets.iter();
    assert_eq!(kept.filter(|kept| kept.brought.is_some()).count(), 2);
}

/// A secret that a session brought to the device, and that was not used yet.
fn replacement(text: &str) -> KeptSecret {
    kept(text, Pending, false)
}

/// The next package of the session: the client believes our header.
fn said(bed: &mut Bed, answer: &Answer) {
    let say = Say::new("A5", answer.message.header.msg_id + 1);
    let say = say.header(answer, 212, Some(&nonce("next")));
    bed.say(&say, Some(&answer.token()));
}

#[test]
fn a_bootstrap_that_the_server_never_proved_itself_by_is_over_once_the_next_was_used() {
    for encoding in ENCODINGS {
        let mut bed = pushed_twice(encoding);
        // The device reports the first one; the session ends without a word from us that it would have to believe.
        let _first = proven(&mut bed, "A4", "client one", |say| say);
        bed.state = None;
        bed.account.client_nonces.package = Some(nonce("package two"));
        want(&mut bed);
        let answer = proven(&mut bed, "A5", "client two", |say| say);
        assert!(shows(&answer, "server two", "first two"));
        said(&mut bed, &answer);
        let side = bed.account.server.as_ref().unwrap();
        assert_eq!(
            generations(&side.secrets),
            [(Boot, false), (Current, true)],
            "nothing waits on a device that has another account"
        );
    }
}

#[test]
fn what_is_on_its_way_does_not_stand_before_what_a_session_brought() {
    for encoding in ENCODINGS {
        let mut bed = pushed_twice(encoding);
        bed.account.client_secrets.push(replacement("client new"));
        let side = bed.account.server.as_mut().unwrap();
        side.secrets.push(replacement("server new"));
        side.nonce = Some(nonce("kept"));
        want(&mut bed);
        let answer = proven(&mut bed, "A5", "client new", |say| say);
        assert!(shows(&answer, "server new", "kept"));
        said(&mut bed, &answer);
        let side = bed.account.server.as_ref().unwrap();
        assert_eq!(
            generations(&side.secrets),
            [
                (Boot, false),
                (Pending, false),
                (Pending, true),
                (Current, false)
            ]
        );
    }
}
