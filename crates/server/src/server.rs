//! A DM Server in this process: state directory, store, two listeners, the housekeeping; and its graceful end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use omadm_tls::{
    Acceptor, AcceptorConfig, AcceptorSetupError, CertificateDer, ClientTrust, ClientTrustError,
    Fingerprint, LiveClientTrust, ProfileUnsupported, TlsProfile, TlsSupport,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::clock::{Clock, SystemClock};
use crate::config::{DeviceListener, ServerConfig};
use crate::crl::CrlError;
use crate::deployment::{self, Outside};
use crate::device;
use crate::device_listeners;
use crate::housekeeping;
use crate::listener::{Listener, Traffic};
use crate::node::{Node, NodeParts};
use crate::notification_service::late_receipts;
use crate::observer::ExchangeObserver;
use crate::operator;
use crate::profiles::{ProfileLibrary, ProfileLibraryError};
use crate::seal::{KeyError, SealingKey, SealingKeys};
use crate::state_dir::{FirstStart, StateDir, StateDirError, StoreKind};
use crate::store::{CommitCounts, Store, StoreError};

/// A DM Server that is to be started.
pub struct DmServer {
    config: ServerConfig,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn ExchangeObserver>>,
    store: Option<Arc<dyn Store>>,
    tls: TlsSupport,
}

/// A DM Server that runs. Dropping it stops the listeners without waiting; [`Running::shutdown`] waits.
pub struct Running {
    /// Where devices come in.
    pub device_addr: SocketAddr,
    /// Where devices come in that need other TLS: the further device listeners, in the order of the settings.
    pub further_device_addrs: Vec<(TlsProfile, SocketAddr)>,
    /// Where devices of DM 1.x come in without TLS, in the order of the settings.
    pub plain_device_addrs: Vec<SocketAddr>,
    /// Where operators come in.
    pub operator_addr: SocketAddr,
    /// SHA-256 of the development CA's certificate.
    pub ca_fingerprint: Fingerprint,
    /// What the first start made; none on a later one.
    pub first_start: Option<FirstStart>,
    node: Arc<Node>,
    stop: watch::Sender<bool>,
    listeners: Vec<Listener>,
    housekeeping: JoinHandle<()>,
}

/// What is at hand before the state directory is.
struct Prepared {
    config: ServerConfig,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn ExchangeObserver>>,
    profiles: ProfileLibrary,
    admission: Admission,
    devices: TcpListener,
    further: Vec<(DeviceListener, TcpListener)>,
    plain: Vec<(SocketAddr, TcpListener)>,
    operators: TcpListener,
    outside: Outside,
}

/// How many connections and exchanges the device listener had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrafficCounts {
    /// TCP connections that were accepted.
    pub connections: u64,
    /// HTTP exchanges.
    pub exchanges: u64,
}

