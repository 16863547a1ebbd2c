//! DM Notifications on the wire of a listening client (`dm20.md` §11.5, D38, D39, D86).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use omadm_client::policy::ClientPolicy;
use omadm_client::{IgnoredNotification, Notified};
use omadm_dm2::package0::{
    AbsentDigest, DigestRefusal, Ignored, OptionName, Package0, ReplayRefusal, ServerId,
};
use omadm_mo::Secret;
use support::{
    Clock, DATA, DmServer, FULL, SECRET, SENT, SRV_ID, Sender, Watcher, causes, device, document,
    install, octets, until,
};
use tokio::sync::watch;

const NOWHERE: u16 = 9;

fn notification(id: u16, timestamp: u64) -> Package0 {
    Package0 {
        notification_id: Some(id),
        timestamp: Some(timestamp),
        ..Package0::new(ServerId::parse(SRV_ID).unwrap())
    }
}

fn sealed(package: Package0) -> Vec<u8> {
    package
        .sealed(&Secret::new(SECRET.to_vec()), &DATA)
        .encode()
}

fn digest(refusal: DigestRefusal) -> IgnoredNotification {
    let server = ServerId::parse(SRV_ID).unwrap();
    Ignored::Digest { server, refusal }.into()
}

fn replay(refusal: ReplayRefusal) -> IgnoredNotification {
    let server = ServerId::parse(SRV_ID).unwrap();
    Ignored::Replay { server, refusal }.into()
}

#[tokio::test]
async fn x_noti_001_x_noti_002_x_noti_003_the_full_example_is_taken_once_and_each_bad_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).build().unwrap();
    install(&client, document(NOWHERE, true)).await;
    let listening = client.listen().await.unwrap();
    let sender = Sender::to(listening.udp).await;

    sender.send(&octets(FULL)).await;
    until("the example is accepted", || watcher.accepted() == 1).await;

    let mut wrong = octets(FULL);
    wrong[30] ^= 1;
    let stranger = Package0::new(ServerId::parse("other.example.com").unwrap());
    let cases = [
        (octets(FULL), replay(ReplayRefusal::Duplicate(0x1234))),
        (
            sealed(notification(1, SENT - 1)),
            replay(ReplayRefusal::Older {
                timestamp: SENT - 1,
                newest: SENT,
            }),
        ),
        (
            sealed(notification(2, SENT - 301)),
            replay(ReplayRefusal::OutsideWindow {
                timestamp: SENT - 301,
                now: SENT,
            }),
        ),
        (
            sealed(notification(3, SENT + 301)),
            replay(ReplayRefusal::OutsideWindow {
                timestamp: SENT + 301,
                now: SENT,
            }),
        ),
        (wrong, digest(DigestRefusal::Wrong)),
        (
            notification(4, SENT).encode(),
            digest(DigestRefusal::Missing),
        ),
        (
            sealed(stranger.clone()),
            Ignored::Unknown(stranger.server_id).into(),
        ),
        (
            sealed(notification(0x1234, SENT + 1)),
            replay(ReplayRefusal::Duplicate(0x1234)),
        ),
        (vec![0; 1025], IgnoredNotification::TooLong(1024)),
    ];
    for (number, (octets, expected)) in cases.into_iter().enumerate() {
        sender.send(&octets).await;
        until("it is ignored", || watcher.ignored().0.len() > number).await;
        assert_eq!(watcher.ignored().0[number], expected);
    }
    assert_eq!(watcher.accepted(), 1);
    sender.send(&sealed(notification(5, SENT))).await;
    until("a fresh one counts", || watcher.accepted() == 2).await;
}

