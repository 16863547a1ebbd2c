use std::cell::RefCell;

use omadm_bootstrap::{Account, AccountShadow, DeviceView as _, DeviceWrite};
use omadm_mo::{
    AccessList, Miid, Moid, Node, NodeAddress, NodePath, NodeProperties, SrvId, TreeError,
    TreeVersion, TreeView as _, TreeWrite,
};
use redb::{ReadableTableMetadata as _, Table, WriteTransaction};

use super::device_tables::DeviceTables;
use super::instance_row::InstanceRow;
use super::storage_error::{damaged, tree_error};
use super::{
    alerts, executions, facts, node_key, node_value, notifications, properties_row, shadow,
};

/// The tables inside a write transaction. What is written shows in its own reads; `version` stays that of the last commit.
pub(super) type WriteTxn<'t> = DeviceTables<Table<'t, &'static [u8], &'static [u8]>>;

impl<'t> WriteTxn<'t> {
    pub(super) fn of(transaction: &'t WriteTransaction) -> Result<Self, TreeError> {
        Self::in_transaction(transaction)?.at_its_version()
    }

    /// Makes the tables of a new store.
    pub(super) fn create(
        transaction: &'t WriteTransaction,
        format: u32,
        epoch: u32,
    ) -> Result<(), TreeError> {
        let mut tables = Self::in_transaction(transaction)?;
        facts::write(&mut tables.facts, facts::FORMAT, &format.to_be_bytes())?;
        facts::write(&mut tables.facts, facts::EPOCH, &epoch.to_be_bytes())
    }

    fn in_transaction(transaction: &'t WriteTransaction) -> Result<Self, TreeError> {
        Self::opened(
            |definition| transaction.open_table(definition).map_err(tree_error),
            None,
        )
    }

    /// The version that the commit of this transaction makes.
    pub(super) const fn next_version(&self) -> TreeVersion {
        TreeVersion(self.version.0.saturating_add(1))
    }

    /// Counts the commit. The caller commits next.
    pub(super) fn count_commit(&mut self) -> Result<TreeVersion, TreeError> {
        let next = self.next_version();
        facts::write(&mut self.facts, facts::VERSION, &next.0.to_be_bytes())?;
        Ok(next)
    }

    /// Empties every table; of the facts, those of the client.
    pub(super) fn clear(&mut self) -> Result<(), TreeError> {
        self.facts
            .retain(|name, _| !name.starts_with(facts::CLIENT.as_bytes()))
            .map_err(tree_error)?;
        facts::remove(&mut self.facts, facts::OCTETS)?;
        self.last_number = RefCell::default();
        self.last_row = RefCell::default();
        for table in [
            &mut self.moids,
            &mut self.nodes,
            &mut self.instances,
            &mut self.counted,
            &mut self.accounts,
            &mut self.shadows,
            &mut self.alerts,
            &mut self.properties,
        ] {
            table.retain(|_, _| false).map_err(tree_error)?;
        }
        Ok(())
    }

    /// Octets that the tree takes: its nodes' keys and values.
    pub(super) fn octets(&self) -> Result<u64, TreeError> {
        if facts::read(&self.facts, facts::OCTETS)?.is_some() {
            return facts::read_u64(&self.facts, facts::OCTETS);
        }
        self.octets_counted()
    }

    /// Does something to the nodes; it answers the octets that came and those that went.
    fn counted_octets(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<(u64, u64), TreeError>,
    ) -> Result<(), TreeError> {
        let before = self.octets()?;
        let (came, went) = change(self)?;
        let octets = before.saturating_add(came).saturating_sub(went);
        facts::write(&mut self.facts, facts::OCTETS, &octets.to_be_bytes())
    }

    fn touch(&mut self, moid: &Moid, miid: &Miid) -> Result<(), TreeError> {
        let touched = self.next_version();
        let row = match self.instance(moid, miid)? {
            Some(row) => InstanceRow { touched, ..row },
            None => {
                let row = InstanceRow {
                    born: facts::count(&mut self.facts, facts::BORN)?,
                    touched,
                    creator: None,
                    access: AccessList::none(),
                };
                self.list(moid, miid, &row)?;
                row
            }
        };
        self.put_instance(moid, miid, &row)
    }

