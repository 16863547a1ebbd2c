//! A POST to a device that listens, over mutual TLS (`dm20.md` §11, §14.6).

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use omadm_mo::ServerUri;
use omadm_tls::{
    CertificateDer, ConnectError, Connector, ConnectorConfig, Fingerprint, Identity,
    ServerDistrust, ServerTrust,
};
use tokio::net::TcpStream;

/// Why a POST has no answer.
pub(crate) enum PostError {
    /// The other end is not the device. Nothing was sent to it.
    NotTrusted(ServerDistrust),
    /// It cannot be reached, or does not answer.
    Unreachable(String),
}

impl PostError {
    fn unreachable(error: &impl ToString) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Believes who has one of the device's certificates, or chains to an anchor; shows the server's identity.
///
/// # Errors
/// Why TLS cannot be set up so.
pub(crate) fn connector(
    identity: &Identity,
    anchors: &[CertificateDer<'_>],
    device: &[Fingerprint],
) -> Result<Connector, String> {
    let trust = ServerTrust::anchors(anchors).map_err(|why| why.to_string())?;
    let trust = trust.with_fingerprints(device);
    let config = ConnectorConfig::new(trust).with_identity(identity.clone());
    Connector::new(config).map_err(|why| why.to_string())
}

/// Posts octets on a connection of their own. The caller sets the deadline.
pub(crate) async fn post(
    connector: &Connector,
    url: &ServerUri,
    media_type: &str,
    octets: &[u8],
) -> Result<Response<Incoming>, PostError> {
    let request = Request::post(url.path_and_query())
        .header(HOST, url.authority())
        .header(CONTENT_TYPE, media_type)
        .body(Full::new(Bytes::copy_from_slice(octets)))
        .map_err(|error| PostError::unreachable(&error))?;
    let stream = TcpStream::connect((url.host(), url.port()))
        .await
        .map_err(|error| PostError::unreachable(&error))?;
    let stream = connector
        .connect(stream, url.host())
        .await
        .map_err(|error| match error {
            ConnectError::ServerNotTrusted(distrust) => PostError::NotTrusted(distrust),
            error => PostError::unreachable(&error),
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| PostError::unreachable(&error))?;
    // Ends with the answer's body, or where that is dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to a device broke");
        }
    });
    let answer = sender.send_request(request).await;
    answer.map_err(|error| PostError::unreachable(&error))
}
