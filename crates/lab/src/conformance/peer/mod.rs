//! Peers that are right but for one place: a proxy before a real peer, which changes one thing. Each check of the kit has one alteration that makes it
//! fail, so that no check is one that cannot fail.

mod client;
mod proxy;
mod relay;
mod server;

use super::wire::{Answer, Ask};

pub use client::CLIENT_ALTERATIONS;
pub use proxy::{Proxy, ProxyConfig};
pub use relay::Relay;
pub use server::SERVER_ALTERATIONS;

/// A DevID that the alterations know for that of another device.
pub const OTHER_DEV_ID: &str = "IMEI:490000000000001";

/// The one place in which a peer is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Alteration {
    /// The check that has to fail.
    pub check: &'static str,
    /// What is changed.
    pub change: Change,
}

/// What the proxy changes.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// The answers.
    Answer(AnswerChange),
    /// The requests.
    Request(RequestChange),
    /// The datagrams that a [`Relay`] passes on.
    Datagram(DatagramChange),
    /// No request comes with the certificate of the one who sent it.
    Anonymous,
    /// It answers HTTP without TLS too.
    PlainHttp,
    /// It answers a ClientHello of SSL 3.0.
    Ssl3,
    /// It speaks TLS 1.2 with no suite of the lists.
    NoSuite,
    /// It answers the ClientHello of every suite.
    EverySuite,
}

/// A change of an answer, by what was asked.
#[derive(Clone, Copy)]
pub struct AnswerChange(fn(&Asked<'_>, &mut Answer));

impl std::fmt::Debug for AnswerChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerChange")
    }
}

/// A change of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestChange(Altered);

#[derive(Clone, Copy, Debug)]
enum Altered {
    By(fn(&mut Ask)),
    /// Every status of this code becomes the other one.
    Status(&'static str, &'static str),
}

impl RequestChange {
    fn make(self, ask: &mut Ask) {
        match self.0 {
            Altered::By(change) => change(ask),
            Altered::Status(from, to) => {
                client::replace(ask, &format!("\"sc\":{from}"), &format!("\"sc\":{to}"));
            }
        }
    }
}

/// A change of a datagram, by how many came before.
#[derive(Clone, Copy, Debug)]
pub struct DatagramChange(fn(&mut Vec<u8>, usize));

/// A request, and how often one of the same body came before.
struct Asked<'a> {
    ask: &'a Ask,
    earlier: usize,
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.ask.headers.iter();
        let mut found = headers.filter(|(had, _)| had.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    fn count(&self, name: &str) -> usize {
        let headers = self.ask.headers.iter();
        headers
            .filter(|(had, _)| had.eq_ignore_ascii_case(name))
            .count()
    }

    fn says(&self, text: &str) -> bool {
        self.ask
            .body
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    fn is(&self, body: &str) -> bool {
        self.ask.body == body.as_bytes()
    }

    fn is_of_type(&self, media_type: &str) -> bool {
        let found = self.header("content-type").unwrap_or_default();
        omadm_dm2::media_type::is_type(found, media_type)
    }
}
