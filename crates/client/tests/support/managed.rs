//! A device under a peer that misbehaves: an account of it, an MO instance of its own, and a managed object that takes its time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_client::policy::{NetworkPolicy, ReportTimes};
use omadm_client::{Client, ClientBuilder};
use omadm_mo::ddf::Ddf;
use omadm_mo::{
    DevId, ExecOutcome, ExecResult, ManagedObject, ManagedObjectError, Node, NodePath, Rights,
    ServerUri, SrvId, Value as NodeValue,
};
use omadm_session::client::Outcome;
use omadm_session::pair::acme;
use serde_json::{Value, json};

use super::peer::Peer;
use super::{Watcher, install};

pub(crate) const SRV: &str = "dms.example.com";
/// Any number of instances; `left` is the peer's own.
pub(crate) const GPS: &str = "urn:example:mo:gps:1.0";
/// No instance yet.
pub(crate) const CLOCK: &str = "urn:example:mo:clock:1.0";
/// The managed object: its leaf `Level` is live, its node `Run` is executable.
pub(crate) const PUMP: &str = "urn:example:mo:pump:1.0";

/// The device, restarted as often as wanted: what survives is its folder.
pub(crate) struct Device {
    folder: tempfile::TempDir,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) level: Arc<AtomicI64>,
    pub(crate) network: NetworkPolicy,
    pub(crate) plan: Arc<Mutex<Plan>>,
    pub(crate) read_timeout: Duration,
    pub(crate) browser: bool,
    pub(crate) shown: Arc<Mutex<Vec<String>>>,
}

/// How the pump takes an EXEC.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    Done,
    /// `finished` finds out by the file `finished` in the folder, as a device would.
    Later,
    /// The call itself takes so long.
    Takes(Duration),
    Fails(ManagedObjectError),
}

struct Pump {
    ddf: Ddf,
    folder: PathBuf,
    level: Arc<AtomicI64>,
    plan: Arc<Mutex<Plan>>,
}

impl ManagedObject for Pump {
    fn ddf(&self) -> &Ddf {
        &self.ddf
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        let mut root = Node::empty();
        let level = NodeValue::Int(self.level.load(Ordering::SeqCst));
        root.put(&NodePath::of("Level").unwrap(), level.into());
        root.put(&NodePath::of("Run").unwrap(), NodeValue::chr("").into());
        Ok(root.at(at).cloned())
    }

    fn plan_write(&self, _: &NodePath, _: &Node) -> Result<(), ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn exec(&mut self, _: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        let plan = *self.plan.lock().unwrap();
        match plan {
            Plan::Done => Ok(ExecOutcome::Done),
            Plan::Later => Ok(ExecOutcome::Later),
            Plan::Takes(time) => {
                std::thread::sleep(time);
                Ok(ExecOutcome::Done)
            }
            Plan::Fails(refused) => Err(refused),
        }
    }

    fn changed(&mut self, _: &NodePath) {}

    fn finished(&mut self, _: &NodePath) -> Result<Option<ExecResult>, ManagedObjectError> {
        match std::fs::read_to_string(self.folder.join("finished")) {
            Ok(code) => code
                .parse()
                .map(|code| Some(ExecResult::new(code)))
                .map_err(|_| ManagedObjectError::Device),
            Err(_) => Ok(None),
        }
    }
}

fn ddf(moid: &str, root: &str, inner: &str) -> Ddf {
    Ddf::read(&format!(
        "<MgmtTree><Node><NodeName>{root}</NodeName><DFProperties><AccessType><Add/><Delete/><Get/><Replace/></AccessType><DFFormat><node/></DFFormat>\
         <Occurrence><ZeroOrMore/></Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>{moid}</DDFName></DFType></DFProperties>{inner}</Node></MgmtTree>"
    ))
    .unwrap()
}

fn leaf(name: &str, format: &str, access: &str) -> String {
    format!(
        "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType><DFFormat><{format}/></DFFormat>\
         <Occurrence><ZeroOrOne/></Occurrence><Scope><Dynamic/></Scope></DFProperties></Node>"
    )
}

pub(crate) fn gps(id: &str, rate: i64) -> Value {
    json!({"ClientURI": format!("{GPS}/left/"), "MOData": {"GPS": {"ID": id, "Rate": rate}}})
}