    /// The number of a MOID, given where it has none yet. It keeps it for good.
    pub(super) fn make_number(&mut self, moid: &Moid) -> Result<u32, TreeError> {
        if let Some(number) = self.number(moid)? {
            return Ok(number);
        }
        let next = self.moids.len().map_err(tree_error)?;
        let number = u32::try_from(next).map_err(|_| TreeError::NoRoom)?;
        self.moids
            .insert(moid.as_str().as_bytes(), number.to_be_bytes().as_slice())
            .map_err(tree_error)?;
        Ok(number)
    }

    /// Puts an instance into the list of its MOID's.
    pub(super) fn list(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        row: &InstanceRow,
    ) -> Result<(), TreeError> {
        let key = node_key::of_instance(self.make_number(moid)?, miid);
        self.instances
            .insert(key.as_slice(), row.born.to_be_bytes().as_slice())
            .map_err(tree_error)?;
        Ok(())
    }

    pub(super) fn put_instance(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        row: &InstanceRow,
    ) -> Result<(), TreeError> {
        let key = node_key::of_instance(self.make_number(moid)?, miid);
        self.last_row = RefCell::default();
        self.nodes
            .insert(key.as_slice(), row.encode().as_slice())
            .map_err(tree_error)?;
        Ok(())
    }

    /// Changes the row of an instance; nothing where there is no such instance.
    fn change_instance(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        change: impl FnOnce(&mut InstanceRow),
    ) -> Result<(), TreeError> {
        let Some(mut row) = self.instance(moid, miid)? else {
            return Ok(());
        };
        change(&mut row);
        self.put_instance(moid, miid, &row)
    }

    /// Puts a node with all below it; answers the octets that came and those that went.
    fn store(&mut self, at: &NodeAddress, node: &Node) -> Result<(u64, u64), TreeError> {
        let number = self.make_number(&at.moid)?;
        self.store_numbered(number, at, node)
    }

    fn store_numbered(
        &mut self,
        number: u32,
        at: &NodeAddress,
        node: &Node,
    ) -> Result<(u64, u64), TreeError> {
        let key = node_key::of_node(number, at);
        let value = node_value::encode(node);
        let former = self
            .nodes
            .insert(key.as_slice(), value.expose())
            .map_err(tree_error)?;
        let mut went = former.map_or(0, |former| row_octets(&key, former.value()));
        let mut came = row_octets(&key, value.expose());
        for (name, child) in node.children().into_iter().flatten() {
            let (more, less) = self.store_numbered(number, &at.child(name.clone()), child)?;
            came += more;
            went += less;
        }
        Ok((came, went))
    }

    /// Makes the interior nodes above a node; a leaf on the way gives way.
    fn make_way(&mut self, at: &NodeAddress) -> Result<(u64, u64), TreeError> {
        let (mut came, mut went) = (0, 0);
        let names = at.path.names();
        for depth in 0..names.len() {
            let above = at.with_path(names.iter().take(depth).cloned().collect::<NodePath>());
            if self.kind(&above)? != Some(omadm_mo::NodeKind::Interior) {
                let (more, less) = self.store(&above, &Node::empty())?;
                came += more;
                went += less;
            }
        }
        Ok((came, went))
    }

    /// Takes a node and, level by level, all below it away; answers their octets.
    fn clear_subtree(&mut self, at: &NodeAddress) -> Result<u64, TreeError> {
        let Some(number) = self.number(&at.moid)? else {
            return Ok(0);
        };
        let key = node_key::of_node(number, at);
        let former = self.nodes.remove(key.as_slice()).map_err(tree_error)?;
        let mut went = former.map_or(0, |former| row_octets(&key, former.value()));
        for depth in node_key::depth(&at.path).saturating_add(1)..u32::MAX {
            let level = node_key::of_level(number, at, depth);
            let mut gone = false;
            let behind = node_key::behind(&level);
            self.nodes
                .retain_in(level.as_slice()..behind.as_slice(), |key, value| {
                    gone = true;
                    went += row_octets(key, value);
                    false
                })
                .map_err(tree_error)?;
            if !gone {
                break;
            }
        }
        Ok(went)
    }
}

/// What a node takes.
pub(super) const fn row_octets(key: &[u8], value: &[u8]) -> u64 {
    key.len() as u64 + value.len() as u64
}

