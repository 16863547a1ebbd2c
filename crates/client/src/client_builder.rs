mod of_policy;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omadm_bootstrap::plan::ApplyError;
use omadm_bootstrap::{BootstrapPolicy, Utc};
use omadm_card::CardSettings;
use omadm_dm1::syncml::Encoding;
use omadm_dm2::package0::AbsentDigest;
use omadm_mo::ddf::Ddf;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::session_info::SessionInfo;
use omadm_mo::standard::{DevInfo, Dm1Version, MoRegistry, RegistryError, dac, dm_acc};
use omadm_mo::{ManagedObject, Moid, Rights, Secret, ServerUri};
use omadm_push::PhoneNumber;
use omadm_session::client::dm1::UserAnswer;
use omadm_smpp::EsmeConfig;
use omadm_tls::{
    CertificateDer, DeviceKey, Identity, ProfileUnsupported, Psk, TlsProfile, TlsSupport,
};

use crate::Client;
use crate::change_note::ChangeNote;
use crate::dev_info::DevInfoObject;
use crate::download::Downloads;
use crate::engine::{
    AlertRoom, AskPin, AskUser, Browser, CardDesk, Consent, ConsentRequest, Engine, EngineConfig,
    FetchedObjects, Grants, Host, NotificationDesk, PinAnswer, PinRequest, Source, Unreported,
    UserRequest, entropy,
};
use crate::https::{Credential, Https, HttpsOptions, Trust};
use crate::listener::SmppListener;
use crate::observer::{ClientObserver, Unobserved};
use crate::policy::{
    CardReaderName, ClientPolicy, Dm1Policy, ListenAddresses, NetworkPolicy, ReportTimes,
};
use crate::reader::{CardReaders, NoPcsc, ReaderList};
use crate::session_info::{SessionInfoObject, TellBearer};
use crate::store::{StoreOpenError, TreeStore};

/// Collects what a [`Client`] is made of. Closed by default: no source, no anchor.
pub struct ClientBuilder {
    dev_info: DevInfo,
    store: PathBuf,
    policy: BootstrapPolicy,
    sources: Vec<Source>,
    card_readers: Option<Arc<dyn CardReaders>>,
    readers: Vec<CardReaderName>,
    card_settings: CardSettings,
    reapply_cards: bool,
    consent: Option<Consent>,
    factory_image: Option<PathBuf>,
    device_key: Option<DeviceKey>,
    anchors: Vec<CertificateDer<'static>>,
    report_type: bool,
    browser: Option<Browser>,
    ask_user: Option<AskUser>,
    dm1: Dm1Policy,
    ask_pin: Option<AskPin>,
    bearer: TellBearer,
    limits: JsonLimits,
    download_octets: u64,
    tree_octets: u64,
    session_timeout: Duration,
    connect_timeout: Duration,
    read_timeout: Duration,
    identity: Option<Credential>,
    bootstrap_code: Option<Secret>,
    http_login: Option<(String, Secret)>,
    allow_http_basic: bool,
    ddfs: Vec<Ddf>,
    objects: Vec<(Box<dyn ManagedObject>, Rights)>,
    observer: Arc<dyn ClientObserver>,
    clock: Arc<dyn Fn() -> Utc + Send + Sync>,
    absent_digest: AbsentDigest,
    listen: ListenAddresses,
    smpp: Option<SmppListener>,
    network: NetworkPolicy,
    reports: ReportTimes,
    managed_object_deadline: Duration,
    change_note: ChangeNote,
}

