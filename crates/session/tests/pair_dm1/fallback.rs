//! Row "fallback to the shadow" of §6.6: what the last bootstrap brought is believed by nobody, and what the account had before is (M25).

use omadm_bootstrap::BootstrapKind::Re;
use omadm_bootstrap::BootstrapMethod::ServerInitiated;
use omadm_bootstrap::{DeviceView as _, Dm1AccountState};
use omadm_dm1::syncml::Encoding;
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::client::dm1::{Dm1Outcome, Dm1SessionEvent, Dm1Set};
use omadm_session::pair::dm1::{Dm1Credentials, Dm1Pair, Dm1SessionEnd};
use omadm_session::server::dm1::Failures;

use crate::bed::{BOTH, ENDED, card, get, managed, read, rotated, settle};
use crate::faults::at_every_place;

const NOT_BELIEVED: Dm1SessionEnd = Dm1SessionEnd::Finished(Dm1Outcome::NotBelieved);

fn state(pair: &Dm1Pair) -> Dm1AccountState {
    let account = pair.device.tree.account(&pair.device.server).unwrap();
    account.unwrap().dm1
}

/// A device that was managed, and got secrets that its server does not know: five sessions later.
fn forsaken(encoding: Encoding) -> Dm1Pair {
    let mut pair = rotated(encoding, AuthType1::Digest);
    let secret = |text: &str| {
        (
            Secret::from(text.to_owned()),
            b"nonce of nobody's.......".to_vec(),
        )
    };
    let strange = Dm1Credentials {
        client: secret("client of nobody"),
        server: secret("server of nobody"),
        ..card(AuthType1::Digest)
    };
    pair.bootstrap(&strange, ServerInitiated, Re).unwrap();
    for _ in 0..Dm1AccountState::EXHAUSTED {
        assert!(!state(&pair).shadow_is_due());
        assert_eq!(pair.session(), NOT_BELIEVED);
    }
    assert!(state(&pair).shadow_is_due());
    // The back-off of the device is longer than the window in which the server lets the account alone (M20).
    pair.server.account.failures = Failures::default();
    pair
}

#[test]
fn m25_what_nobody_believes_is_dropped_for_what_the_account_had_before_and_the_server_is_told() {
    for encoding in BOTH {
        let mut pair = forsaken(encoding);
        let strange = pair.device.secrets();
        let reports = pair.server.reports.len();
        pair.set = Dm1Set::Former;
        pair.told.clear();
        pair.server.want("same session", get("./DMAcc/1/ServerID"));
        assert_eq!(pair.session(), ENDED, "{:?}", pair.told);
        let reverted = |event: &Dm1SessionEvent| matches!(event, Dm1SessionEvent::Reverted { .. });
        assert_eq!(pair.told.iter().filter(|event| reverted(event)).count(), 1);
        assert!(read(&pair, "same session").is_some());
        assert!(pair.device.secrets() != strange);
        assert!(!pair.device.owes());
        assert_eq!(pair.device.event_state().as_deref(), Some("reverted"));
        assert_eq!(pair.server.reports.len(), reports + 1);
        let kept = state(&pair);
        assert!(kept.reverted && kept.shadow.is_none() && kept.exhausted == 0);
        pair.set = Dm1Set::Current;
        settle(&mut pair);
    }
}

#[test]
fn m25_a_fallback_that_is_killed_at_any_message_on_either_side_ends_in_the_next_sessions() {
    for encoding in BOTH {
        let mut begun = forsaken(encoding);
        begun.set = Dm1Set::Former;
        let reports = begun.server.reports.len();
        at_every_place(&begun, |pair, plan| {
            pair.set = match state(pair).shadow {
                Some(_) => Dm1Set::Former,
                None => Dm1Set::Current,
            };
            assert_eq!(pair.session(), ENDED, "{plan} {:?}", pair.told);
            pair.set = Dm1Set::Current;
            settle(pair);
            assert!(!pair.device.owes() && state(pair).reverted, "{plan}");
            assert_eq!(pair.server.reports.len(), reports + 1, "{plan}");
        });
    }
}

#[test]
fn m25_a_fallback_that_is_not_believed_either_changes_nothing() {
    for encoding in BOTH {
        let mut pair = forsaken(encoding);
        let before = (pair.device.secrets(), state(&pair));
        for auth in &mut pair.server.account.client_secrets {
            auth.secret = Secret::from("replaced behind its back".to_owned());
        }
        pair.set = Dm1Set::Former;
        assert_eq!(pair.session(), NOT_BELIEVED);
        let after = (pair.device.secrets(), state(&pair));
        assert!(after.0 == before.0);
        assert_eq!(after.1.exhausted, before.1.exhausted);
        assert!(after.1.shadow == before.1.shadow && !after.1.reverted);
    }
}

#[test]
fn m25_the_first_session_that_both_believe_forgets_what_was_before() {
    for encoding in BOTH {
        let mut pair = managed(encoding, AuthType1::Digest);
        let again = card(AuthType1::Digest);
        pair.bootstrap(&again, ServerInitiated, Re).unwrap();
        assert!(state(&pair).shadow.is_some());
        assert_eq!(pair.session(), ENDED);
        assert!(state(&pair).shadow.is_none());
        pair.set = Dm1Set::Former;
        let nothing = Dm1SessionEnd::Finished(Dm1Outcome::NoAccount);
        assert_eq!(pair.session(), nothing);
    }
}