impl TreeWrite for WriteTxn<'_> {
    fn put(&mut self, at: &NodeAddress, node: &Node) -> Result<(), TreeError> {
        self.touch(&at.moid, &at.miid)?;
        self.counted_octets(|tables| {
            let (way, stood) = tables.make_way(at)?;
            let cleared = tables.clear_subtree(at)?;
            let (came, replaced) = tables.store(at, node)?;
            Ok((way + came, stood + cleared + replaced))
        })
    }

    fn remove(&mut self, at: &NodeAddress) -> Result<(), TreeError> {
        if self.has_properties()? {
            let from = properties_row::key(at);
            let behind = node_key::behind(&from);
            self.properties
                .retain_in(from.as_slice()..behind.as_slice(), |_, _| false)
                .map_err(tree_error)?;
        }
        let Some(number) = self.number(&at.moid)? else {
            return Ok(());
        };
        if at.path.is_root() {
            let key = node_key::of_instance(number, &at.miid);
            self.last_row = RefCell::default();
            self.instances.remove(key.as_slice()).map_err(tree_error)?;
            self.nodes.remove(key.as_slice()).map_err(tree_error)?;
        } else if self.instance(&at.moid, &at.miid)?.is_some() {
            self.touch(&at.moid, &at.miid)?;
        }
        self.counted_octets(|tables| Ok((0, tables.clear_subtree(at)?)))
    }

    fn count_miids(&mut self, moid: &Moid, highest: u64) -> Result<(), TreeError> {
        if highest > self.counted_miids(moid)? {
            self.counted
                .insert(moid.as_str().as_bytes(), highest.to_be_bytes().as_slice())
                .map_err(tree_error)?;
        }
        Ok(())
    }
}

impl DeviceWrite for WriteTxn<'_> {
    fn put_account(&mut self, account: &Account) -> Result<(), TreeError> {
        let stored = self.stored_accounts()?;
        let place = stored
            .iter()
            .find(|(_, other)| other.srv_id == account.srv_id)
            .or_else(|| stored.last());
        let key = match place {
            Some((key, other)) if other.srv_id == account.srv_id => key.clone(),
            Some((last, _)) => {
                let last = last
                    .as_slice()
                    .try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| damaged("a DM Account"))?;
                last.saturating_add(1).to_be_bytes().to_vec()
            }
            None => 1u64.to_be_bytes().to_vec(),
        };
        let json = serde_json::to_vec(account)
            .map_err(|why| TreeError::Storage(why.to_string().into()))?;
        self.accounts
            .insert(key.as_slice(), json.as_slice())
            .map_err(tree_error)?;
        Ok(())
    }

    /// The alerts that wait for this server go too, and the session and the results that it is owed.
    fn remove_account(&mut self, srv_id: &SrvId) -> Result<(), TreeError> {
        for (key, account) in self.stored_accounts()? {
            if account.srv_id == *srv_id {
                self.accounts.remove(key.as_slice()).map_err(tree_error)?;
            }
        }
        self.set_shadow(srv_id, None)?;
        for mut governed in self.governed()? {
            if governed.access.drop_server(srv_id) {
                self.set_access(&governed.moid, &governed.miid, &governed.access)?;
            }
        }
        executions::forget(self, srv_id)?;
        notifications::forget(self, srv_id)?;
        alerts::drop_up_to(&mut self.alerts, srv_id, u64::MAX)
    }

    fn set_creator(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        creator: Option<&SrvId>,
    ) -> Result<(), TreeError> {
        self.change_instance(moid, miid, |row| row.creator = creator.cloned())
    }

    fn set_access(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        access: &AccessList,
    ) -> Result<(), TreeError> {
        self.change_instance(moid, miid, |row| row.access = access.clone())
    }

    fn set_shadow(
        &mut self,
        srv_id: &SrvId,
        kept: Option<&AccountShadow>,
    ) -> Result<(), TreeError> {
        let key = srv_id.as_str().as_bytes();
        let Some(kept) = kept else {
            self.shadows.remove(key).map_err(tree_error)?;
            return Ok(());
        };
        let row = shadow::encode(kept)
            .ok_or_else(|| TreeError::Storage("former credentials cannot be written".into()))?;
        self.shadows.insert(key, row.expose()).map_err(tree_error)?;
        Ok(())
    }

    fn set_properties(
        &mut self,
        at: &NodeAddress,
        properties: &NodeProperties,
    ) -> Result<(), TreeError> {
        let key = properties_row::key(at);
        if properties.is_empty() {
            self.properties.remove(key.as_slice()).map_err(tree_error)?;
            return Ok(());
        }
        let row = properties_row::encode(properties);
        let stored = self.properties.insert(key.as_slice(), row.as_slice());
        stored.map_err(tree_error)?;
        Ok(())
    }
}
