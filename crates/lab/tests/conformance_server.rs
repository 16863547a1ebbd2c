//! The conformance kit against our DM Server: every check passes, and each fails before a server that is wrong in one place.
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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use matrix::{misjudged, not_passed, spread};
use omadm_lab::conformance::item::{self, Side};
use omadm_lab::conformance::peer::{
    Alteration, Change, Gate, OTHER_DEV_ID, Proxy, ProxyConfig, Relay, SERVER_ALTERATIONS,
};
use omadm_lab::conformance::report::Report;
use omadm_lab::conformance::server::{ServerSubject, checks, run};
use omadm_lab::conformance::{Hook, HookCall, Level, Verdict};
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_server::config::{DeviceListener, ReBootstrap, ServerConfig};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{
    NewBootstrap, NewCredential, NewDevice, NewNotification, SecretText,
};
use omadm_server::{DmServer, Running};
use omadm_tls::{
    CertificateValidity, DevelopmentCa, DeviceKey, Identity, Psk, TlsProfile, TlsSupport, UnixTime,
    pem,
};
use serde_json::json;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

const DEV_ID: &str = "IMEI:493005100592800";
const BODY_LIMIT: usize = 64 * 1024;
const PSK_IDENTITY: &str = "kit 7";
const PSK_KEY: [u8; 16] = *b"sixteen octets!!";
/// What our default listener does not have (D66), and a build without OpenSSL has nowhere.
const OF_OPENSSL: [&str; 3] = ["sec-x509-suites", "sec-psk-suites", "sec-psk"];

/// Whether this build has listeners for pre-shared keys and older suites.
fn has_openssl() -> bool {
    TlsSupport::of_this_build().require(TlsProfile::Psk).is_ok()
}

/// Our server, and what a proxy before it needs.
struct Rig {
    server: Running,
    api: Arc<ApiClient>,
    identity: Identity,
    password: Secret,
    ca: DevelopmentCa,
    proxy_identity: Identity,
    stranger: Identity,
}

impl Rig {
    /// A server that bootstraps the device as often as it likes.
    async fn new(folder: &Path) -> Self {
        Self::with(folder, ReBootstrap::Allow).await
    }

