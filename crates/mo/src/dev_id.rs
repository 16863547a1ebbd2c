use std::fmt;

/// A device identifier: the value of `DevInfo/DevID`, for example `IMEI:493005100592800`.
///
/// 1 to 128 visible ASCII characters, no blank; compared octet by octet (D71).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DevId(Box<str>);

/// Why a text is no DevID. Its sender is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DevIdError {
    /// Not 1 to 128 characters long.
    #[error("a DevID has 1 to 128 characters, this one {0}")]
    Length(usize),
    /// A blank, a control character, or something outside ASCII.
    #[error("a DevID has visible ASCII characters only, this one holds {0:?}")]
    Character(char),
}

impl DevId {
    /// Reads a DevID.
    ///
    /// # Errors
    /// [`DevIdError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, DevIdError> {
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(DevIdError::Character(bad));
        }
        if text.is_empty() || text.len() > 128 {
            return Err(DevIdError::Length(text.len()));
        }
        Ok(Self(text.into()))
    }

    /// The text as it stands in the `OMADM-DevID` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DevId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for DevId {
    type Err = DevIdError;
    fn from_str(text: &str) -> Result<Self, DevIdError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::{DevId, DevIdError};

    #[test]
    fn one_to_128_visible_ascii_characters_d71() {
        assert!(DevId::parse("IMEI:493005100592800").is_ok());
        assert!(DevId::parse(&"x".repeat(128)).is_ok());
        assert_eq!(DevId::parse(&"x".repeat(129)), Err(DevIdError::Length(129)));
        assert_eq!(DevId::parse(""), Err(DevIdError::Length(0)));
        assert_eq!(DevId::parse("a b"), Err(DevIdError::Character(' ')));
        assert_eq!(DevId::parse("ä"), Err(DevIdError::Character('ä')));
    }
}
