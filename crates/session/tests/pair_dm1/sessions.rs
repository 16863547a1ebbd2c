//! Bootstraps, recoveries, and those that open nothing.

use omadm_bootstrap::BootstrapKind::{First, Re, Reset};
use omadm_bootstrap::BootstrapMethod::{
    self, ClientInitiated, Factory, ServerInitiated, Smartcard,
};
use omadm_bootstrap::generation::Generation;
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::client::dm1::Dm1Outcome;
use omadm_session::pair::dm1::Dm1SessionEnd;
use omadm_session::server::dm1::{Direction, Dm1Event, HeldCause};

use crate::bed::{
    BOTH, DEVICE, ENDED, SERVER, agrees, card, fresh, get, managed, read, rotated, settle,
    shares_boot,
};

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
