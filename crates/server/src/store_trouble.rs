//! What peers and operators are told while the store does not answer (D70), and what a node remembers and logs of it. No event can be stored then, and
//! no sentence here holds an address or name of the store: the log alone has them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::capacity::away;
use crate::problem::Problem;
use crate::store::StoreError;

/// Time between two lines of the log about requests that the store did not serve.
const LINES: Duration = Duration::from_secs(1);
/// How long a refused write is taken to say that the store takes none. A node that is not ready gets no request that would show the contrary.
const REMEMBERED: Duration = Duration::from_secs(15);

/// A request that the store did not serve: travels with the answer to the one who logs it.
#[derive(Clone, Debug)]
pub(crate) struct StoreTrouble {
    error: StoreError,
    asked: Asked,
}

/// What the store was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Nothing that would change it.
    Read,
    /// A delta.
    Commit,
}

/// The refusal of a request that the store did not serve: 503 with a jittered `Retry-After` where the trouble can pass without another request, by
/// itself or by an operator; 500 else.
pub(crate) fn refusal(error: StoreError, asked: Asked) -> Problem {
    let what = sentence(&error);
    let detail = match asked {
        Asked::Read => what.to_owned(),
        Asked::Commit if is_undone(&error) => format!("{what}; nothing was changed"),
        Asked::Commit => format!("{what}; whether this request was carried out is not known"),
    };
    let mut problem = if can_pass(&error) {
        let advice = if asked == Asked::Read || is_undone(&error) {
            "Ask again after the seconds of Retry-After; nothing that was acknowledged is lost."
        } else {
            "Ask again after the seconds of Retry-After, and look first whether it took place where twice would be once too often; nothing that was acknowledged is lost."
        };
        unavailable(detail).advising(advice)
    } else {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
            .advising("Tell the server's operator; its log tells more.")
    };
    problem.trouble = Some(Box::new(StoreTrouble { error, asked }));
    problem
}

/// The 503 of a node that is not ready.
pub(crate) fn unready(error: &StoreError) -> Problem {
    unavailable(sentence(error).to_owned())
        .advising("Ask again after the seconds of Retry-After; the server's log tells more.")
}

fn unavailable(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_header(RETRY_AFTER, away())
}

/// What one node knows of its store's health.
#[derive(Default)]
pub(crate) struct StoreHealth(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When the log last had a line.
    said: Option<Instant>,
    /// Requests since that it has none of.
    unsaid: u64,
    /// Since when the node is not ready.
    unready: Option<Instant>,
    /// The last write that was refused for good, when, and how many deltas were committed before it.
    refused: Option<(StoreError, Instant, u64)>,
}

impl StoreHealth {
    /// Takes note of a request that was not served, of which there may be thousands a second: the log has the first and then one line a second.
    pub(crate) fn saw(&self, trouble: &StoreTrouble, now: Instant, deltas: u64) {
        let StoreTrouble { error, asked } = trouble;
        let mut known = self.known();
        if *asked == Asked::Commit && takes_no_writes(error) {
            known.refused = Some((error.clone(), now, deltas));
        }
        if let Some(unlogged) = known.say(now) {
            tracing::error!(%error, unlogged, "the store did not serve a request; `unlogged` counts those before it without a line");
        }
    }

    /// Why the store is known to take no writes: for a while after it refused one, unless it committed another since.
    pub(crate) fn takes_no_writes(&self, now: Instant, deltas: u64) -> Option<StoreError> {
        let known = self.known();
        let (error, at, before) = known.refused.as_ref()?;
        let holds = now.saturating_duration_since(*at) < REMEMBERED && deltas == *before;
        holds.then(|| error.clone())
    }

