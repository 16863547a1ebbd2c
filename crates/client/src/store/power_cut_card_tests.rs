//! Power cuts at every write of what a switch-on decided (`smartcard.md` §9): application and removal are there together, or neither is.

use omadm_bootstrap::plan::dm1::Dm1Rules;
use omadm_bootstrap::plan::{
    CredentialCheck, SwitchOn, SwitchOnDecision, SwitchOnOccasion, TreePlan, plan_switch_on,
};
use omadm_bootstrap::{
    Account, BootstrapPolicy, DeviceView as _, GovernedInstance, OwedCompletion, Utc,
};
use omadm_card::reading::{CardDocument, CardEntry, CardOutcome, CardReading, ReaderName};
use omadm_card::{CardOid, CardTrouble};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::provisioning::ProvisioningDocument;
use omadm_dm1::syncml::Encoding;
use omadm_mo::ddf::Ddf;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;
use omadm_mo::{Miid, Moid, Node, NodeAddress, NodeProperties, Secret, SrvId, TreeView as _};
use serde_json::{Value, json};

use super::TreeStore;
use super::power_cut::{Disk, Fault};

const GPS: &str = "urn:example:mo:gps:1.0";
const CARD: &str = "iccid:8949017201234567890";
const OTHER: &str = "iccid:8949017209999999999";

struct NoCredentials;

impl CredentialCheck for NoCredentials {
    fn is_usable(&self, _: &[u8], _: &Secret) -> bool {
        false
    }
}

/// Everything that a switch-on changes together.
#[derive(PartialEq)]
struct Seen {
    version: u64,
    accounts: Vec<Account>,
    properties: Vec<(NodeAddress, NodeProperties)>,
    instances: Vec<(GovernedInstance, Option<Node>)>,
    alerts: usize,
    executions: usize,
}

fn srv(text: &str) -> SrvId {
    SrvId::parse(text).unwrap()
}

fn look(store: &TreeStore) -> Seen {
    let view = store.snapshot().unwrap();
    let instances = view.governed().unwrap().into_iter().map(|one| {
        let root = NodeAddress::root(one.moid.clone(), one.miid.clone());
        let node = view.subtree(&root).unwrap();
        (one, node)
    });
    Seen {
        version: view.version().0,
        accounts: view.accounts().unwrap(),
        properties: view.all_properties().unwrap(),
        instances: instances.collect(),
        alerts: store.queued_alerts(&srv("a")).unwrap().len(),
        executions: store.executions().unwrap().len(),
    }
}

fn registry() -> MoRegistry {
    let node = |name: &str, format: &str, inner: &str| {
        format!(
            "<Node><NodeName>{name}</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><{format}/></DFFormat><Occurrence><ZeroOrMore/>\
             </Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>{GPS}</DDFName></DFType></DFProperties>{inner}</Node>"
        )
    };
    let ddf = node("GPS", "node", &node("ID", "chr", ""));
    let mut registry = MoRegistry::standard();
    let ddf = Ddf::read(&format!("<MgmtTree>{ddf}</MgmtTree>")).unwrap();
    registry.insert(ddf).unwrap();
    registry
}

fn document(srv_id: &str, objects: usize) -> Value {
    let mut items = vec![
        json!({"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": {"DMAcc": {
        "SrvID": srv_id, "SrvURI": "https://dms.example.com/dm", "Name": "x".repeat(700),
        "Perm": {"1": {"MOID": GPS}}}}}),
    ];
    for n in 0..objects {
        let members = json!({"ID": format!("{srv_id} {n}").repeat(80)});
        items.push(json!({"ClientURI": format!("{GPS}//"), "MOData": {"GPS": members}}));
    }
    items.into()
}

fn card(identity: &str, documents: &[Value]) -> CardReading {
    let files = documents.iter().map(|one| one.to_string().into_bytes());
    files_on(identity, &files.collect::<Vec<_>>())
}

fn files_on(identity: &str, files: &[Vec<u8>]) -> CardReading {
    let entries = files.iter().enumerate().map(|(n, file)| CardEntry {
        oid: CardOid::DM_BOOTSTRAP,
        path: format!("3F00/7F50/{:04X}", 0x6432 + n).parse().unwrap(),
        content: CardDocument::from_file(file, true),
    });
    reading(identity, CardOutcome::Read(entries.collect()))
}

