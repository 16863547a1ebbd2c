//! A DM tree of many nodes in the client's own store, and GETs over it through the session machine.

use std::path::PathBuf;
use std::time::Instant;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView as _};
use omadm_client::Client;
use omadm_client::store::TreeStore;
use omadm_dm2::{Command, Package2, Package3};
use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::{DevInfo, MoRegistry};
use omadm_mo::{DevId, Miid, Moid, Node, NodeName, SrvId, TreeView as _, Value};
use omadm_session::client::{ClientSession, Effect, Input, Opening, Response, SessionReason};

/// What is asked for: one node by its keys, the children of one, one leaf of every instance.
pub const GETS: [&str; 4] = [
    "urn:example:mo:wide:1.0/50/3",
    "urn:example:mo:wide:1.0/50/",
    "urn:example:mo:wide:1.0/50/*",
    "urn:example:mo:wide:1.0/*/3",
];

/// Nodes of an instance: its root and nine leaves.
const NODES: usize = 10;
/// Instances written in one transaction.
const BATCH: usize = 10_000;
/// A GET is repeated for so long, and its median taken.
const REPEAT: usize = 200;
const REPEAT_SECS: f64 = 3.0;
const DDF: &str = "<MgmtTree><Node><NodeName>Wide</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat>
    <Occurrence><ZeroOrMore/></Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>urn:example:mo:wide:1.0</DDFName></DFType></DFProperties>
    <Node><NodeName></NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><chr/></DFFormat><Occurrence><ZeroOrMore/></Occurrence>
    <Scope><Dynamic/></Scope></DFProperties></Node></Node></MgmtTree>";
const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dms","SrvURI":"https://dms.example/","Name":"DM",
    "Perm":{"1":{"MOID":"urn:example:mo:wide:1.0"}}}}}]"#;

/// A device with one account and one tree.
pub struct TreeBed {
    store: TreeStore,
    registry: MoRegistry,
    server: SrvId,
    file: PathBuf,
}

/// What a GET cost.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Nodes in its result.
    pub matches: usize,
    /// Median of the time from Package#2 to Package#3.
    pub micros: f64,
}

impl TreeBed {
    /// Makes a tree of about so many nodes.
    ///
    /// # Errors
    /// A sentence: the environment is at fault.
    pub fn new(nodes: usize) -> Result<Self, String> {
        let name = format!("omadm-tree-{}-{nodes}.redb", std::process::id());
        let file = std::env::temp_dir().join(name);
        let ddf = Ddf::read(DDF).map_err(|error| error.to_string())?;
        let server = SrvId::parse("dms").map_err(|error| error.to_string())?;
        bootstrap(&file, ddf.clone())?;
        let store = TreeStore::open(&file, 1).map_err(|error| error.to_string())?;
        let mut registry = MoRegistry::standard();
        let moid = registry.insert(ddf).map_err(|error| error.to_string())?;
        let instances: Vec<usize> = (1..=nodes / NODES).collect();
        for batch in instances.chunks(BATCH) {
            let snapshot = store.snapshot().map_err(|error| error.to_string())?;
            let mut plan = TreePlan::at(snapshot.version());
            drop(snapshot);
            for number in batch {
                plan.steps.push(instance(&moid, *number, &server));
            }
            store.apply(&plan).map_err(|error| error.to_string())?;
        }
        Ok(Self {
            store,
            registry,
            server,
            file,
        })
    }

    /// Runs a GET until its median stands.
    ///
    /// # Errors
    /// A sentence: the session did not go as it has to.
    pub fn measure(&self, get: &str) -> Result<Measured, String> {
        let mut times = Vec::new();
        let mut matches = 0;
        let began = Instant::now();
        while times.len() < REPEAT
            && (times.is_empty() || began.elapsed().as_secs_f64() < REPEAT_SECS)
        {
            let (found, micros) = self.once(get)?;
            matches = found;
            times.push(micros);
        }
        times.sort_by(f64::total_cmp);
        let micros = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok(Measured { matches, micros })
    }

