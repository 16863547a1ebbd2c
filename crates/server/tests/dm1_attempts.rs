//! Sessions of DM 1.x that nobody opened: unknown names, wrong passwords, guesses at several nodes and over restarts, revoked secrets. With `OMADM_TEST_NODES=2`
//! each request goes to the other of two nodes than the one before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use omadm_bootstrap::Utc;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::syncml::{Command, Encoding};
use omadm_mo::{DevId, Secret};
use omadm_server::model::{EventKind, FailedCred, StoredEvent};
use omadm_server::operator::types::{Dm1Revocation, NewDm1Account};
use support::dm1::{Client, PACKAGE1, account, codes, commands, status};
use support::{Answer, DEVICE, Rig};

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];
/// Of M20: from one source, in milliseconds.
const MOST: usize = 10;
const WINDOW: i64 = 15 * 60;

/// What anybody outside sees of an answer: status, headers, octets. What is drawn for each answer alone is taken out: the nonce and the token of `RespURI`.
fn seen(client: &mut Client, answer: &Answer) -> (u16, Vec<(String, String)>, usize, String) {
    let headers = answer.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap();
        let value = if name == "date" { "" } else { value };
        (name.to_string(), value.to_owned())
    });
    let mut message = client.receive(answer);
    let uri = message.header.resp_uri.take().unwrap();
    let token = uri.split_once("s=").unwrap().1.len();
    for command in &mut message.commands {
        if let Command::Status(status) = command
            && let Some(chal) = &mut status.chal
        {
            chal.meta.next_nonce = Some(chal.meta.next_nonce.take().unwrap().len().to_string());
        }
    }
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    let shape = format!("{token} {message:?}");
    (answer.status, headers, answer.body.len(), shape)
}

/// Guesses at a password, so many sessions of four messages.
async fn guesses(rig: &Rig, client: &mut Client, sessions: usize) -> Vec<String> {
    client.hash = UserHash::new(&client.user, &Secret::from("a guess".to_owned()));
    let mut all = Vec::new();
    for _ in 0..sessions {
        client.begin();
        for _ in 0..4 {
            let any = || Nonce::new(vec![7; 24]).ok();
            client.nonce = client.nonce.take().or_else(any);
            let body = client.message(PACKAGE1);
            let answer = client.post(rig, body).await;
            all.push(format!("{:?}", seen(client, &answer)));
        }
    }
    all
}

#[tokio::test]
async fn m19_a_wrong_password_looks_like_an_unknown_name_in_every_octet_before_and_after_the_limit()
{
    for encoding in BOTH {
        let rig = Rig::new().await;
        let added = account(&rig).await;
        let mut known = Client::new(&added, encoding);
        let mut unknown = Client::new(&added, encoding);
        unknown.user = "meter-8".to_owned();
        // Four sessions of three evaluated credentials: the account is let alone within the last one.
        let known = guesses(&rig, &mut known, 6).await;
        let unknown = guesses(&rig, &mut unknown, 6).await;
        for (nr, (known, unknown)) in known.iter().zip(&unknown).enumerate() {
            let unknown = unknown.replace("meter-8", "meter-7");
            assert_eq!(*known, unknown, "answer {nr}");
        }
        assert!(
            known
                .iter()
                .any(|answer| answer.contains("AlertCode(1223)"))
        );
    }
}

#[tokio::test]
async fn m19_an_unknown_name_is_answered_in_like_time() {
    let rig = Rig::new().await;
    let added = account(&rig).await;
    let mut known = Client::new(&added, Encoding::Xml);
    let mut unknown = Client::new(&added, Encoding::Xml);
    unknown.user = "meter-8".to_owned();
    // The shortest of many, in turn: what else the machine does makes them longer alone.
    let mut shortest = [Duration::MAX; 2];
    for _ in 0..150 {
        for (shortest, client) in shortest.iter_mut().zip([&mut known, &mut unknown]) {
            client.begin();
            client.nonce = None;
            let body = client.message(PACKAGE1);
            let begun = Instant::now();
            let answer = client.post(&rig, body).await;
            *shortest = begun.elapsed().min(*shortest);
            assert_eq!(answer.status, 200);
        }
    }
    let [known, unknown] = shortest;
    println!("known {known:?}, unknown {unknown:?}");
    assert!(known < unknown * 8 / 5, "{known:?} {unknown:?}");
    assert!(unknown < known * 8 / 5, "{known:?} {unknown:?}");
}

/// Every node wrote what it deferred.
async fn flushed(rig: &Rig) {
    for server in rig.servers() {
        server.store().flush().await.unwrap();
    }
}

async fn failed(rig: &Rig) -> Vec<FailedCred> {
    flushed(rig).await;
    let store = rig.server().store();
    let dev_id = DevId::parse(DEVICE).unwrap();
    store.failed_creds(&dev_id, Utc(0), 1000).await.unwrap()
}

/// The code of a session that begins with the right password, after a challenge where there is one.
async fn opens(rig: &Rig, client: &mut Client) -> u16 {
    client.begin();
    client.nonce = None;
    let mut code = 0;
    for _ in 0..2 {
        let body = client.message(PACKAGE1);
        let answer = client.post(rig, body).await;
        code = codes(&client.receive(&answer))[0];
    }
    code
}

