//! A device, its rules and documents for it.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support"
)]

pub(crate) mod cards;
pub(crate) mod dm1;

use omadm_bootstrap::plan::{
    BootstrapPlan, CredentialCheck, Delivery, Planned, TreePlan, plan_bootstrap,
};
use omadm_bootstrap::{
    Account, BootstrapFailureCause, BootstrapMethod, BootstrapPolicy, BootstrapSource,
    ChannelSecurity, DeviceView as _, EventId, MemoryDevice, Refusal, Utc,
};
use omadm_mo::ddf::Ddf;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::{MoRegistry, dm_acc};
use omadm_mo::{Miid, Moid, Node, NodeAddress, Secret, SrvId, TreeView as _, TreeWrite as _};
use serde_json::{Value, json};

pub(crate) const DM_ACC: &str = "urn:oma:mo:oma-dm-dmacc:1.2";
pub(crate) const DEV_INFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";
/// Any number of instances.
pub(crate) const GPS: &str = "urn:example:mo:gps:1.0";
pub(crate) const GPS_NEWER: &str = "urn:example:mo:gps:1.10";
/// At most one instance.
pub(crate) const CLOCK: &str = "urn:example:mo:clock:1.0";
pub(crate) const BOOT_SERVER: &str = "https://boot.example.com:443";

/// Base64 of `cert` and `key`, the one pair that [`OnePair`] takes.
pub(crate) const CERT: &str = "Y2VydA==";
pub(crate) const KEY: &str = "a2V5";

/// Base64 of `psk`, the identity that [`OnePair`] takes with `key`.
pub(crate) const PSK: &str = "cHNr";

/// Takes the certificate `cert` and the PSK identity `psk`, both with the key `key`.
pub(crate) struct OnePair;

impl CredentialCheck for OnePair {
    fn is_usable(&self, certificate: &[u8], private_key: &Secret) -> bool {
        certificate == b"cert" && private_key.expose() == b"key"
    }

    fn check_psk(&self, identity: &[u8], key: &Secret) -> Result<(), String> {
        if identity == b"psk" && key.expose() == b"key" {
            Ok(())
        } else {
            Err("another one".to_owned())
        }
    }
}

pub(crate) struct Bench {
    pub(crate) device: MemoryDevice,
    pub(crate) registry: MoRegistry,
    pub(crate) policy: BootstrapPolicy,
}

/// Everything that can be compared of a device.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Snapshot {
    instances: Vec<(Moid, Miid, Option<Node>, Option<SrvId>)>,
    accounts: Vec<Account>,
}

