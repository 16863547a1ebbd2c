//! Nonces of HTTP Digest. They are made and known again by a key that all nodes of a deployment derive from its sealing key, so any node takes any node's.
//!
//! That a counter comes once is looked after by each node for itself: within a nonce's five minutes, a request that one node took could be sent to another
//! node once more by somebody who read it, which TLS keeps everybody from.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omadm_bootstrap::Utc;
use omadm_mo::Secret;

use crate::entropy::{NoRandomness, random};

/// A nonce lives for so long.
const LIFETIME_MS: i64 = 5 * 60 * 1000;
/// Clocks of nodes differ by no more.
const SKEW_MS: i64 = 60 * 1000;
/// Nonces in use whose counters a node remembers.
const REMEMBERED: usize = 8192;
const TIME_LEN: usize = 8;
const HEAD_LEN: usize = 16;
const LEN: usize = 32;

/// Makes nonces, knows them again, and sees to it that no counter comes twice.
pub(super) struct Nonces {
    key: hmac::Key,
    seen: Mutex<Seen>,
}

/// Time and randomness of a nonce.
type Head = ([u8; TIME_LEN], [u8; HEAD_LEN - TIME_LEN]);

struct Seen {
    counters: BTreeMap<Head, Counters>,
    /// Nonces of this time and before are taken only where they are remembered.
    forgotten: i64,
}

/// The counters of a nonce: requests of one client may overtake each other.
struct Counters {
    highest: u32,
    /// Bit n: `highest - n` was there.
    below: u64,
}

/// What becomes of a right Digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It counts.
    Now,
    /// Another nonce is needed: this one is none of ours, over, or its counter was there.
    Stale,
}

impl Nonces {
    pub(super) fn new(sealing_key: &Secret, now: Utc) -> Self {
        let derived = hmac::sign(
            &hmac::Key::new(HMAC_SHA256, sealing_key.expose()),
            b"omadm nonces of HTTP Digest",
        );
        Self {
            key: hmac::Key::new(HMAC_SHA256, derived.as_ref()),
            seen: Mutex::new(Seen {
                counters: BTreeMap::new(),
                forgotten: now.0,
            }),
        }
    }

    pub(super) fn make(&self, now: Utc) -> Result<String, NoRandomness> {
        let mut octets = [0; LEN];
        octets[..TIME_LEN].copy_from_slice(&now.0.to_be_bytes());
        octets[TIME_LEN..HEAD_LEN].copy_from_slice(&random::<{ HEAD_LEN - TIME_LEN }>()?);
        let tag = hmac::sign(&self.key, &octets[..HEAD_LEN]);
        octets[HEAD_LEN..].copy_from_slice(&tag.as_ref()[..LEN - HEAD_LEN]);
        Ok(URL_SAFE_NO_PAD.encode(octets))
    }

