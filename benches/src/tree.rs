//! A DM tree of many nodes in the client's own store, and GETs over it through the session machine.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity};
use omadm_client::Client;
use omadm_client::store::TreeStore;
use omadm_dm2::{Command, Package2, Package3};
use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{DevId, Miid, Moid, Node, NodeName, SrvId, TreeView as _, Value};
use omadm_session::client::{ClientSession, Effect, Input, Opening, Response, SessionReason};
use omadm_session::pair::acme;
use redb::{
    ReadableDatabase as _, ReadableTableMetadata as _, StorageBackend, TableDefinition,
    TableHandle as _, TableStats,
};

use crate::cpu;

/// What is asked for: one node by its keys, the children of one, one leaf of every instance: of all that make the tree large, and of a few beside them, as many
/// in any tree. `{}` stands for a MIID.
pub const GETS: [&str; 5] = [
    "urn:example:mo:wide:1.0/{}/3",
    "urn:example:mo:wide:1.0/{}/",
    "urn:example:mo:wide:1.0/{}/*",
    "urn:example:mo:wide:1.0/*/3",
    "urn:example:mo:few:1.0/*/3",
];

/// What of the tree the store has in memory when a GET begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warmth {
    /// The pages of the instance: it is always the same one.
    Same,
    /// What some thousand earlier GETs of other instances left in the store's page cache.
    Other,
    /// What the list of all instances left there, which the Package#1 of the session before brought (`MOS`, `dm20.md` §11.3 REQ-MOS). Nothing of the tree is
    /// in memory then but its end.
    Listed,
}

/// Nodes of an instance: its root and nine leaves.
const NODES: usize = 10;
/// Instances written in one transaction.
const BATCH: usize = 10_000;
/// Instances that stand beside those that make the tree large.
const FEW: usize = 100;
/// The instance of [`Warmth::Same`].
const SAME: usize = 50;
/// GETs before those of [`Warmth::Other`].
const WARMING: usize = 3000;
/// A GET is repeated for so long, and its median taken.
const REPEAT: usize = 200;
const REPEAT_SECS: f64 = 3.0;
/// Octets of a page.
const PAGE: u64 = 4096;
const DDF: &str = "<MgmtTree><Node><NodeName>Wide</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat>
    <Occurrence><ZeroOrMore/></Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>urn:example:mo:wide:1.0</DDFName></DFType></DFProperties>
    <Node><NodeName></NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><chr/></DFFormat><Occurrence><ZeroOrMore/></Occurrence>
    <Scope><Dynamic/></Scope></DFProperties></Node></Node></MgmtTree>";
const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dms","SrvURI":"https://dms.example/","Name":"DM",
    "Perm":{"1":{"MOID":"urn:example:mo:wide:1.0"},"2":{"MOID":"urn:example:mo:few:1.0"}}}}}]"#;

/// How the tree lies in the store's file: what a GET has to come by.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Pages from the root of the table to a row of it, both counted.
    pub levels: u32,
    /// Pages of rows.
    pub leaf_pages: u64,
    /// Pages above them.
    pub branch_pages: u64,
    /// Median of the CPU time of reading a page from the file, in microseconds: the call of the system alone.
    pub read_micros: f64,
}

/// A device with one account and one tree.
pub struct TreeBed {
    /// How the tree lies.
    pub shape: Shape,
    store: TreeStore,
    registry: MoRegistry,
    server: SrvId,
    file: PathBuf,
    /// Reads of the file.
    reads: Arc<AtomicU64>,
    instances: usize,
}

/// A file that counts how often it is read: once a page that is not in the store's cache.
#[derive(Debug)]
struct Counted {
    file: Arc<File>,
    reads: Arc<AtomicU64>,
}

/// What a GET cost.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Nodes in its result.
    pub matches: usize,
    /// Median of the CPU time from Package#2 to Package#3, system calls included: a GET that lasts is interrupted on a busy machine, and a short one is not.
    pub micros: f64,
    /// Pages read from the file meanwhile, on average: each a call of the system.
    pub pages: f64,
}

