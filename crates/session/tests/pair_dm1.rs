//! Both ends of DM 1.x: every row of `dm1x.md` §6.6 that two ends can show, in XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

use omadm_bootstrap::BootstrapKind::{First, Re, Reset};
use omadm_bootstrap::BootstrapMethod::{
    self, ClientInitiated, Factory, ServerInitiated, Smartcard,
};
use omadm_bootstrap::generation::Generation;
use omadm_dm1::syncml::{Command, Encoding, Item, NodeCommand};
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::client::dm1::Dm1Outcome;
use omadm_session::pair::dm1::{Dm1Credentials, Dm1Pair, Dm1SessionEnd};
use omadm_session::pair::{Fault, FaultPlan, Moment};
use omadm_session::server::dm1::{Direction, Dm1Event, HeldCause, Outcome};

const SERVER: &str = "com.mgmtsrv.manage";
const DEVICE: &str = "IMEI:493005100592800";
const ENDPOINT: &str = "https://dm.example.com/dm/1.x";
const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];
const ENDED: Dm1SessionEnd = Dm1SessionEnd::Finished(Dm1Outcome::Ended {
    server_proven: true,
});

fn card(kind: AuthType1) -> Dm1Credentials {
    let secret = |text: &str| Secret::from(text.to_owned());
    Dm1Credentials {
        kind,
        client: (
            secret("client of the card"),
            b"client nonce, 24 octets.".to_vec(),
        ),
        server: (
            secret("server of the card"),
            b"server nonce, 24 octets.".to_vec(),
        ),
    }
}

/// A server that issued what a card holds, and a device that nobody bootstrapped.
fn fresh(encoding: Encoding) -> Dm1Pair {
    fresh_with(encoding, AuthType1::Digest)
}

fn fresh_with(encoding: Encoding, kind: AuthType1) -> Dm1Pair {
    let mut pair = Dm1Pair::new(SERVER, DEVICE, ENDPOINT, encoding).unwrap();
    pair.server.issue(&card(kind));
    pair
}

/// A device that was bootstrapped and acknowledged.
fn managed(encoding: Encoding, kind: AuthType1) -> Dm1Pair {
    let mut pair = fresh_with(encoding, kind);
    pair.bootstrap(&card(kind), Smartcard, First).unwrap();
    assert_eq!(pair.session(), ENDED);
    assert!(!pair.device.owes());
    pair
}

/// A device whose secrets were replaced, and proven since.
fn rotated(encoding: Encoding, kind: AuthType1) -> Dm1Pair {
    let mut pair = managed(encoding, kind);
    pair.server.account.rotate = true;
    assert_eq!(pair.session(), ENDED);
    settle(&mut pair);
    assert!(
        !shares_boot(&pair),
        "{:?} {:?}",
        pair.server.events,
        pair.told
    );
    pair
}

/// Sessions until both ends prove themselves with the newest secrets.
fn settle(pair: &mut Dm1Pair) {
    for n in 0..4 {
        pair.server
            .want(&format!("settle {n}"), get("./DMAcc/1/ServerID"));
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
    }
    assert!(
        agrees(pair),
        "{:?} {:?}",
        pair.server.account,
        pair.server.events
    );
}

/// Whether both ends hold the same secrets, and the server waits for no others.
fn agrees(pair: &Dm1Pair) -> bool {
    let (client, server) = pair.device.secrets().unwrap();
    let account = &pair.server.account;
    let current = |kept: &[omadm_session::server::dm1::KeptSecret]| {
        let mut live = kept.iter().filter(|kept| !kept.previous);
        live.find(|kept| kept.standing.generation == Generation::Current)
            .map(|kept| kept.secret.clone())
    };
    current(&account.client_secrets) == Some(client)
        && current(&account.server.as_ref().unwrap().secrets) == Some(server)
}

/// Whether the device holds a secret of the card.
fn shares_boot(pair: &Dm1Pair) -> bool {
    let boot = card(AuthType1::Digest);
    let (client, server) = pair.device.secrets().unwrap();
    client == boot.client.0 || server == boot.server.0
}

fn get(uri: &str) -> Command {
    Command::Get(NodeCommand {
        items: vec![Item::at(uri)],
        ..NodeCommand::default()
    })
}

