//! Bootstraps of DM 1.x by WAP push on the wire of a listening client (`dm1x.md` §5.4, §5.7, `push.md` §5).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_bootstrap::dm1::Dm1Security;
use omadm_bootstrap::{BootstrapSource, PushFault, PushSigner, PushedBootstrap};
use omadm_client::policy::{Dm1Policy, ListenAddresses};
use omadm_client::{Client, ClientEvent, DroppedPush, PinAnswer, PinOutcome, WapPushEvent};
use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Imsi, ImsiKey, NetworkId, user_pin_mac_code};
use omadm_mo::{Secret, SrvId};
use omadm_push::wsp::{ContentType, MediaName, Push, Sec, Security, well_known};
use support::dm1::Dm1Server;
use support::managed::{Device, SRV};
use support::provisioned::{DM_MESSAGE, DM_MESSAGE_SERVER, DM1_SERVER, connectivity_document};
use support::{Clock, LOOPBACK, SENT, Sender, Watcher, device, octets, until};
use tokio::net::UdpSocket;
use tokio::sync::watch;

const PIN: &str = "1234";

fn imsi(digits: &str) -> NetworkId {
    Imsi::parse(digits).unwrap().into()
}

fn policy() -> Dm1Policy {
    Dm1Policy {
        pushed_bootstraps: vec![BootstrapProfileKind::Cp, BootstrapProfileKind::Dm],
        subscribers: vec![imsi("001010123456789"), imsi("310150123456789")],
        ..Dm1Policy::default()
    }
}

/// A push as `push.md` §5.2 writes it.
fn pushed(sec: u8, mac: &str, document: &[u8]) -> Vec<u8> {
    let head = octets(&format!("0106 2f 1f2d b6 91 {:02x} 92", 0x80 | sec));
    [&head, mac.as_bytes(), &[0], document].concat()
}

fn dropped(watcher: &Watcher) -> Vec<DroppedPush> {
    let events = watcher.events().into_iter();
    let dropped = events.filter_map(|event| match event {
        ClientEvent::WapPush(WapPushEvent::Dropped { cause, .. }) => Some(cause),
        _ => None,
    });
    dropped.collect()
}

fn security(client: &Client, server: &str) -> Option<Dm1Security> {
    let accounts = client.accounts().unwrap();
    let server = SrvId::parse(server).unwrap();
    let found = accounts.iter().find(|one| one.srv_id == server)?;
    assert!(matches!(
        found.provenance.source,
        BootstrapSource::WapPush(_)
    ));
    found.dm1.security
}

/// Runs the client until something is so.
async fn run_until(client: &Client, what: &str, so: impl FnMut() -> bool) {
    let (stop, stopped) = watch::channel(false);
    let (ran, ()) = tokio::join!(client.run(stopped), async {
        until(what, so).await;
        stop.send_replace(true);
    });
    ran.unwrap();
}

