use std::fmt;

use serde::{Deserialize, Serialize};

use crate::PushProof;

/// What was verified of the way a bootstrap of DM 1.x came: `sec` of the event and `Ext/Bootstrap/Sec` (`dm1x.md` §6.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dm1Security {
    /// A MAC by a PIN that a person typed.
    UserPin,
    /// A MAC by the number of the subscriber.
    NetworkId,
    /// A MAC by both.
    Both,
    /// TLS, the server authenticated. As good as [`Self::Card`] and [`Self::None`].
    Tls,
    /// The card's access rules.
    Card,
    /// Nothing to verify: the factory image.
    None,
}

impl Dm1Security {
    /// The value of `sec` and of the node.
    #[must_use]
    pub const fn node_value(self) -> &'static str {
        match self {
            Self::UserPin => "userpin",
            Self::NetworkId => "networkid",
            Self::Both => "both",
            Self::Tls => "tls",
            Self::Card => "card",
            Self::None => "none",
        }
    }

    /// How far it is trusted (§5.7): factory, card and TLS alike, then both, then network id, then PIN.
    #[must_use]
    pub const fn trust(self) -> u8 {
        match self {
            Self::UserPin => 0,
            Self::NetworkId => 1,
            Self::Both => 2,
            Self::Tls | Self::Card | Self::None => 3,
        }
    }

    /// Whether it proves a push by a MAC, which says nothing of freshness (M24).
    #[must_use]
    pub const fn is_mac(self) -> bool {
        matches!(self, Self::UserPin | Self::NetworkId | Self::Both)
    }
}

impl From<PushProof> for Dm1Security {
    fn from(proof: PushProof) -> Self {
        match proof {
            PushProof::UserPin => Self::UserPin,
            PushProof::NetworkId => Self::NetworkId,
            PushProof::Both => Self::Both,
        }
    }
}

impl fmt::Display for Dm1Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.node_value())
    }
}
