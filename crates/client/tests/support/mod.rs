//! A device that listens for Notifications, and a DM Server that tells which Package#1 it got.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, reason = "test support")]

pub(crate) mod dm1;
pub(crate) mod managed;
pub(crate) mod peer;
pub(crate) mod provisioned;
pub(crate) mod pushing;
pub(crate) mod slots;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity, Utc};
use omadm_client::policy::{ListenAddresses, NetworkPolicy};
use omadm_client::{Client, ClientBuilder, ClientEvent, ClientObserver, IgnoredNotification};
use omadm_dm2::{Command, Package2};
use omadm_mo::DevId;
use omadm_session::pair::acme;
use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, CertificateValidity, ClientTrust, DevelopmentCa,
    Identity, LiveClientTrust, UnixTime,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;

/// When example (c) of `dm20.md` §11.7 was sent, and its account.
pub(crate) const SENT: u64 = 1_388_534_400;
pub(crate) const SRV_ID: &str = "dms1.example.com";
pub(crate) const SECRET: &[u8] = b"s3cr3t-noti";
pub(crate) const DATA: [u8; 4] = [0x0A, 0x0B, 0x0C, 0x0D];
pub(crate) const FULL: &str = "13001F01646D73312E6578616D706C652E636F6D11021212341F11\
    0914D312C7667D4448FED16B1918A47B9AE6AACA75BDE909F50344761E1F3586\
    1452C35A8010";

const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Peers of tests are on this machine.
pub(crate) const ON_LOOPBACK: NetworkPolicy = NetworkPolicy {
    allow_private: false,
    allow_loopback: true,
    allow_plain_http: false,
};

/// Remembers every event.
#[derive(Default)]
pub(crate) struct Watcher(Mutex<Vec<ClientEvent>>);

impl ClientObserver for Watcher {
    fn event(&self, event: &ClientEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Watcher {
    pub(crate) fn events(&self) -> Vec<ClientEvent> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn accepted(&self) -> usize {
        let events = self.events();
        let accepted = events
            .iter()
            .filter(|event| matches!(event, ClientEvent::NotificationAccepted { .. }));
        accepted.count()
    }

    /// Causes of ignored Notifications as they are told, and how many were left out.
    pub(crate) fn ignored(&self) -> (Vec<IgnoredNotification>, u64) {
        let mut left_out = 0;
        let mut causes = Vec::new();
        for event in self.events() {
            if let ClientEvent::NotificationIgnored {
                cause, unreported, ..
            } = event
            {
                causes.push(cause);
                left_out += unreported;
            }
        }
        (causes, left_out)
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "it never came about: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn at(seconds: u64) -> Self {
        Self(Arc::new(AtomicI64::new(
            i64::try_from(seconds * 1000).unwrap(),
        )))
    }

    pub(crate) fn set(&self, seconds: u64) {
        self.0
            .store(i64::try_from(seconds * 1000).unwrap(), Ordering::SeqCst);
    }

    fn reader(&self) -> impl Fn() -> Utc + Send + Sync + 'static {
        let millis = Arc::clone(&self.0);
        move || Utc(millis.load(Ordering::SeqCst))
    }
}

/// A device whose tree lies in this folder and which listens on UDP.
pub(crate) fn device(folder: &Path, clock: &Clock, watcher: &Arc<Watcher>) -> ClientBuilder {
    let dev_info = acme(DevId::parse("IMEI:493005100592800").unwrap());
    Client::builder(dev_info, folder.join("tree.redb"))
        .clock(clock.reader())
        .network(ON_LOOPBACK)
        .observer(Arc::clone(watcher) as _)
        .listen(ListenAddresses {
            udp: Some(LOOPBACK),
            https: None,
            bootstrap: None,
        })
}

/// A document with the account of example (c), its server at this port of this machine.
pub(crate) fn document(port: u16, with_noti: bool) -> Vec<u8> {
    let mut account = json!({
        "SrvID": SRV_ID,
        "SrvURI": format!("https://localhost:{port}/dm"),
        "Name": "Example",
        "Perm": { "1": { "MOID": "urn:oma:mo:oma-dm-devinfo:1.2" } },
    });
    if with_noti {
        account["Auth"] = json!({ "Noti": {
            "Type": 1,
            "Data": STANDARD.encode(DATA),
            "Secret": STANDARD.encode(SECRET),
        }});
    }
    let item = json!([{
        "ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//",
        "MOData": { "DMAcc": account },
    }]);
    item.to_string().into_bytes()
}

/// Installs it as a factory image; the completion stays owed.
pub(crate) async fn install(client: &Client, document: Vec<u8>) {
    let done = client.deliver(
        document,
        BootstrapMethod::Factory,
        BootstrapSource::FactoryImage,
        ChannelSecurity::Local,
    );
    done.await.unwrap();
}

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

/// Sends datagrams.
pub(crate) struct Sender {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Sender {
    pub(crate) async fn to(to: Option<SocketAddr>) -> Self {
        Self {
            socket: UdpSocket::bind(LOOPBACK).await.unwrap(),
            to: to.unwrap(),
        }
    }

