//! Wrong HTTP passwords of one user from one address: so many at once, then one after the other. Who comes from elsewhere is not kept out by them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use omadm_bootstrap::Utc;

/// Wrong tries that are judged at once.
const BURST: u32 = 10;
/// Milliseconds after which one more is.
const REFILL_MS: i64 = 6_000;
/// Users and addresses that a node remembers.
const REMEMBERED: usize = 16_384;

type Key = (u64, Option<IpAddr>);

#[derive(Default)]
pub(super) struct WrongTries {
    order: RandomState,
    all: Mutex<HashMap<Key, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    used: u32,
    since: Utc,
}

impl WrongTries {
    /// Seconds until this user may be tried again from there; none where it may be now.
    pub(super) fn wait(&self, user: &str, from: Option<IpAddr>, now: Utc) -> Option<u64> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = all.get(&self.key(user, from))?.at(now);
        let rest = REFILL_MS - now.millis_since(bucket.since).clamp(0, REFILL_MS);
        (bucket.used >= BURST).then(|| u64::try_from(rest).unwrap_or_default() / 1000 + 1)
    }

    pub(super) fn count(&self, user: &str, from: Option<IpAddr>, now: Utc) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, bucket| bucket.at(now).used > 0);
        }
        // Still full: one who fills it from many addresses is not to keep others from being counted.
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let fresh = Bucket {
            used: 0,
            since: now,
        };
        let bucket = all.entry(self.key(user, from)).or_insert(fresh);
        *bucket = bucket.at(now);
        bucket.used += 1;
    }

    fn key(&self, user: &str, from: Option<IpAddr>) -> Key {
        (self.order.hash_one(user), from)
    }
}

impl Bucket {
    /// It, with what was refilled since.
    fn at(self, now: Utc) -> Self {
        let elapsed = now.millis_since(self.since);
        // A clock that jumped back starts the count anew.
        if elapsed < 0 {
            return Self { since: now, ..self };
        }
        let refilled = u32::try_from(elapsed / REFILL_MS)
            .unwrap_or(u32::MAX)
            .min(self.used);
        if refilled == self.used {
            return Self {
                used: 0,
                since: now,
            };
        }
        Self {
            used: self.used - refilled,
            since: self
                .since
                .plus_millis(i64::from(refilled).saturating_mul(REFILL_MS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use omadm_bootstrap::Utc;

    use super::{BURST, REFILL_MS, REMEMBERED, WrongTries};

    fn from(last: u8) -> Option<IpAddr> {
        Some(Ipv4Addr::new(192, 0, 2, last).into())
    }

    #[test]
    fn x_sec_001_wrong_tries_shut_out_their_user_at_their_address_alone_and_for_a_while() {
        let tries = WrongTries::default();
        for _ in 0..BURST {
            assert_eq!(tries.wait("u", from(1), Utc(0)), None);
            tries.count("u", from(1), Utc(0));
        }
        assert_eq!(tries.wait("u", from(1), Utc(0)), Some(7));
        assert_eq!(tries.wait("u", from(1), Utc(REFILL_MS - 1)), Some(1));
        assert_eq!(tries.wait("u", from(1), Utc(REFILL_MS)), None);
        assert_eq!(tries.wait("u", from(2), Utc(0)), None);
        assert_eq!(tries.wait("v", from(1), Utc(0)), None);
        tries.count("u", from(1), Utc(REFILL_MS));
        assert!(tries.wait("u", from(1), Utc(REFILL_MS)).is_some());
    }

    #[test]
    fn the_memory_is_bounded() {
        let tries = WrongTries::default();
        for nr in 0..REMEMBERED + 10 {
            tries.count(&nr.to_string(), from(1), Utc(0));
        }
        assert!(tries.all.lock().unwrap().len() <= REMEMBERED);
        tries.count("late", from(1), Utc(REFILL_MS));
        let late = tries.key("late", from(1));
        assert!(tries.all.lock().unwrap().contains_key(&late));
    }
}
