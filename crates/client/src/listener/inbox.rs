//! What waits to be judged. Bounded in number and size, judged one after the other; the sender does not wait, so it learns nothing from the time either.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use omadm_bootstrap::PushedBootstrap;
use omadm_dm1::trigger::ReceivedTrigger;
use omadm_dm2::package0::{Ignored, ReceivedPackage0};
use tokio::sync::mpsc;

use super::MAX_OCTETS;
use crate::engine::{Engine, IgnoredNotification, IgnoredTrigger};

/// Notifications that wait.
const WAITING: usize = 64;
/// Notifications judged in a second, and at once after a pause; further ones are dropped.
const PER_SECOND: u32 = 50;

/// What somebody wants of the device.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Call {
    /// Package#0 of DM 2.0.
    Notification(Vec<u8>),
    /// Package 0 of DM 1.x.
    Trigger(Vec<u8>),
    /// A bootstrap of DM 1.x, and whom it says it is from.
    Bootstrap(Box<PushedBootstrap>, String),
}

#[derive(Clone)]
pub(super) struct Inbox {
    engine: Arc<Engine>,
    queue: mpsc::Sender<(Call, &'static str)>,
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
        let (queue, mut waiting) = mpsc::channel::<(Call, &'static str)>(WAITING);
        let judge = Arc::clone(&engine);
        let work = async move {
            while let Some((call, carrier)) = waiting.recv().await {
                let judged = match call {
                    Call::Notification(octets) => judge.notified(octets, carrier).await.map(drop),
                    Call::Trigger(octets) => judge.triggered(octets, carrier).await.map(drop),
                    Call::Bootstrap(pushed, from) => judge.wap_pushed(*pushed, from).await,
                };
                if let Err(error) = judged {
                    tracing::warn!(%error, carrier, "a push was lost: the tree store failed");
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

    /// Takes what came; false where there is no room for it now. What is not what it is said to be is dropped here and takes no room.
    pub(super) fn put(&self, call: Call, carrier: &'static str) -> bool {
        if let Err(ignored) = call.look() {
            self.engine.ignored(ignored, carrier);
            return true;
        }
        let room = self
            .pace
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now())
            && self.queue.try_send((call, carrier)).is_ok();
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

impl Call {
    fn look(&self) -> Result<(), IgnoredNotification> {
        match self {
            Self::Notification(octets) | Self::Trigger(octets) if octets.len() > MAX_OCTETS => {
                Err(IgnoredNotification::TooLong(MAX_OCTETS))
            }
            Self::Notification(octets) => ReceivedPackage0::decode(octets)
                .map(drop)
                .map_err(|error| Ignored::from(error).into()),
            Self::Trigger(octets) => ReceivedTrigger::decode(octets)
                .map(drop)
                .map_err(|fault| IgnoredTrigger::from(fault).into()),
            // It is judged whole, before anything of it is read.
            Self::Bootstrap(..) => Ok(()),
        }
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
