//! Generations of secrets (DESIGN §4, `dm20.md` §14.9, D83): which secret of a device counts, what the use of one does to the others, and how a new one is
//! sent. Pure: who keeps the secrets feeds these functions and carries out what they answer.

mod consequence;
mod decide;
mod new_secret;

pub use consequence::{Change, Standing, consequences};
pub use decide::{Attempt, Decision, Denial, GenerationPolicy, Presented, Verdict, decide};
pub use new_secret::NewSecret;

/// Where a secret stands among those of its device, scope and account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Generation {
    /// As provisioned, and replaced since; kept in escrow, because a card, image or URL can bring it back.
    Boot,
    /// In use.
    Current,
    /// On its way to the device, or there; not used yet.
    Pending,
}

/// What a secret is for (D83).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SecretScope {
    /// The device proves itself with it in sessions: `Auth/Trsp`, `Ext/HTTPAuth`.
    Session,
    /// The device proves itself with it to the bootstrap server: `Auth/Bootstrap`.
    Bootstrap,
    /// The server proves its Notifications with it: `Auth/Noti`.
    Notification,
}

impl Generation {
    /// Every generation there is.
    pub const ALL: [Self; 3] = [Self::Boot, Self::Current, Self::Pending];

    /// The stable name in stores and interfaces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Current => "current",
            Self::Pending => "pending",
        }
    }

    /// The generation of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|generation| generation.name() == name)
    }
}

impl SecretScope {
    /// Every scope there is.
    pub const ALL: [Self; 3] = [Self::Session, Self::Bootstrap, Self::Notification];

    /// The stable name in stores and interfaces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Bootstrap => "bootstrap",
            Self::Notification => "notification",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}
