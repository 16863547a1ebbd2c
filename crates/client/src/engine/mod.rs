//! The client at work: fetches and applies bootstraps, runs DM sessions, retries what is owed.

mod account_source;
mod account_target;
mod alert_room;
mod bootstrap;
mod browser;
mod card_consent;
mod cards;
mod client_initiated;
mod consent;
mod daemon;
mod dm1_session;
mod download;
mod executions;
mod factory;
mod factory_reset;
mod fetch;
mod fetch_attempts;
mod fetched;
mod grants;
mod host;
mod notification;
mod program;
mod push_pin;
mod pushed;
mod refusal;
mod reports;
mod repository;
mod session;
mod switch_on;
mod trigger;
mod user_alert;
mod wap_push;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::{BootstrapPolicy, Utc};
use omadm_dm2::package0::AbsentDigest;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::dm_acc::AuthNoti;
use omadm_mo::standard::{DevInfo, DevInfo1};
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_tls::DeviceKey;

use crate::download::Downloads;
use crate::https::{Credential, Https, Trust};
use crate::observer::{ClientEvent, ClientObserver};
use crate::policy::{Dm1Policy, ReportTimes};

pub use bootstrap::Bootstrapped;
pub use cards::CardCheck;
pub use client_initiated::NoBootstrap;
pub use consent::ConsentRequest;
pub use factory::FactoryImage;
pub use factory_reset::FactoryReset;
pub use fetch_attempts::{FetchAnswer, FetchAttempt};
pub use notification::{AcceptedNotification, IgnoredNotification, Notified};
pub use push_pin::{PinAnswer, PinRequest};
pub use refusal::LastRefusal;
pub use reports::MissingMo;
pub use session::SessionReport;
pub(crate) use session::forbidden_fact;
pub use switch_on::SwitchedOn;
pub use trigger::{AcceptedTrigger, IgnoredTrigger, TriggerNonce};
pub use user_alert::UserRequest;
pub use wap_push::{DroppedPush, PinOutcome, WapPushEvent};

pub(crate) use alert_room::AlertRoom;
pub(crate) use bootstrap::TlsCredentials;
pub(crate) use browser::of_command as browser_of;
pub(crate) use cards::CardDesk;
pub(crate) use consent::{Consent, of_command as consent_of};
pub(crate) use fetched::FetchedObjects;
pub(crate) use grants::Grants;
pub(crate) use host::{Host, Shared};
pub(crate) use notification::NotificationDesk;
pub(crate) use push_pin::{AskPin, of_command as pin_of};
pub(crate) use pushed::{NotTaken, Pushed};
pub(crate) use refusal::problem_document;
pub(crate) use reports::Unreported;
pub(crate) use user_alert::{AskUser, of_command as user_of};

/// Starts a UI session at an address and comes back once it started (SHOW).
pub(crate) type Browser = Arc<dyn Fn(&ServerUri) -> io::Result<()> + Send + Sync>;

/// What a client is told at its start and keeps until its end.
#[derive(Clone)]
pub(crate) struct EngineConfig {
    pub(crate) dev_id: DevId,
    pub(crate) dev_info: DevInfo,
    pub(crate) policy: BootstrapPolicy,
    pub(crate) sources: Vec<Source>,
    /// Who decides where the policy asks for consent; nobody agrees without.
    pub(crate) consent: Option<Consent>,
    /// Where the factory image lies.
    pub(crate) factory_image: Option<PathBuf>,
    /// Opens a factory image that is sealed.
    pub(crate) device_key: Option<Arc<DeviceKey>>,
    pub(crate) anchors: Trust,
    pub(crate) report_type: bool,
    pub(crate) browser: Option<Browser>,
    pub(crate) limits: JsonLimits,
    pub(crate) identity: Option<Arc<Credential>>,
    pub(crate) bootstrap_code: Option<Secret>,
    /// User and password for accounts that bring none (D45).
    pub(crate) http_login: Option<(String, Secret)>,
    pub(crate) allow_http_basic: bool,
    /// What becomes of a Notification without digest where the account has `Auth/Noti` (D38).
    pub(crate) absent_digest: AbsentDigest,
    pub(crate) reports: ReportTimes,
    pub(crate) session_timeout: Duration,
    /// Who shows what DM 1.x servers show and ask; 406 without.
    pub(crate) ask_user: Option<AskUser>,
    pub(crate) dm1: Dm1Policy,
    /// Who is asked for the PIN of a pushed bootstrap; it waits without.
    pub(crate) ask_pin: Option<AskPin>,
}

impl EngineConfig {
    /// Device Info as DM 1.x servers see it.
    pub(crate) fn dm1_dev_info(&self) -> DevInfo1 {
        DevInfo1 {
            dm_v: self.dm1.version.name().to_owned(),
            ..DevInfo1::of(&self.dev_info)
        }
    }
}

/// A bootstrap source (D84), configured or named by an account: where to fetch, and whom to believe there.
#[derive(Clone)]
pub(crate) struct Source {
    /// Its id, by which a Notification calls it; none where it was given without one.
    pub(crate) id: Option<String>,
    /// What its Notifications are checked with; without it they are ignored.
    pub(crate) noti: Option<AuthNoti>,
    pub(crate) url: ServerUri,
    pub(crate) trust: Trust,
    /// `Auth/Bootstrap` of the account that names it; without it the device identity or the bootstrap code is shown.
    pub(crate) credential: Option<Arc<Credential>>,
    /// Names that a server may bear which pushes in its name; the host of the URL where there are none (D61).
    pub(crate) push_names: Option<Vec<String>>,
}

/// A running client.
pub(crate) struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) host: Host,
    pub(crate) https: Https,
    pub(crate) downloads: Downloads,
    /// What HGETs brought.
    pub(crate) fetched: FetchedObjects,
    pub(crate) observer: Arc<dyn ClientObserver>,
    pub(crate) clock: Arc<dyn Fn() -> Utc + Send + Sync>,
    pub(crate) desk: NotificationDesk,
    pub(crate) cards: CardDesk,
    /// Held during a session: there is one at a time (D86).
    pub(crate) in_session: tokio::sync::Mutex<()>,
    /// Held while a delivered document is decided on and applied: one after the other.
    pub(crate) in_bootstrap: tokio::sync::Mutex<()>,
    /// Held while it is decided on a push that waits, by whomever; before `in_bootstrap`.
    pub(crate) in_wap_push: tokio::sync::Mutex<()>,
    pub(crate) unreported: Unreported,
    pub(crate) alert_room: AlertRoom,
}

impl Engine {
    fn now(&self) -> Utc {
        (self.clock)()
    }

    fn tell(&self, event: &ClientEvent) {
        self.observer.event(event);
    }
}

/// Random octets of the operating system. Where it gives none the process cannot make secrets and says so.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], io::Error> {
    omadm_tls::random().map_err(io::Error::other)
}