#[tokio::test]
async fn m20_failures_are_counted_by_all_nodes_over_restarts_and_the_honest_device_comes_in_afterwards()
 {
    for encoding in BOTH {
        let rig = Rig::new().await;
        let added = account(&rig).await;
        let mut honest = Client::new(&added, encoding);
        let mut guesser = Client::new(&added, encoding);
        guesser.session = 0xB0;

        // Below the limit a right credential clears what its source did wrong.
        guesses(&rig, &mut guesser, 2).await;
        assert_eq!(failed(&rig).await.len(), 6, "three of a session");
        assert_eq!(opens(&rig, &mut honest).await, 212);
        assert!(failed(&rig).await.is_empty());

        guesses(&rig, &mut guesser, 3).await;
        let rig = rig.restarted().await;
        guesses(&rig, &mut guesser, 3).await;
        assert_eq!(failed(&rig).await.len(), MOST, "and no more");
        let rig = rig.restarted().await;
        assert_eq!(opens(&rig, &mut honest).await, 401, "nothing is looked at");
        assert_eq!(failed(&rig).await.len(), MOST);
        let alarms = rig.events().await;
        let alarms = alarms.iter().filter(|event| {
            matches!(&event.event.kind, EventKind::RequestRefused { detail, .. } if detail.contains("too many wrong credentials"))
        });
        assert!(alarms.count() > 0);

        rig.jump(WINDOW + 1);
        assert_eq!(opens(&rig, &mut honest).await, 212, "the window is over");
    }
}

#[tokio::test]
async fn what_a_card_brings_back_opens_nothing_once_it_is_revoked_and_an_operator_is_told() {
    for encoding in BOTH {
        let rig = Rig::new().await;
        rig.device(DEVICE).await;
        // A model of which it is known where it keeps its credentials.
        let new = NewDm1Account {
            user: Some("meter-7".to_owned()),
            server_id: Some("com.example.dm".to_owned()),
            model: Some("Windows".to_owned()),
            ..NewDm1Account::default()
        };
        let added = rig.api.add_dm1(DEVICE, &new).await.unwrap();
        let mut device = Client::new(&added, encoding);
        rig.api.rotate_dm1(DEVICE).await.unwrap();

        // Both secrets are replaced.
        device.begin();
        device.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        let event = |id: char, seq: u8, kind: &str| {
            let id = String::from(id).repeat(32);
            format!(
                "{PACKAGE1}<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Source><LocURI>./DMAcc/1</LocURI></Source>\
                 <Meta><Type xmlns='syncml:metinf'>org.example.dm.bootstrap</Type><Format xmlns='syncml:metinf'>chr</Format></Meta>\
                 <Data>v=1&amp;id={id}&amp;seq={seq}&amp;method=smartcard&amp;profile=cp&amp;kind={kind}</Data></Item></Alert>"
            )
        };
        let body = device.message(&event('a', 1, "first"));
        let answer = device.post(&rig, body).await;
        let answer = device.receive(&answer);
        let next_session = device.nonce.take();
        assert_eq!(codes(&answer), [212, 200, 200, 200]);
        let msg = answer.header.msg_id;
        let (mut done, mut secret) = (status(msg, "0", "SyncHdr", 212, 1), None);
        for command in &answer.commands {
            let Command::Atomic(group) = command else {
                continue;
            };
            let cmd_id = command.cmd_id().unwrap().as_str();
            done += &status(msg, cmd_id, "Atomic", 200, 2);
            for (member, cmd_id) in group.members.iter().zip(3..) {
                let Command::Replace(replace) = member else {
                    panic!("{member:?}");
                };
                let of = member.cmd_id().unwrap().as_str();
                done += &status(msg, of, "Replace", 200, cmd_id);
                let item = &replace.items[0];
                if item.target.as_ref().unwrap().uri.contains("CLCRED") {
                    let text = item.data.as_ref().unwrap().text().unwrap();
                    secret = Some(Secret::from(text.to_owned()));
                }
            }
        }
        let body = device.message(&done);
        let answer = device.post(&rig, body).await;
        assert!(commands(&device.receive(&answer)).is_empty());
        let boot = device.hash.clone();
        device.hash = UserHash::new(&device.user, &secret.expect("a new secret"));
        device.begin();
        device.nonce = next_session;
        let body = device.message(PACKAGE1);
        let answer = device.post(&rig, body).await;
        assert_eq!(codes(&device.receive(&answer))[0], 212, "the new secret");

        let shown = rig
            .api
            .revoke_dm1(DEVICE, &Dm1Revocation { boot: true })
            .await;
        let shown = shown.unwrap();
        assert!(
            shown
                .client
                .iter()
                .any(|secret| secret.generation == "boot" && secret.revoked)
        );
        let mut card = Client::new(&added, encoding);
        card.hash = boot;
        card.session = 0xC0;
        card.begin();
        let mut last = Vec::new();
        for _ in 0..3 {
            let body = card.message(&event('b', 1, "reset"));
            let answer = card.post(&rig, body).await;
            last = codes(&card.receive(&answer));
        }
        assert_eq!(last, [401; 4]);
        let alarm = |event: &StoredEvent| {
            matches!(&event.event.kind, EventKind::RequestRefused { detail, claimed, .. }
                if detail.contains("it was revoked") && claimed.as_deref() == Some(DEVICE))
        };
        flushed(&rig).await;
        let events = rig.events().await;
        assert!(events.iter().any(alarm), "{events:#?}");
        let bootstrapped =
            |event: &&StoredEvent| matches!(event.event.kind, EventKind::BootstrapCompleted { .. });
        assert_eq!(events.iter().filter(bootstrapped).count(), 1);
        // What is in use goes on.
        assert_eq!(opens(&rig, &mut device).await, 212);
    }
}
