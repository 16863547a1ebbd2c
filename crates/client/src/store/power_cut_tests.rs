//! Power cuts and full disks at every write of an apply (DESIGN §4 rule 1, §10).

use omadm_bootstrap::plan::{
    ApplyError, PlanStep, PropertiesChange, RightsChange, TreePlan, plan_acknowledgement,
    plan_shadows,
};
use omadm_bootstrap::{
    Account, AccountShadow, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity,
    DeviceView, EventId, OwedCompletion, PayloadHash, ProfileFormat, Provenance, ProvidedInstance,
    ShadowCause, Utc,
};
use omadm_mo::standard::dm_acc::{self, AuthTrsp, DmAcc};
use omadm_mo::{
    AccessList, Acl, Miid, Moid, Node, NodeAddress, NodePath, NodeProperties, Rights, Secret,
    ServerUri, SrvId, TreeError, TreeView, Value,
};

use super::power_cut::{Disk, Fault};
use super::{QueuedAlert, TreeStore, WaitingPush};

/// Everything that an apply changes together.
#[derive(PartialEq, Debug)]
struct Seen {
    version: u64,
    instances: Vec<(Moid, Miid, Option<SrvId>, AccessList, String, Node)>,
    counted: Vec<u64>,
    accounts: Vec<Account>,
    shadow: Option<AccountShadow>,
    alerts: Vec<QueuedAlert>,
    properties: Vec<(NodeAddress, NodeProperties)>,
    after_reset: bool,
    factory_image: Option<PayloadHash>,
}

fn moids() -> [Moid; 2] {
    [
        dm_acc::moid(),
        Moid::parse("urn:example:mo:apn:1.0").unwrap(),
    ]
}

fn srv_id() -> SrvId {
    SrvId::parse("dms.example.com").unwrap()
}

fn look(store: &TreeStore) -> Seen {
    let view = store.snapshot().unwrap();
    let mut instances = Vec::new();
    for moid in moids() {
        for miid in view.instances(&moid).unwrap() {
            let root = NodeAddress::root(moid.clone(), miid.clone());
            let validator = view.validator(&moid, &miid).unwrap().unwrap().to_string();
            let node = view.subtree(&root).unwrap().unwrap();
            instances.push((
                moid.clone(),
                miid.clone(),
                view.creator(&moid, &miid).unwrap(),
                view.access(&moid, &miid).unwrap(),
                validator,
                node,
            ));
        }
    }
    Seen {
        version: view.version().0,
        instances,
        counted: moids()
            .iter()
            .map(|moid| view.counted_miids(moid).unwrap())
            .collect(),
        accounts: view.accounts().unwrap(),
        shadow: view.shadow(&srv_id()).unwrap(),
        alerts: store.queued_alerts(&srv_id()).unwrap(),
        properties: view.all_properties().unwrap(),
        after_reset: store.is_after_factory_reset().unwrap(),
        factory_image: store.factory_image().unwrap(),
    }
}

fn account(seq: u8, kind: BootstrapKind, provided: Vec<ProvidedInstance>) -> Account {
    let provenance = Provenance {
        method: BootstrapMethod::ClientInitiated,
        format: ProfileFormat::Dm2,
        kind,
        seq: seq.into(),
        at: Some(Utc(1_700_000_000_000)),
        event_id: EventId::of([seq; 16]),
        payload_hash: PayloadHash::of(&[seq]),
        source: BootstrapSource::Server("https://boot.example.com:443".into()),
        channel: ChannelSecurity::MutualTls,
    };
    Account {
        perm: moids().to_vec(),
        provided,
        owed: Some(OwedCompletion::fresh()),
        ..Account::new(srv_id(), Miid::counted(1), provenance)
    }
}

fn account_node(seq: u8) -> Node {
    let uri = ServerUri::parse("https://dms.example.com/dm").unwrap();
    let mut account = DmAcc::new(srv_id(), uri, format!("Server {seq}"), moids().to_vec());
    account.trsp = Some(AuthTrsp {
        data: vec![seq; 900],
        secret: Secret::new(vec![seq; 1200]),
    });
    let mut node = account.to_node();
    let state = NodePath::of("Ext/Bootstrap/State").unwrap();
    node.put(&state, Value::chr("pending").into());
    node
}

fn apn(seq: u8, names: usize) -> Node {
    let mut node = Node::empty();
    for n in 0..names {
        node.put(
            &NodePath::of(&format!("Conn/{n}/Name")).unwrap(),
            Value::chr(format!("apn{seq}-{n}")).into(),
        );
        node.put(
            &NodePath::of(&format!("Conn/{n}/Blob")).unwrap(),
            Value::bin(vec![seq; 300]).into(),
        );
    }
    node
}

