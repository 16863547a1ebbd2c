use std::fmt;

use omadm_mo::ClientUri;
use omadm_mo::client_uri::ClientUriError;

/// The ClientURI of a SUB or UNSUB with the text it was written in. Two are equal when their texts are (D23).
#[derive(Clone, Debug)]
pub struct SubscriptionUri {
    text: Box<str>,
    uri: ClientUri,
}

impl SubscriptionUri {
    /// Reads a ClientURI and keeps its text.
    ///
    /// # Errors
    /// [`ClientUriError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, ClientUriError> {
        Ok(Self {
            text: text.into(),
            uri: ClientUri::parse(text)?,
        })
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it names.
    #[must_use]
    pub const fn uri(&self) -> &ClientUri {
        &self.uri
    }
}

impl From<ClientUri> for SubscriptionUri {
    fn from(uri: ClientUri) -> Self {
        Self {
            text: uri.to_string().into(),
            uri,
        }
    }
}

impl PartialEq for SubscriptionUri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SubscriptionUri {}

impl fmt::Display for SubscriptionUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
