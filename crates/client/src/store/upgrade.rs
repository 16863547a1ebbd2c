//! From the form of file of an older build to this one's, in one transaction: a power cut leaves the one or the other.

use omadm_mo::standard::dm_acc;
use omadm_mo::{AccessList, TreeError};
use redb::Database;

use super::device_write::WriteTxn;
use super::storage_error::tree_error;
use super::{facts, open};

/// Form 1 had no rights: the creator of an instance had all of them, and nobody else any. Form 2 keeps them beside the instance (`dm20.md` §13), and the former
/// credentials of accounts (D82).
pub(super) fn from_form_1(database: &Database) -> Result<(), TreeError> {
    let transaction = database.begin_write().map_err(tree_error)?;
    {
        let mut tables = WriteTxn::of(&transaction)?;
        for (row, moid, miid) in tables.stored_instances()? {
            let given = row.creator.filter(|_| moid != dm_acc::moid());
            if let Some(creator) = given {
                tables.put_rights(&moid, &miid, &AccessList::of_creator(&creator))?;
            }
        }
        facts::write(
            &mut tables.facts,
            facts::FORMAT,
            &open::FORMAT.to_be_bytes(),
        )?;
    }
    transaction.commit().map_err(tree_error)
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::DeviceView as _;
    use omadm_bootstrap::plan::{PlanStep, TreePlan};
    use omadm_mo::standard::{dev_info, dm_acc};
    use omadm_mo::{AccessList, Miid, Moid, Node, Rights, SrvId, TreeVersion, TreeView as _};

    use super::super::device_tables::{RIGHTS, SHADOWS};
    use super::super::device_write::WriteTxn;
    use super::super::power_cut::{Disk, Fault};
    use super::super::{TreeStore, facts, open};

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

    /// A store as form 1 was: no rights, no shadows.
    fn form_1() -> Vec<u8> {
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
        facts::write(&mut tables.facts, facts::FORMAT, &1u32.to_be_bytes()).unwrap();
        drop(tables);
        assert!(transaction.delete_table(RIGHTS).unwrap());
        assert!(transaction.delete_table(SHADOWS).unwrap());
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
        let disk = Disk::holding(&form_1());
        check(&open_on(&disk), 0);
        // The second time there is nothing to do.
        check(&open_on(&Disk::holding(&disk.survivor())), 0);
    }

    #[test]
    fn a_cut_at_any_write_of_the_upgrade_leaves_a_store_that_can_be_upgraded() {
        let before = form_1();
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