impl Measured {
    /// Microseconds a match.
    #[must_use]
    pub fn each(&self) -> f64 {
        self.micros / self.matches.max(1) as f64
    }
}

impl TreeBed {
    /// Makes a tree of about so many nodes.
    ///
    /// # Errors
    /// A sentence: the environment is at fault.
    pub fn new(nodes: usize) -> Result<Self, String> {
        let name = format!("omadm-tree-{}-{nodes}.redb", std::process::id());
        let file = std::env::temp_dir().join(name);
        let read = |text: &str| Ddf::read(text).map_err(|error| error.to_string());
        let ddfs = [read(&DDF.replace("wide", "few"))?, read(DDF)?];
        let server = SrvId::parse("dms").map_err(|error| error.to_string())?;
        bootstrap(&file, ddfs.clone())?;
        let reads = Arc::new(AtomicU64::new(0));
        let handle = OpenOptions::new().read(true).write(true).open(&file);
        let handle = Arc::new(handle.map_err(|error| error.to_string())?);
        let counted = Arc::clone(&reads);
        let backend = move || Counted {
            file: Arc::clone(&handle),
            reads: Arc::clone(&counted),
        };
        let again = backend.clone();
        let open = move || TreeStore::with_backend(again.clone(), 1);
        let store = open().map_err(|error| error.to_string())?;
        let mut registry = MoRegistry::standard();
        let moids = ddfs.map(|ddf| registry.insert(ddf));
        let [few, wide] = moids.map(|moid| moid.map_err(|error| error.to_string()));
        let (few, wide) = (few?, wide?);
        let mut instances: Vec<_> = (1..=nodes / NODES).map(|number| (&wide, number)).collect();
        instances.extend((1..=FEW).map(|number| (&few, number)));
        for batch in instances.chunks(BATCH) {
            let snapshot = store.snapshot().map_err(|error| error.to_string())?;
            let mut plan = TreePlan::at(snapshot.version());
            drop(snapshot);
            for (moid, number) in batch {
                plan.steps.push(instance(moid, *number, &server));
            }
            store.apply(&plan).map_err(|error| error.to_string())?;
        }
        drop(store);
        let shape = shape(backend(), instances.len())?;
        let store = open().map_err(|error| error.to_string())?;
        let bed = Self {
            shape,
            store,
            registry,
            server,
            file,
            reads,
            instances: nodes / NODES,
        };
        // From here on sessions are ordinary ones: the completion is acknowledged.
        bed.session(SessionReason::Client, GETS[0], SAME)?;
        Ok(bed)
    }

    /// Runs a GET until its median stands.
    ///
    /// # Errors
    /// A sentence: the session did not go as it has to.
    pub fn measure(&self, get: &str, warmth: Warmth) -> Result<Measured, String> {
        if warmth == Warmth::Other {
            for turn in 0..WARMING {
                self.once(get, warmth, REPEAT + turn)?;
            }
        }
        let mut all = Vec::new();
        let began = Instant::now();
        while all.len() < REPEAT && (all.is_empty() || began.elapsed().as_secs_f64() < REPEAT_SECS)
        {
            all.push(self.once(get, warmth, all.len())?);
        }
        let pages = all.iter().map(|once| once.pages).sum::<f64>() / all.len().max(1) as f64;
        all.sort_by(|one, other| one.micros.total_cmp(&other.micros));
        let median = all.get(all.len() / 2).copied();
        let median = median.ok_or("nothing was measured")?;
        Ok(Measured { pages, ..median })
    }

    /// Runs a GET once, for the `turn`th time.
    ///
    /// # Errors
    /// A sentence: the session did not go as it has to.
    pub fn once(&self, get: &str, warmth: Warmth, turn: usize) -> Result<Measured, String> {
        let listed = SessionReason::Notified {
            notification_id: None,
            req_mos: true,
        };
        // A step that is prime to the number of instances leads to each of them, and never to a neighbour.
        let other = (turn + 1).wrapping_mul(0x9E37_79B1) % self.instances.max(1) + 1;
        match warmth {
            Warmth::Same => self.session(SessionReason::Client, get, SAME),
            Warmth::Other => self.session(SessionReason::Client, get, other),
            Warmth::Listed => {
                self.session(listed, get, other)?;
                let next = (other + self.instances / 2) % self.instances.max(1) + 1;
                self.session(SessionReason::Client, get, next)
            }
        }
    }

