//! Package#0 on the client: judged, remembered together with what is owed to it, then answered by a session or a bootstrap (`dm20.md` §11.5, D86).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omadm_bootstrap::{DeviceView as _, Utc};
use omadm_dm2::package0::{
    Addressee, Authenticated, Clock, Ignored, PreferredConnection, ReceivedPackage0, ServerId,
};
use omadm_mo::standard::DmAcc;
use omadm_mo::standard::dm_acc::AuthNoti;
use omadm_mo::{SrvId, TreeError, TreeView as _};
use omadm_session::client::SessionReason;

use super::account_source::account_sources;
use super::host::Shared;
use super::{AcceptedTrigger, Engine, EngineConfig, IgnoredTrigger};
use crate::observer::ClientEvent;
use crate::store::OwedNotification;

/// What became of a Notification. The sender is told nothing of it.
#[derive(Clone, PartialEq, Debug)]
pub enum Notified {
    /// It counts: a session, or a bootstrap, is owed to it, durably.
    Accepted(AcceptedNotification),
    /// It is one of DM 1.x and counts: a session is owed to it, durably.
    Triggered(AcceptedTrigger),
    /// It has no effect.
    Ignored(IgnoredNotification),
}

/// A Notification that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptedNotification {
    /// SERVER-ID: an account's server, or a bootstrap source (D84).
    pub server: ServerId,
    /// NOTIFICATION-ID, where it had one.
    pub notification_id: Option<u16>,
    /// PREFERRED-CON-TYPE, where it had one: for the host, which has the bearers.
    pub preferred_connection: Option<PreferredConnection>,
    /// Whether it carried REQ-MOS.
    pub req_mos: bool,
    /// What vouches for it.
    pub authenticated: Authenticated,
}

/// Why a Notification has no effect.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IgnoredNotification {
    /// Longer than a listener takes.
    #[error("it is longer than {0} octets")]
    TooLong(usize),
    /// More came than are judged.
    #[error("more Notifications came than are judged in that time")]
    Crowded,
    /// It does not count.
    #[error(transparent)]
    Judged(#[from] Ignored),
    /// One of DM 1.x that does not count.
    #[error(transparent)]
    Trigger(#[from] IgnoredTrigger),
}

/// POSIX milliseconds before which no clock can be right, so that nobody has set this one: the year 2010.
const CLOCK_SET_MS: i64 = 1_262_304_000_000;
/// Seconds between sessions that unproven Notifications of one server bring about.
const UNPROVEN_SECS: i64 = 60;
/// Seconds until what is owed to a Notification is tried again; then it is given up.
const RETRY_SECS: [i64; 3] = [10, 60, 300];
/// The longest `Retry-After` that counts.
const DAY_SECS: i64 = 86_400;
/// Events of ignored Notifications in [`TOLD_WITHIN`]; the rest is counted.
const TOLD: u32 = 10;
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// What the engine keeps of Notifications between two of them.
#[derive(Default)]
pub(crate) struct NotificationDesk {
    one_at_a_time: OneAtATime,
    told: Told,
    /// Pushed bootstraps that were turned away and told.
    pub(super) turned_away: Told,
    /// Rings when something is owed to a Notification.
    pub(super) bell: tokio::sync::Notify,
}

/// Held while a Notification is judged and remembered.
#[derive(Clone, Default)]
pub(super) struct OneAtATime(Arc<Mutex<UnprovenTimes>>);

/// When each server's last Notification was accepted that anybody may have sent, or sent again.
#[derive(Default)]
pub(super) struct UnprovenTimes(BTreeMap<ServerId, Utc>);

impl OneAtATime {
    pub(super) fn lock(&self) -> MutexGuard<'_, UnprovenTimes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnprovenTimes {
    /// When such a Notification may have its session; none where at once.
    pub(super) fn next(&mut self, server: &ServerId, now: Utc) -> Option<Utc> {
        let last = self.0.insert(server.clone(), now);
        let not_before = last
            .map(|last| last.plus_secs(UNPROVEN_SECS))
            .filter(|at| *at > now);
        if let Some(at) = not_before {
            self.0.insert(server.clone(), at.plus_secs(-UNPROVEN_SECS));
        }
        not_before
    }
}

impl NotificationDesk {
    pub(super) fn one_at_a_time(&self) -> OneAtATime {
        self.one_at_a_time.clone()
    }
}

/// Tells a few of many things in a minute.
#[derive(Default)]
pub(super) struct Told(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    since: Option<Instant>,
    count: u32,
    unreported: u64,
}

impl Told {
    /// Whether one more is told now: then how many before it were not.
    pub(super) fn one_more(&self) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if told.since.is_none_or(|since| now - since >= TOLD_WITHIN) {
            (told.since, told.count) = (Some(now), 0);
        }
        if told.count == TOLD {
            told.unreported += 1;
            return None;
        }
        told.count += 1;
        Some(std::mem::take(&mut told.unreported))
    }
}

