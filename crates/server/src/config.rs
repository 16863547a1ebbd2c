//! What a DM Server is started with. Every limit has its default here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use omadm_bootstrap::generation::{GenerationPolicy, Verdict};
use omadm_tls::{CertificateDer, TlsProfile};

use crate::admission::AdmissionPolicy;
use crate::entropy::random;
use crate::model::PushCarrierKind;
use crate::smsc::SmscConfig;
use crate::store::address::StoreAddress;

/// Settings of a DM Server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The state directory: CA, server certificate, keys, and the store where no other is named. Made on first start.
    pub state_dir: PathBuf,
    /// Where the records are. Nodes of one deployment name the same PostgreSQL database and have copies of one state directory.
    pub store: StoreAddress,
    /// DNS names and IP addresses that the server certificate made on first start is for.
    pub names: Vec<String>,
    /// Host and port under which devices reach the server: `{server}` in profiles. With several nodes it is the balancer's.
    /// None: the first of the names, and the device listener's port.
    pub public_server: Option<String>,
    /// Where the device listener listens. Port 0 takes a free one.
    pub device_listen: SocketAddr,
    /// Device listeners beside that one, for devices that need other TLS (dm20.md §16.2). What they serve is the same.
    pub further_device_listeners: Vec<DeviceListener>,
    /// Device listeners without TLS, for DM 1.x devices that have none: they serve sessions of DM 1.x alone, and each message proves itself by MD5 or MAC.
    pub plain_device_listeners: Vec<SocketAddr>,
    /// Where the operator listener listens. Port 0 takes a free one.
    pub operator_listen: SocketAddr,
    /// Lets the operator listener speak HTTP without TLS, which shows the token to everybody on the way: on loopback only.
    pub operator_plain: bool,
    /// Folder of bootstrap profiles (`*.toml`), by their file names.
    pub profiles_dir: Option<PathBuf>,
    /// Which devices without record are let in when they ask for their bootstrap.
    pub admission: AdmissionPolicy,
    /// What becomes of a completed device that fetches again.
    pub re_bootstrap: ReBootstrap,
    /// When devices get new secrets without being asked to.
    pub rotate: Rotate,
    /// What becomes of credentials that do not simply count (D83).
    pub generations: GenerationPolicy,
    /// How long a bootstrap may take until it expires, unless its start says otherwise.
    pub bootstrap_lifetime: Duration,
    /// How long a device certificate of the development CA is valid.
    pub certificate_lifetime: Duration,
    /// CA certificates (DER) that receivers of pushes may chain to, such as a gateway before the devices; the device's own certificates always do.
    pub carrier_anchors: Vec<CertificateDer<'static>>,
    /// The SMSC by which Notifications go to telephone numbers.
    pub smsc: Option<SmscConfig>,
    /// Folder into which Notifications are written that others carry on.
    pub push_dir: Option<PathBuf>,
    /// How bootstraps are brought to devices.
    pub push: PushPolicy,
    /// Limits of both listeners.
    pub limits: Limits,
}

/// How a server-initiated bootstrap is tried. After the last try it has failed; it never lives longer than its record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushPolicy {
    /// For one try, from the connection to the answer; 30 s.
    pub try_within: Duration,
    /// Before the second and each further try of a push to the device itself: 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 3 h; each ± 20 %.
    pub waits: Vec<Duration>,
    /// After the first and each further Notification, for the device to fetch: 1 min, 5 min, 30 min, 2 h, 12 h; each ± 20 %.
    pub calls: Vec<Duration>,
    /// Tries at once on this node; 32.
    pub at_once: usize,
}

/// A further device listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceListener {
    /// How it speaks TLS. A build without the feature `psk` has [`TlsProfile::Modern`] alone.
    pub profile: TlsProfile,
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
}

/// What becomes of a device whose bootstrap is completed and that fetches again (D55).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReBootstrap {
    /// 403 and an event for the operator.
    #[default]
    Refuse,
    /// A new bootstrap from the profile of the completed one.
    Allow,
    /// The document of the completed one, with the same secrets, which stay in escrow for that: the device comes back with them after a reset, and costs no
    /// more than the first time. Of bootstraps that were started under this setting.
    Same,
}

/// When a device gets new secrets for its sessions and Notifications without an operator asking for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Rotate {
    /// Never.
    Never,
    /// After a rollback brought back secrets that had been replaced: those that it brought back (D83).
    #[default]
    AfterRecovery,
    /// After every completed bootstrap: what a document, card or image held then opens nothing for long.
    AfterBootstrap,
}

