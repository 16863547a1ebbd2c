use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// One end of a TLS connection, whichever library speaks it. `R` is the stream of rustls.
#[derive(Debug)]
pub struct TlsStream<R>(Inner<R>);

#[derive(Debug)]
enum Inner<R> {
    Rustls(R),
    #[cfg(feature = "psk")]
    OpenSsl(tokio_openssl::SslStream<TcpStream>),
}

/// The server's end of a TLS connection.
pub type AcceptedStream = TlsStream<tokio_rustls::server::TlsStream<TcpStream>>;
/// The client's end of a TLS connection.
pub type ConnectedStream = TlsStream<tokio_rustls::client::TlsStream<TcpStream>>;

impl<R> TlsStream<R> {
    pub(crate) const fn rustls(stream: R) -> Self {
        Self(Inner::Rustls(stream))
    }

    #[cfg(feature = "psk")]
    pub(crate) const fn openssl(stream: tokio_openssl::SslStream<TcpStream>) -> Self {
        Self(Inner::OpenSsl(stream))
    }

    /// The stream of rustls, where it is one.
    pub(crate) const fn as_rustls(&self) -> Option<&R> {
        match &self.0 {
            Inner::Rustls(stream) => Some(stream),
            #[cfg(feature = "psk")]
            Inner::OpenSsl(_) => None,
        }
    }
}

impl AcceptedStream {
    /// The cipher suite as the TLS registry names it, for instance `TLS_PSK_WITH_AES_128_GCM_SHA256`.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<String> {
        match &self.0 {
            Inner::Rustls(stream) => rustls_suite(stream.get_ref().1.negotiated_cipher_suite()?),
            #[cfg(feature = "psk")]
            Inner::OpenSsl(stream) => openssl_suite(stream),
        }
    }
}

impl ConnectedStream {
    /// The cipher suite as the TLS registry names it, for instance `TLS_PSK_WITH_AES_128_GCM_SHA256`.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<String> {
        match &self.0 {
            Inner::Rustls(stream) => rustls_suite(stream.get_ref().1.negotiated_cipher_suite()?),
            #[cfg(feature = "psk")]
            Inner::OpenSsl(stream) => openssl_suite(stream),
        }
    }

    /// The application protocol that was agreed on (RFC 7301).
    #[must_use]
    pub fn application_protocol(&self) -> Option<&[u8]> {
        match &self.0 {
            Inner::Rustls(stream) => stream.get_ref().1.alpn_protocol(),
            #[cfg(feature = "psk")]
            Inner::OpenSsl(stream) => stream.ssl().selected_alpn_protocol(),
        }
    }

    /// Whether the session was resumed instead of a full handshake.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.as_rustls().is_some_and(|stream| {
            stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
        })
    }
}

fn rustls_suite(suite: rustls::SupportedCipherSuite) -> Option<String> {
    Some(suite.suite().as_str()?.replace("TLS13_", "TLS_"))
}

#[cfg(feature = "psk")]
fn openssl_suite(stream: &tokio_openssl::SslStream<TcpStream>) -> Option<String> {
    let suite = stream.ssl().current_cipher()?;
    Some(suite.standard_name()?.to_owned())
}

/// The same call on whichever stream it is.
macro_rules! on {
    ($stream:expr, $call:ident($($argument:expr),*)) => {
        match &mut $stream.get_mut().0 {
            Inner::Rustls(stream) => Pin::new(stream).$call($($argument),*),
            #[cfg(feature = "psk")]
            Inner::OpenSsl(stream) => Pin::new(stream).$call($($argument),*),
        }
    };
}

impl<R: AsyncRead + Unpin> AsyncRead for TlsStream<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on!(self, poll_read(context, buffer))
    }
}

impl<R: AsyncWrite + Unpin> AsyncWrite for TlsStream<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        on!(self, poll_write(context, octets))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(self, poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(self, poll_write_vectored(context, octets))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Rustls(stream) => stream.is_write_vectored(),
            #[cfg(feature = "psk")]
            Inner::OpenSsl(stream) => stream.is_write_vectored(),
        }
    }
}
