use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, ClientTrust, Connector, ConnectorConfig, Fingerprint,
    Identity, LiveClientTrust, ServerTrust,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::Change;

/// In whose name a push comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pusher {
    /// The bootstrap server that the client knows.
    Trusted,
    /// One with another certificate.
    Stranger,
    /// One without a certificate.
    Nobody,
}

/// An answer to a push that becomes another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PushChange {
    /// To whom.
    pub to: Pusher,
    /// The status that the client gives.
    pub from: u16,
    /// What it becomes.
    pub into: u16,
}

/// What a [`PushProxy`] stands between.
pub struct PushProxyConfig {
    /// What the client proves itself with: the proxy does so in its place.
    pub device: Identity,
    /// Where the client takes pushes.
    pub upstream: SocketAddr,
    /// What the bootstrap server proves itself with.
    pub trusted: Identity,
    /// What others come with.
    pub stranger: Identity,
    /// What it changes; only [`Change::Push`] changes anything.
    pub change: Change,
}

/// A proxy before the bootstrap listener of a client, on loopback. Bodies go through as they come. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct PushProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl PushProxy {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// Where there is no port, or an identity cannot be used.
    pub async fn start(config: PushProxyConfig) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared::of(config).map_err(io::Error::other)?);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = socket.accept().await {
                connections.spawn(connection(stream, Arc::clone(&shared)));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PushProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Shared {
    acceptor: Acceptor,
    upstream: SocketAddr,
    /// Of the bootstrap server's certificate.
    trusted: Option<Fingerprint>,
    connectors: [(Pusher, Connector); 3],
    change: Change,
}

impl Shared {
    fn of(config: PushProxyConfig) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let nobody: [CertificateDer<'_>; 0] = [];
        let leaf = |identity: &Identity| identity.chain().first().map(|leaf| Fingerprint::of(leaf));
        let device: Vec<_> = leaf(&config.device).into_iter().collect();
        let trust = ServerTrust::anchors(&nobody)?.with_fingerprints(&device);
        let trusted = leaf(&config.trusted);
        let connector = |identity: Option<Identity>| {
            let mut connector = ConnectorConfig::new(trust.clone());
            connector.identity = identity;
            Connector::new(connector)
        };
        let anyone = ClientTrust::new(&nobody, &[])?;
        Ok(Self {
            acceptor: Acceptor::new(AcceptorConfig::new(
                config.device,
                Arc::new(LiveClientTrust::new(anyone)),
            ))?,
            upstream: config.upstream,
            trusted,
            connectors: [
                (Pusher::Trusted, connector(Some(config.trusted))?),
                (Pusher::Stranger, connector(Some(config.stranger))?),
                (Pusher::Nobody, connector(None)?),
            ],
            change: config.change,
        })
    }

    /// Hands a request on, on a connection of its own.
    async fn pass(
        &self,
        by: Pusher,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, String> {
        let mut connectors = self.connectors.iter();
        let found = connectors.find(|(pusher, _)| *pusher == by);
        let (_, connector) = found.ok_or("nobody pushes so")?;
        let stream = TcpStream::connect(self.upstream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let host = self.upstream.ip().to_string();
        let stream = connector.connect(stream, &host).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, driver) = handshake.await.map_err(|error| error.to_string())?;
        tokio::spawn(async move {
            let _ended = driver.await;
        });
        let answer = sender.send_request(request).await;
        let mut answer = answer.map_err(|error| error.to_string())?;
        if let Change::Push(change) = self.change
            && change.to == by
            && answer.status().as_u16() == change.from
            && let Ok(status) = StatusCode::from_u16(change.into)
        {
            *answer.status_mut() = status;
        }
        Ok(answer)
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(accepted) = shared.acceptor.accept(stream).await else {
        return;
    };
    let by = match accepted.peer.fingerprint() {
        None => Pusher::Nobody,
        leaf if leaf == shared.trusted => Pusher::Trusted,
        Some(_) => Pusher::Stranger,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        // Where there is no answer from behind, there is none here.
        async move { shared.pass(by, request).await.map_err(io::Error::other) }
    });
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(accepted.stream), service)
        .await;
}
