use std::fmt;

/// Who has to change something before a command can succeed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fault {
    /// Nobody: the command succeeded.
    Nobody,
    /// The server that wrote the command.
    Server,
    /// The device that ran it.
    Device,
    /// The data repository that the command named.
    Repository,
    /// The rights and permissions that were given.
    Policy,
}

impl Fault {
    /// The word of messages and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Server => "server",
            Self::Device => "device",
            Self::Repository => "repository",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
