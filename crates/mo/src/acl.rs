use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::SrvId;

/// Who may do what with a node: the property ACL where it has a value (`dm1x.md` §4.3). Never empty; a node without a value inherits.
///
/// Written canonically: commands in the order of the grammar, identifiers in octet order, `*` alone where it stands among them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acl(BTreeMap<AclCommand, Servers>);

/// What an ACL governs. Copy has no name here: it needs the rights of the Get, Add and Replace it stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AclCommand {
    /// `Add`
    Add,
    /// `Delete`
    Delete,
    /// `Exec`
    Exec,
    /// `Get`
    Get,
    /// `Replace`
    Replace,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Servers {
    All,
    Of(BTreeSet<SrvId>),
}

/// Why a text is no ACL. Its author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AclError {
    /// An entry without `=`.
    #[error("an entry of the ACL has no `=`")]
    Entry,
    /// No command of [`AclCommand`].
    #[error("the ACL names a command that it cannot govern")]
    Command,
    /// No server identifier as an ACL can hold it.
    #[error("the ACL names a server that it cannot hold")]
    Server,
    /// Longer than [`Acl::MAX_LEN`]; status 420.
    #[error("the ACL is longer than {max} octets", max = Acl::MAX_LEN)]
    TooLong,
}

impl AclCommand {
    /// All, in the order of the grammar.
    pub const ALL: [Self; 5] = [
        Self::Add,
        Self::Delete,
        Self::Exec,
        Self::Get,
        Self::Replace,
    ];

    /// Its name in an ACL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Delete => "Delete",
            Self::Exec => "Exec",
            Self::Get => "Get",
            Self::Replace => "Replace",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }
}

impl Acl {
    /// Longest text in octets. Local limit.
    pub const MAX_LEN: usize = 4096;

    /// Reads the property's value; none where it is empty, which is to inherit. A command that stands there twice has the servers of both.
    ///
    /// # Errors
    /// [`AclError`] where the text is no ACL.
    pub fn parse(text: &str) -> Result<Option<Self>, AclError> {
        if text.len() > Self::MAX_LEN {
            return Err(AclError::TooLong);
        }
        if text.is_empty() {
            return Ok(None);
        }
        let mut acl = Self(BTreeMap::new());
        for entry in text.split('&') {
            let (command, servers) = entry.split_once('=').ok_or(AclError::Entry)?;
            let command = AclCommand::from_name(command).ok_or(AclError::Command)?;
            for server in servers.split('+') {
                if server == "*" {
                    acl.0.insert(command, Servers::All);
                } else {
                    acl.give(command, Self::server(server)?);
                }
            }
        }
        Ok(Some(acl))
    }

    /// What holds at the root where nothing else was set: everybody may add and read.
    #[must_use]
    pub fn default_of_root() -> Self {
        Self(BTreeMap::from([
            (AclCommand::Add, Servers::All),
            (AclCommand::Get, Servers::All),
        ]))
    }

    /// What an interior node gets that a server adds where it may not replace the parent; none where no ACL can hold the server.
    #[must_use]
    pub fn of_creator(server: &SrvId) -> Option<Self> {
        Self::of(
            server,
            &[AclCommand::Add, AclCommand::Delete, AclCommand::Replace],
        )
    }

    /// One server with these commands; none where there is no command or no ACL can hold the server.
    #[must_use]
    pub fn of(server: &SrvId, commands: &[AclCommand]) -> Option<Self> {
        Self::of_all(commands.iter().map(|command| (*command, server.clone())))
    }

    /// These servers with these commands; whom no ACL can hold is left out. None where nobody is left.
    #[must_use]
    pub fn of_all(entries: impl IntoIterator<Item = (AclCommand, SrvId)>) -> Option<Self> {
        let mut acl = Self(BTreeMap::new());
        for (command, server) in entries {
            if Self::holds(&server) {
                acl.give(command, server);
            }
        }
        (!acl.0.is_empty()).then_some(acl)
    }

    /// Whether an ACL can name this server: printable ASCII or beyond, none of `= & * +` and no blank.
    #[must_use]
    pub fn holds(server: &SrvId) -> bool {
        !server
            .as_str()
            .contains(|c: char| matches!(c, '=' | '&' | '*' | '+') || c.is_whitespace())
    }

    /// Whether it lets a server do this.
    #[must_use]
    pub fn allows(&self, command: AclCommand, server: &SrvId) -> bool {
        match self.0.get(&command) {
            None => false,
            Some(Servers::All) => true,
            Some(Servers::Of(servers)) => servers.contains(server),
        }
    }

    /// Whether it names this server. `*` names nobody.
    #[must_use]
    pub fn names(&self, server: &SrvId) -> bool {
        let named = |servers: &Servers| matches!(servers, Servers::Of(set) if set.contains(server));
        self.0.values().any(named)
    }

