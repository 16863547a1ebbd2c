//! DM Notifications by HTTPS: what a listening client answers (`dm20.md` §11.6, D40).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use omadm_client::policy::ListenAddresses;
use omadm_client::{ListenError, NOTIFICATION_PATH};
use omadm_dm2::package0::MEDIA_TYPE;
use omadm_tls::{CertificateDer, Connector, ConnectorConfig, ServerTrust};
use support::{
    Clock, DmServer, FULL, LOOPBACK, SENT, Watcher, device, document, install, octets, until,
};
use tokio::net::TcpStream;

async fn post(
    to: SocketAddr,
    anchor: &CertificateDer<'_>,
    request: (Method, &str, &str),
    body: Vec<u8>,
) -> u16 {
    let trust = ServerTrust::anchors(std::slice::from_ref(anchor)).unwrap();
    let connector = Connector::new(ConnectorConfig::new(trust)).unwrap();
    let stream = TcpStream::connect(to).await.unwrap();
    let stream = connector.connect(stream, "localhost").await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, driver) = handshake.await.unwrap();
    tokio::spawn(driver);
    let (method, path, content_type) = request;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "localhost")
        .header("Content-Type", content_type)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn x_noti_001_x_noti_003_an_https_listener_answers_202_whatever_the_digest_says() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let server = DmServer::start().await;
    let client = device(folder.path(), &clock, &watcher)
        .identity(server.identity.clone())
        .listen(ListenAddresses {
            udp: None,
            https: Some(LOOPBACK),
            bootstrap: None,
        })
        .build()
        .unwrap();
    install(&client, document(server.port, true)).await;
    let listening = client.listen().await.unwrap();
    assert_eq!(listening.udp, None);
    let to = listening.https.unwrap();

    let mut wrong = octets(FULL);
    wrong[30] ^= 1;
    let good = (Method::POST, NOTIFICATION_PATH, MEDIA_TYPE);
    for (request, body, expected) in [
        (good.clone(), wrong, 202),
        (good.clone(), b"no notification".to_vec(), 202),
        (good.clone(), octets(FULL), 202),
        (good.clone(), octets(FULL), 202),
        (good.clone(), vec![0; 1025], 413),
        (
            (Method::POST, NOTIFICATION_PATH, "application/octet-stream"),
            octets(FULL),
            415,
        ),
        ((Method::PUT, NOTIFICATION_PATH, MEDIA_TYPE), vec![], 405),
        ((Method::POST, "/", MEDIA_TYPE), octets(FULL), 404),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(
            post(to, &server.anchor, request, body).await,
            expected,
            "{shown}"
        );
    }
    until("one is accepted", || watcher.accepted() == 1).await;
    until("the others are ignored", || watcher.ignored().0.len() == 4).await;
    assert_eq!(watcher.accepted(), 1);
}

#[tokio::test]
async fn an_https_listener_without_certificate_refuses_to_start_and_a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder.path(), &clock, &watcher)
        .listen(ListenAddresses {
            udp: None,
            https: Some(LOOPBACK),
            bootstrap: None,
        })
        .build()
        .unwrap();
    let refused = client.listen().await.unwrap_err();
    assert!(matches!(refused, ListenError::NoIdentity(_)), "{refused}");
    drop(client);

    let taken = std::net::UdpSocket::bind(LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap();
    let client = device(folder.path(), &clock, &watcher)
        .listen(ListenAddresses {
            udp: Some(address),
            https: None,
            bootstrap: None,
        })
        .build()
        .unwrap();
    let refused = client.listen().await.unwrap_err().to_string();
    assert!(refused.contains(&address.to_string()), "{refused}");
}
