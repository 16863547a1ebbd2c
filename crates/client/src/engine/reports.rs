//! Reports of subscribed changes (`dm20.md` §5.2, D22), and what DEFAULT is for.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use omadm_bootstrap::{Account, DeviceView, PayloadHash, Subscription, Utc};
use omadm_dm2::{StatusCode, media_type};
use omadm_mo::{ClientUri, Moid, NodeAddress, SrvId, TreeError, TreeView as _};
use omadm_session::client::{Cause, LiveOverlay, change_report, plan_missing};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::account_target::AccountTarget;
use super::daemon::millis;
use super::host::Shared;
use super::{Engine, SessionReport, entropy};
use crate::https::Https;
use crate::observer::ClientEvent;

/// When a change under each subscription was first seen, while it is not reported.
#[derive(Default)]
pub(crate) struct Unreported(Mutex<BTreeMap<(SrvId, String), Utc>>);

/// How a missing configuration was come by ([`crate::Client::missing`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MissingMo {
    /// It is not missing: the device has an instance.
    Present,
    /// No server has left an address for it.
    NoDefault,
    /// It was fetched and installed.
    Installed,
    /// It could not be fetched.
    NotFetched(Cause),
    /// It was fetched, and is not what the server may install; the status that an HGET would have had.
    NotInstalled(StatusCode),
}

/// D22: tries of one report after the first.
const RETRIES: u8 = 3;
/// How often a plan is made again because the tree changed under it.
const REPLANS: u8 = 3;

type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, TreeError>> + Send + 'a>>;

/// Between two looks at what there is to report, while a session goes on.
const LOOK: Duration = Duration::from_secs(30);

struct Due {
    server: SrvId,
    subscription: Subscription,
    body: Vec<u8>,
    hash: PayloadHash,
}

impl Engine {
    /// Sends the reports that are due; with `at_once` without waiting for further changes. Answers when the next one is.
    pub(super) async fn report_changes(&self, at_once: bool) -> Result<Option<Utc>, TreeError> {
        self.report_by(&self.https, at_once, None).await
    }

