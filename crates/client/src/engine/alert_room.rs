//! How many of the alerts that wait for a server go into one Package#1, so that it does not exceed what the server takes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use omadm_mo::{SrvId, TreeError};
use omadm_session::client::Outcome;

use super::Engine;

/// Octets of alerts that a Package#1 carries: a quarter of what our server takes, and of what others commonly do.
const USUAL: usize = 256 << 10;

/// A package with no more octets of alerts than this is not refused because of them.
const SMALL: usize = 4 << 10;

/// The room at those servers that took less. Kept until the client ends.
#[derive(Default)]
pub(crate) struct AlertRoom(Mutex<BTreeMap<SrvId, usize>>);

impl AlertRoom {
    pub(super) fn of(&self, server: &SrvId) -> usize {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(server).copied().unwrap_or(USUAL)
    }

    fn narrow(&self, server: &SrvId, octets: usize) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(server.clone(), octets);
    }
}

/// How many alerts fit, from the first on. The first one always does: it has to be tried some time.
pub(super) fn fitting<'a>(alerts: impl Iterator<Item = &'a str>, room: usize) -> usize {
    let mut taken = 0_usize;
    let fits = |alert: &&str| {
        // Its comma.
        taken = taken.saturating_add(alert.len() + 1);
        taken <= room
    };
    let mut alerts = alerts.peekable();
    let any = usize::from(alerts.peek().is_some());
    alerts.take_while(fits).count().max(any)
}

impl Engine {
    /// 413 to a Package#1 with queued alerts, the last of which has this number, and so many octets of them: half goes the next time. One that was alone is
    /// given up, or it would stand in the way of all others for ever. Where they are few octets they are kept as after any other 4xx (D07).
    pub(super) async fn note_alerts_too_large(
        &self,
        server: &SrvId,
        queued: Option<(u64, usize, usize)>,
        outcome: &Outcome,
    ) -> Result<(), TreeError> {
        let (Outcome::Refused { status: 413, .. }, Some((last, count, octets))) = (outcome, queued)
        else {
            return Ok(());
        };
        if octets <= SMALL {
            return Ok(());
        }
        if count > 1 {
            self.alert_room.narrow(server, octets / 2);
            return Ok(());
        }
        tracing::warn!(%server, octets, "an alert is larger than the server takes: it is dropped");
        let id = server.clone();
        self.host
            .run(move |host| host.store.drop_alerts(&id, last))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn as_many_go_as_fit_and_at_least_one() {
        let alerts = ["12345", "12345", "12345"];
        for (room, count) in [(0, 1), (6, 1), (11, 1), (12, 2), (17, 2), (18, 3), (99, 3)] {
            assert_eq!(fitting(alerts.into_iter(), room), count, "{room}");
        }
        assert_eq!(fitting([].into_iter(), 99), 0);
    }
}
