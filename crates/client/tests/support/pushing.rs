//! A listening device, its bootstrap server, and pushes (D56).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use omadm_client::policy::ClientPolicy;
use omadm_client::{BOOTSTRAP_PATH, Client, ClientBuilder, ClientEvent, Listening};
use omadm_mo::DevId;
use omadm_session::pair::acme;
use omadm_tls::{CertificateDer, Connector, ConnectorConfig, Fingerprint, Identity, ServerTrust};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::peer::{Asked, Peer};
use super::{ON_LOOPBACK, Watcher};

pub(crate) const DEV_ID: &str = "IMEI:493005100592800";
pub(crate) const SRV: &str = "dms.example.com";
pub(crate) const MO: &str = "application/vnd.oma.dm.mo+json";
pub(crate) const LISTEN: &str = "[listen]\nbootstrap = '127.0.0.1:0'\n";

/// A device that listens, its bootstrap server, and what that server proves itself with.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) peer: Peer,
    pub(crate) own: Identity,
    /// The device has no identity; `own` is of its account.
    pub(crate) bare: bool,
    pub(crate) server: Identity,
    pub(crate) watcher: Arc<Watcher>,
}

/// An answer to a push.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) cause: Option<String>,
    pub(crate) retry_after: Option<String>,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let peer = Peer::start().await;
        let (_, validity) = super::ca();
        let dev_id = DevId::parse(DEV_ID).unwrap();
        let (_, own) = peer.ca.issue_for_generated_key(&dev_id, validity).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), peer.ca.certificate_pem()).unwrap();
        Self {
            folder,
            server: peer.ca.issue_server(&["127.0.0.1"], validity).unwrap(),
            peer,
            own,
            bare: false,
            watcher: Arc::default(),
        }
    }

    /// The source of the bootstrap server, with further keys.
    pub(crate) fn source(&self, more: &str) -> String {
        let url = self.peer.url("boot");
        format!("{LISTEN}[[source]]\nid = 'boot'\nurl = '{url}'\nca_files = ['ca.pem']\n{more}\n")
    }

    pub(crate) fn builder(&self, policy: &str) -> ClientBuilder {
        let builder = under(policy, self.folder.path(), &self.peer, &self.watcher);
        if self.bare {
            return builder;
        }
        builder.identity(self.own.clone())
    }

    pub(crate) async fn start(&self, policy: &str) -> (Client, Listening) {
        let client = self.builder(policy).build().unwrap();
        let listening = client.listen().await.unwrap();
        (client, listening)
    }

    /// A document with an account of the peer; `n` tells one from another.
    pub(crate) fn document(&self, n: u8) -> String {
        let document = json!([{"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": {"DMAcc": {
            "SrvID": SRV, "SrvURI": self.peer.url("dm"), "Name": format!("Peer {n}"),
            "Perm": {"1": {"MOID": "urn:oma:mo:oma-dm-devinfo:1.2"}}}}}]);
        document.to_string()
    }

    pub(crate) async fn connect(
        &self,
        to: SocketAddr,
        who: Option<&Identity>,
    ) -> impl AsyncRead + AsyncWrite + Unpin + Send + use<> {
        let nobody: [CertificateDer<'_>; 0] = [];
        let own = Fingerprint::of(&self.own.chain()[0]);
        let trust = ServerTrust::anchors(&nobody)
            .unwrap()
            .with_fingerprints(&[own]);
        let mut config = ConnectorConfig::new(trust);
        if let Some(who) = who {
            config = config.with_identity(who.clone());
        }
        let stream = TcpStream::connect(to).await.unwrap();
        Connector::new(config)
            .unwrap()
            .connect(stream, "127.0.0.1")
            .await
            .unwrap()
    }

    pub(crate) async fn ask(
        &self,
        to: SocketAddr,
        who: Option<&Identity>,
        request: Request<Full<Bytes>>,
    ) -> Told {
        let stream = self.connect(to, who).await;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (mut sender, driver) = handshake.await.unwrap();
        tokio::spawn(driver);
        let answer = sender.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let retry = head.headers.get("Retry-After");
        Told {
            status: head.status.as_u16(),
            cause: json["cause"].as_str().map(str::to_owned),
            retry_after: retry.map(|value| value.to_str().unwrap().to_owned()),
        }
    }

    pub(crate) async fn push(
        &self,
        listening: &Listening,
        who: Option<&Identity>,
        document: impl Into<Bytes>,
    ) -> Told {
        self.ask(listening.bootstrap.unwrap(), who, post(MO, document))
            .await
    }

    /// Pushes a document by the server that the source vouches for.
    pub(crate) async fn deliver(&self, listening: &Listening, n: u8) -> Told {
        let server = Some(&self.server);
        self.push(listening, server, self.document(n)).await
    }

    pub(crate) fn turned_away(&self) -> Vec<String> {
        let events = self.watcher.events();
        let causes = events.iter().filter_map(|event| match event {
            ClientEvent::PushTurnedAway { refusal, .. } => Some(refusal.cause.code().to_owned()),
            _ => None,
        });
        causes.collect()
    }
}

/// A device with its tree and policy in this folder. It has no card reader, and trusts the peer's CA.
pub(crate) fn under(
    policy: &str,
    folder: &Path,
    peer: &Peer,
    watcher: &Arc<Watcher>,
) -> ClientBuilder {
    let policy = format!(
        "{policy}\n[bootstrap.smartcard]\nreaders = []\n[limits]\ndocument_octets = 20000\n"
    );
    let policy = ClientPolicy::read(&policy, folder).unwrap();
    let dev_info = acme(DevId::parse(DEV_ID).unwrap());
    Client::builder(dev_info, folder.join("tree.redb"))
        .policy(&policy)
        .unwrap()
        .anchors(vec![peer.ca.certificate().clone()])
        .network(ON_LOOPBACK)
        .observer(Arc::clone(watcher) as _)
}

pub(crate) fn post(content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(BOOTSTRAP_PATH).header("Host", "device");
    let request = request.header("Content-Type", content_type);
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) fn problems(asked: &[Asked]) -> Vec<String> {
    let reports = asked
        .iter()
        .filter(|one| one.header("Content-Type") == Some("application/problem+json"));
    reports
        .map(|one| one.json()["cause"].as_str().unwrap().to_owned())
        .collect()
}