fn provided(miids: &[u64]) -> Vec<ProvidedInstance> {
    let instance = |(position, n): (usize, &u64)| ProvidedInstance {
        moid: moids()[1].clone(),
        position,
        miid: Miid::counted(*n),
    };
    miids.iter().enumerate().map(instance).collect()
}

/// The first bootstrap after a factory reset.
fn first(store: &TreeStore) -> TreePlan {
    let [acc, other] = moids();
    let add = |moid: &Moid, n, root| PlanStep::Add {
        moid: moid.clone(),
        miid: Miid::counted(n),
        root,
        creator: Some(srv_id()),
    };
    let mut plan = TreePlan::at(store.snapshot().unwrap().version());
    plan.steps = vec![
        add(&acc, 1, account_node(1)),
        add(&other, 1, apn(1, 8)),
        add(&other, 2, apn(1, 8)),
    ];
    plan.accounts = vec![account(1, BootstrapKind::Reset, provided(&[1, 2]))];
    for (n, path) in [(1, ""), (1, "Conn/0/Name"), (2, "Conn")] {
        let root = NodeAddress::root(moids()[1].clone(), Miid::counted(n));
        plan.properties.push(PropertiesChange {
            live: false,
            at: root.with_path(NodePath::of(path).unwrap()),
            acl: Acl::parse("Get=*").unwrap(),
            title: Some("The first".into()),
        });
    }
    plan
}

/// The same by the factory image, which leaves its mark in the same transaction (D50).
fn image(store: &TreeStore) -> TreePlan {
    let mut plan = first(store);
    let provenance = &mut plan.accounts[0].provenance;
    provenance.method = BootstrapMethod::Factory;
    provenance.source = BootstrapSource::FactoryImage;
    provenance.channel = ChannelSecurity::Local;
    plan
}

/// A bootstrap again: account and one instance replaced, one gone, one new; another server gets rights.
fn again(store: &TreeStore) -> TreePlan {
    let [acc, other] = moids();
    let root = |moid: &Moid, n| NodeAddress::root(moid.clone(), Miid::counted(n));
    let mut plan = TreePlan::at(store.snapshot().unwrap().version());
    plan.steps = vec![
        PlanStep::Replace {
            at: root(&acc, 1),
            node: account_node(2),
        },
        PlanStep::Replace {
            at: root(&other, 1),
            node: apn(2, 20),
        },
        PlanStep::Remove {
            at: root(&other, 2),
        },
        PlanStep::Add {
            moid: other.clone(),
            miid: Miid::counted(3),
            root: apn(2, 40),
            creator: Some(srv_id()),
        },
    ];
    let mut access = AccessList::of_creator(&srv_id());
    access.allow(&SrvId::parse("shop.example.com").unwrap(), Rights::READ);
    plan.rights = vec![RightsChange {
        moid: other,
        miid: Miid::counted(1),
        access,
    }];
    plan_shadows(
        &store.snapshot().unwrap(),
        &mut plan,
        ShadowCause::Bootstrap,
    )
    .unwrap();
    assert!(plan.shadows.len() == 1 && plan.shadows[0].shadow.is_some());
    plan.accounts = vec![account(2, BootstrapKind::Re, provided(&[1, 3]))];
    plan
}

fn open(disk: &Disk) -> TreeStore {
    let disk = disk.clone();
    TreeStore::with_backend(move || disk.clone(), 0x5f2a).unwrap_or_else(|why| panic!("{why}"))
}

