use super::{Alert, Item, Meta, Status};

/// `CmdID` or `CmdRef`: unique in its message; `0` in a reference means the header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CmdId(Box<str>);

impl CmdId {
    /// What refers to the header (§1.2).
    #[must_use]
    pub fn header() -> Self {
        Self("0".into())
    }

    /// Of a command of ours.
    #[must_use]
    pub fn number(number: u32) -> Self {
        Self(number.to_string().into())
    }

    /// Of a peer's command, as it wrote it: to refer to it.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// As it stands in a message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it refers to the header.
    #[must_use]
    pub fn is_header(&self) -> bool {
        &*self.0 == "0"
    }
}

/// An element of `SyncBody`, in the order in which it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `Add`
    Add(NodeCommand),
    /// `Replace`
    Replace(NodeCommand),
    /// `Copy`
    Copy(NodeCommand),
    /// `Delete`
    Delete(NodeCommand),
    /// `Get`
    Get(NodeCommand),
    /// `Exec`
    Exec(Exec),
    /// `Alert`
    Alert(Alert),
    /// `Atomic`
    Atomic(Group),
    /// `Sequence`
    Sequence(Group),
    /// `Status`
    Status(Status),
    /// `Results`
    Results(Results),
    /// An element that DM does not use or nobody knows; answered with 406 or 501 where it has a `CmdID` (§1.8).
    Other(Named),
}

/// A command on nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeCommand {
    /// Absent only in what a peer sent; such a command has no effect (M13).
    pub cmd_id: Option<CmdId>,
    /// That of all items.
    pub meta: Meta,
    /// What it is done to.
    pub items: Vec<Item>,
}

/// `Exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exec {
    /// As in [`NodeCommand`].
    pub cmd_id: Option<CmdId>,
    /// That of all items.
    pub meta: Meta,
    /// Echoed by the generic alert that brings the result (§1.7).
    pub correlator: Option<String>,
    /// One is sent, several are read.
    pub items: Vec<Item>,
}

/// `Atomic` or `Sequence`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// As in [`NodeCommand`].
    pub cmd_id: Option<CmdId>,
    /// Its own meta information.
    pub meta: Meta,
    /// Its members, in order.
    pub members: Vec<Command>,
}

/// `Results` of a `Get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// As in [`NodeCommand`].
    pub cmd_id: Option<CmdId>,
    /// `MsgRef`: the message of the `Get`.
    pub msg_ref: Option<u32>,
    /// `CmdRef`: the `Get`.
    pub cmd_ref: Option<CmdId>,
    /// That of all items.
    pub meta: Meta,
    /// What was read.
    pub items: Vec<Item>,
}

/// An element by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The element's name.
    pub name: String,
    /// As in [`NodeCommand`].
    pub cmd_id: Option<CmdId>,
}

impl Command {
    /// The element's name, as `Cmd` of a status gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Add(_) => "Add",
            Self::Replace(_) => "Replace",
            Self::Copy(_) => "Copy",
            Self::Delete(_) => "Delete",
            Self::Get(_) => "Get",
            Self::Exec(_) => "Exec",
            Self::Alert(_) => "Alert",
            Self::Atomic(_) => "Atomic",
            Self::Sequence(_) => "Sequence",
            Self::Status(_) => "Status",
            Self::Results(_) => "Results",
            Self::Other(other) => &other.name,
        }
    }

    /// Its `CmdID`.
    #[must_use]
    pub fn cmd_id(&self) -> Option<&CmdId> {
        match self {
            Self::Add(command)
            | Self::Replace(command)
            | Self::Copy(command)
            | Self::Delete(command)
            | Self::Get(command) => command.cmd_id.as_ref(),
            Self::Exec(exec) => exec.cmd_id.as_ref(),
            Self::Alert(alert) => alert.cmd_id.as_ref(),
            Self::Atomic(group) | Self::Sequence(group) => group.cmd_id.as_ref(),
            Self::Status(status) => status.cmd_id.as_ref(),
            Self::Results(results) => results.cmd_id.as_ref(),
            Self::Other(other) => other.cmd_id.as_ref(),
        }
    }
}
