//! A small tree, two servers, and what commands do to it.

mod group;
mod random;
mod single;
mod tnds;

use std::collections::BTreeMap;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView as _,
    EventId, MemoryDevice, PayloadHash, ProfileFormat, Provenance, Utc,
};
use omadm_dm1::syncml::{CmdId, Command, Data, Exec, Group, Item, Location, Meta, NodeCommand};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::dm_acc1::{AppAuth1, AuthLevel1, AuthType1};
use omadm_mo::standard::{DmAcc1, MoRegistry, dm_acc1};
use omadm_mo::{
    Miid, Moid, Node, NodeAddress, NodeName, NodePath, Secret, SrvId, TreeLayout, TreeView as _,
    Value,
};

use super::{CommandOutcome, Progress, begin};
use crate::client::dm1::workspace::Workspace;

const GADGET: &str = "urn:example:mo:gadget:1.0";

/// Every access type there is, permanent nodes, a secret, an executable, bounds and an open `Ext`.
fn gadget() -> Ddf {
    let node = |name: &str,
                access: &str,
                format: &str,
                occurrence: &str,
                scope: &str,
                below: &str| {
        let name = if name.is_empty() {
            "<NodeName/>".to_owned()
        } else {
            format!("<NodeName>{name}</NodeName>")
        };
        let access: String = access.split(' ').map(|a| format!("<{a}/>")).collect();
        let kind = if format == "node" {
            "<DDFName/>"
        } else {
            "<MIME>text/plain</MIME>"
        };
        format!(
            "<Node>{name}<DFProperties><AccessType>{access}</AccessType><DFFormat><{format}/></DFFormat>\
             <Occurrence>{occurrence}</Occurrence><Scope><{scope}/></Scope><DFType>{kind}</DFType></DFProperties>{below}</Node>"
        )
    };
    let all = "Add Copy Delete Get Replace";
    let maybe = "<ZeroOrOne/>";
    let part = node("Name", all, "chr", maybe, "Dynamic", "")
        + &node("Kept", "Get Replace", "int", "<One/>", "Permanent", "");
    let part = node("", all, "node", "<ZeroOrN>3</ZeroOrN>", "Dynamic", &part);
    let below = [
        node("State", "Get Replace", "chr", "<One/>", "Permanent", ""),
        node("Run", "Exec Get", "null", "<One/>", "Permanent", ""),
        node("Level", all, "int", maybe, "Dynamic", ""),
        node("Flag", all, "bool", maybe, "Dynamic", ""),
        node("Blob", all, "bin", maybe, "Dynamic", ""),
        node("Note", all, "chr", maybe, "Dynamic", ""),
        node("Fixed", "Get", "chr", maybe, "Dynamic", ""),
        node("Secret", "Add Replace", "chr", maybe, "Dynamic", ""),
        node("Parts", all, "node", maybe, "Dynamic", &part),
        node("Ext", all, "node", maybe, "Dynamic", ""),
    ];
    let root = node(
        "Gadget",
        all,
        "node",
        "<ZeroOrMore/>",
        "Dynamic",
        &below.concat(),
    );
    let root = root.replacen("<DDFName/>", &format!("<DDFName>{GADGET}</DDFName>"), 1);
    Ddf::read(&format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>")).unwrap()
}

pub(super) struct Bed {
    pub(super) device: MemoryDevice,
    pub(super) layout: TreeLayout,
    pub(super) live: BTreeMap<(Moid, Miid), Node>,
}

pub(super) fn srv(text: &str) -> SrvId {
    SrvId::parse(text).unwrap()
}

fn account(server: &str, miid: u64) -> Account {
    let provenance = Provenance {
        method: BootstrapMethod::Factory,
        format: ProfileFormat::Cp,
        kind: BootstrapKind::First,
        seq: 1,
        at: None,
        event_id: EventId::of([1; 16]),
        payload_hash: PayloadHash::of(b""),
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
    };
    Account::new(srv(server), Miid::counted(miid), provenance)
}

fn account_node(server: &str) -> Node {
    let mut acc = DmAcc1::new(srv(server));
    acc.name = Some(server.to_owned());
    acc.auths.push(AppAuth1 {
        node: NodeName::parse("1").unwrap(),
        level: AuthLevel1::ClCred,
        auth_type: AuthType1::Digest,
        name: Some("user".to_owned()),
        secret: Some(Secret::new(b"QUIET".to_vec())),
        nonce: None,
    });
    acc.to_node()
}

/// A gadget that is there already.
fn gadget_node() -> Node {
    let mut root = Node::empty();
    for (path, value) in [
        ("State", Value::chr("off")),
        ("Run", Value::Null),
        ("Level", Value::Int(3)),
        ("Blob", Value::bin([0, 1, 255])),
        ("Fixed", Value::chr("f")),
        ("Secret", Value::chr("QUIET")),
        ("Parts/a/Name", Value::chr("first")),
        ("Parts/a/Kept", Value::Int(1)),
    ] {
        root.put(&NodePath::of(path).unwrap(), value.into());
    }
    root
}

impl Bed {
    /// `./Gadget/1` is the server's own, `./Gadget/2` the device's, `./Gadget/3` another server's. `./DMAcc/1` is the server's account, `./DMAcc/2` another's.
    pub(super) fn new() -> Self {
        let mut registry = MoRegistry::standard();
        registry.insert(gadget()).unwrap();
        let mut device = MemoryDevice::new(1);
        let mut plan = TreePlan::at(device.version());
        let gadget = Moid::parse(GADGET).unwrap();
        let add = |moid: &Moid, miid, root, creator: Option<&str>| PlanStep::Add {
            moid: moid.clone(),
            miid: Miid::counted(miid),
            root,
            creator: creator.map(srv),
        };
        plan.steps = vec![
            add(&dm_acc1::moid(), 1, account_node("dms"), Some("dms")),
            add(&dm_acc1::moid(), 2, account_node("other"), Some("other")),
            add(&gadget, 1, gadget_node(), Some("dms")),
            add(&gadget, 2, gadget_node(), None),
            add(&gadget, 3, gadget_node(), Some("other")),
        ];
        plan.accounts = vec![account("dms", 1), account("other", 2)];
        device.apply(&plan).unwrap();
        Self {
            device,
            layout: TreeLayout::of(&registry),
            live: BTreeMap::new(),
        }
    }

    pub(super) fn workspace(&self) -> Workspace<'_> {
        let now = Utc(1_700_000_000_000);
        Workspace::new(&self.device, &self.layout, &self.live, now).unwrap()
    }

    pub(super) fn dms(&self) -> Account {
        self.device.account(&srv("dms")).unwrap().unwrap()
    }

    /// The outcomes of one message's commands, all of which are carried out at once; their plan is applied.
    pub(super) fn run(&mut self, commands: &[Command]) -> Vec<CommandOutcome> {
        let account = self.dms();
        let mut workspace = self.workspace();
        let mut outcomes = Vec::new();
        for command in commands {
            match begin(&mut workspace, &account, command) {
                Progress::Done(done) => outcomes.extend(done),
                Progress::Wait(need, _) => panic!("{command:?} waits for {need:?}"),
            }
        }
        let plan = workspace.into_plan();
        self.device.apply(&plan).unwrap();
        outcomes
    }

    pub(super) fn codes(&mut self, commands: &[Command]) -> Vec<u16> {
        let outcomes = self.run(commands);
        outcomes.iter().map(|one| one.code.0).collect()
    }

    /// Gives a node an ACL, as the device's owner does.
    pub(super) fn set_acl(&mut self, path: &str, acl: &str) {
        let mut plan = TreePlan::at(self.device.version());
        plan.properties
            .push(omadm_bootstrap::plan::PropertiesChange {
                live: false,
                at: at(path),
                acl: omadm_mo::Acl::parse(acl).unwrap(),
                title: None,
            });
        self.device.apply(&plan).unwrap();
    }

    /// Values and ACLs of everything, for comparisons.
    pub(super) fn snapshot(&self) -> String {
        shown(&self.device, &self.layout)
    }
}

