//! A DM Server over loopback, and devices that speak raw HTTP to it.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod dm1;
pub(crate) mod listening_device;
pub(crate) mod moody;
pub(crate) mod secrets;
mod wire;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use omadm_bootstrap::{BootstrapMethod, EventId, PayloadHash, ProfileFormat, Utc};
use omadm_lab::nodes::{Nodes, state_dir, wanted_nodes};
use omadm_lab::postgres::Database;
use omadm_mo::{DevId, Secret, SrvId};
use omadm_server::config::ServerConfig;
use omadm_server::model::{
    BootstrapChange, BootstrapRecord, BootstrapState, EventKind, ExchangeDelta, RecordId,
    StoredEvent,
};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{NewCredential, NewDevice};
use omadm_server::seal::{SealingKey, SealingKeys};
use omadm_server::store::address::PostgresAddress;
use omadm_server::store::{Store, StoreError};
use omadm_server::{Clock as _, DmServer, Running, SystemClock, TrafficCounts};
use omadm_tls::{Connector, ConnectorConfig, DeviceKey, Identity, ServerTrust, pem};
use tempfile::TempDir;
use tokio::net::TcpStream;

pub(crate) const DEVICE: &str = "IMEI:493005100592800";
pub(crate) const DOCUMENT: &[u8] =
    br#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dms"}}}]"#;
pub(crate) const PACKAGE1: &str = "application/vnd.oma.dm.initiation+json";
pub(crate) const PACKAGE2: &str = "application/vnd.oma.dm.request+json";
pub(crate) const PACKAGE3: &str = "application/vnd.oma.dm.response+json";

/// A running server with its state directory, token and clock: one node on SQLite, or with `OMADM_TEST_NODES=2` two over one PostgreSQL, to which devices'
/// requests and operators' connections go in turn.
pub(crate) struct Rig {
    servers: Servers,
    config: ServerConfig,
    pub(crate) dir: TempDir,
    pub(crate) token: Secret,
    pub(crate) api: ApiClient,
    shift: Arc<AtomicI64>,
    /// Of the next connection's first request.
    turn: AtomicUsize,
    database: Option<PostgresAddress>,
}

thread_local! {
    /// The databases of this thread's rigs. They go with the thread, after its runtime: dropping a database waits for everybody who is just connecting to
    /// it, and while a thread waits for that nothing drives the connections of its runtime.
    static DATABASES: RefCell<Vec<Database>> = const { RefCell::new(Vec::new()) };
}

