use std::fmt::Write as _;

use crate::{BootstrapKind, BootstrapMethod, EventId};

/// What the bootstrap event of DM 1.x tells (`dm1x.md` §6.2): the `Data` of its alert, url-encoded pairs. It holds no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventData {
    /// `id`: names the event; new for each bootstrap that was applied.
    pub id: EventId,
    /// `seq`: how many bootstraps were applied to the account since the factory, from 1.
    pub seq: u32,
    /// `method`.
    pub method: BootstrapMethod,
    /// `profile`: `cp` or `dm`, as written.
    pub profile: String,
    /// `kind`.
    pub kind: BootstrapKind,
    /// `t`: when it was applied, `20260101T120000Z`, as written.
    pub time: Option<String>,
    /// `sha`: first 16 hexadecimal digits of the SHA-256 of what was applied, as written.
    pub sha: Option<String>,
    /// `sec`: which security of the delivery was verified, as written; see [`EventData::SECURITIES`].
    pub security: Option<String>,
    /// `skip`: MO identifiers that were passed over.
    pub skipped: Vec<String>,
    /// `rev`: the account fell back to the set before this bootstrap (M25).
    pub reverted: bool,
}

/// An event whose data cannot be read. The device is at fault; it is told 412.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EventDataFault {
    /// Longer than [`EventData::MAX_OCTETS`].
    #[error("more than {} octets", EventData::MAX_OCTETS)]
    TooLong,
    /// A percent sign without two hexadecimal digits, or octets that are no text.
    #[error("not url-encoded text")]
    Encoding,
    /// A key that stands twice.
    #[error("`{0}` stands twice")]
    Twice(&'static str),
    /// A mandatory key that is missing, or has a value that it cannot have.
    #[error("`{0}` is missing or has no value it can have")]
    Value(&'static str),
}

/// The keys, in the order they are written in.
const KEYS: [&str; 11] = [
    "v", "id", "seq", "method", "profile", "kind", "t", "sha", "sec", "skip", "rev",
];

impl EventData {
    /// The version that is written and read: `v`.
    pub const VERSION: &'static str = "1";
    /// The longest text that is read. Local limit.
    pub const MAX_OCTETS: usize = 4096;
    /// The alert's type as we send it, until there is a domain of ours (§6.2); legal under 1.2.1.
    pub const ALERT_TYPE: &'static str = "Reversed-Domain-Name: org.example.dm.bootstrap";
    /// The alert's types that mean the event, without prefix (§6.2). A server may be told further ones.
    pub const ALERT_TYPES: [&'static str; 2] = [
        "org.example.dm.bootstrap",
        "urn:oma:at:dm:2.0:BootstrapComplete",
    ];
    /// What `sec` can be.
    pub const SECURITIES: [&'static str; 6] =
        ["none", "networkid", "userpin", "both", "tls", "card"];

    /// Reads the data of an alert. Unknown keys are passed over.
    ///
    /// # Errors
    ///
    /// [`EventDataFault`].
    pub fn read(text: &str) -> Result<Self, EventDataFault> {
        if text.len() > Self::MAX_OCTETS {
            return Err(EventDataFault::TooLong);
        }
        let mut found: [Option<String>; KEYS.len()] = Default::default();
        for pair in text.trim().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(at) = KEYS.iter().position(|known| *known == key) else {
                continue;
            };
            if found[at].replace(decode(value)?).is_some() {
                return Err(EventDataFault::Twice(KEYS[at]));
            }
        }
        let [
            v,
            id,
            seq,
            method,
            profile,
            kind,
            time,
            sha,
            security,
            skip,
            rev,
        ] = found;
        let lacks = EventDataFault::Value;
        if v.as_deref() != Some(Self::VERSION) {
            return Err(lacks("v"));
        }
        let seq = seq.and_then(|seq| seq.parse().ok());
        Ok(Self {
            id: id
                .and_then(|id| EventId::parse(&id).ok())
                .ok_or_else(|| lacks("id"))?,
            seq: seq.filter(|seq| *seq > 0).ok_or_else(|| lacks("seq"))?,
            method: method
                .and_then(|method| BootstrapMethod::from_node_value(&method))
                .ok_or_else(|| lacks("method"))?,
            profile: profile.ok_or_else(|| lacks("profile"))?,
            kind: kind
                .and_then(|kind| BootstrapKind::from_node_value(&kind))
                .ok_or_else(|| lacks("kind"))?,
            time,
            sha,
            security,
            skipped: skip
                .iter()
                .flat_map(|skip| skip.split(','))
                .filter(|moid| !moid.is_empty())
                .map(str::to_owned)
                .collect(),
            reverted: rev.as_deref() == Some("1"),
        })
    }

    /// The data of an alert.
    #[must_use]
    pub fn write(&self) -> String {
        let seq = self.seq.to_string();
        let skip = self.skipped.join(",");
        let values = [
            Some(Self::VERSION),
            Some(self.id.as_str()),
            Some(&*seq),
            Some(self.method.node_value()),
            Some(&*self.profile),
            Some(self.kind.node_value()),
            self.time.as_deref(),
            self.sha.as_deref(),
            self.security.as_deref(),
            Some(&*skip).filter(|skip| !skip.is_empty()),
            self.reverted.then_some("1"),
        ];
        let mut text = String::new();
        for (key, value) in KEYS.iter().zip(values) {
            if let Some(value) = value {
                let joint = if text.is_empty() { "" } else { "&" };
                let _infallible = write!(text, "{joint}{key}={}", encode(value));
            }
        }
        text
    }
}

fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b',' => {
                text.push(char::from(octet));
            }
            _ => {
                let _infallible = write!(text, "%{octet:02X}");
            }
        }
    }
    text
}