impl Device {
    /// A device that was bootstrapped from its factory image for this peer, and has acknowledged.
    pub(crate) async fn of(peer: &Peer) -> Self {
        let device = Self::fresh();
        let client = device.client(peer);
        install(&client, Self::document(peer)).await;
        let report = client.session(&srv()).await.unwrap();
        assert_eq!((report.outcome, report.still_owed), (Outcome::Ended, false));
        peer.forget();
        device
    }

    /// A device without any account.
    pub(crate) fn fresh() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            watcher: Arc::default(),
            level: Arc::new(AtomicI64::new(7)),
            network: NetworkPolicy::default(),
            plan: Arc::new(Mutex::new(Plan::Done)),
            read_timeout: Duration::from_secs(20),
            browser: false,
            shown: Arc::default(),
        }
    }

    /// Another bootstrap of the same account: its completion is owed.
    pub(crate) async fn bootstrap_again(&self, client: &Client, peer: &Peer) {
        let text = String::from_utf8(Self::document(peer)).unwrap();
        install(client, text.replace("\"Peer\"", "\"Again\"").into_bytes()).await;
    }

    fn document(peer: &Peer) -> Vec<u8> {
        let moids = [
            "urn:oma:mo:oma-dm-dmacc:1.2",
            "urn:oma:mo:oma-dm-devinfo:1.2",
            GPS,
            CLOCK,
            PUMP,
        ];
        let perm = moids.iter().enumerate();
        let perm: serde_json::Map<_, _> = perm
            .map(|(n, moid)| (n.to_string(), json!({"MOID": moid})))
            .collect();
        let account = json!({"SrvID": SRV, "SrvURI": peer.url("dm"), "Name": "Peer", "Perm": perm});
        json!([
            {"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": {"DMAcc": account}},
            gps("a", 5)
        ])
        .to_string()
        .into_bytes()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The client as it starts on what the folder holds. Its bootstrap source is the peer at 127.0.0.1, so that this host is one that was configured.
    pub(crate) fn builder(&self, peer: &Peer) -> ClientBuilder {
        let dev_info = acme(DevId::parse("IMEI:493005100592800").unwrap());
        let all = "<Add/><Delete/><Get/><Replace/>";
        let inner = [leaf("ID", "chr", all), leaf("Rate", "int", all)].concat();
        let pump = [
            leaf("Level", "int", "<Get/>"),
            leaf("Run", "chr", "<Exec/><Get/>"),
        ]
        .concat();
        let anchor = peer.ca.certificate().clone();
        let source = ServerUri::parse(&peer.url("bootstrap")).unwrap();
        let mut builder = Client::builder(dev_info, self.folder.path().join("tree.redb"))
            .observer(Arc::clone(&self.watcher) as _)
            .source(source, vec![anchor.clone()])
            .anchors(vec![anchor])
            .network(self.network)
            .timeouts(Duration::from_secs(5), self.read_timeout)
            .managed_object_deadline(Duration::from_millis(300))
            .reports(ReportTimes {
                coalesce: Duration::from_millis(200),
                retry: Duration::from_millis(50),
            })
            .mo(ddf(GPS, "GPS", &inner))
            .mo(ddf(CLOCK, "Clock", &inner))
            .managed_object_for(
                Pump {
                    ddf: ddf(PUMP, "Pump", &pump),
                    folder: self.folder.path().to_owned(),
                    level: Arc::clone(&self.level),
                    plan: Arc::clone(&self.plan),
                },
                Rights::FULL,
            );
        if self.browser {
            let shown = Arc::clone(&self.shown);
            builder = builder.browser(move |uri| {
                shown.lock().unwrap().push(uri.to_string());
                Ok(())
            });
        }
        builder
    }

    pub(crate) fn client(&self, peer: &Peer) -> Client {
        self.builder(peer).build().unwrap()
    }
}

pub(crate) fn srv() -> SrvId {
    SrvId::parse(SRV).unwrap()
}

/// One session in which the peer sends these commands; their statuses.
pub(crate) async fn statuses(client: &Client, peer: &Peer) -> Vec<u64> {
    let report = client.session(&srv()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ended);
    let package3 = peer.asked().into_iter().rfind(|asked| asked.is_package3());
    package3.unwrap().codes()
}
