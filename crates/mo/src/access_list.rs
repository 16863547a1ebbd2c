use crate::{NodeName, Rights, SrvId};

/// Who has which rights on one MO instance (`dm20.md` §13): the truth that the DAC MO shows. In the order in which the entries were added; one entry a server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccessList(Vec<AccessEntry>);

/// The rights of one server on one MO instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessEntry {
    /// Its name below `Servers` of the DAC MO: whoever makes the entry chooses it, and it stays.
    pub name: NodeName,
    /// The server.
    pub srv_id: SrvId,
    /// Its rights, as far as its Perm list goes.
    pub rights: Rights,
}

/// Why an entry cannot stand in a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AccessListError {
    /// The server has an entry under another name.
    #[error("the server has an entry already")]
    Twice,
    /// [`AccessList::MOST`] entries stand there.
    #[error("no more than {max} servers can have rights on an instance", max = AccessList::MOST)]
    Full,
}

impl AccessList {
    /// Most entries. Local limit: nobody fills the store with rights.
    pub const MOST: usize = 64;

    /// Nobody has rights.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The creator alone has all rights (§13 rule 2).
    #[must_use]
    pub fn of_creator(srv_id: &SrvId) -> Self {
        let mut list = Self::none();
        list.allow(srv_id, Rights::FULL);
        list
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[AccessEntry] {
        &self.0
    }

    /// The rights of a server; none where it has no entry.
    #[must_use]
    pub fn rights(&self, srv_id: &SrvId) -> Rights {
        let entry = self.0.iter().find(|entry| entry.srv_id == *srv_id);
        entry.map_or(Rights::NONE, |entry| entry.rights)
    }

    /// The entry of this name.
    #[must_use]
    pub fn entry(&self, name: &NodeName) -> Option<&AccessEntry> {
        self.0.iter().find(|entry| entry.name == *name)
    }

    /// Puts an entry, in place of the one of its name.
    ///
    /// # Errors
    /// [`AccessListError`]; the list is then as before.
    pub fn put(&mut self, entry: AccessEntry) -> Result<(), AccessListError> {
        let other = |old: &&AccessEntry| old.srv_id == entry.srv_id && old.name != entry.name;
        if self.0.iter().any(|old| other(&old)) {
            return Err(AccessListError::Twice);
        }
        let full = self.0.len() >= Self::MOST;
        match self.0.iter_mut().find(|old| old.name == entry.name) {
            Some(old) => *old = entry,
            None if full => return Err(AccessListError::Full),
            None => self.0.push(entry),
        }
        Ok(())
    }

    /// Takes the entry of this name away; none there is no error.
    pub fn remove(&mut self, name: &NodeName) {
        self.0.retain(|entry| entry.name != *name);
    }

    /// Gives a server exactly these rights: its entry is changed, or a new one is numbered; no rights take it away. A full list stays as it is.
    pub fn allow(&mut self, srv_id: &SrvId, rights: Rights) {
        if rights.is_none() {
            self.drop_server(srv_id);
            return;
        }
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.srv_id == *srv_id) {
            entry.rights = rights;
            return;
        }
        let names = (1..=Self::MOST).filter_map(|n| NodeName::parse(&n.to_string()).ok());
        let free = names
            .into_iter()
            .find(|name| self.entry(name).is_none())
            .filter(|_| self.0.len() < Self::MOST);
        self.0.extend(free.map(|name| AccessEntry {
            name,
            srv_id: srv_id.clone(),
            rights,
        }));
    }

    /// Takes the entry of a server away; answers whether it had one.
    pub fn drop_server(&mut self, srv_id: &SrvId) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.srv_id != *srv_id);
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessEntry, AccessList, AccessListError};
    use crate::{NodeName, Rights, SrvId};

    fn srv(text: &str) -> SrvId {
        SrvId::parse(text).unwrap()
    }

    fn entry(name: &str, server: &str) -> AccessEntry {
        AccessEntry {
            name: NodeName::parse(name).unwrap(),
            srv_id: srv(server),
            rights: Rights::READ,
        }
    }

    #[test]
    fn a_server_has_one_entry_and_its_name_stays() {
        let mut list = AccessList::of_creator(&srv("a"));
        assert_eq!(list.rights(&srv("a")), Rights::FULL);
        assert_eq!(list.put(entry("x", "a")), Err(AccessListError::Twice));
        list.put(entry("x", "b")).unwrap();
        list.allow(&srv("b"), Rights::WRITE);
        assert_eq!(list.entries()[1].name.as_str(), "x");
        list.allow(&srv("c"), Rights::READ);
        assert_eq!(list.entries()[2].name.as_str(), "2");
        list.allow(&srv("b"), Rights::NONE);
        assert!(!list.drop_server(&srv("b")) && list.entries().len() == 2);
    }

    #[test]
    fn a_list_has_an_end() {
        let mut list = AccessList::none();
        for n in 0..AccessList::MOST {
            list.put(entry(&format!("n{n}"), &format!("s{n}"))).unwrap();
        }
        assert_eq!(list.put(entry("more", "more")), Err(AccessListError::Full));
        list.allow(&srv("more"), Rights::FULL);
        assert_eq!(list.entries().len(), AccessList::MOST);
        list.put(entry("n0", "another")).unwrap();
    }
}
