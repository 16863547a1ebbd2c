//! What the client demands of its server, and what it says when it does not get it (D78, D80).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use omadm_tls::{
    AcceptError, ConnectError, Connector, ConnectorConfig, Revocation, ServerDistrust, ServerTrust,
    UnixTime,
};
use support::{Server, between, ca, connector, days, handshake, meet, now, socket_pair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn distrust(
    server: &Server,
    trust: ServerTrust,
    name: &str,
) -> (ServerDistrust, AcceptError) {
    let (accepted, connected) = handshake(&server.acceptor, &connector(trust, None), name).await;
    match connected {
        Err(ConnectError::ServerNotTrusted(why)) => {
            (why, accepted.expect_err("the server learns of it"))
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the server was trusted"),
    }
}

fn alert(error: &AcceptError) -> &'static str {
    match error {
        AcceptError::RefusedByPeer(alert) => alert.name(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_server_under_the_anchor_is_trusted_by_dns_name_and_by_address() {
    let server = Server::new();
    for name in ["localhost", "127.0.0.1"] {
        let (accepted, connected) =
            handshake(&server.acceptor, &server.connector(None), name).await;
        assert!(accepted.is_ok() && connected.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn b_16_a_server_of_an_unknown_ca_is_refused() {
    let server = Server::new();
    for trust in [
        ServerTrust::anchors(&[]).unwrap(),
        ServerTrust::anchors(&[ca("another CA").certificate().clone()]).unwrap(),
    ] {
        let (why, learnt) = distrust(&server, trust, "localhost").await;
        assert_eq!(why, ServerDistrust::UnknownIssuer);
        assert_eq!(alert(&learnt), "unknown_ca");
    }
}

#[tokio::test]
async fn a_server_with_another_name_is_refused_and_its_names_are_told() {
    let server = Server::new();
    let (why, learnt) = distrust(&server, server.trusted(), "dm.example").await;
    match why {
        ServerDistrust::WrongName { presented } => {
            assert!(
                presented.iter().any(|name| name.contains("localhost")),
                "{presented:?}"
            );
        }
        other => panic!("{other}"),
    }
    assert_eq!(alert(&learnt), "bad_certificate");
    let (why, _) = distrust(&server, server.trusted(), "127.0.0.2").await;
    assert!(matches!(why, ServerDistrust::WrongName { .. }));
}

#[tokio::test]
async fn an_expired_a_future_and_a_revoked_server_are_refused_for_what_they_are() {
    for (validity, expected, learnt) in [
        (
            between(-9, -2),
            ServerDistrust::Expired,
            "certificate_expired",
        ),
        (
            between(2, 9),
            ServerDistrust::NotYetValid,
            "certificate_expired",
        ),
    ] {
        let authority = ca("test CA");
        let identity = authority.issue_server(&["localhost"], validity).unwrap();
        let server = Server::presenting(authority, identity);
        let (why, refusal) = distrust(&server, server.trusted(), "localhost").await;
        assert_eq!(why, expected);
        assert_eq!(alert(&refusal), learnt);
    }
    let server = Server::new();
    let leaf = omadm_tls::Leaf::parse(&server.leaf()).unwrap();
    let crl = server
        .ca
        .crl(
            &[Revocation {
                serial: leaf.serial().clone(),
                at: days(-1),
            }],
            1,
            days(-1),
            days(9),
        )
        .unwrap();
    let (why, refusal) = distrust(&server, server.trusted().with_crls(&[crl]), "localhost").await;
    assert_eq!(why, ServerDistrust::Revoked);
    assert_eq!(alert(&refusal), "certificate_revoked");
}

#[tokio::test]
async fn a_device_certificate_is_no_server_certificate() {
    let authority = ca("test CA");
    let (_, identity) = support::device(&authority, between(-1, 9));
    let server = Server::presenting(authority, identity);
    assert_eq!(
        distrust(&server, server.trusted(), "localhost").await.0,
        ServerDistrust::WrongPurpose
    );
}

#[tokio::test]
async fn an_equal_pinned_leaf_is_accepted_as_it_is_and_any_other_is_not_d78() {
    let authority = ca("test CA");
    let identity = authority
        .issue_server(&["another.example"], between(-9, -2))
        .unwrap();
    let server = Server::presenting(authority, identity);
    let pinned = connector(ServerTrust::pinned(&server.leaf()).unwrap(), None);
    let (accepted, connected) = handshake(&server.acceptor, &pinned, "localhost").await;
    assert!(accepted.is_ok() && connected.is_ok());

    let other = Server::new();
    let (why, learnt) = distrust(
        &other,
        ServerTrust::pinned(&server.leaf()).unwrap(),
        "localhost",
    )
    .await;
    assert_eq!(why, ServerDistrust::PinMismatch);
    assert_eq!(alert(&learnt), "access_denied");
}

#[tokio::test]
async fn a_pinned_ca_is_the_only_anchor_and_the_name_is_checked_d78() {
    let server = Server::new();
    let pin = || ServerTrust::pinned(server.ca.certificate()).unwrap();
    let (_, connected) = handshake(&server.acceptor, &connector(pin(), None), "localhost").await;
    assert!(connected.is_ok());
    assert!(matches!(
        distrust(&server, pin(), "dm.example").await.0,
        ServerDistrust::WrongName { .. }
    ));
    let foreign = ServerTrust::pinned(ca("test CA").certificate()).unwrap();
    assert_eq!(
        distrust(&server, foreign, "localhost").await.0,
        ServerDistrust::PinMismatch
    );
}

#[tokio::test]
async fn a_server_key_beside_anchors_adds_to_them_d80() {
    let (server, other) = (Server::new(), Server::new());
    let trust = server.trusted().with_server_key(&other.leaf()).unwrap();
    for (end, name) in [(&server, "localhost"), (&other, "any.example")] {
        let (_, connected) = handshake(&end.acceptor, &connector(trust.clone(), None), name).await;
        assert!(connected.is_ok(), "{name}");
    }
    assert!(matches!(
        distrust(&server, trust, "dm.example").await.0,
        ServerDistrust::WrongName { .. }
    ));
}

#[tokio::test]
async fn a_server_whose_certificate_expired_meanwhile_is_refused_on_resumption_too() {
    let authority = ca("test CA");
    let soon = UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + 3));
    let mut validity = between(-1, 1);
    validity.not_after = soon;
    let identity = authority.issue_server(&["localhost"], validity).unwrap();
    let server = Server::presenting(authority, identity);
    let connector = server.connector(None);
    let _first = meet(&server, &connector).await;
    while now() <= soon {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (accepted, connected) = handshake(&server.acceptor, &connector, "localhost").await;
    assert!(matches!(
        connected,
        Err(ConnectError::ServerNotTrusted(ServerDistrust::Expired))
    ));
    assert!(accepted.unwrap().resumed, "the session was to be resumed");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let server = Server::new();
    let (mut far, near) = socket_pair().await;
    let refused = server.connector(None).connect(near, "not a name").await;
    assert!(matches!(refused, Err(ConnectError::InvalidServerName(name)) if name == "not a name"));
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_silent_or_hangs_up_is_told_apart() {
    let server = Server::new();
    let mut config = ConnectorConfig::new(server.trusted());
    config.handshake_timeout = Duration::from_millis(200);
    let connector = Connector::new(config).unwrap();

    let (mut far, near) = socket_pair().await;
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        .await
        .unwrap();
    assert!(matches!(
        connector.connect(near, "localhost").await,
        Err(ConnectError::NotTls)
    ));

    let (_silent, near) = socket_pair().await;
    assert!(matches!(
        connector.connect(near, "localhost").await,
        Err(ConnectError::Timeout { .. })
    ));

    let (far, near) = socket_pair().await;
    drop(far);
    assert!(matches!(
        connector.connect(near, "localhost").await,
        Err(ConnectError::Closed)
    ));

    // TLS alert, fatal, handshake_failure.
    let (mut far, near) = socket_pair().await;
    far.write_all(&[21, 3, 3, 0, 2, 2, 40]).await.unwrap();
    match connector.connect(near, "localhost").await {
        Err(ConnectError::RefusedByPeer(alert)) => {
            assert_eq!(alert.to_string(), "handshake_failure (40)");
        }
        other => panic!("{other:?}"),
    }
}
