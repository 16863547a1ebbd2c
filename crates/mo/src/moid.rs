use std::fmt;

/// An MO identifier: the URN that names a type of management object (`dm20.md` §7.2, `moid`).
///
/// One or more RFC 3986 `pchar`, no `/`, no `?`. A missing leading `urn:` is added when read (D67); it is never omitted when written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Moid(Box<str>);

/// Why a text is no MOID. The text's author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoidError {
    /// Nothing before the first `/`.
    #[error("the MOID is empty")]
    Empty,
    /// A character outside RFC 3986 `pchar`.
    #[error("the MOID holds {0:?}, which a URN does not allow")]
    Character(char),
    /// A scheme with its colon: a ClientURI with it would be read as a ServerURI (D14).
    #[error("{0:?} begins a ServerURI, it is no MOID")]
    Scheme(&'static str),
    /// Longer than [`Moid::MAX_LEN`].
    #[error("the MOID is longer than {max} octets", max = Moid::MAX_LEN)]
    TooLong,
}

impl Moid {
    /// Longest accepted MOID in octets, as it is written. Local limit.
    pub const MAX_LEN: usize = 255;

    /// Reads a MOID.
    ///
    /// # Errors
    /// [`MoidError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, MoidError> {
        if text.is_empty() {
            return Err(MoidError::Empty);
        }
        let prefix = if text.starts_with("oma:mo:") {
            "urn:"
        } else {
            ""
        };
        if prefix.len() + text.len() > Self::MAX_LEN {
            return Err(MoidError::TooLong);
        }
        if let Some(bad) = text.chars().find(|c| !is_pchar(*c)) {
            return Err(MoidError::Character(bad));
        }
        let is_text = |scheme: &&str| text.eq_ignore_ascii_case(scheme);
        if let Some(scheme) = ["http:", "https:"].into_iter().find(is_text) {
            return Err(MoidError::Scheme(scheme));
        }
        Ok(Self(format!("{prefix}{text}").into()))
    }

    /// A MOID that the program itself names, whole: a test reads it.
    pub(crate) fn known(text: &'static str) -> Self {
        Self(text.into())
    }

    /// The URN as it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `pchar` of RFC 3986 §3.3, the percent sign of an escape included.
pub(crate) fn is_pchar(c: char) -> bool {
    // Of every MOID that is read: a search in a text of the allowed ones costs several times as much.
    matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' | '!' | '$' | '&' | '\'' | '(' | ')' | '*' | '+' | ',' | ';' | '=' | ':' | '@' | '%')
}

impl fmt::Display for Moid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Moid {
    type Err = MoidError;
    fn from_str(text: &str) -> Result<Self, MoidError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Moid, MoidError};

    #[test]
    fn a_missing_urn_prefix_is_added_d67() {
        let moid = Moid::parse("oma:mo:oma-dm-devinfo:1.0").unwrap();
        assert_eq!(moid.as_str(), "urn:oma:mo:oma-dm-devinfo:1.0");
    }

    #[test]
    fn a_moid_that_is_read_is_no_longer_than_one_that_is_written_d67() {
        let longest = Moid::parse(&format!("oma:mo:{}", "a".repeat(244))).unwrap();
        assert_eq!(Moid::parse(longest.as_str()), Ok(longest));
        let longer = format!("oma:mo:{}", "a".repeat(245));
        assert_eq!(Moid::parse(&longer), Err(MoidError::TooLong));
    }

    #[test]
    fn slash_blank_and_emptiness_are_refused() {
        assert_eq!(Moid::parse(""), Err(MoidError::Empty));
        assert_eq!(Moid::parse("urn:a/b"), Err(MoidError::Character('/')));
        assert_eq!(Moid::parse("urn:a b"), Err(MoidError::Character(' ')));
        assert_eq!(Moid::parse(&"u".repeat(256)), Err(MoidError::TooLong));
    }

    #[test]
    fn the_scheme_of_a_server_uri_is_no_moid_d14() {
        assert_eq!(Moid::parse("https:"), Err(MoidError::Scheme("https:")));
        assert_eq!(Moid::parse("Http:"), Err(MoidError::Scheme("http:")));
        assert!(Moid::parse("https:x").is_ok());
    }
}
