//! What the commands of DM 1.x do to a small tree, whatever a server says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView, EventId,
    MemoryDevice, PayloadHash, ProfileFormat, Provenance, Utc,
};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Command, Data, Encoding, Message, StatusCode};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::dm_acc1::{AppAuth1, AuthLevel1, AuthType1};
use omadm_mo::standard::{DmAcc1, MoRegistry, dm_acc1};
use omadm_mo::{
    ExecOutcome, Miid, Moid, Node, NodeAddress, NodeName, NodePath, Secret, SrvId, TreeLayout,
    TreeView as _, Value,
};
use omadm_session::client::dm1::Workspace;
use omadm_session::client::dm1::commands::{Answer, Need, Progress, begin, resume};

const LIMITS: MarkupLimits = MarkupLimits {
    octets: 1 << 16,
    depth: 24,
};
const SERVER: &str = "dms";
const SECRET: &str = "QUIET";
const GADGET: &str = "urn:example:mo:gadget:1.0";
/// A permanent leaf and one to execute, leaves that come and go, one that nobody reads, placeholders, and an open `Ext`.
const DDF: &str = "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>Gadget</NodeName><DFProperties><AccessType><Add/><Delete/><Get/><Replace/></AccessType><DFFormat><node/></DFFormat>\
    <Occurrence><ZeroOrMore/></Occurrence><DFType><DDFName>urn:example:mo:gadget:1.0</DDFName></DFType></DFProperties>\
    <Node><NodeName>State</NodeName><DFProperties><AccessType><Get/><Replace/></AccessType><DFFormat><chr/></DFFormat><Scope><Permanent/></Scope></DFProperties></Node>\
    <Node><NodeName>Run</NodeName><DFProperties><AccessType><Exec/><Get/></AccessType><DFFormat><null/></DFFormat><Scope><Permanent/></Scope></DFProperties></Node>\
    <Node><NodeName>Level</NodeName><DFProperties><AccessType><Add/><Copy/><Delete/><Get/><Replace/></AccessType><DFFormat><int/></DFFormat><Occurrence><ZeroOrOne/></Occurrence></DFProperties></Node>\
    <Node><NodeName>Secret</NodeName><DFProperties><AccessType><Add/><Copy/><Replace/></AccessType><DFFormat><chr/></DFFormat><Occurrence><ZeroOrOne/></Occurrence></DFProperties></Node>\
    <Node><NodeName>Parts</NodeName><DFProperties><AccessType><Add/><Delete/><Get/><Replace/></AccessType><DFFormat><node/></DFFormat><Occurrence><ZeroOrOne/></Occurrence></DFProperties>\
    <Node><NodeName/><DFProperties><AccessType><Add/><Copy/><Delete/><Get/><Replace/></AccessType><DFFormat><bin/></DFFormat><Occurrence><ZeroOrN>3</ZeroOrN></Occurrence></DFProperties></Node></Node>\
    <Node><NodeName>Ext</NodeName><DFProperties><AccessType><Add/><Copy/><Delete/><Get/><Replace/></AccessType><DFFormat><node/></DFFormat><Occurrence><ZeroOrOne/></Occurrence></DFProperties></Node>\
    </Node></MgmtTree>";

static LAYOUT: LazyLock<TreeLayout> = LazyLock::new(|| {
    let mut registry = MoRegistry::standard();
    registry
        .insert(Ddf::read(DDF).expect("a DDF"))
        .expect("it names its MOID");
    TreeLayout::of(&registry)
});