#[allow(clippy::large_enum_variant, reason = "one to a test")]
enum Servers {
    One(Running),
    Several(Nodes),
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a device connects with: one with tickets of its own for each node.
pub(crate) struct Connectors(Vec<Connector>);

/// A device's connection to each node. Each request goes to the node after that of the one before.
pub(crate) struct Wire {
    senders: Vec<SendRequest<Full<Bytes>>>,
    turn: usize,
    /// Whether each TLS session was resumed.
    pub(crate) resumed: bool,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}, |server| server).await
    }

    /// Each node gets these settings and parts.
    pub(crate) async fn with(
        settings: impl FnOnce(&mut ServerConfig),
        parts: impl Fn(DmServer) -> DmServer,
    ) -> Self {
        match wanted_nodes().unwrap() {
            1 => Self::one_node(settings, parts).await,
            _ => Self::two_nodes(settings, parts).await,
        }
    }

    /// One node whatever was asked for: where a test is about one process, its listeners, its store.
    pub(crate) async fn one_node(
        settings: impl FnOnce(&mut ServerConfig),
        parts: impl Fn(DmServer) -> DmServer,
    ) -> Self {
        Self::start(None, settings, parts).await
    }

    /// Two nodes over one PostgreSQL whatever was asked for.
    pub(crate) async fn two_nodes(
        settings: impl FnOnce(&mut ServerConfig),
        parts: impl Fn(DmServer) -> DmServer,
    ) -> Self {
        let database = tokio::task::spawn_blocking(Database::fresh);
        let database = database.await.unwrap().unwrap();
        let address = database.url().parse().unwrap();
        DATABASES.with_borrow_mut(|databases| databases.push(database));
        Self::start(Some(address), settings, parts).await
    }

    /// Two nodes over a database of the test's own.
    pub(crate) async fn two_nodes_on(
        database: PostgresAddress,
        settings: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        Self::start(Some(database), settings, |server| server).await
    }

    async fn start(
        database: Option<PostgresAddress>,
        settings: impl FnOnce(&mut ServerConfig),
        parts: impl Fn(DmServer) -> DmServer,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = ServerConfig::new(dir.path().join("state"));
        settings(&mut config);
        let shift = Arc::new(AtomicI64::new(0));
        let clock = shifted(&shift);
        let parts = |server| parts(clock(server));
        let mut servers = Servers::start(&config, database.as_ref(), parts).await;
        let first_start = servers.first_mut().first_start.take();
        let token = first_start.unwrap().token;
        Self {
            api: servers.api(&token),
            servers,
            config,
            dir,
            token,
            shift,
            turn: AtomicUsize::new(0),
            database,
        }
    }

    /// The same server after a graceful end of every node and a start of every node; without parts.
    pub(crate) async fn restarted(mut self) -> Self {
        self.servers.shutdown().await.unwrap();
        let clock = shifted(&self.shift);
        self.servers = Servers::start(&self.config, self.database.as_ref(), clock).await;
        self.api = self.servers.api(&self.token);
        self
    }

    /// Ends every node gracefully.
    pub(crate) async fn shutdown(self) -> Result<(), StoreError> {
        self.servers.shutdown().await
    }

    /// The node that was started first; the only one of [`Self::one_node`].
    pub(crate) fn server(&self) -> &Running {
        &self.servers()[0]
    }

    pub(crate) fn servers(&self) -> &[Running] {
        match &self.servers {
            Servers::One(server) => std::slice::from_ref(server),
            Servers::Several(nodes) => nodes.running(),
        }
    }

    /// Where devices are told to come.
    pub(crate) fn device_addr(&self) -> SocketAddr {
        match &self.servers {
            Servers::One(server) => server.device_addr,
            Servers::Several(nodes) => nodes.devices().address(),
        }
    }

    /// Where operators come in: a connection to one node, the next to the other.
    pub(crate) fn operator_addr(&self) -> SocketAddr {
        match &self.servers {
            Servers::One(server) => server.operator_addr,
            Servers::Several(nodes) => nodes.operators().address(),
        }
    }

    /// The state directory of each node.
    pub(crate) fn state_dirs(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.servers().len()).map(|index| state_dir(&self.config.state_dir, index))
    }

    /// Exchanges of all device listeners; the connections are those of the one that had most, since a [`Wire`] is one to each.
    pub(crate) fn traffic(&self) -> TrafficCounts {
        let all = self.servers().iter().map(Running::traffic);
        TrafficCounts {
            connections: all.clone().map(|it| it.connections).max().unwrap(),
            exchanges: all.map(|it| it.exchanges).sum(),
        }
    }

    pub(crate) fn jump(&self, seconds: i64) {
        self.shift.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Utc {
        SystemClock
            .now()
            .plus_millis(self.shift.load(Ordering::SeqCst))
    }

    /// Registers a device without any credential.
    pub(crate) async fn known(&self, dev_id: &str) {
        let new = NewDevice {
            dev_id: dev_id.to_owned(),
            ..NewDevice::default()
        };
        self.api.add_device(&new).await.unwrap();
    }

    /// Registers a device with a certificate of the server's CA.
    pub(crate) async fn device(&self, dev_id: &str) -> Identity {
        let key = DeviceKey::generate().unwrap();
        let csr = key
            .certificate_request(&DevId::parse(dev_id).unwrap())
            .unwrap()
            .to_pem();
        let new = NewDevice {
            dev_id: dev_id.to_owned(),
            csr: Some(csr),
            ..NewDevice::default()
        };
        let added = self.api.add_device(&new).await.unwrap();
        let chain = pem::certificates(&added.certificate.unwrap()).unwrap();
        key.identity(chain.into_iter().take(1).collect()).unwrap()
    }

    /// Issues a bootstrap code for a registered device.
    pub(crate) async fn code(&self, dev_id: &str) -> String {
        let new = NewCredential {
            code: true,
            ..NewCredential::default()
        };
        self.api
            .add_credential(dev_id, &new)
            .await
            .unwrap()
            .code
            .unwrap()
    }

    pub(crate) fn sealing_keys(&self) -> SealingKeys {
        let key = Secret::new(std::fs::read(self.dir.path().join("state/sealing.key")).unwrap());
        SealingKeys::new(SealingKey::from_octets(&key).unwrap(), Vec::new())
    }

    /// The document of a record, as if it had been fetched.
    pub(crate) async fn document(&self, id: &RecordId) -> Answer {
        let record = self.record(id).await;
        let sealed = self
            .store()
            .sealed_document(&record.dev_id, id)
            .await
            .unwrap()
            .unwrap();
        let context = format!("bootstrap\0{}\0{id}", record.dev_id);
        let document = self
            .sealing_keys()
            .open(context.as_bytes(), &sealed)
            .unwrap();
        Answer {
            status: 200,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(document.expose()),
        }
    }

    /// Puts a bootstrap of this document into the store.
    pub(crate) async fn seed(&self, dev_id: &str, document: &[u8], lifetime: i64) -> RecordId {
        let dev_id = DevId::parse(dev_id).unwrap();
        let device = self.store().device(&dev_id).await.unwrap().unwrap();
        let number = self.store().bootstraps_of(&dev_id).await.unwrap().len() as u8;
        let mut octets = [number; 16];
        octets[..8].copy_from_slice(
            &PayloadHash::of(dev_id.as_str().as_bytes())
                .to_hex()
                .as_bytes()[..8],
        );
        let id = RecordId(EventId::of(octets));
        let now = self.now();
        let record = BootstrapRecord {
            id: id.clone(),
            dev_id: dev_id.clone(),
            profile: "seeded".to_owned(),
            format: ProfileFormat::Dm2,
            srv_id: SrvId::parse("dms").unwrap(),
            method: BootstrapMethod::ClientInitiated,
            has_trsp: false,
            state: BootstrapState::Queued,
            cause: None,
            payload_hash: PayloadHash::of(document),
            event_id: None,
            kind: None,
            created_at: now,
            expires_at: now.plus_secs(lifetime),
            fetched_at: None,
            ended_at: None,
            push: None,
        };
        let context = format!("bootstrap\0{dev_id}\0{id}");
        let sealed = self
            .sealing_keys()
            .seal(context.as_bytes(), &Secret::new(document.to_vec()))
            .unwrap();
        let mut delta = ExchangeDelta::new(dev_id, Some(device.epoch), now);
        delta
            .bootstraps
            .push(BootstrapChange::Create(Box::new(record), sealed));
        self.store().commit(delta).await.unwrap();
        id
    }

    pub(crate) async fn record(&self, id: &RecordId) -> BootstrapRecord {
        self.store().bootstrap(id).await.unwrap().unwrap()
    }

    /// The first node's, to read from: what another node has deferred is not in it before [`Self::flush`].
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.server().store()
    }

    /// Writes out what any node has deferred.
    pub(crate) async fn flush(&self) {
        for server in self.servers() {
            server.store().flush().await.unwrap();
        }
    }

    /// Does so where there are several nodes: a mark rides on a delta of its own node alone, so `fetched` may come after another's completion.
    pub(crate) async fn flush_several(&self) {
        if self.servers().len() > 1 {
            self.flush().await;
        }
    }

    pub(crate) fn connector(&self, identity: Option<&Identity>) -> Connectors {
        let to = |server: &Running| {
            let trust = ServerTrust::anchors(&[server.ca_certificate().clone()]).unwrap();
            let mut config = ConnectorConfig::new(trust);
            config.identity = identity.cloned();
            Connector::new(config).unwrap()
        };
        Connectors(self.servers().iter().map(to).collect())
    }

    /// A connection of a device.
    pub(crate) async fn connect(&self, identity: Option<&Identity>) -> Wire {
        self.connect_by(&self.connector(identity)).await
    }

    pub(crate) async fn connect_by(&self, connectors: &Connectors) -> Wire {
        let mut wire = Wire {
            senders: Vec::new(),
            turn: self.turn.fetch_add(1, Ordering::Relaxed),
            resumed: true,
        };
        for (server, connector) in self.servers().iter().zip(&connectors.0) {
            let one = open(server.device_addr, connector).await;
            wire.senders.extend(one.senders);
            wire.resumed &= one.resumed;
        }
        wire
    }

    /// The refusals that the event log has, deferred ones written out, with the devices they are under.
    pub(crate) async fn refusals(&self) -> Vec<(Option<String>, EventKind)> {
        let all = self.events().await;
        let refusals = all
            .into_iter()
            .filter(|stored| matches!(stored.event.kind, EventKind::RequestRefused { .. }));
        refusals
            .map(|stored| {
                (
                    stored.dev_id.map(|dev_id| dev_id.to_string()),
                    stored.event.kind,
                )
            })
            .collect()
    }

    pub(crate) async fn events(&self) -> Vec<StoredEvent> {
        self.flush().await;
        self.store().events_after(0, 500).await.unwrap()
    }

    /// Durable commits of deltas that this future caused.
    pub(crate) async fn commits_of<T>(&self, of: impl Future<Output = T>) -> (u64, T) {
        let deltas = || -> u64 { self.servers().iter().map(|it| it.commits().deltas).sum() };
        let before = deltas();
        let result = of.await;
        (deltas() - before, result)
    }
}

