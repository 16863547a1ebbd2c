//! Two DM Servers in one process, one client, real mutual TLS: accounts that do not see each other, credentials of their own, make before break.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};

use omadm_bootstrap::{BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity};
use omadm_client::policy::NetworkPolicy;
use omadm_client::{
    Client, ClientBuilder, ClientEvent, ClientObserver, DeviceDir, Exchange, NoBootstrap,
};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, ServerUri, SrvId};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{NewBootstrap, NewDevice};
use omadm_session::client::{Cause, Outcome};
use omadm_session::pair::acme;
use omadm_tls::Identity;
use serde_json::{Value, json};
use support::{DEV_ID, Served, one_node_with};

const FULL: &str = include_str!("../../../profiles/full.toml");
const REPORTING: &str = include_str!("../../../profiles/ddf/reporting-1.0.ddf");
const FIRST: &str = "first.example.com";
const SECOND: &str = "second.example.com";

/// What went over HTTP.
#[derive(Default)]
struct Tap(Mutex<Vec<Exchange>>);

impl ClientObserver for Tap {
    fn event(&self, _: &ClientEvent) {}

    fn exchange(&self, exchange: &Exchange) {
        self.0.lock().unwrap().push(exchange.clone());
    }
}

impl Tap {
    /// The Package#1s that went to a server, in order.
    fn openings(&self, served: &Served) -> Vec<Value> {
        let port = format!("localhost:{}/dm/", served.device_port());
        let all = self.0.lock().unwrap();
        let sent = all.iter().filter(|exchange| exchange.url.contains(&port));
        let packages = sent.filter_map(|exchange| exchange.request.as_deref());
        packages
            .map(|text| serde_json::from_str(text).unwrap())
            .filter(|package: &Value| package.get("Status").is_none())
            .collect()
    }
}

struct Site {
    served: Served,
    api: ApiClient,
    identity: Identity,
}

/// A server of its own CA whose full profile brings this SrvID, and the identity that it gave the device.
async fn site(folder: &Path, dir: &DeviceDir, srv_id: &str) -> Site {
    let folder = folder.join(srv_id);
    let profile = folder.join("profiles/full.toml");
    let (served, api) = one_node_with(&folder, |_| {
        let text = FULL.replace("dm-full.example.com", srv_id);
        std::fs::write(&profile, text).unwrap();
    })
    .await;
    let csr = std::fs::read_to_string(dir.request_file()).unwrap();
    let new = NewDevice {
        dev_id: DEV_ID.into(),
        csr: Some(csr),
        profile: Some("full".into()),
        ..NewDevice::default()
    };
    let added = api.add_device(&new).await.unwrap();
    std::fs::write(dir.certificate_file(), added.certificate.unwrap()).unwrap();
    let identity = dir.identity().unwrap().unwrap();
    Site {
        served,
        api,
        identity,
    }
}

fn info() -> DevInfo {
    acme(DevId::parse(DEV_ID).unwrap())
}

/// The device with neither identity nor source.
fn device(dir: &DeviceDir) -> (ClientBuilder, Arc<Tap>) {
    let tap = Arc::new(Tap::default());
    let builder = Client::builder(info(), dir.store_file());
    // Servers that no source names are met on loopback, too.
    let network = NetworkPolicy {
        allow_loopback: true,
        ..NetworkPolicy::default()
    };
    let builder = builder.mo(Ddf::read(REPORTING).unwrap()).network(network);
    let observer: Arc<dyn ClientObserver> = Arc::<Tap>::clone(&tap);
    (builder.observer(observer), tap)
}

impl Site {
    fn url(&self) -> ServerUri {
        let port = self.served.device_port();
        ServerUri::parse(&format!("https://localhost:{port}{BOOTSTRAP_PATH}")).unwrap()
    }

    /// Bootstraps the device here, and reports it.
    async fn bootstrap(&self, dir: &DeviceDir) -> Arc<Tap> {
        let ca = vec![self.served.ca_certificate().clone()];
        let (builder, tap) = device(dir);
        let client = builder
            .identity(self.identity.clone())
            .source(self.url(), ca)
            .build()
            .unwrap();
        // The accounts of other servers are asked first; these have nothing now.
        client.bootstrap().await.unwrap();
        let reports = client.settle().await.unwrap();
        assert!(
            reports.iter().all(|report| !report.still_owed),
            "{reports:?}"
        );
        tap
    }
}

