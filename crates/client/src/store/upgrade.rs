//! From the form of file of an older build to this one's, in one transaction: a power cut leaves the one or the other.

use omadm_mo::standard::dm_acc;
use omadm_mo::{AccessList, TreeError};
use redb::{Database, ReadableTable as _, WriteTransaction};

use super::device_tables::{Definition, INSTANCES};
use super::device_write::WriteTxn;
use super::instance_row::InstanceRow;
use super::storage_error::{damaged, tree_error};
use super::{facts, node_key, open, rights_row};

/// Rights on instances in form 2, by the keys of the instances.
const RIGHTS: Definition = redb::TableDefinition::new("rights");

/// Form 1 had no rights: the creator of an instance had all of them, and nobody else any (`dm20.md` §13). Form 2 kept them in a table of their own, and what else
/// is known of an instance in `instances`; form 3 has both beside the root. The former credentials of accounts (D82) came with form 2.
pub(super) fn from_form(form: u32, database: &Database) -> Result<(), TreeError> {
    let transaction = database.begin_write().map_err(tree_error)?;
    let instances = instances(form, &transaction)?;
    transaction.delete_table(RIGHTS).map_err(tree_error)?;
    {
        let mut tables = WriteTxn::of(&transaction)?;
        for (key, row) in instances {
            let (moid, miid) = node_key::instance(&key).ok_or_else(|| damaged("an instance"))?;
            tables.list(&moid, &miid, &row)?;
            tables.put_instance(&moid, &miid, &row)?;
        }
        facts::write(
            &mut tables.facts,
            facts::FORMAT,
            &open::FORMAT.to_be_bytes(),
        )?;
    }
    transaction.commit().map_err(tree_error)
}

/// The instances of an older form with their keys.
fn instances(
    form: u32,
    transaction: &WriteTransaction,
) -> Result<Vec<(Vec<u8>, InstanceRow)>, TreeError> {
    let open = |definition: Definition| transaction.open_table(definition).map_err(tree_error);
    let (stored, rights) = (open(INSTANCES)?, open(RIGHTS)?);
    let mut found = Vec::new();
    for entry in stored.iter().map_err(tree_error)? {
        let (key, row) = entry.map_err(tree_error)?;
        let key = key.value().to_vec();
        let row = InstanceRow::decode_form_2(row.value());
        let mut row = row.ok_or_else(|| damaged("an instance"))?;
        if form == 1 {
            let (moid, _) = node_key::instance(&key).ok_or_else(|| damaged("an instance"))?;
            let creator = row.creator.as_ref().filter(|_| moid != dm_acc::moid());
            row.access = creator.map_or_else(AccessList::none, AccessList::of_creator);
        } else if let Some(stored) = rights.get(key.as_slice()).map_err(tree_error)? {
            let access = rights_row::decode(stored.value());
            row.access = access.ok_or_else(|| damaged("rights on an instance"))?;
        }
        found.push((key, row));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::DeviceView as _;
    use omadm_bootstrap::plan::{PlanStep, TreePlan};
    use omadm_mo::standard::{dev_info, dm_acc};
    use omadm_mo::{AccessList, Miid, Moid, Node, Rights, SrvId, TreeVersion, TreeView as _};

    use super::super::device_tables::{INSTANCES, NODES, SHADOWS};
    use super::super::device_write::WriteTxn;
    use super::super::power_cut::{Disk, Fault};
    use super::super::{TreeStore, facts, node_key, open, rights_row};
    use super::RIGHTS;

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

    /// A store as form 1 was, without rights and shadows, or as form 2 was, with rights in a table of their own.
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
                moid,
                miid: Miid::counted(1),
                root: Node::empty(),
                creator,
            });
        }
        store.apply(&plan).unwrap();
        drop(store);
        let database = open::open_backend(disk.clone()).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut tables = WriteTxn::of(&transaction).unwrap();
        facts::write(&mut tables.facts, facts::FORMAT, &form.to_be_bytes()).unwrap();
        let instances = tables.stored_instances().unwrap();
        drop(tables);
        {
            let mut nodes = transaction.open_table(NODES).unwrap();
            let mut stored = transaction.open_table(INSTANCES).unwrap();
            let mut rights = transaction.open_table(RIGHTS).unwrap();
            for (row, moid, miid) in instances {
                let key = node_key::of_instance(&moid, &miid);
                nodes.remove(key.as_slice()).unwrap().unwrap();
                let mut old = row.born.to_be_bytes().to_vec();
                old.extend_from_slice(&row.touched.0.to_be_bytes());
                let creator = row.creator.as_ref().map_or("", SrvId::as_str);
                old.extend_from_slice(creator.as_bytes());
                stored.insert(key.as_slice(), old.as_slice()).unwrap();
                if moid == gps() {
                    let access = rights_row::encode(&AccessList::of_creator(&srv()));
                    rights.insert(key.as_slice(), access.as_slice()).unwrap();
                }
            }
        }
        if form == 1 {
            assert!(transaction.delete_table(RIGHTS).unwrap());
            assert!(transaction.delete_table(SHADOWS).unwrap());
        }
        transaction.commit().unwrap();
        drop(database);
        disk.survivor()
    }

    fn check(store: &TreeStore, context: u64) {
        let view = store.snapshot().unwrap();
        let rights = |moid: &Moid| view.access(moid, &Miid::counted(1)).unwrap();
        assert_eq!(rights(&gps()), AccessList::of_creator(&srv()), "{context}");
        assert_eq!(rights(&gps()).rights(&srv()), Rights::FULL);
        assert_eq!(rights(&dm_acc::moid()), AccessList::none());
        assert_eq!(rights(&dev_info::moid()), AccessList::none());
        assert_eq!(view.version(), TreeVersion(1));
        assert_eq!(view.governed().unwrap().len(), 3);
    }

    #[test]
    fn x_dac_001_a_store_without_rights_is_read_as_its_creators_having_all() {
        opened_twice(1);
    }

    #[test]
    fn a_store_with_rights_in_a_table_of_their_own_is_read_as_it_was() {
        opened_twice(2);
    }

    fn opened_twice(form: u32) {
        let disk = Disk::holding(&of_form(form));
        check(&open_on(&disk), 0);
        // The second time there is nothing to do.
        check(&open_on(&Disk::holding(&disk.survivor())), 0);
    }

    #[test]
    fn a_cut_at_any_write_of_the_upgrade_leaves_a_store_that_can_be_upgraded() {
        for form in [1, 2] {
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
