//! Package 0 of DM 1.x on the wire of a listening client (`dm1x.md` §7, `push.md` §5.4).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use omadm_client::{ClientEvent, IgnoredNotification, IgnoredTrigger, Notified, TriggerNonce};
use omadm_dm1::trigger::{Initiator, TriggerFault, UiMode};
use support::provisioned::{DM1_SERVER, connectivity_document};
use support::{Clock, SENT, Sender, Watcher, device, document, install, octets, until};

/// What follows the two octets of version and modes.
const TRIGGER: &str = "000000 1234 0e 636f6d2e6578616d706c652e646d";

/// The push of `push.md` §5.4 with this version, by the server secret `serverpw` and the nonce `nonce-0`.
fn push(version: u8) -> Vec<u8> {
    let (digest, head) = match version {
        10 => ("872a1b7468a4bcd1d8ee8d2c2507b156", "02a8"),
        11 => ("69485ccb0bca27714e52a4bbaadd8f51", "02e8"),
        12 => ("8c512e4d23c7b307c963b95c4c542a8a", "0328"),
        _ => ("bb3b1263a1d1cfba776185cb858541f1", "0368"),
    };
    octets(&format!("020603c4af87 {digest} {head} {TRIGGER}"))
}

/// The same as Kannel's push gateway writes it: the type as text, headers beside.
fn push_of_kannel() -> Vec<u8> {
    let head = "01 06 45 6170706c69636174696f6e2f766e642e73796e636d6c2e6e6f74696669636174696f6e00 \
                582d5741502d507573682d4f54412d56657273696f6e00312e3000 af87 8da6 c393";
    [octets(head), push(11)[6..].to_vec()].concat()
}

fn triggers(watcher: &Watcher) -> Vec<(u16, TriggerNonce)> {
    let events = watcher.events().into_iter();
    let triggers = events.filter_map(|event| match event {
        ClientEvent::Triggered { carrier, trigger } => {
            assert_eq!((carrier, trigger.server.as_str()), ("udp", DM1_SERVER));
            assert_eq!(
                (trigger.ui_mode, trigger.initiator),
                (UiMode::Informative, Initiator::Server)
            );
            Some((trigger.session, trigger.nonce))
        }
        _ => None,
    });
    triggers.collect()
}

#[tokio::test]
async fn a_package_0_of_each_version_counts_once_and_each_bad_one_never() {
    for version in 10..=13 {
        let folder = tempfile::tempdir().unwrap();
        let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
        let client = device(folder.path(), &clock, &watcher).build().unwrap();
        install(&client, connectivity_document("nonce-0")).await;
        let listening = client.listen().await.unwrap();
        let sender = Sender::to(listening.udp).await;

        let mut wrong = push(version);
        wrong[7] ^= 1;
        let mut stranger = push(version);
        *stranger.last_mut().unwrap() = b'n';
        let mut no_session = push(version);
        no_session[27..29].fill(0);
        let mut later = push(version);
        later[22..24].copy_from_slice(&(14_u16 << 6 | 0x28).to_be_bytes());
        let server = omadm_mo::SrvId::parse(DM1_SERVER).unwrap();
        let bad = [
            (wrong, IgnoredTrigger::Digest(server.clone())),
            (stranger, IgnoredTrigger::Unknown("com.example.dn".into())),
            (no_session, TriggerFault::NoSession.into()),
            (later, TriggerFault::Version(14).into()),
            (
                push(version)[..44 - 3].to_vec(),
                TriggerFault::TooShort.into(),
            ),
        ];
        for (number, (octets, expected)) in bad.into_iter().enumerate() {
            sender.send(&octets).await;
            until("it is ignored", || watcher.ignored().0.len() > number).await;
            let expected = IgnoredNotification::from(expected);
            assert_eq!(watcher.ignored().0[number], expected);
        }
        assert_eq!(triggers(&watcher), []);

        sender.send(&push(version)).await;
        until("it counts", || !triggers(&watcher).is_empty()).await;
        assert_eq!(triggers(&watcher), [(0x1234, TriggerNonce::Stored)]);
        if version == 11 {
            let before = watcher.ignored().0.len();
            sender.send(&push_of_kannel()).await;
            until("again", || watcher.ignored().0.len() > before).await;
            let session = 0x1234;
            let again = IgnoredTrigger::Duplicate { server, session };
            assert_eq!(watcher.ignored().0[before], again.into());
        }
    }
}

#[tokio::test]
async fn a_package_0_replayed_after_a_restart_opens_no_second_session() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    for restarted in [false, true] {
        let client = device(folder.path(), &clock, &watcher).build().unwrap();
        if !restarted {
            install(&client, connectivity_document("nonce-0")).await;
        }
        let taken = client.triggered(&push_of_kannel()[72..]).await.unwrap();
        let counts = matches!(taken, Notified::Triggered(_));
        assert_eq!(counts, !restarted, "{taken:?}");
    }
}

#[tokio::test]
async fn neither_generation_takes_the_calls_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher).build().unwrap();
    let of_dm2 = document(9, true);
    let named = String::from_utf8(of_dm2).unwrap();
    let named = named.replace(support::SRV_ID, DM1_SERVER);
    install(&client, named.into_bytes()).await;
    let taken = client.triggered(&push(11)[6..]).await.unwrap();
    let server = omadm_mo::SrvId::parse(DM1_SERVER).unwrap();
    let other = IgnoredTrigger::OtherGeneration(server);
    assert_eq!(taken, Notified::Ignored(other.into()));
}
