//! Clients that do not keep to the protocol: each is refused by name, and none takes the acceptor down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use omadm_tls::{AcceptError, Identity, PeerAlert, Verdict};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use support::{Server, between, device, socket_pair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

const TLS_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Presents one certificate and signs with whatever key it was given.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesClientCert for Presents {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn client(
    server: &Server,
    shown: &Identity,
    signing: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let key = any_supported_type(&signing.key().expose().to_vec().try_into().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(server.ca.certificate().clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Presents(Arc::new(CertifiedKey::new(
            shown.chain().to_vec(),
            key,
        )))))
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_does_not_pass() {
    let server = Server::new();
    let (_, victim) = device(&server.ca, between(-1, 9));
    let (_, thief) = device(&server.ca, between(-1, 9));
    for versions in [TLS_1_2, TLS_1_3] {
        let connector = TlsConnector::from(Arc::new(client(&server, &victim, &thief, versions)));
        let (far, near) = socket_pair().await;
        let name = "localhost".try_into().unwrap();
        let (accepted, _connected) =
            tokio::join!(server.acceptor.accept(far), connector.connect(name, near));
        assert!(
            matches!(accepted, Err(AcceptError::PossessionNotProven(_))),
            "{accepted:?}"
        );
    }
}

#[tokio::test]
async fn the_verdict_is_made_anew_on_a_resumed_tls_1_2_session() {
    let server = Server::new();
    let (issued, identity) = device(&server.ca, between(-1, 9));
    let connector = TlsConnector::from(Arc::new(client(&server, &identity, &identity, TLS_1_2)));
    for (resumed, expected) in [(false, "trusted"), (true, "revoked")] {
        let (far, near) = socket_pair().await;
        let name = "localhost".try_into().unwrap();
        let (accepted, connected) =
            tokio::join!(server.acceptor.accept(far), connector.connect(name, near));
        let accepted = accepted.unwrap();
        assert_eq!(accepted.resumed, resumed);
        assert_eq!(accepted.peer.verdict().code(), expected);
        let kind = connected.unwrap().get_ref().1.handshake_kind();
        assert_eq!(kind == Some(HandshakeKind::Resumed), resumed);
        server
            .trust
            .replace(support::trust_revoking(&server.ca, &[&issued]));
    }
}

#[tokio::test]
async fn a_chain_over_16_kib_is_refused_and_one_below_is_not() {
    let server = Server::new();
    let (issued, identity) = device(&server.ca, between(-1, 9));
    let padded = |limit: usize| {
        let mut chain = vec![issued.der.clone()];
        while chain.iter().map(|der| der.len()).sum::<usize>() + server.ca.certificate().len()
            <= limit
        {
            chain.push(server.ca.certificate().clone());
        }
        chain
    };
    let fits = Identity::new(padded(16 * 1024), identity.key().clone()).unwrap();
    let (accepted, _connected) = support::meet(&server, &server.connector(Some(&fits))).await;
    assert!(
        accepted.peer.verdict().is_trusted(),
        "{}",
        accepted.peer.verdict()
    );

    for size in [17 * 1024, 60 * 1024] {
        let too_long = Identity::new(padded(size), identity.key().clone()).unwrap();
        let connector = server.connector(Some(&too_long));
        let (accepted, connected) =
            support::handshake(&server.acceptor, &connector, "localhost").await;
        assert!(
            matches!(accepted, Err(AcceptError::ChainTooLong { bytes, limit: 16_384 }) if bytes > 16_384)
        );
        // In TLS 1.3 the client learns of it in its first read.
        let error = connected.unwrap().read_u8().await.unwrap_err();
        assert_eq!(
            PeerAlert::in_io_error(&error).unwrap().name(),
            "certificate_unknown"
        );
    }
}

#[tokio::test]
async fn tls_1_1_is_refused_with_an_alert() {
    // No session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    let bare = [0, 0, 2, 0, 0x2f, 1, 0];
    // The same with signature_algorithms (RSA PKCS#1 SHA-256), which TLS 1.1 does not know.
    let extended = [0, 0, 2, 0, 0x2f, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 1];
    // Fatal alerts: handshake_failure, protocol_version.
    for (rest, expected) in [(&bare[..], 40), (&extended[..], 70)] {
        let mut hello = vec![3, 2];
        hello.extend([7; 32]);
        hello.extend(rest);
        let length = u8::try_from(hello.len()).unwrap();
        let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
        record.extend(hello);

        let server = Server::new();
        let (far, mut near) = socket_pair().await;
        near.write_all(&record).await.unwrap();
        let client = async {
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            drop(near);
            answer
        };
        let (accepted, answer) = tokio::join!(server.acceptor.accept(far), client);
        assert!(
            matches!(accepted, Err(AcceptError::VersionTooOld)),
            "{accepted:?}"
        );
        assert_eq!(
            (answer.first(), answer.get(5..)),
            (Some(&21), Some(&[2, expected][..]))
        );
    }
}

#[tokio::test]
async fn plain_http_and_noise_are_no_tls() {
    let server = Server::new();
    for octets in [
        &b"GET /dm/2.0 HTTP/1.1\r\nHost: dm.example\r\n\r\n"[..],
        &[0; 64],
        &[0x80; 300],
        &[0xff; 20_000],
    ] {
        let (far, mut near) = socket_pair().await;
        let client = async {
            let _written = near.write_all(octets).await;
            let _shut = near.shutdown().await;
            let _read = near.read_to_end(&mut Vec::new()).await;
        };
        let (accepted, ()) = tokio::join!(server.acceptor.accept(far), client);
        assert!(matches!(accepted, Err(AcceptError::NotTls)), "{accepted:?}");
    }
}

#[tokio::test]
async fn a_client_that_stays_silent_is_dropped_after_the_limit() {
    let server = Server::with_limit(Duration::from_millis(100));
    for octets in [&b""[..], &[22, 3, 1, 2]] {
        let (far, mut near) = socket_pair().await;
        near.write_all(octets).await.unwrap();
        let accepted = server.acceptor.accept(far).await;
        assert!(
            matches!(accepted, Err(AcceptError::Timeout { after }) if after == Duration::from_millis(100))
        );
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_not_taken_for_a_failure_of_ours() {
    let server = Server::new();
    let (far, near) = socket_pair().await;
    drop(near);
    assert!(matches!(
        server.acceptor.accept(far).await,
        Err(AcceptError::Closed)
    ));
    let (accepted, _connected) = support::meet(&server, &server.connector(None)).await;
    assert_eq!(accepted.peer.verdict(), &Verdict::NoCertificate);
}