/// Everything that DM 1.x servers can see or do: nodes with values, own ACLs and titles.
pub(super) fn shown(view: &dyn omadm_bootstrap::DeviceView, layout: &TreeLayout) -> String {
    let mut text = String::new();
    for (_, moid) in layout.roots() {
        let mut all = view.instances(moid).unwrap();
        all.sort();
        for miid in all {
            let root = NodeAddress::root(moid.clone(), miid);
            let node = view.subtree(&root).unwrap().unwrap();
            show(view, &root, &node, &mut text);
        }
    }
    text
}

fn show(view: &dyn omadm_bootstrap::DeviceView, at: &NodeAddress, node: &Node, text: &mut String) {
    let kept = view.properties(at).unwrap();
    let value = node.value().map(|value| (value.format(), value.to_text()));
    let acl = kept.acl.map(|acl| acl.to_string());
    text.push_str(&format!("{at} {value:?} {acl:?} {:?}\n", kept.title));
    for (name, child) in node.children().into_iter().flatten() {
        show(view, &at.child(name.clone()), child, text);
    }
}

/// A node of `./Gadget/<miid>/…` or `./DMAcc/<miid>/…`.
pub(super) fn at(path: &str) -> NodeAddress {
    let mut parts = path.splitn(3, '/');
    let moid = match parts.next() {
        Some("DMAcc") => dm_acc1::moid(),
        _ => Moid::parse(GADGET).unwrap(),
    };
    let miid = Miid::parse(parts.next().unwrap()).unwrap();
    NodeAddress::root(moid, miid).with_path(NodePath::of(parts.next().unwrap_or("")).unwrap())
}

