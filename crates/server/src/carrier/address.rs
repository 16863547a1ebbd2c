use std::fmt;

use omadm_mo::{Scheme, ServerUri};

/// Where a device can be reached; the scheme names the carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PushAddress {
    /// `udp://HOST:PORT`
    Udp {
        /// A DNS name or an IP address, the latter without brackets.
        host: String,
        port: u16,
    },
    /// `https://HOST:PORT/PATH`
    Https(ServerUri),
}

/// Why a text is no address. Whoever wrote it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// No carrier of this version has such addresses.
    #[error("not an address of a carrier; write udp://HOST:PORT or https://HOST:PORT/PATH")]
    Carrier,
    /// Not host and port.
    #[error("a UDP address is a host and a port: udp://192.0.2.1:5683")]
    Udp,
    /// Not a URL.
    #[error("not an https URL: https://192.0.2.1:5684/notification")]
    Https,
}

impl PushAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix("udp://") {
            return udp(rest).ok_or(AddressError::Udp);
        }
        if !text.starts_with("https://") {
            return Err(AddressError::Carrier);
        }
        match ServerUri::parse(text) {
            Ok(uri) if uri.scheme() == Scheme::Https => Ok(Self::Https(uri)),
            _ => Err(AddressError::Https),
        }
    }
}

/// Host and port are those of a URL that has both and nothing more.
fn udp(rest: &str) -> Option<PushAddress> {
    let uri = ServerUri::parse(&format!("https://{rest}")).ok()?;
    let (_, port) = rest.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    Some(PushAddress::Udp {
        host: uri.host().to_owned(),
        port,
    })
}

impl fmt::Display for PushAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { host, port } if host.contains(':') => write!(f, "udp://[{host}]:{port}"),
            Self::Udp { host, port } => write!(f, "udp://{host}:{port}"),
            Self::Https(uri) => f.write_str(uri.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressError, PushAddress};

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        for text in [
            "udp://127.0.0.1:5683",
            "udp://[::1]:5683",
            "udp://device.example.com:5683",
            "https://127.0.0.1:5684/notification",
        ] {
            assert_eq!(PushAddress::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_told_by_carrier() {
        for (text, fault) in [
            ("127.0.0.1:5683", AddressError::Carrier),
            ("http://127.0.0.1/", AddressError::Carrier),
            ("udp://127.0.0.1", AddressError::Udp),
            ("udp://127.0.0.1:0", AddressError::Udp),
            ("udp://[::1]", AddressError::Udp),
            ("udp://127.0.0.1:5683/x", AddressError::Udp),
            ("udp://me@127.0.0.1:5683", AddressError::Udp),
            ("https://me@127.0.0.1/", AddressError::Https),
        ] {
            assert_eq!(PushAddress::parse(text), Err(fault), "{text}");
        }
    }
}
