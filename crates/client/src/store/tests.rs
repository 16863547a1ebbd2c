//! The store against [`MemoryTree`], and the life of its file.

use std::fs;
use std::path::Path;

use omadm_bootstrap::plan::{ApplyError, PlanStep, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView, EventId,
    OwedCompletion, PayloadHash, ProfileFormat, Provenance,
};
use omadm_mo::{
    MemoryTree, Miid, Moid, Node, NodeAddress, NodeName, NodePath, SrvId, TreeError, TreeVersion,
    TreeView, TreeWrite, Value,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::open::FORMAT;
use super::power_cut::Disk;
use super::power_cut_tests::acknowledge;
use super::{StoreOpenError, TreeStore};

const NAMES: [&str; 5] = ["a", "a!", "ab", "b", "ü"];

#[derive(Clone, Debug)]
enum Operation {
    Put(NodeAddress, Node),
    Remove(NodeAddress),
    Count(Moid, u64),
}

fn moid(n: usize) -> Moid {
    Moid::parse(["urn:x", "urn:x:y"][n]).unwrap()
}

fn addresses() -> impl Strategy<Value = NodeAddress> {
    let path = vec(0..NAMES.len(), 0..4)
        .prop_map(|names| names.into_iter().map(name).collect::<NodePath>());
    (0usize..2, 0usize..3, path).prop_map(|(m, i, path)| {
        NodeAddress::root(moid(m), Miid::parse(["1", "11", "x y"][i]).unwrap()).with_path(path)
    })
}

fn name(n: usize) -> NodeName {
    NodeName::parse(NAMES[n]).unwrap()
}

fn nodes() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Int),
        ".{0,9}".prop_map(Value::chr),
        vec(any::<u8>(), 0..40).prop_map(Value::bin),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_map(Node::Leaf).prop_recursive(3, 24, 5, |inner| {
        btree_map((0..NAMES.len()).prop_map(name), inner, 0..5).prop_map(Node::Interior)
    })
}

fn operations() -> impl Strategy<Value = Vec<Vec<Operation>>> {
    let operation = prop_oneof![
        5 => (addresses(), nodes()).prop_map(|(at, node)| Operation::Put(at, node)),
        3 => addresses().prop_map(Operation::Remove),
        1 => (0usize..2, 0u64..9).prop_map(|(m, n)| Operation::Count(moid(m), n)),
    ];
    vec(vec(operation, 1..5), 1..7)
}

fn carry_out(tree: &mut dyn TreeWrite, operations: &[Operation]) -> Result<(), TreeError> {
    for operation in operations {
        match operation {
            Operation::Put(at, node) => tree.put(at, node)?,
            Operation::Remove(at) => tree.remove(at)?,
            Operation::Count(moid, n) => tree.count_miids(moid, *n)?,
        }
    }
    Ok(())
}

