//! HTTP/1.1 over TLS for the device's listeners: few connections at a time, none for long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{EXPECT, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use omadm_tls::{Acceptor, PeerIdentity};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at a time; further ones wait to be accepted.
const CONNECTIONS: usize = 16;
/// Octets of the longest head.
const HEAD_OCTETS: usize = 8 * 1024;
/// For a head.
const READ: Duration = Duration::from_secs(10);
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Octets of a body that are read although nobody wants them. Closing over octets that were not read resets the connection, and the answer is lost.
const REST_OCTETS: usize = 1 << 20;
/// For them.
const REST: Duration = Duration::from_secs(2);

pub(super) type Answer = Response<Full<Bytes>>;

/// Who is at the other end.
pub(super) struct Caller {
    /// What it proved.
    pub(super) peer: PeerIdentity,
    /// Where it is.
    pub(super) from: SocketAddr,
}

/// Answers requests.
pub(super) trait Service: Clone + Send + Sync + 'static {
    /// What the log calls the listener.
    const NAME: &'static str;
    /// Longest life of a connection.
    const LIFE: Duration;

    /// Answers one. What it leaves of the body is read before the answer goes out.
    fn answer(
        &self,
        caller: &Caller,
        request: Request<&mut Incoming>,
    ) -> impl Future<Output = Answer> + Send;
}

/// Serves until it is dropped.
pub(super) async fn serve<S: Service>(socket: TcpListener, acceptor: Acceptor, service: S) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut running = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match socket.accept().await {
            Ok((stream, from)) => {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                running.spawn(async move {
                    if timeout(S::LIFE, connection(stream, from, acceptor, service))
                        .await
                        .is_err()
                    {
                        tracing::debug!("a connection of the {} listener was cut off", S::NAME);
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
        while running.try_join_next().is_some() {}
    }
}

async fn connection<S: Service>(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: Acceptor,
    service: S,
) {
    let accepted = match acceptor.accept(stream).await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::debug!(%error, %from, "no TLS connection at the {} listener", S::NAME);
            return;
        }
    };
    let caller = Caller {
        peer: accepted.peer,
        from,
    };
    let answering = service_fn(|request: Request<Incoming>| {
        let (service, caller) = (&service, &caller);
        async move {
            let (head, mut body) = request.into_parts();
            // Who asks before it sends sends nothing to a refusal.
            let asks_before = head.headers.contains_key(EXPECT);
            let request = Request::from_parts(head, &mut body);
            let answer = service.answer(caller, request).await;
            if !asks_before {
                discard(&mut body).await;
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(accepted.stream), answering)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the {} listener broke", S::NAME);
    }
}

async fn discard(body: &mut Incoming) {
    let mut left = REST_OCTETS;
    let rest = async {
        while left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    let _whole = timeout(REST, rest).await;
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

pub(super) fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

pub(super) fn with(mut answer: Answer, name: HeaderName, value: HeaderValue) -> Answer {
    answer.headers_mut().insert(name, value);
    answer
}