    /// Takes note of what a readiness probe found; the log has a line where that changed.
    pub(crate) fn probed(&self, found: Option<&StoreError>, now: Instant) {
        let mut known = self.known();
        match (found, known.unready) {
            (Some(error), None) => {
                known.unready = Some(now);
                tracing::error!(%error, "not ready");
            }
            (None, Some(since)) => {
                known.unready = None;
                let seconds = now.saturating_duration_since(since).as_secs();
                tracing::info!(seconds, "ready again");
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether the log gets a line now; how many before got none.
    fn say(&mut self, now: Instant) -> Option<u64> {
        let since = self.said.map(|at| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < LINES) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

const fn sentence(error: &StoreError) -> &'static str {
    match error {
        StoreError::NoRoom(_) => "the store has no room left",
        StoreError::Locked(_) => "another process holds the store",
        StoreError::Corrupt(..) => "the store is damaged, or none of this program",
        StoreError::Newer(..) => "the store was made by a newer version of this server",
        StoreError::Unavailable(..) => "the store does not answer now",
        StoreError::Address(..) => "the store's address cannot be used",
        StoreError::Login(..) => "the store does not let this server in",
        StoreError::NoDatabase(_) => "the store's database does not exist",
        StoreError::MissingRight(..) => "this server lacks a right on the store",
        StoreError::ReadOnly(..) => "the store takes no writes now",
        StoreError::Unmigrated(..) => "the store has the schema of an older version",
        StoreError::Foreign(..) => "the store belongs to another deployment",
        StoreError::Failed(_) => "the store failed",
        StoreError::Closed => "the server is shutting down",
    }
}

/// Whether the same request can succeed later, once the trouble has passed by itself or by an operator's act. `Failed` is none: nobody knows that
/// it is not the request.
const fn can_pass(error: &StoreError) -> bool {
    match error {
        StoreError::NoRoom(_)
        | StoreError::Locked(_)
        | StoreError::Unavailable(..)
        | StoreError::Login(..)
        | StoreError::NoDatabase(_)
        | StoreError::MissingRight(..)
        | StoreError::ReadOnly(..)
        | StoreError::Unmigrated(..)
        | StoreError::Closed => true,
        StoreError::Corrupt(..)
        | StoreError::Newer(..)
        | StoreError::Address(..)
        | StoreError::Foreign(..)
        | StoreError::Failed(_) => false,
    }
}

/// Whether a commit that ended so is known not to have taken place.
const fn is_undone(error: &StoreError) -> bool {
    match error {
        StoreError::NoRoom(_)
        | StoreError::Locked(_)
        | StoreError::Newer(..)
        | StoreError::Address(..)
        | StoreError::Login(..)
        | StoreError::NoDatabase(_)
        | StoreError::MissingRight(..)
        | StoreError::ReadOnly(..)
        | StoreError::Unmigrated(..)
        | StoreError::Foreign(..) => true,
        StoreError::Corrupt(..)
        | StoreError::Unavailable(..)
        | StoreError::Failed(_)
        | StoreError::Closed => false,
    }
}

/// Whether reads may go on although no write is taken.
const fn takes_no_writes(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NoRoom(_) | StoreError::ReadOnly(..) | StoreError::MissingRight(..)
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Asked, Known, StoreHealth, StoreTrouble, refusal};
    use crate::store::StoreError;

    const fn trouble(error: StoreError, asked: Asked) -> StoreTrouble {
        StoreTrouble { error, asked }
    }

    #[test]
    fn a_storm_of_unserved_requests_leaves_a_line_a_second() {
        let (mut known, begin) = (Known::default(), Instant::now());
        let mut second = |after: u64| {
            let now = begin + Duration::from_secs(after);
            (0..500).filter_map(|_| known.say(now)).collect::<Vec<_>>()
        };
        assert_eq!(second(0), [0]);
        assert_eq!(second(1), [499]);
        assert_eq!(second(60), [499]);
    }

    #[test]
    fn a_refused_write_is_remembered_until_another_is_taken_or_it_is_old() {
        let (health, now) = (StoreHealth::default(), Instant::now());
        let full = || StoreError::NoRoom("store".to_owned());
        health.saw(&trouble(full(), Asked::Read), now, 7);
        assert_eq!(health.takes_no_writes(now, 7), None);
        health.saw(&trouble(full(), Asked::Commit), now, 7);
        assert_eq!(health.takes_no_writes(now, 7), Some(full()));
        assert_eq!(health.takes_no_writes(now, 8), None);
        let later = now + Duration::from_secs(15);
        assert_eq!(health.takes_no_writes(later, 7), None);
    }

    #[test]
    fn a_commit_whose_outcome_nobody_knows_is_called_so() {
        let of = |error, asked| refusal(error, asked).detail;
        let away = || StoreError::Unavailable("postgres://db".to_owned(), "cut".to_owned());
        assert_eq!(of(away(), Asked::Read), "the store does not answer now");
        assert_eq!(
            of(away(), Asked::Commit),
            "the store does not answer now; whether this request was carried out is not known"
        );
        let read_only = StoreError::ReadOnly("postgres://db".to_owned(), "standby".to_owned());
        assert_eq!(
            of(read_only, Asked::Commit),
            "the store takes no writes now; nothing was changed"
        );
    }

    #[test]
    fn what_no_waiting_heals_is_500_without_retry_after() {
        for error in [
            StoreError::Corrupt("s".to_owned(), "torn".to_owned()),
            StoreError::Newer("s".to_owned(), 9),
            StoreError::Failed("broken".to_owned()),
        ] {
            let problem = refusal(error, Asked::Commit);
            assert_eq!(problem.status.as_u16(), 500);
            assert!(problem.headers.is_empty());
        }
    }
}
