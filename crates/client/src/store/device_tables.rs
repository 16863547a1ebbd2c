use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use omadm_bootstrap::{Account, AccountShadow, DeviceView, GovernedInstance};
use omadm_mo::{
    AccessList, CacheValidator, Miid, Moid, Node, NodeAddress, NodeKind, NodeName, NodePath,
    NodeProperties, SrvId, TreeError, TreeVersion, TreeView, Value,
};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition};

use super::at_hand::RowsAtHand;
use super::device_write::row_octets;
use super::instance_row::InstanceRow;
use super::storage_error::{damaged, tree_error};
use super::{facts, node_key, node_value, properties_row, shadow};

/// All tables have octet strings as keys and as values.
pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const FACTS: Definition = TableDefinition::new("facts");
/// A number for each MOID that ever had an instance, 4 octets, big-endian: keys are short by it.
pub(super) const MOIDS: Definition = TableDefinition::new("moids");
pub(super) const NODES: Definition = TableDefinition::new("trees");
/// The instances of each MOID, with the number of their creation.
pub(super) const INSTANCES: Definition = TableDefinition::new("lists");
pub(super) const COUNTED: Definition = TableDefinition::new("counted");
pub(super) const ACCOUNTS: Definition = TableDefinition::new("accounts");
pub(super) const SHADOWS: Definition = TableDefinition::new("shadows");
/// ACL, title, time and number of changes of nodes.
pub(super) const PROPERTIES: Definition = TableDefinition::new("properties");
pub(super) const ALERTS: Definition = TableDefinition::new("alerts");

/// Children in a page.
const PAGE: usize = 64;

/// The tables of one transaction. Has no `Debug`: any leaf may be a secret.
pub struct DeviceTables<T> {
    pub(super) epoch: u32,
    pub(super) version: TreeVersion,
    pub(super) facts: T,
    pub(super) moids: T,
    pub(super) nodes: T,
    pub(super) instances: T,
    pub(super) counted: T,
    pub(super) accounts: T,
    pub(super) shadows: T,
    pub(super) alerts: T,
    pub(super) properties: T,
    /// The number that was looked up last: a command asks for nodes of one MOID again and again.
    pub(super) last_number: RefCell<Option<(Moid, u32)>>,
    /// The row that was read last, with its key.
    pub(super) last_row: RefCell<Option<(Vec<u8>, InstanceRow)>>,
    /// Rows of the instance that was asked about last; none where rows may change.
    pub(super) at_hand: Option<RefCell<RowsAtHand>>,
}

/// The device as it was after one commit; later commits do not show. Keep it for one call: while it lives, the store's file cannot reuse old pages.
pub type Snapshot = DeviceTables<ReadOnlyTable<&'static [u8], &'static [u8]>>;

impl<T> DeviceTables<T> {
    /// All tables, each as `open` opens it; of no version yet.
    pub(super) fn opened(
        open: impl Fn(Definition) -> Result<T, TreeError>,
        at_hand: Option<RefCell<RowsAtHand>>,
    ) -> Result<Self, TreeError> {
        Ok(Self {
            epoch: 0,
            version: TreeVersion(0),
            facts: open(FACTS)?,
            moids: open(MOIDS)?,
            nodes: open(NODES)?,
            instances: open(INSTANCES)?,
            counted: open(COUNTED)?,
            accounts: open(ACCOUNTS)?,
            shadows: open(SHADOWS)?,
            alerts: open(ALERTS)?,
            properties: open(PROPERTIES)?,
            last_number: RefCell::default(),
            last_row: RefCell::default(),
            at_hand,
        })
    }
}

