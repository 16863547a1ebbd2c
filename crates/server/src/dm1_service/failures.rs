//! Creds that failed lately, by account and source (M20). Kept by the node: to store them would let anybody make an account's row change, and with it the exchanges
//! of the device itself conflict.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use omadm_bootstrap::Utc;
use omadm_session::server::dm1::Failures;

/// Accounts that a node remembers; the one that failed longest ago is forgotten first.
const REMEMBERED: usize = 4096;

/// The failures that a node saw.
#[derive(Default)]
pub(crate) struct FailedCreds(Mutex<ByAccount>);

/// When and from where, the latest last.
type ByAccount = BTreeMap<String, VecDeque<(Utc, Option<IpAddr>)>>;

impl FailedCreds {
    /// How many there were in the window that ends now.
    pub(crate) fn of(&self, account: &str, source: Option<IpAddr>, now: Utc) -> Failures {
        let all = self.all();
        let failed = all.get(account).into_iter().flatten();
        let mut failures = Failures::default();
        for (_, from) in failed.filter(|(at, _)| is_recent(*at, now)) {
            failures.from_all = failures.from_all.saturating_add(1);
            failures.from_source += u32::from(*from == source);
        }
        failures
    }

    pub(crate) fn count(&self, account: &str, source: Option<IpAddr>, now: Utc) {
        let mut all = self.all();
        if all.len() >= REMEMBERED && !all.contains_key(account) {
            all.retain(|_, failed| failed.back().is_some_and(|(at, _)| is_recent(*at, now)));
        }
        if all.len() >= REMEMBERED && !all.contains_key(account) {
            let oldest = all
                .iter()
                .min_by_key(|(_, failed)| failed.back().map(|(at, _)| *at));
            let oldest = oldest.map(|(account, _)| account.clone());
            all.retain(|account, _| Some(account) != oldest.as_ref());
        }
        let failed = all.entry(account.to_owned()).or_default();
        failed.push_back((now, source));
        let most = usize::try_from(Failures::MOST_FROM_ALL).unwrap_or(usize::MAX);
        while failed.len() > most {
            failed.pop_front();
        }
    }

    /// A success of this source: what it failed before does not count any more.
    pub(crate) fn clear(&self, account: &str, source: Option<IpAddr>) {
        let mut all = self.all();
        if let Some(failed) = all.get_mut(account) {
            failed.retain(|(_, from)| *from != source);
            if failed.is_empty() {
                all.remove(account);
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, ByAccount> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(at: Utc, now: Utc) -> bool {
    (0..Failures::WINDOW_MILLIS).contains(&now.millis_since(at))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use omadm_bootstrap::Utc;
    use omadm_session::server::dm1::Failures;

    use super::FailedCreds;

    #[test]
    fn failures_count_by_account_and_source_for_a_window_and_a_success_clears_its_source() {
        let failed = FailedCreds::default();
        let [one, other] = [1, 2].map(|last| Some(IpAddr::from([192, 0, 2, last])));
        for at in 0..3 {
            failed.count("a", one, Utc(at));
        }
        failed.count("a", other, Utc(3));
        let seen = |from_source, from_all| Failures {
            from_source,
            from_all,
        };
        assert_eq!(failed.of("a", one, Utc(4)), seen(3, 4));
        assert_eq!(failed.of("b", one, Utc(4)), seen(0, 0));
        let later = Utc(Failures::WINDOW_MILLIS + 2);
        assert_eq!(failed.of("a", one, later), seen(0, 1));
        failed.clear("a", one);
        assert_eq!(failed.of("a", other, Utc(4)), seen(1, 1));
    }

    #[test]
    fn who_fails_under_many_names_does_not_fill_the_memory() {
        let failed = FailedCreds::default();
        for number in 0..5000 {
            failed.count(&number.to_string(), None, Utc(number));
        }
        assert_eq!(failed.all().len(), super::REMEMBERED);
        assert_eq!(failed.of("4999", None, Utc(5000)).from_all, 1);
    }
}
