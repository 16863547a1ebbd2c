//! The database of two nodes is restarted, stopped, frozen and cut off while devices, operators and probes come in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use omadm_bootstrap::PayloadHash;
use omadm_lab::postgres::{PostgresSettings, PrivatePostgres, PrivatePostgresError, Shutdown};
use omadm_mo::DevId;
use omadm_server::config::ReBootstrap;
use omadm_server::model::{BootstrapState, EventKind, StoredEvent};
use omadm_server::operator::types::NewBootstrap;
use support::{Answer, DEV_INFO, DEVICE, PACKAGE1, PACKAGE3, Rig, Wire, completion, open};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Devices that are bootstrapped again and again.
const DEVICES: usize = 6;
/// Everybody has an answer by then: the store's patience of 5 s, and room for a machine that has more to do.
const ANSWERED: Duration = Duration::from_secs(12);
/// As [`ANSWERED`], of a probe, which waits 2 s.
const PROBED: Duration = Duration::from_secs(8);
/// A node that nothing holds up says so within this time.
const KNOWN: Duration = Duration::from_secs(4);
/// Nodes are ready by then, once their database is.
const RECOVERED: Duration = Duration::from_secs(10);
/// Between two requests; shorter than `Retry-After` has it, so that more of them are under way.
const PAUSE: Duration = Duration::from_millis(40);

/// What comes in while something happens to the database.
struct Load {
    rig: Arc<Rig>,
    signs: Arc<Signs>,
    devices: Vec<JoinHandle<Bootstraps>>,
    operators: Vec<JoinHandle<Vec<String>>>,
    probes: Vec<JoinHandle<Vec<Probe>>>,
    /// The last to go.
    database: Arc<PrivatePostgres>,
}

/// What the test and its load tell each other.
#[derive(Default)]
struct Signs {
    stop: AtomicBool,
    /// 503s that each device got.
    refused: [AtomicUsize; DEVICES],
    /// Bootstraps that each device ended.
    ended: [AtomicUsize; DEVICES],
    /// 503s that operators got.
    operators_refused: AtomicUsize,
}

/// What one device was acknowledged: the EventIds, with the hashes of the documents that it had fetched.
struct Bootstraps {
    dev_id: DevId,
    /// Package#1s that were refused, so that the one after it may have got the stored answer.
    refused: u64,
    acknowledged: Vec<(String, PayloadHash)>,
}

/// What a node said of itself, and when it was asked.
struct Probe {
    asked: Instant,
    ready: bool,
}

struct Device {
    number: usize,
    dev_id: String,
    wire: Wire,
    signs: Arc<Signs>,
}

impl Load {
    async fn start() -> Self {
        let begin = || {
            let server = PrivatePostgres::start(PostgresSettings::careless())?;
            server.create_database("dm")?;
            Ok::<_, PrivatePostgresError>(server)
        };
        let database = tokio::task::spawn_blocking(begin).await.unwrap().unwrap();
        let rig = Rig::two_nodes_on(database.url("dm").parse().unwrap(), |config| {
            let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
            config.profiles_dir = Some(profiles);
            config.re_bootstrap = ReBootstrap::Allow;
        })
        .await;
        let mut load = Self {
            rig: Arc::new(rig),
            signs: Arc::default(),
            devices: Vec::new(),
            operators: Vec::new(),
            probes: Vec::new(),
            database: Arc::new(database),
        };
        for number in 0..DEVICES {
            load.add_device(number).await;
        }
        for node in 0..2 {
            let (rig, signs) = (Arc::clone(&load.rig), Arc::clone(&load.signs));
            load.operators.push(tokio::spawn(operate(rig, node, signs)));
            let (rig, signs) = (Arc::clone(&load.rig), Arc::clone(&load.signs));
            load.probes.push(tokio::spawn(probe(rig, node, signs)));
        }
        load.everybody_gets_through().await;
        load
    }

