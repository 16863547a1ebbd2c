use std::time::Duration;

use omadm_bootstrap::{DeviceView as _, Utc};
use omadm_dm2::package0::{BootstrapSourceId, ServerId};
use omadm_mo::{SrvId, TreeError};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Engine, NoBootstrap, entropy};
use crate::store::OwedNotification;

/// D55: 1, 5 and 30 minutes after a failed fetch, then daily; jittered by ± 20 %.
fn fetch_wait(failures: u32, jitter: u8) -> Duration {
    let secs: u64 = match failures {
        0 | 1 => 60,
        2 => 300,
        3 => 1800,
        _ => 86_400,
    };
    Duration::from_millis(secs * (800 + 400 * u64::from(jitter) / 255))
}

/// Longest sleep at a stretch: a clock that jumps is noticed within it.
const NAP: Duration = Duration::from_secs(30);

impl Engine {
    /// Until `stop` says so: what is owed is reported, a device without account asks for a bootstrap (D55, D60).
    pub(super) async fn attend(&self, mut stop: watch::Receiver<bool>) -> Result<(), TreeError> {
        let mut failures = 0;
        let mut ask_at: Option<Utc> = None;
        let mut first = true;
        while !*stop.borrow() {
            self.decide_waiting_push().await?;
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
                self.session(&server).await?;
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
            if accounts.is_empty() && is_due(ask_at, now) {
                let [jitter] = entropy().unwrap_or([128]);
                match self.bootstrap().await {
                    Ok(_) => {
                        failures = 0;
                        ask_at = None;
                        continue;
                    }
                    Err(NoBootstrap::Nothing {
                        retry_after: Some(secs),
                    }) => ask_at = Some(now.plus_secs(i64::from(secs))),
                    Err(NoBootstrap::Nothing { retry_after: None }) => {
                        ask_at = Some(now.plus_millis(millis(fetch_wait(4, jitter))));
                    }
                    Err(NoBootstrap::NoSource) => ask_at = Some(now.plus_secs(86_400)),
                    Err(NoBootstrap::Refused(_)) => {
                        failures += 1;
                        ask_at = Some(now.plus_millis(millis(fetch_wait(failures, jitter))));
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
        let next = next.chain(ask_at.filter(|_| accounts.is_empty()));
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
    use std::time::Duration;

    use omadm_bootstrap::Utc;

    use super::{fetch_wait, is_due};

    #[test]
    fn the_back_off_of_a_failed_fetch_is_that_of_d55() {
        assert_eq!(fetch_wait(1, 0), Duration::from_secs(48));
        assert_eq!(fetch_wait(2, 255), Duration::from_secs(360));
        assert!(fetch_wait(9, 128) > fetch_wait(3, 128));
    }

    #[test]
    fn a_clock_that_jumped_back_by_years_does_not_silence_a_completion() {
        let now = Utc(1_000_000_000_000);
        assert!(is_due(None, now));
        assert!(is_due(Some(now), now));
        assert!(!is_due(Some(now.plus_secs(60)), now));
        assert!(is_due(Some(now.plus_secs(400 * 86_400)), now));
    }
}
