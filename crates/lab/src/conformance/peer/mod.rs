//! Peers that are right but for one place: a proxy before a real peer, which changes one thing. Each check of the kit has one alteration that makes it
//! fail, so that no check is one that cannot fail.

mod client;
mod gate;
mod proxy;
mod push;
mod relay;
mod server;

use std::collections::BTreeSet;

use serde_json::Value;

use super::wire::{Answer, Ask};

pub use client::CLIENT_ALTERATIONS;
pub use gate::Gate;
pub use proxy::{Proxy, ProxyConfig};
pub use push::{PushChange, PushProxy, PushProxyConfig, Pusher};
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
    /// The others that fail with it.
    pub followers: Followers,
}

/// The checks that fail with another one, since no peer can be wrong in that one place alone. Names stand with blanks between, several in one text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Followers {
    /// These, and all of them.
    These(&'static [&'static str]),
    /// All but these: the kit gets no further with such a peer.
    AllBut(&'static [&'static str]),
}

impl Followers {
    /// Their names, of all checks of the kit but the altered one.
    #[must_use]
    pub fn of<'a>(self, others: &BTreeSet<&'a str>) -> BTreeSet<&'a str>
    where
        'static: 'a,
    {
        let names = |texts: &'static [&'static str]| -> BTreeSet<&'a str> {
            texts.iter().flat_map(|text| text.split(' ')).collect()
        };
        match self {
            Self::These(these) => names(these),
            Self::AllBut(those) => others - &names(those),
        }
    }
}

impl Alteration {
    const fn new(check: &'static str, change: Change) -> Self {
        Self {
            check,
            change,
            followers: Followers::These(&[]),
        }
    }

    const fn followed_by(mut self, followers: &'static [&'static str]) -> Self {
        self.followers = Followers::These(followers);
        self
    }

    const fn followed_by_all_but(mut self, others: &'static [&'static str]) -> Self {
        self.followers = Followers::AllBut(others);
        self
    }
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
    /// The answers to pushes that a [`PushProxy`] passes on.
    Push(PushChange),
    /// No request comes with the certificate of the one who sent it.
    Anonymous,
    /// Who comes with this one of the identities is taken for a stranger.
    Misproven(usize),
    /// A ClientHello of this version and suite goes ahead of the first connection.
    FirstHello(u16, u16),
    /// It answers HTTP without TLS too.
    PlainHttp,
    /// It answers a ClientHello of SSL 3.0.
    Ssl3,
    /// It speaks TLS 1.2 with no suite of the lists.
    NoSuite,
    /// It does not speak TLS 1.2 with this suite.
    NoSuch(u16),
    /// It takes no connection whose client offers suites for pre-shared keys and not one alone.
    NoPsk,
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
#[derive(Clone, Copy)]
pub struct RequestChange(Altered);

impl std::fmt::Debug for RequestChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestChange")
    }
}

#[derive(Clone, Copy)]
enum Altered {
    By(fn(&mut Ask)),
    /// The statuses of the commands that are so.
    Outcome(fn(&[String]) -> bool, fn(&mut Value)),
    /// By the commands it answers.
    Answering(fn(&mut Ask, &[Vec<String>])),
}

impl RequestChange {
    /// `commands` are those of the last Package#2 that came by.
    fn make(self, ask: &mut Ask, commands: &[Vec<String>]) {
        match self.0 {
            Altered::By(change) => change(ask),
            Altered::Answering(change) => change(ask, commands),
            Altered::Outcome(is_it, change) => change_statuses(ask, |n, status| {
                if commands.get(n).is_some_and(|words| is_it(words)) {
                    change(status);
                }
            }),
        }
    }
}

/// Changes each status of a Package#3, by its place.
fn change_statuses(ask: &mut Ask, mut change: impl FnMut(usize, &mut Value)) {
    if let Ok(mut json) = serde_json::from_slice::<Value>(&ask.body)
        && let Some(statuses) = json.pointer_mut("/Status").and_then(Value::as_array_mut)
    {
        for (n, status) in statuses.iter_mut().enumerate() {
            change(n, status);
        }
        ask.body = json.to_string().into();
    }
}

/// The commands of a Package#2; none where it is no such thing.
fn commands_of(answer: &Answer) -> Option<Vec<Vec<String>>> {
    let json: Value = serde_json::from_slice(&answer.body).ok()?;
    serde_json::from_value(json.get("CMD")?.clone()).ok()
}

/// A change of a datagram, by how many of the same octets came before.
#[derive(Clone, Copy, Debug)]
pub struct DatagramChange(fn(&mut Vec<u8>, usize));

/// A request, and how often one of the same body came before.
struct Asked<'a> {
    ask: &'a Ask,
    earlier: usize,
    /// Where the proxy is, without a path.
    origin: &'a str,
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
