//! The floor: TLS, empty HTTP exchanges and durable commits, with nothing of device management in them.

mod database;
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

use self::database::Database;
use self::writer::{Commits, Writer};
use crate::run::Totals;
use crate::{Broken, CommitOctets};

/// A running floor. Ends when dropped.
pub(crate) struct Floor {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// Where a floor commits.
pub(crate) enum Durable {
    File(Writer),
    Postgres(Database),
}

impl Durable {
    /// To a file in this folder, one writer taking what waits, as the server's SQLite store does.
    pub(crate) fn file(folder: &Path, octets: CommitOctets) -> Result<Self, Broken> {
        Ok(Self::File(Writer::open(
            &folder.join("floor.sqlite"),
            octets,
        )?))
    }

    /// To an empty database of PostgreSQL.
    pub(crate) async fn postgres(url: &str, octets: CommitOctets) -> Result<Self, Broken> {
        Ok(Self::Postgres(Database::open(url, octets).await?))
    }

    async fn commit(&self, octets: usize) -> Result<(), Broken> {
        match self {
            Self::File(writer) => Ok(writer.commit(octets).await?),
            Self::Postgres(database) => database.commit(octets).await,
        }
    }

    fn counts(&self) -> Commits {
        match self {
            Self::File(writer) => writer.counts(),
            Self::Postgres(database) => database.counts(),
        }
    }
}

struct Shared {
    acceptor: Acceptor,
    durable: Durable,
    octets: CommitOctets,
    connections: AtomicU64,
    exchanges: AtomicU64,
}

impl Floor {
    /// Listens on a free port, with the certificate and the trust of the DM Server.
    pub(crate) fn start(
        runtime: &Handle,
        identity: Identity,
        trust: ClientTrust,
        durable: Durable,
        octets: CommitOctets,
    ) -> Result<Self, Broken> {
        let trust = Arc::new(LiveClientTrust::new(trust));
        let shared = Arc::new(Shared {
            acceptor: Acceptor::new(AcceptorConfig::new(identity, trust))?,
            durable,
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

    pub(crate) fn totals(&self) -> Totals {
        let commits = self.shared.durable.counts();
        Totals {
            connections: self.shared.connections.load(Ordering::Relaxed),
            exchanges: self.shared.exchanges.load(Ordering::Relaxed),
            commits: commits.commits,
            transactions: commits.transactions,
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
        2 => shared.durable.commit(shared.octets.completion).await,
        3 => shared.durable.commit(shared.octets.read).await,
        _ => Ok(()),
    };
    let mut response = Response::new(Full::default());
    if durable.is_err() {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}
