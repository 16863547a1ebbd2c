use std::fmt;

/// Text of a header value: visible ASCII, at least one character, at most 255. It begins with no quote, which WSP gives a meaning.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderText(String);

/// Not such a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a text of a header has 1 to 255 visible ASCII characters and begins with no quote")]
pub struct HeaderTextError;

impl HeaderText {
    /// Characters of the longest text.
    pub const LONGEST: usize = 255;

    /// A text.
    ///
    /// # Errors
    /// [`HeaderTextError`].
    pub fn new(text: impl Into<String>) -> Result<Self, HeaderTextError> {
        let text = text.into();
        let good = (1..=Self::LONGEST).contains(&text.len())
            && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
            && !text.starts_with(['"', ' ']);
        good.then_some(Self(text)).ok_or(HeaderTextError)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
