//! What waits to be judged. Bounded in number and size, judged one after the other; the sender does not wait, so it learns nothing from the time either.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use omadm_dm2::package0::{Ignored, ReceivedPackage0};
use tokio::sync::mpsc;

use super::MAX_OCTETS;
use crate::engine::{Engine, IgnoredNotification};

/// Notifications that wait.
const WAITING: usize = 64;
/// Notifications judged in a second, and at once after a pause; further ones are dropped.
const PER_SECOND: u32 = 50;

#[derive(Clone)]
pub(super) struct Inbox {
    engine: Arc<Engine>,
    queue: mpsc::Sender<(Vec<u8>, &'static str)>,
    pace: Arc<Mutex<Pace>>,
}

/// Places left, and when they were counted.
struct Pace {
    places: f64,
    at: Instant,
}

impl Inbox {
    /// An inbox, and the work of judging what comes into it.
    pub(super) fn new(engine: Arc<Engine>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, mut waiting) = mpsc::channel::<(Vec<u8>, &'static str)>(WAITING);
        let judge = Arc::clone(&engine);
        let work = async move {
            while let Some((octets, carrier)) = waiting.recv().await {
                if let Err(error) = judge.notified(octets, carrier).await {
                    tracing::warn!(%error, carrier, "a Notification was lost: the tree store failed");
                }
            }
        };
        let pace = Pace {
            places: f64::from(PER_SECOND),
            at: Instant::now(),
        };
        let inbox = Self {
            engine,
            queue,
            pace: Arc::new(Mutex::new(pace)),
        };
        (inbox, work)
    }

    /// Takes what came; false where there is no room for it now. What is no Package#0 at all is dropped here and takes no room.
    pub(super) fn put(&self, octets: &[u8], carrier: &'static str) -> bool {
        if octets.len() > MAX_OCTETS {
            self.too_long(carrier);
            return true;
        }
        if let Err(error) = ReceivedPackage0::decode(octets) {
            self.engine.ignored(Ignored::from(error).into(), carrier);
            return true;
        }
        let room = self
            .pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now())
            && self.queue.try_send((octets.to_vec(), carrier)).is_ok();
        if !room {
            self.engine.ignored(IgnoredNotification::Crowded, carrier);
        }
        room
    }

    pub(super) fn too_long(&self, carrier: &'static str) {
        self.engine
            .ignored(IgnoredNotification::TooLong(MAX_OCTETS), carrier);
    }
}

impl Pace {
    fn take(&mut self, now: Instant) -> bool {
        let most = f64::from(PER_SECOND);
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * most;
        (self.places, self.at) = ((self.places + gained).min(most), now);
        let free = self.places >= 1.0;
        if free {
            self.places -= 1.0;
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PER_SECOND, Pace};

    #[test]
    fn fifty_at_once_then_fifty_in_a_second() {
        let start = Instant::now();
        let mut pace = Pace {
            places: f64::from(PER_SECOND),
            at: start,
        };
        let mut taken = |at| (0..1000).filter(|_| pace.take(at)).count();
        assert_eq!(taken(start), 50);
        assert_eq!(taken(start + Duration::from_millis(500)), 25);
        assert_eq!(taken(start + Duration::from_secs(60)), 50);
    }
}
