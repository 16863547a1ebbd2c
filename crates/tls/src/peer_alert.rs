use std::fmt;
use std::io;

use rustls::AlertDescription;

/// A fatal alert the peer sent: its refusal, in its own words (RFC 8446 §6).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PeerAlert(AlertDescription);

impl PeerAlert {
    pub(crate) const fn new(description: AlertDescription) -> Self {
        Self(description)
    }

    /// The alert inside an I/O error of an established stream, if that is what it is.
    ///
    /// In TLS 1.3 a server that refuses the client's certificate says so only after the client's handshake is
    /// complete: the first read fails, with this alert.
    #[must_use]
    pub fn in_io_error(error: &io::Error) -> Option<Self> {
        match error.get_ref()?.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::AlertReceived(description)) => Some(Self(*description)),
            Some(_) => None,
            #[cfg(feature = "psk")]
            None => crate::openssl::alert_in(error),
            #[cfg(not(feature = "psk"))]
            None => None,
        }
    }

    /// The alert's number.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0.into()
    }

    /// The alert's name as RFC 8446 §6 writes it, `unknown` for numbers it does not define.
    #[must_use]
    pub const fn name(self) -> &'static str {
        use AlertDescription as A;
        match self.0 {
            A::CloseNotify => "close_notify",
            A::UnexpectedMessage => "unexpected_message",
            A::BadRecordMac => "bad_record_mac",
            A::RecordOverflow => "record_overflow",
            A::HandshakeFailure => "handshake_failure",
            A::BadCertificate => "bad_certificate",
            A::UnsupportedCertificate => "unsupported_certificate",
            A::CertificateRevoked => "certificate_revoked",
            A::CertificateExpired => "certificate_expired",
            A::CertificateUnknown => "certificate_unknown",
            A::IllegalParameter => "illegal_parameter",
            A::UnknownCA => "unknown_ca",
            A::AccessDenied => "access_denied",
            A::DecodeError => "decode_error",
            A::DecryptError => "decrypt_error",
            A::ProtocolVersion => "protocol_version",
            A::InsufficientSecurity => "insufficient_security",
            A::InternalError => "internal_error",
            A::InappropriateFallback => "inappropriate_fallback",
            A::UserCanceled => "user_canceled",
            A::MissingExtension => "missing_extension",
            A::UnsupportedExtension => "unsupported_extension",
            A::UnrecognisedName => "unrecognized_name",
            A::BadCertificateStatusResponse => "bad_certificate_status_response",
            A::UnknownPSKIdentity => "unknown_psk_identity",
            A::CertificateRequired => "certificate_required",
            A::NoApplicationProtocol => "no_application_protocol",
            _ => "unknown",
        }
    }
}

impl fmt::Display for PeerAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.code())
    }
}

impl fmt::Debug for PeerAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerAlert({self})")
    }
}
