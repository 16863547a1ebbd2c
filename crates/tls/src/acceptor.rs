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
use crate::{
    AcceptError, AcceptedStream, AcceptorSetupError, Identity, IdentityError, ListenerProfile,
    LiveClientTrust, PeerIdentity, TlsSupport,
};

/// How long and how much is read from a refused client, so that closing does not destroy the alert on its way.
pub(crate) const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: u64 = 128 * 1024;

/// What an [`Acceptor`] works by.
pub struct AcceptorConfig {
    /// What the server proves itself with; a PSK listener does so by the key and its RSA certificate instead.
    pub identity: Identity,
    /// How TLS is spoken.
    pub profile: ListenerProfile,
    /// Against what client certificates are judged; replaced in place when anchors or CRLs change.
    pub trust: Arc<LiveClientTrust>,
    /// From the first octet awaited to the handshake's end.
    pub handshake_timeout: Duration,
    /// DER octets of all certificates a client may send together.
    pub max_chain_bytes: usize,
}

impl AcceptorConfig {
    /// Profile `modern`, 10 s for the handshake, 16 KiB for the chain (DESIGN §5).
    #[must_use]
    pub const fn new(identity: Identity, trust: Arc<LiveClientTrust>) -> Self {
        Self {
            identity,
            profile: ListenerProfile::Modern,
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
    end: End,
    trust: Arc<LiveClientTrust>,
    handshake_timeout: Duration,
}

#[derive(Clone)]
enum End {
    Rustls(TlsAcceptor),
    #[cfg(feature = "psk")]
    OpenSsl(crate::openssl::OpenSslAcceptor),
}

impl Acceptor {
    /// Sets the server side up. Session tickets are sealed with keys that live and rotate in this value alone, so
    /// share one acceptor among all connections of a listener.
    ///
    /// # Errors
    /// [`AcceptorSetupError`] where chain and key cannot serve, or this build lacks the profile.
    pub fn new(config: AcceptorConfig) -> Result<Self, AcceptorSetupError> {
        TlsSupport::of_this_build().require(config.profile.name())?;
        let end = match &config.profile {
            #[cfg(feature = "psk")]
            ListenerProfile::Psk { keys, rsa } => {
                End::OpenSsl(crate::openssl::OpenSslAcceptor::psk(Arc::clone(keys), rsa)?)
            }
            #[cfg(feature = "psk")]
            ListenerProfile::Legacy { rsa } => {
                let (identity, limit) = (&config.identity, config.max_chain_bytes);
                End::OpenSsl(crate::openssl::OpenSslAcceptor::legacy(
                    identity, rsa, limit,
                )?)
            }
            // Without the feature the others were refused above.
            _ => End::Rustls(Self::rustls(&config)?),
        };
        Ok(Self {
            end,
            trust: config.trust,
            handshake_timeout: config.handshake_timeout,
        })
    }

    fn rustls(config: &AcceptorConfig) -> Result<TlsAcceptor, IdentityError> {
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
        Ok(TlsAcceptor::from(Arc::new(server)))
    }

    /// Performs the handshake and judges the client. Whatever the verdict, the connection stands: the refusal is the
    /// HTTP layer's, with a cause.
    ///
    /// # Errors
    /// [`AcceptError`] where no TLS connection came about; the alert that says so was sent.
    pub async fn accept(&self, stream: TcpStream) -> Result<Accepted, AcceptError> {
        #[cfg_attr(
            not(feature = "psk"),
            expect(
                clippy::infallible_destructuring_match,
                reason = "with psk there is a second end"
            )
        )]
        let tls = match &self.end {
            End::Rustls(tls) => tls,
            #[cfg(feature = "psk")]
            End::OpenSsl(tls) => {
                let limit = self.handshake_timeout;
                return tls.accept(stream, &self.trust, limit).await;
            }
        };
        let handshake = tls.accept(stream).into_fallible();
        let stream = match timeout(self.handshake_timeout, handshake).await {
            Err(_elapsed) => {
                return Err(AcceptError::Timeout {
                    after: self.handshake_timeout,
                });
            }
            Ok(Err((cause, mut stream))) => {
                let refusal = AcceptError::of(cause);
                if !matches!(refusal, AcceptError::Closed | AcceptError::Io(_)) {
                    let _outlived = timeout(LINGER, see_off(&mut stream)).await;
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
            stream: AcceptedStream::rustls(stream),
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
pub(crate) async fn see_off(stream: &mut TcpStream) {
    if stream.shutdown().await.is_ok() {
        let _count = tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await;
    }
}