impl Servers {
    async fn start(
        config: &ServerConfig,
        database: Option<&PostgresAddress>,
        parts: impl Fn(DmServer) -> DmServer,
    ) -> Self {
        let Some(database) = database else {
            let server = parts(DmServer::new(config.clone()));
            return Self::One(server.start().await.unwrap());
        };
        Self::Several(Nodes::start(2, database, config, parts).await.unwrap())
    }

    async fn shutdown(self) -> Result<(), StoreError> {
        match self {
            Self::One(server) => server.shutdown().await,
            Self::Several(nodes) => nodes.shutdown().await,
        }
    }

    fn first_mut(&mut self) -> &mut Running {
        match self {
            Self::One(server) => server,
            Self::Several(nodes) => &mut nodes.running_mut()[0],
        }
    }

    fn api(&self, token: &Secret) -> ApiClient {
        let (port, server) = match self {
            Self::One(server) => (server.operator_addr.port(), server),
            Self::Several(nodes) => (nodes.operators().address().port(), &nodes.running()[0]),
        };
        ApiClient::new("127.0.0.1", port, server.ca_certificate(), token).unwrap()
    }
}

/// Gives a server the system's clock, shifted.
fn shifted(shift: &Arc<AtomicI64>) -> impl Fn(DmServer) -> DmServer + use<> {
    let shift = Arc::clone(shift);
    move |server| {
        let shift = Arc::clone(&shift);
        server.with_clock(move || SystemClock.now().plus_millis(shift.load(Ordering::SeqCst)))
    }
}