fn init(folder: &Path) -> DeviceDir {
    DeviceDir::init(&folder.join("device"), &info()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn x_dac_001_b_25_two_servers_manage_one_device_and_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let dir = init(folder.path());
    let first = site(folder.path(), &dir, FIRST).await;
    let second = site(folder.path(), &dir, SECOND).await;
    let taps = [first.bootstrap(&dir).await, second.bootstrap(&dir).await];
    for (site, tap, own, other, miid) in [
        (&first, &taps[0], FIRST, SECOND, "1"),
        (&second, &taps[1], SECOND, FIRST, "2"),
    ] {
        let detail = site.api.device(DEV_ID).await.unwrap();
        assert_eq!(detail.bootstraps[0].state, "completed", "{own}");
        assert_eq!(detail.bootstraps[0].srv_id, own);
        let package = &tap.openings(&site.served)[0];
        assert!(!package.to_string().contains(other), "{package}");
        let mos = package["MOS"].as_array().unwrap();
        let miids = |moid: &str| {
            let mo = mos.iter().find(|mo| mo["MOID"] == moid);
            mo.unwrap_or_else(|| unreachable!("{package}"))["MIID"].clone()
        };
        assert_eq!(miids("urn:oma:mo:oma-dm-dmacc:1.2"), json!([miid]));
        assert_eq!(miids("urn:example:mo:reporting:1.0"), json!([miid]));
        assert_eq!(miids("urn:oma:mo:oma-sessioninfomo:1.0"), json!(["1"]));
        // Device Info, Session Info, the own account, the own reporting object.
        let dac = miids("urn:oma:mo:oma-dm-dacmo:1.0");
        assert_eq!(dac.as_array().unwrap().len(), 4, "{dac}");
    }
    let (client, _) = device(&dir);
    let accounts = client.build().unwrap().accounts().unwrap();
    let servers: Vec<_> = accounts.iter().map(|a| a.srv_id.as_str()).collect();
    assert_eq!(servers, [FIRST, SECOND]);
}

#[tokio::test(flavor = "multi_thread")]
async fn b_18_a_further_fetch_proves_itself_with_auth_bootstrap_and_believes_its_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = init(folder.path());
    let site = site(folder.path(), &dir, FIRST).await;
    site.bootstrap(&dir).await;
    let new = NewBootstrap {
        device: DEV_ID.to_owned(),
        profile: Some("full".to_owned()),
        ..NewBootstrap::default()
    };
    site.api.start_bootstrap(&new).await.unwrap();
    // Neither identity, nor code, nor source, nor anchor: the account has all it takes.
    let (builder, _) = device(&dir);
    let client = builder.build().unwrap();
    client.bootstrap().await.unwrap();
    let account = client.accounts().unwrap().remove(0);
    assert_eq!(account.provenance.kind, BootstrapKind::Re);
    assert_eq!(account.provenance.channel, ChannelSecurity::MutualTls);
    client.settle().await.unwrap();
    drop(client);

    // Another server in its place is not believed, although the device would take it for a source of its own.
    let port = site.served.device_port();
    site.served.shutdown().await.unwrap();
    let (impostor, _) = one_node_with(&folder.path().join("impostor"), |config| {
        config.device_listen.set_port(port);
    })
    .await;
    let ca = vec![impostor.ca_certificate().clone()];
    let (builder, _) = device(&dir);
    let client = builder
        .anchors(ca.clone())
        .source(
            ServerUri::parse(&format!("https://localhost:{port}{BOOTSTRAP_PATH}")).unwrap(),
            ca,
        )
        .build()
        .unwrap();
    let Err(NoBootstrap::Refused(refusal)) = client.bootstrap().await else {
        unreachable!("the impostor was believed")
    };
    assert_eq!(refusal.cause.code(), "server-not-trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_refusals_of_a_new_account_are_followed_by_sessions_with_the_former_one_d82() {
    let folder = tempfile::tempdir().unwrap();
    let dir = init(folder.path());
    let first = site(folder.path(), &dir, FIRST).await;
    let second = site(folder.path(), &dir, SECOND).await;
    first.bootstrap(&dir).await;
    // A factory image that sends the account of the first server to the second one.
    let wrong = json!([{"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": {"DMAcc": {
        "SrvID": FIRST, "Name": "Wrong",
        "SrvURI": format!("https://localhost:{}/dm/2.0", second.served.device_port()),
        "Perm": {"1": {"MOID": "urn:oma:mo:oma-dm-dmacc:1.2"}},
    }}}]);
    let (builder, tap) = device(&dir);
    let client = builder.build().unwrap();
    let method = BootstrapMethod::Factory;
    let image = wrong.to_string().into_bytes();
    let delivered = client.deliver(
        image,
        method,
        BootstrapSource::FactoryImage,
        ChannelSecurity::Local,
    );
    delivered.await.unwrap();
    let server = SrvId::parse(FIRST).unwrap();
    for attempt in 1..=4 {
        let report = client.session(&server).await.unwrap();
        assert!(
            matches!(report.outcome, Outcome::Lost(Cause::ServerNotTrusted(_))),
            "{report:?}"
        );
        assert!(report.still_owed);
        let repair = (attempt >= 3).then_some(Outcome::Ended);
        assert_eq!(report.repair, repair, "attempt {attempt}");
    }
    let packages = tap.openings(&first.served);
    assert_eq!(packages.len(), 2);
    for package in packages {
        let cause = json!([{"AlertType": "urn:oma:at:dm:2.0:ClientInitiatedMgmt"}]);
        assert_eq!(package["Alert"], cause);
    }
    assert!(tap.openings(&second.served).is_empty());
}