/// A disk with a device that was reset and not bootstrapped yet, and one with a bootstrapped device whose completion was acknowledged.
fn bases() -> [(&'static str, Disk, Plan); 3] {
    let disk = Disk::default();
    let store = open(&disk);
    store.factory_reset(0x5f2b).unwrap();
    drop(store);
    let reset = disk.survivor();
    let store = open(&disk);
    store.apply(&first(&store)).unwrap();
    assert!(acknowledge(&store, &srv_id(), 1).unwrap());
    store.queue_alert(&srv_id(), "{}").unwrap().unwrap();
    drop(store);
    [
        ("first bootstrap", Disk::holding(&reset), first),
        ("bootstrap again", Disk::holding(&disk.survivor()), again),
        ("factory image", Disk::holding(&reset), image),
    ]
}

type Plan = fn(&TreeStore) -> TreePlan;

fn old_and_new(base: &Disk, plan: Plan) -> (Seen, Seen) {
    let store = open(&Disk::holding(&base.survivor()));
    let old = look(&store);
    store.apply(&plan(&store)).unwrap();
    let new = look(&store);
    assert!(
        new.accounts[0].owed.is_some()
            && old != new
            && old.version + 1 == new.version
            && !new.after_reset
    );
    let by_image = new.accounts[0].provenance.method == BootstrapMethod::Factory;
    assert_eq!(
        (old.factory_image, new.factory_image.is_some()),
        (None, by_image)
    );
    (old, new)
}

/// Runs one apply and the closing of the store with a fault at the n-th operation; answers the disk and whether apply reported success.
fn apply_with(base: &Disk, plan: Plan, n: u64, fault: Fault) -> (Disk, Result<(), ApplyError>) {
    let disk = Disk::holding(&base.survivor());
    let store = open(&disk);
    let plan = plan(&store);
    disk.arm(n, fault);
    let outcome = store.apply(&plan).map(|_| ());
    drop(store);
    (disk, outcome)
}

/// Walks a kind of fault over every operation and calls `judge` with what survived; answers how many points there were.
fn walk(
    base: &Disk,
    plan: Plan,
    fault: impl Fn(u64) -> Fault,
    mut judge: impl FnMut(u64, Seen, bool),
) -> u64 {
    for n in 0.. {
        let (disk, outcome) = apply_with(base, plan, n, fault(n));
        let survived = open(&Disk::holding(&disk.survivor()));
        judge(n, look(&survived), outcome.is_ok());
        if !disk.fired() {
            assert!(outcome.is_ok());
            return n;
        }
        assert!(disk.is_dead());
    }
    0
}

#[test]
fn a_cut_at_any_write_of_apply_leaves_the_old_tree_or_the_new_one() {
    for (name, base, plan) in bases() {
        let (old, new) = old_and_new(&base, plan);
        let (mut olds, mut news) = (0, 0);
        let mut judge = |n, seen: Seen, applied: bool| {
            if seen == new {
                news += 1;
            } else {
                assert!(
                    seen == old,
                    "{name}: a mixture after a fault at operation {n}"
                );
                assert!(
                    !applied,
                    "{name}: reported as applied and lost at operation {n}"
                );
                olds += 1;
            }
        };
        let mut points = walk(&base, plan, |_| Fault::Cut, &mut judge);
        for seed in 0..12 {
            points += walk(&base, plan, |n| Fault::Tear(seed << 32 | n), &mut judge);
        }
        println!(
            "{name}: {points} cut points walked, {olds} times the old tree, {news} times the new one"
        );
        assert!(points > 0 && olds > 0 && news > 0);
    }
}

#[test]
fn owed_completion_survives_power_cut_after_apply() {
    for (name, base, plan) in bases() {
        let disk = Disk::holding(&base.survivor());
        let store = open(&disk);
        store.apply(&plan(&store)).unwrap();
        disk.arm(0, Fault::Cut);
        drop(store);
        let after = Disk::holding(&disk.survivor());
        let store = open(&after);
        let account = store
            .snapshot()
            .unwrap()
            .account(&srv_id())
            .unwrap()
            .unwrap();
        assert_eq!(account.owed, Some(OwedCompletion::fresh()), "{name}");
        let failed = store
            .completion_failed(&srv_id(), &account.provenance.event_id, Utc(5), 0, Some(9))
            .unwrap()
            .unwrap();
        after.arm(0, Fault::Cut);
        drop(store);
        let store = open(&Disk::holding(&after.survivor()));
        let account = store
            .snapshot()
            .unwrap()
            .account(&srv_id())
            .unwrap()
            .unwrap();
        assert_eq!((account.owed, failed.attempts), (Some(failed), 1), "{name}");
    }
}

#[test]
fn a_cut_at_any_write_of_the_acknowledgement_leaves_it_owed_or_acked_in_both_places() {
    let disk = Disk::default();
    let store = open(&disk);
    store.apply(&first(&store)).unwrap();
    drop(store);
    let state = NodeAddress::root(dm_acc::moid(), Miid::counted(1))
        .with_path(NodePath::of("Ext/Bootstrap/State").unwrap());
    let mut points = 0;
    for n in 0.. {
        let torn = Disk::holding(&disk.survivor());
        let store = open(&torn);
        torn.arm(n, Fault::Tear(n));
        let acked = acknowledge(&store, &srv_id(), 1).is_ok();
        drop(store);
        let store = open(&Disk::holding(&torn.survivor()));
        let view = store.snapshot().unwrap();
        let owed = view.account(&srv_id()).unwrap().unwrap().owed.is_some();
        let expected = if owed { "pending" } else { "acked" };
        assert_eq!(
            view.leaf(&state).unwrap().unwrap().as_text(),
            Some(expected),
            "operation {n}"
        );
        assert!(!(acked && owed), "operation {n}");
        if !torn.fired() {
            break;
        }
        points += 1;
    }
    println!("{points} cut points walked");
    assert!(points > 0);
}

#[test]
fn a_cut_at_any_write_of_a_waiting_push_leaves_it_as_it_was_or_as_it_is_to_be() {
    let push = WaitingPush {
        document: Secret::new(vec![b'x'; 9000]),
        source: "https://boot.example.com".to_owned(),
        event_id: EventId::of([9; 16]),
        at: Utc(1_700_000_000_000),
    };
    let empty = Disk::default();
    drop(open(&empty));
    let holding = Disk::holding(&empty.survivor());
    let store = open(&holding);
    store.set_waiting_push(Some(&push)).unwrap();
    drop(store);
    for (base, before, after) in [(&empty, None, Some(&push)), (&holding, Some(&push), None)] {
        let (mut olds, mut news) = (0, 0);
        for n in 0.. {
            let disk = Disk::holding(&base.survivor());
            let store = open(&disk);
            disk.arm(
                n,
                if n % 2 == 0 {
                    Fault::Cut
                } else {
                    Fault::Tear(n)
                },
            );
            let kept = store.set_waiting_push(after);
            drop(store);
            let survived = open(&Disk::holding(&disk.survivor()))
                .waiting_push()
                .unwrap();
            if survived.as_ref() == after {
                news += 1;
            } else {
                assert_eq!(survived.as_ref(), before, "a mixture at operation {n}");
                assert!(kept.is_err(), "reported as kept and lost at operation {n}");
                olds += 1;
            }
            if !disk.fired() {
                break;
            }
        }
        assert!(olds > 0 && news > 0);
    }
}

#[test]
fn no_room_at_any_write_leaves_the_old_tree() {
    for (name, base, plan) in bases() {
        let (old, new) = old_and_new(&base, plan);
        let (mut points, mut refused) = (0, 0);
        for n in 0.. {
            let disk = Disk::holding(&base.survivor());
            let store = open(&disk);
            let made = plan(&store);
            disk.arm(n, Fault::NoRoom);
            match store.apply(&made) {
                Ok(_) => assert!(look(&store) == new, "{name}: operation {n}"),
                Err(why) => {
                    assert_eq!(
                        why,
                        ApplyError::Tree(TreeError::NoRoom),
                        "{name}: operation {n}"
                    );
                    assert!(look(&store) == old, "{name}: operation {n}");
                    refused += 1;
                    store.apply(&made).unwrap_or_else(|why| {
                        panic!("{name}: not usable after operation {n}: {why}")
                    });
                    assert!(look(&store) == new, "{name}: operation {n}");
                }
            }
            drop(store);
            assert!(
                look(&open(&Disk::holding(&disk.survivor()))) == new,
                "{name}: operation {n}"
            );
            if !disk.fired() {
                break;
            }
            points += 1;
        }
        println!("{name}: {points} points walked, {refused} times refused");
        assert!(points > 0 && refused > 0);
    }
}

#[test]
fn a_disk_that_stays_full_leaves_the_old_tree_readable() {
    let (_, base, _) = bases()[1].clone();
    let disk = Disk::holding(&base.survivor());
    let store = open(&disk);
    let old = look(&store);
    let before = disk.operations();
    let mut plan = again(&store);
    let big = NodeAddress::root(moids()[1].clone(), Miid::counted(1))
        .child(omadm_mo::NodeName::parse("Big").unwrap());
    plan.steps.push(PlanStep::Replace {
        at: big,
        node: Value::bin(vec![7; 4 << 20]).into(),
    });
    disk.arm(0, Fault::Full);
    assert_eq!(store.apply(&plan), Err(ApplyError::Tree(TreeError::NoRoom)));
    assert!(look(&store) == old && disk.operations() > before);
    disk.make_room();
    store.apply(&plan).unwrap();
    assert_eq!(look(&store).accounts, plan.accounts);
}

#[test]
fn a_cut_while_the_tables_are_made_leaves_a_store_that_opens() {
    let mut points = 0;
    for n in 0.. {
        let disk = Disk::default();
        disk.arm(n, Fault::Cut);
        let backend = disk.clone();
        drop(TreeStore::with_backend(move || backend.clone(), 1));
        if !disk.fired() {
            break;
        }
        let survivor = disk.survivor();
        // Before redb's magic number stands there is no store yet; files are made under another name until then.
        if survivor.starts_with(b"redb") {
            assert_eq!(
                look(&open(&Disk::holding(&survivor))).version,
                0,
                "operation {n}"
            );
            points += 1;
        }
    }
    assert!(points > 0);
}

/// What the DM session does on the server's 2xx; false where the completion of this event is not owed.
pub(super) fn acknowledge(
    store: &TreeStore,
    server: &SrvId,
    event: u8,
) -> Result<bool, ApplyError> {
    let plan = plan_acknowledgement(&store.snapshot()?, server, &EventId::of([event; 16]))?;
    plan.map_or(Ok(false), |plan| store.apply(&plan).map(|_| true))
}
