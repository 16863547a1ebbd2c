use std::fmt;

use serde::{Deserialize, Serialize};

/// The four ways a DM Bootstrap reaches a device (`dm20.md` §14.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootstrapMethod {
    /// Preloaded at manufacture.
    Factory,
    /// Read from the card.
    Smartcard,
    /// Fetched by the client from a URL it knows.
    ClientInitiated,
    /// Pushed by the server, or announced by a Notification.
    ServerInitiated,
}

/// Whether an account is bootstrapped for the first time (`dm1x.md` §6.2); the node `Ext/Bootstrap/Kind`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootstrapKind {
    /// The device had no account of this SrvID.
    First,
    /// An account of this SrvID was replaced.
    Re,
    /// The first one after a factory reset.
    Reset,
}

/// Where the completion of a bootstrap stands; the node `Ext/Bootstrap/State`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompletionState {
    /// Owed to the server.
    Pending,
    /// Acknowledged by the server.
    Acked,
    /// The server cannot take the event; nothing is sent any more (`dm1x.md` §6.3).
    Unsupported,
    /// The account fell back to what it was before this bootstrap (`dm1x.md` M25).
    Reverted,
}

/// The form of the bootstrap document; the node `Ext/Bootstrap/Profile`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileFormat {
    /// MO serialization of DM 2.0.
    Dm2,
    /// Client Provisioning document of DM 1.x (`dm1x.md` §5.3).
    Cp,
    /// DM message of DM 1.x (`dm1x.md` §5.2).
    Dm,
}

impl BootstrapMethod {
    /// All four, in the order of the standard.
    pub const ALL: [Self; 4] = [
        Self::Factory,
        Self::Smartcard,
        Self::ClientInitiated,
        Self::ServerInitiated,
    ];

    /// The value of `Ext/Bootstrap/Method` (§12.2).
    #[must_use]
    pub const fn node_value(self) -> &'static str {
        match self {
            Self::Factory => "factory",
            Self::Smartcard => "smartcard",
            Self::ClientInitiated => "client",
            Self::ServerInitiated => "server",
        }
    }

    /// Reads the value of `Ext/Bootstrap/Method`.
    #[must_use]
    pub fn from_node_value(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|method| method.node_value() == text)
    }

    /// The method's name for people and for `--json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Factory => "factory",
            Self::Smartcard => "smartcard",
            Self::ClientInitiated => "client-initiated",
            Self::ServerInitiated => "server-initiated",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

impl BootstrapKind {
    /// The value of `Ext/Bootstrap/Kind`.
    #[must_use]
    pub const fn node_value(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Re => "re",
            Self::Reset => "reset",
        }
    }

    /// Reads the value of `Ext/Bootstrap/Kind`.
    #[must_use]
    pub fn from_node_value(text: &str) -> Option<Self> {
        [Self::First, Self::Re, Self::Reset]
            .into_iter()
            .find(|kind| kind.node_value() == text)
    }
}

impl CompletionState {
    /// The value of `Ext/Bootstrap/State`.
    #[must_use]
    pub const fn node_value(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Acked => "acked",
            Self::Unsupported => "unsupported",
            Self::Reverted => "reverted",
        }
    }
}

impl ProfileFormat {
    /// The value of `Ext/Bootstrap/Profile`.
    #[must_use]
    pub const fn node_value(self) -> &'static str {
        match self {
            Self::Dm2 => "dm2",
            Self::Cp => "cp",
            Self::Dm => "dm",
        }
    }

    /// Reads the value of `Ext/Bootstrap/Profile`.
    #[must_use]
    pub fn from_node_value(text: &str) -> Option<Self> {
        [Self::Dm2, Self::Cp, Self::Dm]
            .into_iter()
            .find(|format| format.node_value() == text)
    }
}

impl ProfileFormat {
    /// The generation's name: `2.0` or `1.x`.
    #[must_use]
    pub const fn generation(self) -> &'static str {
        match self {
            Self::Dm2 => "2.0",
            Self::Cp | Self::Dm => "1.x",
        }
    }
}

/// Generation and format, for people.
impl fmt::Display for ProfileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dm2 => "DM 2.0",
            Self::Cp => "DM 1.x, client provisioning",
            Self::Dm => "DM 1.x, DM profile",
        })
    }
}

impl fmt::Display for BootstrapMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