/// Why a client was not made.
#[derive(Debug, thiserror::Error)]
pub enum ClientBuildError {
    /// The store's file. The environment is at fault.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The store was opened, but its tree cannot be used. The environment is at fault.
    #[error(transparent)]
    Tree(#[from] ApplyError),
    /// A DDF without MOID. The configuration is at fault.
    #[error(transparent)]
    Ddf(#[from] RegistryError),
    /// No random octets to be had. The environment is at fault.
    #[error(transparent)]
    Entropy(#[from] std::io::Error),
    /// A card reader of the system, which this build does not use. The configuration is at fault.
    #[error(transparent)]
    NoPcsc(#[from] NoPcsc),
}

impl ClientBuildError {
    /// What to do about it.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Store(StoreOpenError::Locked { .. }) => {
                "wait for the command that holds the device, or end its `omadm client run`"
            }
            Self::Store(StoreOpenError::Corrupt { .. }) => {
                "restore the file, or remove it as a factory reset would; it is never made anew"
            }
            Self::Store(StoreOpenError::Newer { .. }) => {
                "use the version that made it, or a newer one"
            }
            Self::Store(StoreOpenError::NoRoom { .. }) => "make room on the disk",
            Self::Store(StoreOpenError::Io { .. }) => {
                "make the file and its folder readable and writable"
            }
            Self::Tree(_) => "restore the file; it is never made anew",
            Self::Ddf(_) => "give the DDF a MOID",
            Self::Entropy(_) => "try it again",
            Self::NoPcsc(_) => {
                "take the reader out of the policy, or use a build with the feature `pcsc`"
            }
        }
    }
}

impl ClientBuilder {
    /// What the device accepts as a bootstrap.
    #[must_use]
    pub fn bootstrap_policy(mut self, policy: BootstrapPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Who decides on a bootstrap where the policy asks for consent, in place of the policy's command. It may take its time; without anybody nothing is agreed to.
    #[must_use]
    pub fn consent(
        mut self,
        decide: impl Fn(&ConsentRequest) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.consent = Some(Arc::new(decide));
        self
    }

    /// Where the factory image lies, in place of the policy's; read at a start alone, never written (D50).
    #[must_use]
    pub fn factory_image(mut self, file: impl Into<PathBuf>) -> Self {
        self.factory_image = Some(file.into());
        self
    }

    /// The device's card readers. They are looked at when it is switched on and when a card is inserted; without them there is no smartcard bootstrap, and
    /// nothing that a card brought is removed.
    #[must_use]
    pub fn card_readers(mut self, readers: impl CardReaders + 'static) -> Self {
        self.card_readers = Some(Arc::new(readers));
        self
    }

    /// Adds a card reader that is a file which describes the card in it; by the policy's SIM lock, PIN and OIDs. Of no effect beside [`Self::card_readers`].
    #[must_use]
    pub fn card_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.readers.push(CardReaderName::File(file.into()));
        self
    }

    /// Whether a card's content is applied at each switch-on though it is unchanged; no by default, since that undoes what servers changed since (D51).
    #[must_use]
    pub const fn reapply_cards(mut self, always: bool) -> Self {
        self.reapply_cards = always;
        self
    }

    /// The device's own key, with which a factory image is opened that was sealed to it.
    #[must_use]
    pub fn device_key(mut self, key: DeviceKey) -> Self {
        self.device_key = Some(key);
        self
    }

    /// Adds a bootstrap source, asked in the order of adding: its URL and the CA certificates (DER) that its server has to chain to.
    #[must_use]
    pub fn source(mut self, url: ServerUri, anchors: Vec<CertificateDer<'static>>) -> Self {
        self.sources.push(Source {
            id: None,
            noti: None,
            url,
            trust: Trust {
                anchors,
                server_key: None,
            },
            credential: None,
            push_names: None,
        });
        self
    }

    /// Adds CA certificates (DER) that DM Servers may chain to (D80).
    #[must_use]
    pub fn anchors(mut self, anchors: Vec<CertificateDer<'static>>) -> Self {
        self.anchors.extend(anchors);
        self
    }

    /// Whether BootstrapComplete tells the bootstrap type (D27). On by default.
    #[must_use]
    pub const fn report_bootstrap_type(mut self, report: bool) -> Self {
        self.report_type = report;
        self
    }

    /// The browser component that SHOW starts (D18), in place of the policy's command. It is given the ServerURI and comes back once the UI session started
    /// or could not be started. Without one SHOW is 501.
    #[must_use]
    pub fn browser(
        mut self,
        start: impl Fn(&ServerUri) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.browser = Some(Arc::new(start));
        self
    }

