use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omadm_mo::{Origin, Scheme};
use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, ClientTrust, Connector, ConnectorConfig, Fingerprint,
    Identity, LiveClientTrust, ServerTrust,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Asked, Change};
use crate::conformance::http_end::{read, write};
use crate::conformance::transcript::Transcript;
use crate::conformance::wire::{Answer, Ask, Wire};

const LIMIT: Duration = Duration::from_secs(10);

/// What a [`Proxy`] stands between.
pub struct ProxyConfig {
    /// What it proves itself with to those who come.
    pub identity: Identity,
    /// Where the real peer is, by name and port.
    pub upstream: (String, u16),
    /// What the real peer's certificate chains to.
    pub anchors: Vec<CertificateDer<'static>>,
    /// The identities that those who come may have: the same is used upstream.
    pub identities: Vec<Identity>,
    /// An identity for those who come with a certificate that is none of these.
    pub stranger: Identity,
    /// What it changes.
    pub change: Change,
}

/// A TLS-terminating proxy on loopback. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Where there is no port, or an identity or anchor cannot be used.
    pub async fn start(config: ProxyConfig) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared::of(config).map_err(io::Error::other)?);
        Ok(Self {
            address,
            task: tokio::spawn(accept(socket, shared)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    acceptor: Acceptor,
    upstream: Origin,
    nobody: Connector,
    stranger: Connector,
    known: Vec<(Fingerprint, Connector)>,
    change: Change,
    /// How often each body came.
    seen: Mutex<HashMap<Bytes, usize>>,
}

impl Shared {
    fn of(config: ProxyConfig) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[])?;
        let trust = ServerTrust::anchors(&config.anchors)?;
        let connector = |identity: Option<Identity>| {
            let mut connector = ConnectorConfig::new(trust.clone());
            connector.identity = identity;
            Connector::new(connector)
        };
        let mut known = Vec::new();
        for identity in config.identities {
            if let Some(leaf) = identity.chain().first() {
                known.push((Fingerprint::of(leaf), connector(Some(identity.clone()))?));
            }
        }
        Ok(Self {
            acceptor: Acceptor::new(AcceptorConfig::new(
                config.identity,
                Arc::new(LiveClientTrust::new(nobody)),
            ))?,
            upstream: Origin {
                scheme: Scheme::Https,
                host: config.upstream.0,
                port: config.upstream.1,
            },
            nobody: connector(None)?,
            stranger: connector(Some(config.stranger))?,
            known,
            change: config.change,
            seen: Mutex::default(),
        })
    }

    fn connector(&self, leaf: Option<Fingerprint>) -> &Connector {
        let shown = leaf.filter(|_| !matches!(self.change, Change::Anonymous));
        let Some(leaf) = shown else {
            return &self.nobody;
        };
        let mut known = self.known.iter();
        known
            .find(|(known, _)| *known == leaf)
            .map_or(&self.stranger, |(_, connector)| connector)
    }

    /// Asks the real peer and changes what has to be changed.
    async fn answer(&self, wire: &mut Option<Wire>, leaf: Option<Fingerprint>, ask: Ask) -> Answer {
        let earlier = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let count = seen.entry(ask.body.clone()).or_default();
            *count += 1;
            *count - 1
        };
        let mut changed = ask.clone();
        if let Change::Request(change) = self.change {
            change.make(&mut changed);
        }
        let mut answer = match self.ask(wire, leaf, changed).await {
            Ok(answer) => answer,
            Err(why) => Answer {
                status: 502,
                body: Bytes::from(why),
                ..Answer::default()
            },
        };
        if let Change::Answer(change) = self.change {
            (change.0)(&Asked { ask: &ask, earlier }, &mut answer);
        }
        answer
    }

    async fn ask(
        &self,
        wire: &mut Option<Wire>,
        leaf: Option<Fingerprint>,
        ask: Ask,
    ) -> Result<Answer, String> {
        let open = match wire {
            Some(open) => open,
            None => {
                let connector = self.connector(leaf);
                let transcript = Transcript::default();
                let open = Wire::open(&self.upstream, connector, transcript, LIMIT).await?;
                wire.insert(open)
            }
        };
        let answered = open.send(ask).await;
        if answered.is_err() {
            *wire = None;
        }
        answered
    }
}

async fn accept(socket: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = socket.accept().await {
        connections.spawn(connection(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    // The longest that is looked at: up to the first suite of a ClientHello without session id.
    let mut begin = [0_u8; 48];
    let peeked = stream.peek(&mut begin).await.unwrap_or_default();
    let is_tls = begin[0] == 22;
    let version = u16::from_be_bytes([begin[9], begin[10]]);
    let one_suite = peeked >= 48 && begin[43] == 0 && begin[44..46] == [0, 2];
    let suite = [begin[46], begin[47]];
    match shared.change {
        Change::PlainHttp if !is_tls => {
            // Whoever comes so is taken for the device.
            let leaf = shared.known.first().map(|(leaf, _)| *leaf);
            return serve(stream, shared, leaf).await;
        }
        Change::Ssl3 if is_tls && version == 0x0300 => {
            return say(&mut stream, &server_hello([3, 0], suite)).await;
        }
        Change::NoSuite if is_tls && one_suite => {
            return say(&mut stream, &[21, 3, 3, 0, 2, 2, 40]).await;
        }
        Change::EverySuite if is_tls && one_suite && version == 0x0303 => {
            return say(&mut stream, &server_hello([3, 3], suite)).await;
        }
        _ => {}
    }
    if let Ok(accepted) = shared.acceptor.accept(stream).await {
        let leaf = accepted.peer.fingerprint();
        serve(accepted.stream, shared, leaf).await;
    }
}

async fn say(stream: &mut TcpStream, octets: &[u8]) {
    let _gone = stream.write_all(octets).await;
    let _closed = stream.shutdown().await;
}

fn server_hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
    let hello = [&version[..], &[7; 32], &[0], &suite, &[0]].concat();
    let length = u8::try_from(hello.len()).unwrap_or_default();
    [
        &[22, version[0], version[1], 0, length + 4, 2, 0, 0, length][..],
        &hello,
    ]
    .concat()
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: Arc<Shared>,
    leaf: Option<Fingerprint>,
) {
    let wire = Arc::new(tokio::sync::Mutex::new(None));
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, wire) = (Arc::clone(&shared), Arc::clone(&wire));
        async move {
            let ask = read(request).await;
            let answer = shared.answer(&mut *wire.lock().await, leaf, ask).await;
            Ok::<_, Infallible>(write(answer))
        }
    });
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
