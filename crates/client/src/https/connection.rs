use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use omadm_mo::Scheme;
use omadm_session::client::Cause;
use omadm_tls::{ConnectError, PeerAlert};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::target::Target;

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
    pub(super) async fn open(
        target: &Target,
        number: u64,
        connect_timeout: Duration,
    ) -> Result<Self, Cause> {
        if target.origin.scheme == Scheme::Http {
            return Err(Cause::Forbidden);
        }
        let address = (target.origin.host.as_str(), target.origin.port);
        let stream = match timeout(connect_timeout, TcpStream::connect(address)).await {
            Err(_) => {
                return Err(Cause::Unreachable(format!(
                    "no connection within {connect_timeout:?}"
                )));
            }
            Ok(Err(error)) => return Err(Cause::Unreachable(error.to_string())),
            Ok(Ok(stream)) => stream,
        };
        stream
            .set_nodelay(true)
            .map_err(|error| Cause::Unreachable(error.to_string()))?;
        let connector = target
            .connector()
            .map_err(|error| Cause::Unreachable(error.to_string()))?;
        let stream = connector
            .connect(stream, &target.origin.host)
            .await
            .map_err(tls_cause)?;
        let (sender, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "connection closed");
            }
        });
        Ok(Self {
            target: target.clone(),
            number,
            sender,
        })
    }

    /// Whether a request can still be sent: nobody has closed the connection, as far as is known here.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
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
        other => Cause::Unreachable(other.to_string()),
    }
}
