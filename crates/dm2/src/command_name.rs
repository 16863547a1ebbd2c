use std::fmt;

/// The twelve commands of `dm20.md` §5.1, in the order of that table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CommandName {
    /// `HGET`: fetch over HTTP, then add to the tree or replace in it.
    HGet,
    /// `HPUT`: send data by HTTP PUT.
    HPut,
    /// `HPOST`: send data by HTTP POST.
    HPost,
    /// `DELETE`: delete a node with all below it.
    Delete,
    /// `EXEC`: execute a node.
    Exec,
    /// `GET`: return data inside the session.
    Get,
    /// `SHOW`: start a UI session in the browser.
    Show,
    /// `CONT`: continue the session at another URI.
    Cont,
    /// `END`: end the session.
    End,
    /// `DEFAULT`: remember where a missing configuration can be fetched.
    Default,
    /// `SUB`: report changes of a subtree.
    Sub,
    /// `UNSUB`: cancel a SUB.
    Unsub,
}

impl CommandName {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::HGet,
        Self::HPut,
        Self::HPost,
        Self::Delete,
        Self::Exec,
        Self::Get,
        Self::Show,
        Self::Cont,
        Self::End,
        Self::Default,
        Self::Sub,
        Self::Unsub,
    ];

    /// The command of this name; upper case only (D14).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HGet => "HGET",
            Self::HPut => "HPUT",
            Self::HPost => "HPOST",
            Self::Delete => "DELETE",
            Self::Exec => "EXEC",
            Self::Get => "GET",
            Self::Show => "SHOW",
            Self::Cont => "CONT",
            Self::End => "END",
            Self::Default => "DEFAULT",
            Self::Sub => "SUB",
            Self::Unsub => "UNSUB",
        }
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
