use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use omadm_dm2::media_type::is_type;
use omadm_dm2::package0;
use omadm_tls::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::MAX_OCTETS;
use super::inbox::Inbox;

pub(super) const CARRIER: &str = "https";
/// Where a Notification is posted.
pub const NOTIFICATION_PATH: &str = "/notification";
/// Connections at a time; further ones wait to be accepted.
const CONNECTIONS: usize = 16;
/// Octets of the longest head.
const HEAD_OCTETS: usize = 8 * 1024;
/// For a head, and for a body.
const READ: Duration = Duration::from_secs(10);
/// Longest life of a connection.
const LIFE: Duration = Duration::from_secs(30);
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// Takes Notifications by POST: 202 for every one of the right type and size, before it is judged, so that an answer proves nothing (D40).
pub(super) async fn serve(socket: TcpListener, acceptor: Acceptor, inbox: Inbox) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut running = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let (acceptor, inbox) = (acceptor.clone(), inbox.clone());
                running.spawn(async move {
                    if timeout(LIFE, connection(stream, acceptor, inbox))
                        .await
                        .is_err()
                    {
                        tracing::debug!("a connection of the Notification listener was cut off");
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

async fn connection(stream: TcpStream, acceptor: Acceptor, inbox: Inbox) {
    let stream = match acceptor.accept(stream).await {
        Ok(accepted) => accepted.stream,
        Err(error) => {
            tracing::debug!(%error, "no TLS connection with who wanted to notify");
            return;
        }
    };
    let service = service_fn(|request| {
        let inbox = &inbox;
        async move { Ok::<_, Infallible>(answer(inbox, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ)
        .max_buf_size(HEAD_OCTETS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the Notification listener broke");
    }
}

async fn answer(inbox: &Inbox, request: Request<Incoming>) -> Answer {
    if request.uri().path() != NOTIFICATION_PATH {
        return plain(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::POST {
        let post = HeaderValue::from_static("POST");
        return with(StatusCode::METHOD_NOT_ALLOWED, ALLOW, post);
    }
    let headers = request.headers();
    if !is_type(text(headers, &CONTENT_TYPE), package0::MEDIA_TYPE) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let announced = text(headers, &CONTENT_LENGTH).parse::<usize>();
    if announced.is_ok_and(|octets| octets > MAX_OCTETS) {
        inbox.too_long(CARRIER);
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let body = Limited::new(request.into_body(), MAX_OCTETS).collect();
    match timeout(READ, body).await {
        Ok(Ok(body)) => {
            if inbox.put(&body.to_bytes(), CARRIER) {
                return plain(StatusCode::ACCEPTED);
            }
            let soon = HeaderValue::from_static("1");
            with(StatusCode::SERVICE_UNAVAILABLE, RETRY_AFTER, soon)
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            inbox.too_long(CARRIER);
            plain(StatusCode::PAYLOAD_TOO_LARGE)
        }
        Ok(Err(_)) => plain(StatusCode::BAD_REQUEST),
        Err(_) => plain(StatusCode::REQUEST_TIMEOUT),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn plain(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

fn with(status: StatusCode, name: HeaderName, value: HeaderValue) -> Answer {
    let mut answer = plain(status);
    answer.headers_mut().insert(name, value);
    answer
}
