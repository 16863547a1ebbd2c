use std::collections::VecDeque;

use super::Package0;

/// How far TIMESTAMP may be from the clock, in seconds, either way (D39).
const WINDOW: u64 = 300;
/// How many NOTIFICATION-IDs of a server are remembered (§11.5).
const REMEMBERED: usize = 32;

/// What a client remembers of one server's Notifications so that none counts twice (`dm20.md` §11.5, D39). One per SERVER-ID; it has to
/// survive a restart together with the session that a Notification is owed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplayWindow {
    newest: Option<u64>,
    recent: VecDeque<u16>,
}

/// The client's time when a Notification came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// POSIX seconds.
    Set(u64),
    /// Nobody has set the clock: TIMESTAMP is compared with former ones alone.
    Unset,
}

/// Why an authentic Notification is ignored. Nobody is at fault where a carrier delivered it twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayRefusal {
    /// More than 300 s from the clock; either clock is wrong, or somebody replays.
    #[error("TIMESTAMP {timestamp} is more than 300 s from the clock's {now} (§11.5, D39)")]
    OutsideWindow {
        /// TIMESTAMP
        timestamp: u64,
        /// The clock.
        now: u64,
    },
    /// Older than one that was accepted.
    #[error("TIMESTAMP {timestamp} is older than {newest}, accepted before (§11.5, D39)")]
    Older {
        /// TIMESTAMP
        timestamp: u64,
        /// The last accepted one.
        newest: u64,
    },
    /// A NOTIFICATION-ID among the last 32.
    #[error("NOTIFICATION-ID {0} was accepted before (§11.5)")]
    Duplicate(u16),
}

impl ReplayWindow {
    /// What was remembered: the last accepted TIMESTAMP, and NOTIFICATION-IDs from the oldest on, of which the last 32 count.
    #[must_use]
    pub fn restore(newest: Option<u64>, recent: &[u16]) -> Self {
        let first = recent.len().saturating_sub(REMEMBERED);
        Self {
            newest,
            recent: recent[first..].iter().copied().collect(),
        }
    }

    /// The last accepted TIMESTAMP.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The remembered NOTIFICATION-IDs, oldest first; at most 32.
    pub fn recent(&self) -> impl Iterator<Item = u16> {
        self.recent.iter().copied()
    }

    /// Takes a Notification whose digest was judged, and remembers it. A refused one leaves no trace.
    ///
    /// # Errors
    /// [`ReplayRefusal`] where it is to be ignored.
    pub fn accept(&mut self, package: &Package0, clock: Clock) -> Result<(), ReplayRefusal> {
        if let Some(timestamp) = package.timestamp {
            self.in_time(timestamp, clock)?;
        }
        if let Some(id) = package.notification_id {
            if self.recent.contains(&id) {
                return Err(ReplayRefusal::Duplicate(id));
            }
            if self.recent.len() == REMEMBERED {
                self.recent.pop_front();
            }
            self.recent.push_back(id);
        }
        self.newest = package.timestamp.or(self.newest);
        Ok(())
    }

    fn in_time(&self, timestamp: u64, clock: Clock) -> Result<(), ReplayRefusal> {
        if let Clock::Set(now) = clock
            && timestamp.abs_diff(now) > WINDOW
        {
            return Err(ReplayRefusal::OutsideWindow { timestamp, now });
        }
        match self.newest {
            Some(newest) if timestamp < newest => Err(ReplayRefusal::Older { timestamp, newest }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, REMEMBERED, ReplayRefusal, ReplayWindow};
    use crate::package0::{Package0, ServerId};

    const NOW: u64 = 1_388_534_400;

    fn notification(timestamp: Option<u64>, id: Option<u16>) -> Package0 {
        Package0 {
            timestamp,
            notification_id: id,
            ..Package0::new(ServerId::parse("dm1").unwrap())
        }
    }

    #[test]
    fn x_noti_003_a_timestamp_counts_within_300_seconds_of_the_clock() {
        for (timestamp, good) in [
            (NOW - 301, false),
            (NOW - 300, true),
            (NOW, true),
            (NOW + 300, true),
            (NOW + 301, false),
        ] {
            let judged = ReplayWindow::default()
                .accept(&notification(Some(timestamp), None), Clock::Set(NOW));
            let expected = if good {
                Ok(())
            } else {
                Err(ReplayRefusal::OutsideWindow {
                    timestamp,
                    now: NOW,
                })
            };
            assert_eq!(judged, expected);
        }
    }

    #[test]
    fn x_noti_003_a_timestamp_older_than_the_last_accepted_is_refused_even_without_a_clock() {
        let mut window = ReplayWindow::default();
        let mut at = |timestamp| window.accept(&notification(Some(timestamp), None), Clock::Unset);
        assert_eq!(at(NOW), Ok(()));
        assert_eq!(at(NOW), Ok(()));
        let older = ReplayRefusal::Older {
            timestamp: NOW - 1,
            newest: NOW,
        };
        assert_eq!(at(NOW - 1), Err(older));
        assert_eq!(at(NOW + 1_000_000), Ok(()));
    }

    #[test]
    fn x_noti_003_a_notification_id_counts_once_among_the_last_32() {
        let mut window = ReplayWindow::default();
        for id in 0..32 {
            assert_eq!(
                window.accept(&notification(None, Some(id)), Clock::Unset),
                Ok(())
            );
        }
        let mut again = |id| window.accept(&notification(None, Some(id)), Clock::Unset);
        assert_eq!(again(0), Err(ReplayRefusal::Duplicate(0)));
        assert_eq!(again(31), Err(ReplayRefusal::Duplicate(31)));
        assert_eq!(again(32), Ok(()));
        assert_eq!(again(0), Ok(()), "the 33rd pushed the first out");
    }

    #[test]
    fn a_refused_notification_leaves_no_trace() {
        let mut window = ReplayWindow::default();
        let clock = Clock::Set(NOW);
        window
            .accept(&notification(Some(NOW), Some(1)), clock)
            .unwrap();
        let before = window.clone();
        for (timestamp, id) in [(NOW + 301, 2), (NOW - 1, 3), (NOW + 1, 1)] {
            let refused = window.accept(&notification(Some(timestamp), Some(id)), clock);
            assert!(refused.is_err());
            assert_eq!(window, before);
        }
    }

    #[test]
    fn what_is_restored_is_what_was_remembered() {
        let ids: Vec<u16> = (0..40).collect();
        let window = ReplayWindow::restore(Some(NOW), &ids);
        let recent: Vec<u16> = window.recent().collect();
        assert_eq!(recent, &ids[8..]);
        assert_eq!(recent.len(), REMEMBERED);
        assert_eq!(ReplayWindow::restore(window.newest(), &recent), window);
    }
}
