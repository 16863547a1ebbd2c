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
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Asked, Change, commands_of};
use crate::conformance::hello::client_hello;
use crate::conformance::http_end::{read, write};
use crate::conformance::transcript::Transcript;
use crate::conformance::wire::{Answer, Ask, Wire, dial};

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
        let origin = format!("https://{}:{}", config.upstream.0, address.port());
        let shared = Shared::of(config, origin).map_err(io::Error::other)?;
        let shared = Arc::new(shared);
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
    /// The commands of the last Package#2.
    commands: Mutex<Vec<Vec<String>>>,
    /// Where it is itself.
    origin: String,
    /// Whether the first ClientHello is still to go.
    hello: tokio::sync::Mutex<bool>,
}

impl Shared {
    fn of(
        config: ProxyConfig,
        origin: String,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
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
            commands: Mutex::default(),
            origin,
            hello: tokio::sync::Mutex::new(true),
        })
    }

    fn connector(&self, leaf: Option<Fingerprint>) -> &Connector {
        let shown = leaf.filter(|_| !matches!(self.change, Change::Anonymous));
        let Some(leaf) = shown else {
            return &self.nobody;
        };
        let mut known = self.known.iter().enumerate();
        let found = known.find(|(_, (known, _))| *known == leaf);
        match (found, self.change) {
            (Some((n, _)), Change::Misproven(which)) if n == which => &self.stranger,
            (Some((_, (_, connector))), _) => connector,
            (None, _) => &self.stranger,
        }
    }

    /// Sends the ClientHello that goes ahead, and waits for what comes of it.
    async fn greet(&self, version: u16, suite: u16) {
        let mut first = self.hello.lock().await;
        if std::mem::replace(&mut *first, false)
            && let Ok(mut stream) = dial(&self.upstream, LIMIT).await
        {
            let hello = client_hello(&self.upstream.host, version, suite);
            let _refused = stream.write_all(&hello).await;
            let _closed = tokio::time::timeout(LIMIT, stream.read_to_end(&mut Vec::new())).await;
        }
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
            let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            change.make(&mut changed, &commands);
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
            let asked = Asked {
                ask: &ask,
                earlier,
                origin: &self.origin,
            };
            (change.0)(&asked, &mut answer);
        }
        if let Some(commands) = commands_of(&answer) {
            let mut last = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            *last = commands;
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
        Change::NoSuite if is_tls && one_suite => return refuse(&mut stream).await,
        Change::NoSuch(refused) if is_tls && one_suite && suite == refused.to_be_bytes() => {
            return refuse(&mut stream).await;
        }
        Change::FirstHello(version, suite) => shared.greet(version, suite).await,
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

/// The alert handshake_failure.
pub(super) async fn refuse(stream: &mut TcpStream) {
    say(stream, &[21, 3, 3, 0, 2, 2, 40]).await;
}

pub(super) async fn say(stream: &mut TcpStream, octets: &[u8]) {
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
