//! The conformance kit against our DM Client: every check passes, and each fails behind a proxy that makes the client wrong in one place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod matrix;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use matrix::{misjudged, not_passed, spread};
use omadm_bootstrap::BootstrapPolicy;
use omadm_client::policy::{ListenAddresses, NetworkPolicy, ReportTimes};
use omadm_client::{Client, DeviceDir};
use omadm_lab::conformance::client::{ClientKit, ClientSetup, checks};
use omadm_lab::conformance::item::{self, Side};
use omadm_lab::conformance::peer::{
    Alteration, CLIENT_ALTERATIONS, Change, Proxy, ProxyConfig, PushProxy, PushProxyConfig, Relay,
};
use omadm_lab::conformance::report::Report;
use omadm_lab::conformance::{Hook, HookCall, Verdict};
use omadm_mo::ddf::Ddf;
use omadm_mo::json::JsonLimits;
use omadm_mo::{
    DevId, ExecOutcome, ManagedObject, ManagedObjectError, Node, NodePath, Rights, ServerUri,
    SrvId, Value,
};
use omadm_session::pair::acme;
use omadm_tls::Identity;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};

const DEV_ID: &str = "IMEI:493005100592800";
/// Octets of the longest body that the client reads.
const OCTETS: usize = 40_000;
const REPORTING: &str = include_str!("../../../profiles/ddf/reporting-1.0.ddf");