    /// Takes a counter of a nonce. Only for a Digest that is right: nobody else fills the memory.
    pub(super) fn take(&self, nonce: &str, nc: u32, now: Utc) -> Taken {
        let Some(head) = self.known(nonce) else {
            return Taken::Stale;
        };
        let made = i64::from_be_bytes(head.0);
        let age = now.0.saturating_sub(made);
        if !(-SKEW_MS..=LIFETIME_MS).contains(&age) || nc == 0 {
            return Taken::Stale;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = seen.counters.get_mut(&head) {
            return counters.take(nc);
        }
        if made <= seen.forgotten {
            return Taken::Stale;
        }
        let first = Counters {
            highest: nc,
            below: 1,
        };
        seen.counters.insert(head, first);
        if seen.counters.len() > REMEMBERED
            && let Some((oldest, _)) = seen.counters.pop_first()
        {
            seen.forgotten = seen.forgotten.max(i64::from_be_bytes(oldest.0));
        }
        Taken::Now
    }

    fn known(&self, nonce: &str) -> Option<Head> {
        let octets: [u8; LEN] = URL_SAFE_NO_PAD.decode(nonce).ok()?.try_into().ok()?;
        let (head, tag) = octets.split_at(HEAD_LEN);
        let whole = hmac::sign(&self.key, head);
        let equal = subtle::ConstantTimeEq::ct_eq(&whole.as_ref()[..LEN - HEAD_LEN], tag);
        let (time, randomness) = head.split_at(TIME_LEN);
        bool::from(equal).then_some((time.try_into().ok()?, randomness.try_into().ok()?))
    }
}

impl Counters {
    fn take(&mut self, nc: u32) -> Taken {
        if nc > self.highest {
            self.below = self
                .below
                .checked_shl(nc - self.highest)
                .unwrap_or_default()
                | 1;
            self.highest = nc;
            return Taken::Now;
        }
        match 1_u64.checked_shl(self.highest - nc) {
            Some(bit) if self.below & bit == 0 => {
                self.below |= bit;
                Taken::Now
            }
            _ => Taken::Stale,
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;
    use omadm_mo::Secret;

    use super::{LIFETIME_MS, Nonces, REMEMBERED, SKEW_MS, Taken};

    const START: Utc = Utc(1_700_000_000_000);

    fn node(key: u8) -> Nonces {
        Nonces::new(&Secret::new(vec![key; 32]), START)
    }

    #[test]
    fn x_sec_001_any_node_of_a_deployment_takes_a_nonce_and_no_other_server_does() {
        let now = START.plus_secs(1);
        let nonce = node(1).make(now).unwrap();
        assert_eq!(node(1).take(&nonce, 1, now), Taken::Now);
        assert_eq!(node(2).take(&nonce, 1, now), Taken::Stale);
        for other in ["", "x", &nonce[1..], &nonce.to_lowercase(), &"A".repeat(43)] {
            assert_eq!(node(1).take(other, 1, now), Taken::Stale, "{other}");
        }
    }

    #[test]
    fn x_sec_001_a_counter_comes_once_and_requests_may_overtake_each_other() {
        let (node, now) = (node(1), START.plus_secs(1));
        let nonce = node.make(now).unwrap();
        let taken = |nc| node.take(&nonce, nc, now) == Taken::Now;
        for (nc, expected) in [
            (0, false),
            (2, true),
            (2, false),
            (1, true),
            (1, false),
            (100, true),
            (37, true),
            (37, false),
            (36, false),
            (99, true),
            (u32::MAX, true),
            (u32::MAX - 63, true),
            (u32::MAX - 64, false),
        ] {
            assert_eq!(taken(nc), expected, "{nc}");
        }
    }

    #[test]
    fn x_sec_001_a_nonce_is_over_after_five_minutes_and_at_the_end_of_the_process() {
        let now = START.plus_secs(1);
        let node_a = node(1);
        let nonce = node_a.make(now).unwrap();
        let at = |ms| node(1).take(&nonce, 1, now.plus_millis(ms));
        assert_eq!(at(LIFETIME_MS), Taken::Now);
        assert_eq!(at(LIFETIME_MS + 1), Taken::Stale);
        assert_eq!(at(-SKEW_MS), Taken::Now);
        assert_eq!(at(-SKEW_MS - 1), Taken::Stale);
        let restarted = Nonces::new(&Secret::new(vec![1; 32]), now);
        assert_eq!(restarted.take(&nonce, 1, now), Taken::Stale);
    }

    #[test]
    fn what_a_node_had_to_forget_is_not_taken_again() {
        let (node, now) = (node(1), START.plus_secs(1));
        let first = node.make(now).unwrap();
        assert_eq!(node.take(&first, 1, now), Taken::Now);
        for more in 0..REMEMBERED {
            let later = now.plus_millis(1 + more as i64);
            let nonce = node.make(later).unwrap();
            assert_eq!(node.take(&nonce, 1, later), Taken::Now);
        }
        assert_eq!(node.take(&first, 2, now), Taken::Stale);
    }
}