    async fn add_device(&mut self, number: usize) {
        let dev_id = format!("IMEI:{:015}", 493_005_100_000_000 + number);
        let identity = self.rig.device(&dev_id).await;
        let new = NewBootstrap {
            device: dev_id.clone(),
            profile: Some("minimal".to_owned()),
            ..NewBootstrap::default()
        };
        self.rig.api.start_bootstrap(&new).await.unwrap();
        let device = Device {
            number,
            dev_id,
            wire: self.rig.connect(Some(&identity)).await,
            signs: Arc::clone(&self.signs),
        };
        self.devices.push(tokio::spawn(device.live()));
    }

    async fn act(
        &self,
        act: impl FnOnce(&PrivatePostgres) -> Result<(), PrivatePostgresError> + Send + 'static,
    ) {
        let database = Arc::clone(&self.database);
        let acted = tokio::task::spawn_blocking(move || act(&database)).await;
        acted.unwrap().unwrap();
    }

    /// Nobody needs to do anything for that.
    async fn nodes_recover(&self) {
        let over = Instant::now();
        for node in 0..2 {
            let mut wire = to_operators(&self.rig, node).await;
            while !is_ready(&mut wire).await {
                assert!(over.elapsed() < RECOVERED, "node {node} is not ready");
                sleep(PAUSE).await;
            }
        }
    }

    /// Each device ends two bootstraps, of which it began one after now.
    async fn everybody_gets_through(&self) {
        let ended = || self.signs.ended.iter().map(|it| it.load(Ordering::SeqCst));
        let before: Vec<_> = ended().collect();
        let all = async {
            while ended().zip(&before).any(|(now, before)| now < before + 2) {
                sleep(PAUSE).await;
            }
        };
        let through = timeout(Duration::from_secs(40), all).await;
        through.expect("a device does not get through");
    }

    fn everybody_was_refused(&self) {
        let refused = &self.signs.refused;
        let refused: Vec<_> = refused.iter().map(|it| it.load(Ordering::SeqCst)).collect();
        assert!(refused.iter().all(|times| *times > 0), "{refused:?}");
        assert!(self.signs.operators_refused.load(Ordering::SeqCst) > 0);
    }

    /// Ends the load, and insists that what was acknowledged is there and nothing is there twice. No node was ready between these instants.
    async fn audit(self, absences: &[(Instant, Instant)]) {
        self.signs.stop.store(true, Ordering::SeqCst);
        let mut acknowledged = Vec::new();
        for device in self.devices {
            acknowledged.push(device.await.unwrap());
        }
        let mut registered = Vec::new();
        for operator in self.operators {
            registered.extend(operator.await.unwrap());
        }
        for probes in self.probes {
            let probes = probes.await.unwrap();
            assert!(probes.last().unwrap().ready);
            for (begin, end) in absences {
                let mut during = probes
                    .iter()
                    .filter(|it| (*begin..*end).contains(&it.asked))
                    .peekable();
                assert!(during.peek().is_some());
                assert!(during.all(|it| !it.ready));
            }
        }
        let log = Log::read(&self.rig).await;
        for bootstraps in &acknowledged {
            log.has_each_once(&self.rig, bootstraps).await;
        }
        for dev_id in &registered {
            let is = |kind: &EventKind| matches!(kind, EventKind::DeviceRegistered);
            assert_eq!(log.count(dev_id, is), 1, "{dev_id}");
            let parsed = DevId::parse(dev_id).unwrap();
            let stored = self.rig.store().device(&parsed).await.unwrap();
            assert!(stored.is_some(), "{dev_id}");
        }
        Arc::into_inner(self.rig).unwrap().shutdown().await.unwrap();
    }
}