/// Why a server did not start. Nothing of it runs then; where it had made its state directory, that is [`StartError::AfterFirstStart`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
    /// The store cannot be opened, or belongs to another deployment; it was not made anew.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records are in another store than the one that was named.
    #[error("the records of {} are in {kind}: {action}", state_dir.display())]
    RecordsElsewhere {
        /// The state directory.
        state_dir: PathBuf,
        /// What they are in.
        kind: StoreKind,
        /// What to do.
        action: String,
    },
    /// A copy into the store did not end: it may hold a part of the records alone.
    #[error("a copy into {0} was not finished, it may hold a part of the records alone")]
    UnfinishedCopy(String),
    /// The state directory was made, then something failed. It stays, and the next start goes on with it without showing the token again.
    #[error("{cause}")]
    AfterFirstStart {
        /// What failed.
        #[source]
        cause: Box<Self>,
        /// What was made; the token is in nobody else's hands.
        first: FirstStart,
    },
    /// The sealing key cannot be used.
    #[error("the sealing key cannot be used: {0}")]
    SealingKey(#[from] KeyError),
    /// A profile cannot be used.
    #[error(transparent)]
    Profiles(#[from] ProfileLibraryError),
    /// The admission policy names a profile that is not there.
    #[error("the admission policy names the profile {0:?}, which is not among the profiles")]
    NoSuchProfileToAdmit(String),
    /// A listener cannot speak TLS as it is set: the server certificate cannot be used, or the build lacks the profile.
    #[error("a listener cannot speak TLS: {0}")]
    Tls(#[from] AcceptorSetupError),
    /// The CRL could not be signed or written.
    #[error("the CRL could not be made: {0}")]
    Crl(#[from] CrlError),
    /// No trust could be set up.
    #[error(transparent)]
    Trust(#[from] ClientTrustError),
    /// A further device listener is of a TLS profile that this build lacks.
    #[error("the device listener at {listen} cannot be: {cause}")]
    NoSuchProfile {
        /// Where it was to listen.
        listen: SocketAddr,
        /// What is missing.
        #[source]
        cause: ProfileUnsupported,
    },
    /// The address is taken or not of this machine.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        cause: std::io::Error,
    },
    /// HTTP without TLS for operators was asked for on an address that others reach.
    #[error(
        "the operator listener speaks HTTP without TLS on loopback alone, {0} is not; leave TLS on"
    )]
    PlainBeyondLoopback(SocketAddr),
}

impl DmServer {
    /// A server with the system's clock, on the store that the settings name.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self {
            config,
            clock: Arc::new(SystemClock),
            observer: None,
            store: None,
            tls: TlsSupport::of_this_build(),
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The same with somebody who sees every exchange of devices.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn ExchangeObserver>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same with this store; what the settings say about a store does not count then.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The same with less TLS than this build has, to see what it then refuses.
    #[must_use]
    pub const fn with_tls(mut self, tls: TlsSupport) -> Self {
        self.tls = tls;
        self
    }

    /// Starts it: on an empty state directory everything is made first. The ports are bound when this returns.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(self) -> Result<Running, StartError> {
        let Self {
            config,
            clock,
            observer,
            store,
            tls,
        } = self;
        if config.operator_plain && !config.operator_listen.ip().is_loopback() {
            return Err(StartError::PlainBeyondLoopback(config.operator_listen));
        }
        for &DeviceListener { profile, listen } in &config.further_device_listeners {
            tls.require(profile)
                .map_err(|cause| StartError::NoSuchProfile { listen, cause })?;
        }
        let profiles =
            ProfileLibrary::open(config.profiles_dir.as_deref(), TlsSupport::of_this_build())?;
        for name in config.admission.profiles() {
            if profiles.get(name).is_none() {
                return Err(StartError::NoSuchProfileToAdmit(name.to_owned()));
            }
        }
        let admission = Admission::new(config.admission.clone())?;
        // Before anything is made: a taken port must not cost the admin token, which is shown on the first start alone.
        let devices = bind(config.device_listen).await?;
        let mut further = Vec::new();
        for listener in &config.further_device_listeners {
            further.push((*listener, bind(listener.listen).await?));
        }
        let mut plain = Vec::new();
        for &listen in &config.plain_device_listeners {
            plain.push((listen, bind(listen).await?));
        }
        let operators = bind(config.operator_listen).await?;
        let outside = deployment::open_outside(store, &config.store, &config.state_dir).await?;
        deployment::allow_first_start(&outside, &config.state_dir).await?;
        let (state, first_start) =
            StateDir::open_or_create(&config.state_dir, &config.names, clock.now())?;
        let prepared = Prepared {
            config,
            clock,
            observer,
            profiles,
            admission,
            devices,
            further,
            plain,
            operators,
            outside,
        };
        match (prepared.start(state).await, first_start) {
            (Ok(running), first_start) => Ok(Running {
                first_start,
                ..running
            }),
            (Err(cause), Some(first)) => Err(StartError::AfterFirstStart {
                cause: Box::new(cause),
                first,
            }),
            (Err(cause), None) => Err(cause),
        }
    }
}

