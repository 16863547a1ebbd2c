//! Creds that failed lately, by account and source (M20). They are marks of the store, so every node counts them, and one that starts anew; none of them bumps an
//! epoch, so who guesses never makes the exchanges of the device itself conflict.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;
use omadm_session::server::dm1::Failures;

use crate::entropy::{NoRandomness, random};
use crate::model::{DeferredMark, FailedCred};
use crate::node::Node;
use crate::store::{CommitError, StoreError};

/// How long a failure may be on its way into the store; for so long the node counts it by itself.
const ON_ITS_WAY_MILLIS: i64 = 10_000;
/// Failures on their way that a node remembers.
const REMEMBERED: usize = 4096;
/// Failures of an account that are read: as many as count, and some that came at once.
const READ: usize = 256;

/// What this node counted last.
#[derive(Default)]
pub(crate) struct FailedCreds(Mutex<VecDeque<FailedCred>>);

impl FailedCreds {
    /// How many there were for this device's account in the window that ends now.
    pub(crate) async fn of(
        &self,
        node: &Node,
        dev_id: &DevId,
        source: Option<IpAddr>,
        now: Utc,
    ) -> Result<Failures, StoreError> {
        let after = now.plus_millis(-Failures::WINDOW_MILLIS);
        let stored = node.store.failed_creds(dev_id, after, READ).await?;
        Ok(self.counted(stored, dev_id, &name(source), now))
    }

    fn counted(
        &self,
        mut all: Vec<FailedCred>,
        dev_id: &DevId,
        source: &str,
        now: Utc,
    ) -> Failures {
        for own in self.all().iter() {
            let is_due = own.dev_id == *dev_id && is_on_its_way(own, now);
            if is_due && !all.iter().any(|stored| stored.id == own.id) {
                all.push(own.clone());
            }
        }
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let from_source = all.iter().filter(|failed| failed.source == source);
        Failures {
            from_source: count(from_source.count()),
            from_all: count(all.len()),
        }
    }

    /// One more.
    pub(crate) fn count(
        &self,
        node: &Node,
        dev_id: &DevId,
        source: Option<IpAddr>,
        now: Utc,
    ) -> Result<(), NoRandomness> {
        let failed = FailedCred {
            dev_id: dev_id.clone(),
            id: EventId::of(random()?),
            at: now,
            source: name(source),
        };
        self.remember(failed.clone());
        node.store.defer(DeferredMark::FailedCred(failed));
        Ok(())
    }

    fn remember(&self, failed: FailedCred) {
        let mut all = self.all();
        all.retain(|one| is_on_its_way(one, failed.at));
        while all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(failed);
    }

    /// A success of this source: what it failed before does not count any more.
    pub(crate) fn clear(&self, dev_id: &DevId, source: Option<IpAddr>) {
        let source = name(source);
        let cleared = |one: &FailedCred| one.dev_id == *dev_id && one.source == source;
        self.all().retain(|one| !cleared(one));
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<FailedCred>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets those that count no more.
pub(crate) async fn sweep(node: &Node) -> Result<(), CommitError> {
    let before = node.now().plus_millis(-Failures::WINDOW_MILLIS);
    node.store.sweep_failed_creds(before).await
}

/// A source as it is stored.
pub(super) fn name(source: Option<IpAddr>) -> String {
    source.map_or_else(String::new, |source| source.to_canonical().to_string())
}

fn is_on_its_way(failed: &FailedCred, now: Utc) -> bool {
    now.millis_since(failed.at) < ON_ITS_WAY_MILLIS
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::{EventId, Utc};
    use omadm_mo::DevId;
    use omadm_session::server::dm1::Failures;

    use super::{FailedCred, FailedCreds, ON_ITS_WAY_MILLIS, REMEMBERED, name};

    fn wrong(dev_id: &str, nr: u16, source: &str, at: i64) -> FailedCred {
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&nr.to_be_bytes());
        FailedCred {
            dev_id: DevId::parse(dev_id).unwrap(),
            id: EventId::of(octets),
            at: Utc(at),
            source: source.to_owned(),
        }
    }

    #[test]
    fn what_is_stored_and_what_is_on_its_way_counts_once() {
        let failed = FailedCreds::default();
        let [one, other] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|octets| name(Some(octets.into())));
        let device = DevId::parse("IMEI:1").unwrap();
        let stored = vec![
            wrong("IMEI:1", 1, &one, 0),
            wrong("IMEI:1", 2, &one, 90_000),
        ];
        for own in [
            stored[1].clone(),
            wrong("IMEI:1", 3, &one, 90_001),
            wrong("IMEI:1", 4, &other, 90_002),
            wrong("IMEI:2", 5, &one, 90_003),
        ] {
            failed.remember(own);
        }
        let counted = |stored: &[FailedCred], source, now| {
            failed.counted(stored.to_vec(), &device, source, Utc(now))
        };
        let seen = |from_source, from_all| Failures {
            from_source,
            from_all,
        };
        assert_eq!(counted(&stored, &one, 90_004), seen(3, 4));
        assert_eq!(counted(&[], &one, 90_004), seen(2, 3));
        assert_eq!(counted(&stored, "", 90_004), seen(0, 4));
        let later = 90_003 + ON_ITS_WAY_MILLIS;
        assert_eq!(counted(&stored, &one, later), seen(2, 2), "the store knows");
        failed.clear(&device, Some([192, 0, 2, 1].into()));
        assert_eq!(counted(&[], &other, 90_004), seen(1, 1));
    }

    #[test]
    fn who_fails_often_does_not_fill_the_memory() {
        let failed = FailedCreds::default();
        for nr in 0..6000 {
            failed.remember(wrong("IMEI:1", nr, "", i64::from(nr)));
        }
        assert_eq!(failed.all().len(), REMEMBERED);
        failed.remember(wrong("IMEI:1", 6001, "", 100_000));
        assert_eq!(failed.all().len(), 1);
    }
}
