//! Generations of secrets with both ends (D83): every way back of a device that was rolled back, and rotations with every fault at every message.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_bootstrap::generation::{Generation, NewSecret, SecretScope};
use omadm_bootstrap::{BootstrapMethod, DeviceView as _};
use omadm_dm2::Command;
use omadm_mo::standard::dm_acc::{AuthNoti, AuthTrsp};
use omadm_mo::standard::{DmAcc, dm_acc};
use omadm_mo::{NodeAddress, Secret, SrvId, TreeView as _};
use omadm_session::client::Outcome;
use omadm_session::pair::{Delivered, Fault, FaultPlan, Pair, SecretRing};

/// `Auth/Trsp/Data` is `boot`, `Auth/Noti/Secret` is `noti`.
const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"a","SrvURI":"https://a/dm/2.0","Name":"A",
    "Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"}},
    "Auth":{"Trsp":{"Data":"Ym9vdA==","Secret":"a2V5"},"Noti":{"Type":1,"Data":"","Secret":"bm90aQ=="}}}}}]"#;
const SCOPES: [SecretScope; 2] = [SecretScope::Session, SecretScope::Notification];

fn server() -> SrvId {
    SrvId::parse("a").unwrap()
}

/// A device that is to be bootstrapped, and a server that knows what the document brings.
fn pair() -> Pair {
    let mut pair = Pair::new(FaultPlan::none());
    pair.server.read_dev_info = false;
    pair.server.secrets = Some(SecretRing::provisioned(b"boot"));
    pair.server.notification = Some(SecretRing::provisioned(b"noti"));
    pair
}

fn account(pair: &Pair) -> DmAcc {
    let account = pair.end.device.account(&server()).unwrap().unwrap();
    let root = NodeAddress::root(dm_acc::moid(), account.miid);
    DmAcc::from_node(&pair.end.device.subtree(&root).unwrap().unwrap()).unwrap()
}

fn ring(pair: &mut Pair, scope: SecretScope) -> &mut SecretRing {
    let ring = match scope {
        SecretScope::Notification => &mut pair.server.notification,
        _ => &mut pair.server.secrets,
    };
    ring.as_mut().unwrap()
}

/// Queues a new secret of this name.
fn rotate(pair: &mut Pair, scope: SecretScope, name: &str) {
    let secret = if scope == SecretScope::Notification {
        NewSecret::Noti(AuthNoti {
            kind: 1,
            data: Vec::new(),
            secret: Secret::from(name.to_owned()),
        })
    } else {
        NewSecret::Trsp(AuthTrsp {
            data: name.as_bytes().to_vec(),
            secret: Secret::from("key".to_owned()),
        })
    };
    let url = format!("https://a/repo/cmd/{}-{name}", scope.name());
    let document = secret.document(true).expose().to_vec();
    pair.end.repository.put(&url, None, document);
    let command = Command::read(&["HGET", &url, &secret.target(true)]).unwrap();
    let id = pair.server.queue(command);
    ring(pair, scope).coming(&secret, &id);
}

/// Whether both ends hold the same secrets as those in use.
fn agree(pair: &mut Pair) -> bool {
    let account = account(pair);
    let (trsp, noti) = (account.trsp.unwrap(), account.noti.unwrap());
    let session = ring(pair, SecretScope::Session).current() == Some(&trsp.data);
    session && ring(pair, SecretScope::Notification).current() == Some(noti.secret.expose())
}

fn bootstrap(pair: &mut Pair, method: BootstrapMethod) {
    let delivered = pair.deliver_by(DOCUMENT.as_bytes(), method, "https://a:443");
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    pair.run_session(&server());
    assert!(!pair.owes());
}

fn ended(pair: &mut Pair) {
    assert_eq!(pair.run_session(&server()), Some(Outcome::Ended));
}

fn generations(pair: &mut Pair, scope: SecretScope) -> Vec<(Generation, bool)> {
    ring(pair, scope).standings()
}

const BOOT: (Generation, bool) = (Generation::Boot, false);
const CURRENT: (Generation, bool) = (Generation::Current, false);
const DEAD: (Generation, bool) = (Generation::Current, true);

