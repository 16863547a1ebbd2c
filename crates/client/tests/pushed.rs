//! Direct push (`dm20.md` §14.6, D56): a listening client takes bootstraps from trusted servers alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use http_body_util::Full;
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity};
use omadm_client::policy::ClientPolicy;
use omadm_client::{BOOTSTRAP_PATH, Client, ListenError, NOTIFICATION_PATH};
use omadm_mo::DevId;
use omadm_session::pair::acme;
use serde_json::{Value, json};
use support::pushing::{DEV_ID, LISTEN, MO, Place, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn b_09_b_12_dm_boot_005_c_o_what_a_trusted_server_pushes_is_applied_and_reported() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    let told = place.deliver(&listening, 1).await;
    assert_eq!((told.status, told.cause), (202, None));
    let account = client.accounts().unwrap().remove(0);
    let provenance = &account.provenance;
    assert_eq!(provenance.method, BootstrapMethod::ServerInitiated);
    assert_eq!(provenance.channel, ChannelSecurity::MutualTls);
    let origin = format!("https://127.0.0.1:{}", place.peer.port);
    assert_eq!(provenance.source, BootstrapSource::Server(origin));
    assert!(account.owed.is_some());
    client.settle().await.unwrap();
    let asked = place.peer.asked();
    let complete = "urn:oma:at:dm:2.0:BootstrapComplete".to_owned();
    assert!(
        asked[0].alerts().contains(&complete),
        "{:?}",
        asked[0].alerts()
    );
    assert_eq!(
        asked[0].json()["Alert"][0]["Data"]["BootstrapType"]["Method"],
        "server"
    );
    assert!(client.accounts().unwrap()[0].owed.is_none());
}

#[tokio::test]
async fn b_12_nothing_is_taken_from_whom_no_source_vouches_for() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    let (stranger, validity) = support::ca();
    let foreign = stranger.issue_server(&["127.0.0.1"], validity).unwrap();
    let other_name = place
        .peer
        .ca
        .issue_server(&["localhost"], validity)
        .unwrap();
    for who in [None, Some(&foreign), Some(&other_name), Some(&place.own)] {
        let told = place.push(&listening, who, place.document(1)).await;
        assert_eq!(told.status, 403);
        assert_eq!(told.cause.unwrap(), "source-not-trusted");
    }
    assert_eq!(place.turned_away(), ["source-not-trusted"; 4]);
    assert!(client.accounts().unwrap().is_empty());
    assert_eq!(
        client.last_refusal().unwrap(),
        None,
        "strangers leave no mark"
    );
}

#[tokio::test]
async fn b_12_without_a_source_or_with_nobody_named_no_push_is_taken() {
    let place = Place::new().await;
    for policy in [LISTEN.to_owned(), place.source("push_names = []")] {
        let (client, listening) = place.start(&policy).await;
        let told = place.deliver(&listening, 1).await;
        assert_eq!(
            (told.status, told.cause.as_deref()),
            (403, Some("source-not-trusted"))
        );
        assert!(client.accounts().unwrap().is_empty());
        listening.end().await;
    }
}

#[tokio::test]
async fn who_may_push_is_named_by_host_by_the_names_of_a_client_certificate_or_by_a_pin() {
    let place = Place::new().await;
    let (_, validity) = support::ca();
    let pusher = DevId::parse("IMEI:004402520020088").unwrap();
    let (_, client_certificate) = place
        .peer
        .ca
        .issue_for_generated_key(&pusher, validity)
        .unwrap();
    let leaf = omadm_tls::Leaf::parse(&client_certificate.chain()[0]).unwrap();
    let uri = leaf.san_uris().first().unwrap().clone();
    let other_host = place
        .peer
        .ca
        .issue_server(&["push.example.com"], validity)
        .unwrap();
    let (stranger, _) = support::ca();
    let pinned = stranger
        .issue_server(&["nowhere.example.com"], validity)
        .unwrap();
    let der = pinned.chain()[0].as_ref();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(der)
    );
    std::fs::write(place.folder.path().join("pin.pem"), pem).unwrap();
    let pin = format!(
        "{LISTEN}[[source]]\nid = 'boot'\nurl = '{}'\npin_file = 'pin.pem'\n",
        place.peer.url("boot")
    );
    let names = format!("push_names = ['push.example.com', '{uri}']");
    for (policy, who, status) in [
        (place.source(&names), &client_certificate, 202),
        (place.source(&names), &other_host, 202),
        (place.source(&names), &place.server, 403),
        (place.source(""), &client_certificate, 403),
        (pin.clone(), &pinned, 202),
        (pin, &place.server, 403),
    ] {
        let (_client, listening) = place.start(&policy).await;
        let told = place.push(&listening, Some(who), place.document(1)).await;
        assert_eq!(told.status, status, "{policy}: {told:?}");
        listening.end().await;
    }
}

