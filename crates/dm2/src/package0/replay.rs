use std::collections::VecDeque;

use super::{Authenticated, Package0};

/// How far TIMESTAMP may be from the clock, in seconds, either way (D39).
const WINDOW: u64 = 300;
/// How many NOTIFICATION-IDs of a server are remembered (§11.5).
const REMEMBERED: usize = 32;

/// What a client remembers of one server's Notifications so that none counts twice (`dm20.md` §11.5, D39). One per SERVER-ID; it has to
/// survive a restart together with the session that a Notification is owed.
///
/// What nothing vouches for cannot shut out what is proven: an unproven Notification is remembered apart, and its TIMESTAMP binds nobody.
/// Neither does one that no clock confirmed, since a server whose clock once ran ahead would be shut out for as long.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplayWindow {
    newest: Option<u64>,
    recent: VecDeque<u16>,
    unproven: VecDeque<u16>,
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
    /// What was remembered: the last accepted TIMESTAMP, and the NOTIFICATION-IDs, proven and unproven, from the oldest on, of which the last
    /// 32 each count.
    #[must_use]
    pub fn restore(newest: Option<u64>, recent: &[u16], unproven: &[u16]) -> Self {
        let last = |ids: &[u16]| {
            let first = ids.len().saturating_sub(REMEMBERED);
            ids[first..].iter().copied().collect()
        };
        Self {
            newest,
            recent: last(recent),
            unproven: last(unproven),
        }
    }

    /// The newest TIMESTAMP of a proven Notification that came while the clock was set.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The remembered NOTIFICATION-IDs of proven Notifications, oldest first; at most 32.
    pub fn recent(&self) -> impl Iterator<Item = u16> {
        self.recent.iter().copied()
    }

    /// The remembered NOTIFICATION-IDs of unproven ones, oldest first; at most 32.
    pub fn unproven(&self) -> impl Iterator<Item = u16> {
        self.unproven.iter().copied()
    }

    /// Takes a Notification whose digest was judged, and remembers it. A refused one leaves no trace.
    ///
    /// # Errors
    /// [`ReplayRefusal`] where it is to be ignored.
    pub fn accept(
        &mut self,
        package: &Package0,
        authenticated: Authenticated,
        clock: Clock,
    ) -> Result<(), ReplayRefusal> {
        if let Some(timestamp) = package.timestamp {
            self.in_time(timestamp, clock)?;
        }
        let proven = authenticated == Authenticated::ByDigest;
        if let Some(id) = package.notification_id {
            let known = self.recent.contains(&id) || (!proven && self.unproven.contains(&id));
            if known {
                return Err(ReplayRefusal::Duplicate(id));
            }
            let ids = if proven {
                &mut self.recent
            } else {
                &mut self.unproven
            };
            if ids.len() == REMEMBERED {
                ids.pop_front();
            }
            ids.push_back(id);
        }
        if proven && matches!(clock, Clock::Set(_)) {
            self.newest = package.timestamp.or(self.newest);
        }
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
    use crate::package0::Authenticated::{ByDigest, Unproven};
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
            let judged = ReplayWindow::default().accept(
                &notification(Some(timestamp), None),
                ByDigest,
                Clock::Set(NOW),
            );
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
        let mut at =
            |timestamp, clock| window.accept(&notification(Some(timestamp), None), ByDigest, clock);
        assert_eq!(at(NOW, Clock::Set(NOW)), Ok(()));
        assert_eq!(at(NOW, Clock::Set(NOW)), Ok(()));
        let older = Err(ReplayRefusal::Older {
            timestamp: NOW - 1,
            newest: NOW,
        });
        assert_eq!(at(NOW - 1, Clock::Set(NOW)), older);
        assert_eq!(at(NOW - 1, Clock::Unset), older);
        assert_eq!(at(NOW + 1_000_000, Clock::Unset), Ok(()));
    }

    #[test]
    fn x_noti_003_a_timestamp_that_no_clock_or_no_digest_confirmed_shuts_nobody_out() {
        let mut window = ReplayWindow::default();
        let far = notification(Some(NOW + 1_000_000), None);
        assert_eq!(window.accept(&far, ByDigest, Clock::Unset), Ok(()));
        let soon = notification(Some(NOW + 300), None);
        assert_eq!(window.accept(&soon, Unproven, Clock::Set(NOW)), Ok(()));
        assert_eq!(window.newest(), None);
        let now = notification(Some(NOW), None);
        assert_eq!(window.accept(&now, ByDigest, Clock::Set(NOW)), Ok(()));
        assert_eq!(window.newest(), Some(NOW));
    }

    #[test]
    fn x_noti_003_an_unproven_id_neither_spends_nor_pushes_out_a_proven_one() {
        let mut window = ReplayWindow::default();
        let mut accept = |id, authenticated| {
            window.accept(&notification(None, Some(id)), authenticated, Clock::Unset)
        };
        assert_eq!(accept(7, ByDigest), Ok(()));
        for id in 100..200 {
            assert_eq!(accept(id, Unproven), Ok(()));
        }
        assert_eq!(accept(7, ByDigest), Err(ReplayRefusal::Duplicate(7)));
        assert_eq!(accept(7, Unproven), Err(ReplayRefusal::Duplicate(7)));
        assert_eq!(accept(199, Unproven), Err(ReplayRefusal::Duplicate(199)));
        assert_eq!(accept(199, ByDigest), Ok(()));
    }

    #[test]
    fn x_noti_003_a_notification_id_counts_once_among_the_last_32() {
        let mut window = ReplayWindow::default();
        for id in 0..32 {
            assert_eq!(
                window.accept(&notification(None, Some(id)), ByDigest, Clock::Unset),
                Ok(())
            );
        }
        let mut again = |id| window.accept(&notification(None, Some(id)), ByDigest, Clock::Unset);
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
            .accept(&notification(Some(NOW), Some(1)), ByDigest, clock)
            .unwrap();
        let before = window.clone();
        for (timestamp, id) in [(NOW + 301, 2), (NOW - 1, 3), (NOW + 1, 1)] {
            let refused = window.accept(&notification(Some(timestamp), Some(id)), ByDigest, clock);
            assert!(refused.is_err());
            assert_eq!(window, before);
        }
    }

    #[test]
    fn what_is_restored_is_what_was_remembered() {
        let ids: Vec<u16> = (0..40).collect();
        let window = ReplayWindow::restore(Some(NOW), &ids, &ids[..3]);
        let recent: Vec<u16> = window.recent().collect();
        let unproven: Vec<u16> = window.unproven().collect();
        assert_eq!(recent, &ids[8..]);
        assert_eq!(recent.len(), REMEMBERED);
        assert_eq!(unproven, &ids[..3]);
        assert_eq!(
            ReplayWindow::restore(window.newest(), &recent, &unproven),
            window
        );
    }
}