/// Client provisioning with an account of DM 1.x for each server.
fn provisioning(servers: &[&str], secret: &str) -> Vec<u8> {
    let one = |server: &&str| {
        format!(
            "<characteristic type='APPLICATION'><parm name='APPID' value='w7'/><parm name='PROVIDER-ID' value='{server}'/>\
             <characteristic type='APPADDR'><parm name='ADDR' value='https://{server}.example.com/'/></characteristic>\
             <characteristic type='APPAUTH'><parm name='AAUTHSECRET' value='{secret}'/><parm name='AAUTHDATA' value='Tm9uY2U='/></characteristic>\
             </characteristic>"
        )
    };
    let all: String = servers.iter().map(one).collect();
    let text = format!("<wap-provisioningdoc>{all}</wap-provisioningdoc>");
    let read = ProvisioningDocument::decode(text.as_bytes(), Encoding::Xml, MarkupLimits::MESSAGE);
    read.unwrap().encode(Encoding::Wbxml).unwrap()
}

fn reading(identity: &str, outcome: CardOutcome) -> CardReading {
    CardReading {
        reader: ReaderName::new("slot"),
        identity: (!identity.is_empty()).then(|| identity.parse().unwrap()),
        outcome,
    }
}

fn decide(store: &TreeStore, reading: &CardReading) -> SwitchOnDecision {
    let switch_on = SwitchOn {
        readings: std::slice::from_ref(reading),
        occasion: SwitchOnOccasion::SwitchOn,
        reapply: false,
        agreed: &[],
        refused: &[],
        after_reset: false,
        at: Some(Utc(1_767_268_800_000)),
        entropy: [5; 16],
        limits: JsonLimits::default(),
        dm1: &Dm1Rules::default(),
        factory_image: None,
    };
    let (registry, policy) = (registry(), BootstrapPolicy::default());
    let view = store.snapshot().unwrap();
    plan_switch_on(&view, &registry, &policy, &NoCredentials, &switch_on).unwrap()
}

fn open(disk: &Disk) -> TreeStore {
    let disk = disk.clone();
    TreeStore::with_backend(move || disk.clone(), 9).unwrap_or_else(|why| panic!("{why}"))
}

/// A device with the accounts `a` and `c` of DM 1.x of one card; both were acknowledged.
fn bootstrapped_dm1() -> Disk {
    let disk = Disk::default();
    let store = open(&disk);
    let reading = files_on(CARD, &[provisioning(&["a", "c"], "one")]);
    store.apply(&decide(&store, &reading).plan).unwrap();
    let mut plan = TreePlan::at(store.snapshot().unwrap().version());
    plan.accounts = store.snapshot().unwrap().accounts().unwrap();
    for account in &mut plan.accounts {
        assert!(account.is_dm1());
        account.owed = None;
    }
    store.apply(&plan).unwrap();
    drop(store);
    Disk::holding(&disk.survivor())
}

/// A device with the accounts `a` and `c` of one card, with objects; `a` waits for an alert and a result.
fn bootstrapped() -> Disk {
    let disk = Disk::default();
    let store = open(&disk);
    let reading = card(CARD, &[document("a", 12), document("c", 1)]);
    store.apply(&decide(&store, &reading).plan).unwrap();
    store.queue_alert(&srv("a"), "{}").unwrap().unwrap();
    let root = NodeAddress::root(Moid::parse(GPS).unwrap(), Miid::counted(1));
    store
        .begin_execution(&srv("a"), &root, &Default::default())
        .unwrap();
    drop(store);
    Disk::holding(&disk.survivor())
}

