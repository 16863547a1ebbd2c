use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{AlpnError, Ssl, SslContext, SslVerifyMode, SslVersion, select_next_proto};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::failure::{Failure, HandshakeReason};
use super::{LEGACY_SUITES, add_dh_group, add_identity, context, psk_suites};
use crate::acceptor::{LINGER, see_off};
use crate::certificate::printable;
use crate::crypto_profile::ALPN_WIRE;
use crate::{
    AcceptError, Accepted, AcceptedStream, Identity, LiveClientTrust, PeerIdentity, PskIdentity,
    PskKeys, PskSuite,
};

/// A session id context, without which OpenSSL refuses a client that offers an old session.
const SESSION_CONTEXT: &[u8] = b"omadm";
/// An unknown identity gets a random key of so many octets: the handshake then fails as it does for a wrong key, so
/// that nobody learns which identities exist (RFC 4279 §2).
const DECOY_OCTETS: usize = 32;

/// The server's side of the OpenSSL profiles.
#[derive(Clone)]
pub(crate) struct OpenSslAcceptor {
    context: SslContext,
    keys: Option<Keys>,
    max_chain_bytes: usize,
}

/// The keys, and where a handshake notes which of them it is tried with.
#[derive(Clone)]
struct Keys {
    known: Arc<PskKeys>,
    tried: Index<Ssl, Tried>,
}

/// What a handshake is tried with.
struct Tried {
    from: Option<IpAddr>,
    /// None before the client named an identity that is known.
    nr: Option<u32>,
}

impl OpenSslAcceptor {
    /// PSK: no client certificate is asked for.
    pub(crate) fn psk(keys: Arc<PskKeys>, rsa: &Identity) -> Result<Self, ErrorStack> {
        let mut builder = context(&psk_suites(&PskSuite::ALL), SslVersion::TLS1_2)?;
        add_identity(&mut builder, rsa)?;
        add_dh_group(&mut builder)?;
        let known = Arc::clone(&keys);
        let tried = Ssl::new_ex_index::<Tried>()?;
        builder.set_psk_server_callback(move |ssl, identity, buffer| {
            let from = ssl.ex_data(tried).and_then(|tried| tried.from);
            let found = identity
                .and_then(|octets| PskIdentity::new(octets).ok())
                .and_then(|identity| known.offer(&identity, from, buffer));
            let found = found.map(|(nr, octets)| {
                if let Some(tried) = ssl.ex_data_mut(tried) {
                    tried.nr = Some(nr);
                }
                octets
            });
            match (found, buffer.get_mut(..DECOY_OCTETS)) {
                (Some(octets), _) => Ok(octets),
                (None, Some(decoy)) => {
                    openssl::rand::rand_bytes(decoy)?;
                    Ok(DECOY_OCTETS)
                }
                (None, None) => Ok(0),
            }
        });
        let keys = Keys { known: keys, tried };
        Self::finish(builder, Some(keys), 0)
    }

    /// X.509: proves the server with either certificate, asks for the client's without insisting.
    pub(crate) fn legacy(
        identity: &Identity,
        rsa: &Identity,
        max_chain_bytes: usize,
    ) -> Result<Self, ErrorStack> {
        let mut builder = context(LEGACY_SUITES, SslVersion::TLS1_3)?;
        add_identity(&mut builder, identity)?;
        add_identity(&mut builder, rsa)?;
        add_dh_group(&mut builder)?;
        builder.set_num_tickets(0)?;
        // Possession is proven by the signature; the chain is judged afterwards (DESIGN §5).
        builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
        Self::finish(builder, None, max_chain_bytes)
    }

    fn finish(
        mut builder: openssl::ssl::SslContextBuilder,
        keys: Option<Keys>,
        max_chain_bytes: usize,
    ) -> Result<Self, ErrorStack> {
        builder.set_session_id_context(SESSION_CONTEXT)?;
        builder.set_alpn_select_callback(|_, offered| {
            select_next_proto(ALPN_WIRE, offered).ok_or(AlpnError::ALERT_FATAL)
        });
        Ok(Self {
            context: builder.build(),
            keys,
            max_chain_bytes,
        })
    }