#[tokio::test]
async fn b1_c_01_b1_c_02_each_vector_is_proved_by_its_key_and_applied() {
    let document = connectivity_document("nonce-2");
    let typed = user_pin_mac_code(&Secret::from(PIN.to_owned()), &document).unwrap();
    let rows = [
        (
            pushed(0, "4BFD4F6662C92BF77562A0252CC4C92F4883FDE2", &document),
            None,
            DM1_SERVER,
            Dm1Security::NetworkId,
        ),
        (
            pushed(1, "749020C3226ECAED28F70221862C51FF7FF9727D", &document),
            Some(Secret::from(PIN.to_owned())),
            DM1_SERVER,
            Dm1Security::UserPin,
        ),
        (
            pushed(2, "13b28f9cddca385bdd1565da51edd04e998ca57a", &document),
            Some(Secret::from(PIN.to_owned())),
            DM1_SERVER,
            Dm1Security::Both,
        ),
        (
            [&octets("0106 05 04 b6 91 0103")[..], &document].concat(),
            Some(typed),
            DM1_SERVER,
            Dm1Security::UserPin,
        ),
        (
            dm_message(0, "ED4048B56C07227FD7095E521C3D1BCC98B6052C"),
            None,
            DM_MESSAGE_SERVER,
            Dm1Security::NetworkId,
        ),
        (
            dm_message(0, "FB824BC0F3D086CCAD0D757FAD5CC8F947A953F7"),
            None,
            DM_MESSAGE_SERVER,
            Dm1Security::NetworkId,
        ),
        (
            dm_message(1, "EAEAD852FF08500BE53AAF36D8B1000B74EB9467"),
            Some(Secret::from(PIN.to_owned())),
            DM_MESSAGE_SERVER,
            Dm1Security::UserPin,
        ),
        (
            dm_message(2, "985AE86E4F8C3762FAE5BC8EAFF3CB5F6B0E441C"),
            Some(Secret::from(PIN.to_owned())),
            DM_MESSAGE_SERVER,
            Dm1Security::Both,
        ),
    ];
    for (push, pin, server, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
        let client = device(folder.path(), &clock, &watcher).dm1(Dm1Policy {
            user_pin_mac: true,
            ..policy()
        });
        let client = client.build().unwrap();
        let listening = client.listen().await.unwrap();
        Sender::to(listening.udp).await.send(&push).await;
        match pin {
            None => {
                run_until(&client, "it is applied", || {
                    security(&client, server).is_some()
                })
                .await;
            }
            Some(pin) => {
                until("it waits", || client.wap_pushes().unwrap().len() == 1).await;
                assert!(client.accounts().unwrap().is_empty());
                let outcome = client.answer_wap_push(1, &pin).await.unwrap();
                assert!(matches!(outcome, PinOutcome::Applied(_)), "{outcome:?}");
            }
        }
        assert_eq!(security(&client, server), Some(expected));
        until("nothing waits", || client.wap_pushes().unwrap().is_empty()).await;
    }
}

fn dm_message(sec: u8, mac: &str) -> Vec<u8> {
    let head = octets(&format!("0106 31 1f2d c2 91 {:02x} 92", 0x80 | sec));
    let tail = octets(DM_MESSAGE);
    [&head, mac.as_bytes(), &octets("00 af87"), &tail].concat()
}

#[tokio::test]
async fn b1_c_02_what_is_not_proved_is_dropped_unread_and_so_is_what_policy_does_not_take() {
    let document = connectivity_document("nonce-2");
    let right = "4BFD4F6662C92BF77562A0252CC4C92F4883FDE2";
    let wrong = "5BFD4F6662C92BF77562A0252CC4C92F4883FDE2";
    let off = Dm1Policy {
        pushed_bootstraps: vec![BootstrapProfileKind::Dm],
        ..policy()
    };
    let nobody = Dm1Policy {
        subscribers: Vec::new(),
        ..policy()
    };
    let no_mac = [&octets("0106 04 03 b6 91 81")[..], &document].concat();
    let unsigned = [&octets("0106 01 b6")[..], &document].concat();
    let typed = [&octets("0106 04 03 b6 91 83")[..], &document].concat();
    let rows = [
        (
            Dm1Policy::default(),
            pushed(0, right, &document),
            DroppedPush::Off,
        ),
        (off, pushed(0, right, &document), DroppedPush::Off),
        (
            policy(),
            pushed(0, wrong, &document),
            PushFault::WrongMac.into(),
        ),
        (policy(), no_mac, PushFault::Unsigned.into()),
        (policy(), unsigned, PushFault::Unsigned.into()),
        (policy(), typed, PushFault::UserPinMac.into()),
        (
            nobody,
            pushed(0, right, &document),
            PushFault::NoSubscriber.into(),
        ),
    ];
    for (policy, push, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
        let client = device(folder.path(), &clock, &watcher).dm1(policy);
        let client = client.build().unwrap();
        let listening = client.listen().await.unwrap();
        Sender::to(listening.udp).await.send(&push).await;
        until("it is dropped", || !dropped(&watcher).is_empty()).await;
        assert_eq!(dropped(&watcher), [expected]);
        assert!(client.wap_pushes().unwrap().is_empty() && client.accounts().unwrap().is_empty());
    }
}

