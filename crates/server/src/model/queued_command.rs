use std::fmt;

use omadm_bootstrap::{EventId, Utc};

/// Names a queued command: 32 hexadecimal digits. It stays the same however often the command is sent (D02).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(pub EventId);

/// A command that an operator queued for a device, with what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuedCommand {
    /// Names it.
    pub id: CommandId,
    /// Its number among the device's commands, from 1: they are sent in this order.
    pub nr: u64,
    /// Name and parameters, as the operator gave them.
    pub words: Vec<String>,
    /// Where it stands.
    pub state: CommandState,
    /// In how many answers to the device it stood.
    pub sends: u32,
    /// The session it was sent in last.
    pub session: Option<String>,
    /// The status that answered it.
    pub status: Option<u16>,
    /// What a GET brought: an MO serialization.
    pub result: Option<String>,
    /// `Status.URI`: where an HGET stored its data.
    pub uris: Vec<String>,
    /// The cache validator of the instance that the result is the whole of.
    pub cv: Option<String>,
    /// When it was queued.
    pub queued_at: Utc,
    /// When it was sent last.
    pub sent_at: Option<Utc>,
    /// When it was answered or cancelled.
    pub ended_at: Option<Utc>,
}

/// Where a command stands. The last two are terminal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CommandState {
    /// Goes with the next Package#2 that has room.
    Queued,
    /// Its status is due.
    Sent,
    /// An EXEC whose outcome is unknown: an operator decides whether it is sent again (D02).
    Held,
    /// Its status came.
    Answered,
    /// An operator took it back.
    Cancelled,
}

impl CommandState {
    /// Every state there is.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Sent,
        Self::Held,
        Self::Answered,
        Self::Cancelled,
    ];

    /// The stable name in store and API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Held => "held",
            Self::Answered => "answered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether something follows.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sent | Self::Held)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
