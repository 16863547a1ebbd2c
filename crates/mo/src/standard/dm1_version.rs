/// The version of DM 1.x that an end takes for its own. The objects of both have the same nodes; the minor of their MOIDs differs (`dm1x.md` §4.7), and the
/// protocol's name (§1.1). Either is read whatever this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dm1Version {
    /// DM 1.2: MOIDs end in `:1.0`.
    #[default]
    V1_2,
    /// DM 1.3: MOIDs end in `:1.1`.
    V1_3,
}

impl Dm1Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V1_2, Self::V1_3];

    /// `1.2` or `1.3`; also `DmV` of Device Info.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// `VerProto` of a message.
    #[must_use]
    pub const fn ver_proto(self) -> &'static str {
        match self {
            Self::V1_2 => "DM/1.2",
            Self::V1_3 => "DM/1.3",
        }
    }
}
