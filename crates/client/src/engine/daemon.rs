use std::time::Duration;

use omadm_bootstrap::{DeviceView as _, Utc};
use omadm_dm2::package0::{BootstrapSourceId, ServerId};
use omadm_mo::{SrvId, TreeError};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Engine, NoBootstrap};
use crate::store::OwedNotification;

/// Longest sleep at a stretch: a clock that jumps is noticed within it.
const NAP: Duration = Duration::from_secs(30);

impl Engine {
    /// Until `stop` says so: what is owed is reported, a device without usable account asks for a bootstrap (D55, D60).
    pub(super) async fn attend(&self, mut stop: watch::Receiver<bool>) -> Result<(), TreeError> {
        let (mut first, mut starts) = (true, true);
        while !*stop.borrow() {
            self.decide_waiting_push().await?;
            let push_at = self.decide_wap_pushes().await?;
            let now = self.now();
            let accounts = self
                .host
                .run(|host| host.store.snapshot()?.accounts())
                .await?;
            let notified = self.notified_now(first, now).await?;
            let due: Vec<SrvId> = accounts
                .iter()
                .filter(|account| {
                    let reported = account
                        .owed
                        .as_ref()
                        .is_some_and(|owed| first || is_due(owed.not_before, now));
                    reported || notified.accounts.contains(&account.srv_id)
                })
                .map(|account| account.srv_id.clone())
                .collect();
            first = false;
            for server in due {
                if *stop.borrow() {
                    return Ok(());
                }
                self.session_beside_reports(&server).await?;
                // The next server may take as long as a session can: what is owed to the others does not wait for it.
                self.work_behind(false).await?;
            }
            let known = |srv_id: &SrvId| accounts.iter().any(|it| it.srv_id == *srv_id);
            for gone in notified.accounts.iter().filter(|srv_id| !known(srv_id)) {
                self.forget_notification(gone).await?;
            }
            let mut bootstrapped = false;
            for (source, owed) in notified.sources {
                if *stop.borrow() {
                    return Ok(());
                }
                self.notified_bootstrap(&source, owed).await?;
                bootstrapped = true;
            }
            if bootstrapped {
                continue;
            }
            let at_start = std::mem::take(&mut starts);
            let mut ask_at = push_at;
            if self.seeks_bootstrap().await? {
                match self.bootstrap_when_due(at_start).await {
                    Ok(_) => continue,
                    Err(NoBootstrap::Later { at }) => ask_at = ask_at.into_iter().chain([at]).min(),
                    Err(_) => {
                        let attempts = self.fetch_attempts().await?.into_iter();
                        let now = self.now();
                        let attempts = attempts.map(|one| one.next).filter(|at| *at > now);
                        ask_at = attempts.chain(ask_at).min();
                    }
                }
            }
            let next = self.work_behind(false).await?;
            self.https.close().await;
            tokio::select! {
                () = sleep(self.nap(ask_at, next).await?) => {}
                () = self.desk.bell.notified() => {}
                () = self.host.changed() => {}
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }

    /// Notifications whose time has come.
    async fn notified_now(&self, first: bool, now: Utc) -> Result<NotifiedNow, TreeError> {
        let owed = self
            .host
            .run(|host| host.store.owed_notifications())
            .await?;
        let mut due = NotifiedNow::default();
        for (server, owed) in owed {
            if !first && !is_due(owed.not_before, now) {
                continue;
            }
            match server {
                ServerId::Account(srv_id) => due.accounts.push(srv_id),
                ServerId::Bootstrap(source) => due.sources.push((source, owed)),
            }
        }
        Ok(due)
    }

    /// What is done for servers outside their own sessions: results of executions, reports of changes. Answers when there is more to do.
    pub(crate) async fn work_behind(&self, at_once: bool) -> Result<Option<Utc>, TreeError> {
        let results = self.report_executions(at_once).await?;
        let reports = self.report_changes(at_once).await?;
        Ok(results.into_iter().chain(reports).min())
    }

    /// How long nothing is due.
    async fn nap(&self, ask_at: Option<Utc>, behind: Option<Utc>) -> Result<Duration, TreeError> {
        let accounts = self
            .host
            .run(|host| host.store.snapshot()?.accounts())
            .await?;
        let owed = accounts.iter().filter_map(|account| account.owed.as_ref());
        let next = owed.map(|owed| owed.not_before.unwrap_or_else(|| self.now()));
        let next = next.chain(ask_at);
        let notified = self
            .host
            .run(|host| host.store.owed_notifications())
            .await?;
        let notified = notified.into_iter();
        let next = next
            .chain(notified.map(|(_, owed)| owed.not_before.unwrap_or_else(|| self.now())))
            .chain(behind)
            .min();
        let wait = next.map_or(NAP, |at| {
            Duration::from_millis(at.millis_since(self.now()).try_into().unwrap_or(0))
        });
        Ok(wait.clamp(Duration::from_millis(10), NAP))
    }
}

/// What is due to Notifications.
#[derive(Default)]
struct NotifiedNow {
    accounts: Vec<SrvId>,
    sources: Vec<(BootstrapSourceId, OwedNotification)>,
}

/// A time that lies further ahead than any schedule sets it was made under a clock that has jumped back since: it is due.
fn is_due(not_before: Option<Utc>, now: Utc) -> bool {
    const FURTHEST_MS: i64 = 2 * 86_400_000;
    not_before.is_none_or(|at| at <= now || at.millis_since(now) > FURTHEST_MS)
}

pub(super) fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;

    use super::is_due;

    #[test]
    fn a_clock_that_jumped_back_by_years_does_not_silence_a_completion() {
        let now = Utc(1_000_000_000_000);
        assert!(is_due(None, now));
        assert!(is_due(Some(now), now));
        assert!(!is_due(Some(now.plus_secs(60)), now));
        assert!(is_due(Some(now.plus_secs(400 * 86_400)), now));
    }
}
