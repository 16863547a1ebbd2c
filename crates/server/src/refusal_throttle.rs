use std::sync::{Mutex, PoisonError};

use omadm_bootstrap::Utc;

/// Refusals of peers that no record names, recorded at once.
const BURST: u32 = 64;
/// Milliseconds after which one more may be recorded.
const REFILL_MS: i64 = 1_000;

/// Keeps strangers from filling the event log: of refusals that no record names, a burst is recorded and then one a second. The log on standard
/// error has them all.
#[derive(Default)]
pub(crate) struct RefusalThrottle(Mutex<State>);

#[derive(Default)]
struct State {
    used: u32,
    since: Option<Utc>,
    dropped: u64,
}

impl RefusalThrottle {
    /// Whether this one is recorded; how many before it were not. None where it is not recorded either.
    pub(crate) fn admit(&self, now: Utc) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *state.since.get_or_insert(now);
        // A clock that jumped back starts the count anew.
        let elapsed = now.millis_since(since);
        if elapsed < 0 {
            state.since = Some(now);
        }
        let refilled = u32::try_from(elapsed / REFILL_MS)
            .unwrap_or(0)
            .min(state.used);
        if refilled > 0 {
            state.used -= refilled;
            state.since = Some(now);
        }
        if state.used < BURST {
            state.used += 1;
            return Some(std::mem::take(&mut state.dropped));
        }
        state.dropped += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;

    use super::{BURST, RefusalThrottle};

    #[test]
    fn a_storm_of_strangers_leaves_a_burst_and_then_one_event_a_second() {
        let throttle = RefusalThrottle::default();
        let storm = |at| {
            (0..1_000)
                .filter_map(|_| throttle.admit(Utc(at)))
                .collect::<Vec<_>>()
        };
        assert_eq!(storm(0).len(), BURST as usize);
        assert_eq!(storm(3_000), [1_000 - u64::from(BURST), 0, 0]);
        assert_eq!(storm(3_500), [0_u64; 0]);
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_silence_the_log() {
        let throttle = RefusalThrottle::default();
        while throttle.admit(Utc(1_000_000)).is_some() {}
        assert_eq!(throttle.admit(Utc(0)), None);
        assert!(throttle.admit(Utc(5_000)).is_some());
    }
}
