use std::io;

use rustls::{CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::PeerAlert;

/// What an I/O error of an unfinished handshake means, before either end puts it into its own words.
pub(crate) enum HandshakeFailure {
    NotTls,
    Alert(PeerAlert),
    Certificate(CertificateError),
    Incompatible(PeerIncompatible),
    Closed,
    Protocol(Error),
    Io(io::Error),
}

impl HandshakeFailure {
    pub(crate) fn of(error: io::Error) -> Self {
        let kind = error.kind();
        let cause = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>())
            .cloned();
        match cause {
            Some(
                Error::InvalidMessage(
                    InvalidMessage::InvalidContentType
                    | InvalidMessage::UnknownProtocolVersion
                    | InvalidMessage::MessageTooLarge
                    | InvalidMessage::InvalidEmptyPayload,
                )
                | Error::InappropriateMessage { .. },
            ) => Self::NotTls,
            Some(Error::AlertReceived(description)) => Self::Alert(PeerAlert::new(description)),
            Some(Error::InvalidCertificate(cause)) => Self::Certificate(cause),
            Some(Error::PeerIncompatible(cause)) => Self::Incompatible(cause),
            Some(cause) => Self::Protocol(cause),
            None if matches!(
                kind,
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
            ) =>
            {
                Self::Closed
            }
            None => Self::Io(error),
        }
    }
}