/// A client that runs as a daemon until it is dropped.
struct Device {
    client: Arc<Client>,
    /// Where it takes pushes.
    pushes: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Device {
    async fn start(client: Client) -> Self {
        let client = Arc::new(client);
        let listening = client.listen().await.unwrap();
        let pushes = listening.bootstrap.unwrap();
        let (stop, stopped) = watch::channel(false);
        let daemon = Arc::clone(&client);
        let task = tokio::spawn(async move {
            let _listening = listening;
            let _ended = daemon.run(stopped).await;
        });
        Self {
            client,
            pushes,
            stop,
            task,
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.task.abort();
    }
}

/// An object with one node, which may be executed: nothing comes of it.
struct Button(Ddf);

const BUTTON: &str = "urn:example:mo:button:1.0";

impl Button {
    fn new() -> Self {
        let properties = |access: &str, format: &str, more: &str| {
            format!(
                "<DFProperties><AccessType>{access}</AccessType><DFFormat><{format}/></DFFormat><Occurrence><One/></Occurrence>\
                 <Scope><Permanent/></Scope><DFType>{more}</DFType></DFProperties>"
            )
        };
        let root = properties("<Get/>", "node", &format!("<DDFName>{BUTTON}</DDFName>"));
        let press = properties("<Exec/><Get/>", "chr", "<MIME>text/plain</MIME>");
        let text = format!(
            "<MgmtTree><Node><NodeName>Button</NodeName>{root}<Node><NodeName>Press</NodeName>{press}</Node></Node></MgmtTree>"
        );
        Self(Ddf::read(&text).unwrap())
    }
}

impl ManagedObject for Button {
    fn ddf(&self) -> &Ddf {
        &self.0
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        let mut root = Node::empty();
        root.put(&NodePath::of("Press").unwrap(), Value::chr("").into());
        Ok(root.at(at).cloned())
    }

    fn plan_write(&self, _: &NodePath, _: &Node) -> Result<(), ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn exec(&mut self, _: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        Ok(ExecOutcome::Done)
    }

    fn changed(&mut self, _: &NodePath) {}
}

fn client(folder: &Path, kit: &ClientKit, identity: Identity, udp: SocketAddr) -> Client {
    let info = acme(DevId::parse(DEV_ID).unwrap());
    let dir = DeviceDir::init(&folder.join("device"), &info).unwrap();
    let url = ServerUri::parse(&kit.bootstrap_url()).unwrap();
    let ca = vec![kit.ca().clone()];
    Client::builder(info, dir.store_file())
        .identity(identity)
        .source(url, ca.clone())
        .anchors(ca)
        .browser(|_| Ok(()))
        .listen(ListenAddresses {
            udp: Some(udp),
            https: None,
            bootstrap: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        })
        .limits(JsonLimits {
            octets: OCTETS,
            ..JsonLimits::default()
        })
        .mo(Ddf::read(REPORTING).unwrap())
        .managed_object_for(Button::new(), Rights::READ.with(Rights::EXECUTE))
        .reports(ReportTimes {
            coalesce: Duration::from_millis(100),
            retry: Duration::from_secs(1),
        })
        // Where no source is named, too.
        .network(NetworkPolicy {
            allow_loopback: true,
            ..NetworkPolicy::default()
        })
        .bootstrap_policy(BootstrapPolicy::default())
        .build()
        .unwrap()
}

async fn asked_for(client: &Client, call: HookCall) {
    match call {
        HookCall::Session(server) => {
            let server = SrvId::parse(&server).unwrap();
            let _report = client.session(&server).await;
        }
        HookCall::Bootstrap => {
            if client.bootstrap().await.is_ok() {
                let _reports = client.settle().await;
            }
        }
        other => panic!("a client is not asked for {other:?}"),
    }
}

/// How long the kit waits for the client's next step, and to see that there is none.
struct Patience {
    limit: Duration,
    silence: Duration,
}

const WHOLE: Patience = Patience {
    limit: Duration::from_secs(20),
    silence: Duration::from_millis(300),
};
const SHORT: Patience = Patience {
    limit: Duration::from_secs(6),
    ..WHOLE
};
/// Where a machine at work made the client late.
const LONG: Patience = Patience {
    silence: Duration::from_secs(2),
    ..WHOLE
};

/// The kit, met by a client of ours, with a proxy between where there is something to change.
async fn driven(change: Option<Change>, picks: &[String], patience: &Patience) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let device = Arc::new(tokio::sync::Mutex::new(None::<Device>));
    let asked = Arc::clone(&device);
    let mut setup = ClientSetup::new(DevId::parse(DEV_ID).unwrap());
    (setup.limit, setup.silence) = (patience.limit, patience.silence);
    setup.scratch = Some(serde_json::json!({
        "ClientURI": "urn:example:mo:reporting:1.0//",
        "MOData": { "Reporting": { "Enabled": true, "IntervalSeconds": 60, "Target": { "URI": "https://example.com/in" } } },
    }));
    setup.exec = Some(format!("{BUTTON}//Press"));
    setup.hook = Some(Hook::function(move |call, _| {
        let asked = Arc::clone(&asked);
        async move {
            // Before it is there, it is asked for its first bootstrap, which it fetches by itself.
            let device = asked.lock().await;
            let Some(client) = device.as_ref().map(|device| Arc::clone(&device.client)) else {
                return Ok(());
            };
            let accounts = client.accounts().map_err(|error| error.to_string())?;
            if !accounts.is_empty() {
                tokio::spawn(async move { asked_for(&client, call).await });
            }
            Ok(())
        }
    }));
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let udp = ear.local_addr().unwrap();
    drop(ear);
    let relay = Relay::start(udp, change.unwrap_or(Change::Nothing))
        .await
        .unwrap();
    setup.notify_to = Some(relay.address());
    setup.push_limit = Some(OCTETS);
    let mut kit = ClientKit::start(setup).await.unwrap();
    let own = kit.client_identity().unwrap();
    let mut proxy = None;
    if let Some(change) = change {
        let started = Proxy::start(ProxyConfig {
            identity: kit.server_identity(),
            upstream: ("localhost".to_owned(), kit.address().port()),
            anchors: vec![kit.ca().clone()],
            identities: kit.account_identities(),
            stranger: kit.client_identity().unwrap(),
            change,
        });
        let started = started.await.unwrap();
        kit.tell_port(started.address().port());
        proxy = Some(started);
    }
    let started = Device::start(client(folder.path(), &kit, own.clone(), udp)).await;
    let (mut pushes, mut push_proxy) = (started.pushes, None);
    if let Some(change) = change {
        let before = PushProxy::start(PushProxyConfig {
            device: own,
            upstream: pushes,
            trusted: kit.server_identity(),
            stranger: kit.stranger_identity(),
            change,
        });
        let before = before.await.unwrap();
        pushes = before.address();
        push_proxy = Some(before);
    }
    kit.push_to(ServerUri::parse(&format!("https://{pushes}/bootstrap")).unwrap());
    *device.lock().await = Some(started);
    let report = kit.run(picks, |_| {}).await;
    drop(device.lock().await.take());
    drop((proxy, push_proxy));
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn our_client_passes_every_check_directly_and_behind_a_proxy_that_changes_nothing() {
    for change in [None, Some(Change::Nothing)] {
        let report = driven(change, &[], &WHOLE).await;
        let others = not_passed(&report);
        assert!(others.is_empty(), "{others:#?}");
        assert!(report.is_passed());
    }
}

/// What each of these alterations made of the kit, for its check alone or for every one.
async fn altered(
    alterations: Vec<Alteration>,
    alone: bool,
    at_once: usize,
) -> Vec<(Alteration, Report)> {
    let places = Arc::new(Semaphore::new(at_once));
    let mut running = Vec::new();
    for alteration in alterations {
        let places = Arc::clone(&places);
        running.push(tokio::spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let picks = alone.then(|| alteration.check.to_owned());
            let patience = if alone { &SHORT } else { &WHOLE };
            let report = driven(Some(alteration.change), picks.as_slice(), patience).await;
            (alteration, report)
        }));
    }
    let mut reports = Vec::new();
    for run in running {
        reports.push(run.await.unwrap());
    }
    reports
}