/// Everything a view tells, through every one of its methods.
fn told(tree: &dyn TreeView) -> Result<Vec<String>, TreeError> {
    let mut all = vec![format!("{:?}", tree.version())];
    for moid in [moid(0), moid(1)] {
        all.push(format!(
            "{:?} {:?}",
            tree.instances(&moid)?,
            tree.counted_miids(&moid)?
        ));
        for miid in tree.instances(&moid)? {
            let root = NodeAddress::root(moid.clone(), miid.clone());
            all.push(format!(
                "{:?} {:?}",
                tree.validator(&moid, &miid)?,
                tree.children(&root, Some(&name(1)))?
            ));
            for (path, value) in tree.subtree(&root)?.iter().flat_map(Node::leaves) {
                let at = root.with_path(path);
                assert!(tree.leaf(&at)?.as_ref() == Some(value));
                all.push(format!(
                    "{at} {:?} {:?} {}",
                    tree.kind(&at)?,
                    value.format(),
                    &*value.to_text()
                ));
            }
            let mut open = vec![root];
            while let Some(at) = open.pop() {
                let children = tree.all_children(&at)?;
                all.push(format!("{at} {:?} {children:?}", tree.kind(&at)?));
                let leaves = tree.subtree(&at)?;
                let leaves: Vec<_> = leaves.iter().flat_map(Node::leaves).collect();
                all.push(format!(
                    "{:?}",
                    leaves
                        .into_iter()
                        .map(|(path, _)| path.to_string())
                        .collect::<Vec<_>>()
                ));
                open.extend(children.into_iter().map(|(name, _)| at.child(name)));
            }
        }
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_behaves_as_the_tree_in_memory_does(transactions in operations()) {
        let store = in_memory();
        let mut memory = MemoryTree::new(7);
        for operations in transactions {
            carry_out(&mut memory, &operations).unwrap();
            let inside = store.write(|tables| {
                carry_out(tables, &operations)?;
                Ok::<_, TreeError>(Some(told(tables)?))
            });
            prop_assert_eq!(inside.unwrap().unwrap().0, told(&memory).unwrap());
            memory.commit();
            prop_assert_eq!(told(&store.snapshot().unwrap()).unwrap(), told(&memory).unwrap());
        }
    }
}

#[test]
fn children_come_in_pages_and_none_is_missed() {
    let store = in_memory();
    let root = NodeAddress::root(moid(0), Miid::counted(1));
    let mut plan = TreePlan::at(TreeVersion(0));
    for n in 0..200 {
        let at = root
            .child(NodeName::parse(&format!("n{n:03}")).unwrap())
            .child(name(0));
        plan.steps.push(PlanStep::Replace {
            at,
            node: Value::Int(n).into(),
        });
    }
    store.apply(&plan).unwrap();
    let view = store.snapshot().unwrap();
    assert_eq!(view.children(&root, None).unwrap().len(), 64);
    let all: Vec<_> = view
        .all_children(&root)
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(all.len() == 200 && all.is_sorted());
}

#[test]
fn a_stale_or_failing_plan_leaves_nothing() {
    let store = in_memory();
    let root = NodeAddress::root(moid(0), Miid::counted(1));
    let mut plan = TreePlan::at(TreeVersion(0));
    plan.steps.push(PlanStep::Replace {
        at: root.clone(),
        node: Node::empty(),
    });
    assert_eq!(store.apply(&plan), Ok(TreeVersion(1)));
    assert_eq!(
        store.apply(&plan),
        Err(ApplyError::Stale {
            expected: TreeVersion(0),
            found: TreeVersion(1)
        })
    );
    let failed = store.write(|tables| {
        tables.remove(&root)?;
        Err::<Option<()>, _>(TreeError::NoRoom)
    });
    assert_eq!(failed, Err(TreeError::NoRoom));
    let view = store.snapshot().unwrap();
    assert_eq!(
        (view.version(), view.kind(&root).unwrap()),
        (TreeVersion(1), Some(omadm_mo::NodeKind::Interior))
    );
}

#[test]
fn a_snapshot_stays_as_it_was_taken() {
    let store = in_memory();
    let before = store.snapshot().unwrap();
    store
        .apply(&bootstrap("dms", BootstrapKind::First, 0))
        .unwrap();
    assert!(before.accounts().unwrap().is_empty() && before.version() == TreeVersion(0));
    assert_eq!(store.snapshot().unwrap().accounts().unwrap().len(), 1);
}

#[test]
fn accounts_keep_their_order_when_one_is_replaced_d15() {
    let store = in_memory();
    for (version, server) in ["b", "a", "c", "a"].into_iter().enumerate() {
        store
            .apply(&bootstrap(server, BootstrapKind::First, version as u64))
            .unwrap();
    }
    let mut plan = TreePlan::at(TreeVersion(4));
    plan.removed_accounts.push(srv("b"));
    store.apply(&plan).unwrap();
    store
        .apply(&bootstrap("b", BootstrapKind::First, 5))
        .unwrap();
    let servers: Vec<_> = store
        .snapshot()
        .unwrap()
        .accounts()
        .unwrap()
        .into_iter()
        .map(|a| a.srv_id.to_string())
        .collect();
    assert_eq!(servers, ["a", "c", "b"]);
}

#[test]
fn an_answer_to_an_older_event_settles_nothing() {
    let store = in_memory();
    store
        .apply(&bootstrap("dms", BootstrapKind::First, 0))
        .unwrap();
    assert!(!acknowledge(&store, &srv("dms"), 9).unwrap());
    assert_eq!(store.snapshot().unwrap().version(), TreeVersion(1));
    assert!(acknowledge(&store, &srv("dms"), 1).unwrap());
    assert!(!acknowledge(&store, &srv("dms"), 1).unwrap());
}

#[test]
fn alerts_survive_a_restart_and_go_with_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.redb");
    let store = TreeStore::open(&file, 7).unwrap();
    store
        .apply(&bootstrap("dms", BootstrapKind::First, 0))
        .unwrap();
    store
        .apply(&bootstrap("dms2", BootstrapKind::First, 1))
        .unwrap();
    for n in 0..3 {
        assert_eq!(
            store.queue_alert(&srv("dms"), &format!("[{n}]")),
            Ok(Some(2 * n + 1))
        );
        assert_eq!(store.queue_alert(&srv("dms2"), "{}"), Ok(Some(2 * n + 2)));
    }
    assert_eq!(store.queue_alert(&srv("nobody"), "{}"), Ok(None));
    drop(store);
    let store = TreeStore::open(&file, 8).unwrap();
    let texts = |server| -> Vec<_> {
        store
            .queued_alerts(&srv(server))
            .unwrap()
            .into_iter()
            .map(|alert| alert.json)
            .collect()
    };
    assert_eq!(texts("dms"), ["[0]", "[1]", "[2]"]);
    store.drop_alerts(&srv("dms"), 3).unwrap();
    assert_eq!((texts("dms").len(), texts("dms2").len()), (1, 3));
    let mut plan = TreePlan::at(TreeVersion(2));
    plan.removed_accounts.push(srv("dms"));
    store.apply(&plan).unwrap();
    assert_eq!((texts("dms").len(), texts("dms2").len()), (0, 3));
}