impl Deref for Connectors {
    type Target = Connector;

    fn deref(&self) -> &Connector {
        &self.0[0]
    }
}

/// A connection to a server's device listener.
pub(crate) async fn open(address: SocketAddr, connector: &Connector) -> Wire {
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect(stream, "127.0.0.1").await.unwrap();
    let resumed = stream.is_resumed();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Wire {
        senders: vec![sender],
        turn: 0,
        resumed,
    }
}

/// The Package#1 that reports a completed bootstrap of this document.
pub(crate) fn completion(event_id: &str, document: &[u8]) -> String {
    format!(
        r#"{{"MOS":[{{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2","MIID":["1"]}}],"Alert":[{{"AlertType":"urn:oma:at:dm:2.0:BootstrapComplete","SourceURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","Mark":"informational",
        "DataType":"application/json","Data":{{"BootstrapType":{{"Method":"client","Profile":"dm2","Kind":"first","Seq":1,
        "Time":"20260101T120000Z","EventId":"{event_id}","PayloadHash":"{}","State":"pending"}}}}}}]}}"#,
        PayloadHash::of(document).to_hex()
    )
}

/// A Package#1 that the client opened by itself.
pub(crate) const CLIENT_INITIATED: &str =
    r#"{"Alert":[{"AlertType":"urn:oma:at:dm:2.0:ClientInitiatedMgmt"}]}"#;

/// The Package#3 that answers the read of DevInfo.
pub(crate) const DEV_INFO: &str = r#"{"Status":[{"sc":200,"Result":[{"ClientURI":"urn:oma:mo:oma-dm-devinfo:1.2/1/","CV":"5f2a",
    "MOData":{"DevInfo":{"DevID":"IMEI:493005100592800","Man":"Acme","Mod":"M1","DmV":"2.0","Lang":"en","DevType":"sensor","OEM":"",
    "FwV":"1.0","SwV":"1.0","HwV":"A"}}}]}]}"#;

pub(crate) async fn soon<T>(of: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), of)
        .await
        .expect("it took longer than 20 s")
}
