use std::fmt;

/// An MO instance identifier, unique among the instances of one MOID in a device (`dm20.md` §7.2).
///
/// Held decoded. 1 to 64 characters, no control character; never `*` and never `(x)`, which would read as a wildcard or an x-name (D28).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Miid(Box<str>);

/// Why a text is no MIID. The text's author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MiidError {
    /// No character at all.
    #[error("the MIID is empty")]
    Empty,
    /// Longer than [`Miid::MAX_LEN`].
    #[error("the MIID is longer than {max} octets", max = Miid::MAX_LEN)]
    TooLong,
    /// A control character.
    #[error("the MIID holds a control character")]
    Control,
    /// `*` or `(x)`.
    #[error("the MIID would read as a wildcard or an x-name")]
    Ambiguous,
}

impl Miid {
    /// Longest MIID in octets. Local limit (D72).
    pub const MAX_LEN: usize = 64;

    /// Reads a decoded MIID.
    ///
    /// # Errors
    /// [`MiidError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, MiidError> {
        if text.is_empty() {
            return Err(MiidError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(MiidError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(MiidError::Control);
        }
        if text == "*" || is_x_name(text) {
            return Err(MiidError::Ambiguous);
        }
        Ok(Self(text.into()))
    }

    /// The n-th counted MIID (D72).
    #[must_use]
    pub fn counted(n: u64) -> Self {
        Self(n.to_string().into())
    }

    /// Which counted MIID it is; none where it is another text.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        let shortest = self.0.len() == 1 || !self.0.starts_with('0');
        let digits = shortest && self.0.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| self.0.parse().ok()).flatten()
    }

    /// Whether a proposal of this MIID may be honoured: `[A-Za-z0-9._-]{1,64}` (D72).
    #[must_use]
    pub fn is_assignable(&self) -> bool {
        self.0
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    }

    /// The decoded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `(` ALPHA `)`: exactly three characters.
pub(crate) fn is_x_name(text: &str) -> bool {
    matches!(text.as_bytes(), [b'(', letter, b')'] if letter.is_ascii_alphabetic())
}

impl fmt::Display for Miid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Miid, MiidError};

    #[test]
    fn wildcard_and_x_name_are_never_a_miid() {
        assert_eq!(Miid::parse("*"), Err(MiidError::Ambiguous));
        assert_eq!(Miid::parse("(x)"), Err(MiidError::Ambiguous));
        assert!(Miid::parse("(xy)").is_ok());
    }

    #[test]
    fn only_plain_proposals_are_assignable_d72() {
        assert!(Miid::parse("left-1.a_b").unwrap().is_assignable());
        assert!(!Miid::parse("a b").unwrap().is_assignable());
        assert_eq!(Miid::counted(7).as_str(), "7");
    }

    #[test]
    fn a_miid_tells_whether_it_was_counted() {
        for n in [0, 7, 10, u64::MAX] {
            assert_eq!(Miid::counted(n).count(), Some(n));
        }
        for text in ["07", "00", "+7", "7a", "-7", "٧", "18446744073709551616"] {
            assert_eq!(Miid::parse(text).unwrap().count(), None, "{text}");
        }
    }
}
