//! Several nodes over one store: whose store it is, who may join, and that a node sees at once what another did.
//! It starts its nodes itself, whatever `OMADM_TEST_NODES` says: they differ in settings, parts and files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::Method;
use omadm_bootstrap::Utc;
use omadm_lab::postgres::Database;
use omadm_mo::DevId;
use omadm_server::config::ServerConfig;
use omadm_server::model::{DmGeneration, EventKind, ExchangeDelta, SessionChange, SessionRow};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::store::address::StoreAddress;
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_server::store::{Store, StoreError, postgres};
use omadm_server::{Clock as _, DmServer, Running, StartError, SystemClock};
use omadm_tls::{ClientTrust, Identity, PeerIdentity, UnixTime, Verdict, pem};
use support::{DEVICE, DOCUMENT, Rig, Wire, soon};
use tempfile::TempDir;

const WRONG: &str = "WRON-GWRO-NGWR-ONGW";
const MO: &str = "application/vnd.oma.dm.mo+json";
/// Between two looks at what a node does by itself.
const LOOK: Duration = Duration::from_millis(100);

/// Two nodes over one SQLite store in one process; the second has a copy of the first one's state directory.
struct Nodes {
    one: Rig,
    two: Running,
    dir: TempDir,
    shift: Arc<AtomicI64>,
}

impl Nodes {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(settings: impl Fn(&mut ServerConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, shift) = (shared(dir.path()), Arc::new(AtomicI64::new(0)));
        let (given, clock) = (Arc::clone(&store), Arc::clone(&shift));
        let one = Rig::one_node(&settings, |server| {
            let clock = shifted(Arc::clone(&clock));
            server.with_store(Arc::clone(&given)).with_clock(clock)
        })
        .await;
        copy_state(&one.dir.path().join("state"), &dir.path().join("state"));
        let mut config = ServerConfig::new(dir.path().join("state"));
        settings(&mut config);
        let two = DmServer::new(config)
            .with_store(store)
            .with_clock(shifted(Arc::clone(&shift)));
        let two = two.start().await.unwrap();
        assert!(two.first_start.is_none());
        Self {
            one,
            two,
            dir,
            shift,
        }
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.one.store()
    }

    /// Connections of a device to both.
    async fn connect(&self, identity: Option<&Identity>) -> [Wire; 2] {
        let connector = self.one.connector(identity);
        [
            support::open(self.one.device_addr(), &connector).await,
            support::open(self.two.device_addr, &connector).await,
        ]
    }

    /// What the CRL that a node publishes says of a certificate.
    fn verdicts(&self, identity: &Identity) -> [Verdict; 2] {
        let states = [
            self.one.dir.path().join("state"),
            self.dir.path().join("state"),
        ];
        states.map(|state| {
            let crls = fs::read_to_string(state.join("devices.crl")).unwrap();
            let crls = pem::revocation_lists(&crls).unwrap();
            let ca = self.two.ca_certificate().clone();
            let trust = Arc::new(ClientTrust::new(&[ca], &crls).unwrap());
            let chain = identity.chain();
            PeerIdentity::judge(chain, trust, UnixTime::now())
                .verdict()
                .clone()
        })
    }
}

fn shifted(shift: Arc<AtomicI64>) -> impl Fn() -> Utc + Send + Sync {
    move || SystemClock.now().plus_millis(shift.load(Ordering::SeqCst))
}

fn shared(dir: &Path) -> Arc<dyn Store> {
    let file = dir.join("shared.sqlite");
    Arc::new(SqliteStore::open(file, &SqliteOptions::default()).unwrap())
}