fn ddf(moid: &str, root: &str, occurrence: &str) -> Ddf {
    let node = |name: &str, format: &str, occurrence: &str, scope: &str| {
        format!(
            "<Node><NodeName>{name}</NodeName><DFProperties><AccessType><Add/><Delete/><Get/><Replace/></AccessType><DFFormat><{format}/></DFFormat>\
             <Occurrence><{occurrence}/></Occurrence><Scope><{scope}/></Scope></DFProperties></Node>"
        )
    };
    let inner = [
        node("ID", "chr", "One", "Permanent"),
        node("Rate", "int", "ZeroOrOne", "Dynamic"),
        node("Serial", "chr", "ZeroOrOne", "Permanent"),
        node("Ext", "node", "ZeroOrOne", "Dynamic"),
    ]
    .concat();
    Ddf::read(&format!(
        "<MgmtTree><Node><NodeName>{root}</NodeName><DFProperties><AccessType><Add/><Delete/><Get/><Replace/></AccessType><DFFormat><node/></DFFormat>\
         <Occurrence><{occurrence}/></Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>{moid}</DDFName></DFType></DFProperties>{inner}</Node></MgmtTree>"
    ))
    .unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        let mut registry = MoRegistry::standard();
        for (moid, root, occurrence) in [
            (GPS, "GPS", "ZeroOrMore"),
            (GPS_NEWER, "GPS", "ZeroOrMore"),
            (CLOCK, "Clock", "ZeroOrOne"),
        ] {
            registry.insert(ddf(moid, root, occurrence)).unwrap();
        }
        Self {
            device: MemoryDevice::new(7),
            registry,
            policy: BootstrapPolicy::default(),
        }
    }

    /// The device gets a further MO.
    pub(crate) fn insert(&mut self, moid: &str, root: &str, occurrence: &str) {
        self.registry.insert(ddf(moid, root, occurrence)).unwrap();
    }

    pub(crate) fn plan(&self, delivery: &Delivery<'_>) -> Result<BootstrapPlan, Refusal> {
        plan_bootstrap(
            &self.device,
            &self.registry,
            &self.policy,
            &OnePair,
            delivery,
        )
    }

    /// Plans and applies; answers what was planned.
    pub(crate) fn apply(&mut self, document: &Value) -> Planned {
        self.apply_as(document, |_| {})
    }

    pub(crate) fn apply_as(
        &mut self,
        document: &Value,
        change: impl FnOnce(&mut Delivery<'_>),
    ) -> Planned {
        let bytes = document.to_string();
        let mut delivery = fetched(bytes.as_bytes());
        change(&mut delivery);
        match self.plan(&delivery) {
            Ok(BootstrapPlan::Apply(planned)) => {
                self.device.apply(&planned.plan).unwrap();
                planned
            }
            other => panic!("{other:?}"),
        }
    }

    /// Refused for this cause, and the device is as it was.
    pub(crate) fn refuses(&self, document: &Value, cause: BootstrapFailureCause) -> Refusal {
        self.refuses_as(document.to_string().as_bytes(), cause, |_| {})
    }

    pub(crate) fn refuses_as(
        &self,
        document: &[u8],
        cause: BootstrapFailureCause,
        change: impl FnOnce(&mut Delivery<'_>),
    ) -> Refusal {
        let before = self.snapshot();
        let mut delivery = fetched(document);
        change(&mut delivery);
        let refusal = self.plan(&delivery).unwrap_err();
        assert_eq!(refusal.cause, cause, "{refusal}");
        assert_eq!(self.snapshot(), before);
        refusal
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let instances = self.device.tree().all_instances().into_iter();
        Snapshot {
            instances: instances
                .map(|(moid, miid)| {
                    let root = NodeAddress::root(moid.clone(), miid.clone());
                    let node = self.device.subtree(&root).unwrap();
                    let creator = self.device.creator(&moid, &miid).unwrap();
                    (moid, miid, node, creator)
                })
                .collect(),
            accounts: self.device.accounts().unwrap(),
        }
    }

    pub(crate) fn account(&self, srv_id: &str) -> Account {
        let account = self.device.account(&SrvId::parse(srv_id).unwrap());
        account.unwrap().expect("the account")
    }

    pub(crate) fn account_node(&self, srv_id: &str) -> Node {
        let miid = self.account(srv_id).miid;
        let root = NodeAddress::root(dm_acc::moid(), miid);
        self.device.subtree(&root).unwrap().expect("the instance")
    }

    pub(crate) fn miids(&self, moid: &str) -> Vec<String> {
        let found = self.device.instances(&Moid::parse(moid).unwrap()).unwrap();
        found.iter().map(|miid| miid.as_str().to_owned()).collect()
    }

    /// The text of a leaf of an instance.
    pub(crate) fn text(&self, moid: &str, miid: &str, path: &[&str]) -> Option<String> {
        let root = NodeAddress::root(Moid::parse(moid).unwrap(), Miid::parse(miid).unwrap());
        let node = self.device.subtree(&root).unwrap()?;
        Some(node.find(path)?.value()?.to_text().to_string())
    }

    /// The server that created an instance.
    pub(crate) fn creator(&self, moid: &str, miid: &str) -> Option<String> {
        let (moid, miid) = (Moid::parse(moid).unwrap(), Miid::parse(miid).unwrap());
        let creator = self.device.creator(&moid, &miid).unwrap();
        creator.map(|creator| creator.as_str().to_owned())
    }

    /// The server acknowledges: nothing is owed any more.
    pub(crate) fn acknowledge_all(&mut self) {
        let mut plan = TreePlan::at(self.device.version());
        plan.accounts = self.device.accounts().unwrap();
        for account in &mut plan.accounts {
            account.owed = None;
        }
        self.device.apply(&plan).unwrap();
    }

    /// An instance goes, by somebody's command.
    pub(crate) fn remove_instance(&mut self, moid: &str, miid: &str) {
        let root = NodeAddress::root(Moid::parse(moid).unwrap(), Miid::parse(miid).unwrap());
        self.device.remove(&root).unwrap();
    }

    /// Puts an instance that the device itself made.
    pub(crate) fn own_instance(&mut self, moid: &str, miid: &str, node: &Node) {
        let root = NodeAddress::root(Moid::parse(moid).unwrap(), Miid::parse(miid).unwrap());
        self.device.put(&root, node).unwrap();
    }
}

/// Fetched from the bootstrap server over mutual TLS.
pub(crate) fn fetched(document: &[u8]) -> Delivery<'_> {
    Delivery {
        document,
        method: BootstrapMethod::ClientInitiated,
        source: server(BOOT_SERVER),
        channel: ChannelSecurity::MutualTls,
        at: Some(Utc(1_767_268_800_000)),
        event_id: EventId::of([1; 16]),
        consent: false,
        after_reset: false,
        limits: JsonLimits::default(),
    }
}

pub(crate) fn server(origin: &str) -> BootstrapSource {
    BootstrapSource::Server(origin.to_owned())
}

/// The members of a minimal account.
pub(crate) fn account(srv_id: &str) -> Value {
    json!({
        "SrvID": srv_id, "SrvURI": format!("https://{srv_id}/dm/2.0"), "Name": "Example DM",
        "Perm": {"1": {"MOID": DM_ACC}, "2": {"MOID": DEV_INFO}, "3": {"MOID": GPS}}
    })
}

/// The same with `Auth/Bootstrap` towards a server.
pub(crate) fn account_with_bootstrap(srv_id: &str, bootstrap_server: &str) -> Value {
    let mut account = account(srv_id);
    account["Auth"] = json!({"Bootstrap": {
        "ServerURI": format!("{bootstrap_server}/bootstrap"), "SecMode": "Ag==",
        "ClientPubKey": CERT, "ServerPubKey": "c3J2", "ClientSecretKey": KEY,
    }});
    account
}

pub(crate) fn account_item(members: &Value) -> Value {
    json!({"ClientURI": format!("{DM_ACC}//"), "MOData": {"DMAcc": members}})
}

pub(crate) fn item(moid: &str, miid: &str, root: &str, members: &Value) -> Value {
    json!({"ClientURI": format!("{moid}/{miid}/"), "MOData": {root: members}})
}

pub(crate) fn gps(miid: &str, id: &str) -> Value {
    item(GPS, miid, "GPS", &json!({"ID": id}))
}

/// A document of one minimal account of `dms.example.com`.
pub(crate) fn minimal() -> Value {
    json!([account_item(&account("dms.example.com"))])
}