#[tokio::test]
async fn a_repeated_delivery_counts_once_until_it_is_reported_d88() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    let seq = || client.accounts().unwrap()[0].provenance.seq;
    for _ in 0..3 {
        let told = place.deliver(&listening, 1).await;
        assert_eq!(told.status, 202);
    }
    assert_eq!(seq(), 1);
    client.settle().await.unwrap();
    let told = place.deliver(&listening, 1).await;
    assert_eq!((told.status, seq()), (202, 2));
}

#[tokio::test]
async fn what_is_no_acceptable_document_gets_its_status_and_changes_nothing() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    let to = listening.bootstrap.unwrap();
    let server = Some(&place.server);
    let told = place.push(&listening, server, place.document(1)).await;
    assert_eq!(told.status, 202);
    let before = client.readable_tree().await.unwrap();
    let foreign = json!([{"ClientURI": "urn:oma:mo:oma-dm-devinfo:1.2//", "MOData": {"DevInfo": {"X": "1"}}}]);
    let huge = format!("[{}]", " ".repeat(30_000));
    for (content_type, body, status, cause) in [
        (MO, "nonsense".to_owned(), 400, Some("unparsable")),
        (MO, "{}".to_owned(), 400, Some("not-mo-serialization")),
        (MO, foreign.to_string(), 400, Some("unknown-node")),
        (MO, "[]".to_owned(), 400, Some("no-account")),
        (
            "text/plain",
            place.document(1),
            415,
            Some("not-mo-serialization"),
        ),
        ("", place.document(1), 415, Some("not-mo-serialization")),
        (MO, huge, 413, Some("document-too-big")),
    ] {
        let told = place
            .ask(to, server, post(content_type, body.clone()))
            .await;
        let shown = body.chars().take(40).collect::<String>();
        assert_eq!(
            (told.status, told.cause.as_deref()),
            (status, cause),
            "{content_type} {shown}"
        );
    }
    let get = Request::get(BOOTSTRAP_PATH)
        .header("Host", "d")
        .body(Full::default())
        .unwrap();
    assert_eq!(place.ask(to, server, get).await.status, 405);
    let elsewhere = Request::builder()
        .method(Method::POST)
        .uri(NOTIFICATION_PATH);
    let elsewhere = elsewhere.header("Host", "d").body(Full::default()).unwrap();
    assert_eq!(place.ask(to, server, elsewhere).await.status, 404);
    assert_eq!(client.readable_tree().await.unwrap(), before);
}

