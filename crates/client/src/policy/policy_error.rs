use std::fmt;
use std::ops::Range;

use omadm_card::{CardOidError, dialogue::SimLockError};
use omadm_dm1::bootstrap_mac::{EsnError, ImsiError};
use omadm_mo::{MoidError, ServerUriError, SrvIdError};
use omadm_push::PhoneNumberError;
use omadm_tls::PskError;

/// What is wrong with a policy file, and where. Its author is at fault. Shown with the line and a caret under the place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}{}: {fault}\n{}", Quoted(.key), Caret(self))]
pub struct PolicyError {
    /// The key; empty where the file is no TOML.
    pub key: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub fault: PolicyFault,
    text: String,
    width: usize,
}

/// What is wrong at a place of a policy file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PolicyFault {
    /// No TOML, an unknown key, a missing one, or a value of another type; as the TOML reader says it.
    #[error("{0}")]
    Form(String),
    /// Not a URL.
    #[error("{0}")]
    Url(ServerUriError),
    /// A bootstrap source without TLS.
    #[error("a bootstrap source is fetched with https:// only")]
    PlainHttp,
    /// Not a MOID.
    #[error("{0}")]
    Moid(MoidError),
    /// No name for a source.
    #[error("the id of a source has 1 to 64 letters, digits, dots, dashes or underscores")]
    SourceId,
    /// No OID.
    #[error("{0}")]
    CardOid(CardOidError),
    /// A value that a SIM lock cannot compare.
    #[error("{0}")]
    SimLock(SimLockError),
    /// Two sources have one name.
    #[error("another source has this id already")]
    SourceTwice,
    /// A source with `ca_files` and `pin_file`.
    #[error("a source has either ca_files or pin_file")]
    TwoTrusts,
    /// A source that nothing could ever vouch for.
    #[error(
        "nothing to check this source against: give it ca_files or pin_file, or name anchors in [trust]"
    )]
    NoTrust,
    /// A list that has to name something.
    #[error("an empty list; leave the key out or name a file")]
    Empty,
    /// No address to listen on.
    #[error("not an address to listen on; write it like 127.0.0.1:5683")]
    Address,
    /// No host and port of an SMSC.
    #[error("not a host and port; write it like smsc.example.com:2775")]
    Smsc,
    /// No name of a DM Server.
    #[error("{0}")]
    Server(SrvIdError),
    /// No number of a subscriber.
    #[error("{0}")]
    Imsi(ImsiError),
    /// No number of a CDMA device.
    #[error("{0}")]
    Esn(EsnError),
    /// No telephone number.
    #[error("{0}")]
    Number(PhoneNumberError),
    /// `noti_data_file` alone.
    #[error("noti_data_file needs noti_secret_file beside it")]
    NoNotificationSecret,
    /// No PSK identity.
    #[error("{0}")]
    Psk(PskError),
    /// `psk_identity` or `psk_key_file` alone.
    #[error("psk_identity and psk_key_file go together")]
    HalfPsk,
    /// No command, or one that would not be told where to go.
    #[error(
        "the program and its arguments, {{uri}} in one of these: [\"/usr/bin/xdg-open\", \"{{uri}}\"]"
    )]
    ShowCommand,
    /// Of `http_user` and `http_password_file` there is one alone.
    #[error("`http_user` and `http_password_file` go together")]
    HttpLoginHalf,
    /// A number beyond its bounds.
    #[error("must be from {least} to {most}")]
    Range {
        /// The lowest value.
        least: u64,
        /// The highest value.
        most: u64,
    },
}

impl PolicyError {
    /// The fault at a range of octets of the file.
    pub(super) fn at(file: &str, span: Range<usize>, fault: PolicyFault) -> Self {
        let start = floor(file, span.start);
        let end = floor(file, span.end).max(start);
        let (before, rest) = file.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = rest
            .find(['\n', '\r'])
            .map_or(file.len(), |newline| start + newline);
        let (text, here) = (
            &file[line_start..line_end.max(line_start)],
            &file[start..end.min(line_end).max(start)],
        );
        let bare = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let followed = file[end..].trim_start().starts_with('=');
        let key = match file[line_start..start].rsplit_once('=') {
            _ if bare(here) && followed => here,
            Some((left, _)) => left
                .trim_end()
                .rsplit([' ', '\t', '{', ','])
                .next()
                .unwrap_or_default(),
            None => text
                .split('=')
                .next()
                .unwrap_or_default()
                .trim()
                .trim_matches(['[', ']']),
        };
        Self {
            key: if bare(key) {
                key.to_owned()
            } else {
                String::new()
            },
            line: before.matches('\n').count() + 1,
            column: file[line_start..start].chars().count() + 1,
            fault,
            text: text.to_owned(),
            width: here.chars().count().max(1),
        }
    }
}

/// The nearest character boundary at or before an offset.
fn floor(file: &str, offset: usize) -> usize {
    (0..=offset.min(file.len()))
        .rev()
        .find(|at| file.is_char_boundary(*at))
        .unwrap_or(0)
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ", `{}`", self.0)
        }
    }
}

struct Caret<'a>(&'a PolicyError);

impl fmt::Display for Caret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        let number = error.line.to_string();
        let margin = " ".repeat(number.len());
        // A tab stays one, so that the caret stands below its character.
        let indent: String = error
            .text
            .chars()
            .take(error.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(
            f,
            "{margin} |\n{number} | {}\n{margin} | {indent}{}",
            error.text,
            "^".repeat(error.width)
        )
    }
}