impl Engine {
    /// Takes a Notification, however it came; `carrier` is for events.
    pub(crate) async fn notified(
        &self,
        octets: Vec<u8>,
        carrier: &'static str,
    ) -> Result<Notified, TreeError> {
        let (config, now) = (self.config.clone(), self.now());
        let one_at_a_time = self.desk.one_at_a_time();
        let outcome = self
            .host
            .run(move |host| {
                let mut unproven = one_at_a_time.lock();
                take(host, &config, &octets, now, &mut unproven)
            })
            .await?;
        Ok(match outcome {
            Ok(accepted) => {
                self.tell(&ClientEvent::NotificationAccepted {
                    carrier,
                    notification: accepted.clone(),
                });
                self.desk.bell.notify_one();
                Notified::Accepted(accepted)
            }
            Err(ignored) => {
                let ignored = IgnoredNotification::from(ignored);
                self.ignored(ignored.clone(), carrier);
                Notified::Ignored(ignored)
            }
        })
    }

    /// Tells who watches, a few times a minute.
    pub(crate) fn ignored(&self, cause: IgnoredNotification, carrier: &'static str) {
        let Some(unreported) = self.desk.told.one_more() else {
            return;
        };
        self.tell(&ClientEvent::NotificationIgnored {
            carrier,
            cause,
            unreported,
        });
    }

    /// Notes that a session or bootstrap for this Notification did not come about: it is tried a few times more.
    pub(super) async fn notification_failed(
        &self,
        server: ServerId,
        owed: OwedNotification,
        retry_after: Option<u32>,
    ) -> Result<(), TreeError> {
        let now = self.now();
        let wait = RETRY_SECS.get(usize::from(owed.attempts)).copied();
        let next = wait.map(|wait| OwedNotification {
            attempts: owed.attempts + 1,
            not_before: Some(
                now.plus_secs(wait.max(retry_after.map_or(0, i64::from).min(DAY_SECS))),
            ),
            ..owed.clone()
        });
        if next.is_none() {
            self.tell(&ClientEvent::NotificationGivenUp {
                server: server.clone(),
                notification_id: owed.notification_id,
            });
        }
        self.settle_notification(server, owed.number, next).await
    }

    /// The server has no usable account any more: nobody is left to answer.
    pub(super) async fn forget_notification(&self, server: &SrvId) -> Result<(), TreeError> {
        let id = ServerId::Account(server.clone());
        let read = id.clone();
        let owed = self
            .host
            .run(move |host| host.store.owed_notification(&read))
            .await?;
        match owed {
            Some(owed) => self.settle_notification(id, owed.number, None).await,
            None => Ok(()),
        }
    }

    /// What is owed to this Notification from now on; nothing where it was answered.
    pub(super) async fn settle_notification(
        &self,
        server: ServerId,
        number: u64,
        next: Option<OwedNotification>,
    ) -> Result<(), TreeError> {
        self.host
            .run(move |host| {
                host.store
                    .settle_notification(&server, number, next.as_ref())
            })
            .await
    }
}

impl OwedNotification {
    /// Why its session is opened.
    pub(super) const fn reason(&self) -> SessionReason {
        SessionReason::Notified {
            notification_id: self.notification_id,
            req_mos: self.req_mos,
        }
    }
}

fn take(
    host: &Shared,
    config: &EngineConfig,
    octets: &[u8],
    now: Utc,
    unproven: &mut UnprovenTimes,
) -> Result<Result<AcceptedNotification, Ignored>, TreeError> {
    let received = match ReceivedPackage0::decode(octets) {
        Ok(received) => received,
        Err(error) => return Ok(Err(error.into())),
    };
    let server = &received.package().server_id;
    let noti = match server {
        ServerId::Account(srv_id) => noti_of(host, srv_id)?,
        ServerId::Bootstrap(id) => {
            let of_accounts = account_sources(&host.store.snapshot()?)?;
            let mut sources = of_accounts.iter().chain(&config.sources);
            sources
                .find(|source| source.id.as_deref() == Some(id.as_str()))
                .map(|source| source.noti.clone())
        }
    };
    let known = match noti {
        Some(noti) => Some(Addressee {
            noti,
            window: host.store.replay_window(server)?,
        }),
        None => None,
    };
    let accepted = match received.judge(known, config.absent_digest, clock(now)) {
        Ok(accepted) => accepted,
        Err(ignored) => return Ok(Err(ignored)),
    };
    let not_before = match accepted.authenticated {
        Authenticated::Unproven => unproven.next(server, now),
        _ => None,
    };
    let owed = OwedNotification {
        number: 0,
        notification_id: accepted.package.notification_id,
        req_mos: accepted.package.req_mos,
        attempts: 0,
        not_before,
    };
    host.store
        .accept_notification(server, &accepted.window, owed)?;
    Ok(Ok(AcceptedNotification {
        server: server.clone(),
        notification_id: accepted.package.notification_id,
        preferred_connection: accepted.package.preferred_connection,
        req_mos: accepted.package.req_mos,
        authenticated: accepted.authenticated,
    }))
}

/// `Auth/Noti` of a server's account; none where there is no account of DM 2.0 that can be used.
fn noti_of(host: &Shared, srv_id: &SrvId) -> Result<Option<Option<AuthNoti>>, TreeError> {
    let view = host.store.snapshot()?;
    let Some(account) = view.account(srv_id)?.filter(|one| !one.is_dm1()) else {
        return Ok(None);
    };
    let node = view.subtree(&account.address())?;
    let read = node.and_then(|node| DmAcc::from_node(&node).ok());
    Ok(read.map(|account| account.noti))
}

fn clock(now: Utc) -> Clock {
    match u64::try_from(now.0 / 1000) {
        Ok(seconds) if now.0 >= CLOCK_SET_MS => Clock::Set(seconds),
        _ => Clock::Unset,
    }
}
