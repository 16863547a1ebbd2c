use std::collections::BTreeSet;
use std::time::Duration;

use tokio::net::TcpStream;

/// Longest record: 2^14 octets and its header.
const LONGEST: usize = 5 + (1 << 14);
/// How long a ClientHello may take to arrive whole, in steps of [`STEP`].
const STEPS: usize = 200;
const STEP: Duration = Duration::from_millis(5);

/// What a client offered: the versions and the suites of its ClientHello.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::conformance) struct Offer {
    /// Those of the extension `supported_versions`, else the one of the message, which stands for all below it, too.
    pub(in crate::conformance) versions: BTreeSet<u16>,
    pub(in crate::conformance) suites: BTreeSet<u16>,
}

impl Offer {
    /// Looks at what a client begins with, and leaves it where it is; none where that is no whole ClientHello in one record.
    pub(in crate::conformance) async fn peek(stream: &TcpStream) -> Option<Self> {
        let mut record = vec![0; LONGEST];
        for _ in 0..STEPS {
            let length = stream
                .peek(&mut record)
                .await
                .ok()
                .filter(|length| *length > 0)?;
            let begun = record.get(..length)?;
            if length >= 5 {
                let whole = 5 + usize::from(u16::from_be_bytes([begun[3], begun[4]]));
                if let Some(whole) = begun.get(..whole) {
                    return Self::read(whole);
                }
            }
            tokio::time::sleep(STEP).await;
        }
        None
    }

    /// Reads a record (RFC 5246 §7.4.1.2, RFC 8446 §4.1.2).
    pub(in crate::conformance) fn read(record: &[u8]) -> Option<Self> {
        const HANDSHAKE: u8 = 22;
        const CLIENT_HELLO: u8 = 1;
        let mut rest = record;
        let kind = take(&mut rest, 1)?;
        // The record's version and length, and the message's type and length.
        take(&mut rest, 4)?;
        let message = take(&mut rest, 4)?;
        if kind != [HANDSHAKE] || message.first() != Some(&CLIENT_HELLO) {
            return None;
        }
        let version = number(take(&mut rest, 2)?);
        take(&mut rest, 32)?;
        counted(&mut rest, 1)?;
        let suites = counted(&mut rest, 2)?.chunks_exact(2).map(number).collect();
        counted(&mut rest, 1)?;
        let mut versions = BTreeSet::from([version]);
        let mut extensions = counted(&mut rest, 2).unwrap_or_default();
        while let Some(name) = take(&mut extensions, 2) {
            let mut content = counted(&mut extensions, 2)?;
            if number(name) == SUPPORTED_VERSIONS {
                let listed = counted(&mut content, 1)?.chunks_exact(2).map(number);
                versions = listed.filter(|version| !is_grease(*version)).collect();
            }
        }
        Some(Self { versions, suites })
    }

    /// In a line.
    pub(in crate::conformance) fn shown(&self) -> String {
        let hex = |all: &BTreeSet<u16>| {
            let words = all.iter().map(|one| format!("{one:04x}"));
            words.collect::<Vec<_>>().join(" ")
        };
        format!(
            "ClientHello: versions {}; suites {}",
            hex(&self.versions),
            hex(&self.suites)
        )
    }
}

const SUPPORTED_VERSIONS: u16 = 43;

/// RFC 8701: made up, to be passed over.
const fn is_grease(number: u16) -> bool {
    number & 0x0F0F == 0x0A0A && number >> 8 == number & 0xFF
}

const fn number(two: &[u8]) -> u16 {
    match two {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn take<'a>(rest: &mut &'a [u8], octets: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(octets)?;
    *rest = left;
    Some(taken)
}

/// What a length of so many octets stands before.
fn counted<'a>(rest: &mut &'a [u8], octets: usize) -> Option<&'a [u8]> {
    let length = take(rest, octets)?;
    let length = length
        .iter()
        .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
    take(rest, length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::super::{SSL_3, TLS_1_1, TLS_1_2, client_hello};
    use super::*;

    #[test]
    fn what_a_bare_client_hello_offers_is_read_back() {
        for version in [SSL_3, TLS_1_1, TLS_1_2] {
            let offer = Offer::read(&client_hello("localhost", version, 0xC02B)).unwrap();
            assert_eq!(offer.versions, BTreeSet::from([version]));
            assert_eq!(offer.suites, BTreeSet::from([0xC02B]));
        }
        let shown = Offer::read(&client_hello("a", TLS_1_2, 0xC02B)).unwrap();
        assert_eq!(shown.shown(), "ClientHello: versions 0303; suites c02b");
    }

    #[test]
    fn supported_versions_counts_before_the_version_of_the_message() {
        let mut hello = client_hello("a", TLS_1_2, 0x1301);
        // The list of TLS 1.3, a made-up version and TLS 1.2, behind the other extensions.
        let more = [0, 43, 0, 7, 6, 3, 4, 0x1A, 0x1A, 3, 3];
        hello.extend(more);
        let length_at = 5 + 4 + 2 + 32 + 1 + 2 + 2 + 2;
        for at in [3, length_at] {
            let length = u16::from_be_bytes([hello[at], hello[at + 1]]) + 11;
            hello[at..at + 2].copy_from_slice(&length.to_be_bytes());
        }
        let offer = Offer::read(&hello).unwrap();
        assert_eq!(offer.versions, BTreeSet::from([0x0303, 0x0304]));
    }

    proptest! {
        #[test]
        fn no_octets_are_too_odd_to_be_read(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _offer = Offer::read(&octets);
            let mut hello = client_hello("localhost", TLS_1_2, 0xC02B);
            hello.truncate(octets.len());
            prop_assert!(Offer::read(&hello).is_none() || octets.len() >= 48);
        }
    }
}
