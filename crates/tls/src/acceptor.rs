use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::{HandshakeKind, ServerConfig};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::crypto_profile::{ALPN, VERSIONS, provider};
use crate::possession_verifier::PossessionVerifier;
use crate::{AcceptError, AcceptedStream, Identity, IdentityError, LiveClientTrust, PeerIdentity};

/// How long and how much is read from a refused client, so that closing does not destroy the alert on its way.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: u64 = 128 * 1024;

/// What an [`Acceptor`] works by.
pub struct AcceptorConfig {
    /// What the server proves itself with.
    pub identity: Identity,
    /// Against what client certificates are judged; replaced in place when anchors or CRLs change.
    pub trust: Arc<LiveClientTrust>,
    /// From the first octet awaited to the handshake's end.
    pub handshake_timeout: Duration,
    /// DER octets of all certificates a client may send together.
    pub max_chain_bytes: usize,
}

impl AcceptorConfig {
    /// 10 s for the handshake, 16 KiB for the chain (DESIGN §5).
    #[must_use]
    pub const fn new(identity: Identity, trust: Arc<LiveClientTrust>) -> Self {
        Self {
            identity,
            trust,
            handshake_timeout: Duration::from_secs(10),
            max_chain_bytes: 16 * 1024,
        }
    }
}

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, handshake complete.
    pub stream: AcceptedStream,
    /// Who is at the other end, judged at this moment, resumed or not.
    pub peer: PeerIdentity,
    /// Whether the session was resumed from a ticket instead of a full handshake.
    pub resumed: bool,
}

/// The server's side: proves the server, asks for a client certificate without insisting, and judges what came.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    trust: Arc<LiveClientTrust>,
    handshake_timeout: Duration,
}

impl Acceptor {
    /// Sets the server side up. Session tickets are sealed with keys that live and rotate in this value alone, so
    /// share one acceptor among all connections of a listener.
    ///
    /// # Errors
    /// [`IdentityError`] where chain and key cannot serve.
    pub fn new(config: AcceptorConfig) -> Result<Self, IdentityError> {
        let key = config.identity.private_key()?;
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(IdentityError::Unusable)?
            .with_client_cert_verifier(Arc::new(PossessionVerifier::new(config.max_chain_bytes)))
            .with_single_cert(config.identity.chain().to_vec(), key)
            .map_err(IdentityError::Unusable)?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.ticketer = Ticketer::new().map_err(IdentityError::Unusable)?;
        // A device comes back on one connection, and that one brings the next ticket.
        server.send_tls13_tickets = 1;
        Ok(Self {
            tls: TlsAcceptor::from(Arc::new(server)),
            trust: config.trust,
            handshake_timeout: config.handshake_timeout,
        })
    }

    /// Performs the handshake and judges the client. Whatever the verdict, the connection stands: the refusal is the
    /// HTTP layer's, with a cause.
    ///
    /// # Errors
    /// [`AcceptError`] where no TLS connection came about; the alert that says so was sent.
    pub async fn accept(&self, stream: TcpStream) -> Result<Accepted, AcceptError> {
        let handshake = self.tls.accept(stream).into_fallible();
        let stream = match timeout(self.handshake_timeout, handshake).await {
            Err(_elapsed) => {
                return Err(AcceptError::Timeout {
                    after: self.handshake_timeout,
                });
            }
            Ok(Err((cause, stream))) => {
                let refusal = AcceptError::of(cause);
                if !matches!(refusal, AcceptError::Closed | AcceptError::Io(_)) {
                    let _outlived = timeout(LINGER, see_off(stream)).await;
                }
                return Err(refusal);
            }
            Ok(Ok(stream)) => stream,
        };
        let (_, connection) = stream.get_ref();
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let chain = connection.peer_certificates().unwrap_or_default();
        let peer = PeerIdentity::judge(chain, self.trust.current(), UnixTime::now());
        Ok(Accepted {
            stream,
            peer,
            resumed,
        })
    }

    /// The trust this acceptor judges by.
    #[must_use]
    pub const fn trust(&self) -> &Arc<LiveClientTrust> {
        &self.trust
    }
}

/// Says that nothing more will come and reads what the client had sent: a socket closed with unread octets is reset,
/// and the reset overtakes the alert.
async fn see_off(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let _count = tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await;
    }
}