/// Bounds of what peers may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request body in octets; 1 MiB.
    pub body_octets: usize,
    /// Deepest nesting of a JSON body; 64.
    pub json_depth: usize,
    /// For the request's head, and for a connection between two requests; 60 s.
    pub header_timeout: Duration,
    /// For the request's body, and for the peer to take something of an answer; 30 s.
    pub body_timeout: Duration,
    /// Connections open at once on a listener; 4096. Further ones wait to be accepted.
    pub connections: usize,
    /// Exchanges on one connection of the device listener; 1000. The last one's answer closes the connection, so that devices behind a balancer that
    /// forwards TCP spread anew over the nodes. None: no limit; 0 is as 1.
    pub exchanges_per_connection: Option<u32>,
    /// Sessions and fetches being begun at once; 1024. Further ones get 503.
    pub beginnings: usize,
    /// Longest object of the data repository that an operator puts there, in octets; 64 MiB.
    pub repository_object_octets: usize,
    /// Longest object that a device stores in the data repository, in octets; 16 MiB. Up to `body_octets` it is looked at whether it is JSON; what is
    /// longer is stored unread.
    pub repository_upload_octets: usize,
    /// Objects that one device may have stored in the data repository; 64. What an operator put there does not count.
    pub repository_objects: usize,
    /// Commands that may be open for one device: queued, sent or held; 256.
    pub open_commands: usize,
    /// Octets that one device may have stored there; 64 MiB.
    pub repository_octets: u64,
    /// Transfers to and from the data repository at once on this node; 128. Each holds up to half a MiB of memory, or `body_octets` more while a device
    /// uploads. Further ones get 503.
    pub repository_transfers: usize,
    /// The same for one device; 4.
    pub repository_transfers_per_device: usize,
    /// Slowest rate of an upload in octets a second, after `body_timeout` of grace; 4 KiB. No pause in it may be longer than `body_timeout`.
    pub repository_least_rate: u64,
    /// How long a running exchange may go on after the shutdown began; 10 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_octets: 1 << 20,
            json_depth: 64,
            header_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            connections: 4096,
            exchanges_per_connection: Some(1000),
            beginnings: 1024,
            repository_object_octets: 64 << 20,
            repository_upload_octets: 16 << 20,
            repository_objects: 64,
            open_commands: 256,
            repository_octets: 64 << 20,
            repository_transfers: 128,
            repository_transfers_per_device: 4,
            repository_least_rate: 4 << 10,
            drain: Duration::from_secs(10),
        }
    }
}

impl Default for PushPolicy {
    fn default() -> Self {
        let secs = |all: &[u64]| all.iter().map(|one| Duration::from_secs(*one)).collect();
        Self {
            try_within: Duration::from_secs(30),
            waits: secs(&[5, 30, 120, 600, 1800, 3600, 10_800]),
            calls: secs(&[60, 300, 1800, 7200, 43_200]),
            at_once: 32,
        }
    }
}

impl PushPolicy {
    /// How often it is tried.
    pub(crate) fn tries(&self, carrier: PushCarrierKind) -> u32 {
        let tries = match carrier {
            PushCarrierKind::Direct | PushCarrierKind::Wap => self.waits.len() + 1,
            PushCarrierKind::Notification => self.calls.len(),
        };
        u32::try_from(tries).unwrap_or(u32::MAX)
    }

    /// Milliseconds after the try of this number, jittered.
    pub(crate) fn wait(&self, carrier: PushCarrierKind, number: u32) -> i64 {
        let waits = match carrier {
            PushCarrierKind::Direct | PushCarrierKind::Wap => &self.waits,
            PushCarrierKind::Notification => &self.calls,
        };
        let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = waits.get(place).or_else(|| waits.last()).copied();
        let [jitter] = random().unwrap_or([128]);
        let wait = wait.unwrap_or_default().as_millis() * (800 + 400 * u128::from(jitter) / 255);
        i64::try_from(wait / 1000).unwrap_or(i64::MAX)
    }

    /// Milliseconds after which a try is made again whose node did not tell what came of it.
    pub(crate) fn lost_after(&self) -> i64 {
        let twice = self.try_within.as_millis().saturating_mul(2);
        i64::try_from(twice).unwrap_or(i64::MAX).max(1000)
    }
}

impl ServerConfig {
    /// A server on free ports of loopback, for `localhost` and 127.0.0.1, closed to every device that is not named later.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            state_dir: state_dir.into(),
            store: StoreAddress::default(),
            names: vec!["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()],
            public_server: None,
            device_listen: loopback,
            further_device_listeners: Vec::new(),
            plain_device_listeners: Vec::new(),
            operator_listen: loopback,
            operator_plain: false,
            profiles_dir: None,
            admission: AdmissionPolicy::default(),
            re_bootstrap: ReBootstrap::default(),
            rotate: Rotate::default(),
            generations: GenerationPolicy::default(),
            bootstrap_lifetime: Duration::from_secs(7 * 86_400),
            certificate_lifetime: Duration::from_secs(365 * 86_400),
            carrier_anchors: Vec::new(),
            smsc: None,
            push_dir: None,
            push: PushPolicy::default(),
            limits: Limits::default(),
        }
    }
}
