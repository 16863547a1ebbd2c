//! The floor: TLS, empty HTTP exchanges and durable commits, with nothing of device management in them.

mod writer;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use omadm_tls::{Acceptor, AcceptorConfig, ClientTrust, Identity, LiveClientTrust};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use self::writer::{Commits, Writer};
use crate::{Broken, CommitOctets};

/// A running floor. Ends when dropped.
pub(crate) struct Floor {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What the floor did so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorCounts {
    pub(crate) connections: u64,
    pub(crate) exchanges: u64,
    pub(crate) commits: Commits,
}

struct Shared {
    acceptor: Acceptor,
    writer: Writer,
    octets: CommitOctets,
    connections: AtomicU64,
    exchanges: AtomicU64,
}

impl Floor {
    /// Listens on a free port, with the certificate and the trust of the DM Server.
    pub(crate) fn start(
        runtime: &Handle,
        folder: &Path,
        identity: Identity,
        trust: ClientTrust,
        octets: CommitOctets,
    ) -> Result<Self, Broken> {
        let trust = Arc::new(LiveClientTrust::new(trust));
        let shared = Arc::new(Shared {
            acceptor: Acceptor::new(AcceptorConfig::new(identity, trust))?,
            writer: Writer::open(&folder.join("floor.sqlite"), octets)?,
            octets,
            connections: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let accepting = runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    pub(crate) fn counts(&self) -> FloorCounts {
        FloorCounts {
            connections: self.shared.connections.load(Ordering::Relaxed),
            exchanges: self.shared.exchanges.load(Ordering::Relaxed),
            commits: self.shared.writer.counts(),
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

/// A connection that breaks shows at the client, which ends the benchmark.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _nagle = stream.set_nodelay(true);
    let Ok(accepted) = shared.acceptor.accept(stream).await else {
        return;
    };
    let number = Arc::new(AtomicU32::new(0));
    let service = service_fn(move |_: Request<Incoming>| {
        let number = number.fetch_add(1, Ordering::Relaxed) + 1;
        answer(Arc::clone(&shared), number)
    });
    let _closed = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(accepted.stream), service)
        .await;
}

/// Commits where a bootstrap does: in the second and in the third exchange.
async fn answer(shared: Arc<Shared>, number: u32) -> Result<Response<Full<Bytes>>, Infallible> {
    shared.exchanges.fetch_add(1, Ordering::Relaxed);
    let durable = match number {
        2 => shared.writer.commit(shared.octets.completion).await,
        3 => shared.writer.commit(shared.octets.read).await,
        _ => Ok(()),
    };
    let mut response = Response::new(Full::default());
    if durable.is_err() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}