    /// One session with a server, which may wait as long as policy lets it; what is to be reported to the others goes meanwhile, on connections of its own.
    /// On the heap, as its two parts are: together they are too long for a stack.
    pub(super) fn session_beside_reports<'a>(
        &'a self,
        server: &'a SrvId,
    ) -> Work<'a, SessionReport> {
        Box::pin(async move {
            let over = Notify::new();
            let reports = self.reports_until(&over, server);
            let session = self.session_then(&over, server);
            let (done, reported) = tokio::join!(session, reports);
            reported.and(done)
        })
    }

    fn session_then<'a>(&'a self, over: &'a Notify, server: &'a SrvId) -> Work<'a, SessionReport> {
        Box::pin(async move {
            let done = self.session(server).await;
            over.notify_one();
            done
        })
    }

    fn reports_until<'a>(&'a self, over: &'a Notify, but: &'a SrvId) -> Work<'a, ()> {
        Box::pin(async move {
            let beside = self.https.beside();
            loop {
                // A report that has begun is brought to its end, or it would be sent twice.
                let next = self.report_by(&beside, false, Some(but)).await?;
                let wait = next.map_or(LOOK, |at| {
                    let millis = at.millis_since(self.now()).try_into().unwrap_or(0);
                    Duration::from_millis(millis).min(LOOK)
                });
                tokio::select! {
                    () = over.notified() => return Ok(()),
                    () = sleep(wait) => {}
                    () = self.host.changed() => {}
                }
            }
        })
    }

    async fn report_by(
        &self,
        https: &Https,
        at_once: bool,
        but: Option<&SrvId>,
    ) -> Result<Option<Utc>, TreeError> {
        let all = self.host.run(changes).await?;
        let mut seen = self.unreported.take();
        let mut next: Option<Utc> = None;
        for due in all {
            let key = (due.server.clone(), due.subscription.client.clone());
            let now = self.now();
            let first = seen.remove(&key).unwrap_or(now);
            let coalesced = first.plus_millis(millis(self.config.reports.coalesce));
            let at = due.subscription.not_before.unwrap_or(coalesced);
            let at = at.max(coalesced);
            if but == Some(&due.server) {
                self.unreported.note(key, first);
                continue;
            }
            if !at_once && at > now {
                self.unreported.note(key, first);
                next = Some(next.map_or(at, |next| next.min(at)));
                continue;
            }
            if let Some(at) = self.report(https, due).await? {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        Ok(next)
    }

    /// Sends one report; answers when it is tried again.
    async fn report(&self, https: &Https, due: Due) -> Result<Option<Utc>, TreeError> {
        let Due {
            server,
            subscription,
            body,
            hash,
        } = due;
        let (client, to) = (subscription.client.clone(), subscription.server.clone());
        let written = media_type::MO_READ
            .into_iter()
            .find(|one| *one == subscription.media_type);
        let sent = match self.target_of(&server).await? {
            None => return Ok(None),
            Some(target) => {
                let media_type = written.unwrap_or(media_type::MO);
                self.upload(https, &target, Method::PUT, to.clone(), media_type, body)
                    .await
            }
        };
        let attempts = subscription.attempts.saturating_add(1);
        let failed = |cause: &Cause| match cause {
            // The server takes no type that there is (§3.2), or policy forbids the place: another try would not mend it.
            Cause::Status(406 | 415) | Cause::Forbidden(_) => true,
            _ => attempts > RETRIES,
        };
        let mut again = None;
        let media_type = match sent {
            Ok(media_type) => {
                self.tell(&ClientEvent::ChangeReported {
                    server: server.clone(),
                    client: client.clone(),
                    to,
                });
                Some(media_type)
            }
            Err(cause) => {
                if !failed(&cause) {
                    let [jitter] = entropy().unwrap_or([128]);
                    let wait = retry_millis(millis(self.config.reports.retry), attempts, jitter);
                    again = Some(self.now().plus_millis(wait));
                }
                self.tell(&ClientEvent::ReportFailed {
                    server: server.clone(),
                    client: client.clone(),
                    cause,
                    dropped: again.is_none(),
                });
                None
            }
        };
        let noted = self.host.run(move |host| {
            host.store.note_report(&server, &client, |known| {
                if again.is_some() {
                    known.attempts = attempts;
                } else {
                    // Delivered or dropped: the next change sends the whole anew.
                    known.attempts = 0;
                    known.reported = hash;
                }
                known.not_before = again;
                if let Some(media_type) = media_type {
                    media_type.clone_into(&mut known.media_type);
                }
            })
        });
        noted.await?;
        Ok(again)
    }

    /// Fetches the configuration of an MO that is missing from where a server left word it can be had, and installs it as that server's HGET would. The
    /// server is told nothing.
    pub(crate) async fn missing(&self, moid: &Moid) -> Result<MissingMo, TreeError> {
        let wanted = moid.clone();
        let found = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            if !view.instances(&wanted)?.is_empty() {
                return Ok(Err(MissingMo::Present));
            }
            let left = view.accounts()?.into_iter().find_map(|account| {
                let entry = account.defaults.iter().find(|entry| entry.moid == wanted)?;
                Some((account.srv_id.clone(), entry.server.clone()))
            });
            Ok(left.ok_or(MissingMo::NoDefault))
        });
        let (server, from) = match found.await? {
            Ok(found) => found,
            Err(missing) => return Ok(missing),
        };
        let Some(target) = self.target_of(&server).await? else {
            return Ok(MissingMo::NoDefault);
        };
        let fetched = match self.get(&target, from).await {
            Ok(fetched) => fetched,
            Err(cause) => return Ok(MissingMo::NotFetched(cause)),
        };
        for _ in 0..=REPLANS {
            let (id, fetched, limits) = (server.clone(), fetched.clone(), self.config.limits);
            let planned = self.host.run(move |host| {
                let view = host.store.snapshot()?;
                let Some(account) = view.account(&id)? else {
                    return Ok(Err(StatusCode::FORBIDDEN));
                };
                Ok(plan_missing(
                    &view,
                    &account,
                    &host.registry,
                    &fetched,
                    limits,
                ))
            });
            let plan = match planned.await? {
                Ok(plan) => plan,
                Err(code) => return Ok(MissingMo::NotInstalled(code)),
            };
            match self.host.apply(plan).await {
                Ok(_) => return Ok(MissingMo::Installed),
                Err(Cause::Stale) => {}
                Err(Cause::Tree(error)) => return Err(error),
                Err(_) => return Ok(MissingMo::NotInstalled(StatusCode::NOT_ALLOWED)),
            }
        }
        Ok(MissingMo::NotInstalled(StatusCode::CONFLICT))
    }

    /// The target of a server's account; none where it has none (any more).
    async fn target_of(&self, server: &SrvId) -> Result<Option<AccountTarget>, TreeError> {
        let (id, config) = (server.clone(), self.config.clone());
        let target = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            match view.account(&id)? {
                Some(account) => AccountTarget::of(&view, &account, None, &config),
                None => Ok(None),
            }
        });
        target.await
    }
}