#[tokio::test]
async fn x_noti_003_ten_thousand_datagrams_of_garbage_leave_it_listening() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).build().unwrap();
    install(&client, document(NOWHERE, true)).await;
    let listening = client.listen().await.unwrap();
    let sender = Sender::to(listening.udp).await;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for number in 0..10_000_usize {
        let garbage: Vec<u8> = (0..number % 1200)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[0]
            })
            .collect();
        sender.send(&garbage).await;
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // A datagram may be lost where the system's buffer is full of garbage: a server would send another.
    for id in 0..100 {
        sender.send(&sealed(notification(id, SENT))).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        if watcher.accepted() > 0 {
            break;
        }
    }
    assert!(watcher.accepted() > 0);
    let (told, _) = watcher.ignored();
    assert!(told.len() <= 20, "{} events", told.len());
}

#[tokio::test]
async fn x_noti_003_a_restart_forgets_neither_window_nor_owed_session() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let server = DmServer::start().await;
    {
        let client = device(folder.path(), &clock, &watcher).build().unwrap();
        install(&client, document(server.port, true)).await;
        client.notified(&octets(FULL)).await.unwrap();
        assert_eq!(watcher.accepted(), 1);
    }
    let client = device(folder.path(), &clock, &watcher)
        .anchors(vec![server.anchor.clone()])
        .build()
        .unwrap();
    client.notified(&octets(FULL)).await.unwrap();
    assert_eq!(
        watcher.ignored().0,
        [replay(ReplayRefusal::Duplicate(0x1234))]
    );
    let (stop, stopped) = watch::channel(false);
    let (ran, ()) = tokio::join!(client.run(stopped), async {
        until("the session came", || !server.packages().is_empty()).await;
        stop.send_replace(true);
    });
    ran.unwrap();
    // D04: BootstrapComplete is owed as well, so both stand there; REQ-MOS and the completion bring MOS.
    let packages = server.packages();
    assert_eq!(packages.len(), 1);
    let both = [
        ("ServerInitiatedMgmt".to_owned(), Some(0x1234)),
        ("BootstrapComplete".to_owned(), None),
    ];
    assert_eq!(causes(&packages[0]), both);
    assert!(packages[0]["MOS"].is_array(), "{}", packages[0]);
}

#[tokio::test]
async fn x_noti_003_notifications_during_a_session_bring_exactly_one_more() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let server = DmServer::start().await;
    let client = device(folder.path(), &clock, &watcher)
        .anchors(vec![server.anchor.clone()])
        .build()
        .unwrap();
    install(&client, document(server.port, true)).await;
    client.settle().await.unwrap();
    assert_eq!(server.packages().len(), 1);
    server.answers.forget_permits(1000);

    let listening = client.listen().await.unwrap();
    let sender = Sender::to(listening.udp).await;
    let (stop, stopped) = watch::channel(false);
    let (ran, ()) = tokio::join!(client.run(stopped), async {
        sender.send(&sealed(notification(1, SENT))).await;
        until("the session began", || server.packages().len() == 2).await;
        for id in 2..5 {
            let package = Package0 {
                req_mos: id == 4,
                ..notification(id, SENT)
            };
            sender.send(&sealed(package)).await;
        }
        until("all are accepted", || watcher.accepted() == 4).await;
        assert_eq!(server.packages().len(), 2, "one session at a time");
        server.answers.add_permits(1000);
        until("one more session", || server.packages().len() == 3).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stop.send_replace(true);
    });
    ran.unwrap();
    let packages = server.packages();
    assert_eq!(packages.len(), 3);
    for (package, id) in [(&packages[1], 1), (&packages[2], 4)] {
        let cause = [("ServerInitiatedMgmt".to_owned(), Some(id))];
        assert_eq!(causes(package), cause);
        // x_noti_002: MOS where REQ-MOS asked for it, and nowhere else.
        assert_eq!(package.get("MOS").is_some(), id == 4, "{package}");
    }
}