impl Device {
    /// Is bootstrapped until it is told to stop.
    async fn live(mut self) -> Bootstraps {
        let mut bootstraps = Bootstraps {
            dev_id: DevId::parse(&self.dev_id).unwrap(),
            refused: 0,
            acknowledged: Vec::new(),
        };
        while !self.signs.stop.load(Ordering::SeqCst) {
            let event_id = format!("{:016x}{:016x}", self.number, bootstraps.acknowledged.len());
            let document = self.fetch().await;
            let (completed, refused) = self.complete(&event_id, &document).await;
            bootstraps.refused += u64::from(refused);
            bootstraps
                .acknowledged
                .push((event_id, PayloadHash::of(&document)));
            self.end_session(&completed).await;
            self.signs.ended[self.number].fetch_add(1, Ordering::SeqCst);
        }
        bootstraps
    }

    async fn fetch(&mut self) -> Vec<u8> {
        let named = [("OMADM-DevID", self.dev_id.clone())];
        let (answer, _) = self
            .until_served(Method::GET, "/bootstrap", &named, "")
            .await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.body.to_vec()
    }

    async fn complete(&mut self, event_id: &str, document: &[u8]) -> (Answer, bool) {
        let package = completion(event_id, document);
        let headers = self.headers(PACKAGE1);
        let (answer, refused) = self
            .until_served(Method::POST, "/dm/2.0", &headers, &package)
            .await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        (answer, refused)
    }

    /// A Package#3 whose answer was lost may have ended the session (D02).
    async fn end_session(&mut self, first: &Answer) {
        let cookie = first.header("set-cookie").split(';').next().unwrap();
        let mut headers = self.headers(PACKAGE3);
        headers.push(("Cookie", cookie.to_owned()));
        let package = DEV_INFO.replace(DEVICE, &self.dev_id);
        let (answer, refused) = self
            .until_served(Method::POST, "/dm/2.0", &headers, &package)
            .await;
        match answer.status {
            200 => assert_eq!(answer.json(), serde_json::json!({"CMD": [["END"]]})),
            status => assert!(status == 409 && refused, "{:?}", answer.body),
        }
    }

    fn headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        vec![
            ("OMADM-DevID", self.dev_id.clone()),
            ("Content-Type", content_type.to_owned()),
        ]
    }

    /// The first answer that is no 503, from either node, and whether there was a 503 before it.
    async fn until_served(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> (Answer, bool) {
        let mut refused = false;
        loop {
            let answer = ask(&mut self.wire, &method, path, headers, body, ANSWERED).await;
            sleep(PAUSE).await;
            if !is_refused(&answer) {
                return (answer, refused);
            }
            self.signs.refused[self.number].fetch_add(1, Ordering::SeqCst);
            refused = true;
        }
    }
}

