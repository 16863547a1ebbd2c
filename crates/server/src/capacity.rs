//! What the server takes on at once. Over it new sessions and fetches get 503 with a jittered `Retry-After` that grows with the backlog; sessions that
//! have begun go on (D70, DESIGN §5 Storms).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::entropy::random;
use crate::problem::Problem;

/// Shortest `Retry-After`, in seconds, before jitter.
const SHORTEST: u32 = 2;
/// Longest one, before jitter.
const LONGEST: u32 = 300;
/// `Retry-After` of those who come while the store is away, in seconds before jitter: 3 to 10 with it, since all of them come back.
const AWAY: u32 = 7;
/// Refusals after which the wait has doubled.
const STEP: u32 = 64;

/// Places for exchanges that begin something.
pub(crate) struct Capacity {
    places: Arc<Semaphore>,
    /// Refusals that no admission has answered yet: how long the queue outside is.
    refused: AtomicU32,
}

impl Capacity {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            refused: AtomicU32::new(0),
        }
    }

    /// A place until the permit is dropped; none where all are taken.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let _before = self
            .refused
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |refused| {
                refused.checked_sub(1)
            });
        Some(place)
    }

    /// The 503 of one who finds no place, here or in the store, whose backlog of deltas counts as well.
    pub(crate) fn refuse(&self, backlog: usize) -> Problem {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed);
        let waiting = refused.saturating_add(u32::try_from(backlog).unwrap_or(u32::MAX));
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is at its capacity",
        )
        .advising("Wait as long as Retry-After says; nothing was lost.")
        .with_header(RETRY_AFTER, HeaderValue::from(wait(waiting, jitter())))
    }
}

/// `Retry-After` of one who comes while the store is away.
pub(crate) fn away() -> HeaderValue {
    HeaderValue::from(spread(AWAY, jitter()))
}

fn jitter() -> u8 {
    let [octet] = random().unwrap_or([128]);
    octet
}

/// Seconds to wait: doubled for every [`STEP`] refusals, spread.
fn wait(waiting: u32, jitter: u8) -> u32 {
    let doublings = (waiting / STEP).min(16);
    let middle = SHORTEST.saturating_mul(1 << doublings).min(LONGEST);
    spread(middle, jitter)
}

/// Spreads seconds over ± 50 %.
fn spread(middle: u32, jitter: u8) -> u32 {
    (middle * (128 + u32::from(jitter)) / 256).max(1)
}

#[cfg(test)]
mod tests {
    use super::{AWAY, Capacity, spread, wait};

    #[test]
    fn the_wait_grows_with_the_backlog_and_is_spread() {
        assert_eq!((wait(0, 0), wait(0, 255)), (1, 2));
        assert_eq!(
            (wait(64, 128), wait(128, 128), wait(6400, 128)),
            (4, 8, 300)
        );
        assert_eq!((wait(6400, 0), wait(6400, 255)), (150, 448));
    }

    #[test]
    fn the_wait_for_a_store_that_is_away_is_spread_over_3_to_10_seconds() {
        assert_eq!((spread(AWAY, 0), spread(AWAY, 255)), (3, 10));
    }

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let capacity = Capacity::new(1);
        let first = capacity.enter();
        assert!(first.is_some() && capacity.enter().is_none());
        let refused = capacity.refuse(0);
        assert_eq!(refused.status.as_u16(), 503);
        assert!(
            refused
                .headers
                .iter()
                .any(|(name, _)| name == "retry-after")
        );
        drop(first);
        assert!(capacity.enter().is_some());
    }
}
