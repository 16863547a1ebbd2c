//! What an operator learns of DM 1.x messages that led to nothing: the event log says who claimed to send them, from where, and what is wrong with them. With
//! `OMADM_TEST_NODES=2` each request goes to the other of two nodes than the one before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use http::Method;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::syncml::Encoding;
use omadm_mo::Secret;
use omadm_server::model::EventKind;
use support::dm1::{Client, PACKAGE1, account, added, codes, in_encoding};
use support::{DEVICE, Rig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

/// A refusal: device it is under, status, DevID that was claimed, detail.
type Told = (Option<String>, u16, Option<String>, String);

async fn told(rig: &Rig) -> Vec<Told> {
    let refusals = rig.refusals().await.into_iter();
    let told = refusals.map(|(about, kind)| {
        let EventKind::RequestRefused {
            path,
            status,
            claimed,
            from,
            detail,
            ..
        } = kind
        else {
            panic!("{kind:?}");
        };
        assert_eq!(path, "/dm/1.x");
        assert_eq!(from.as_deref(), Some("127.0.0.1"));
        (about, status, claimed, detail)
    });
    told.collect()
}

fn known() -> Option<String> {
    Some(DEVICE.to_owned())
}

#[tokio::test]
async fn a_message_of_another_version_or_with_an_unreadable_body_is_told_under_the_device_though_its_cred_is_right()
 {
    for encoding in BOTH {
        let rig = Rig::new().await;
        let added = account(&rig).await;
        let mut client = Client::new(&added, encoding);
        for (from, to, status, says) in [
            ("<VerDTD>1.2", "<VerDTD>1.1", 505, "VerDTD \"1.1\""),
            ("DM/1.2", "DM/1.1", 513, "VerProto \"DM/1.1\""),
            ("", "", 400, "cannot be read"),
        ] {
            client.begin();
            client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
            let text = client.text(PACKAGE1).replace(from, to);
            let mut body = in_encoding(&text, encoding);
            if status == 400 {
                body.truncate(body.len() - 4);
            }
            let answer = client.post(&rig, body).await;
            assert_eq!(codes(&client.receive(&answer)), [status]);
            let all = told(&rig).await;
            let (about, code, claimed, detail) = all.last().unwrap();
            assert_eq!((about, *code, claimed), (&known(), status, &known()));
            assert!(detail.contains(says), "{detail}");
        }
        assert_eq!(told(&rig).await.len(), 3);
    }
}

#[tokio::test]
async fn an_unknown_account_is_told_by_its_name_and_by_the_device_that_claims_it() {
    for encoding in BOTH {
        let rig = Rig::new().await;
        let added = account(&rig).await;
        let mut client = Client::new(&added, encoding);
        client.user = "meter-8".to_owned();
        client.dev_id = "IMEI:493005100592818".to_owned();
        client.begin();
        for status in [407, 401] {
            let body = client.message(PACKAGE1);
            let answer = client.post(&rig, body).await;
            assert_eq!(codes(&client.receive(&answer))[0], status);
            let claimed = Some(client.dev_id.clone());
            let detail = "nobody has an account \"meter-8\"".to_owned();
            let all = told(&rig).await;
            assert_eq!(*all.last().unwrap(), (None, status, claimed, detail));
        }
        // The text of a stranger is kept as far as it names somebody, and breaks no line of a log.
        client.user = "m".repeat(20_000);
        client.dev_id = "IMEI:1\nIMEI:2".to_owned();
        client.begin();
        let body = client.message(PACKAGE1);
        client.post(&rig, body).await;
        let all = told(&rig).await;
        let (_, _, claimed, detail) = all.last().unwrap();
        assert!(detail.len() < 400);
        assert_eq!(claimed.as_deref(), Some("IMEI:1\\nIMEI:2"));
    }
}

#[tokio::test]
async fn wrong_and_too_weak_credentials_are_told_from_the_first_and_a_challenge_that_is_due_is_not()
{
    for encoding in BOTH {
        let rig = Rig::new().await;
        let added = account(&rig).await;
        let mut client = Client::new(&added, encoding);
        client.begin();
        client.exchange(&rig, PACKAGE1).await;
        assert_eq!(codes(&client.exchange(&rig, PACKAGE1).await)[0], 212);
        assert_eq!(told(&rig).await, []);

        let right = client.hash.clone();
        client.hash = UserHash::new(&client.user, &Secret::from("a guess".to_owned()));
        client.begin();
        assert_eq!(codes(&client.exchange(&rig, PACKAGE1).await)[0], 401);
        // Of the type that gives the password away.
        let weak = client.text(PACKAGE1).replace("auth-md5", "auth-basic");
        let answer = client.post(&rig, in_encoding(&weak, encoding)).await;
        assert_eq!(codes(&client.receive(&answer))[0], 401);
        let [wrong, weak] = &told(&rig).await[..] else {
            panic!("{:?}", told(&rig).await);
        };
        assert_eq!((&wrong.0, wrong.1, &wrong.2), (&known(), 401, &known()));
        assert!(wrong.3.contains("\"meter-7\"") && wrong.3.contains("none of its secrets"));
        assert_eq!((&weak.0, weak.1, &weak.2), (&known(), 401, &known()));
        assert!(weak.3.contains("weaker than syncml:auth-md5"), "{}", weak.3);

        client.hash = right;
        assert_eq!(codes(&client.exchange(&rig, PACKAGE1).await)[0], 212);
        assert_eq!(told(&rig).await.len(), 2);
    }
}

#[tokio::test]
async fn what_is_no_dm_message_is_told_with_where_it_came_from() {
    let rig = Rig::new().await;
    let post = async |content_type: &str, body: Vec<u8>| {
        let mut wire = rig.connect(None).await;
        let headers = [("Content-Type", content_type)];
        let answer = wire.send(Method::POST, "/dm/1.x", &headers, body).await;
        answer.status
    };
    let xml = Encoding::Xml.media_type();
    assert_eq!(post("application/json", b"{}".to_vec()).await, 415);
    assert_eq!(post(xml, b"nonsense".to_vec()).await, 400);
    assert_eq!(post(xml, vec![b' '; 3 << 20]).await, 413);
    let all = told(&rig).await;
    let statuses: Vec<_> = all.iter().map(|told| told.1).collect();
    assert_eq!(statuses, [415, 400, 413]);
    assert!(all.iter().all(|told| told.0.is_none() && told.2.is_none()));
}

#[tokio::test]
async fn a_413_reaches_a_sender_that_announced_no_length_and_sends_all_it_has_before_it_reads() {
    let rig = Rig::one_node(
        |config| {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            config.plain_device_listeners.push(any);
        },
        |server| server,
    )
    .await;
    let mut stream = TcpStream::connect(rig.server().plain_device_addrs[0])
        .await
        .unwrap();
    let head = "POST /dm/1.x HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.syncml.dm+xml\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..128 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    let all = told(&rig).await;
    assert_eq!(all.iter().map(|told| told.1).collect::<Vec<_>>(), [413]);
}

#[tokio::test]
async fn a_flood_of_strangers_leaves_a_burst_of_events_and_hides_no_secret_that_waits_for_an_operator()
 {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    rig.device(DEVICE).await;
    let added = added(&rig).await;
    let mut stranger = Client::new(&added, Encoding::Xml);
    stranger.user = "nobody".to_owned();
    for _ in 0..100 {
        stranger.begin();
        stranger.nonce = None;
        let body = stranger.message(PACKAGE1);
        stranger.post(&rig, body).await;
    }
    let flood = told(&rig).await.len();
    assert!((64..90).contains(&flood), "{flood}");
    // Proven, by a device that the account is not of.
    let mut first = Client::new(&added, Encoding::Xml);
    first.begin();
    first.exchange(&rig, PACKAGE1).await;
    assert_eq!(codes(&first.exchange(&rig, PACKAGE1).await)[0], 212);
    let mut other = Client::new(&added, Encoding::Xml);
    other.session = 0xC0;
    other.dev_id = "IMEI:493005100592818".to_owned();
    other.begin();
    other.exchange(&rig, PACKAGE1).await;
    assert_eq!(codes(&other.exchange(&rig, PACKAGE1).await)[0], 401);
    let all = told(&rig).await;
    let (about, _, claimed, detail) = all.last().unwrap();
    assert_eq!((about, claimed), (&known(), &Some(other.dev_id)));
    assert!(detail.contains("by another device"), "{detail}");
}
