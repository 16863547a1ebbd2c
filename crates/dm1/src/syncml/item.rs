use super::{Data, Location, Meta};

/// One `Item` of a command, status or result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// What is addressed.
    pub target: Option<Location>,
    /// Where it comes from.
    pub source: Option<Location>,
    /// Its own meta information; see [`Meta::over`].
    pub meta: Meta,
    /// Its content.
    pub data: Option<Data>,
    /// Further chunks of the content follow in later messages (§1.6).
    pub more_data: bool,
}

impl Item {
    /// An item that addresses `uri`.
    #[must_use]
    pub fn at(uri: impl Into<String>) -> Self {
        Self {
            target: Some(Location::new(uri)),
            ..Self::default()
        }
    }

    /// An item with nothing but content.
    #[must_use]
    pub fn of(data: impl Into<Data>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::default()
        }
    }
}