/// As the operator does it: all but the store's file.
fn copy_state(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("server.sqlite") {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

async fn refused(server: DmServer) -> StartError {
    server.start().await.err().expect("it started")
}

fn foreign(error: &StartError) -> String {
    assert!(
        matches!(error, StartError::Store(StoreError::Foreign(..))),
        "{error:?}"
    );
    error.to_string()
}

#[tokio::test]
async fn a_first_start_on_the_store_of_another_deployment_is_refused_and_makes_nothing() {
    let (dir, one) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = shared(dir.path());
    let first = DmServer::new(ServerConfig::new(one.path())).with_store(Arc::clone(&store));
    let first = first.start().await.unwrap();
    let state = dir.path().join("state");
    let why = foreign(&refused(DmServer::new(ServerConfig::new(&state)).with_store(store)).await);
    assert!(!state.exists());
    for part in [
        &first.ca_fingerprint.to_string(),
        state.to_str().unwrap(),
        "copy the state directory",
        "all but server.sqlite",
    ] {
        assert!(why.contains(part), "{part} is not in: {why}");
    }
}

#[tokio::test]
async fn a_first_start_on_a_named_file_of_another_deployment_is_refused_and_makes_nothing() {
    let (dir, one) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let address = StoreAddress::Sqlite(dir.path().join("records.sqlite"));
    let mut config = ServerConfig::new(one.path().join("state"));
    config.store = address.clone();
    let first = DmServer::new(config).start().await.unwrap();
    assert!(!one.path().join("state/server.sqlite").exists());
    first.shutdown().await.unwrap();
    let mut config = ServerConfig::new(one.path().join("other"));
    config.store = address;
    let why = foreign(&refused(DmServer::new(config)).await);
    assert!(why.contains("records.sqlite"), "{why}");
    assert!(!one.path().join("other").exists());
}

#[tokio::test]
async fn a_server_with_a_ca_of_its_own_is_told_both_and_stays_as_it_is() {
    let (dir, one, two) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let store = shared(dir.path());
    let first = DmServer::new(ServerConfig::new(one.path())).with_store(Arc::clone(&store));
    let first = first.start().await.unwrap();
    let second = DmServer::new(ServerConfig::new(two.path()));
    let second = second.start().await.unwrap();
    let its_own = second.ca_fingerprint.to_string();
    second.shutdown().await.unwrap();
    let before = listing(two.path());
    let why =
        foreign(&refused(DmServer::new(ServerConfig::new(two.path())).with_store(store)).await);
    for part in [&first.ca_fingerprint.to_string(), &its_own] {
        assert!(why.contains(part), "{part} is not in: {why}");
    }
    assert!(listing(two.path()) == before);
}

#[tokio::test]
async fn a_node_with_another_sealing_key_is_refused_since_it_could_open_no_document() {
    let nodes = Nodes::new().await;
    let dir = tempfile::tempdir().unwrap();
    copy_state(&nodes.dir.path().join("state"), dir.path());
    fs::write(dir.path().join("sealing.key"), [7; 32]).unwrap();
    let server = DmServer::new(ServerConfig::new(dir.path())).with_store(nodes.store().clone());
    let why = foreign(&refused(server).await);
    assert!(why.contains("sealed with key"), "{why}");
}

#[tokio::test]
async fn a_node_with_a_copied_state_directory_serves_the_devices_of_the_other() {
    let nodes = Nodes::new().await;
    let identity = nodes.one.device(DEVICE).await;
    nodes.one.seed(DEVICE, DOCUMENT, 3600).await;
    for mut wire in nodes.connect(Some(&identity)).await {
        let fetched = wire.fetch(DEVICE).await;
        assert_eq!((fetched.status, &fetched.body[..]), (200, DOCUMENT));
    }
    let (two, token) = (&nodes.two, &nodes.one.token);
    let port = two.operator_addr.port();
    let api = ApiClient::new("127.0.0.1", port, two.ca_certificate(), token).unwrap();
    assert_eq!(api.device(DEVICE).await.unwrap().credentials.len(), 1);
}

#[tokio::test]
async fn a_certificate_revoked_through_one_node_is_refused_by_the_other_at_once_and_soon_on_its_crl()
 {
    const OTHER: &str = "IMEI:490000000000001";
    let nodes = Nodes::new().await;
    let (revoked, other) = (
        nodes.one.device(DEVICE).await,
        nodes.one.device(OTHER).await,
    );
    let [_, mut open] = nodes.connect(Some(&revoked)).await;
    assert_eq!(open.fetch(DEVICE).await.status, 204);
    let credential = nodes.one.api.device(DEVICE).await.unwrap().credentials;
    let id = &credential.first().unwrap().id;
    nodes.one.api.revoke_credential(DEVICE, id).await.unwrap();
    let [_, mut fresh] = nodes.connect(Some(&revoked)).await;
    for wire in [&mut open, &mut fresh] {
        let answer = wire.fetch(DEVICE).await;
        assert_eq!(
            (answer.status, answer.cause().as_str()),
            (403, "credential-revoked")
        );
    }
    assert_eq!(nodes.verdicts(&revoked)[0], Verdict::Revoked);
    soon(async {
        while nodes.verdicts(&revoked)[1] != Verdict::Revoked {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    assert!(nodes.verdicts(&other).iter().all(Verdict::is_trusted));
    assert_eq!(open.fetch(DEVICE).await.status, 403);
}

#[tokio::test]
async fn an_object_stored_through_one_node_is_read_and_counted_by_the_other() {
    let nodes = Nodes::with(|config| config.limits.repository_objects = 2).await;
    let identity = nodes.one.device(DEVICE).await;
    let headers = [("OMADM-DevID", DEVICE), ("Content-Type", MO)];
    let mut wires = nodes.connect(Some(&identity)).await;
    for (node, path, body, status) in [
        (0, "/repo/in/a", "[1]", 204),
        (1, "/repo/in/b", "[2]", 204),
        (0, "/repo/in/c", "[3]", 507),
        (1, "/repo/in/a", "[4]", 204),
    ] {
        let answer = wires[node].send(Method::PUT, path, &headers, body).await;
        assert_eq!(answer.status, status, "{path} {body}");
    }
    let read = wires[0].send(Method::GET, "/repo/in/a", &headers, "").await;
    assert_eq!((read.status, &read.body[..]), (200, &b"[4]"[..]));
}

#[tokio::test]
async fn objects_stored_through_both_nodes_at_once_never_exceed_the_limit() {
    const MOST: usize = 5;
    let nodes = Nodes::with(|config| config.limits.repository_objects = MOST).await;
    let identity = nodes.one.device(DEVICE).await;
    let mut puts = tokio::task::JoinSet::new();
    for round in 0..4 {
        for (number, mut wire) in nodes.connect(Some(&identity)).await.into_iter().enumerate() {
            let path = format!("/repo/{round}/{number}");
            puts.spawn(async move {
                let headers = [("OMADM-DevID", DEVICE), ("Content-Type", MO)];
                wire.send(Method::PUT, &path, &headers, "[]").await.status
            });
        }
    }
    let mut answers = puts.join_all().await;
    answers.sort_unstable();
    let stored = answers.iter().filter(|status| **status == 204).count();
    let dev_id = DevId::parse(DEVICE).unwrap();
    let objects = nodes.store().objects(&dev_id, None, 100).await.unwrap();
    assert_eq!(objects.len(), stored, "{answers:?}");
    assert!(stored <= MOST, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|status| [204, 503, 507].contains(status)),
        "{answers:?}"
    );
}

#[tokio::test]
async fn wrong_tries_of_a_code_are_counted_over_both_nodes_d81() {
    let nodes = Nodes::new().await;
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        ..NewDevice::default()
    };
    nodes.one.api.add_device(&new).await.unwrap();
    nodes.one.seed(DEVICE, DOCUMENT, 3600).await;
    let code = nodes.one.code(DEVICE).await;
    let mut wires = nodes.connect(None).await;
    for tried in 0..4 {
        let wire = &mut wires[tried % 2];
        assert_eq!(wire.fetch_with_code(DEVICE, WRONG).await.status, 401);
    }
    for wire in &mut wires {
        assert_eq!(wire.fetch_with_code(DEVICE, &code).await.status, 200);
    }
    let [one, two] = &mut wires;
    assert_eq!(one.fetch_with_code(DEVICE, WRONG).await.status, 401);
    for wire in [two, one] {
        let answer = wire.fetch_with_code(DEVICE, &code).await;
        assert_eq!(
            (answer.status, answer.cause().as_str()),
            (403, "credential-revoked")
        );
    }
}

#[tokio::test]
async fn a_session_whose_time_is_over_is_ended_once_although_two_nodes_look() {
    const DEVICES: usize = 120;
    let nodes = Nodes::new().await;
    let begun = nodes.one.now();
    let session = async |number: usize, lasts: i64| {
        let dev_id = DevId::parse(&format!("IMEI:{number:015}")).unwrap();
        let mut delta = ExchangeDelta::new(dev_id.clone(), None, begun);
        delta.session = SessionChange::Set(SessionRow {
            generation: DmGeneration::Dm2,
            state: "{}".to_owned(),
            expires_at: begun.plus_secs(lasts),
        });
        nodes.store().commit(delta).await.unwrap();
        dev_id
    };
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        devices.push(session(number, 15 * 60).await);
    }
    let runs = session(DEVICES, 60 * 60).await;
    nodes.shift.fetch_add(15 * 60_000, Ordering::SeqCst);
    let over = async |dev_id: &DevId| nodes.store().sessions(dev_id).await.unwrap().is_empty();
    soon(async {
        for dev_id in &devices {
            while !over(dev_id).await {
                tokio::time::sleep(LOOK).await;
            }
        }
    })
    .await;
    for dev_id in &devices {
        let events = nodes.store().events_of(dev_id, 0, 10).await.unwrap();
        let kinds: Vec<_> = events.into_iter().map(|stored| stored.event.kind).collect();
        let aborted = EventKind::SessionAborted {
            reason: "no package came for 15 minutes".to_owned(),
            session: None,
        };
        assert_eq!(kinds, [aborted], "{dev_id}");
    }
    assert!(!over(&runs).await);
}

#[tokio::test]
async fn a_state_directory_remembers_where_its_records_are() {
    let dir = tempfile::tempdir().unwrap();
    let start = || DmServer::new(ServerConfig::new(dir.path()));
    let line = || fs::read_to_string(dir.path().join("store")).unwrap();
    start().start().await.unwrap().shutdown().await.unwrap();
    assert_eq!(line(), "sqlite\n");
    // One of an earlier version does not say.
    fs::remove_file(dir.path().join("store")).unwrap();
    start().start().await.unwrap().shutdown().await.unwrap();
    assert_eq!(line(), "sqlite\n");
    for file in listing(dir.path()) {
        if file.0.to_str().unwrap().contains("server.sqlite") {
            fs::remove_file(file.0).unwrap();
        }
    }
    let before = listing(dir.path());
    let why = refused(start()).await.to_string();
    assert!(
        why.contains("server.sqlite") && why.contains("missing") && why.contains("bring it back"),
        "{why}"
    );
    fs::write(dir.path().join("store"), "postgres\n").unwrap();
    let why = refused(start()).await.to_string();
    assert!(
        why.contains("in PostgreSQL: say --store postgres://") && why.contains("omadm store copy"),
        "{why}"
    );
    fs::write(dir.path().join("store"), "sqlite\n").unwrap();
    assert!(listing(dir.path()) == before);
}

#[tokio::test]
async fn nodes_on_one_postgresql_database_are_one_server() {
    let database = tokio::task::spawn_blocking(Database::fresh);
    let database = database.await.unwrap().unwrap();
    let address: StoreAddress = database.url().parse().unwrap();
    postgres::migrate(&database.url().parse().unwrap())
        .await
        .unwrap();
    let at = |address: &StoreAddress| {
        let address = address.clone();
        move |config: &mut ServerConfig| config.store = address
    };
    let one = Rig::one_node(at(&address), |server| server).await;
    let state = one.dir.path().join("state");
    assert_eq!(
        fs::read_to_string(state.join("store")).unwrap(),
        "postgres\n"
    );
    assert!(!state.join("server.sqlite").exists());
    let dir = tempfile::tempdir().unwrap();
    let server = |name: &str| {
        let mut config = ServerConfig::new(dir.path().join(name));
        at(&address)(&mut config);
        DmServer::new(config)
    };
    let why = foreign(&refused(server("fresh")).await);
    assert!(why.contains("postgres://"), "{why}");
    assert!(!dir.path().join("fresh").exists());
    copy_state(&state, &dir.path().join("copy"));
    let two = server("copy").start().await.unwrap();
    let identity = one.device(DEVICE).await;
    let connector = one.connector(Some(&identity));
    let headers = [("OMADM-DevID", DEVICE), ("Content-Type", MO)];
    let mut wire = one.connect_by(&connector).await;
    let put = wire.send(Method::PUT, "/repo/a", &headers, "[1]").await;
    assert_eq!(put.status, 204);
    let mut wire = support::open(two.device_addr, &connector).await;
    let read = wire.send(Method::GET, "/repo/a", &headers, "").await;
    assert_eq!((read.status, &read.body[..]), (200, &b"[1]"[..]));
    two.shutdown().await.unwrap();
    // The copy without --store, and with a database that has nothing of it.
    let why = refused(DmServer::new(ServerConfig::new(dir.path().join("copy")))).await;
    assert!(
        matches!(why, StartError::RecordsElsewhere { .. }),
        "{why:?}"
    );
    let empty = tokio::task::spawn_blocking(Database::fresh);
    let empty = empty.await.unwrap().unwrap();
    postgres::migrate(&empty.url().parse().unwrap())
        .await
        .unwrap();
    let mut config = ServerConfig::new(dir.path().join("copy"));
    config.store = empty.url().parse().unwrap();
    let why = refused(DmServer::new(config)).await;
    assert!(
        matches!(why, StartError::RecordsElsewhere { .. }),
        "{why:?}"
    );
    one.shutdown().await.unwrap();
}
