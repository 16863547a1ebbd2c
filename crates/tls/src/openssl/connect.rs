use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslVerifyMode, SslVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::failure::Failure;
use super::{context, psk_suites};
use crate::crypto_profile::ALPN_WIRE;
use crate::server_verifier::ServerVerifier;
use crate::{ConnectError, ConnectedStream, PeerAlert, Psk, PskSuite};

/// The client's side with a pre-shared key: the key authenticates both ends (D78); where the server shows a
/// certificate as well (RSA_PSK), chain, validity and name are checked too.
#[derive(Clone)]
pub(crate) struct OpenSslConnector {
    context: SslContext,
    verifier: Arc<ServerVerifier>,
}

impl OpenSslConnector {
    /// A client without anchors offers no suite with a certificate, since it could not believe any.
    pub(crate) fn psk(
        psk: Psk,
        suites: &[PskSuite],
        verifier: Arc<ServerVerifier>,
    ) -> Result<Self, ErrorStack> {
        let mut offered = suites.to_vec();
        if verifier.believes_nobody() {
            offered.retain(|suite| !suite.has_certificate());
        }
        let mut builder = context(&psk_suites(&offered), SslVersion::TLS1_2)?;
        // Checked after the handshake, by the verifier that the other connections have.
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_alpn_protos(ALPN_WIRE)?;
        builder.set_psk_client_callback(move |_, _, identity, key| {
            let name = psk.identity().as_str().as_bytes();
            let octets = psk.key().expose();
            // C takes the identity up to the first NUL.
            match (identity.get_mut(..=name.len()), key.get_mut(..octets.len())) {
                (Some(to), Some(key)) => {
                    to.fill(0);
                    for (to, octet) in to.iter_mut().zip(name) {
                        *to = *octet;
                    }
                    key.copy_from_slice(octets);
                    Ok(octets.len())
                }
                _ => Ok(0),
            }
        });
        Ok(Self {
            context: builder.build(),
            verifier,
        })
    }

    pub(crate) async fn connect(
        &self,
        socket: TcpStream,
        name: &ServerName<'_>,
        limit: Duration,
    ) -> Result<ConnectedStream, ConnectError> {
        let setup = || -> Result<SslStream<TcpStream>, ErrorStack> {
            let mut ssl = Ssl::new(&self.context)?;
            let host = name.to_str();
            if host.parse::<IpAddr>().is_err() {
                ssl.set_hostname(&host)?;
            }
            SslStream::new(ssl, socket)
        };
        let mut stream = setup()
            .map_err(|cause| ConnectError::Protocol(Failure::of_stack(&cause).protocol()))?;
        match timeout(limit, std::pin::Pin::new(&mut stream).connect()).await {
            Err(_elapsed) => return Err(ConnectError::Timeout { after: limit }),
            Ok(Err(cause)) => {
                let failure = Failure::of(cause);
                return Err(match failure.alert() {
                    Some(alert) if speaks_of_the_key(alert) => ConnectError::PskRefused(alert),
                    _ => failure.into(),
                });
            }
            Ok(Ok(())) => {}
        }
        self.check(&stream, name)?;
        Ok(ConnectedStream::openssl(stream))
    }

    fn check(
        &self,
        stream: &SslStream<TcpStream>,
        name: &ServerName<'_>,
    ) -> Result<(), ConnectError> {
        let mut chain = Vec::new();
        for certificate in stream.ssl().peer_cert_chain().into_iter().flatten() {
            let der = certificate
                .to_der()
                .map_err(|cause| ConnectError::Protocol(Failure::of_stack(&cause).protocol()))?;
            chain.push(CertificateDer::from(der));
        }
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Ok(());
        };
        self.verifier.judge(leaf, intermediates, name)
    }
}

/// How servers say that identity and key do not lead to them: unknown_psk_identity, or that they cannot read what was
/// encrypted with the key (bad_record_mac, decryption_failed, decrypt_error).
fn speaks_of_the_key(alert: PeerAlert) -> bool {
    matches!(alert.code(), 115 | 20 | 21 | 51)
}
