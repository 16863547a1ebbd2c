//! What an operator decides about replaced secrets that came back (§6.5).

use omadm_bootstrap::generation::Generation::{Boot, Current};
use omadm_session::server::dm1::{Direction, Dm1Event, HeldCause, KeptSecret, take_recovery_back};

use crate::bed::{Bed, ENCODINGS, Say, event, nonce, opened, proven, secret};
use crate::recovery::{named, new_secrets, replaced};

#[test]
fn b1_s_04_what_an_operator_accepts_is_recovered_without_an_event_once_and_on_a_fresh_challenge() {
    for encoding in ENCODINGS {
        let mut bed = replaced(encoding, true, true);
        bed.account.client_nonces.next = Some(nonce("could be a replay"));
        bed.account.account_uri = Some("./DMAcc/1".to_owned());
        bed.account.accepted = true;
        let stale = Say::package1("A5", 1).md5("client boot", &nonce("could be a replay"));
        assert_eq!(bed.post(&stale.octets(encoding), None, None).code(), 401);
        assert!(bed.account.accepted, "nothing was proven");
        let answer = proven(&mut bed, "A5", "client boot", |say| say);
        assert_eq!(answer.code(), 212);
        assert!(bed.has(&Dm1Event::Recovered(Direction::Client)));
        assert!(new_secrets(&answer).is_some());
        assert!(!bed.account.accepted);
        bed.account.client_secrets[0].standing.revoked = true;
        bed.account.accepted = true;
        assert_eq!(proven(&mut bed, "B6", "client boot", |say| say).code(), 401);
        let cause = HeldCause::Revoked;
        assert!(
            bed.has(&Dm1Event::RecoveryHeld { cause }),
            "a revocation stays"
        );
    }
}

#[test]
fn b1_s_04_a_recovery_that_is_taken_back_leaves_the_account_to_whoever_had_it_before() {
    for server_too in [true, false] {
        let mut bed = replaced(ENCODINGS[0], true, true);
        let opened = proven(&mut bed, "A5", "client boot", |say| {
            say.event(&event(1, 1, "reset"))
        });
        if server_too {
            let done = Say::new("A5", 3)
                .header(&opened, 212, None)
                .all(&opened, 200);
            bed.say(&done, Some(&opened.token()));
        }
        let (on_its_way, _) = new_secrets(&opened).unwrap();
        bed.state = None;
        let side = bed.account.server.as_mut().unwrap();
        let client = &mut bed.account.client_secrets;
        assert!(take_recovery_back(client, &mut side.secrets));
        assert!(!take_recovery_back(client, &mut side.secrets), "once");
        let of = |secrets: &[KeptSecret]| -> Vec<_> {
            let each = secrets.iter();
            each.map(|kept| (kept.standing.generation, kept.standing.revoked))
                .collect()
        };
        assert_eq!(of(client), [(Boot, true), (Current, false)]);
        let of_server = [(Boot, server_too), (Current, false)];
        assert_eq!(of(&side.secrets), of_server);
        for (session, lost) in [("B6", "client boot"), ("C7", &*on_its_way)] {
            let told = event(2, 2, "reset");
            let answer = proven(&mut bed, session, lost, |say| say.event(&told));
            assert_eq!(answer.code(), 401, "{lost}");
        }
        assert_eq!(proven(&mut bed, "D8", "client 2", |say| say).code(), 212);
    }
}

#[test]
fn b1_s_04_a_recovery_that_is_taken_back_gives_the_server_the_secret_that_it_had_not_used_yet() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        bed.account.account_uri = Some("./DMAcc/1".to_owned());
        bed.account.rotate = true;
        named(&mut bed);
        let (of_client, of_server) = new_secrets(&opened(&mut bed)).unwrap();
        assert_eq!(proven(&mut bed, "B6", &of_client, |say| say).code(), 212);
        let reset = |say: Say| say.event(&event(1, 1, "reset"));
        assert_eq!(proven(&mut bed, "C7", "client boot", reset).code(), 212);
        bed.state = None;
        let side = bed.account.server.as_mut().unwrap();
        assert!(take_recovery_back(
            &mut bed.account.client_secrets,
            &mut side.secrets
        ));
        let mut in_use = side.secrets.iter().filter(|kept| !kept.standing.revoked);
        assert!(in_use.next().unwrap().secret == secret(&of_server));
        assert!(in_use.next().is_none());
        assert_eq!(proven(&mut bed, "D8", &of_client, |say| say).code(), 212);
    }
}

#[test]
fn what_was_set_aside_goes_once_the_reset_device_uses_its_new_secret() {
    for encoding in ENCODINGS {
        let mut bed = replaced(encoding, true, false);
        bed.account.account_uri = Some("./DMAcc/1".to_owned());
        named(&mut bed);
        bed.account.rotate = true;
        let first = proven(&mut bed, "A5", "client 2", |say| say);
        let (of_client, _) = new_secrets(&first).unwrap();
        assert_eq!(proven(&mut bed, "B6", &of_client, |say| say).code(), 212);
        let reset = |say: Say| say.event(&event(1, 1, "reset"));
        let recovered = proven(&mut bed, "C7", "client boot", reset);
        let previous = |bed: &Bed| {
            let side = bed.account.server.as_ref().unwrap();
            side.secrets.iter().filter(|kept| kept.previous).count()
        };
        assert_eq!(previous(&bed), 1);
        let (of_client, _) = new_secrets(&recovered).unwrap();
        assert_eq!(proven(&mut bed, "D8", &of_client, |say| say).code(), 212);
        assert_eq!(previous(&bed), 0);
    }
}
