/// How one end proves itself to the other, weakest first: a challenge never lowers it (M19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialType {
    /// User name and password as they are.
    Basic,
    /// A digest over both and a nonce, in the header.
    Md5,
    /// A digest over both, a nonce and the message, beside the message.
    Mac,
}

impl CredentialType {
    /// `Meta/Type` of a `Cred` or `Chal` (§3.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "syncml:auth-basic",
            Self::Md5 => "syncml:auth-md5",
            Self::Mac => "syncml:auth-MAC",
        }
    }

    /// Of a `Meta/Type`, in any letter case and with blanks around.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        [Self::Basic, Self::Md5, Self::Mac]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// Of an `AAuthType` of an account (§4.6); types that need no credential in a message have none.
    #[must_use]
    pub fn of_account(aauth_type: &str) -> Option<Self> {
        Some(match aauth_type.trim() {
            "BASIC" => Self::Basic,
            "DIGEST" => Self::Md5,
            "HMAC" => Self::Mac,
            _ => return None,
        })
    }

    /// The `AAuthType` of an account.
    #[must_use]
    pub const fn aauth_type(self) -> &'static str {
        match self {
            Self::Basic => "BASIC",
            Self::Md5 => "DIGEST",
            Self::Mac => "HMAC",
        }
    }
}