/// What a card gives at the next switch-on, and the servers of the device afterwards.
type Next = (&'static str, Disk, CardReading, &'static [&'static str]);

fn nexts() -> Vec<Next> {
    let (fresh, full) = (Disk::default(), bootstrapped());
    drop(open(&fresh));
    let fresh = Disk::holding(&fresh.survivor());
    let on = |documents: &[Value]| card(CARD, documents);
    let (dm1, wbxml) = (bootstrapped_dm1(), provisioning);
    let json = |server: &str, objects| document(server, objects).to_string().into_bytes();
    vec![
        (
            "the first card, of DM 1.x",
            fresh.clone(),
            files_on(CARD, &[wbxml(&["a", "b"], "one")]),
            &["a", "b"],
        ),
        (
            "DM 1.x: a server less, the other with new secrets",
            dm1.clone(),
            files_on(CARD, &[wbxml(&["c"], "two")]),
            &["c"],
        ),
        (
            "DM 1.x: another card, with both generations",
            dm1.clone(),
            files_on(OTHER, &[wbxml(&["b", "d"], "one"), json("b", 3)]),
            &["d", "b"],
        ),
        (
            "DM 1.x: DM 2.0 in the place of one",
            dm1.clone(),
            files_on(CARD, &[wbxml(&["c"], "one"), json("a", 3)]),
            &["a", "c"],
        ),
        (
            "DM 1.x in the place of DM 2.0",
            full.clone(),
            files_on(CARD, &[wbxml(&["a"], "one"), json("c", 1)]),
            &["c", "a"],
        ),
        (
            "DM 1.x: no card",
            dm1,
            reading("", CardOutcome::NoCard),
            &[],
        ),
        (
            "the first card",
            fresh,
            on(&[document("a", 12), document("b", 0)]),
            &["a", "b"],
        ),
        (
            "a server less",
            full.clone(),
            on(&[document("c", 1)]),
            &["c"],
        ),
        (
            "another card",
            full.clone(),
            card(OTHER, &[document("b", 6)]),
            &["b"],
        ),
        (
            "one goes, one changes, one comes",
            full.clone(),
            on(&[document("c", 3), document("b", 0)]),
            &["c", "b"],
        ),
        (
            "no card",
            full.clone(),
            reading("", CardOutcome::NoCard),
            &[],
        ),
        (
            "doubt",
            full,
            reading("", CardOutcome::Undetermined(CardTrouble::CardPulled)),
            &["a", "c"],
        ),
    ]
}

#[test]
fn a_cut_at_any_write_leaves_what_was_or_application_and_removal_together() {
    for (name, base, reading, servers) in nexts() {
        let store = open(&Disk::holding(&base.survivor()));
        let old = look(&store);
        let decision = decide(&store, &reading);
        store.apply(&decision.plan).unwrap();
        let new = look(&store);
        let found: Vec<_> = new.accounts.iter().map(|one| one.srv_id.as_str()).collect();
        assert_eq!(found, servers, "{name}");
        let removed = decision.removed().any(|gone| *gone == srv("a"));
        assert!(!removed || (new.alerts, new.executions) == (0, 0), "{name}");
        for owed in &decision.servers {
            let account = new.accounts.iter().find(|one| one.srv_id == *owed);
            let account = account.unwrap();
            assert_eq!(account.owed, Some(OwedCompletion::fresh()), "{name}");
        }
        drop(store);
        let (mut points, mut olds, mut news) = (0, 0, 0);
        for seed in 0..4_u64 {
            for n in 0.. {
                let disk = Disk::holding(&base.survivor());
                let store = open(&disk);
                let plan = decide(&store, &reading).plan;
                let fault = if seed == 0 {
                    Fault::Cut
                } else {
                    Fault::Tear(seed << 32 | n)
                };
                disk.arm(n, fault);
                let applied = store.apply(&plan).is_ok();
                drop(store);
                let survived = open(&Disk::holding(&disk.survivor()));
                let seen = look(&survived);
                if seen == new {
                    news += 1;
                } else {
                    assert!(
                        seen == old,
                        "{name}: a mixture at operation {n}, seed {seed}"
                    );
                    assert!(!applied, "{name}: applied and lost at operation {n}");
                    olds += 1;
                    // The next switch-on decides the same, and it holds.
                    survived.apply(&decide(&survived, &reading).plan).unwrap();
                    assert!(look(&survived) == new, "{name}: operation {n}");
                }
                if !disk.fired() {
                    break;
                }
                points += 1;
            }
        }
        println!(
            "{name}: {points} cut points walked, {olds} times the old tree, {news} times the new one"
        );
        assert!(points > 0 && olds > 0 && news > 0, "{name}");
    }
}

#[test]
fn no_room_for_a_card_s_bootstrap_leaves_everything_as_it_was() {
    let store = open(&bootstrapped()).with_room(100);
    let documents = [document("c", 1), document("a", 12), document("b", 20)];
    let reading = card(CARD, &documents);
    let old = look(&store);
    assert!(store.apply(&decide(&store, &reading).plan).is_err());
    assert!(look(&store) == old);
}
