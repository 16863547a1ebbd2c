use std::fmt;
use std::str::Utf8Error;

use omadm_mo::{SrvId, SrvIdError};

/// Begins the SERVER-ID of a bootstrap Notification (D84).
const BOOTSTRAP: &str = "bs:";

/// SERVER-ID: which account or bootstrap source a Notification is about. 1 to 255 octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ServerId {
    /// The `SrvID` of a DM Account: a session is wanted.
    Account(SrvId),
    /// A bootstrap source: its DM Bootstrap is to be fetched (D84).
    Bootstrap(BootstrapSourceId),
}

/// The id of a bootstrap source, without its `bs:` (D84): 1 to 252 octets without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BootstrapSourceId(Box<str>);

/// Why a value is no SERVER-ID. The sender is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServerIdError {
    /// Not UTF-8.
    #[error("is not UTF-8: {0}")]
    Utf8(#[from] Utf8Error),
    /// No SrvID.
    #[error(transparent)]
    SrvId(#[from] SrvIdError),
    /// No id of a bootstrap source; its octets.
    #[error("behind `bs:` stand 1 to 252 octets without control characters (D84), here {0}")]
    BootstrapSource(usize),
}

impl BootstrapSourceId {
    /// Reads an id as the policy file has it, without `bs:`.
    ///
    /// # Errors
    /// [`ServerIdError::BootstrapSource`] where it is not 1 to 252 octets long or holds a control character.
    pub fn parse(text: &str) -> Result<Self, ServerIdError> {
        let fits = (1..=255 - BOOTSTRAP.len()).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(ServerIdError::BootstrapSource(text.len()))
        }
    }

    /// The id, without `bs:`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ServerId {
    /// Reads the text of a SERVER-ID, `bs:` included.
    ///
    /// # Errors
    /// [`ServerIdError`], never of its kind `Utf8`.
    pub fn parse(text: &str) -> Result<Self, ServerIdError> {
        match text.strip_prefix(BOOTSTRAP) {
            Some(source) => BootstrapSourceId::parse(source).map(Self::Bootstrap),
            None => Ok(Self::Account(SrvId::parse(text)?)),
        }
    }

    pub(super) fn read(octets: &[u8]) -> Result<Self, ServerIdError> {
        Self::parse(std::str::from_utf8(octets)?)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => write!(f, "{id}"),
            Self::Bootstrap(source) => write!(f, "{BOOTSTRAP}{}", source.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ServerId, ServerIdError};

    #[test]
    fn a_bootstrap_source_is_told_from_a_srv_id_d84() {
        for (text, account) in [("dm1", true), ("bs:boot.example.com", false)] {
            let id = ServerId::parse(text).unwrap();
            assert_eq!(matches!(id, ServerId::Account(_)), account);
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn both_kinds_end_at_255_octets() {
        for prefix in ["", "bs:"] {
            let longest = format!("{prefix}{}", "a".repeat(255 - prefix.len()));
            assert!(ServerId::parse(&longest).is_ok());
            assert!(ServerId::parse(&format!("{longest}a")).is_err());
        }
        assert_eq!(
            ServerId::parse("bs:"),
            Err(ServerIdError::BootstrapSource(0))
        );
        assert!(ServerId::parse("bs:a\n").is_err() && ServerId::parse("").is_err());
    }
}
