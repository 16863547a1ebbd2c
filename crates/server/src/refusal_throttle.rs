use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use omadm_bootstrap::Utc;
use omadm_mo::DevId;

/// Refusals recorded at once: of peers that no record names together, and of each device.
const BURST: u32 = 64;
/// Milliseconds after which one more of a peer that no record names may be recorded.
const STRANGER_REFILL_MS: i64 = 1_000;
/// The same of a device.
const DEVICE_REFILL_MS: i64 = 60_000;
/// Devices that a node remembers.
const REMEMBERED: usize = 16_384;

/// Keeps strangers from filling the event log: of refusals that no record names, a burst is recorded and then one a second. The log on standard
/// error has them all.
#[derive(Default)]
pub(crate) struct RefusalThrottle(Mutex<State>);

/// Keeps a device that is known from filling it: of the refusals under its name a burst is recorded and then one a minute.
#[derive(Default)]
pub(crate) struct DeviceThrottle(Mutex<HashMap<DevId, State>>);

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
        state.admit(now, STRANGER_REFILL_MS)
    }
}

impl DeviceThrottle {
    /// The same of a device.
    pub(crate) fn admit(&self, dev_id: &DevId, now: Utc) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(dev_id) && all.len() >= REMEMBERED {
            all.retain(|_, state| {
                state.refill(now, DEVICE_REFILL_MS);
                state.used > 0
            });
            // Still full: so many devices at once are no reason to keep further ones out of the log.
            if all.len() >= REMEMBERED {
                all.clear();
            }
        }
        let state = all.entry(dev_id.clone()).or_default();
        state.admit(now, DEVICE_REFILL_MS)
    }
}

impl State {
    fn refill(&mut self, now: Utc, refill_ms: i64) {
        let since = *self.since.get_or_insert(now);
        // A clock that jumped back starts the count anew.
        let elapsed = now.millis_since(since);
        if elapsed < 0 {
            self.since = Some(now);
        }
        let refilled = u32::try_from(elapsed / refill_ms)
            .unwrap_or(0)
            .min(self.used);
        if refilled > 0 {
            self.used -= refilled;
            self.since = Some(now);
        }
    }

    fn admit(&mut self, now: Utc, refill_ms: i64) -> Option<u64> {
        self.refill(now, refill_ms);
        if self.used < BURST {
            self.used += 1;
            return Some(std::mem::take(&mut self.dropped));
        }
        self.dropped += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;

    use omadm_mo::DevId;

    use super::{BURST, DeviceThrottle, REMEMBERED, RefusalThrottle};

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

    #[test]
    fn a_storm_of_one_device_leaves_a_burst_and_then_one_event_a_minute_and_no_other_device_loses_any()
     {
        let throttle = DeviceThrottle::default();
        let dev_id = |nr: usize| DevId::parse(&format!("IMEI:{nr:015}")).unwrap();
        let storm = |nr, at| {
            let all = (0..1_000).filter_map(|_| throttle.admit(&dev_id(nr), Utc(at)));
            all.collect::<Vec<_>>()
        };
        assert_eq!(storm(1, 0).len(), BURST as usize);
        assert_eq!(storm(2, 0).len(), BURST as usize);
        assert_eq!(storm(1, 120_000), [1_000 - u64::from(BURST), 0]);
        for nr in 0..REMEMBERED + 10 {
            assert!(throttle.admit(&dev_id(nr + 3), Utc(120_000)).is_some());
        }
        assert!(throttle.0.lock().unwrap().len() <= REMEMBERED);
    }
}