    /// Who shows what servers of DM 1.x show and ask (`dm1x.md` §1.3), in place of the policy's command. It may take its time; once the time is over that the
    /// server gives its user, its answer is not waited for any more (408). Without one they are told that there is nobody (406).
    #[must_use]
    pub fn user_alerts(
        mut self,
        ask: impl Fn(&UserRequest) -> UserAnswer + Send + Sync + 'static,
    ) -> Self {
        self.ask_user = Some(Arc::new(ask));
        self
    }

    /// In what sessions of DM 1.x begin; WBXML by default. A server that refuses it gets the other, then and later (M09).
    #[must_use]
    pub const fn dm1_encoding(mut self, encoding: Encoding) -> Self {
        self.dm1.encoding = encoding;
        self
    }

    /// Of which version DM 1.x servers are told that the device is; 1.2 by default. What they and their bootstraps say is read whatever it is.
    #[must_use]
    pub const fn dm1_version(mut self, version: Dm1Version) -> Self {
        self.dm1.version = version;
        self
    }

    /// Who is asked for the PIN of a bootstrap that came by WAP push, in place of the policy's program. It may take its time.
    #[must_use]
    pub fn pin(mut self, ask: impl Fn(&PinRequest) -> PinAnswer + Send + Sync + 'static) -> Self {
        self.ask_pin = Some(Arc::new(ask));
        self
    }

    /// What holds for servers of DM 1.x beyond what holds for every one.
    #[must_use]
    pub fn dm1(mut self, policy: Dm1Policy) -> Self {
        self.dm1 = policy;
        self
    }

    /// What the device is connected by, asked whenever a server reads Session Info; it has to come back at once. Unknown by default (D46).
    #[must_use]
    pub fn bearer(mut self, tell: impl Fn() -> SessionInfo + Send + Sync + 'static) -> Self {
        self.bearer = Box::new(tell);
        self
    }

    /// Bounds of every body that is read.
    #[must_use]
    pub const fn limits(mut self, limits: JsonLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Octets of a download at most; 256 MiB by default.
    #[must_use]
    pub const fn download_octets(mut self, octets: u64) -> Self {
        self.download_octets = octets;
        self
    }

    /// Octets of the tree's names and values at most; 64 MiB by default. What would make it larger is refused with 507.
    #[must_use]
    pub const fn tree_octets(mut self, octets: u64) -> Self {
        self.tree_octets = octets;
        self
    }

    /// How long a session may take; half an hour by default.
    #[must_use]
    pub const fn session_timeout(mut self, timeout: Duration) -> Self {
        self.session_timeout = timeout;
        self
    }

    /// Addresses that a DM Server may have the device connect to. By default public ones alone.
    #[must_use]
    pub const fn network(mut self, network: NetworkPolicy) -> Self {
        self.network = network;
        self
    }

    /// When changes are reported (SUB): after 1 s, and again after 10, 40 and 160 s by default.
    #[must_use]
    pub const fn reports(mut self, reports: ReportTimes) -> Self {
        self.reports = reports;
        self
    }

    /// How long a plug-in may take over one call: 10 s by default. A read that takes longer fails with 500, a write with 409; an EXEC that takes longer is
    /// answered 202, and its result follows as an alert.
    #[must_use]
    pub const fn managed_object_deadline(mut self, deadline: Duration) -> Self {
        self.managed_object_deadline = deadline;
        self
    }

    /// For plug-ins that tell of changes by themselves.
    #[must_use]
    pub fn change_note(&self) -> ChangeNote {
        self.change_note.clone()
    }

    /// Timeouts of HTTP (D01): connect 30 s and read 300 s by default.
    #[must_use]
    pub const fn timeouts(mut self, connect: Duration, read: Duration) -> Self {
        self.connect_timeout = connect;
        self.read_timeout = read;
        self
    }

    /// The device's own certificate and key (D78). A pre-shared key that was given counts instead.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        if !matches!(self.identity, Some(Credential::Psk(_))) {
            self.identity = Some(Credential::Certificate(identity));
        }
        self
    }

    /// The device's own pre-shared key (D78), instead of a certificate.
    ///
    /// # Errors
    /// [`ProfileUnsupported`] in a build without the feature `psk`.
    pub fn psk(mut self, psk: Psk) -> Result<Self, ProfileUnsupported> {
        TlsSupport::of_this_build().require(TlsProfile::Psk)?;
        self.identity = Some(Credential::Psk(psk));
        Ok(self)
    }

