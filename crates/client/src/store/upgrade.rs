//! From the form of file of an older build to this one's, in one transaction: a power cut leaves the one or the other.

use omadm_mo::standard::dm_acc;
use omadm_mo::{AccessList, Miid, Moid, TreeError};
use redb::{Database, ReadableTable as _, TableDefinition, WriteTransaction};

use super::device_tables::Definition;
use super::device_write::{WriteTxn, row_octets};
use super::instance_row::InstanceRow;
use super::storage_error::{damaged, tree_error};
use super::{facts, node_key, open, rights_row};

/// Rights on instances in form 2, by the keys of the instances.
const RIGHTS: Definition = TableDefinition::new("rights");
/// What `trees` is now, up to form 3: keys began with the MOID itself, ended by 00, and a depth took 4 octets.
const NODES: Definition = TableDefinition::new("nodes");
/// What `lists` is now, with keys like those of `nodes`.
const INSTANCES: Definition = TableDefinition::new("instances");
/// What `trees` is now, in forms 4 and 5: every MIID was a text ended by 00.
const TREE: Definition = TableDefinition::new("tree");
/// What `lists` is now, with keys like those of `tree`.
const LISTED: Definition = TableDefinition::new("listed");

/// Form 1 had no rights: the creator of an instance had all of them, and nobody else any (`dm20.md` §13). Form 2 kept them in a table of their own, and what else
/// is known of an instance in `instances`; form 3 had both beside the root. Up to form 3 every key began with a MOID, where a number is since; up to form 5 a
/// counted MIID stood in it as its text. The former credentials of accounts (D82) came with form 2, the properties of nodes with form 5.
pub(super) fn from_form(form: u32, database: &Database) -> Result<(), TreeError> {
    let transaction = database.begin_write().map_err(tree_error)?;
    {
        let mut tables = WriteTxn::of(&transaction)?;
        move_instances(form, &transaction, &mut tables)?;
        let octets = move_nodes(form, &transaction, &mut tables)?;
        facts::write(&mut tables.facts, facts::OCTETS, &octets.to_be_bytes())?;
        let form = open::FORMAT.to_be_bytes();
        facts::write(&mut tables.facts, facts::FORMAT, &form)?;
    }
    for former in [RIGHTS, NODES, INSTANCES, TREE, LISTED] {
        transaction.delete_table(former).map_err(tree_error)?;
    }
    transaction.commit().map_err(tree_error)
}

/// The list of the instances, and their rows as far as they did not lie among the nodes.
fn move_instances(
    form: u32,
    transaction: &WriteTransaction,
    tables: &mut WriteTxn<'_>,
) -> Result<(), TreeError> {
    let open = |definition: Definition| transaction.open_table(definition).map_err(tree_error);
    let stored = open(if form < 4 { INSTANCES } else { LISTED })?;
    let rights = open(RIGHTS)?;
    for entry in stored.iter().map_err(tree_error)? {
        let (key, row) = entry.map_err(tree_error)?;
        let (number, miid, _) = split(form, key.value(), tables)?;
        let now = node_key::of_instance(number, &miid);
        if form >= 3 {
            let listed = tables.instances.insert(now.as_slice(), row.value());
            listed.map_err(tree_error)?;
            continue;
        }
        let row = InstanceRow::decode_form_2(row.value());
        let mut row = row.ok_or_else(|| damaged("an instance"))?;
        if form == 1 {
            let is_account = tables.number(&dm_acc::moid())? == Some(number);
            let creator = row.creator.as_ref().filter(|_| !is_account);
            row.access = creator.map_or_else(AccessList::none, AccessList::of_creator);
        } else if let Some(stored) = rights.get(key.value()).map_err(tree_error)? {
            let access = rights_row::decode(stored.value());
            row.access = access.ok_or_else(|| damaged("rights on an instance"))?;
        }
        let born = row.born.to_be_bytes();
        let listed = tables.instances.insert(now.as_slice(), born.as_slice());
        listed.map_err(tree_error)?;
        let kept = tables.nodes.insert(now.as_slice(), row.encode().as_slice());
        kept.map_err(tree_error)?;
    }
    Ok(())
}

/// The nodes; answers their octets with their new keys.
fn move_nodes(
    form: u32,
    transaction: &WriteTransaction,
    tables: &mut WriteTxn<'_>,
) -> Result<u64, TreeError> {
    let stored = if form < 4 { NODES } else { TREE };
    let stored = transaction.open_table(stored).map_err(tree_error)?;
    let mut octets = 0;
    for entry in stored.iter().map_err(tree_error)? {
        let (key, value) = entry.map_err(tree_error)?;
        let (number, miid, levels) = split(form, key.value(), tables)?;
        let mut now = node_key::of_instance(number, &miid);
        if !levels.is_empty() {
            let (depth, names) = take_depth(form, levels).ok_or_else(|| damaged("a node"))?;
            node_key::push(&mut now, depth);
            now.extend_from_slice(names);
            octets += row_octets(&now, value.value());
        }
        let moved = tables.nodes.insert(now.as_slice(), value.value());
        moved.map_err(tree_error)?;
    }
    Ok(octets)
}