impl Snapshot {
    pub(super) fn of(transaction: &ReadTransaction) -> Result<Self, TreeError> {
        Self::opened(
            |definition| transaction.open_table(definition).map_err(tree_error),
            Some(RefCell::default()),
        )?
        .at_its_version()
    }
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> DeviceTables<T> {
    pub(super) fn at_its_version(mut self) -> Result<Self, TreeError> {
        self.epoch =
            facts::read_u32(&self.facts, facts::EPOCH)?.ok_or_else(|| damaged(facts::EPOCH))?;
        self.version = TreeVersion(facts::read_u64(&self.facts, facts::VERSION)?);
        Ok(self)
    }

    /// The number of a MOID; none where it never had an instance.
    pub(super) fn number(&self, moid: &Moid) -> Result<Option<u32>, TreeError> {
        if let Some((of_moid, number)) = &*self.last_number.borrow()
            && of_moid == moid
        {
            return Ok(Some(*number));
        }
        let stored = self.moids.get(moid.as_str().as_bytes());
        let Some(stored) = stored.map_err(tree_error)? else {
            return Ok(None);
        };
        let number = stored.value().try_into().ok().map(u32::from_be_bytes);
        let number = number.ok_or_else(|| damaged(moid))?;
        *self.last_number.borrow_mut() = Some((moid.clone(), number));
        Ok(Some(number))
    }

    /// The MOIDs by their numbers.
    fn numbered_moids(&self) -> Result<BTreeMap<u32, Moid>, TreeError> {
        let mut moids = BTreeMap::new();
        for entry in self.moids.iter().map_err(tree_error)? {
            let (moid, number) = entry.map_err(tree_error)?;
            let moid = str::from_utf8(moid.value()).ok();
            let moid = moid.and_then(|text| Moid::parse(text).ok());
            let number = number.value().try_into().ok().map(u32::from_be_bytes);
            let (number, moid) = number.zip(moid).ok_or_else(|| damaged("a MOID"))?;
            moids.insert(number, moid);
        }
        Ok(moids)
    }

    pub(super) fn instance(
        &self,
        moid: &Moid,
        miid: &Miid,
    ) -> Result<Option<InstanceRow>, TreeError> {
        let Some(number) = self.number(moid)? else {
            return Ok(None);
        };
        let key = node_key::of_instance(number, miid);
        if let Some((of_key, row)) = &*self.last_row.borrow()
            && *of_key == key
        {
            return Ok(Some(row.clone()));
        }
        let Some(stored) = self.nodes.get(key.as_slice()).map_err(tree_error)? else {
            return Ok(None);
        };
        let row = InstanceRow::decode(stored.value());
        let row = row.ok_or_else(|| damaged(NodeAddress::root(moid.clone(), miid.clone())))?;
        *self.last_row.borrow_mut() = Some((key, row.clone()));
        self.hold(RowsAtHand::clear);
        Ok(Some(row))
    }

    /// Every instance, in the order of the keys.
    pub(super) fn stored_instances(&self) -> Result<Vec<(InstanceRow, Moid, Miid)>, TreeError> {
        let moids = self.numbered_moids()?;
        let mut found = Vec::new();
        for entry in self.instances.iter().map_err(tree_error)? {
            let (key, _) = entry.map_err(tree_error)?;
            let (number, miid) =
                node_key::instance(key.value()).ok_or_else(|| damaged("an instance"))?;
            let moid = moids.get(&number).cloned();
            let moid = moid.ok_or_else(|| damaged("an instance"))?;
            let row = self.instance(&moid, &miid)?;
            let row = row.ok_or_else(|| damaged(&moid))?;
            found.push((row, moid, miid));
        }
        Ok(found)
    }

    /// Octets that the tree takes, from every row of it: its nodes' keys and values.
    pub(super) fn octets_counted(&self) -> Result<u64, TreeError> {
        let mut octets = 0;
        for entry in self.nodes.iter().map_err(tree_error)? {
            let (key, value) = entry.map_err(tree_error)?;
            if node_key::instance(key.value()).is_none() {
                octets += row_octets(key.value(), value.value());
            }
        }
        Ok(octets)
    }

    /// Every account with its key in the table.
    pub(super) fn stored_accounts(&self) -> Result<Vec<(Vec<u8>, Account)>, TreeError> {
        let mut found = Vec::new();
        for entry in self.accounts.iter().map_err(tree_error)? {
            let (key, stored) = entry.map_err(tree_error)?;
            let account =
                serde_json::from_slice(stored.value()).map_err(|_| damaged("a DM Account"))?;
            found.push((key.value().to_vec(), account));
        }
        Ok(found)
    }

    fn children_after(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
        most: usize,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        let Some(number) = self.number(&at.moid)? else {
            return Ok(Vec::new());
        };
        let prefix = node_key::of_level(number, at, node_key::depth(&at.path).saturating_add(1));
        let behind = node_key::behind(&prefix);
        let mut first = prefix.clone();
        let lower = match after {
            Some(name) => {
                first.extend_from_slice(name.as_str().as_bytes());
                Bound::Excluded(first.as_slice())
            }
            None => Bound::Included(first.as_slice()),
        };
        let mut page = Vec::new();
        for entry in self
            .nodes
            .range::<&[u8]>((lower, Bound::Excluded(behind.as_slice())))
            .map_err(tree_error)?
            .take(most)
        {
            let (key, stored) = entry.map_err(tree_error)?;
            self.hold(|rows| _ = rows.keep(key.value(), stored.value()));
            let text = key
                .value()
                .get(prefix.len()..)
                .and_then(|text| str::from_utf8(text).ok());
            let name = text.and_then(|text| NodeName::parse(text).ok());
            page.push(
                name.zip(node_value::kind(stored.value()))
                    .ok_or_else(|| damaged(at))?,
            );
        }
        Ok(page)
    }

    /// Puts what lies in a range of keys at or below a node into it; answers whether anything did.
    fn read_range(
        &self,
        number: u32,
        at: &NodeAddress,
        keys: (&[u8], &[u8]),
        into: &mut Option<Node>,
    ) -> Result<bool, TreeError> {
        let mut found = false;
        let (from, behind) = keys;
        let instance = node_key::of_instance(number, &at.miid).len();
        for entry in self
            .nodes
            .range::<&[u8]>(from..behind)
            .map_err(tree_error)?
        {
            let (key, stored) = entry.map_err(tree_error)?;
            let path = node_key::below(instance, at, key.value());
            let below = path.zip(node_value::decode(stored.value()));
            let (path, below) = below.ok_or_else(|| damaged(at))?;
            if path.is_root() {
                *into = Some(below);
            } else if let Some(node) = into {
                node.put(&path, below);
            }
            found = true;
        }
        Ok(found)
    }

    /// The rows of properties whose keys begin so.
    fn properties_from(
        &self,
        prefix: &[u8],
    ) -> Result<Vec<(NodeAddress, NodeProperties)>, TreeError> {
        let mut found = Vec::new();
        let rows = self.properties.range::<&[u8]>(prefix..);
        for entry in rows.map_err(tree_error)? {
            let (key, stored) = entry.map_err(tree_error)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            let at = properties_row::address(key.value());
            let row = at.zip(properties_row::decode(stored.value()));
            found.push(row.ok_or_else(|| damaged("the properties of a node"))?);
        }
        Ok(found)
    }

    fn stored<R>(
        &self,
        at: &NodeAddress,
        read: impl FnOnce(&[u8]) -> Option<R>,
    ) -> Result<Option<R>, TreeError> {
        let Some(number) = self.number(&at.moid)? else {
            return Ok(None);
        };
        let key = node_key::of_node(number, at);
        let at_hand = self.at_hand.as_ref().map(RefCell::borrow);
        if let Some(stored) = at_hand.as_ref().and_then(|rows| rows.find(&key)) {
            return read(stored).map(Some).ok_or_else(|| damaged(at));
        }
        drop(at_hand);
        let Some(stored) = self.nodes.get(key.as_slice()).map_err(tree_error)? else {
            return Ok(None);
        };
        self.hold(|rows| rows.keep_rather(&key, stored.value()));
        read(stored.value()).map(Some).ok_or_else(|| damaged(at))
    }

    /// Does something with the rows at hand, where there are any.
    fn hold(&self, with: impl FnOnce(&mut RowsAtHand)) {
        if let Some(rows) = &self.at_hand {
            with(&mut rows.borrow_mut());
        }
    }
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> TreeView for DeviceTables<T> {
    fn version(&self) -> TreeVersion {
        self.version
    }

    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        let Some(number) = self.number(moid)? else {
            return Ok(Vec::new());
        };
        let prefix = node_key::of_moid(number);
        let behind = node_key::behind(&prefix);
        let mut found = Vec::new();
        for entry in self
            .instances
            .range(prefix.as_slice()..behind.as_slice())
            .map_err(tree_error)?
        {
            let (key, born) = entry.map_err(tree_error)?;
            let miid = node_key::instance(key.value()).map(|(_, miid)| miid);
            let born = born.value().try_into().ok().map(u64::from_be_bytes);
            found.push(born.zip(miid).ok_or_else(|| damaged(moid))?);
        }
        found.sort();
        Ok(found.into_iter().map(|(_, miid)| miid).collect())
    }

    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        self.stored(at, node_value::kind)
    }

    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        Ok(match self.stored(at, node_value::decode)? {
            Some(Node::Leaf(value)) => Some(value),
            Some(Node::Interior(_)) | None => None,
        })
    }

    fn children(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        self.children_after(at, after, PAGE)
    }

    /// One range.
    fn all_children(&self, at: &NodeAddress) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        self.children_after(at, None, usize::MAX)
    }

    /// A range for each level; a whole instance is one, from its root on.
    fn subtree(&self, at: &NodeAddress) -> Result<Option<Node>, TreeError> {
        let Some(number) = self.number(&at.moid)? else {
            return Ok(None);
        };
        if at.path.is_root() {
            let from = node_key::of_node(number, at);
            let behind = node_key::behind(&node_key::of_instance(number, &at.miid));
            let mut node = None;
            self.read_range(number, at, (&from, &behind), &mut node)?;
            return Ok(node);
        }
        let mut node = self.stored(at, node_value::decode)?;
        if !matches!(node, Some(Node::Interior(_))) {
            return Ok(node);
        }
        for depth in node_key::depth(&at.path).saturating_add(1)..u32::MAX {
            let level = node_key::of_level(number, at, depth);
            let behind = node_key::behind(&level);
            if !self.read_range(number, at, (&level, &behind), &mut node)? {
                break;
            }
        }
        Ok(node)
    }

    fn validator(&self, moid: &Moid, miid: &Miid) -> Result<Option<CacheValidator>, TreeError> {
        let row = self.instance(moid, miid)?;
        Ok(row.map(|row| CacheValidator::of_commit(self.epoch, row.touched)))
    }

    fn counted_miids(&self, moid: &Moid) -> Result<u64, TreeError> {
        let stored = self
            .counted
            .get(moid.as_str().as_bytes())
            .map_err(tree_error)?;
        let Some(stored) = stored else { return Ok(0) };
        stored
            .value()
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| damaged(moid))
    }
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> DeviceView for DeviceTables<T> {
    fn accounts(&self) -> Result<Vec<Account>, TreeError> {
        Ok(self
            .stored_accounts()?
            .into_iter()
            .map(|(_, account)| account)
            .collect())
    }

    fn creator(&self, moid: &Moid, miid: &Miid) -> Result<Option<SrvId>, TreeError> {
        Ok(self.instance(moid, miid)?.and_then(|row| row.creator))
    }
    fn access(&self, moid: &Moid, miid: &Miid) -> Result<AccessList, TreeError> {
        let row = self.instance(moid, miid)?;
        Ok(row.map_or_else(AccessList::none, |row| row.access))
    }

    fn governed(&self) -> Result<Vec<GovernedInstance>, TreeError> {
        let mut all = Vec::new();
        for (row, moid, miid) in self.stored_instances()? {
            all.push(GovernedInstance {
                number: row.born,
                access: row.access,
                creator: row.creator,
                moid,
                miid,
            });
        }
        all.sort_by_key(|governed| governed.number);
        Ok(all)
    }
    fn properties(&self, at: &NodeAddress) -> Result<NodeProperties, TreeError> {
        let key = properties_row::key(at);
        let Some(stored) = self.properties.get(key.as_slice()).map_err(tree_error)? else {
            return Ok(NodeProperties::default());
        };
        properties_row::decode(stored.value()).ok_or_else(|| damaged(at))
    }
    fn properties_within(
        &self,
        at: &NodeAddress,
    ) -> Result<Vec<(NodePath, NodeProperties)>, TreeError> {
        let rows = self.properties_from(&properties_row::key(at))?;
        Ok(rows.into_iter().map(|(at, row)| (at.path, row)).collect())
    }
    fn all_properties(&self) -> Result<Vec<(NodeAddress, NodeProperties)>, TreeError> {
        self.properties_from(&[])
    }
    fn has_properties(&self) -> Result<bool, TreeError> {
        Ok(!self.properties.is_empty().map_err(tree_error)?)
    }
    fn shadow(&self, srv_id: &SrvId) -> Result<Option<AccountShadow>, TreeError> {
        let key = srv_id.as_str().as_bytes();
        let Some(stored) = self.shadows.get(key).map_err(tree_error)? else {
            return Ok(None);
        };
        let kept = shadow::decode(stored.value());
        kept.map(Some).ok_or_else(|| damaged("a former credential"))
    }
}
