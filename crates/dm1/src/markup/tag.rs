use std::borrow::Cow;

use super::vocabulary;

/// An element by its place in the code pages of its vocabulary (`dm1x.md` §2.2 to §2.4, §2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    page: u8,
    token: u8,
    provisioning: bool,
}

/// An element's name as a reader gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// A name of the vocabulary, or a token of it that has no name.
    Known(Tag),
    /// A name that the vocabulary does not have.
    Other(Cow<'a, str>),
}

impl Tag {
    pub(crate) const fn syncml(page: u8, token: u8) -> Self {
        Self {
            page,
            token,
            provisioning: false,
        }
    }

    pub(crate) const fn provisioning(page: u8, token: u8) -> Self {
        Self {
            page,
            token,
            provisioning: true,
        }
    }

    /// The code page.
    #[must_use]
    pub const fn page(self) -> u8 {
        self.page
    }

    /// The token within its page: six bits, without those for attributes and content.
    #[must_use]
    pub const fn token(self) -> u8 {
        self.token
    }

    pub(crate) const fn is_provisioning(self) -> bool {
        self.provisioning
    }

    /// The element's name; `None` for a token that the tables leave free.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        vocabulary::name_of(self.provisioning, self.page, self.token)
    }
}
