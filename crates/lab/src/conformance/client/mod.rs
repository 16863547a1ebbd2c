//! The kit against a DM Client: it is bootstrap server, DM Server and data repository, and drives the client through its sessions.

mod checks;
mod document;
mod listen;
mod package;
mod push;
mod stand;

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omadm_mo::{DevId, Secret, ServerUri};
use omadm_tls::{
    CertificateDer, CertificateRequest, CertificateRequestError, DevelopmentCaError, Fingerprint,
    Identity, pem::PemError,
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::check::{Check, Step};
use super::hook::Hook;
use super::item::Side;
use super::report::{CheckResult, Report};
use super::verdict::{Level, Verdict};

pub(super) use document::NOTI_SECRET;
use document::{Documents, Issued};
use listen::{Listener, Offers};
use push::Pusher;
use stand::{Stand, StandParts};

/// What the client under test is met with.
#[derive(Clone)]
pub struct ClientSetup {
    /// Where the kit listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The name under which the client reaches the kit; its certificate is for it.
    pub host: String,
    /// The DevID of the client.
    pub dev_id: DevId,
    /// How long the client may take for its next step.
    pub limit: Duration,
    /// How long the kit waits, at least, to see that the client does *not* do something; longer where its answers are slow.
    pub silence: Duration,
    /// What makes the client open a session or fetch its bootstrap.
    pub hook: Option<Hook>,
    /// Where the client takes Notifications over UDP.
    pub notify_to: Option<SocketAddr>,
    /// An item in the MO serialization, ClientURI with empty instance, that the client can add and delete.
    pub scratch: Option<Value>,
    /// ClientURI of a node of the client that may be executed, and that the kit's first server has the right to execute.
    pub exec: Option<String>,
    /// HTTP user and password that the client has from elsewhere; without them the account brings a pair (D45).
    pub http_login: Option<(String, Secret)>,
    /// Where the client takes pushed bootstraps (D56).
    pub push_to: Option<ServerUri>,
    /// Octets of the longest document that the client takes.
    pub push_limit: Option<usize>,
    /// Certificates of the client that are not of the kit's CA: who proves one of them is the client where something is pushed to it.
    pub device_certificates: Vec<CertificateDer<'static>>,
}

/// Why the kit could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum StandError {
    /// The address is taken or not of this machine.
    #[error("cannot listen: {0}")]
    Listen(#[from] io::Error),
    /// The kit's certificates could not be made; the host's name may be none.
    #[error("the kit's certificates could not be made: {0}")]
    Certificates(#[from] DevelopmentCaError),
    /// The client's certificate request cannot be used.
    #[error("the certificate request cannot be used: {0}")]
    Request(#[from] CertificateRequestError),
    /// A key that was made cannot be read back.
    #[error("the kit's key cannot be used: {0}")]
    Key(#[from] PemError),
}

/// The kit, listening.
pub struct ClientKit {
    setup: ClientSetup,
    issued: Issued,
    /// Of what was issued for the client.
    certified: Mutex<Vec<Fingerprint>>,
    main: Listener,
    untrusted: Listener,
    elsewhere: Listener,
    offers: Offers,
    arrivals: mpsc::Receiver<listen::Arrived>,
    /// The port that the client is told; another where something stands between.
    port: u16,
}

/// The checks in their order. Each has one alteration in [`super::peer`] that makes it fail.
#[must_use]
pub fn checks() -> Vec<Check> {
    checks::all().map(|step| step.check).collect()
}

impl ClientSetup {
    /// For a client on this machine: free port of loopback, 30 s for each step, 1 s of silence.
    #[must_use]
    pub fn new(dev_id: DevId) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            host: "localhost".to_owned(),
            dev_id,
            limit: Duration::from_secs(30),
            silence: Duration::from_secs(1),
            hook: None,
            notify_to: None,
            scratch: None,
            exec: None,
            http_login: None,
            push_to: None,
            push_limit: None,
            device_certificates: Vec::new(),
        }
    }

    /// The MOIDs of the accounts' Perm lists.
    fn perm(&self) -> impl Iterator<Item = &str> {
        let exec = self.exec.as_deref().and_then(|uri| uri.split('/').next());
        let more = [self.scratch.as_ref().and_then(document::moid_of), exec];
        document::PERM.into_iter().chain(more.into_iter().flatten())
    }
}

impl ClientKit {
    /// Makes a CA and listens.
    ///
    /// # Errors
    /// [`StandError`].
    pub async fn start(setup: ClientSetup) -> Result<Self, StandError> {
        let issued = Issued::new(&setup.dev_id, &setup.host)?;
        let (sender, arrivals) = mpsc::channel(16);
        let offers = Offers::default();
        let start = |at, identity: &Identity| {
            Listener::start(at, identity.clone(), sender.clone(), offers.clone())
        };
        let main = start(setup.listen, &issued.server).await?;
        let beside = SocketAddr::new(setup.listen.ip(), 0);
        let untrusted = start(beside, &issued.untrusted).await?;
        let elsewhere = start(beside, &issued.server).await?;
        let port = main.address.port();
        Ok(Self {
            setup,
            issued,
            certified: Mutex::default(),
            main,
            untrusted,
            elsewhere,
            offers,
            arrivals,
            port,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.main.address
    }

    /// Tells the client another port than the kit's own: that of a proxy before it.
    pub const fn tell_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Pushes to this URL, which may be that of a proxy before the client.
    pub fn push_to(&mut self, to: ServerUri) {
        self.setup.push_to = Some(to);
    }

    fn certified(&self) -> MutexGuard<'_, Vec<Fingerprint>> {
        self.certified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The CA certificate that the client has to trust.
    #[must_use]
    pub const fn ca(&self) -> &CertificateDer<'static> {
        self.issued.ca.certificate()
    }

    /// The same as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.issued.ca.certificate_pem()
    }

    /// The URL from which the client fetches its bootstrap.
    #[must_use]
    pub fn bootstrap_url(&self) -> String {
        format!("https://{}:{}/bootstrap", self.setup.host, self.port)
    }

    /// A certificate of the kit's CA for the client, to authenticate the fetch with.
    ///
    /// # Errors
    /// [`StandError`] where the system fails.
    pub fn client_identity(&self) -> Result<Identity, StandError> {
        let (_, identity) = self
            .issued
            .ca
            .issue_for_generated_key(&self.setup.dev_id, self.issued.validity)?;
        let leaves = identity.chain().iter().take(1);
        self.certified()
            .extend(leaves.map(|leaf| Fingerprint::of(leaf)));
        Ok(identity)
    }

    /// A certificate of the kit's CA for a request (PEM) of the client's, in PEM.
    ///
    /// # Errors
    /// [`StandError`] where the request is none, or its signature is wrong.
    pub fn issue(&self, request: &str) -> Result<String, StandError> {
        let request = CertificateRequest::from_pem(request)?;
        let issued =
            self.issued
                .ca
                .issue_from_csr(&request, &self.setup.dev_id, self.issued.validity)?;
        self.certified().push(Fingerprint::of(&issued.der));
        Ok(issued.to_pem())
    }

    /// The credentials that the bootstrap brings the client: for its sessions, and for a further bootstrap.
    #[must_use]
    pub fn account_identities(&self) -> Vec<Identity> {
        [&self.issued.trsp, &self.issued.boot]
            .map(|credential| credential.identity.clone())
            .into()
    }

    /// A certificate of the kit's CA under the kit's name, for a proxy before it.
    #[must_use]
    pub fn server_identity(&self) -> Identity {
        self.issued.server.clone()
    }

    /// What the kit proves itself with where it pushes as somebody whom the client does not know, for a proxy between.
    #[must_use]
    pub fn stranger_identity(&self) -> Identity {
        self.issued.untrusted.clone()
    }

    /// Who pushes. The client is recognised by what it was given, and by its own certificates.
    fn pusher(&self) -> Pusher {
        let own = self.setup.device_certificates.iter();
        let given = self.certified().clone().into_iter();
        let brought = [&self.issued.trsp, &self.issued.boot];
        let brought = brought.into_iter().filter_map(|one| one.fingerprint());
        Pusher {
            to: self.setup.push_to.clone(),
            trusted: self.issued.server.clone(),
            stranger: self.issued.untrusted.clone(),
            device: own
                .map(|leaf| Fingerprint::of(leaf))
                .chain(given)
                .chain(brought)
                .collect(),
            limit: self.setup.limit,
        }
    }

    /// Waits for the client and drives it through the checks that `picks` names (all where it is empty). `told` hears each result at once.
    pub async fn run(self, picks: &[String], mut told: impl FnMut(&CheckResult)) -> Report {
        let target = self.bootstrap_url();
        let at = |port: u16| format!("https://{}:{port}", self.setup.host);
        let (base, untrusted) = (at(self.port), at(self.untrusted.address.port()));
        let elsewhere = at(self.elsewhere.address.port());
        let mut stand = Stand::new(StandParts {
            documents: Documents::new(&self.issued, &self.setup, &base, &untrusted),
            trsp: self.issued.trsp.fingerprint(),
            boot: self.issued.boot.fingerprint(),
            pusher: self.pusher(),
            setup: self.setup.clone(),
            base,
            untrusted,
            elsewhere,
            offers: self.offers.clone(),
            arrivals: self.arrivals,
        });
        let mut results = Vec::new();
        for step in checks::all().filter(|step| step.check.is_picked(picks)) {
            let result = check(&mut stand, step).await;
            told(&result);
            results.push(result);
        }
        stand.leave();
        Report {
            side: Side::Client,
            target,
            results,
        }
    }
}

async fn check(stand: &mut Stand, step: &Step<Stand>) -> CheckResult {
    let began = Instant::now();
    let judged = (step.work)(stand).await;
    let millis = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
    CheckResult {
        check: step.check,
        verdict: Verdict::of(judged, step.check.level),
        exchanges: stand.transcript.take(),
        millis,
    }
}

/// The level of what omadm decided.
const fn decision(number: &'static str) -> Level {
    Level::Decision(number)
}