#[tokio::test]
async fn a_document_of_no_announced_length_is_read_to_the_limit_alone() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    let mut stream = place
        .connect(listening.bootstrap.unwrap(), Some(&place.server))
        .await;
    let head = format!(
        "POST {BOOTSTRAP_PATH} HTTP/1.1\r\nHost: d\r\nContent-Type: {MO}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..8 {
        let _cut_off = stream.write_all(chunk.as_bytes()).await;
    }
    let _cut_off = stream.flush().await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert!(client.accounts().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_document_that_is_still_being_sent_gets_its_answer() {
    let place = Place::new().await;
    let (_client, listening) = place.start(&place.source("")).await;
    let to = listening.bootstrap.unwrap();
    let mut stream = place.connect(to, Some(&place.server)).await;
    let (parts, part) = (20, [b' '; 10_000]);
    let head = format!(
        "POST {BOOTSTRAP_PATH} HTTP/1.1\r\nHost: d\r\nContent-Type: {MO}\r\nContent-Length: {}\r\n\r\n",
        parts * part.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..parts {
        stream.write_all(&part).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_second_push_while_one_is_on_its_way_is_told_to_come_again() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    let to = listening.bootstrap.unwrap();
    let document = place.document(1);
    let head = format!(
        "POST {BOOTSTRAP_PATH} HTTP/1.1\r\nHost: d\r\nContent-Type: {MO}\r\nContent-Length: {}\r\n\r\n",
        document.len()
    );
    let begin = async || {
        let mut slow = place.connect(to, Some(&place.server)).await;
        slow.write_all(head.as_bytes()).await.unwrap();
        slow.write_all(&document.as_bytes()[..10]).await.unwrap();
        slow.flush().await.unwrap();
        slow
    };
    let again = || place.deliver(&listening, 2);
    let mut slow = begin().await;
    let mut told = again().await;
    while told.status == 202 {
        // The other one was first: the slow one is still to come, or was told to come again itself.
        let answered = tokio::time::timeout(Duration::from_millis(100), slow.read_u8()).await;
        if answered.is_ok() {
            slow = begin().await;
        }
        told = again().await;
    }
    assert_eq!(
        (told.status, told.cause.as_deref()),
        (409, Some("device-busy"))
    );
    assert!(told.retry_after.is_some());
    slow.write_all(&document.as_bytes()[10..]).await.unwrap();
    slow.flush().await.unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 202");
    assert_eq!(client.accounts().unwrap().len(), 1);
}

#[tokio::test]
async fn the_method_can_be_turned_off_and_nothing_listens_without_address_or_certificate() {
    let place = Place::new().await;
    let policy = format!(
        "{}[bootstrap]\nserver_initiated = {{ enabled = false }}\n",
        place.source("")
    );
    let (client, listening) = place.start(&policy).await;
    let told = place.deliver(&listening, 1).await;
    assert_eq!(
        (told.status, told.cause.as_deref()),
        (403, Some("method-disabled"))
    );
    assert!(client.accounts().unwrap().is_empty());
    listening.end().await;
    drop(client);

    let (client, listening) = place.start("").await;
    assert_eq!(listening.bootstrap, None);
    listening.end().await;
    drop(client);

    let psk_less = ClientPolicy::read(LISTEN, place.folder.path()).unwrap();
    let dev_info = acme(DevId::parse(DEV_ID).unwrap());
    let bare = Client::builder(dev_info, place.folder.path().join("other.redb"));
    let bare = bare.policy(&psk_less).unwrap().build().unwrap();
    assert!(matches!(
        bare.listen().await,
        Err(ListenError::NoIdentity(_))
    ));
}

#[tokio::test]
async fn an_account_of_another_source_is_not_taken_over_by_a_push_d58() {
    let place = Place::new().await;
    let (client, listening) = place.start(&place.source("")).await;
    support::install(&client, place.document(1).into_bytes()).await;
    let told = place.deliver(&listening, 2).await;
    assert_eq!(
        (told.status, told.cause.as_deref()),
        (403, Some("foreign-account"))
    );
    let account = client.accounts().unwrap().remove(0);
    assert_eq!(account.provenance.method, BootstrapMethod::Factory);
}

#[tokio::test]
async fn a_device_without_identity_listens_with_the_certificate_of_auth_bootstrap_d78() {
    let mut place = Place::new().await;
    let policy = place.source("");
    let (client, listening) = place.start(&policy).await;
    let (_, validity) = support::ca();
    let dev_id = DevId::parse(DEV_ID).unwrap();
    let issued = place.peer.ca.issue_for_generated_key(&dev_id, validity);
    let (_, issued) = issued.unwrap();
    let mut document: Value = serde_json::from_str(&place.document(1)).unwrap();
    document[0]["MOData"]["DMAcc"]["Auth"] = json!({ "Bootstrap": {
        "ServerURI": place.peer.url("boot"),
        "SecMode": STANDARD.encode([2]),
        "ClientPubKey": STANDARD.encode(&issued.chain()[0]),
        "ServerPubKey": STANDARD.encode(&place.server.chain()[0]),
        "ClientSecretKey": STANDARD.encode(issued.key().expose()),
    }});
    let server = place.server.clone();
    let told = place
        .push(&listening, Some(&server), document.to_string())
        .await;
    assert_eq!((told.status, told.cause), (202, None));
    client.settle().await.unwrap();
    listening.end().await;
    drop(client);

    (place.own, place.bare) = (issued, true);
    let (client, listening) = place.start(&policy).await;
    // The test's server believes this one certificate.
    let told = place
        .push(&listening, Some(&server), place.document(2))
        .await;
    assert_eq!((told.status, told.cause), (202, None));
    assert_eq!(client.accounts().unwrap()[0].provenance.seq, 2);
}
