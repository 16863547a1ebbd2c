//! What every exchange of one server node works with. Holds no session: any node answers any package (DESIGN §5).

use std::sync::Arc;
use std::time::Instant;

use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;
use omadm_tls::LiveClientTrust;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admission::Admission;
use crate::capacity::Capacity;
use crate::carrier::Carriers;
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::crl::CrlInForce;
use crate::dm1_service::Dm1Node;
use crate::identity::{CodeGates, HttpAuth};
use crate::listener::NodeTraffic;
use crate::model::{DeferredMark, Event, EventKind};
use crate::notification_service::Receipts;
use crate::observer::ExchangeObserver;
use crate::problem::Problem;
use crate::profiles::ProfileLibrary;
use crate::psk_book::PskBook;
use crate::refusal_throttle::{DeviceThrottle, RefusalThrottle};
use crate::repository::Places;
use crate::seal::SealingKeys;
use crate::state_dir::{StateDir, StateDirError};
use crate::store::Store;
use crate::store_trouble::{StoreHealth, StoreTrouble};

/// One node of a DM Server.
pub(crate) struct Node {
    pub(crate) config: ServerConfig,
    pub(crate) state: StateDir,
    /// Host and port under which devices reach the server.
    pub(crate) public_server: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealing: SealingKeys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trust: Arc<LiveClientTrust>,
    pub(crate) profiles: ProfileLibrary,
    pub(crate) admission: Admission,
    pub(crate) registry: MoRegistry,
    pub(crate) capacity: Capacity,
    pub(crate) transfers: Arc<Places>,
    pub(crate) traffic: NodeTraffic,
    pub(crate) health: StoreHealth,
    strangers: RefusalThrottle,
    refused_devices: DeviceThrottle,
    pub(crate) observer: Option<Arc<dyn ExchangeObserver>>,
    pub(crate) code_gates: CodeGates,
    pub(crate) http_auth: HttpAuth,
    pub(crate) crl: CrlInForce,
    pub(crate) psks: PskBook,
    pub(crate) carriers: Carriers,
    /// Places for bootstraps that are being brought to devices.
    pub(crate) pushes: Arc<Semaphore>,
    pub(crate) receipts: Receipts,
    pub(crate) dm1: Dm1Node,
}

/// What a node is made of.
pub(crate) struct NodeParts {
    pub(crate) config: ServerConfig,
    pub(crate) public_server: String,
    pub(crate) state: StateDir,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealing: SealingKeys,
    pub(crate) profiles: ProfileLibrary,
    pub(crate) admission: Admission,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Option<Arc<dyn ExchangeObserver>>,
}

impl Node {
    pub(crate) fn new(parts: NodeParts) -> Result<Self, StateDirError> {
        let NodeParts {
            config,
            public_server,
            state,
            store,
            sealing,
            profiles,
            admission,
            clock,
            observer,
        } = parts;
        let http_auth = HttpAuth::new(state.sealing_key(), &sealing, clock.now());
        let carriers = Carriers::start(&config, state.identity());
        Ok(Self {
            carriers,
            pushes: Arc::new(Semaphore::new(config.push.at_once)),
            receipts: Receipts::default(),
            dm1: Dm1Node::new(),
            trust: Arc::new(LiveClientTrust::new(state.client_trust(&[])?)),
            registry: profiles.registry().clone(),
            capacity: Capacity::new(config.limits.beginnings),
            transfers: Places::new(
                config.limits.repository_transfers,
                config.limits.repository_transfers_per_device,
            ),
            traffic: NodeTraffic::default(),
            health: StoreHealth::default(),
            strangers: RefusalThrottle::default(),
            refused_devices: DeviceThrottle::default(),
            config,
            public_server,
            state,
            store,
            sealing,
            clock,
            profiles,
            admission,
            observer,
            code_gates: CodeGates::default(),
            http_auth,
            crl: CrlInForce::default(),
            psks: PskBook::default(),
        })
    }

    /// The 503 of one who finds no place here or in the store.
    pub(crate) fn over_capacity(&self) -> Problem {
        self.capacity.refuse(self.store.backlog())
    }

    /// A place for an exchange that begins something, until the permit is dropped; the 503 where there is none.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.capacity.enter().ok_or_else(|| self.over_capacity())
    }

    /// Takes note of a request that the store did not serve.
    pub(crate) fn saw(&self, trouble: &StoreTrouble) {
        let deltas = self.store.commits().deltas;
        self.health.saw(trouble, Instant::now(), deltas);
    }

    pub(crate) fn now(&self) -> Utc {
        self.clock.now()
    }

    pub(crate) const fn json_limits(&self) -> JsonLimits {
        JsonLimits {
            depth: self.config.limits.json_depth,
            octets: self.config.limits.body_octets,
        }
    }

    /// Records a refusal; nobody waits for it.
    pub(crate) fn refused(&self, about: Option<DevId>, kind: EventKind, correlation: &str) {
        let proven = about.is_some();
        self.refuse(about, proven, kind, correlation);
    }

    /// Records a refusal of somebody who names a device without having proved anything; nobody waits for it.
    pub(crate) fn refused_stranger(
        &self,
        about: Option<DevId>,
        kind: EventKind,
        correlation: &str,
    ) {
        self.refuse(about, false, kind, correlation);
    }

    fn refuse(&self, about: Option<DevId>, proven: bool, mut kind: EventKind, correlation: &str) {
        let now = self.now();
        let (admitted, whose) = match &about {
            Some(dev_id) if proven => (self.refused_devices.admit(dev_id, now), "of this device"),
            _ => (self.strangers.admit(now), "of unknown peers"),
        };
        let Some(dropped) = admitted else {
            return;
        };
        if let EventKind::RequestRefused { detail, .. } | EventKind::HandshakeRefused { detail, .. } =
            &mut kind
            && dropped > 0
        {
            detail.push_str(&format!(
                " ({dropped} refusals {whose} before it were not recorded)"
            ));
        }
        self.store.defer(DeferredMark::Refused {
            dev_id: about,
            at: now,
            event: event(kind, correlation),
        });
    }
}

pub(crate) fn event(kind: EventKind, correlation: &str) -> Event {
    Event {
        kind,
        correlation: correlation.to_owned(),
    }
}