/// Number of the MOID, MIID and rest of a former key. A MOID that had no number gets one.
fn split<'k>(
    form: u32,
    key: &'k [u8],
    tables: &mut WriteTxn<'_>,
) -> Result<(u32, Miid, &'k [u8]), TreeError> {
    let wrong = || damaged("a key of a former form");
    let (number, rest) = if form < 4 {
        let (moid, rest) = take_text(key).ok_or_else(wrong)?;
        let moid = Moid::parse(moid).map_err(|_| wrong())?;
        (tables.make_number(&moid)?, rest)
    } else {
        node_key::take(key).ok_or_else(wrong)?
    };
    let (miid, levels) = take_text(rest).ok_or_else(wrong)?;
    let miid = Miid::parse(miid).map_err(|_| wrong())?;
    Ok((number, miid, levels))
}

/// A text ended by 00, and what follows it.
fn take_text(key: &[u8]) -> Option<(&str, &[u8])> {
    let end = key.iter().position(|octet| *octet == 0)?;
    let (text, rest) = key.split_at_checked(end)?;
    Some((str::from_utf8(text).ok()?, rest.get(1..)?))
}

fn take_depth(form: u32, levels: &[u8]) -> Option<(u32, &[u8])> {
    if form >= 4 {
        return node_key::take(levels);
    }
    let (depth, names) = levels.split_first_chunk()?;
    Some((u32::from_be_bytes(*depth), names))
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::DeviceView as _;
    use omadm_bootstrap::plan::{PlanStep, TreePlan};
    use omadm_mo::standard::{dev_info, dm_acc};
    use omadm_mo::{
        AccessList, Miid, Moid, Node, NodeAddress, NodePath, Rights, SrvId, TreeVersion,
        TreeView as _, Value,
    };
    use redb::ReadableTable as _;

    use super::super::device_tables::{
        INSTANCES as LISTS, MOIDS, NODES as TREES, PROPERTIES, SHADOWS,
    };
    use super::super::device_write::WriteTxn;
    use super::super::power_cut::{Disk, Fault};
    use super::super::{TreeStore, facts, node_key, open, rights_row};
    use super::{INSTANCES, LISTED, NODES, RIGHTS, TREE};

    fn gps() -> Moid {
        Moid::parse("urn:example:mo:gps:1.0").unwrap()
    }

    fn srv() -> SrvId {
        SrvId::parse("dms.example.com").unwrap()
    }

    fn open_on(disk: &Disk) -> TreeStore {
        let disk = disk.clone();
        TreeStore::with_backend(move || disk.clone(), 7).unwrap_or_else(|why| panic!("{why}"))
    }

    /// One counted, and one that is a text.
    fn miid_of(moid: &Moid) -> Miid {
        if *moid == gps() {
            Miid::parse("left").unwrap()
        } else {
            Miid::counted(300)
        }
    }

    /// A store as this build writes it, with the tables and keys of a former form: 1 without rights and shadows, 2 with rights in a table of their own, 3 with MOIDs
    /// in the keys, 4 without properties, 5 with texts for counted MIIDs in the keys.
    fn of_form(form: u32) -> Vec<u8> {
        let disk = Disk::default();
        let store = open_on(&disk);
        let mut plan = TreePlan::at(TreeVersion(0));
        for (moid, creator) in [
            (dm_acc::moid(), Some(srv())),
            (dev_info::moid(), None),
            (gps(), Some(srv())),
        ] {
            plan.steps.push(PlanStep::Add {
                miid: miid_of(&moid),
                moid,
                root: content(),
                creator,
            });
        }
        store.apply(&plan).unwrap();
        drop(store);
        let database = open::open_backend(disk.clone()).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut tables = WriteTxn::of(&transaction).unwrap();
        facts::write(&mut tables.facts, facts::FORMAT, &form.to_be_bytes()).unwrap();
        if form < 4 {
            facts::remove(&mut tables.facts, facts::OCTETS).unwrap();
        }
        let instances = tables.stored_instances().unwrap();
        let (former_nodes, former_instances) = if form < 4 {
            (NODES, INSTANCES)
        } else {
            (TREE, LISTED)
        };
        {
            let mut nodes = transaction.open_table(former_nodes).unwrap();
            let mut stored = transaction.open_table(former_instances).unwrap();
            let mut rights = transaction.open_table(RIGHTS).unwrap();
            for (row, moid, miid) in &instances {
                let number = tables.number(moid).unwrap().unwrap();
                let now = node_key::of_instance(number, miid);
                let of_moid = if form < 4 {
                    node_key::terminated(moid.as_str())
                } else {
                    node_key::of_moid(number)
                };
                let former = [of_moid, node_key::terminated(miid.as_str())].concat();
                let behind = node_key::behind(&now);
                for entry in tables
                    .nodes
                    .range(now.as_slice()..behind.as_slice())
                    .unwrap()
                {
                    let (key, value) = entry.unwrap();
                    let mut old = former.clone();
                    match key.value()[now.len()..].split_first() {
                        None if form < 3 => continue,
                        Some((depth, names)) if form < 4 => {
                            old.extend_from_slice(&u32::from(*depth).to_be_bytes());
                            old.extend_from_slice(names);
                        }
                        _ => old.extend_from_slice(&key.value()[now.len()..]),
                    }
                    nodes.insert(old.as_slice(), value.value()).unwrap();
                }
                let mut old = row.born.to_be_bytes().to_vec();
                if form < 3 {
                    old.extend_from_slice(&row.touched.0.to_be_bytes());
                    let creator = row.creator.as_ref().map_or("", SrvId::as_str);
                    old.extend_from_slice(creator.as_bytes());
                }
                stored.insert(former.as_slice(), old.as_slice()).unwrap();
                if form == 2 && *moid == gps() {
                    let access = rights_row::encode(&AccessList::of_creator(&srv()));
                    rights.insert(former.as_slice(), access.as_slice()).unwrap();
                }
            }
        }
        drop(tables);
        for (of_now, since) in [(TREES, 6), (LISTS, 6), (PROPERTIES, 5), (MOIDS, 4)] {
            if form < since {
                assert!(transaction.delete_table(of_now).unwrap());
            }
        }
        if form != 2 {
            assert!(transaction.delete_table(RIGHTS).unwrap());
        }
        if form == 1 {
            assert!(transaction.delete_table(SHADOWS).unwrap());
        }
        transaction.commit().unwrap();
        drop(database);
        disk.survivor()
    }

    /// A leaf, and one a level deeper.
    fn content() -> Node {
        let mut root = Node::empty();
        for (path, value) in [("A", "one"), ("B/C", "two")] {
            let leaf = Node::from(Value::chr(value));
            root.put(&NodePath::of(path).unwrap(), leaf);
        }
        root
    }

    fn check(store: &TreeStore, context: u64) {
        let view = store.snapshot().unwrap();
        let rights = |moid: &Moid| view.access(moid, &miid_of(moid)).unwrap();
        assert_eq!(rights(&gps()), AccessList::of_creator(&srv()), "{context}");
        assert_eq!(rights(&gps()).rights(&srv()), Rights::FULL);
        assert_eq!(rights(&dm_acc::moid()), AccessList::none());
        assert_eq!(rights(&dev_info::moid()), AccessList::none());
        assert_eq!(view.version(), TreeVersion(1));
        let governed = view.governed().unwrap();
        assert_eq!(governed.len(), 3);
        for one in governed {
            let root = NodeAddress::root(one.moid.clone(), one.miid.clone());
            assert_eq!(view.instances(&one.moid).unwrap(), [one.miid]);
            assert!(view.subtree(&root).unwrap() == Some(content()), "{context}");
        }
        let fresh = facts::read_u64(&view.facts, facts::OCTETS).unwrap();
        assert_eq!(fresh, view.octets_counted().unwrap(), "{context}");
    }

    #[test]
    fn x_dac_001_a_store_without_rights_is_read_as_its_creators_having_all() {
        opened_twice(1);
    }

    #[test]
    fn a_store_with_rights_in_a_table_of_their_own_is_read_as_it_was() {
        opened_twice(2);
    }

    #[test]
    fn a_store_with_moids_in_its_keys_is_read_as_it_was() {
        opened_twice(3);
    }

    #[test]
    fn a_store_without_properties_is_read_as_it_was() {
        opened_twice(4);
    }

    #[test]
    fn a_store_with_texts_for_counted_miids_in_its_keys_is_read_as_it_was() {
        opened_twice(5);
    }

    fn opened_twice(form: u32) {
        let disk = Disk::holding(&of_form(form));
        check(&open_on(&disk), 0);
        // The second time there is nothing to do.
        check(&open_on(&Disk::holding(&disk.survivor())), 0);
    }

    #[test]
    fn a_cut_at_any_write_of_the_upgrade_leaves_a_store_that_can_be_upgraded() {
        for form in [1, 2, 3, 4, 5] {
            let before = of_form(form);
            let mut points = 0;
            for n in 0.. {
                let disk = Disk::holding(&before);
                disk.arm(n, Fault::Tear(n));
                let backend = disk.clone();
                drop(TreeStore::with_backend(move || backend.clone(), 7));
                check(&open_on(&Disk::holding(&disk.survivor())), n);
                if !disk.fired() {
                    break;
                }
                points += 1;
            }
            assert!(points > 0);
        }
    }
}