/// An operator who registers devices at a node; those that are there.
async fn operate(rig: Arc<Rig>, node: usize, signs: Arc<Signs>) -> Vec<String> {
    let mut wire = to_operators(&rig, node).await;
    let token = String::from_utf8(rig.token.expose().to_vec()).unwrap();
    let headers = [
        ("Authorization", format!("Bearer {token}")),
        ("Content-Type", "application/json".to_owned()),
    ];
    let mut registered = Vec::new();
    let mut was_refused = false;
    while !signs.stop.load(Ordering::SeqCst) || was_refused {
        let dev_id = format!("IMEI:{:015}", (node + 1) * 1_000_000 + registered.len());
        let new = format!(r#"{{"dev_id":"{dev_id}"}}"#);
        let path = "/api/v1/devices";
        let added = ask(&mut wire, &Method::POST, path, &headers, &new, ANSWERED).await;
        sleep(PAUSE).await;
        if is_refused(&added) {
            signs.operators_refused.fetch_add(1, Ordering::SeqCst);
            was_refused = true;
            continue;
        }
        // One that was refused may have been registered all the same.
        let there = added.status == 201 || (added.status == 409 && was_refused);
        assert!(there, "{:?}", added.body);
        was_refused = false;
        registered.push(dev_id);
        for path in ["/api/v1/bootstraps", "/api/v1/events"] {
            let read = ask(&mut wire, &Method::GET, path, &headers, "", ANSWERED).await;
            if is_refused(&read) {
                signs.operators_refused.fetch_add(1, Ordering::SeqCst);
            } else {
                assert_eq!(read.status, 200, "{:?}", read.body);
            }
            sleep(PAUSE).await;
        }
    }
    registered
}

/// A balancer that asks a node how it is.
async fn probe(rig: Arc<Rig>, node: usize, signs: Arc<Signs>) -> Vec<Probe> {
    let mut wire = to_operators(&rig, node).await;
    let mut probes = Vec::new();
    while !signs.stop.load(Ordering::SeqCst) {
        let healthy = ask(&mut wire, &Method::GET, "/healthz", &[], "", PROBED).await;
        assert_eq!(healthy.status, 200);
        let asked = Instant::now();
        let ready = is_ready(&mut wire).await;
        probes.push(Probe { asked, ready });
        sleep(PAUSE).await;
    }
    probes
}

async fn is_ready(wire: &mut Wire) -> bool {
    let answer = ask(wire, &Method::GET, "/readyz", &[], "", PROBED).await;
    assert!(answer.status == 200 || is_refused(&answer));
    answer.status == 200
}

async fn to_operators(rig: &Rig, node: usize) -> Wire {
    open(rig.servers()[node].operator_addr, &rig.connector(None)).await
}

/// An answer, which comes in time.
async fn ask(
    wire: &mut Wire,
    method: &Method,
    path: &str,
    headers: &[(&'static str, String)],
    body: &str,
    within: Duration,
) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, it)| (*name, &it[..])).collect();
    let answer = wire.send(method.clone(), path, &headers, body.to_owned());
    let answer = timeout(within, answer).await;
    answer.unwrap_or_else(|_| panic!("{method} {path} had no answer within {within:?}"))
}

/// Whether it is a 503, which is to say when to come again and to be a problem document.
fn is_refused(answer: &Answer) -> bool {
    if answer.status != 503 {
        return false;
    }
    let wait: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let json = answer.json();
    assert_eq!(json["status"], 503);
    assert!(
        json["detail"].as_str().unwrap().contains("the store"),
        "{json}"
    );
    true
}

/// Every event, by device.
struct Log(BTreeMap<String, Vec<StoredEvent>>);

impl Log {
    /// Positions are dense from 1 over all, numbers dense from 1 for each device. No request was refused but one that ends a session again.
    async fn read(rig: &Rig) -> Self {
        rig.flush().await;
        let mut by_device: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut last = 0;
        loop {
            let page = rig.store().events_after(last, 500).await.unwrap();
            if page.is_empty() {
                break;
            }
            for stored in page {
                last += 1;
                assert_eq!(stored.position, Some(last));
                if let EventKind::RequestRefused { status, detail, .. } = &stored.event.kind {
                    assert_eq!(*status, 409, "{detail}");
                }
                let dev_id = stored.dev_id.as_ref().unwrap().to_string();
                by_device.entry(dev_id).or_default().push(stored);
            }
        }
        for (dev_id, events) in &mut by_device {
            events.sort_by_key(|stored| stored.seq);
            let dense = (1..).zip(&*events).all(|(seq, stored)| stored.seq == seq);
            assert!(dense, "{dev_id}");
        }
        Self(by_device)
    }

    fn count(&self, dev_id: &str, of: impl Fn(&EventKind) -> bool) -> usize {
        let events = self.0.get(dev_id).into_iter().flatten();
        events.filter(|it| of(&it.event.kind)).count()
    }