    pub(crate) async fn accept(
        &self,
        socket: TcpStream,
        trust: &LiveClientTrust,
        limit: Duration,
    ) -> Result<Accepted, AcceptError> {
        let from = socket.peer_addr().ok().map(|from| from.ip());
        let setup = || -> Result<SslStream<TcpStream>, ErrorStack> {
            let mut ssl = Ssl::new(&self.context)?;
            if let Some(keys) = &self.keys {
                ssl.set_ex_data(keys.tried, Tried { from, nr: None });
            }
            SslStream::new(ssl, socket)
        };
        let mut stream =
            setup().map_err(|cause| AcceptError::Protocol(Failure::of_stack(&cause).protocol()))?;
        let handshake = timeout(limit, std::pin::Pin::new(&mut stream).accept());
        let refusal = match handshake.await {
            Err(_elapsed) => return Err(AcceptError::Timeout { after: limit }),
            Ok(Err(cause)) => self.refusal(Failure::of(cause), &stream),
            Ok(Ok(())) => match self.peer(&stream, trust) {
                Ok(peer) => {
                    return Ok(Accepted {
                        stream: AcceptedStream::openssl(stream),
                        peer,
                        resumed: false,
                    });
                }
                Err(refusal) => refusal,
            },
        };
        if !matches!(refusal, AcceptError::Closed | AcceptError::Io(_)) {
            let _outlived = timeout(LINGER, see_off(stream.get_mut())).await;
        }
        Err(refusal)
    }

    /// Who completed the handshake.
    fn peer(
        &self,
        stream: &SslStream<TcpStream>,
        trust: &LiveClientTrust,
    ) -> Result<PeerIdentity, AcceptError> {
        let ssl = stream.ssl();
        if let Some(keys) = &self.keys {
            // Always there: the suites of this profile have none without.
            let identity = ssl
                .psk_identity()
                .and_then(|octets| PskIdentity::new(octets).ok());
            let tried = ssl.ex_data(keys.tried);
            let nr = tried.and_then(|tried| Some((tried.from, tried.nr?)));
            let (identity, (from, nr)) = identity.zip(nr).ok_or(AcceptError::Closed)?;
            keys.known.note_proven(&identity, from, nr);
            return Ok(PeerIdentity::of_psk(identity, nr, trust.current()));
        }
        let unreadable =
            |cause: ErrorStack| AcceptError::Protocol(Failure::of_stack(&cause).protocol());
        let mut chain = Vec::new();
        for certificate in ssl.peer_certificate().iter() {
            chain.push(CertificateDer::from(
                certificate.to_der().map_err(unreadable)?,
            ));
        }
        for certificate in ssl.peer_cert_chain().into_iter().flatten() {
            chain.push(CertificateDer::from(
                certificate.to_der().map_err(unreadable)?,
            ));
        }
        let bytes = chain.iter().map(|der| der.len()).sum();
        if bytes > self.max_chain_bytes {
            return Err(AcceptError::ChainTooLong {
                bytes,
                limit: self.max_chain_bytes,
            });
        }
        Ok(PeerIdentity::judge(
            &chain,
            trust.current(),
            UnixTime::now(),
        ))
    }

    fn refusal(&self, failure: Failure, stream: &SslStream<TcpStream>) -> AcceptError {
        let ssl = stream.ssl();
        if let (Some(keys), Some(presented)) = (&self.keys, ssl.psk_identity())
            && failure.reason() == Some(HandshakeReason::NotDecrypted)
        {
            let tried = ssl.ex_data(keys.tried);
            let tried = tried.and_then(|tried| Some((tried.from, tried.nr?)));
            return match (PskIdentity::new(presented), tried) {
                (Ok(identity), Some((from, nr))) => {
                    keys.known.note_failed(&identity, from, nr);
                    let keys = keys.known.count(&identity);
                    AcceptError::PskKeyWrong { identity, nr, keys }
                }
                _ => AcceptError::PskIdentityUnknown {
                    presented: printable(&String::from_utf8_lossy(presented)),
                },
            };
        }
        if self.keys.is_some() && failure.reason() == Some(HandshakeReason::Version) {
            // Too old or too new for these suites.
            return AcceptError::Incompatible(rustls::PeerIncompatible::Tls12NotOffered);
        }
        failure.into()
    }
}
