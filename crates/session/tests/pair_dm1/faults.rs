//! Every fault at every place: of a rotation, of a recovery, of a first report. Among them are the rows "rotation lost before final message", "lost 212 answer"
//! and "lost package 3 with the new SRVCRED nonce".

use omadm_bootstrap::BootstrapKind::{First, Reset};
use omadm_bootstrap::BootstrapMethod::Smartcard;
use omadm_dm1::syncml::Encoding;
use omadm_mo::standard::dm_acc1::AuthType1;
use omadm_session::pair::dm1::Dm1Pair;
use omadm_session::pair::{Fault, FaultPlan, Moment};
use omadm_session::server::dm1::{Direction, Dm1Event};

use crate::bed::{
    BOTH, ENDED, SERVER, card, fresh, get, managed, read, rotated, settle, shares_boot,
};

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
pub(crate) fn at_every_place(begun: &Dm1Pair, after: impl Fn(&mut Dm1Pair, &FaultPlan)) -> usize {
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