    /// What is left of it when a server is removed from the device: commands without anybody vanish. None where nothing is left: the node inherits.
    #[must_use]
    pub fn without(&self, server: &SrvId) -> Option<Self> {
        let mut acl = self.clone();
        acl.0.retain(|_, servers| match servers {
            Servers::All => true,
            Servers::Of(set) => {
                set.remove(server);
                !set.is_empty()
            }
        });
        (!acl.0.is_empty()).then_some(acl)
    }

    fn server(text: &str) -> Result<SrvId, AclError> {
        let server = SrvId::parse(text).map_err(|_| AclError::Server)?;
        Self::holds(&server)
            .then_some(server)
            .ok_or(AclError::Server)
    }

    fn give(&mut self, command: AclCommand, server: SrvId) {
        let none = || Servers::Of(BTreeSet::new());
        if let Servers::Of(set) = self.0.entry(command).or_insert_with(none) {
            set.insert(server);
        }
    }
}

/// The property's value.
impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (command, servers)) in self.0.iter().enumerate() {
            let and = if n > 0 { "&" } else { "" };
            write!(f, "{and}{}=", command.name())?;
            match servers {
                Servers::All => f.write_str("*")?,
                Servers::Of(set) => {
                    for (n, server) in set.iter().enumerate() {
                        let plus = if n > 0 { "+" } else { "" };
                        write!(f, "{plus}{server}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Acl, AclCommand, AclError};
    use crate::SrvId;

    fn acl(text: &str) -> Acl {
        Acl::parse(text).unwrap().unwrap()
    }

    fn srv(text: &str) -> SrvId {
        SrvId::parse(text).unwrap()
    }

    #[test]
    fn the_example_of_the_standard_is_read_and_written() {
        let text = "Add=a.fi&Delete=a.fi&Get=*&Replace=a.fi+b.com";
        let read = acl("Add=a.fi&Delete=a.fi&Replace=a.fi+b.com&Get=*");
        assert_eq!(read.to_string(), text);
        assert!(read.allows(AclCommand::Replace, &srv("b.com")));
        assert!(!read.allows(AclCommand::Delete, &srv("b.com")));
        assert!(read.allows(AclCommand::Get, &srv("anybody")));
        assert!(!read.allows(AclCommand::Exec, &srv("a.fi")));
        assert_eq!(acl("Get=b&Get=a+*&Get=c").to_string(), "Get=*");
        assert_eq!(acl("Get=b&Get=a").to_string(), "Get=a+b");
    }

    #[test]
    fn empty_inherits_and_what_is_no_acl_is_refused() {
        assert_eq!(Acl::parse(""), Ok(None));
        for (text, fault) in [
            ("Get", AclError::Entry),
            ("Get=a&", AclError::Entry),
            ("Copy=a", AclError::Command),
            ("get=a", AclError::Command),
            ("Get=", AclError::Server),
            ("Get=a+", AclError::Server),
            ("Get=a b", AclError::Server),
            ("Get=a=b", AclError::Server),
            ("Get=**", AclError::Server),
        ] {
            assert_eq!(Acl::parse(text), Err(fault), "{text}");
        }
        let long = format!("Get={}", "a".repeat(Acl::MAX_LEN));
        assert_eq!(Acl::parse(&long), Err(AclError::TooLong));
    }

    #[test]
    fn a_removed_server_is_named_no_more_and_empty_commands_vanish() {
        let before = acl("Add=a&Get=*&Replace=a+b");
        assert!(before.names(&srv("a")) && !before.names(&srv("c")));
        let after = before.without(&srv("a")).unwrap();
        assert_eq!(after.to_string(), "Get=*&Replace=b");
        assert_eq!(acl("Add=a&Replace=a").without(&srv("a")), None);
    }

    #[test]
    fn a_server_that_no_acl_can_hold_is_given_nothing() {
        assert_eq!(Acl::of_creator(&srv("a+b")), None);
        let own = Acl::of_creator(&srv("a")).unwrap();
        assert_eq!(own.to_string(), "Add=a&Delete=a&Replace=a");
        assert_eq!(Acl::default_of_root().to_string(), "Add=*&Get=*");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(entries in proptest::collection::vec((0usize..5, "[a-z.:/ü-]{1,12}|\\*"), 1..12)) {
            let text: Vec<_> = entries
                .iter()
                .map(|(command, server)| format!("{}={server}", AclCommand::ALL[*command].name()))
                .collect();
            if let Ok(Some(read)) = Acl::parse(&text.join("&")) {
                prop_assert_eq!(Acl::parse(&read.to_string()), Ok(Some(read.clone())));
                for (command, server) in entries.iter().filter(|(_, server)| server != "*") {
                    let server = srv(server);
                    prop_assert!(read.allows(AclCommand::ALL[*command], &server));
                    if let Some(left) = read.without(&server) {
                        prop_assert!(!left.names(&server));
                    }
                }
            }
        }
    }
}