pub(super) fn item(uri: &str, format: Option<&str>, data: Option<&str>) -> Item {
    Item {
        meta: Meta {
            format: format.map(Into::into),
            ..Meta::default()
        },
        data: data.map(Data::from),
        ..Item::at(uri)
    }
}

fn node_command(items: Vec<Item>) -> NodeCommand {
    NodeCommand {
        cmd_id: Some(CmdId::number(7)),
        meta: Meta::default(),
        items,
    }
}

pub(super) fn get(uri: &str) -> Command {
    Command::Get(node_command(vec![Item::at(uri)]))
}

pub(super) fn add(uri: &str, data: &str) -> Command {
    Command::Add(node_command(vec![item(uri, None, Some(data))]))
}

pub(super) fn add_node(uri: &str) -> Command {
    Command::Add(node_command(vec![item(uri, Some("Node"), None)]))
}

pub(super) fn replace(uri: &str, data: &str) -> Command {
    Command::Replace(node_command(vec![item(uri, None, Some(data))]))
}

pub(super) fn delete(uri: &str) -> Command {
    Command::Delete(node_command(vec![Item::at(uri)]))
}

pub(super) fn copy(from: &str, to: &str) -> Command {
    Command::Copy(node_command(vec![Item {
        source: Some(Location::new(from)),
        ..Item::at(to)
    }]))
}

pub(super) fn exec(uri: &str) -> Command {
    Command::Exec(Exec {
        cmd_id: Some(CmdId::number(8)),
        correlator: Some("c1".into()),
        items: vec![Item::at(uri)],
        ..Exec::default()
    })
}

pub(super) fn group(members: Vec<Command>) -> Group {
    Group {
        cmd_id: Some(CmdId::number(9)),
        members,
        ..Group::default()
    }
}

pub(super) fn atomic(members: Vec<Command>) -> Command {
    Command::Atomic(group(members))
}

pub(super) fn sequence(members: Vec<Command>) -> Command {
    Command::Sequence(group(members))
}
