use std::fmt;

use serde::{Deserialize, Serialize};

/// Names one applied bootstrap: 32 hexadecimal digits, new each time (`dm20.md` §12.2). Two alerts with one EventId tell of one event (D27).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Box<str>);

/// A text that is no EventId.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an EventId has 32 hexadecimal digits")]
pub struct EventIdError;

impl EventId {
    /// Makes one of 16 random octets.
    #[must_use]
    pub fn of(entropy: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(entropy)).into())
    }

    /// Reads one; digits of either case.
    ///
    /// # Errors
    /// [`EventIdError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, EventIdError> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(EventIdError);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The digits, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;
    fn try_from(text: String) -> Result<Self, EventIdError> {
        Self::parse(&text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
