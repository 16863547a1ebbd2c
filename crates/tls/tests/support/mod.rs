//! Two ends over loopback, and certificates of every kind.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod openssl_program;

use std::sync::Arc;
use std::time::Duration;

use omadm_mo::DevId;
use omadm_tls::{
    AcceptError, Accepted, Acceptor, AcceptorConfig, CertificateDer, CertificateValidity,
    ClientTrust, ConnectError, ConnectedStream, Connector, ConnectorConfig, DevelopmentCa,
    Identity, IssuedCertificate, LiveClientTrust, Revocation, ServerTrust, UnixTime,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const DAY: u64 = 86_400;
pub(crate) const DEVICE: &str = "IMEI:493005100592800";

pub(crate) fn now() -> UnixTime {
    UnixTime::now()
}

pub(crate) fn days(offset: i64) -> UnixTime {
    let seconds = i64::try_from(now().as_secs()).unwrap() + offset * i64::try_from(DAY).unwrap();
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap()))
}

pub(crate) fn between(from: i64, to: i64) -> CertificateValidity {
    CertificateValidity {
        not_before: days(from),
        not_after: days(to),
    }
}

pub(crate) fn ca(name: &str) -> DevelopmentCa {
    DevelopmentCa::create(name, between(-30, 365)).unwrap()
}

pub(crate) fn dev_id() -> DevId {
    DevId::parse(DEVICE).unwrap()
}

pub(crate) fn device(
    ca: &DevelopmentCa,
    validity: CertificateValidity,
) -> (IssuedCertificate, Identity) {
    ca.issue_for_generated_key(&dev_id(), validity).unwrap()
}

pub(crate) fn trust(cas: &[&DevelopmentCa]) -> ClientTrust {
    let anchors: Vec<_> = cas.iter().map(|ca| ca.certificate().clone()).collect();
    ClientTrust::new(&anchors, &[]).unwrap()
}

pub(crate) fn trust_revoking(ca: &DevelopmentCa, revoked: &[&IssuedCertificate]) -> ClientTrust {
    let revoked: Vec<_> = revoked
        .iter()
        .map(|issued| Revocation {
            serial: issued.serial.clone(),
            at: days(-1),
        })
        .collect();
    let crl = ca.crl(&revoked, 7, days(-1), days(30)).unwrap();
    ClientTrust::new(&[ca.certificate().clone()], &[crl]).unwrap()
}

/// A server for `localhost` and 127.0.0.1 under a CA that issues device certificates too.
pub(crate) struct Server {
    pub(crate) ca: DevelopmentCa,
    pub(crate) identity: Identity,
    pub(crate) trust: Arc<LiveClientTrust>,
    pub(crate) acceptor: Acceptor,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with_limit(Duration::from_secs(10))
    }

    pub(crate) fn with_limit(handshake_timeout: Duration) -> Self {
        let ca = ca("test CA");
        let identity = ca
            .issue_server(&["localhost", "127.0.0.1"], between(-1, 30))
            .unwrap();
        let trust = Arc::new(LiveClientTrust::new(trust(&[&ca])));
        let mut config = AcceptorConfig::new(identity.clone(), Arc::clone(&trust));
        config.handshake_timeout = handshake_timeout;
        let acceptor = Acceptor::new(config).unwrap();
        Self {
            ca,
            identity,
            trust,
            acceptor,
        }
    }

    pub(crate) fn presenting(ca: DevelopmentCa, identity: Identity) -> Self {
        let trust = Arc::new(LiveClientTrust::new(trust(&[&ca])));
        let acceptor =
            Acceptor::new(AcceptorConfig::new(identity.clone(), Arc::clone(&trust))).unwrap();
        Self {
            ca,
            identity,
            trust,
            acceptor,
        }
    }

    pub(crate) fn trusted(&self) -> ServerTrust {
        ServerTrust::anchors(&[self.ca.certificate().clone()]).unwrap()
    }

    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        self.identity.chain().first().unwrap().clone()
    }

    pub(crate) fn connector(&self, identity: Option<&Identity>) -> Connector {
        connector(self.trusted(), identity)
    }
}

pub(crate) fn connector(trust: ServerTrust, identity: Option<&Identity>) -> Connector {
    let mut config = ConnectorConfig::new(trust);
    config.identity = identity.cloned();
    Connector::new(config).unwrap()
}

pub(crate) async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, connected) = tokio::join!(listener.accept(), client);
    (accepted.unwrap().0, connected.unwrap())
}

/// Both handshakes at once.
pub(crate) async fn handshake(
    acceptor: &Acceptor,
    connector: &Connector,
    name: &str,
) -> (
    Result<Accepted, AcceptError>,
    Result<ConnectedStream, ConnectError>,
) {
    let (server, client) = socket_pair().await;
    tokio::join!(acceptor.accept(server), connector.connect(client, name))
}

/// A connection over which one octet went, so that the client has the server's ticket.
pub(crate) async fn meet(server: &Server, connector: &Connector) -> (Accepted, ConnectedStream) {
    let (accepted, connected) = handshake(&server.acceptor, connector, "localhost").await;
    let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
    accepted.stream.write_all(b"!").await.unwrap();
    accepted.stream.flush().await.unwrap();
    assert_eq!(connected.read_u8().await.unwrap(), b'!');
    (accepted, connected)
}
