//! Every suite of dm20.md §16.2 with the `openssl` program as the other end, and between our own two ends.
#![cfg(feature = "psk")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use omadm_mo::Secret;
use omadm_tls::{
    AcceptError, Accepted, Acceptor, AcceptorConfig, ConnectError, ConnectedStream, Connector,
    ConnectorConfig, DevelopmentCa, Identity, ListenerProfile, LiveClientTrust, Psk, PskKeys,
    PskSuite, ServerDistrust, ServerTrust,
};
use rustls::PeerIncompatible;
use support::openssl_program::{Files, MISSING, SServer, said};
use support::{between, ca, device, handshake, now, trust, trust_revoking};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const IDENTITY: &str = "IMEI:493005100592800";
const KEY: [u8; 16] = *b"sixteen octets!!";
const OTHER_KEY: [u8; 16] = *b"sixteen octets!?";

/// The PSK column: name in the registry, name of OpenSSL.
const PSK_COLUMN: [(&str, &str); 7] = [
    ("TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256"),
    (
        "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256",
        "DHE-PSK-AES128-GCM-SHA256",
    ),
    (
        "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256",
        "RSA-PSK-AES128-GCM-SHA256",
    ),
    ("TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256"),
    (
        "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256",
        "DHE-PSK-AES128-CBC-SHA256",
    ),
    (
        "TLS_RSA_PSK_WITH_AES_128_CBC_SHA256",
        "RSA-PSK-AES128-CBC-SHA256",
    ),
    (
        "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256",
        "ECDHE-PSK-AES128-CBC-SHA256",
    ),
];

