use std::fmt;

/// A server identifier: the value of `SrvID` in a DM Account, unique in the client (`dm20.md` §12.2).
///
/// 1 to 255 octets without control characters, compared octet by octet (D15). Never begins with `bs:`, which names bootstrap sources in
/// Notifications (D84).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SrvId(Box<str>);

/// Why a text is no SrvID. The account's author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SrvIdError {
    /// Not 1 to 255 octets long.
    #[error("a SrvID has 1 to 255 octets, this one {0}")]
    Length(usize),
    /// A control character.
    #[error("a SrvID holds no control character")]
    Control,
    /// Begins with `bs:`.
    #[error("a SrvID does not begin with `bs:`; that prefix names bootstrap sources")]
    Reserved,
}

impl SrvId {
    /// Reads a SrvID.
    ///
    /// # Errors
    /// [`SrvIdError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, SrvIdError> {
        if text.is_empty() || text.len() > 255 {
            return Err(SrvIdError::Length(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(SrvIdError::Control);
        }
        if text.starts_with("bs:") {
            return Err(SrvIdError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The text as it stands in the account.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SrvId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{SrvId, SrvIdError};

    #[test]
    fn the_prefix_of_bootstrap_sources_is_reserved_d84() {
        assert_eq!(
            SrvId::parse("bs:boot.example.com"),
            Err(SrvIdError::Reserved)
        );
        assert!(SrvId::parse("dms1.example.com").is_ok());
        assert_eq!(SrvId::parse(""), Err(SrvIdError::Length(0)));
    }
}
