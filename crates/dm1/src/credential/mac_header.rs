/// The transport header `x-syncml-hmac`, which carries a MAC credential beside its message (§3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacHeader {
    /// `username`: equal to `Source/LocName` of the message.
    pub username: String,
    /// `mac`, base64.
    pub mac: String,
}

/// A header that counts as failed authentication.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MacHeaderFault {
    /// An algorithm other than MD5.
    #[error("x-syncml-hmac names the algorithm `{0}`, not MD5")]
    Algorithm(Box<str>),
    /// One of the two is missing.
    #[error("x-syncml-hmac lacks {0}")]
    Lacks(&'static str),
}

impl MacHeader {
    /// The header's name.
    pub const NAME: &'static str = "x-syncml-hmac";

    /// The header's value as we write it.
    #[must_use]
    pub fn value(&self) -> String {
        let username = self.username.replace('\\', "\\\\").replace('"', "\\\"");
        format!("algorithm=MD5, username=\"{username}\", mac={}", self.mac)
    }

    /// Reads a value: members in any order, folded, with or without quotes (M22).
    ///
    /// # Errors
    ///
    /// [`MacHeaderFault`].
    pub fn read(value: &str) -> Result<Self, MacHeaderFault> {
        let (mut username, mut mac) = (None, None);
        for (name, value) in members(value) {
            match name.to_ascii_lowercase().as_str() {
                "algorithm" if !value.eq_ignore_ascii_case("MD5") => {
                    return Err(MacHeaderFault::Algorithm(value.into()));
                }
                "username" => username = Some(value),
                "mac" => mac = Some(value),
                _ => {}
            }
        }
        Ok(Self {
            username: username.ok_or(MacHeaderFault::Lacks("username"))?,
            mac: mac
                .filter(|mac| !mac.is_empty())
                .ok_or(MacHeaderFault::Lacks("mac"))?,
        })
    }
}

/// `name=value` between commas; a comma within quotes separates nothing.
fn members(value: &str) -> Vec<(String, String)> {
    let mut members = Vec::new();
    let mut rest = value;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (value, behind) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), behind)
            }
        };
        members.push((
            name.trim_matches([',', ' ', '\t', '\r', '\n']).to_owned(),
            value,
        ));
        rest = behind;
    }
    members
}

fn unquoted(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => text.push(character),
        }
    }
    (text, "")
}