/// Whether its one check found something.
fn is_wrong(report: &Report) -> bool {
    let verdict = &report.results[0].verdict;
    matches!(verdict, Verdict::Failed { .. } | Verdict::Differs { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_fails_behind_a_proxy_that_makes_the_client_wrong_in_its_one_place() {
    let mut survived = Vec::new();
    for (alteration, report) in altered(CLIENT_ALTERATIONS.to_vec(), true, 12).await {
        if !is_wrong(&report) {
            survived.push(alteration);
        }
    }
    // Among so many at once one may come too late to be seen: it has its turn alone.
    let mut passed = Vec::new();
    for alteration in survived {
        let pick = [alteration.check.to_owned()];
        let report = driven(Some(alteration.change), &pick, &LONG).await;
        if !is_wrong(&report) {
            passed.push((alteration.check, report.results[0].verdict.clone()));
        }
    }
    assert_eq!(passed, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_each_alteration_of_a_client_fails_its_check_and_its_followers_and_nothing_else() {
    let size = omadm_lab::soak::size(CLIENT_ALTERATIONS.len());
    let some = spread(CLIENT_ALTERATIONS, size);
    let began = std::time::Instant::now();
    let (mut wrong, mut again) = (Vec::new(), Vec::new());
    for (alteration, report) in altered(some, false, 6).await {
        if misjudged(&alteration, &report).is_some() {
            // It came too late to be seen, maybe: it has its turn alone.
            let report = driven(Some(alteration.change), &[], &LONG).await;
            wrong.extend(misjudged(&alteration, &report));
            again.push(alteration.check);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!(
        "soak: {size} alterations, each before {} checks, in {} s; again alone: {}",
        checks().len(),
        began.elapsed().as_secs(),
        again.join(" ")
    );
}

#[test]
fn each_check_has_one_alteration_and_items_that_there_are() {
    let names: Vec<_> = checks().iter().map(|check| check.id).collect();
    let altered: Vec<_> = CLIENT_ALTERATIONS.iter().map(|it| it.check).collect();
    assert_eq!(names, altered);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for check in checks() {
        assert!(!check.items.is_empty(), "{}", check.id);
        for id in check.items {
            let item = item::find(id).unwrap_or_else(|| panic!("{}: {id}", check.id));
            assert!(Side::Client.is_bound_by(item), "{}: {id}", check.id);
        }
    }
}