/// The X.509 column.
const X509_COLUMN: [(&str, &str); 6] = [
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    (
        "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
        "DHE-RSA-AES128-GCM-SHA256",
    ),
    ("TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
    ),
    (
        "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
        "DHE-RSA-AES128-SHA256",
    ),
    ("TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn psk(identity: &str, key: &[u8]) -> Psk {
    Psk::new(identity.as_bytes(), Secret::new(key.to_vec())).unwrap()
}

/// A server with both OpenSSL profiles, and a folder for the program.
struct Bed {
    ca: DevelopmentCa,
    rsa: Identity,
    keys: Arc<PskKeys>,
    trust: Arc<LiveClientTrust>,
    psk: Acceptor,
    legacy: Acceptor,
    files: Files,
}

impl Bed {
    fn new() -> Self {
        let ca = ca("test CA");
        let names = ["localhost", "127.0.0.1"];
        let identity = ca.issue_server(&names, between(-1, 30)).unwrap();
        let rsa = ca.issue_rsa_server(&names, between(-1, 30)).unwrap();
        let keys = Arc::new(PskKeys::default());
        keys.put(psk(IDENTITY, &KEY));
        let trust = Arc::new(LiveClientTrust::new(trust(&[&ca])));
        let acceptor = |profile| {
            let mut config = AcceptorConfig::new(identity.clone(), Arc::clone(&trust));
            config.profile = profile;
            Acceptor::new(config).unwrap()
        };
        let files = Files::new();
        files.put("ca.pem", ca.certificate_pem());
        files.put_identity("server", &rsa);
        Self {
            psk: acceptor(ListenerProfile::Psk {
                keys: Arc::clone(&keys),
                rsa: rsa.clone(),
            }),
            legacy: acceptor(ListenerProfile::Legacy { rsa: rsa.clone() }),
            ca,
            rsa,
            keys,
            trust,
            files,
        }
    }

    fn trusted(&self) -> ServerTrust {
        ServerTrust::anchors(&[self.ca.certificate().clone()]).unwrap()
    }

    fn connector(&self, psk: Psk) -> Connector {
        Connector::new(ConnectorConfig::new(self.trusted()).with_psk(psk)).unwrap()
    }

    /// `openssl s_client` against an acceptor, which writes one line to those it accepts.
    async fn s_client(
        &self,
        acceptor: &Acceptor,
        options: &str,
    ) -> (Result<Accepted, AcceptError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let arguments = format!(
            "s_client -connect {} -servername localhost -CAfile ca.pem -verify_return_error -ign_eof {options}",
            listener.local_addr().unwrap()
        );
        let directory = self.files.0.path().to_owned();
        let client = tokio::task::spawn_blocking(move || -> Output {
            Command::new("openssl")
                .args(arguments.split_whitespace())
                .current_dir(directory)
                .stdin(Stdio::null())
                .output()
                .expect(MISSING)
        });
        let (socket, _) = listener.accept().await.unwrap();
        let mut outcome = acceptor.accept(socket).await;
        if let Ok(accepted) = &mut outcome {
            accepted.stream.write_all(b"accepted\n").await.unwrap();
            accepted.stream.shutdown().await.unwrap();
        }
        (outcome, said(&client.await.unwrap()))
    }

    async fn s_client_with(
        &self,
        key: &[u8],
        options: &str,
    ) -> (Result<Accepted, AcceptError>, String) {
        self.s_client(&self.psk, &format!("-psk {} {options}", hex(key)))
            .await
    }
}

fn is_accepted_with(said: &str, suite: &str) -> bool {
    said.contains(&format!("Cipher is {suite}\n")) && said.contains("\naccepted\n")
}

#[tokio::test]
async fn x_sec_002_every_psk_suite_of_the_standard_is_negotiated_with_openssl_s_client() {
    let bed = Bed::new();
    for (name, theirs) in PSK_COLUMN {
        let options = format!("-psk_identity {IDENTITY} -tls1_2 -cipher {theirs} -alpn http/1.1");
        let (accepted, said) = bed.s_client_with(&KEY, &options).await;
        let accepted = accepted.unwrap();
        assert!(is_accepted_with(&said, theirs), "{theirs}: {said}");
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert_eq!(accepted.stream.cipher_suite().as_deref(), Some(name));
        assert_eq!(accepted.peer.psk_identity().unwrap().as_str(), IDENTITY);
        assert_eq!(accepted.peer.fingerprint(), None);
        let shown = !said.contains("no peer certificate available");
        assert!(shown == name.contains("RSA"), "{said}");
    }
}

#[tokio::test]
async fn x_sec_002_every_x509_suite_of_the_standard_is_negotiated_with_openssl_s_client_and_the_client_judged()
 {
    let bed = Bed::new();
    bed.files
        .put_identity("device", &device(&bed.ca, between(-1, 9)).1);
    bed.files
        .put_identity("stranger", &device(&ca("test CA"), between(-1, 9)).1);
    bed.files
        .put_identity("late", &device(&bed.ca, between(-9, -1)).1);
    for (name, theirs) in X509_COLUMN {
        for (credential, verdict) in [
            ("-cert device.pem -key device.key", "trusted"),
            ("-cert stranger.pem -key stranger.key", "unknown_issuer"),
            ("-cert late.pem -key late.key", "expired"),
            ("", "no_certificate"),
        ] {
            let options = format!("-tls1_2 -cipher {theirs} {credential}");
            let (accepted, said) = bed.s_client(&bed.legacy, &options).await;
            let accepted = accepted.unwrap();
            assert!(is_accepted_with(&said, theirs), "{theirs}: {said}");
            assert!(said.contains("Verification: OK"), "{said}");
            assert_eq!(accepted.stream.cipher_suite().as_deref(), Some(name));
            assert_eq!(accepted.peer.verdict().code(), verdict);
        }
    }
    let modern = "-tls1_3 -cert device.pem -key device.key";
    let (accepted, said) = bed.s_client(&bed.legacy, modern).await;
    assert!(accepted.unwrap().peer.verdict().is_trusted(), "{said}");
}

#[tokio::test]
async fn x_sec_002_every_psk_suite_is_negotiated_with_openssl_s_server() {
    let bed = Bed::new();
    for (name, theirs) in PSK_COLUMN {
        let certificate = if name.contains("RSA") {
            "-cert server.pem -key server.key"
        } else {
            "-nocert"
        };
        let server = SServer::start(
            bed.files.0.path(),
            &format!(
                "{certificate} -psk {} -psk_identity {IDENTITY} -tls1_2 -cipher {theirs} -www",
                hex(&KEY)
            ),
        );
        let socket = TcpStream::connect(&server.1).await.unwrap();
        let connector = bed.connector(psk(IDENTITY, &KEY));
        let mut stream = connector.connect(socket, "localhost").await.unwrap();
        assert_eq!(stream.cipher_suite().as_deref(), Some(name));
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut page = String::new();
        let _closed_without_notify = stream.read_to_string(&mut page).await;
        assert!(page.contains(theirs), "{page}");
    }
}

#[tokio::test]
async fn x_sec_002_our_ends_agree_on_every_psk_suite_and_carry_what_is_larger_than_a_record() {
    let bed = Bed::new();
    assert_eq!(PskSuite::ALL.len(), PSK_COLUMN.len());
    for suite in PskSuite::ALL {
        assert!(PSK_COLUMN.iter().any(|(name, _)| *name == suite.name()));
        let mut config = ConnectorConfig::new(bed.trusted()).with_psk(psk(IDENTITY, &KEY));
        config.psk_suites = vec![suite];
        let connector = Connector::new(config).unwrap();
        let (accepted, connected) = handshake(&bed.psk, &connector, "localhost").await;
        let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
        assert_eq!(
            accepted.stream.cipher_suite().as_deref(),
            Some(suite.name())
        );
        assert_eq!(connected.cipher_suite().as_deref(), Some(suite.name()));
        assert_eq!(connected.application_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(accepted.peer.psk_identity().unwrap().as_str(), IDENTITY);
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut came = vec![0; sent.len()];
        let (echoed, back) = tokio::join!(
            async {
                let mut through = vec![0; sent.len()];
                accepted.stream.read_exact(&mut through).await?;
                accepted.stream.write_all(&through).await?;
                accepted.stream.flush().await
            },
            async {
                connected.write_all(&sent).await?;
                connected.flush().await?;
                connected.read_exact(&mut came).await
            }
        );
        echoed.unwrap();
        back.unwrap();
        assert!(sent == came);
    }
}

#[tokio::test]
async fn without_a_choice_our_ends_take_forward_secrecy_and_aead() {
    let bed = Bed::new();
    let connector = bed.connector(psk(IDENTITY, &KEY));
    let (_, connected) = handshake(&bed.psk, &connector, "localhost").await;
    let suite = connected.unwrap().cipher_suite();
    assert_eq!(suite.as_deref(), Some(PskSuite::DhePskGcm.name()));
}

#[tokio::test]
async fn x_sec_002_wrong_key_and_wrong_identity_look_alike_to_the_client_and_differ_in_the_cause() {
    let bed = Bed::new();
    let mut alerts = Vec::new();
    for (_, theirs) in PSK_COLUMN {
        for (identity, key) in [(IDENTITY, OTHER_KEY), ("nobody\u{1b}[m", KEY)] {
            let options = format!("-psk_identity {identity} -tls1_2 -cipher {theirs}");
            let (refused, said) = bed.s_client_with(&key, &options).await;
            match refused.map(|accepted| accepted.peer) {
                Err(AcceptError::PskKeyWrong {
                    identity: named, ..
                }) => {
                    assert_eq!((named.as_str(), identity), (IDENTITY, IDENTITY));
                }
                Err(AcceptError::PskIdentityUnknown { presented }) => {
                    assert_eq!(presented, "nobody\\u{1b}[m");
                    assert_ne!(identity, IDENTITY);
                }
                other => panic!("{theirs}: {other:?}"),
            }
            let alert = said.lines().find(|line| line.contains("SSL alert number"));
            let alert = alert.expect(&said).rsplit(' ').next().unwrap().to_owned();
            alerts.push(alert);
        }
    }
    assert!(alerts.iter().all(|alert| alert == "20"), "{alerts:?}");
}

#[tokio::test]
async fn our_client_is_told_that_its_key_was_refused_and_by_which_alert() {
    let bed = Bed::new();
    for wrong in [psk(IDENTITY, &OTHER_KEY), psk("nobody", &KEY)] {
        let (accepted, connected) = handshake(&bed.psk, &bed.connector(wrong), "localhost").await;
        assert!(accepted.is_err());
        let refused = connected.err().unwrap();
        assert!(
            matches!(&refused, ConnectError::PskRefused(alert) if alert.name() == "bad_record_mac"),
            "{refused:?}"
        );
    }
    // One that says it: the identity is unknown (RFC 4279 §2 allows it).
    let server = SServer::start(
        bed.files.0.path(),
        &format!(
            "-nocert -psk {} -psk_identity somebody -tls1_2 -cipher PSK",
            hex(&KEY)
        ),
    );
    let socket = TcpStream::connect(&server.1).await.unwrap();
    let refused = bed
        .connector(psk(IDENTITY, &OTHER_KEY))
        .connect(socket, "localhost")
        .await;
    assert!(
        matches!(refused, Err(ConnectError::PskRefused(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_key_counts_from_the_moment_it_is_put_in_until_it_is_taken_out() {
    let bed = Bed::new();
    let late = psk("late", &OTHER_KEY);
    let connector = bed.connector(late.clone());
    let meet = async || handshake(&bed.psk, &connector, "localhost").await.0;
    assert!(matches!(
        meet().await,
        Err(AcceptError::PskIdentityUnknown { .. })
    ));
    bed.keys.put(late.clone());
    let accepted = meet().await.unwrap();
    assert_eq!(accepted.peer.psk_identity(), Some(late.identity()));
    bed.keys.remove(late.identity());
    assert!(meet().await.is_err());
}

#[tokio::test]
async fn x_sec_002_of_two_keys_under_one_identity_either_opens_every_suite_after_one_failure_at_most()
 {
    let bed = Bed::new();
    bed.keys.put(psk(IDENTITY, &OTHER_KEY).numbered(1));
    for (_, theirs) in PSK_COLUMN {
        let options = format!("-psk_identity {IDENTITY} -tls1_2 -cipher {theirs}");
        for (nr, key) in [(1, &OTHER_KEY), (0, &KEY)] {
            let (refused, said) = bed.s_client_with(key, &options).await;
            assert!(said.contains("SSL alert number 20"), "{said}");
            let refused = refused.map(|accepted| accepted.peer).unwrap_err();
            let told = refused.to_string();
            assert!(
                matches!(refused, AcceptError::PskKeyWrong { nr: tried, keys: 2, .. } if tried != nr),
                "{told}"
            );
            assert!(told.contains("tried with the next key"), "{told}");
            for _ in 0..2 {
                let (accepted, said) = bed.s_client_with(key, &options).await;
                let peer = accepted.expect(&said).peer;
                assert_eq!(peer.psk_nr(), Some(nr));
                assert_eq!(peer.psk_identity().unwrap().as_str(), IDENTITY);
            }
        }
    }
    // A key that is neither fails with both, as an unknown identity does.
    let stranger = hex(b"sixteen octets..");
    let options = format!("-psk {stranger} -psk_identity {IDENTITY} -tls1_2 -cipher PSK");
    for _ in 0..3 {
        let (refused, said) = bed.s_client(&bed.psk, &options).await;
        assert!(matches!(refused, Err(AcceptError::PskKeyWrong { .. })));
        assert!(said.contains("SSL alert number 20"), "{said}");
    }
}

#[tokio::test]
async fn an_identity_has_up_to_128_octets_and_a_longer_one_is_nobodys() {
    let bed = Bed::new();
    let longest = "i".repeat(128);
    bed.keys.put(psk(&longest, &KEY));
    let options = |identity: &str| format!("-psk_identity {identity} -tls1_2 -cipher PSK");
    let (accepted, said) = bed.s_client_with(&KEY, &options(&longest)).await;
    let accepted = accepted.expect(&said);
    assert_eq!(accepted.peer.psk_identity().unwrap().as_str(), longest);
    for octets in [129, 200] {
        let (refused, _) = bed.s_client_with(&KEY, &options(&"i".repeat(octets))).await;
        assert!(
            matches!(&refused, Err(AcceptError::PskIdentityUnknown { presented }) if presented.len() == octets),
            "{refused:?}"
        );
    }
    assert!(Psk::new(IDENTITY.as_bytes(), Secret::new(Vec::new())).is_err());
}

#[tokio::test]
async fn who_offers_none_of_the_suites_is_refused_by_name() {
    let bed = Bed::new();
    for options in [
        "-tls1_2 -cipher PSK-AES256-CBC-SHA384",
        "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
    ] {
        let (refused, said) = bed.s_client_with(&KEY, options).await;
        assert!(
            matches!(
                refused,
                Err(AcceptError::Incompatible(
                    PeerIncompatible::NoCipherSuitesInCommon
                ))
            ),
            "{refused:?}"
        );
        assert!(said.contains("alert handshake failure"), "{said}");
    }
    for options in ["-tls1_3", "-tls1_1 -cipher ALL:@SECLEVEL=0"] {
        let (refused, _) = bed.s_client(&bed.psk, options).await;
        assert!(
            matches!(
                refused,
                Err(AcceptError::Incompatible(PeerIncompatible::Tls12NotOffered))
            ),
            "{refused:?}"
        );
    }
    for suite in ["AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES256-SHA"] {
        let options = format!("-tls1_2 -cipher {suite}:@SECLEVEL=0");
        let (refused, _) = bed.s_client(&bed.legacy, &options).await;
        assert!(
            matches!(refused, Err(AcceptError::Incompatible(_))),
            "{suite}: {refused:?}"
        );
    }
    let (refused, _) = bed
        .s_client(&bed.legacy, "-tls1_1 -cipher ALL:@SECLEVEL=0")
        .await;
    assert!(
        matches!(refused, Err(AcceptError::VersionTooOld)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_client_that_would_resume_proves_its_key_or_certificate_again() {
    let bed = Bed::new();
    bed.files
        .put_identity("device", &device(&bed.ca, between(-1, 9)).1);
    let with_key = format!("-psk {} -psk_identity {IDENTITY} -tls1_2", hex(&KEY));
    let with_certificate = "-tls1_2 -cert device.pem -key device.key".to_owned();
    for (acceptor, options, suite, theirs) in [
        (&bed.psk, &with_key, "PSK-AES128-GCM-SHA256", "-nocert"),
        (
            &bed.legacy,
            &with_certificate,
            "AES128-GCM-SHA256",
            "-cert server.pem -key server.key",
        ),
    ] {
        // We hand nothing out that could be resumed; another server's session is offered to us instead.
        let generous = SServer::start(
            bed.files.0.path(),
            &format!("{theirs} -psk {} -psk_identity {IDENTITY} -www", hex(&KEY)),
        );
        bed.files.agrees(&format!(
            "s_client -connect {} {options} -cipher {suite} -sess_out session.pem",
            generous.1
        ));
        let again = format!("{options} -cipher {suite} -sess_in session.pem");
        let (accepted, said) = bed.s_client(acceptor, &again).await;
        let accepted = accepted.expect(&said);
        assert!(said.contains("\nNew, TLSv1.2"), "{said}");
        assert!(said.contains("Session-ID: \n"), "{said}");
        assert!(!said.contains("TLS session ticket:"), "{said}");
        assert!(!accepted.resumed);
        let peer = &accepted.peer;
        assert!(
            peer.psk_identity().is_some() || peer.verdict().is_trusted(),
            "{peer:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_beside_the_key_is_checked_like_any_other() {
    let bed = Bed::new();
    let connect = async |trust: ServerTrust, name: &str| {
        let mut config = ConnectorConfig::new(trust).with_psk(psk(IDENTITY, &KEY));
        config.psk_suites = vec![PskSuite::RsaPskGcm, PskSuite::RsaPskCbc];
        let connector = Connector::new(config).unwrap();
        handshake(&bed.psk, &connector, name).await.1
    };
    let distrust = |outcome: Result<ConnectedStream, ConnectError>| match outcome {
        Err(ConnectError::ServerNotTrusted(distrust)) => distrust,
        other => panic!("{other:?}"),
    };
    let stranger = ca("test CA");
    let others = ServerTrust::anchors(&[stranger.certificate().clone()]).unwrap();
    assert_eq!(
        distrust(connect(others, "localhost").await),
        ServerDistrust::UnknownIssuer
    );
    assert!(matches!(
        distrust(connect(bed.trusted(), "dm.example.com").await),
        ServerDistrust::WrongName { .. }
    ));
    let pinned = ServerTrust::pinned(bed.rsa.chain().first().unwrap()).unwrap();
    assert!(connect(pinned, "dm.example.com").await.is_ok());
    assert!(connect(bed.trusted(), "127.0.0.1").await.is_ok());
}

#[tokio::test]
async fn a_client_without_anchors_offers_no_suite_with_a_certificate() {
    let bed = Bed::new();
    let nobody = || ServerTrust::anchors(&[]).unwrap();
    let mut config = ConnectorConfig::new(nobody()).with_psk(psk(IDENTITY, &KEY));
    let connector = Connector::new(config).unwrap();
    let (_, connected) = handshake(&bed.psk, &connector, "localhost").await;
    assert!(connected.is_ok());
    config = ConnectorConfig::new(nobody()).with_psk(psk(IDENTITY, &KEY));
    config.psk_suites = vec![PskSuite::RsaPskGcm];
    assert!(Connector::new(config).is_err());
}

#[tokio::test]
async fn a_revocation_counts_on_an_open_legacy_connection() {
    let bed = Bed::new();
    let (issued, identity) = device(&bed.ca, between(-1, 9));
    bed.files.put_identity("device", &identity);
    let options = "-tls1_2 -cert device.pem -key device.key";
    let (accepted, _) = bed.s_client(&bed.legacy, options).await;
    let peer = accepted.unwrap().peer;
    assert!(peer.verdict().is_trusted());
    bed.trust.replace(trust_revoking(&bed.ca, &[&issued]));
    assert_eq!(peer.judged(&bed.trust, now()).verdict().code(), "revoked");
}

#[tokio::test]
async fn who_speaks_no_tls_or_says_nothing_is_refused_in_time() {
    let bed = Bed::new();
    for acceptor in [&bed.psk, &bed.legacy] {
        let (server, mut client) = support::socket_pair().await;
        let said_http = async {
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            let _reset = client.read_to_end(&mut answer).await;
        };
        let (refused, ()) = tokio::join!(acceptor.accept(server), said_http);
        assert!(matches!(refused, Err(AcceptError::NotTls)), "{refused:?}");
        let (server, client) = support::socket_pair().await;
        drop(client);
        let refused = acceptor.accept(server).await;
        assert!(matches!(refused, Err(AcceptError::Closed)), "{refused:?}");
    }
    let mut config = AcceptorConfig::new(bed.rsa.clone(), Arc::clone(&bed.trust));
    config.profile = ListenerProfile::Psk {
        keys: Arc::clone(&bed.keys),
        rsa: bed.rsa.clone(),
    };
    config.handshake_timeout = Duration::from_millis(50);
    let (server, _silent) = support::socket_pair().await;
    let refused = Acceptor::new(config).unwrap().accept(server).await;
    assert!(matches!(refused, Err(AcceptError::Timeout { .. })));
}