fn signed(document: Vec<u8>, profile: BootstrapProfileKind, sec: Sec) -> PushedBootstrap {
    let pin = Secret::from(PIN.to_owned());
    let signer = PushSigner {
        sec,
        network: Some(&imsi("001010123456789")),
        form: ImsiKey::SemiOctet,
        pin: Some(&pin),
    };
    PushedBootstrap::signed(profile, Secret::new(document), &signer).unwrap()
}

#[tokio::test]
async fn three_wrong_pins_drop_a_push_however_often_the_device_is_restarted_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let document = connectivity_document("nonce-2");
    let push = signed(document, BootstrapProfileKind::Cp, Sec::UserPin);
    let right = Secret::from(PIN.to_owned());
    for left in [2, 1, 0] {
        let client = device(folder.path(), &clock, &watcher).dm1(policy());
        let client = client.build().unwrap();
        // That it comes again gives no try back.
        client.wap_pushed(push.clone(), "+15550001").await.unwrap();
        let wrong = Secret::from(format!("{left}"));
        let outcome = client.answer_wap_push(1, &wrong).await.unwrap();
        let expected = match left {
            0 => PinOutcome::Dropped,
            left => PinOutcome::Wrong(left),
        };
        assert_eq!(outcome, expected);
        if left == 0 {
            let outcome = client.answer_wap_push(1, &right).await.unwrap();
            assert_eq!(outcome, PinOutcome::NotThere);
            assert!(client.accounts().unwrap().is_empty());
        }
    }
    let exhausted = DroppedPush::Unproven(PushFault::Exhausted);
    assert_eq!(dropped(&watcher).last(), Some(&exhausted));
}

#[tokio::test]
async fn whoever_is_asked_may_mistype_decline_or_be_away() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let answers = Arc::new(Mutex::new(vec![PIN, "0000", "", "no", ""]));
    let asked = Arc::clone(&answers);
    let client = device(folder.path(), &clock, &watcher).dm1(policy());
    let client = client.pin(move |request| {
        assert_eq!(
            (request.from.as_str(), request.profile),
            ("+15550001", "cp")
        );
        match asked.lock().unwrap().pop().unwrap() {
            "" => PinAnswer::Later,
            "no" => PinAnswer::Declined,
            pin => PinAnswer::Pin(Secret::from(pin.to_owned())),
        }
    });
    let client = client.build().unwrap();
    let cp = |nonce: &str| {
        let document = connectivity_document(nonce);
        signed(document, BootstrapProfileKind::Cp, Sec::UserNetwPin)
    };
    let left = || answers.lock().unwrap().len();

    client.wap_pushed(cp("nonce-1"), "+15550001").await.unwrap();
    run_until(&client, "nobody was there", || left() == 4).await;
    run_until(&client, "it is too early", || true).await;
    assert_eq!((left(), client.wap_pushes().unwrap().len()), (4, 1));
    clock.set(SENT + 601);
    run_until(&client, "it is declined", || {
        client.wap_pushes().unwrap().is_empty()
    })
    .await;
    assert_eq!(dropped(&watcher), [DroppedPush::Declined]);

    client.wap_pushed(cp("nonce-2"), "+15550001").await.unwrap();
    run_until(&client, "nobody was there", || left() == 2).await;
    clock.set(SENT + 1300);
    run_until(&client, "it is applied", || {
        security(&client, DM1_SERVER).is_some()
    })
    .await;
    assert_eq!(
        (left(), security(&client, DM1_SERVER)),
        (0, Some(Dm1Security::Both))
    );

    client.wap_pushed(cp("nonce-3"), "+15550001").await.unwrap();
    until("it waits", || client.wap_pushes().unwrap().len() == 1).await;
    answers.lock().unwrap().push("");
    clock.set(SENT + 1300 + 86_400);
    run_until(&client, "it is expired", || {
        client.wap_pushes().unwrap().is_empty()
    })
    .await;
    assert_eq!(dropped(&watcher).last(), Some(&DroppedPush::Expired));
}

