use std::fmt;

use omadm_mo::{Scheme, ServerUri};
use omadm_push::PhoneNumber;

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
    /// `sms:+NUMBER`
    Sms(PhoneNumber),
    /// `file:NAME`: what the files of the device are called.
    File(String),
}

/// Why a text is no address. Whoever wrote it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// No carrier of this version has such addresses.
    #[error(
        "not an address of a carrier; write udp://HOST:PORT, https://HOST:PORT/PATH, sms:+NUMBER or file:NAME"
    )]
    Carrier,
    /// Not host and port.
    #[error("a UDP address is a host and a port: udp://192.0.2.1:5683")]
    Udp,
    /// Not a telephone number.
    #[error("an SMS address is a number with its country code: sms:+15551230001")]
    Sms,
    /// Not a name.
    #[error(
        "a file address is a name of 1 to 64 letters, digits, dashes and underscores: file:meter-7"
    )]
    File,
    /// Not a URL.
    #[error("not an https URL: https://192.0.2.1:5684/notification")]
    Https,
}

impl PushAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix("udp://") {
            return udp(rest).ok_or(AddressError::Udp);
        }
        if let Some(number) = text.strip_prefix("sms:") {
            let number = PhoneNumber::parse(number).map_err(|_| AddressError::Sms)?;
            return Ok(Self::Sms(number));
        }
        if let Some(name) = text.strip_prefix("file:") {
            return is_name(name)
                .then(|| Self::File(name.to_owned()))
                .ok_or(AddressError::File);
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

/// Never more than a name of a file.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
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
            Self::Sms(number) => write!(f, "sms:{number}"),
            Self::File(name) => write!(f, "file:{name}"),
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
            "sms:+15551230001",
            "file:meter-7",
        ] {
            assert_eq!(PushAddress::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_told_by_carrier() {
        for (text, fault) in [
            ("127.0.0.1:5683", AddressError::Carrier),
            ("http://127.0.0.1/", AddressError::Carrier),
            ("sms:15551230001", AddressError::Sms),
            ("sms://+15551230001", AddressError::Sms),
            ("file:../up", AddressError::File),
            ("file:", AddressError::File),
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