#[test]
fn a_factory_reset_leaves_nothing_but_its_mark_until_the_next_bootstrap() {
    let store = in_memory();
    store
        .apply(&bootstrap("dms", BootstrapKind::First, 0))
        .unwrap();
    store.set_fact("card", Some(b"89")).unwrap();
    assert_eq!(store.fact("card").unwrap().as_deref(), Some(&b"89"[..]));
    store.factory_reset(8).unwrap();
    assert!(store.is_after_factory_reset().unwrap() && store.fact("card").unwrap().is_none());
    assert!(store.snapshot().unwrap().accounts().unwrap().is_empty());
    store
        .apply(&bootstrap("dms", BootstrapKind::Reset, 2))
        .unwrap();
    assert!(!store.is_after_factory_reset().unwrap());
}

#[test]
fn a_new_store_is_the_owners_alone_and_keeps_its_epoch_d76() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.redb");
    fs::write(&file, "").unwrap();
    fs::write(
        folder.path().join("tree.redb.new"),
        "left over from a power cut",
    )
    .unwrap();
    for epoch in [0x0a, 0x0b] {
        let store = TreeStore::open(&file, epoch).unwrap();
        let at = NodeAddress::root(moid(0), Miid::counted(1));
        let version = store.snapshot().unwrap().version();
        let steps = vec![PlanStep::Replace {
            at: at.clone(),
            node: Node::empty(),
        }];
        store
            .apply(&TreePlan {
                steps,
                ..TreePlan::at(version)
            })
            .unwrap();
        let validator = store
            .snapshot()
            .unwrap()
            .validator(&at.moid, &at.miid)
            .unwrap()
            .unwrap();
        assert_eq!(validator.as_str(), format!("0000000a-{}", version.0 + 1));
        drop(store);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_store_in_use_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.redb");
    let _open = TreeStore::open(&file, 7).unwrap();
    assert!(matches!(refused(&file), StoreOpenError::Locked { file: named } if named == file));
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.redb");
    drop(TreeStore::open(&file, 7).unwrap());
    let whole = fs::read(&file).unwrap();
    let mut blank = whole.clone();
    blank[..4096].fill(0);
    for octets in [
        b"[identity]\n".to_vec(),
        vec![0; 100],
        whole[..5000].to_vec(),
        blank,
    ] {
        fs::write(&file, &octets).unwrap();
        let why = refused(&file);
        assert!(
            matches!(why, StoreOpenError::Corrupt { .. }) && why.to_string().contains("tree.redb"),
            "{why}"
        );
        assert!(fs::read(&file).unwrap() == octets);
    }
    fs::remove_file(&file).unwrap();
    let foreign = redb::Database::create(&file).unwrap();
    let transaction = foreign.begin_write().unwrap();
    transaction
        .open_table(redb::TableDefinition::<&str, u64>::new("other"))
        .unwrap();
    transaction.commit().unwrap();
    drop(foreign);
    assert!(matches!(refused(&file), StoreOpenError::Corrupt { .. }));
}

#[test]
fn a_store_of_a_newer_version_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.redb");
    let store = TreeStore::open(&file, 7).unwrap();
    store
        .write_aside(|tables| {
            let newer = (FORMAT + 1).to_be_bytes();
            super::facts::write(&mut tables.facts, super::facts::FORMAT, &newer).map(Some)
        })
        .unwrap();
    drop(store);
    let why = refused(&file);
    assert!(
        matches!(
            why,
            StoreOpenError::Newer { found, known: FORMAT, .. } if found == FORMAT + 1
        ) && why.to_string().contains("tree.redb"),
        "{why}"
    );
}

fn refused(file: &Path) -> StoreOpenError {
    TreeStore::open(file, 7).err().unwrap()
}

fn in_memory() -> TreeStore {
    let disk = Disk::default();
    TreeStore::with_backend(move || disk.clone(), 7).unwrap_or_else(|why| panic!("{why}"))
}

fn srv(text: &str) -> SrvId {
    SrvId::parse(text).unwrap()
}

fn bootstrap(server: &str, kind: BootstrapKind, version: u64) -> TreePlan {
    let provenance = Provenance {
        method: BootstrapMethod::Factory,
        format: ProfileFormat::Dm2,
        kind,
        seq: 1,
        at: None,
        event_id: EventId::of([1; 16]),
        payload_hash: PayloadHash::of(b""),
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
    };
    let account = Account {
        perm: vec![moid(0)],
        owed: Some(OwedCompletion::fresh()),
        ..Account::new(srv(server), Miid::counted(1), provenance)
    };
    TreePlan {
        accounts: vec![account],
        ..TreePlan::at(TreeVersion(version))
    }
}
