use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use omadm_mo::Scheme;
use omadm_session::client::Cause;
use omadm_tls::{ConnectError, PeerAlert};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::target::Target;
use super::{HttpsOptions, resolve};
use crate::policy::NetworkPolicy;

/// Why an exchange brought no answer.
pub(super) enum Lost {
    /// The connection was closed before a byte of the request left, which comes back: it may go out on another one.
    Unsent(Box<http::Request<Full<Bytes>>>, Cause),
    /// The connection was closed by the peer after the request, before an answer: whether it was processed nobody knows.
    Unanswered(Cause),
    /// Something else, and another connection would not mend it.
    Failed(Cause),
}

/// An open HTTP connection with what it was opened for.
pub(super) struct Connection {
    pub(super) target: Target,
    /// Counts the connections of this client, from 1.
    pub(super) number: u64,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Resolves, connects and shakes hands; all of it within the connect timeout.
    pub(super) async fn open(
        target: &Target,
        number: u64,
        options: HttpsOptions,
    ) -> Result<Self, Cause> {
        let within = options.connect_timeout;
        let sender = timeout(within, Self::connect(target, options.network))
            .await
            .unwrap_or_else(|_| {
                let why = format!("no connection within {within:?}");
                Err(Cause::Unreachable(why))
            })?;
        Ok(Self {
            target: target.clone(),
            number,
            sender,
        })
    }

    async fn connect(
        target: &Target,
        network: NetworkPolicy,
    ) -> Result<SendRequest<Full<Bytes>>, Cause> {
        let addresses = resolve(&target.origin, target.reach, network).await?;
        let socket = async || {
            let stream = TcpStream::connect(addresses.as_slice()).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let lost = |error: std::io::Error| Cause::Unreachable(error.to_string());
        let stream = socket().await.map_err(lost)?;
        if target.origin.scheme == Scheme::Http {
            return start(stream).await;
        }
        let connector = target
            .connector()
            .map_err(|error| Cause::Unreachable(error.to_string()))?;
        let host = &target.origin.host;
        let stream = match connector.connect(stream, host).await {
            // A server that has two keys of the identity tries the other one now (DESIGN §4).
            Err(ConnectError::PskRefused(_)) => {
                let stream = socket().await.map_err(lost)?;
                connector.connect(stream, host).await
            }
            other => other,
        };
        start(stream.map_err(tls_cause)?).await
    }

    /// Whether a request can still be sent: nobody has closed the connection, as far as the operating system knows.
    pub(super) async fn is_ready(&mut self) -> bool {
        // A runtime whose threads were busy has not looked at its sockets since; this lets it, so that a close which the operating system knows of is seen.
        tokio::task::yield_now().await;
        self.sender.ready().await.is_ok()
    }

    /// Sends a request and gives the head of the answer; the body comes as the caller reads it, and this is to be kept until then.
    pub(super) async fn begin(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Cause> {
        let answer = self.sender.send_request(request).await;
        answer.map_err(|error| broken(&error))
    }

    pub(super) async fn exchange(
        &mut self,
        request: http::Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<http::Response<Bytes>, Lost> {
        let response = match self.sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut lost) => {
                let request = lost.take_message();
                return Err(match (broken(&lost.into_error()), request) {
                    (refused @ Cause::HandshakeRefused(_), _) => Lost::Failed(refused),
                    (cause, Some(request)) => Lost::Unsent(Box::new(request), cause),
                    (cause, None) => Lost::Unanswered(cause),
                });
            }
        };
        let (head, body) = response.into_parts();
        // What is announced as too large is not waited for.
        if body.size_hint().lower() > limit as u64 {
            return Err(Lost::Failed(Cause::TooLarge(limit)));
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(http::Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Lost::Failed(Cause::TooLarge(limit)))
            }
            Err(error) => {
                let why = format!("the answer broke off: {error}");
                Err(Lost::Failed(Cause::Unreachable(why)))
            }
        }
    }
}