impl Prepared {
    /// The rest of the start. `first_start` of the result is left to the caller.
    async fn start(self, state: StateDir) -> Result<Running, StartError> {
        let Self {
            config,
            clock,
            observer,
            profiles,
            admission,
            devices,
            further,
            plain: without_tls,
            operators,
            outside,
        } = self;
        let sealing_key = SealingKey::from_octets(state.sealing_key())?;
        let store = deployment::settle(outside, &state, sealing_key.id()).await?;
        let sealing = SealingKeys::new(sealing_key, Vec::new());
        let plain = config.operator_plain;
        let port = devices
            .local_addr()
            .map_err(|cause| StartError::Listen {
                address: config.device_listen,
                cause,
            })?
            .port();
        let public_server =
            config
                .public_server
                .clone()
                .unwrap_or_else(|| match config.names.first() {
                    Some(name) if name.contains(':') => format!("[{name}]:{port}"),
                    Some(name) => format!("{name}:{port}"),
                    None => format!("localhost:{port}"),
                });
        let node = Arc::new(Node::new(NodeParts {
            config,
            public_server,
            state,
            store,
            sealing,
            profiles,
            admission,
            clock,
            observer,
        })?);
        node.refresh_crl().await?;
        let identity = node.state.identity();
        let device_acceptor = device_listeners::acceptor(&node, TlsProfile::Modern).await?;
        let nobody = Arc::new(LiveClientTrust::new(ClientTrust::new(
            &[] as &[CertificateDer<'_>],
            &[],
        )?));
        let operator_acceptor = if plain {
            None
        } else {
            Some(Acceptor::new(AcceptorConfig::new(
                identity.clone(),
                nobody,
            ))?)
        };
        let (stop, stopping) = watch::channel(false);
        let start = |name, socket, acceptor, router, traffic: &Arc<Traffic>, address| {
            let (traffic, node, stop) = (Arc::clone(traffic), Arc::clone(&node), stopping.clone());
            Listener::start(name, socket, acceptor, router, traffic, node, stop)
                .map_err(|cause| StartError::Listen { address, cause })
        };
        let devices = start(
            "device",
            devices,
            Some(device_acceptor),
            device::router(Arc::clone(&node)),
            &node.traffic.device,
            node.config.device_listen,
        )?;
        let operators = start(
            "operator",
            operators,
            operator_acceptor,
            operator::router(Arc::clone(&node)),
            &node.traffic.operator,
            node.config.operator_listen,
        )?;
        if let Some(late) = node.carriers.late_receipts() {
            tokio::spawn(late_receipts(Arc::clone(&node), late));
        }
        let (device_addr, operator_addr) = (devices.address, operators.address);
        let mut listeners = vec![devices, operators];
        let mut further_device_addrs = Vec::new();
        for (DeviceListener { profile, listen }, socket) in further {
            let acceptor = device_listeners::acceptor(&node, profile).await?;
            let listener = start(
                "device",
                socket,
                Some(acceptor),
                device::router(Arc::clone(&node)),
                &node.traffic.device,
                listen,
            )?;
            tracing::info!(profile = profile.name(), devices = %listener.address, "further device listener");
            further_device_addrs.push((profile, listener.address));
            listeners.push(listener);
        }
        let mut plain_device_addrs = Vec::new();
        for (listen, socket) in without_tls {
            let listener = start(
                "device",
                socket,
                None,
                device::plain_router(Arc::clone(&node)),
                &node.traffic.device,
                listen,
            )?;
            tracing::warn!(
                devices = %listener.address,
                "a device listener has no TLS: sessions of DM 1.x alone, each message proven by MD5 or MAC; everybody on the way reads along"
            );
            plain_device_addrs.push(listener.address);
            listeners.push(listener);
        }
        tracing::info!(devices = %device_addr, operators = %operator_addr, ca = %node.state.ca_fingerprint(), "DM Server runs");
        Ok(Running {
            device_addr,
            further_device_addrs,
            plain_device_addrs,
            operator_addr,
            ca_fingerprint: node.state.ca_fingerprint(),
            first_start: None,
            housekeeping: tokio::spawn(housekeeping::run(Arc::clone(&node), stopping.clone())),
            node,
            stop,
            listeners,
        })
    }
}

impl Running {
    /// The development CA's certificate, for clients to trust.
    #[must_use]
    pub fn ca_certificate(&self) -> &CertificateDer<'static> {
        self.node.state.ca_certificate()
    }

    /// The development CA's certificate as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.node.state.ca_pem()
    }

    /// What the server remembers.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.node.store
    }

    /// Durable commits since the start.
    #[must_use]
    pub fn commits(&self) -> CommitCounts {
        self.node.store.commits()
    }

    /// What the device listener had to do since the start.
    #[must_use]
    pub fn traffic(&self) -> TrafficCounts {
        let traffic = &self.node.traffic.device;
        TrafficCounts {
            connections: traffic.connections.load(Ordering::Relaxed),
            exchanges: traffic.exchanges.load(Ordering::Relaxed),
        }
    }

    /// Signs the CRL where the store's revocations changed, puts it in force, on open connections too, and writes it to `devices.crl` in the state
    /// directory. The server does so by itself: on start, after a revocation of its own, and within seconds after one of another node.
    ///
    /// # Errors
    /// [`CrlError`]; the former one then stays in force.
    pub async fn refresh_crl(&self) -> Result<(), CrlError> {
        self.node.refresh_crl().await
    }

    /// Ends it gracefully: accepts nothing more, lets running exchanges end up to the limit of the drain, writes out what was deferred.
    ///
    /// # Errors
    /// [`StoreError`] where deferred marks could not be written; everything acknowledged is durable all the same.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        self.stop.send_replace(true);
        futures_util::future::join_all(self.listeners.into_iter().map(Listener::ended)).await;
        let _joined = self.housekeeping.await;
        self.node.carriers.end().await;
        self.node.receipts.end().await;
        self.node.store.flush().await
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|cause| StartError::Listen { address, cause })
}
