//! What came of asking the bootstrap servers, and when each is asked again (`dm20.md` §14.5, D55): kept over restarts, so that a device which keeps
//! starting anew does not ask more often than one that runs.

use omadm_bootstrap::{FetchSchedule, Utc};
use omadm_mo::{ServerUri, TreeError};
use serde::{Deserialize, Serialize};

use super::{Engine, LastRefusal, NoBootstrap, entropy};
use crate::observer::ClientEvent;
use crate::store::TreeStore;

/// What came of asking one bootstrap server; forgotten once a bootstrap was applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FetchAttempt {
    /// The bootstrap URL.
    pub url: String,
    /// When it was asked last.
    pub at: Utc,
    /// How often in a row that failed.
    pub failures: u32,
    /// The device does not ask it earlier by itself.
    pub next: Utc,
    /// What came of it.
    pub answer: FetchAnswer,
}

/// What came of asking a bootstrap server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FetchAnswer {
    /// Not known: it is being asked, or the device was cut off meanwhile. Counts as a failure.
    Awaited,
    /// It has nothing for this device; asked daily, and at the next start.
    Nothing,
    /// It wants to be asked at that time.
    Later,
    /// It holds the device until an operator decides, and wants to be asked at that time.
    Held {
        /// What it says, for people.
        detail: String,
    },
    /// It could not be had, or was refused.
    Refused(LastRefusal),
}

/// Those of all servers.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct FetchAttempts(Vec<FetchAttempt>);

/// Servers that are remembered: far more than a device has, since addresses that are no sources any more stay.
const MOST: usize = 64;
/// How soon after a 204 a start asks again, in milliseconds.
const START_MILLIS: i64 = 60_000;

impl FetchAttempts {
    const FACT: &'static str = "bootstrap-fetches";

    /// What is kept. Times ahead of the clock that set them mean that it has jumped back since: their waits then begin now.
    pub(super) fn load(store: &TreeStore, now: Utc) -> Result<Self, TreeError> {
        let kept = store.fact(Self::FACT)?;
        let kept = kept.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let mut attempts = kept.unwrap_or_default();
        let mut ahead = attempts.0.iter_mut().filter(|one| one.at > now).peekable();
        if ahead.peek().is_some() {
            for one in ahead {
                one.next = now.plus_millis(one.next.millis_since(one.at));
                one.at = now;
            }
            attempts.keep(store)?;
        }
        Ok(attempts)
    }

    fn keep(&self, store: &TreeStore) -> Result<(), TreeError> {
        let text = serde_json::to_vec(self)
            .map_err(|error| TreeError::Storage(error.to_string().into()))?;
        store.set_fact(Self::FACT, Some(&text))
    }

    /// A bootstrap was applied.
    pub(super) fn forget(store: &TreeStore) -> Result<(), TreeError> {
        store.set_fact(Self::FACT, None)
    }

    fn of(&self, url: &str) -> Option<&FetchAttempt> {
        self.0.iter().find(|one| one.url == url)
    }

    /// Whether a server may be asked now.
    fn is_due(&self, url: &str, now: Utc, at_start: bool) -> bool {
        self.of(url).is_none_or(|one| {
            let starts = at_start && one.answer == FetchAnswer::Nothing;
            one.next <= now || (starts && now.millis_since(one.at) >= START_MILLIS)
        })
    }

    fn put(&mut self, attempt: FetchAttempt) {
        match self.0.iter_mut().find(|one| one.url == attempt.url) {
            Some(one) => *one = attempt,
            None => self.0.push(attempt),
        }
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// A server is about to be asked. What is never heard of again counts as a failure, so that a device which a document brings down does not go round.
    fn begin(&mut self, url: &str, now: Utc, jitter: u8) {
        let before = self.of(url).map_or(0, |one| one.failures);
        let failures = before.saturating_add(1);
        self.put(FetchAttempt {
            url: url.to_owned(),
            at: now,
            failures,
            next: now.plus_millis(FetchSchedule::wait_millis(failures, jitter)),
            answer: FetchAnswer::Awaited,
        });
    }

    fn end(
        &mut self,
        url: &str,
        now: Utc,
        answer: FetchAnswer,
        wish: Option<u32>,
        jitter: u8,
    ) -> FetchAttempt {
        let failures = match (&answer, self.of(url)) {
            (FetchAnswer::Nothing | FetchAnswer::Later | FetchAnswer::Held { .. }, _) => 0,
            (_, Some(begun)) if begun.answer == FetchAnswer::Awaited => begun.failures,
            (_, before) => before.map_or(0, |one| one.failures).saturating_add(1),
        };
        let wait = wish.map_or_else(
            || FetchSchedule::wait_millis(failures, jitter),
            FetchSchedule::wished_millis,
        );
        let wait = match answer {
            FetchAnswer::Nothing => FetchSchedule::wait_millis(FetchSchedule::DAILY, jitter),
            _ => wait,
        };
        let attempt = FetchAttempt {
            url: url.to_owned(),
            at: now,
            failures,
            next: now.plus_millis(wait),
            answer,
        };
        self.put(attempt.clone());
        attempt
    }
}

impl Engine {
    /// What is known of each bootstrap server, in the order in which they were first asked.
    pub(crate) async fn fetch_attempts(&self) -> Result<Vec<FetchAttempt>, TreeError> {
        let now = self.now();
        let kept = self
            .host
            .run(move |host| FetchAttempts::load(&host.store, now));
        Ok(kept.await?.0)
    }