    /// One record, one event, one session and one answered command for each bootstrap that was acknowledged, and none beside them.
    async fn has_each_once(&self, rig: &Rig, bootstraps: &Bootstraps) {
        let dev_id = bootstraps.dev_id.to_string();
        let number = bootstraps.acknowledged.len();
        let records = rig.store().bootstraps_of(&bootstraps.dev_id).await.unwrap();
        for (event_id, hash) in &bootstraps.acknowledged {
            let fits = |of: &str| of == event_id;
            let mut mine = records
                .iter()
                .filter(|it| it.event_id.as_ref().is_some_and(|it| fits(it.as_str())));
            let record = mine.next().unwrap_or_else(|| panic!("{dev_id} {event_id}"));
            assert!(mine.next().is_none(), "{dev_id} {event_id}");
            assert_eq!(record.state, BootstrapState::Completed);
            assert_eq!(record.payload_hash, *hash);
            let reports = |kind: &EventKind| {
                matches!(kind, EventKind::BootstrapCompleted { event_id: Some(id), bootstrap: Some(of), .. }
                    if fits(id) && *of == record.id.to_string())
            };
            assert_eq!(self.count(&dev_id, reports), 1, "{dev_id} {event_id}");
        }
        assert_eq!(records.len(), number, "{dev_id}");
        let of_each: [fn(&EventKind) -> bool; 5] = [
            |it| matches!(it, EventKind::BootstrapDrafted { .. }),
            |it| matches!(it, EventKind::BootstrapCompleted { .. }),
            |it| matches!(it, EventKind::SessionStarted { .. }),
            |it| matches!(it, EventKind::CommandAnswered { .. }),
            |it| matches!(it, EventKind::SessionEnded { .. }),
        ];
        let counts = of_each.map(|is| self.count(&dev_id, is));
        assert_eq!(counts, [number; 5], "{dev_id}");
        // Registered, begun by the operator; fetched with a commit but for the first time, completed, ended. A stored answer costs one for its cookie.
        let device = rig.store().device(&bootstraps.dev_id).await.unwrap();
        let (epoch, least) = (device.unwrap().epoch.0, 1 + 3 * number as u64);
        let in_range = (least..=least + bootstraps.refused).contains(&epoch);
        assert!(
            in_range,
            "{dev_id}: {epoch}, {least}, {}",
            bootstraps.refused
        );
        let sessions = rig.store().sessions(&bootstraps.dev_id).await.unwrap();
        assert!(sessions.is_empty(), "{dev_id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_to_come_back_while_the_database_is_away_and_gets_through_afterwards() {
    let load = Load::start().await;
    let mut absences = Vec::new();
    for how in [Shutdown::Immediate, Shutdown::Fast] {
        load.act(move |database| database.restart(how)).await;
        load.nodes_recover().await;
        load.everybody_gets_through().await;
        load.act(move |database| database.stop(how)).await;
        let begin = Instant::now();
        sleep(Duration::from_millis(2500)).await;
        absences.push((begin, Instant::now()));
        load.act(PrivatePostgres::start_again).await;
        load.nodes_recover().await;
        load.everybody_gets_through().await;
    }
    load.everybody_was_refused();
    load.audit(&absences).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_to_come_back_while_the_database_is_frozen_and_gets_through_afterwards() {
    let load = Load::start().await;
    load.act(PrivatePostgres::freeze).await;
    let begin = Instant::now();
    sleep(Duration::from_secs(10)).await;
    load.everybody_was_refused();
    // A probe that waits when it thaws is answered.
    let absence = (begin, Instant::now().checked_sub(KNOWN).unwrap());
    load.act(PrivatePostgres::thaw).await;
    load.nodes_recover().await;
    load.everybody_gets_through().await;
    load.audit(&[absence]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_again_and_again_lose_nothing_and_double_nothing() {
    let load = Load::start().await;
    for _ in 0..12 {
        load.act(|database| database.cut_connections().map(drop))
            .await;
        sleep(Duration::from_millis(100)).await;
    }
    load.nodes_recover().await;
    load.everybody_gets_through().await;
    load.audit(&[]).await;
}