#[test]
fn a_device_comes_back_by_every_method_whatever_was_rotated_since() {
    let rows: [&[SecretScope]; 4] = [&[], &SCOPES[..1], &SCOPES[1..], &SCOPES];
    for method in BootstrapMethod::ALL {
        for rotated in rows {
            let row = format!("{method:?}, rotated: {rotated:?}");
            let mut pair = pair();
            // First.
            bootstrap(&mut pair, method);
            assert!(agree(&mut pair), "{row}");
            for scope in rotated {
                rotate(&mut pair, *scope, "second");
            }
            ended(&mut pair);
            ended(&mut pair);
            assert!(agree(&mut pair), "{row}");
            for scope in SCOPES {
                let expected: &[_] = if rotated.contains(&scope) {
                    &[BOOT, CURRENT]
                } else {
                    &[CURRENT]
                };
                assert_eq!(generations(&mut pair, scope), expected, "{row}: {scope:?}");
            }
            // Again.
            bootstrap(&mut pair, method);
            assert!(agree(&mut pair), "{row}");
            for scope in SCOPES {
                let expected: &[_] = if rotated.contains(&scope) {
                    &[CURRENT, DEAD]
                } else {
                    &[CURRENT]
                };
                assert_eq!(generations(&mut pair, scope), expected, "{row}: {scope:?}");
            }
            let recovered = u32::from(rotated.contains(&SecretScope::Session));
            let decided = &ring(&mut pair, SecretScope::Session).decided;
            assert_eq!(decided.get("recover").copied().unwrap_or(0), recovered);
            // And rotated again.
            for scope in rotated {
                rotate(&mut pair, *scope, "third");
            }
            ended(&mut pair);
            ended(&mut pair);
            assert!(agree(&mut pair), "{row}");
            assert_eq!(pair.violations, [], "{row}");
            assert_eq!(pair.server.completions.len(), 2, "{row}");
        }
    }
}

#[test]
fn a_rotation_with_any_fault_at_any_message_locks_nobody_out() {
    let prepared = |faults: FaultPlan| {
        let mut pair = pair();
        bootstrap(&mut pair, BootstrapMethod::Smartcard);
        let begin = pair.counts();
        for scope in SCOPES {
            rotate(&mut pair, scope, "second");
        }
        pair.faults = faults;
        (pair, begin)
    };
    let (mut clean, begin) = prepared(FaultPlan::none());
    ended(&mut clean);
    ended(&mut clean);
    let end = clean.counts();
    let first = begin.0.min(begin.1).min(begin.2);
    let last = end.0.max(end.1).max(end.2);
    let mut struck = 0;
    for position in first..=last {
        for fault in Fault::all_at(position) {
            let (mut pair, _) = prepared(FaultPlan::of([fault]));
            for _session in 0..5 {
                let outcome = pair.run_session(&server());
                let refused = matches!(outcome, Some(Outcome::Refused { status: 403, .. }));
                assert!(!refused, "{fault:?}: {outcome:?}");
                struck += u32::from(outcome != Some(Outcome::Ended));
            }
            assert!(pair.server.is_done(), "{fault:?}");
            assert!(agree(&mut pair), "{fault:?}");
            pair.faults = FaultPlan::none();
            // Where the device had no room for the new secret, the former one is in use on both ends, and the next rotation takes its place.
            for scope in SCOPES {
                if generations(&mut pair, scope)[0] == CURRENT {
                    assert!(matches!(fault, Fault::NoRoom(_)), "{fault:?}");
                    rotate(&mut pair, scope, "third");
                }
            }
            ended(&mut pair);
            ended(&mut pair);
            assert!(agree(&mut pair), "{fault:?}");
            for scope in SCOPES {
                let all = generations(&mut pair, scope);
                let live: Vec<_> = all.into_iter().filter(|(_, dead)| !dead).collect();
                assert_eq!(live, [BOOT, CURRENT], "{fault:?}");
            }
        }
    }
    assert!(struck > 20, "the faults did not strike: {struck}");
}

#[test]
fn what_was_replaced_or_revoked_opens_nothing_without_the_event_that_brings_it_back() {
    let refused =
        |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Refused { status: 403, .. }));
    let mut pair = pair();
    bootstrap(&mut pair, BootstrapMethod::Factory);
    rotate(&mut pair, SecretScope::Session, "second");
    let before = pair.end.device.clone();
    ended(&mut pair);
    ended(&mut pair);
    let after = pair.end.device.clone();
    // A copy of the device from before the rotation reports no bootstrap.
    pair.end.device = before;
    assert!(refused(&pair.run_session(&server())));
    pair.end.device = after.clone();
    ended(&mut pair);
    // A revoked generation does not come back with an event either, and what is in use goes on.
    ring(&mut pair, SecretScope::Session).revoke(Generation::Boot);
    let delivered = pair.deliver_by(DOCUMENT.as_bytes(), BootstrapMethod::Factory, "");
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    assert!(refused(&pair.run_session(&server())));
    assert!(pair.owes());
    pair.end.device = after;
    ended(&mut pair);
}
