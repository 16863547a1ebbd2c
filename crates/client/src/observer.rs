use std::net::SocketAddr;

use omadm_bootstrap::plan::{SkippedItem, SwitchOnDecision};
use omadm_bootstrap::{BootstrapMethod, Refusal};
use omadm_dm2::package0::ServerId;
use omadm_mo::{ServerUri, SrvId};
use omadm_session::client::dm1::Dm1SessionEvent;
use omadm_session::client::{Cause, SessionEvent};

use crate::engine::{AcceptedNotification, AcceptedTrigger, IgnoredNotification, WapPushEvent};

/// Watches a DM Client: the demo's timeline, the daemon's log, an embedder's own hook. Called in the order in which things happen.
pub trait ClientObserver: Send + Sync {
    /// Something happened.
    fn event(&self, event: &ClientEvent);

    /// Whether [`Self::exchange`] is wanted: bodies are decoded for it alone.
    fn wants_exchanges(&self) -> bool {
        true
    }

    /// An HTTP exchange is over. Bodies hold no secret any more.
    fn exchange(&self, _exchange: &Exchange) {}
}

/// What happens on the client, in the words of the standard.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientEvent {
    /// The DM Bootstrap is asked for.
    Fetching {
        /// The bootstrap URL.
        url: String,
    },
    /// The bootstrap server has none now.
    NothingThere {
        /// The bootstrap URL.
        url: String,
        /// When to ask again, where it said so, in seconds.
        retry_after: Option<u32>,
    },
    /// The bootstrap server holds the device until an operator decides.
    Held {
        /// The bootstrap URL.
        url: String,
        /// When to ask again, in seconds.
        retry_after: u32,
        /// What it says, for people.
        detail: String,
    },
    /// A document is here and about to be processed.
    Delivered {
        /// How it came.
        method: BootstrapMethod,
        /// Its length in octets.
        octets: usize,
    },
    /// An item was passed over.
    Skipped(SkippedItem),
    /// The document was refused; the tree is as it was.
    Refused(Refusal),
    /// It was applied and its completion is owed, durably.
    Applied {
        /// The servers it brought.
        servers: Vec<SrvId>,
    },
    /// The cards were looked at; what was decided is applied, durably.
    CardsChecked(Box<SwitchOnDecision>),
    /// It was applied before, and its completion is still owed (D88).
    AlreadyApplied,
    /// Something in a DM session.
    Session(SessionEvent),
    /// Something in a session of DM 1.x.
    Dm1Session(Dm1SessionEvent),
    /// A subscribed change was reported (SUB).
    ChangeReported {
        /// Whose subscription.
        server: SrvId,
        /// Its ClientURI.
        client: String,
        /// Where the report went.
        to: ServerUri,
    },
    /// A subscribed change could not be reported.
    ReportFailed {
        /// Whose subscription.
        server: SrvId,
        /// Its ClientURI.
        client: String,
        /// Why.
        cause: Cause,
        /// Whether it is not tried again; the next change makes a new report.
        dropped: bool,
    },
    /// A pushed document was taken and lies durably on the device; somebody is asked whether it is to be applied.
    PushAwaitsConsent {
        /// From whom.
        source: String,
    },
    /// Something about a bootstrap of DM 1.x that came by WAP push.
    WapPush(WapPushEvent),
    /// Somebody who pushed, or wanted to, was turned away before the document was looked at; ten of these are told in a minute.
    PushTurnedAway {
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        refusal: Refusal,
        /// How many before it were not told.
        unreported: u64,
    },
    /// A bootstrap server gave no bootstrap; this is when the device asks it again by itself (D55).
    FetchAgainIn {
        /// The bootstrap URL.
        url: String,
        /// Milliseconds.
        millis: i64,
    },
    /// An owed completion waits.
    RetryIn {
        /// For which server.
        server: SrvId,
        /// Milliseconds.
        millis: i64,
    },
    /// A Notification was accepted; a session or bootstrap is owed to it, durably.
    NotificationAccepted {
        /// How it came: `udp`, `https`, or `host` where the embedding program handed it over.
        carrier: &'static str,
        /// What it says.
        notification: AcceptedNotification,
    },
    /// A Package 0 of DM 1.x was accepted; a session is owed to it, durably.
    Triggered {
        /// How it came: `sms`, `udp`, `https`, or `host` where the embedding program handed it over.
        carrier: &'static str,
        /// What it says.
        trigger: AcceptedTrigger,
    },
    /// A Notification has no effect; ten of these are told in a minute.
    NotificationIgnored {
        /// How it came.
        carrier: &'static str,
        /// Why.
        cause: IgnoredNotification,
        /// How many before it were not told.
        unreported: u64,
    },
    /// The session or bootstrap that a Notification asked for did not come about; it is not tried again.
    NotificationGivenUp {
        /// Its SERVER-ID.
        server: ServerId,
        /// Its NOTIFICATION-ID.
        notification_id: Option<u16>,
    },
}

/// One HTTP exchange.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The connection, from 1.
    pub connection: u64,
    /// The exchange on this client, from 1.
    pub number: u64,
    /// `GET`, `POST`, `PUT`.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The request's body, decoded and masked; none where it has none.
    pub request: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// The answer's body, decoded and masked; none where it has none.
    pub response: Option<String>,
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl ClientObserver for Unobserved {
    fn event(&self, _: &ClientEvent) {}

    fn wants_exchanges(&self) -> bool {
        false
    }
}