#[tokio::test]
async fn m24_a_push_applied_before_is_dropped_without_asking_for_its_pin() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).dm1(policy());
    let client = client.build().unwrap();
    let pin = Secret::from(PIN.to_owned());
    let push = |nonce: &str| {
        let document = connectivity_document(nonce);
        signed(document, BootstrapProfileKind::Cp, Sec::UserPin)
    };
    for (number, nonce) in [(1, "nonce-1"), (2, "nonce-2")] {
        client.wap_pushed(push(nonce), "+1").await.unwrap();
        let outcome = client.answer_wap_push(number, &pin).await.unwrap();
        assert!(matches!(outcome, PinOutcome::Applied(_)), "{outcome:?}");
    }
    client.wap_pushed(push("nonce-1"), "+1").await.unwrap();
    client.wap_pushed(push("nonce-2"), "+1").await.unwrap();
    let causes = [DroppedPush::Replayed, DroppedPush::Applied];
    assert_eq!(dropped(&watcher), causes);
    assert!(client.wap_pushes().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_push_is_told_to_the_server_whose_account_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).dm1(policy());
    let client = client.build().unwrap();
    let pin = Secret::from(PIN.to_owned());
    let push = |nonce: &str, sec: Sec| {
        let document = connectivity_document(nonce);
        signed(document, BootstrapProfileKind::Cp, sec)
    };
    let first = push("nonce-1", Sec::UserNetwPin);
    client.wap_pushed(first, "+1").await.unwrap();
    client.answer_wap_push(1, &pin).await.unwrap();
    // Signed by less than what brought the account.
    let weaker = push("nonce-2", Sec::NetwPin);
    client.wap_pushed(weaker, "+1").await.unwrap();
    run_until(&client, "it is refused", || {
        client.last_refusal().unwrap().is_some()
    })
    .await;
    let server = SrvId::parse(DM1_SERVER).unwrap();
    let alerts = client.queued_alerts(&server).unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    for part in ["bootstrap-refused", "less-trusted", "server"] {
        assert!(alerts[0].contains(part), "{alerts:?}");
    }
}

#[tokio::test]
async fn what_was_signed_as_one_profile_is_not_read_as_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).dm1(policy());
    let client = client.build().unwrap();
    let push = signed(octets(DM_MESSAGE), BootstrapProfileKind::Cp, Sec::NetwPin);
    client.wap_pushed(push, "+1").await.unwrap();
    run_until(&client, "it is refused", || {
        client.last_refusal().unwrap().is_some()
    })
    .await;
    let refusal = client.last_refusal().unwrap().unwrap();
    assert_eq!(refusal.cause, "not-dm1-document");
    assert!(client.accounts().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_c_04_b1_c_05_a_pushed_bootstrap_is_never_answered_and_reported_in_the_session_that_follows()
 {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let client = device.builder(&server.peer).dm1(policy());
    let client = client
        .listen(ListenAddresses {
            udp: Some(LOOPBACK),
            ..ListenAddresses::default()
        })
        .build()
        .unwrap();
    let listening = client.listen().await.unwrap();
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let to = listening.udp.unwrap();
    let push = signed(server.image(), BootstrapProfileKind::Cp, Sec::NetwPin);
    let wrong = Push {
        transaction_id: 2,
        content_type: ContentType {
            media: MediaName::Code(well_known::CONNECTIVITY_WBXML),
            security: Some(Security {
                sec: Sec::NetwPin,
                mac: None,
            }),
        },
        application_id: None,
        body: vec![3],
    };
    for octets in [wrong.encode(), push.to_push(3).encode()] {
        socket.send_to(&octets, to).await.unwrap();
    }
    run_until(&client, "its event is taken", || {
        let accounts = client.accounts().unwrap();
        accounts.first().is_some_and(|one| one.owed.is_none())
    })
    .await;
    let events = server.generic();
    let data = events[0].items[0].data.as_ref().unwrap().text().unwrap();
    for part in ["method=server", "profile=cp", "kind=first", "sec=networkid"] {
        assert!(data.contains(part), "{part}: {data}");
    }
    assert_eq!(security(&client, SRV), Some(Dm1Security::NetworkId));
    let mut answer = [0; 64];
    let answered = tokio::time::timeout(Duration::from_millis(200), socket.recv(&mut answer));
    assert!(answered.await.is_err(), "nothing is answered");
}
