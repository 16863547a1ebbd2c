use std::time::Duration;

use omadm_mo::Origin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::conformance::wire::dial;

/// SSL 3.0 as it stands on the wire.
pub(in crate::conformance) const SSL_3: u16 = 0x0300;
/// TLS 1.1.
pub(in crate::conformance) const TLS_1_1: u16 = 0x0302;
/// TLS 1.2.
pub(in crate::conformance) const TLS_1_2: u16 = 0x0303;

/// What the first record of the server said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::conformance) enum Hello {
    /// ServerHello: it speaks that version and that suite.
    Accepted(u16, u16),
    /// An alert of this description, or the connection was closed.
    Refused(Option<u8>),
}

impl std::fmt::Display for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted(version, suite) => {
                write!(
                    f,
                    "ServerHello with version {version:04x}, suite {suite:04x}"
                )
            }
            Self::Refused(Some(alert)) => write!(f, "alert {alert}"),
            Self::Refused(None) => f.write_str("no ServerHello"),
        }
    }
}

/// Sends a bare ClientHello: what a server speaks is seen without speaking it.
pub(in crate::conformance) async fn ask(
    origin: &Origin,
    version: u16,
    suite: u16,
    limit: Duration,
) -> Result<Hello, String> {
    let mut stream = dial(origin, limit).await?;
    let hello = client_hello(&origin.host, version, suite);
    let exchange = async {
        stream.write_all(&hello).await?;
        let mut record = [0_u8; 5];
        if stream.read_exact(&mut record).await.is_err() {
            return Ok(Hello::Refused(None));
        }
        let mut body = vec![0_u8; usize::from(u16::from_be_bytes([record[3], record[4]]))];
        if stream.read_exact(&mut body).await.is_err() {
            return Ok(Hello::Refused(None));
        }
        Ok(read(record[0], &body))
    };
    match timeout(limit, exchange).await {
        Err(_) => Err(format!("no answer to a ClientHello within {limit:?}")),
        Ok(Err::<_, std::io::Error>(error)) => Err(format!("no ClientHello was sent: {error}")),
        Ok(Ok(hello)) => Ok(hello),
    }
}

fn read(kind: u8, body: &[u8]) -> Hello {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    const SERVER_HELLO: u8 = 2;
    let two = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    match (kind, body.first()) {
        (ALERT, _) => Hello::Refused(body.get(1).copied()),
        (HANDSHAKE, Some(&SERVER_HELLO)) => {
            // Type and length 4, version 2, random 32, session id with its length.
            let id = body.get(38).copied().map_or(0, usize::from);
            match (two(4), two(39 + id)) {
                (Some(version), Some(suite)) => Hello::Accepted(version, suite),
                _ => Hello::Refused(None),
            }
        }
        _ => Hello::Refused(None),
    }
}

/// RFC 5246 §7.4.1.2 with the extensions that servers want: name, groups, point formats, signatures.
pub(in crate::conformance) fn client_hello(host: &str, version: u16, suite: u16) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut extension = |number: u16, content: &[u8]| {
        extensions.extend(number.to_be_bytes());
        extensions.extend(length16(content));
    };
    if host.parse::<std::net::IpAddr>().is_err() {
        let name = [&[0][..], &length16(host.as_bytes())].concat();
        extension(0, &length16(&name));
    }
    extension(10, &length16(&[0, 23, 0, 24, 0, 29]));
    extension(11, &[1, 0]);
    // ECDSA and RSA with SHA-256, RSA-PSS with SHA-256, ECDSA and RSA with SHA-384.
    extension(13, &length16(&[4, 3, 4, 1, 8, 4, 5, 3, 5, 1]));
    let mut body = Vec::new();
    body.extend(version.to_be_bytes());
    // Nothing is kept secret with it: the handshake ends with the first answer.
    body.extend([0x4b; 32]);
    body.push(0);
    body.extend(length16(&suite.to_be_bytes()));
    body.extend([1, 0]);
    if version != SSL_3 {
        body.extend(length16(&extensions));
    }
    let [_, length @ ..] = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let handshake = [&[1][..], &length, &body].concat();
    let record: u16 = if version == SSL_3 { SSL_3 } else { 0x0301 };
    [&[22][..], &record.to_be_bytes(), &length16(&handshake)].concat()
}

fn length16(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or_default();
    [&length.to_be_bytes()[..], content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_of_a_server_hello_stands_behind_its_session_id() {
        let mut body = vec![2, 0, 0, 0, 3, 3];
        body.extend([0; 32]);
        body.extend([2, 9, 9, 0xc0, 0x2b, 0]);
        assert_eq!(read(22, &body), Hello::Accepted(0x0303, 0xc02b));
        assert_eq!(read(22, &body[..40]), Hello::Refused(None));
        assert_eq!(read(21, &[2, 40]), Hello::Refused(Some(40)));
    }
}