#[tokio::test]
async fn x_noti_003_without_digest_it_depends_on_account_and_policy() {
    for (with_noti, absent, counts) in [
        (true, AbsentDigest::Ignore, false),
        (true, AbsentDigest::Accept, true),
        (false, AbsentDigest::Ignore, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
        let client = device(folder.path(), &clock, &watcher)
            .absent_digest(absent)
            .build()
            .unwrap();
        install(&client, document(NOWHERE, with_noti)).await;
        client
            .notified(&notification(1, SENT + 200).encode())
            .await
            .unwrap();
        assert_eq!(watcher.accepted(), usize::from(counts));
        // What nothing vouches for binds nobody: one that is proven and older still counts.
        let older = sealed(notification(1, SENT));
        client.notified(&older).await.unwrap();
        assert_eq!(
            watcher.accepted(),
            usize::from(counts) + usize::from(with_noti)
        );
    }
}

#[tokio::test]
async fn x_noti_003_a_server_whose_clock_ran_ahead_is_not_shut_out_by_a_device_without_clock() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(5), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).build().unwrap();
    install(&client, document(NOWHERE, true)).await;
    let ahead = sealed(notification(1, SENT + 1_000_000));
    client.notified(&ahead).await.unwrap();
    clock.set(SENT);
    client
        .notified(&sealed(notification(2, SENT)))
        .await
        .unwrap();
    assert_eq!(watcher.accepted(), 2);
}

#[tokio::test]
async fn x_noti_003_a_bootstrap_notification_makes_it_fetch_from_the_source_that_the_policy_names()
{
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let server = DmServer::start().await;
    let file =
        |name: &str, octets: &[u8]| std::fs::write(folder.path().join(name), octets).unwrap();
    let pem = server.ca_pem.clone();
    file("ca.pem", pem.as_bytes());
    file("noti.secret", SECRET);
    file("noti.data", &DATA);
    let policy = format!(
        "[bootstrap.smartcard]\nreaders = []\n[trust]\nanchors = ['ca.pem']\n\
         [[source]]\nid = 'boot'\nurl = 'https://localhost:{0}/bootstrap'\nnoti_secret_file = 'noti.secret'\nnoti_data_file = 'noti.data'\n\
         [[source]]\nid = 'mute'\nurl = 'https://localhost:{0}/bootstrap'\n",
        server.port
    );
    let policy = ClientPolicy::read(&policy, folder.path()).unwrap();
    let client = device(folder.path(), &clock, &watcher)
        .policy(&policy)
        .unwrap()
        .build()
        .unwrap();
    // One account is there, so that nothing is fetched unasked.
    client.bootstrap().await.unwrap();
    client.settle().await.unwrap();

    let to = |source: &str| Package0::new(ServerId::parse(source).unwrap());
    let full = |source: &str| Package0 {
        notification_id: Some(1),
        timestamp: Some(SENT),
        ..to(source)
    };
    for (package, refusal) in [
        (
            sealed(to("bs:boot")),
            DigestRefusal::BootstrapOption(OptionName::Timestamp),
        ),
        (
            full("bs:boot").encode(),
            DigestRefusal::BootstrapOption(OptionName::Sha256Digest),
        ),
        (sealed(full("bs:mute")), DigestRefusal::NoBootstrapSecret),
    ] {
        let ignored = client.notified(&package).await.unwrap();
        let Notified::Ignored(IgnoredNotification::Judged(Ignored::Digest {
            refusal: found, ..
        })) = ignored
        else {
            unreachable!("{ignored:?}")
        };
        assert_eq!(found, refusal);
    }
    let stranger = client.notified(&sealed(full("bs:other"))).await.unwrap();
    assert!(matches!(stranger, Notified::Ignored(_)), "{stranger:?}");

    client.notified(&sealed(full("bs:boot"))).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let (ran, ()) = tokio::join!(client.run(stopped), async {
        until("the completion came", || server.packages().len() == 2).await;
        stop.send_replace(true);
    });
    ran.unwrap();
    let packages = server.packages();
    let complete = [("BootstrapComplete".to_owned(), None)];
    assert_eq!(causes(&packages[1]), complete, "no ServerInitiatedMgmt");
    let kind = &packages[1]["Alert"][0]["Data"]["BootstrapType"];
    assert_eq!(
        (&kind["Method"], &kind["Seq"]),
        (&"server".into(), &2.into())
    );
}