/// Every subscription whose subtree says something else than its server knows.
fn changes(host: &Shared) -> Result<Vec<Due>, TreeError> {
    let view = host.store.snapshot()?;
    let mut due = Vec::new();
    for account in view.accounts()? {
        for subscription in &account.subscriptions {
            let Some(uri) = subscription.uri() else {
                continue;
            };
            let Some((body, hash)) = current(host, &view, &account, uri.uri())? else {
                continue;
            };
            if hash != subscription.reported {
                due.push(Due {
                    server: account.srv_id.clone(),
                    subscription: subscription.clone(),
                    body,
                    hash,
                });
            }
        }
    }
    Ok(due)
}

/// The report as it would be now; none where the server may not read it, or a plug-in does not answer.
fn current(
    host: &Shared,
    view: &dyn DeviceView,
    account: &Account,
    uri: &ClientUri,
) -> Result<Option<(Vec<u8>, PayloadHash)>, TreeError> {
    let mut live = BTreeMap::new();
    if host.is_live(&uri.moid) {
        let roots = view.instances(&uri.moid)?.into_iter();
        let roots: Vec<_> = roots
            .map(|miid| NodeAddress::root(uri.moid.clone(), miid))
            .collect();
        let Ok(read) = host.read_live(&roots) else {
            return Ok(None);
        };
        live.extend(
            read.into_iter()
                .map(|(at, node)| ((at.moid, at.miid), node)),
        );
    }
    let overlay = LiveOverlay::new(view, &live);
    let report = change_report(&overlay, account, &host.registry, uri).ok();
    Ok(report.map(|report| (report.body, report.hash)))
}

/// Four times as long after each try, jittered by ± 20 %.
fn retry_millis(first: i64, attempts: u8, jitter: u8) -> i64 {
    let wait = first.saturating_mul(4_i64.saturating_pow(u32::from(attempts.saturating_sub(1))));
    wait.saturating_mul(800 + 400 * i64::from(jitter) / 255) / 1000
}

impl Unreported {
    fn take(&self) -> BTreeMap<(SrvId, String), Utc> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, key: (SrvId, String), first: Utc) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(key, first);
    }
}

#[cfg(test)]
mod tests {
    use super::retry_millis;

    #[test]
    fn each_retry_waits_four_times_as_long_as_the_one_before() {
        assert_eq!(retry_millis(10_000, 1, 0), 8_000);
        assert_eq!(retry_millis(10_000, 2, 255), 48_000);
        assert!((128_000..=192_000).contains(&retry_millis(10_000, 3, 128)));
    }
}