    /// A bootstrap code (D81), for a device without certificate.
    #[must_use]
    pub fn bootstrap_code(mut self, code: Secret) -> Self {
        self.bootstrap_code = Some(code);
        self
    }

    /// HTTP user and password (D45) for sessions with accounts that have neither `Auth/Trsp` nor `Ext/HTTPAuth`.
    #[must_use]
    pub fn http_login(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.http_login = Some((user.into(), password));
        self
    }

    /// Whether a challenge of HTTP Basic alone is answered, which tells the server the password or bootstrap code; yes by default.
    #[must_use]
    pub const fn allow_http_basic(mut self, allow: bool) -> Self {
        self.allow_http_basic = allow;
        self
    }

    /// Adds an MO that lives in the tree store, by its DDF alone.
    #[must_use]
    pub fn mo(mut self, ddf: Ddf) -> Self {
        self.ddfs.push(ddf);
        self
    }

    /// Adds an MO whose content a plug-in holds. No server has rights on its instance; those of DM 1.x may read it by the tree's default ACL (`dm1x.md` §4.3).
    #[must_use]
    pub fn managed_object(self, object: impl ManagedObject + 'static) -> Self {
        self.managed_object_for(object, Rights::NONE)
    }

    /// Adds an MO whose content a plug-in holds, for servers whose Perm list names its MOID, and for those of DM 1.x: each gets these rights on its instance,
    /// once. Those that the device has when the instance is made get them then, others with the bootstrap that brings them. What the DAC MO says later counts;
    /// a plug-in that the device has had before gives nothing more to the servers it knows.
    #[must_use]
    pub fn managed_object_for(
        mut self,
        object: impl ManagedObject + 'static,
        rights: Rights,
    ) -> Self {
        self.objects.push((Box::new(object), rights));
        self
    }