    /// Runs a GET once: the nodes in its result, and the microseconds.
    ///
    /// # Errors
    /// A sentence: the session did not go as it has to.
    pub fn once(&self, get: &str) -> Result<(usize, f64), String> {
        let view = self.store.snapshot().map_err(|error| error.to_string())?;
        let account = view
            .account(&self.server)
            .map_err(|error| error.to_string())?;
        let reported = account.is_some_and(|account| account.owed.is_some());
        let opening = Opening {
            reason: SessionReason::Client,
            to: None,
            server: self.server.clone(),
            alerts: Vec::new(),
            report_type: false,
            browser: false,
            live: Default::default(),
            limits: JsonLimits {
                octets: 1 << 30,
                ..JsonLimits::default()
            },
        };
        let mut session = ClientSession::start(opening, self.registry.clone(), &view);
        let command = Command::read(&["GET", get]).map_err(|error| error.to_string())?;
        let response = Response {
            status: 200,
            set_cookie: None,
            location: None,
            retry_after: None,
            omadm_accept: None,
            content_type: None,
            body: Package2::write(&[command]).to_compact().into_bytes(),
        };
        let mut began = None;
        while let Some(effect) = session.poll_effect() {
            match effect {
                Effect::Send(request) => match began {
                    None => {
                        began = Some(Instant::now());
                        session.handle_input(&view, Input::Response(response.clone()));
                    }
                    Some(began) => {
                        let micros = Instant::now().duration_since(began).as_secs_f64() * 1e6;
                        return Ok((matches(&request.body)?, micros));
                    }
                },
                // The completion stays owed: every GET begins with the same tree.
                Effect::Apply(id, _) if reported => {
                    let refused = omadm_session::client::Cause::Forbidden;
                    session.handle_input(&view, Input::ApplyDone(id, Err(refused)));
                }
                Effect::Report(_) => {}
                other => return Err(format!("unexpected: {other:?}")),
            }
        }
        Err("the session ended without a Package#3".to_owned())
    }
}

impl Drop for TreeBed {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.file);
    }
}

fn bootstrap(file: &std::path::Path, ddf: Ddf) -> Result<(), String> {
    let text = str::to_owned;
    let dev_info = DevInfo {
        dev_id: DevId::parse("IMEI:493005100592800").map_err(|error| error.to_string())?,
        man: text("Acme"),
        mod_: text("M1"),
        dm_v: text("2.0"),
        lang: text("en"),
        dev_type: text("sensor"),
        oem: String::new(),
        fw_v: text("1.0"),
        sw_v: text("1.0"),
        hw_v: text("A"),
    };
    let client = Client::builder(dev_info, file).mo(ddf).build();
    let client = client.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let document = DOCUMENT.as_bytes().to_vec();
    let (method, source) = (BootstrapMethod::Factory, BootstrapSource::FactoryImage);
    let delivered =
        runtime.block_on(client.deliver(document, method, source, ChannelSecurity::Local));
    delivered.map(drop).map_err(|refusal| refusal.to_string())
}

fn instance(moid: &Moid, number: usize, server: &SrvId) -> PlanStep {
    let leaves = (1..NODES).filter_map(|leaf| {
        let name = NodeName::parse(&leaf.to_string()).ok()?;
        Some((
            name,
            Node::Leaf(Value::chr(format!("value {leaf} of {number}"))),
        ))
    });
    PlanStep::Add {
        moid: moid.clone(),
        miid: Miid::counted(number as u64),
        root: Node::Interior(leaves.collect()),
        creator: Some(server.clone()),
    }
}

fn matches(body: &[u8]) -> Result<usize, String> {
    let limits = JsonLimits {
        octets: 1 << 30,
        ..JsonLimits::default()
    };
    let json = Json::read(body, limits).map_err(|error| error.to_string())?;
    let package = Package3::read(&json).map_err(|error| error.to_string())?;
    let status = package.statuses.first().ok_or("no status")?;
    if status.code.get() != 200 {
        return Err(format!("status {}", status.code.get()));
    }
    let items = status.items().map_err(|error| error.to_string())?;
    Ok(items.len())
}