    /// Which of these may be asked now; where none may, when the first one may.
    pub(super) async fn due_of(
        &self,
        urls: &[ServerUri],
        at_start: bool,
    ) -> Result<Result<Vec<bool>, Utc>, TreeError> {
        let now = self.now();
        let kept = self
            .host
            .run(move |host| FetchAttempts::load(&host.store, now));
        let kept = kept.await?;
        let due: Vec<_> = urls
            .iter()
            .map(|url| kept.is_due(url.as_str(), now, at_start))
            .collect();
        if due.contains(&true) {
            return Ok(Ok(due));
        }
        let waits = urls.iter().filter_map(|url| kept.of(url.as_str()));
        Ok(Err(waits.map(|one| one.next).min().unwrap_or(now)))
    }

    /// Notes, durably, that a server is about to be asked.
    pub(super) async fn begin_fetch(&self, url: &ServerUri) -> Result<(), TreeError> {
        let [jitter] = entropy().unwrap_or([128]);
        let (url, now) = (url.to_string(), self.now());
        let begun = self.host.run(move |host| {
            let mut kept = FetchAttempts::load(&host.store, now)?;
            kept.begin(&url, now, jitter);
            kept.keep(&host.store)
        });
        begun.await
    }

    /// Notes that a server gave no bootstrap, and tells when it is asked again.
    pub(super) async fn end_fetch(
        &self,
        url: &ServerUri,
        problem: &NoBootstrap,
        wish: Option<u32>,
    ) -> Result<(), TreeError> {
        let now = self.now();
        let (answer, wish) = match problem {
            NoBootstrap::Refused(refusal) => {
                let method = omadm_bootstrap::BootstrapMethod::ClientInitiated;
                let refused = LastRefusal::of(refusal, method, now);
                (FetchAnswer::Refused(refused), wish)
            }
            NoBootstrap::Nothing {
                retry_after: Some(wish),
            } => (FetchAnswer::Later, Some(*wish)),
            NoBootstrap::Held {
                retry_after,
                detail,
            } => {
                let detail = detail.clone();
                (FetchAnswer::Held { detail }, Some(*retry_after))
            }
            NoBootstrap::Nothing { retry_after: None }
            | NoBootstrap::NoSource
            | NoBootstrap::Later { .. } => (FetchAnswer::Nothing, None),
        };
        let [jitter] = entropy().unwrap_or([128]);
        let named = url.to_string();
        let ended = self.host.run(move |host| {
            let mut kept = FetchAttempts::load(&host.store, now)?;
            let attempt = kept.end(&named, now, answer, wish, jitter);
            kept.keep(&host.store)?;
            Ok(attempt)
        });
        self.tell(&ClientEvent::FetchAgainIn {
            url: url.to_string(),
            millis: ended.await?.next.millis_since(now),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::{BootstrapFailureCause, BootstrapMethod, Utc};

    use super::{FetchAnswer, FetchAttempts};
    use crate::engine::LastRefusal;

    const URL: &str = "https://boot.example.com/bootstrap";
    const NOW: Utc = Utc(1_700_000_000_000);

    fn refused() -> FetchAnswer {
        let refusal = BootstrapFailureCause::ServerUnreachable.refusal();
        FetchAnswer::Refused(LastRefusal::of(
            &refusal,
            BootstrapMethod::ClientInitiated,
            NOW,
        ))
    }

    #[test]
    fn a_question_and_its_failure_count_once() {
        let mut attempts = FetchAttempts::default();
        assert!(attempts.is_due(URL, NOW, false));
        for (n, secs) in [(1, 60), (2, 300), (3, 1800), (4, 86_400), (5, 86_400)] {
            attempts.begin(URL, NOW, 128);
            let ended = attempts.end(URL, NOW, refused(), None, 128);
            assert_eq!(ended.failures, n);
            assert_eq!((ended.next.millis_since(NOW) + 500) / 1000 / 10, secs / 10);
            assert!(!attempts.is_due(URL, NOW, true), "not even at a start");
            assert!(attempts.is_due(URL, ended.next, false));
        }
        assert_eq!(
            attempts
                .end(URL, NOW, refused(), Some(7), 0)
                .next
                .millis_since(NOW),
            7000
        );
    }

    #[test]
    fn a_question_that_was_cut_off_counts_as_a_failure() {
        let mut attempts = FetchAttempts::default();
        attempts.begin(URL, NOW, 128);
        attempts.begin(URL, NOW, 128);
        assert!(!attempts.is_due(URL, NOW.plus_secs(299), true));
        assert!(attempts.is_due(URL, NOW.plus_secs(301), true));
    }

    #[test]
    fn where_there_was_nothing_a_start_asks_a_minute_later_and_a_running_device_daily() {
        let mut attempts = FetchAttempts::default();
        attempts.end(URL, NOW, FetchAnswer::Nothing, None, 128);
        assert!(!attempts.is_due(URL, NOW.plus_secs(59), true));
        assert!(attempts.is_due(URL, NOW.plus_secs(60), true));
        assert!(!attempts.is_due(URL, NOW.plus_secs(80_000), false));
        attempts.end(URL, NOW, FetchAnswer::Later, Some(3600), 128);
        assert!(
            !attempts.is_due(URL, NOW.plus_secs(3599), true),
            "it said when"
        );
    }
}