fn decode(value: &str) -> Result<String, EventDataFault> {
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let both = high.zip(low).map(|(high, low)| high << 4 | low);
                both.and_then(|octet| u8::try_from(octet).ok())
                    .ok_or(EventDataFault::Encoding)?
            }
            other => other,
        });
    }
    String::from_utf8(octets).map_err(|_| EventDataFault::Encoding)
}

#[cfg(test)]
mod tests {
    use super::{EventData, EventDataFault};
    use crate::{BootstrapKind, BootstrapMethod, EventId};

    /// The example of §6.2.
    const EXAMPLE: &str = "v=1&id=5f0c1d2e3a4b5c6d7e8f901122334455&seq=2&method=smartcard&profile=cp&kind=re&sec=card";

    #[test]
    fn the_example_of_the_digest_is_read_and_written() {
        let data = EventData::read(EXAMPLE).unwrap();
        assert_eq!(data.seq, 2);
        assert_eq!(data.method, BootstrapMethod::Smartcard);
        assert_eq!(data.kind, BootstrapKind::Re);
        assert_eq!(data.security.as_deref(), Some("card"));
        assert!(!data.reverted);
        assert_eq!(data.write(), EXAMPLE);
    }

    #[test]
    fn every_member_survives_writing_and_reading() {
        let data = EventData {
            id: EventId::of([7; 16]),
            seq: 1,
            method: BootstrapMethod::Factory,
            profile: "d m&=%".into(),
            kind: BootstrapKind::Reset,
            time: Some("20260101T120000Z".into()),
            sha: Some("0123456789abcdef".into()),
            security: Some("none".into()),
            skipped: vec!["urn:oma:mo:a:1.0".into(), "urn:oma:mo:ü:1.0".into()],
            reverted: true,
        };
        assert_eq!(EventData::read(&data.write()), Ok(data));
    }

    #[test]
    fn unknown_keys_are_passed_over_and_what_is_wrong_is_named() {
        let more = format!("x=%zz&{EXAMPLE}&y");
        assert!(EventData::read(&more).is_ok());
        for (from, to, fault) in [
            ("v=1&", "", EventDataFault::Value("v")),
            ("v=1", "v=2", EventDataFault::Value("v")),
            ("id=5f", "id=", EventDataFault::Value("id")),
            ("seq=2", "seq=0", EventDataFault::Value("seq")),
            ("smartcard", "pigeon", EventDataFault::Value("method")),
            ("&profile=cp", "", EventDataFault::Value("profile")),
            ("kind=re", "kind=", EventDataFault::Value("kind")),
            ("seq=2", "seq=2&seq=2", EventDataFault::Twice("seq")),
            ("cp", "%c", EventDataFault::Encoding),
            ("cp", "%ff", EventDataFault::Encoding),
        ] {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_eq!(EventData::read(&text), Err(fault), "{text}");
        }
        let long = format!("{EXAMPLE}&x={}", "y".repeat(EventData::MAX_OCTETS));
        assert_eq!(EventData::read(&long), Err(EventDataFault::TooLong));
    }
}