    /// Who watches.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn ClientObserver>) -> Self {
        self.observer = observer;
        self
    }

    /// The clock, where the system's is not to be used.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> Utc + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where [`Client::listen`] takes Notifications and pushed bootstraps; nowhere by default.
    #[must_use]
    pub const fn listen(mut self, addresses: ListenAddresses) -> Self {
        self.listen = addresses;
        self
    }

    /// Where [`Client::listen`] takes Notifications by SMS, besides: a link to an SMSC, and the device's own number there. Messages of up to
    /// [`SmppFiles::PARTS`](crate::policy::SmppFiles::PARTS) parts are taken.
    #[must_use]
    pub fn listen_smpp(mut self, esme: EsmeConfig, number: PhoneNumber) -> Self {
        let parts = crate::policy::SmppFiles::PARTS;
        self.smpp = Some(SmppListener {
            esme,
            number,
            parts,
        });
        self
    }

    /// What becomes of a Notification without digest where the account has `Auth/Noti`; ignored by default (D38).
    #[must_use]
    pub const fn absent_digest(mut self, absent: AbsentDigest) -> Self {
        self.absent_digest = absent;
        self
    }

    /// Opens the store and makes the client.
    ///
    /// # Errors
    /// [`ClientBuildError`]; an existing store is left as it was.
    pub fn build(mut self) -> Result<Client, ClientBuildError> {
        let dev_id = self.dev_info.dev_id.clone();
        let dev_info = Box::new(DevInfoObject::new(&self.dev_info));
        let session_info = Box::new(SessionInfoObject::new(self.bearer));
        // What servers may do with these two is fixed (D49).
        self.objects.push((dev_info, Rights::NONE));
        self.objects.push((session_info, Rights::NONE));
        let mut registry = MoRegistry::default();
        registry.insert(dm_acc::ddf().clone())?;
        registry.insert(dac::ddf().clone())?;
        for ddf in self.ddfs {
            registry.insert(ddf)?;
        }
        let mut objects: BTreeMap<Moid, Box<dyn ManagedObject>> = BTreeMap::new();
        let mut grants = Grants::default();
        for (object, rights) in self.objects {
            let moid = registry.insert(object.ddf().clone())?;
            grants.give(moid.clone(), rights);
            objects.insert(moid, object);
        }
        let downloads = Downloads::new(
            self.store.with_file_name("downloads"),
            self.download_octets,
            self.read_timeout,
        );
        let store = TreeStore::open(self.store, u32::from_be_bytes(entropy()?))?
            .with_room(self.tree_octets);
        let host = Host::new(
            store,
            registry.clone(),
            objects,
            grants,
            self.managed_object_deadline,
            self.change_note.0,
        )?;
        let options = HttpsOptions {
            connect_timeout: self.connect_timeout,
            read_timeout: self.read_timeout,
            body_limit: self.limits.octets,
            network: self.network,
        };
        let https = Https::new(options, registry, Arc::clone(&self.observer));
        let config = EngineConfig {
            dev_id,
            dev_info: self.dev_info,
            policy: self.policy,
            sources: self.sources,
            consent: self.consent,
            factory_image: self.factory_image,
            device_key: self.device_key.map(Arc::new),
            anchors: Trust {
                anchors: self.anchors,
                server_key: None,
            },
            report_type: self.report_type,
            browser: self.browser,
            ask_user: self.ask_user,
            limits: self.limits,
            identity: self.identity.map(Arc::new),
            bootstrap_code: self.bootstrap_code,
            http_login: self.http_login,
            allow_http_basic: self.allow_http_basic,
            absent_digest: self.absent_digest,
            reports: self.reports,
            session_timeout: self.session_timeout,
            dm1: self.dm1,
            ask_pin: self.ask_pin,
        };
        let readers = ReaderList::new(&self.readers, &self.card_settings)?;
        let named = (!readers.is_empty()).then(|| Arc::new(readers) as _);
        let card_readers = self.card_readers.or(named);
        let engine = Engine {
            config,
            host,
            https,
            downloads,
            fetched: FetchedObjects::default(),
            observer: self.observer,
            clock: self.clock,
            desk: NotificationDesk::default(),
            cards: CardDesk::new(card_readers, self.reapply_cards),
            in_session: tokio::sync::Mutex::default(),
            in_bootstrap: tokio::sync::Mutex::default(),
            in_wap_push: tokio::sync::Mutex::default(),
            unreported: Unreported::default(),
            alert_room: AlertRoom::default(),
        };
        Ok(Client {
            listen: self.listen,
            smpp: self.smpp,
            engine: Arc::new(engine),
        })
    }
}

impl Client {
    /// Begins a client for the device that these values describe; `store` is the file of its tree.
    #[must_use]
    pub fn builder(dev_info: DevInfo, store: impl Into<PathBuf>) -> ClientBuilder {
        ClientBuilder {
            dev_info,
            store: store.into(),
            policy: BootstrapPolicy::default(),
            sources: Vec::new(),
            card_readers: None,
            readers: Vec::new(),
            card_settings: CardSettings::default(),
            reapply_cards: false,
            consent: None,
            factory_image: None,
            device_key: None,
            anchors: Vec::new(),
            report_type: true,
            browser: None,
            ask_user: None,
            dm1: Dm1Policy::default(),
            ask_pin: None,
            bearer: Box::new(SessionInfo::default),
            limits: JsonLimits::default(),
            download_octets: ClientPolicy::DOWNLOAD_OCTETS,
            tree_octets: ClientPolicy::TREE_OCTETS,
            session_timeout: ClientPolicy::SESSION_TIMEOUT,
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(300),
            identity: None,
            bootstrap_code: None,
            http_login: None,
            allow_http_basic: true,
            ddfs: Vec::new(),
            objects: Vec::new(),
            observer: Arc::new(Unobserved),
            clock: Arc::new(system_clock),
            absent_digest: AbsentDigest::Ignore,
            listen: ListenAddresses::default(),
            smpp: None,
            network: NetworkPolicy::default(),
            reports: ReportTimes::default(),
            managed_object_deadline: Duration::from_secs(10),
            change_note: ChangeNote::default(),
        }
    }
}

fn system_clock() -> Utc {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Utc(elapsed.as_millis().try_into().unwrap_or(i64::MAX))
}