/// Begins HTTP on a stream; what drives it ends with it.
async fn start<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
) -> Result<SendRequest<Full<Bytes>>, Cause> {
    let (sender, driver) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "connection closed");
        }
    });
    Ok(sender)
}

/// A refused client certificate shows up in the first read where TLS 1.3 is spoken.
fn broken(error: &hyper::Error) -> Cause {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(alert) = inner
            .downcast_ref::<std::io::Error>()
            .and_then(PeerAlert::in_io_error)
        {
            return Cause::HandshakeRefused(alert.to_string());
        }
        source = inner.source();
    }
    Cause::Unreachable(error.to_string())
}

fn tls_cause(error: ConnectError) -> Cause {
    match error {
        ConnectError::ServerNotTrusted(distrust) => Cause::ServerNotTrusted(distrust.to_string()),
        ConnectError::RefusedByPeer(alert) => Cause::HandshakeRefused(alert.to_string()),
        refused @ ConnectError::PskRefused(_) => Cause::HandshakeRefused(refused.to_string()),
        other => Cause::Unreachable(other.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use omadm_mo::ServerUri;
    use omadm_tls::{
        Acceptor, AcceptorConfig, CertificateDer, CertificateValidity, ClientTrust, DevelopmentCa,
        LiveClientTrust, UnixTime,
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::{Reach, Trust};
    use super::*;

    const TEN_SECONDS: Duration = Duration::from_secs(10);
    const OPTIONS: HttpsOptions = HttpsOptions {
        connect_timeout: TEN_SECONDS,
        read_timeout: TEN_SECONDS,
        body_limit: 1000,
        network: NetworkPolicy {
            allow_private: false,
            allow_loopback: false,
            allow_plain_http: false,
        },
    };

    /// A server that closes each connection after the handshake, or once something came on it.
    async fn closing(after_request: bool) -> Target {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap();
        let validity = CertificateValidity {
            not_before: UnixTime::since_unix_epoch(now - TEN_SECONDS),
            not_after: UnixTime::since_unix_epoch(now + 60 * TEN_SECONDS),
        };
        let ca = DevelopmentCa::create("closing", validity).unwrap();
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]).unwrap();
        let acceptor = Acceptor::new(AcceptorConfig::new(
            ca.issue_server(&["localhost"], validity).unwrap(),
            Arc::new(LiveClientTrust::new(nobody)),
        ));
        let acceptor = acceptor.unwrap();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let mut stream = acceptor.accept(stream).await.unwrap().stream;
                if after_request {
                    stream.read_u8().await.unwrap();
                }
                stream.shutdown().await.unwrap();
            }
        });
        let url = ServerUri::parse(&format!("https://localhost:{port}/")).unwrap();
        Target {
            origin: url.origin(),
            credential: None,
            trust: Trust {
                anchors: vec![ca.certificate().clone()],
                server_key: None,
            },
            reach: Reach::Any,
        }
    }

    fn request() -> http::Request<Full<Bytes>> {
        let request = http::Request::post("/dm/2.0").header("Host", "localhost");
        request.body(Full::new(Bytes::from("package"))).unwrap()
    }

    #[tokio::test]
    async fn a_request_that_a_closed_connection_did_not_take_comes_back_whole() {
        let target = closing(false).await;
        let mut open = Connection::open(&target, 1, OPTIONS).await.unwrap();
        timeout(TEN_SECONDS, async {
            while !open.sender.is_closed() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert!(!open.is_ready().await);
        let Err(Lost::Unsent(request, Cause::Unreachable(_))) =
            open.exchange(request(), 1000).await
        else {
            unreachable!("the request went somewhere")
        };
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "package");
    }

    #[tokio::test]
    async fn a_request_that_may_have_arrived_does_not_come_back() {
        let target = closing(true).await;
        let mut open = Connection::open(&target, 1, OPTIONS).await.unwrap();
        assert!(open.is_ready().await);
        let lost = open.exchange(request(), 1000).await;
        assert!(matches!(lost, Err(Lost::Unanswered(Cause::Unreachable(_)))));
    }
}