    pub(crate) async fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.to).await.unwrap();
    }
}

pub(crate) fn ca() -> (DevelopmentCa, CertificateValidity) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (now, hour) = (now.unwrap(), Duration::from_secs(3600));
    let validity = CertificateValidity {
        not_before: UnixTime::since_unix_epoch(now - hour),
        not_after: UnixTime::since_unix_epoch(now + hour),
    };
    (DevelopmentCa::create("test", validity).unwrap(), validity)
}

/// A DM Server that answers every Package#1 with END, once it is let, and a GET with the document of [`document`].
pub(crate) struct DmServer {
    pub(crate) port: u16,
    pub(crate) anchor: CertificateDer<'static>,
    pub(crate) identity: Identity,
    pub(crate) ca_pem: String,
    packages: Arc<Mutex<Vec<Value>>>,
    /// How many packages it may answer.
    pub(crate) answers: Arc<Semaphore>,
}

impl DmServer {
    pub(crate) async fn start() -> Self {
        let (ca, validity) = ca();
        let identity = ca
            .issue_server(&["localhost", "127.0.0.1"], validity)
            .unwrap();
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]).unwrap();
        let config = AcceptorConfig::new(identity.clone(), Arc::new(LiveClientTrust::new(nobody)));
        let acceptor = Acceptor::new(config).unwrap();
        let socket = TcpListener::bind(LOOPBACK).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let packages = Arc::<Mutex<Vec<Value>>>::default();
        let answers = Arc::new(Semaphore::new(1000));
        let (kept, places) = (Arc::clone(&packages), Arc::clone(&answers));
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (acceptor, kept, places) =
                    (acceptor.clone(), Arc::clone(&kept), Arc::clone(&places));
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap().stream;
                    let service =
                        service_fn(|request: http::Request<hyper::body::Incoming>| async {
                            if request.method() == http::Method::GET {
                                let document = Bytes::from(document(port, true));
                                return Ok(http::Response::new(Full::new(document)));
                            }
                            let body = request.into_body().collect().await?.to_bytes();
                            kept.lock()
                                .unwrap()
                                .push(serde_json::from_slice(&body).unwrap());
                            places.acquire().await.unwrap().forget();
                            let end = Package2::write(&[Command::End]).to_compact();
                            Ok::<_, hyper::Error>(http::Response::new(Full::new(Bytes::from(end))))
                        });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _closed = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            port,
            anchor: ca.certificate().clone(),
            identity,
            ca_pem: ca.certificate_pem(),
            packages,
            answers,
        }
    }

    pub(crate) fn packages(&self) -> Vec<Value> {
        self.packages.lock().unwrap().clone()
    }
}

/// AlertTypes of a Package#1, without their common beginning, each with its NOTIFICATION-ID.
pub(crate) fn causes(package: &Value) -> Vec<(String, Option<u64>)> {
    let alerts = package["Alert"].as_array().unwrap().iter();
    let causes = alerts.map(|alert| {
        let kind = alert["AlertType"].as_str().unwrap();
        let kind = kind.rsplit(':').next().unwrap().to_owned();
        (kind, alert["Data"]["NOTIFICATION-ID"].as_u64())
    });
    causes.collect()
}