fn read(pair: &Dm1Pair, id: &str) -> Option<String> {
    pair.server.events.iter().find_map(|event| match event {
        Dm1Event::Outcome(outcome) if outcome.id == id => match &outcome.outcome {
            Outcome::Answered { results, .. } => Some(results.first()?.data.text()?.to_owned()),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn dm_hlr_1_dm_hlr_2_a_first_bootstrap_by_each_method_is_reported_and_acknowledged() {
    for encoding in BOTH {
        for method in BootstrapMethod::ALL {
            let mut pair = fresh(encoding);
            pair.bootstrap(&card(AuthType1::Digest), method, First)
                .unwrap();
            pair.server.want("1", get("./DMAcc/1/ServerID"));
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            let [report] = &pair.server.reports[..] else {
                panic!("{:?}", pair.server.reports);
            };
            assert_eq!((report.data.method, report.data.kind), (method, First));
            assert!(!pair.device.owes());
            assert_eq!(pair.device.event_state().as_deref(), Some("acked"));
            assert_eq!(read(&pair, "1").as_deref(), Some(SERVER));
            // Reported once only.
            assert_eq!(pair.session(), ENDED);
            assert_eq!(pair.server.reports.len(), 1);
        }
    }
}

#[test]
fn a_mac_and_a_basic_credential_carry_the_same_sessions() {
    for encoding in BOTH {
        for kind in [AuthType1::Hmac, AuthType1::Basic] {
            let mut pair = managed(encoding, kind);
            pair.server.want("1", get("./DMAcc/1/ServerID"));
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            assert_eq!(read(&pair, "1").as_deref(), Some(SERVER));
        }
    }
}

#[test]
fn b1_s_04_a_device_that_was_reset_is_recovered_and_its_secrets_are_replaced_again() {
    for encoding in BOTH {
        for kind in [AuthType1::Digest, AuthType1::Hmac] {
            let mut pair = rotated(encoding, kind);
            pair.bootstrap(&card(kind), Smartcard, Reset).unwrap();
            assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
            assert_eq!(
                pair.server.count(&Dm1Event::Recovered(Direction::Client)),
                1
            );
            assert_eq!(pair.server.reports.len(), 2);
            assert!(!pair.device.owes());
            settle(&mut pair);
            assert!(!shares_boot(&pair), "replaced again");
            assert_eq!(
                pair.server.count(&Dm1Event::Recovered(Direction::Server)),
                1
            );
            assert_eq!(pair.server.count(&Dm1Event::TwoHolders), 0);
        }
    }
}

#[test]
fn a_re_bootstrap_whose_secrets_were_never_replaced_is_an_ordinary_session() {
    for encoding in BOTH {
        let mut pair = managed(encoding, AuthType1::Digest);
        pair.bootstrap(&card(AuthType1::Digest), Factory, Re)
            .unwrap();
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
        assert_eq!(pair.server.reports.len(), 2);
        assert_eq!(
            pair.server.count(&Dm1Event::Recovered(Direction::Client)),
            0
        );
        assert!(agrees(&pair));
    }
}

#[test]
fn a_revoked_card_opens_nothing_and_the_event_stays_owed() {
    for encoding in BOTH {
        let mut pair = rotated(encoding, AuthType1::Digest);
        for kept in &mut pair.server.account.client_secrets {
            kept.standing.revoked |= kept.standing.generation == Generation::Boot;
        }
        pair.bootstrap(&card(AuthType1::Digest), Smartcard, Reset)
            .unwrap();
        assert_eq!(
            pair.session(),
            Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved)
        );
        assert!(pair.device.owes());
        let cause = HeldCause::Revoked;
        assert!(pair.server.count(&Dm1Event::RecoveryHeld { cause }) > 0);
        assert_eq!(pair.server.reports.len(), 1);
    }
}

#[test]
fn attempts_are_exhausted_by_a_wrong_secret_and_the_honest_device_is_let_in_afterwards() {
    for encoding in BOTH {
        let mut pair = fresh(encoding);
        let mut wrong = card(AuthType1::Digest);
        wrong.client.0 = Secret::from("guess".to_owned());
        pair.bootstrap(&wrong, ServerInitiated, First).unwrap();
        assert_eq!(
            pair.session(),
            Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved)
        );
        assert_eq!(pair.server.account.failures.from_source, 3);
        assert!(pair.server.reports.is_empty() && pair.device.owes());
        pair.bootstrap(&card(AuthType1::Digest), ServerInitiated, Re)
            .unwrap();
        assert_eq!(pair.session(), ENDED);
        assert_eq!(pair.server.account.failures.from_source, 0);
    }
}

#[test]
fn a_server_that_does_not_know_its_secret_is_not_believed_and_learns_nothing() {
    for encoding in BOTH {
        let mut pair = fresh(encoding);
        let mut other = card(AuthType1::Digest);
        other.server.0 = Secret::from("another server's".to_owned());
        pair.bootstrap(&other, ClientInitiated, First).unwrap();
        pair.server.want("1", get("./DMAcc/1/ServerID"));
        let end = pair.session();
        assert_eq!(end, Dm1SessionEnd::Finished(Dm1Outcome::ServerNotProven));
        assert_eq!(read(&pair, "1"), None);
        assert!(
            pair.device.owes(),
            "only a server that is proven acknowledges (M27)"
        );
    }
}

#[test]
fn an_event_that_the_server_refuses_is_not_sent_again_and_one_it_ignores_is() {
    for encoding in BOTH {
        let mut pair = fresh(encoding);
        pair.server.facts.event_types.clear();
        pair.server.facts.keep_alerts = false;
        pair.bootstrap(&card(AuthType1::Digest), Smartcard, First)
            .unwrap();
        assert_eq!(pair.session(), ENDED);
        assert!(!pair.device.owes() && pair.server.reports.is_empty());
        assert_eq!(pair.device.event_state().as_deref(), Some("unsupported"));
    }
}

#[test]
fn an_unknown_account_is_challenged_until_the_device_gives_up_and_later_let_in() {
    for encoding in BOTH {
        let mut pair = fresh(encoding);
        pair.server.knows_account = false;
        pair.bootstrap(&card(AuthType1::Digest), Smartcard, First)
            .unwrap();
        assert_eq!(
            pair.session(),
            Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved)
        );
        assert!(pair.device.owes() && pair.server.reports.is_empty());
        pair.server.knows_account = true;
        assert_eq!(pair.session(), ENDED);
        assert!(!pair.device.owes());
    }
}

#[test]
fn of_two_parallel_sessions_the_newer_one_that_is_proven_goes_on() {
    for encoding in BOTH {
        let mut pair = managed(encoding, AuthType1::Digest);
        let early = pair.first_request().unwrap();
        pair.post(&early);
        pair.server.want("1", get("./DMAcc/1/ServerID"));
        assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
        assert_eq!(read(&pair, "1").as_deref(), Some(SERVER));
        let superseded = |event: &&Dm1Event| matches!(event, Dm1Event::Superseded { .. });
        assert_eq!(
            pair.server.events.iter().filter(superseded).count(),
            0,
            "it had ended"
        );
        pair.now = pair.now.plus_secs(61);
        let sessions = pair.server.account.client_nonces.proofs;
        pair.post(&early);
        assert_eq!(
            pair.server.account.client_nonces.proofs, sessions,
            "a replay proves nothing"
        );
    }
}

/// What can go wrong with each message, effect and plan of a session.
fn all_faults(counts: (u32, u32, u32)) -> Vec<Fault> {
    let (requests, effects, applies) = counts;
    let link = (0..requests).flat_map(|n| {
        [
            Fault::DropRequest(n),
            Fault::DropReply(n),
            Fault::DuplicateRequest(n),
            Fault::TruncateReply(n),
            Fault::ServerDies(Moment::Before, n),
            Fault::ServerDies(Moment::After, n),
        ]
    });
    let client = (0..effects).flat_map(|n| {
        [
            Fault::ClientDies(Moment::Before, n),
            Fault::ClientDies(Moment::After, n),
        ]
    });
    let tree =
        (0..applies).flat_map(|n| [Fault::Stale(n), Fault::NoRoom(n), Fault::TreeChanges(n)]);
    link.chain(client).chain(tree).collect()
}

/// Both of an exchange and its repeat are lost: the session breaks off there.
fn broken_off(requests: u32) -> Vec<Vec<Fault>> {
    (0..requests)
        .flat_map(|n| {
            [
                vec![Fault::DropRequest(n), Fault::DropRequest(n + 1)],
                vec![Fault::DropReply(n), Fault::DropReply(n + 1)],
            ]
        })
        .collect()
}

/// Runs one session with every fault at every place, each from the same beginning; `after` judges what comes then.
fn at_every_place(begun: &Dm1Pair, after: impl Fn(&mut Dm1Pair, &FaultPlan)) -> usize {
    let mut pair = begun.clone();
    pair.begin(FaultPlan::none());
    assert_eq!(pair.session(), ENDED, "{:?}", pair.server.events);
    let counts = pair.counts();
    let single = all_faults(counts).into_iter().map(|fault| vec![fault]);
    let plans: Vec<_> = single
        .chain(broken_off(counts.0))
        .map(FaultPlan::of)
        .collect();
    for plan in &plans {
        let mut pair = begun.clone();
        pair.begin(plan.clone());
        let _whatever = pair.session();
        pair.begin(FaultPlan::none());
        after(&mut pair, plan);
    }
    plans.len()
}

#[test]
fn m21_a_rotation_that_is_killed_at_any_message_on_either_side_never_locks_a_device_out() {
    for (encoding, kind, atomic) in [
        (Encoding::Xml, AuthType1::Digest, true),
        (Encoding::Wbxml, AuthType1::Digest, true),
        (Encoding::Wbxml, AuthType1::Digest, false),
        (Encoding::Wbxml, AuthType1::Hmac, true),
    ] {
        let mut begun = managed(encoding, kind);
        begun.server.account.model.quirks.atomic = atomic;
        begun.server.account.rotate = true;
        let places = at_every_place(&begun, |pair, plan| {
            // The next session works, whatever each side kept.
            pair.server.want("works", get("./DMAcc/1/ServerID"));
            assert_eq!(pair.session(), ENDED, "{plan} {:?}", pair.server.events);
            assert_eq!(read(pair, "works").as_deref(), Some(SERVER), "{plan}");
            settle(pair);
        });
        assert!(places > 20, "{places}");
    }
}

#[test]
fn b1_s_04_a_recovery_that_is_killed_at_any_message_on_either_side_ends_in_the_next_sessions() {
    for encoding in BOTH {
        let mut begun = rotated(encoding, AuthType1::Digest);
        begun
            .bootstrap(&card(AuthType1::Digest), Smartcard, Reset)
            .unwrap();
        at_every_place(&begun, |pair, plan| {
            assert_eq!(pair.session(), ENDED, "{plan} {:?}", pair.server.events);
            settle(pair);
            assert!(!pair.device.owes(), "{plan}");
            assert!(!shares_boot(pair), "{plan}");
            assert_eq!(pair.server.reports.len(), 2, "{plan}");
            let recovered = pair.server.count(&Dm1Event::Recovered(Direction::Client));
            assert_eq!(recovered, 1, "{plan}");
            assert_eq!(pair.server.count(&Dm1Event::TwoHolders), 0, "{plan}");
        });
    }
}

#[test]
fn dm_hlr_2_a_first_report_that_is_killed_at_any_message_is_stored_once_and_acknowledged() {
    for encoding in BOTH {
        let mut begun = fresh(encoding);
        begun
            .bootstrap(&card(AuthType1::Digest), Smartcard, First)
            .unwrap();
        begun.server.want("1", get("./DMAcc/1/ServerID"));
        at_every_place(&begun, |pair, plan| {
            assert_eq!(pair.session(), ENDED, "{plan}");
            assert!(!pair.device.owes(), "{plan}");
            assert_eq!(pair.server.reports.len(), 1, "{plan}");
            assert_eq!(
                pair.device.event_state().as_deref(),
                Some("acked"),
                "{plan}"
            );
        });
    }
}

#[test]
fn b1_s_04_a_device_that_tells_of_no_event_is_held_unless_its_model_is_known_to() {
    for encoding in BOTH {
        let mut pair = rotated(encoding, AuthType1::Digest);
        pair.server.facts.event_types.clear();
        pair.bootstrap(&card(AuthType1::Digest), Smartcard, Reset)
            .unwrap();
        let mut known = pair.clone();
        let end = Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved);
        assert_eq!(pair.session(), end);
        let cause = HeldCause::WithoutEvent;
        assert!(pair.server.count(&Dm1Event::RecoveryHeld { cause }) > 0);
        known.server.account.model.quirks.recovery_without_event = true;
        assert_eq!(known.session(), ENDED);
        settle(&mut known);
        assert!(!shares_boot(&known));
    }
}

#[test]
fn a_device_of_another_dev_id_with_the_same_card_gets_nothing() {
    for encoding in BOTH {
        let mut pair = managed(encoding, AuthType1::Digest);
        pair.server.account.dev_id = Some("IMEI:1".to_owned());
        pair.server.want("1", get("./DMAcc/1/ServerID"));
        let end = Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved);
        assert_eq!(pair.session(), end);
        let claimed = DEVICE.to_owned();
        assert!(pair.server.count(&Dm1Event::OtherDevice { claimed }) > 0);
        assert_eq!(read(&pair, "1"), None);
    }
}