    fn session(&self, reason: SessionReason, get: &str, miid: usize) -> Result<Measured, String> {
        let get = get.replace("{}", &miid.to_string());
        let view = self.store.snapshot().map_err(|error| error.to_string())?;
        let opening = Opening {
            reason,
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
        let command = Command::read(&["GET", &get]).map_err(|error| error.to_string())?;
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
                        let reads = self.reads.load(Ordering::Relaxed);
                        began = Some((cpu::of_this_thread(), reads));
                        session.handle_input(&view, Input::Response(response.clone()));
                    }
                    Some((began, reads)) => {
                        let spent = cpu::of_this_thread().saturating_sub(began);
                        let micros = spent.as_secs_f64() * 1e6;
                        let reads = self.reads.load(Ordering::Relaxed) - reads;
                        return Ok(Measured {
                            matches: matches(&request.body)?,
                            micros,
                            pages: reads as f64,
                        });
                    }
                },
                Effect::Apply(id, plan) => {
                    let applied = self.store.apply(&plan).map_err(|error| error.to_string())?;
                    session.handle_input(&view, Input::ApplyDone(id, Ok(applied)));
                }
                Effect::Report(_) => {}
                other => return Err(format!("unexpected: {other:?}")),
            }
        }
        Err("the session ended without a Package#3".to_owned())
    }
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}

impl Drop for TreeBed {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.file);
    }
}

/// Of the largest table, which is that of the nodes.
fn shape(backend: Counted, seed: usize) -> Result<Shape, String> {
    let file = Arc::clone(&backend.file);
    let largest = largest_table(backend).map_err(|error| error.to_string())?;
    let stats = largest.ok_or("the store has no table")?;
    let pages = file.metadata().map_err(|error| error.to_string())?.len() / PAGE;
    let mut page = [0; PAGE as usize];
    let mut spent = Vec::new();
    for turn in 0..WARMING {
        let other = (seed + turn).wrapping_mul(0x9E37_79B1) as u64 % pages;
        let began = cpu::of_this_thread();
        let read = file.read_exact_at(&mut page, other * PAGE);
        spent.push(cpu::of_this_thread().saturating_sub(began).as_secs_f64() * 1e6);
        read.map_err(|error| error.to_string())?;
    }
    // The clock is read once in between: what that takes is no part of it.
    let clock = (0..WARMING).map(|_| {
        let began = cpu::of_this_thread();
        cpu::of_this_thread().saturating_sub(began).as_secs_f64() * 1e6
    });
    let clock = median(clock.collect());
    Ok(Shape {
        levels: stats.tree_height(),
        leaf_pages: stats.leaf_pages(),
        branch_pages: stats.branch_pages(),
        read_micros: (median(spent) - clock).max(0.0),
    })
}

fn largest_table(backend: Counted) -> Result<Option<TableStats>, redb::Error> {
    let database = redb::Builder::new().create_with_backend(backend)?;
    let transaction = database.begin_read()?;
    let mut largest: Option<TableStats> = None;
    for table in transaction.list_tables()? {
        let definition = TableDefinition::<&[u8], &[u8]>::new(table.name());
        let stats = transaction.open_table(definition)?.stats()?;
        let more = |former: &TableStats| stats.leaf_pages() > former.leaf_pages();
        if largest.as_ref().is_none_or(more) {
            largest = Some(stats);
        }
    }
    Ok(largest)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

fn bootstrap(file: &std::path::Path, ddfs: [Ddf; 2]) -> Result<(), String> {
    let dev_info = acme(DevId::parse("IMEI:493005100592800").map_err(|error| error.to_string())?);
    let [few, wide] = ddfs;
    let client = Client::builder(dev_info, file).mo(few).mo(wide).build();
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
