//! The listeners of the kit: what comes is handed to whoever judges it, and waits for the answer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, ClientTrust, Fingerprint, Identity, LiveClientTrust,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::conformance::hello::Offer;
use crate::conformance::http_end::{read, write};
use crate::conformance::wire::{Answer, Ask};

/// A request of the client under test.
pub(super) struct Arrived {
    pub(super) ask: Ask,
    /// Its certificate.
    pub(super) leaf: Option<Fingerprint>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What the client's ClientHellos offered, in their order. Clones are of the same list.
#[derive(Clone, Default)]
pub(super) struct Offers(Arc<Mutex<Vec<Offer>>>);

impl Offers {
    fn add(&self, offer: Offer) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&offer) {
            all.push(offer);
        }
    }

    /// Each that was seen, once.
    pub(super) fn all(&self) -> Vec<Offer> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}

/// A listener; dropping it closes its port.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    pub(super) async fn start(
        at: SocketAddr,
        identity: Identity,
        arrivals: mpsc::Sender<Arrived>,
        offers: Offers,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(at).await?;
        let address = socket.local_addr()?;
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]);
        let nobody = nobody.map_err(io::Error::other)?;
        let config = AcceptorConfig::new(identity, Arc::new(LiveClientTrust::new(nobody)));
        let acceptor = Acceptor::new(config).map_err(io::Error::other)?;
        Ok(Self {
            address,
            task: tokio::spawn(accept(socket, acceptor, arrivals, offers)),
        })
    }
}

async fn accept(
    socket: TcpListener,
    acceptor: Acceptor,
    arrivals: mpsc::Sender<Arrived>,
    offers: Offers,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = socket.accept().await {
        let (acceptor, arrivals, offers) = (acceptor.clone(), arrivals.clone(), offers.clone());
        connections.spawn(async move {
            if let Some(offer) = Offer::peek(&stream).await {
                offers.add(offer);
            }
            let Ok(accepted) = acceptor.accept(stream).await else {
                return;
            };
            let leaf = accepted.peer.fingerprint();
            let service = service_fn(move |request: Request<Incoming>| {
                let arrivals = arrivals.clone();
                async move { Ok::<_, Infallible>(hand_over(arrivals, leaf, request).await) }
            });
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(accepted.stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn hand_over(
    arrivals: mpsc::Sender<Arrived>,
    leaf: Option<Fingerprint>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (answer, answered) = oneshot::channel();
    let ask = read(request).await;
    let arrived = Arrived { ask, leaf, answer };
    let answer = match arrivals.send(arrived).await {
        Ok(()) => answered.await.ok(),
        Err(_) => None,
    };
    // Nobody judges it any more.
    write(answer.unwrap_or(Answer {
        status: 503,
        ..Answer::default()
    }))
}
