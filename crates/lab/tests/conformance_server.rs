//! The conformance kit against our DM Server: every check passes, and each fails before a server that is wrong in one place.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omadm_lab::conformance::item::{self, Side};
use omadm_lab::conformance::peer::{
    Change, OTHER_DEV_ID, Proxy, ProxyConfig, Relay, SERVER_ALTERATIONS,
};
use omadm_lab::conformance::report::Report;
use omadm_lab::conformance::server::{ServerSubject, checks, run};
use omadm_lab::conformance::{Hook, HookCall, Level, Verdict};
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_server::config::{ReBootstrap, ServerConfig};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{NewCredential, NewDevice, NewNotification};
use omadm_server::{DmServer, Running};
use omadm_tls::{CertificateValidity, DevelopmentCa, DeviceKey, Identity, UnixTime, pem};
use tokio::sync::Mutex;

const DEV_ID: &str = "IMEI:493005100592800";
const BODY_LIMIT: usize = 64 * 1024;

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
    async fn new(folder: &Path) -> Self {
        let profiles = folder.join("profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        let minimal = include_str!("../../../profiles/minimal.toml");
        let minimal = format!("{minimal}\n[account.noti]\ntype = 1\n");
        std::fs::write(profiles.join("minimal.toml"), minimal).unwrap();
        let mut config = ServerConfig::new(folder.join("server"));
        config.profiles_dir = Some(profiles);
        config.re_bootstrap = ReBootstrap::Allow;
        config.limits.body_octets = BODY_LIMIT;
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
        Self {
            password: Secret::from(user.http_password.unwrap()),
            server,
            api: Arc::new(api),
            identity,
            proxy_identity: ca.issue_server(&["localhost"], validity).unwrap(),
            ca,
            stranger,
        }
    }

    fn subject(
        &self,
        port: u16,
        anchor: &omadm_tls::CertificateDer<'static>,
        change: Change,
    ) -> ServerSubject {
        let uri = |path| ServerUri::parse(&format!("https://localhost:{port}{path}")).unwrap();
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
        let subject = self.subject(port, self.server.ca_certificate(), Change::Nothing);
        run(subject, picks, |_| {}).await.unwrap()
    }

    /// The kit against a proxy that makes this change.
    async fn changed(&self, change: Change, picks: &[String], every_suite: bool) -> Report {
        let proxy = Proxy::start(ProxyConfig {
            identity: self.proxy_identity.clone(),
            upstream: ("localhost".to_owned(), self.server.device_addr.port()),
            anchors: vec![self.server.ca_certificate().clone()],
            identities: vec![self.identity.clone()],
            stranger: self.stranger.clone(),
            change,
        });
        let proxy = proxy.await.unwrap();
        let mut subject = self.subject(proxy.address().port(), self.ca.certificate(), change);
        subject.every_suite = every_suite;
        subject.psk_url = every_suite.then(|| subject.url.clone());
        run(subject, picks, |_| {}).await.unwrap()
    }
}

/// Names of the checks that did not pass, with what they said.
fn not_passed(report: &Report) -> Vec<(&'static str, String)> {
    let results = report.results.iter();
    let others = results.filter(|result| result.verdict != Verdict::Passed);
    others
        .map(|result| {
            let said = format!("{}: {}", result.verdict.as_str(), result.verdict.detail());
            (result.check.id, said)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn our_server_passes_every_check_directly_and_behind_a_proxy_that_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(folder.path()).await;
    let mut direct = rig.direct(&[]).await;
    let behind = rig.changed(Change::Nothing, &[], false).await;
    for report in [&direct, &behind] {
        let others = not_passed(report);
        let names: Vec<_> = others.iter().map(|(name, _)| *name).collect();
        // Suites that our default listener does not have (D66).
        assert_eq!(names, ["sec-x509-suites", "sec-psk-suites"], "{others:#?}");
        assert!(
            others
                .iter()
                .all(|(_, said)| said.starts_with("not tested"))
        );
        assert!(report.is_passed());
    }
    // What our default listener does not offer is a failure where it is asked for.
    let every = rig
        .changed(Change::Nothing, &["sec-x509-suites".to_owned()], true)
        .await;
    assert!(!every.is_passed());
    direct
        .results
        .retain(|result| result.check.items.contains(&"X-FLOW-001"));
    assert!(direct.text().contains("no obligation of level MUST failed"));
    rig.server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_fails_before_a_server_that_is_wrong_in_its_one_place() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(folder.path()).await;
    let mut survived = Vec::new();
    for alteration in SERVER_ALTERATIONS {
        let check = alteration.check;
        let picks = [check.to_owned()];
        let report = rig.changed(alteration.change, &picks, true).await;
        let verdict = report.results[0].verdict.clone();
        if !matches!(verdict, Verdict::Failed { .. } | Verdict::Differs { .. }) {
            survived.push((check, verdict));
        }
    }
    assert_eq!(survived, []);
    let suites = ["sec-x509-suites", "sec-psk-suites"].map(str::to_owned);
    let every = rig.changed(Change::EverySuite, &suites, true).await;
    assert_eq!(not_passed(&every), []);
    rig.server.shutdown().await.unwrap();
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
