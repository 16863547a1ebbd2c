use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::connect_error::ConnectorSetupError;
use crate::crypto_profile::{ALPN, VERSIONS, provider};
use crate::server_verifier::ServerVerifier;
use crate::{
    ConnectError, ConnectedStream, Identity, IdentityError, Psk, PskSuite, ServerDistrust,
    ServerTrust,
};

/// What a [`Connector`] works by.
pub struct ConnectorConfig {
    /// By what the server is recognised.
    pub trust: ServerTrust,
    /// What the client proves itself with, if it has anything (D78, D81).
    pub identity: Option<Identity>,
    /// A pre-shared key: the connection is then of profile `psk`, and the identity above is not used.
    pub psk: Option<Psk>,
    /// What is offered with a pre-shared key; every one by default.
    pub psk_suites: Vec<PskSuite>,
    /// Whether `http/1.1` is offered as the application protocol; other protocols than HTTP offer none. Of no account with a pre-shared key.
    pub http: bool,
    /// For the TLS handshake alone; connecting the socket is the caller's.
    pub handshake_timeout: Duration,
}

impl ConnectorConfig {
    /// No client certificate, 10 s for the handshake.
    #[must_use]
    pub fn new(trust: ServerTrust) -> Self {
        Self {
            trust,
            identity: None,
            psk: None,
            psk_suites: PskSuite::ALL.to_vec(),
            http: true,
            handshake_timeout: Duration::from_secs(10),
        }
    }

    /// The same with a client certificate.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The same for another protocol than HTTP.
    #[must_use]
    pub const fn without_http(mut self) -> Self {
        self.http = false;
        self
    }

    /// The same with a pre-shared key, which proves both ends (D78). The trust is for servers that show a certificate
    /// as well (RSA_PSK).
    #[must_use]
    pub fn with_psk(mut self, psk: Psk) -> Self {
        self.psk = Some(psk);
        self
    }
}

/// The client's side. One connector stands for one credential and one trust (D78): sessions are resumed within it
/// alone, never across credentials.
#[derive(Clone)]
pub struct Connector {
    end: End,
    verifier: Arc<ServerVerifier>,
    handshake_timeout: Duration,
}

#[derive(Clone)]
enum End {
    Rustls(TlsConnector),
    #[cfg(feature = "psk")]
    OpenSsl(crate::openssl::OpenSslConnector),
}

impl Connector {
    /// Sets the client side up.
    ///
    /// # Errors
    /// [`ConnectorSetupError`] where the identity or a CRL cannot be used, or this build has no PSK.
    pub fn new(config: ConnectorConfig) -> Result<Self, ConnectorSetupError> {
        let verifier = Arc::new(ServerVerifier::new(config.trust)?);
        let end = match config.psk {
            None => End::Rustls(Self::rustls(
                config.identity.as_ref(),
                config.http,
                &verifier,
            )?),
            #[cfg(feature = "psk")]
            Some(psk) => End::OpenSsl(crate::openssl::OpenSslConnector::psk(
                psk,
                &config.psk_suites,
                Arc::clone(&verifier),
            )?),
            #[cfg(not(feature = "psk"))]
            Some(_) => return Err(crate::ProfileUnsupported(crate::TlsProfile::Psk).into()),
        };
        Ok(Self {
            end,
            verifier,
            handshake_timeout: config.handshake_timeout,
        })
    }

    fn rustls(
        identity: Option<&Identity>,
        http: bool,
        verifier: &Arc<ServerVerifier>,
    ) -> Result<TlsConnector, IdentityError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(IdentityError::Unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(verifier) as _);
        let mut client = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain().to_vec(), identity.private_key()?)
                .map_err(IdentityError::Unusable)?,
        };
        if http {
            client.alpn_protocols = vec![ALPN.to_vec()];
        }
        Ok(TlsConnector::from(Arc::new(client)))
    }

    /// Performs the handshake with a server that should bear this name: the host of the URI, a DNS name or an IP
    /// address without brackets.
    ///
    /// # Errors
    /// [`ConnectError`]; where the server is not trusted, nothing but the alert was sent to it.
    pub async fn connect(
        &self,
        stream: TcpStream,
        server_name: &str,
    ) -> Result<ConnectedStream, ConnectError> {
        let Ok(name) = ServerName::try_from(server_name.to_owned()) else {
            return Err(ConnectError::InvalidServerName(server_name.to_owned()));
        };
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
            End::OpenSsl(tls) => return tls.connect(stream, &name, self.handshake_timeout).await,
        };
        let handshake = tls.connect(name.clone(), stream);
        let stream = match timeout(self.handshake_timeout, handshake).await {
            Err(_elapsed) => {
                return Err(ConnectError::Timeout {
                    after: self.handshake_timeout,
                });
            }
            Ok(established) => established.map_err(ConnectError::of)?,
        };
        self.check_resumed(&stream, &name)?;
        Ok(ConnectedStream::rustls(stream))
    }

    /// A resumed handshake carries no certificate; the one of the first handshake is checked again, since it may have
    /// expired in between.
    fn check_resumed(
        &self,
        stream: &TlsStream<TcpStream>,
        name: &ServerName<'_>,
    ) -> Result<(), ConnectError> {
        let (_, connection) = stream.get_ref();
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Ok(());
        }
        let chain = connection.peer_certificates().unwrap_or_default();
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(ConnectError::ServerNotTrusted(
                ServerDistrust::UnknownIssuer,
            ));
        };
        self.verifier.judge(leaf, intermediates, name)
    }
}