/// An Atomic that fails changes nothing, nor does a single command; no secret is told; the plan makes the tree that the commands saw.
pub fn dm1_commands(octets: &[u8]) {
    let encoding = Encoding::of_body(octets).unwrap_or(Encoding::Wbxml);
    let Ok(message) = Message::decode(octets, encoding, LIMITS) else {
        return;
    };
    let mut device = device();
    let server = SrvId::parse(SERVER).expect("a SrvID");
    let account = device
        .account(&server)
        .expect("memory")
        .expect("it is there");
    let live = BTreeMap::new();
    let before_all = device.clone();
    let mut workspace =
        Workspace::new(&before_all, &LAYOUT, &live, Utc(0)).expect("memory can be read");
    for command in &message.commands {
        let before = shown(workspace.view());
        let mut progress = begin(&mut workspace, &account, command);
        let done = loop {
            progress = match progress {
                Progress::Done(done) => break done,
                Progress::Wait(need, paused) => {
                    let answer = match need {
                        Need::Live(_) => Answer::Live(BTreeMap::new()),
                        Need::Exec(..) => Answer::Exec(Ok(ExecOutcome::Later)),
                        Need::Alert(_) => Answer::Alert(StatusCode::OK, Vec::new()),
                    };
                    resume(&mut workspace, &account, paused, answer)
                }
            };
        };
        let failed = done.first().is_none_or(|first| !first.code.is_success());
        let is_whole = matches!(command, Command::Atomic(_)) || done.len() == 1;
        if failed && is_whole {
            assert_eq!(
                shown(workspace.view()),
                before,
                "what failed changes nothing"
            );
        }
        for item in done.iter().flat_map(|one| one.results.iter().flatten()) {
            let told = item.data.as_ref().and_then(Data::text).unwrap_or_default();
            assert!(!told.contains(SECRET), "a secret is told");
        }
    }
    let expected = shown(workspace.view());
    let plan = workspace.into_plan();
    device.apply(&plan).expect("the plan of this very tree");
    assert_eq!(shown(&device), expected);
}

fn device() -> MemoryDevice {
    let mut device = MemoryDevice::new(1);
    let mut plan = TreePlan::at(device.version());
    let gadget = Moid::parse(GADGET).expect("a MOID");
    let mut root = Node::empty();
    for (path, value) in [
        ("State", Value::chr("off")),
        ("Run", Value::Null),
        ("Level", Value::Int(1)),
        ("Secret", Value::chr(SECRET)),
        ("Parts/a", Value::bin([0])),
    ] {
        root.put(&NodePath::of(path).expect("a path"), value.into());
    }
    for (n, server) in [(1, SERVER), (2, "other")] {
        let srv_id = SrvId::parse(server).expect("a SrvID");
        let mut acc = DmAcc1::new(srv_id.clone());
        acc.auths.push(AppAuth1 {
            node: NodeName::parse("1").expect("a name"),
            level: AuthLevel1::ClCred,
            auth_type: AuthType1::Digest,
            name: None,
            secret: Some(Secret::from(SECRET.to_owned())),
            nonce: None,
        });
        for (moid, root) in [
            (dm_acc1::moid(), acc.to_node()),
            (gadget.clone(), root.clone()),
        ] {
            plan.steps.push(PlanStep::Add {
                moid,
                miid: Miid::counted(n),
                root,
                creator: Some(srv_id.clone()),
            });
        }
        plan.accounts
            .push(Account::new(srv_id, Miid::counted(n), provenance()));
    }
    device.apply(&plan).expect("an empty device");
    device
}

fn provenance() -> Provenance {
    Provenance {
        method: BootstrapMethod::Factory,
        format: ProfileFormat::Cp,
        kind: BootstrapKind::First,
        seq: 1,
        at: None,
        event_id: EventId::of([1; 16]),
        payload_hash: PayloadHash::of(b""),
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
    }
}

/// Nodes with values, ACLs and titles.
fn shown(view: &dyn DeviceView) -> Vec<String> {
    let mut lines = Vec::new();
    for (_, moid) in LAYOUT.roots() {
        let mut all = view.instances(moid).expect("memory can be read");
        all.sort();
        for miid in all {
            let root = NodeAddress::root(moid.clone(), miid);
            if let Some(node) = view.subtree(&root).expect("memory can be read") {
                show(view, &root, &node, &mut lines);
            }
        }
    }
    lines
}

fn show(view: &dyn DeviceView, at: &NodeAddress, node: &Node, lines: &mut Vec<String>) {
    let kept = view.properties(at).expect("memory can be read");
    let value = node.value().map(|value| (value.format(), value.to_text()));
    let acl = kept.acl.map(|acl| acl.to_string());
    lines.push(format!("{at} {value:?} {acl:?} {:?}", kept.title));
    for (name, child) in node.children().into_iter().flatten() {
        show(view, &at.child(name.clone()), child, lines);
    }
}
