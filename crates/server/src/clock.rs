//! The server's clock: read at the rim only, handed down as a value, so that tests can let it jump.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omadm_bootstrap::Utc;
use omadm_tls::UnixTime;

/// Tells the time. Any closure that gives a [`Utc`] is one.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Utc;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Utc {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Utc(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl<F: Fn() -> Utc + Send + Sync> Clock for F {
    fn now(&self) -> Utc {
        self()
    }
}

/// The same moment as the TLS layer counts it; a moment before 1970 reads as 1970.
pub(crate) fn unix_time(now: Utc) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)))
}

/// A moment of the TLS layer as the records count it.
pub(crate) fn utc(at: UnixTime) -> Utc {
    Utc(i64::try_from(at.as_secs()).map_or(i64::MAX, |secs| secs.saturating_mul(1000)))
}
