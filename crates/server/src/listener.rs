//! An accept loop of our own: TLS, the peer's identity on every request, bounded connections, graceful drain (DESIGN §7).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use omadm_tls::{AcceptError, Acceptor, PeerIdentity};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::config::Limits;
use crate::device_listeners::handshake_failed;
use crate::node::Node;
use crate::write_stall::Unstalled;

/// Longest head of a request in octets.
const HEAD_OCTETS: usize = 32 * 1024;
/// The name of the listener that [`Limits::exchanges_per_connection`] is for.
const DEVICE: &str = "device";
/// After an accept that failed (too many open files, for instance).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connection a request came on: an extension of the request.
#[derive(Clone)]
pub(crate) struct Connection {
    /// Counted from 1 for each listener.
    pub(crate) number: u64,
    /// Whose address the connection is from: a device's, or that of what stands before the server.
    pub(crate) from: IpAddr,
    /// Who is at the other end, judged at the handshake; none without TLS. To be judged again for each request.
    pub(crate) peer: Option<PeerIdentity>,
}

/// How many came.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) connections: AtomicU64,
    pub(crate) exchanges: AtomicU64,
}

/// What came to each listener of a node.
#[derive(Default)]
pub(crate) struct NodeTraffic {
    pub(crate) device: Arc<Traffic>,
    pub(crate) operator: Arc<Traffic>,
}

/// A running listener.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// Serves a router until `stop` becomes true; then finishes what runs, up to the limit of the drain.
    pub(crate) fn start(
        name: &'static str,
        socket: TcpListener,
        acceptor: Option<Acceptor>,
        router: Router,
        traffic: Arc<Traffic>,
        node: Arc<Node>,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<Self> {
        let address = socket.local_addr()?;
        let serving = Serving {
            name,
            acceptor,
            router,
            limits: node.config.limits,
            traffic,
            node,
            stop,
        };
        Ok(Self {
            address,
            task: tokio::spawn(serving.run(socket)),
        })
    }

    /// Waits until the drain is over.
    pub(crate) async fn ended(self) {
        let _joined = self.task.await;
    }
}

#[derive(Clone)]
struct Serving {
    name: &'static str,
    acceptor: Option<Acceptor>,
    router: Router,
    limits: Limits,
    traffic: Arc<Traffic>,
    /// Records handshakes that a credential did not open.
    node: Arc<Node>,
    stop: watch::Receiver<bool>,
}

impl Serving {
    async fn run(self, socket: TcpListener) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut running = JoinSet::new();
        let mut stop = self.stop.clone();
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = stopped(&mut stop) => break,
            };
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            match accepted {
                Ok((stream, from)) => {
                    let number = self.traffic.connections.fetch_add(1, Ordering::Relaxed) + 1;
                    let serving = self.clone();
                    running.spawn(async move {
                        serving.connection(stream, from, number).await;
                        drop(place);
                    });
                }
                Err(cause) => {
                    warn!(listener = self.name, %cause, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while running.try_join_next().is_some() {}
        }
        drop(socket);
        let all = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.drain, all).await.is_err() {
            warn!(
                listener = self.name,
                left = running.len(),
                "exchanges still ran at the end of the drain and were cut off"
            );
            running.shutdown().await;
        }
        info!(listener = self.name, "listener closed");
    }

    async fn connection(self, stream: TcpStream, from: SocketAddr, number: u64) {
        let _nagle = stream.set_nodelay(true);
        let Some(acceptor) = self.acceptor.clone() else {
            let connection = Connection {
                number,
                from: from.ip(),
                peer: None,
            };
            return self.serve(stream, connection).await;
        };
        let mut stop = self.stop.clone();
        let handshake = tokio::select! {
            handshake = acceptor.accept(stream) => handshake,
            () = stopped(&mut stop) => return,
        };
        match handshake {
            Ok(accepted) => {
                debug!(listener = self.name, %from, connection = number, resumed = accepted.resumed, verdict = accepted.peer.verdict().code(), "connection");
                self.serve(
                    accepted.stream,
                    Connection {
                        number,
                        from: from.ip(),
                        peer: Some(accepted.peer),
                    },
                )
                .await;
            }
            Err(AcceptError::Closed) => {
                debug!(listener = self.name, %from, "closed during the handshake");
            }
            Err(cause) => {
                info!(listener = self.name, %from, %cause, "no TLS connection came about");
                handshake_failed(&self.node, &cause, from).await;
            }
        }
    }

    async fn serve(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Connection,
    ) {
        let (router, traffic) = (self.router, self.traffic);
        let most = self.limits.exchanges_per_connection;
        let most = most.filter(|_| self.name == DEVICE);
        let begun = AtomicU32::new(0);
        let service = service_fn(move |request: Request<Incoming>| {
            traffic.exchanges.fetch_add(1, Ordering::Relaxed);
            let number = begun.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let last = most.is_some_and(|most| number >= most);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(connection.clone());
            let answering = router.clone().oneshot(request);
            async move {
                let mut answer = answering.await;
                // hyper closes the connection after an answer that says so.
                if let (true, Ok(answer)) = (last, &mut answer) {
                    let close = HeaderValue::from_static("close");
                    answer.headers_mut().insert(CONNECTION, close);
                }
                answer
            }
        });
        let mut running = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.limits.header_timeout)
                .max_buf_size(HEAD_OCTETS)
                .serve_connection(
                    TokioIo::new(Unstalled::new(stream, self.limits.body_timeout)),
                    service,
                )
        );
        let ended = tokio::select! {
            ended = running.as_mut() => ended,
            () = stopped(&mut self.stop) => {
                running.as_mut().graceful_shutdown();
                running.await
            }
        };
        if let Err(cause) = ended {
            debug!(listener = self.name, %cause, "connection ended");
        }
    }
}

/// Ends when the server is to stop, or nobody holds the switch any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _guard = stop.wait_for(|stop| *stop).await.map(|_| ());
}