    async fn with(folder: &Path, re_bootstrap: ReBootstrap) -> Self {
        let profiles = folder.join("profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        let minimal = include_str!("../../../profiles/minimal.toml");
        let minimal = format!("{minimal}\n[account.noti]\ntype = 1\n");
        std::fs::write(profiles.join("minimal.toml"), minimal).unwrap();
        let mut config = ServerConfig::new(folder.join("server"));
        config.profiles_dir = Some(profiles);
        config.re_bootstrap = re_bootstrap;
        config.limits.body_octets = BODY_LIMIT;
        for profile in [TlsProfile::Psk, TlsProfile::Legacy] {
            if has_openssl() {
                config.further_device_listeners.push(DeviceListener {
                    profile,
                    listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                });
            }
        }
        let server = DmServer::new(config).start().await.unwrap();
        let token = &server.first_start.as_ref().unwrap().token;
        let port = server.operator_addr.port();
        let api = ApiClient::new("127.0.0.1", port, server.ca_certificate(), token).unwrap();
        let key = DeviceKey::generate().unwrap();
        let request = key.certificate_request(&DevId::parse(DEV_ID).unwrap());
        let new = NewDevice {
            dev_id: DEV_ID.to_owned(),
            csr: Some(request.unwrap().to_pem()),
            profile: Some("minimal".to_owned()),
            ..NewDevice::default()
        };
        let added = api.add_device(&new).await.unwrap();
        let chain = pem::certificates(&added.certificate.unwrap()).unwrap();
        let identity = key.identity(chain.into_iter().take(1).collect()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = UnixTime::since_unix_epoch(now);
        let validity = CertificateValidity::starting(now, Duration::from_secs(3600));
        let ca = DevelopmentCa::create("proxy", validity).unwrap();
        let dev_id = DevId::parse(DEV_ID).unwrap();
        let stranger = ca.issue_for_generated_key(&dev_id, validity).unwrap().1;
        let user = NewCredential {
            http_user: Some("kit".to_owned()),
            ..NewCredential::default()
        };
        let user = api.add_credential(DEV_ID, &user).await.unwrap();
        let psk = NewCredential {
            psk_identity: Some(PSK_IDENTITY.to_owned()),
            psk: Some(SecretText(
                PSK_KEY.iter().map(|octet| format!("{octet:02x}")).collect(),
            )),
            ..NewCredential::default()
        };
        if has_openssl() {
            api.add_credential(DEV_ID, &psk).await.unwrap();
        }
        let rig = Self {
            password: Secret::from(user.http_password.unwrap()),
            server,
            api: Arc::new(api),
            identity,
            proxy_identity: ca.issue_server(&["localhost"], validity).unwrap(),
            ca,
            stranger,
        };
        rig.knows_the_key().await;
        rig
    }

    /// A PSK listener knows a new key after a round of the housekeeping at the latest.
    async fn knows_the_key(&self) {
        let picks = ["sec-psk".to_owned()];
        for _ in 0..300 {
            if !has_openssl() || self.direct(&picks).await.is_passed() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the PSK listener does not learn the key");
    }

    /// Where the server listens with this profile.
    fn listener(&self, wanted: TlsProfile) -> Option<SocketAddr> {
        let mut all = self.server.further_device_addrs.iter();
        all.find(|(profile, _)| *profile == wanted)
            .map(|(_, address)| *address)
    }

    fn subject(
        &self,
        port: u16,
        anchor: &omadm_tls::CertificateDer<'static>,
        change: Change,
    ) -> ServerSubject {
        let uri = |path| at(port, path);
        let mut subject = ServerSubject::new(
            uri("/dm/2.0"),
            DevId::parse(DEV_ID).unwrap(),
            DevId::parse(OTHER_DEV_ID).unwrap(),
            vec![anchor.clone()],
        );
        subject.bootstrap_url = Some(uri("/bootstrap"));
        subject.identity = Some(self.identity.clone());
        subject.user = Some(("kit".to_owned(), self.password.clone()));
        subject.body_limit = Some(BODY_LIMIT);
        subject.repository_url = Some(uri("/repo/conformance"));
        let api = Arc::clone(&self.api);
        let relays = Arc::new(Mutex::new(Vec::new()));
        subject.hook = Some(Hook::function(move |call, dev_id| {
            let (api, relays) = (Arc::clone(&api), Arc::clone(&relays));
            async move {
                let done = match call {
                    HookCall::Send(command) => {
                        let queued = api.queue_commands(&dev_id, vec![command]).await;
                        queued.map(drop)
                    }
                    HookCall::Notify(to) => {
                        let kit = to.trim_start_matches("udp://").parse().unwrap();
                        let relay = Relay::start(kit, change).await.unwrap();
                        let new = NewNotification {
                            to: Some(format!("udp://{}", relay.address())),
                            ..NewNotification::default()
                        };
                        relays.lock().await.push(relay);
                        api.notify(&dev_id, &new).await.map(drop)
                    }
                    HookCall::Bootstrap => {
                        let new = NewBootstrap {
                            device: dev_id,
                            profile: Some("minimal".to_owned()),
                            ..NewBootstrap::default()
                        };
                        api.start_bootstrap(&new).await.map(drop)
                    }
                    call => return Err(format!("no hook for {call:?}")),
                };
                done.map_err(|error| error.to_string())
            }
        }));
        subject
    }

    /// The kit against the server itself.
    async fn direct(&self, picks: &[String]) -> Report {
        let port = self.server.device_addr.port();
        let mut subject = self.subject(port, self.server.ca_certificate(), Change::Nothing);
        let _gates = self.further_listeners(&mut subject, Change::Nothing).await;
        run(subject, picks, |_| {}).await.unwrap()
    }

    /// The kit against a proxy that makes this change.
    async fn changed(&self, change: Change, picks: &[String]) -> Report {
        let proxy = self.proxy(change).await;
        let mut subject = self.subject(proxy.address().port(), self.ca.certificate(), change);
        // The pre-shared key's listener is not behind the proxy, and so are its anchors.
        subject.anchors.push(self.server.ca_certificate().clone());
        let _gates = self.further_listeners(&mut subject, change).await;
        run(subject, picks, |_| {}).await.unwrap()
    }

    async fn proxy(&self, change: Change) -> Proxy {
        let proxy = Proxy::start(ProxyConfig {
            identity: self.proxy_identity.clone(),
            upstream: ("localhost".to_owned(), self.server.device_addr.port()),
            anchors: vec![self.server.ca_certificate().clone()],
            identities: vec![self.identity.clone()],
            stranger: self.stranger.clone(),
            change,
        });
        proxy.await.unwrap()
    }

    /// Tells the kit of the listeners on OpenSSL, each behind a gate that makes this change.
    async fn further_listeners(&self, subject: &mut ServerSubject, change: Change) -> Vec<Gate> {
        let mut gates = Vec::new();
        if let (Some(psk), Some(legacy)) = (
            self.listener(TlsProfile::Psk),
            self.listener(TlsProfile::Legacy),
        ) {
            for address in [psk, legacy] {
                gates.push(Gate::start(address, change).await.unwrap());
            }
            let [psk, legacy] = [0, 1].map(|n: usize| gates[n].address().port());
            subject.psk_url = Some(at(psk, "/dm/2.0"));
            subject.suites_url = Some(at(legacy, "/dm/2.0"));
            let key = Secret::new(PSK_KEY.to_vec());
            subject.psk = Some(Psk::new(PSK_IDENTITY.as_bytes(), key).unwrap());
        }
        gates
    }
}

fn at(port: u16, path: &str) -> ServerUri {
    ServerUri::parse(&format!("https://localhost:{port}{path}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_passes_every_check_directly_and_behind_a_proxy_that_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(folder.path()).await;
    for report in [
        rig.direct(&[]).await,
        rig.changed(Change::Nothing, &[]).await,
    ] {
        let others = not_passed(&report);
        let names: Vec<_> = others.iter().map(|(name, _)| *name).collect();
        if has_openssl() {
            assert!(names.is_empty(), "{others:#?}");
        } else {
            assert_eq!(names, OF_OPENSSL, "{others:#?}");
        }
        assert!(report.is_passed());
    }
    rig.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x_sec_002_suites_that_are_missing_are_not_tested_or_fail_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(folder.path()).await;
    let port = rig.server.device_addr.port();
    for (every_suite, word) in [(false, "not tested"), (true, "failed")] {
        let mut subject = rig.subject(port, rig.server.ca_certificate(), Change::Nothing);
        subject.every_suite = every_suite;
        let picks = ["sec-x509-suites".to_owned()];
        let report = run(subject, &picks, |_| {}).await.unwrap();
        assert_eq!(report.results[0].verdict.as_str(), word);
        assert_eq!(report.is_passed(), !every_suite);
    }
    let suites = ["sec-x509-suites", "sec-psk-suites"].map(str::to_owned);
    let proxy = rig.proxy(Change::EverySuite).await;
    let port = proxy.address().port();
    let mut subject = rig.subject(port, rig.ca.certificate(), Change::Nothing);
    subject.psk_url = Some(subject.url.clone());
    let every = run(subject, &suites, |_| {}).await.unwrap();
    assert_eq!(not_passed(&every), []);
    rig.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bootstrap_that_waits_would_show_is_told_to_prepare_or_taken_from_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::with(folder.path(), ReBootstrap::Refuse).await;
    let port = rig.server.device_addr.port();
    let subject = || rig.subject(port, rig.server.ca_certificate(), Change::Nothing);
    let fetch = ["boot-document".to_owned()];
    let first = run(subject(), &fetch, |_| {}).await.unwrap();
    assert_eq!(not_passed(&first), []);
    // Its completion is the end of it: without a hook nothing waits.
    let complete = ["alert-bootstrap-type".to_owned()];
    assert!(run(subject(), &complete, |_| {}).await.unwrap().is_passed());
    let mut unhooked = subject();
    unhooked.hook = None;
    unhooked.bootstrap_url = Some(at(port, "/bootstrap"));
    let none = run(unhooked, &fetch, |_| {}).await.unwrap();
    let told = none.results[0].verdict.detail();
    for part in [
        "needs a bootstrap that waits",
        "bootstrap IMEI:493005100592800",
    ] {
        assert!(told.contains(part), "{told}");
    }
    // Notifications are looked at without one, where it is told what the last one said.
    let server_id = ["noti-server-id".to_owned()];
    let mut srv_id = "other.example".to_owned();
    for word in ["failed", "passed"] {
        let mut known = subject();
        known.bootstrap_url = None;
        let account = json!({ "DMAcc": { "SrvID": srv_id } });
        let item = json!([{ "ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": account }]);
        known.document = Some(item.to_string().into_bytes());
        let report = run(known, &server_id, |_| {}).await.unwrap();
        assert_eq!(report.results[0].verdict.as_str(), word);
        if let Verdict::Failed { seen, .. } = &report.results[0].verdict {
            srv_id.clone_from(seen);
        }
    }
    rig.server.shutdown().await.unwrap();
}

/// What this alteration made of the kit, for its check alone or for every one.
async fn altered(rig: &Rig, alteration: &Alteration, alone: bool) -> Report {
    let picks = alone.then(|| alteration.check.to_owned());
    rig.changed(alteration.change, picks.as_slice()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_fails_before_a_server_that_is_wrong_in_its_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(folder.path()).await;
    let mut survived = Vec::new();
    for alteration in tried(SERVER_ALTERATIONS.to_vec()) {
        let report = altered(&rig, &alteration, true).await;
        let verdict = report.results[0].verdict.clone();
        if !matches!(verdict, Verdict::Failed { .. } | Verdict::Differs { .. }) {
            survived.push((alteration.check, verdict));
        }
    }
    assert_eq!(survived, []);
    rig.server.shutdown().await.unwrap();
}

/// Those that this build can try.
fn tried(mut all: Vec<Alteration>) -> Vec<Alteration> {
    all.retain(|one| has_openssl() || !OF_OPENSSL.contains(&one.check));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_each_alteration_of_a_server_fails_its_check_and_its_followers_and_nothing_else() {
    // Without OpenSSL other checks would be not tested in each run.
    if !has_openssl() {
        return;
    }
    let size = omadm_lab::soak::size(SERVER_ALTERATIONS.len());
    let began = std::time::Instant::now();
    let places = Arc::new(Semaphore::new(3));
    let mut running = JoinSet::new();
    for alteration in spread(SERVER_ALTERATIONS, size) {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            // A server of its own: wrong passwords add up, and so do commands that nobody answered.
            let folder = tempfile::tempdir().unwrap();
            let rig = Rig::new(folder.path()).await;
            let report = altered(&rig, &alteration, false).await;
            rig.server.shutdown().await.unwrap();
            misjudged(&alteration, &report)
        });
    }
    let mut wrong = Vec::new();
    while let Some(judged) = running.join_next().await {
        wrong.extend(judged.unwrap());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!(
        "soak: {size} alterations, each before {} checks, in {} s",
        checks().len(),
        began.elapsed().as_secs()
    );
}

#[test]
fn each_check_has_one_alteration_and_items_that_there_are() {
    let names: Vec<_> = checks().iter().map(|check| check.id).collect();
    let altered: Vec<_> = SERVER_ALTERATIONS.iter().map(|it| it.check).collect();
    assert_eq!(names, altered);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for check in checks() {
        assert!(!check.items.is_empty(), "{}", check.id);
        for id in check.items {
            let item = item::find(id).unwrap_or_else(|| panic!("{}: {id}", check.id));
            // The reports of bootstrap are the client's; how the server takes them is checked with them.
            let taken = ["B-29"].contains(id);
            assert!(
                taken || Side::Server.is_bound_by(item),
                "{}: {id}",
                check.id
            );
        }
        if let Level::Decision(decision) = check.level {
            assert!(decision.starts_with(['D', 'E']), "{}", check.id);
        }
    }
}
