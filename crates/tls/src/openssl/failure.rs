use std::io;

use openssl::error::ErrorStack;
use openssl::ssl::{Error, ErrorCode};
use rustls::{CertificateError, PeerIncompatible};

use crate::{AcceptError, ConnectError, PeerAlert, ServerDistrust};

/// `ERR_LIB_SSL`
const LIB_SSL: i32 = 20;
/// `SSL_AD_REASON_OFFSET`: a reason from here on is an alert that came.
const ALERT_OFFSET: i32 = 1000;

/// Why OpenSSL gave a handshake up.
pub(super) struct Failure {
    reason: Option<HandshakeReason>,
    alert: Option<PeerAlert>,
    io: Option<io::Error>,
    closed: bool,
    text: String,
}

/// The reasons that get words of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeReason {
    /// What came could not be decrypted: the ends have different keys.
    NotDecrypted,
    NotTls,
    Version,
    NothingInCommon,
    NoSignatureAlgorithm,
    NotProven,
}

impl HandshakeReason {
    /// By the reason codes of `openssl/sslerr.h`, which are stable.
    const fn of(code: i32) -> Option<Self> {
        Some(match code {
            // SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, _DECRYPTION_FAILED, _BLOCK_CIPHER_PAD_IS_WRONG, _DIGEST_CHECK_FAILED
            281 | 147 | 129 | 149 => Self::NotDecrypted,
            // _HTTP_REQUEST, _HTTPS_PROXY_REQUEST, _WRONG_VERSION_NUMBER, _UNKNOWN_PROTOCOL, _PACKET_LENGTH_TOO_LONG,
            // _BAD_RECORD_TYPE
            156 | 155 | 267 | 252 | 198 | 443 => Self::NotTls,
            // _UNSUPPORTED_PROTOCOL, _VERSION_TOO_LOW, _NO_PROTOCOLS_AVAILABLE
            258 | 396 | 191 => Self::Version,
            // _NO_SHARED_CIPHER, _NO_CIPHERS_AVAILABLE, _NO_SUITABLE_KEY_SHARE, _NO_SHARED_GROUPS
            193 | 181 | 101 | 410 => Self::NothingInCommon,
            // _NO_SHARED_SIGNATURE_ALGORITHMS, _NO_SUITABLE_SIGNATURE_ALGORITHM
            376 | 118 => Self::NoSignatureAlgorithm,
            // _BAD_SIGNATURE, _WRONG_SIGNATURE_TYPE, _WRONG_CERTIFICATE_TYPE, _UNABLE_TO_FIND_PUBLIC_KEY_PARAMETERS
            123 | 370 | 383 | 239 => Self::NotProven,
            _ => return None,
        })
    }
}

impl Failure {
    pub(super) fn of(error: Error) -> Self {
        match error.ssl_error().map(Self::of_stack) {
            Some(failure) => failure,
            None => {
                let text = error.to_string();
                let syscall = error.code() == ErrorCode::SYSCALL;
                let io = error.into_io_error().ok();
                let closed = match &io {
                    Some(error) => matches!(
                        error.kind(),
                        io::ErrorKind::UnexpectedEof
                            | io::ErrorKind::ConnectionReset
                            | io::ErrorKind::BrokenPipe
                    ),
                    None => syscall,
                };
                Self {
                    reason: None,
                    alert: None,
                    io: io.filter(|_| !closed),
                    closed,
                    text,
                }
            }
        }
    }

    pub(super) fn of_stack(stack: &ErrorStack) -> Self {
        let codes = || {
            let of_tls = stack
                .errors()
                .iter()
                .filter(|error| error.library_code() == LIB_SSL);
            of_tls.map(openssl::error::Error::reason_code)
        };
        let text: Vec<&str> = stack
            .errors()
            .iter()
            .filter_map(openssl::error::Error::reason)
            .collect();
        Self {
            reason: codes().find_map(HandshakeReason::of),
            alert: codes().find_map(alert_of),
            io: None,
            // SSL_R_UNEXPECTED_EOF_WHILE_READING
            closed: codes().any(|code| code == 294),
            text: text.join(", "),
        }
    }

    pub(super) fn reason(&self) -> Option<HandshakeReason> {
        self.reason.filter(|_| self.alert.is_none())
    }

    pub(super) const fn alert(&self) -> Option<PeerAlert> {
        self.alert
    }

    /// In the words of OpenSSL.
    pub(super) fn protocol(self) -> rustls::Error {
        rustls::Error::General(self.text)
    }
}

impl From<Failure> for AcceptError {
    fn from(failure: Failure) -> Self {
        use HandshakeReason as R;
        if let Some(alert) = failure.alert {
            return Self::RefusedByPeer(alert);
        }
        if failure.closed {
            return Self::Closed;
        }
        match failure.reason {
            Some(R::NotTls) => Self::NotTls,
            Some(R::Version) => Self::VersionTooOld,
            Some(R::NothingInCommon) => {
                Self::Incompatible(PeerIncompatible::NoCipherSuitesInCommon)
            }
            Some(R::NoSignatureAlgorithm) => {
                Self::Incompatible(PeerIncompatible::NoSignatureSchemesInCommon)
            }
            Some(R::NotProven) => Self::PossessionNotProven(CertificateError::BadSignature),
            Some(R::NotDecrypted) | None => match failure.io {
                Some(cause) => Self::Io(cause),
                None => Self::Protocol(failure.protocol()),
            },
        }
    }
}

impl From<Failure> for ConnectError {
    fn from(failure: Failure) -> Self {
        use HandshakeReason as R;
        if let Some(alert) = failure.alert {
            return Self::RefusedByPeer(alert);
        }
        if failure.closed {
            return Self::Closed;
        }
        match failure.reason {
            Some(R::NotTls) => Self::NotTls,
            // What the server's Finished is encrypted with is not what the client has.
            Some(R::NotDecrypted) => Self::ServerNotTrusted(ServerDistrust::KeyNotHeld),
            Some(R::Version) => Self::Incompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
            Some(R::NothingInCommon) => {
                Self::Incompatible(PeerIncompatible::NoCipherSuitesInCommon)
            }
            Some(R::NoSignatureAlgorithm | R::NotProven) | None => match failure.io {
                Some(cause) => Self::Io(cause),
                None => Self::Protocol(failure.protocol()),
            },
        }
    }
}

/// The alert inside an I/O error of an established stream.
pub(crate) fn alert_in(error: &io::Error) -> Option<PeerAlert> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Failure::of_stack(error.ssl_error()?).alert
}

fn alert_of(code: i32) -> Option<PeerAlert> {
    let number = u8::try_from(code.checked_sub(ALERT_OFFSET)?).ok()?;
    Some(PeerAlert::new(number.into()))
}
