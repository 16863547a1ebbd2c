use omadm_bootstrap::Utc;

/// A generation of the protocol. A device may have accounts of both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmGeneration {
    /// DM 2.0.
    Dm2,
    /// DM 1.2 and 1.3.
    Dm1,
}

/// A running DM session of a device, as the store keeps it; a device has one of each generation at most. What is inside `state` is the session core's
/// (DESIGN §3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    /// Whose it is.
    pub generation: DmGeneration,
    /// The versioned state, serialized by the session core; of DM 1.x sealed.
    pub state: String,
    /// Without a package until then, the session is over (D02: 15 min; `dm1x.md` §1.5: 1 h).
    pub expires_at: Utc,
}

impl DmGeneration {
    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dm2 => "dm2",
            Self::Dm1 => "dm1",
        }
    }

    /// As people know it.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::Dm2 => "2.0",
            Self::Dm1 => "1.x",
        }
    }

    /// Reads [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Dm2, Self::Dm1]
            .into_iter()
            .find(|generation| generation.name() == name)
    }
}
