//! Parts become messages again, in whatever order and however often they come (`push.md` §3).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Reference, UserData};

/// Bounds of what waits for its other parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReassemblyLimits {
    /// Most parts of a message; what announces more is dropped.
    pub parts: u8,
    /// Most messages that are kept; the oldest gives way.
    pub messages: usize,
    /// Most octets of their parts; the oldest message gives way.
    pub octets: usize,
    /// How long a message is waited for, and how long its parts are known as duplicates once it is whole.
    pub lifetime: Duration,
}

impl Default for ReassemblyLimits {
    /// 8 parts, 64 messages, 64 KiB, 10 minutes.
    fn default() -> Self {
        Self {
            parts: super::PARTS,
            messages: 64,
            octets: 64 * 1024,
            lifetime: Duration::from_secs(600),
        }
    }
}

/// What became of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// The message is whole: what its parts carry, in their order.
    Whole(Vec<u8>),
    /// Others are missing.
    Waiting {
        /// Parts that are there.
        have: u8,
        /// Parts that there are.
        total: u8,
    },
    /// It came before.
    Duplicate,
    /// It is not kept.
    Dropped(Dropped),
}

/// Why a part is not kept. The sender is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dropped {
    /// Its message has more parts than are taken.
    #[error("a message of {0} parts, at most {1} are taken")]
    Parts(u8, u8),
    /// It alone is larger than everything that may wait.
    #[error("a part of {0} octets, at most {1} may wait")]
    Octets(usize, usize),
}

/// What waits for its other parts, by whom it is from. Holds secrets where they are sent: it has no `Debug`.
pub struct Reassembler<O> {
    limits: ReassemblyLimits,
    messages: BTreeMap<Key<O>, Message>,
    octets: usize,
    /// Counts the messages, so that the oldest can be told.
    next: u64,
}

/// What the parts of one message have in common.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key<O> {
    originator: O,
    destination: Option<u16>,
    reference: Reference,
    total: u8,
}

struct Message {
    parts: BTreeMap<u8, Vec<u8>>,
    age: u64,
    began: Duration,
}

impl<O: Ord + Clone> Reassembler<O> {
    /// One that waits for nothing yet.
    #[must_use]
    pub const fn new(limits: ReassemblyLimits) -> Self {
        Self {
            limits,
            messages: BTreeMap::new(),
            octets: 0,
            next: 0,
        }
    }

    /// Takes user data of an originator at a time, counted from any fixed moment. What has no concatenation is whole.
    ///
    /// A part that differs from the one of the same index begins its message anew: the reference is in use again.
    pub fn take(&mut self, now: Duration, originator: &O, received: &UserData<'_>) -> Taken {
        self.expire(now);
        let Some(part) = received.part else {
            return Taken::Whole(received.data.to_vec());
        };
        if part.total > self.limits.parts {
            return Taken::Dropped(Dropped::Parts(part.total, self.limits.parts));
        }
        let octets = received.data.len();
        if octets > self.limits.octets || self.limits.messages == 0 {
            return Taken::Dropped(Dropped::Octets(octets, self.limits.octets));
        }
        let key = Key {
            originator: originator.clone(),
            destination: received.ports.map(|ports| ports.destination),
            reference: part.reference,
            total: part.total,
        };
        let known = self
            .messages
            .get(&key)
            .and_then(|message| message.parts.get(&part.index));
        match known {
            Some(known) if known == received.data => return Taken::Duplicate,
            Some(_) => self.forget(&key),
            None => {}
        }
        self.make_room(&key, octets);
        let message = self.messages.entry(key).or_insert_with(|| {
            self.next += 1;
            Message {
                parts: BTreeMap::new(),
                age: self.next,
                began: now,
            }
        });
        message.parts.insert(part.index, received.data.to_vec());
        self.octets += octets;
        let have = u8::try_from(message.parts.len()).unwrap_or(u8::MAX);
        if have < part.total {
            return Taken::Waiting {
                have,
                total: part.total,
            };
        }
        let parts: Vec<&[u8]> = message.parts.values().map(Vec::as_slice).collect();
        Taken::Whole(parts.concat())
    }

    /// Forgets what is older than the lifetime; how many messages of it were not whole.
    pub fn expire(&mut self, now: Duration) -> usize {
        let lifetime = self.limits.lifetime;
        let old = |message: &Message| now.saturating_sub(message.began) >= lifetime;
        let gone: Vec<Key<O>> = self
            .messages
            .iter()
            .filter(|(_, message)| old(message))
            .map(|(key, _)| key.clone())
            .collect();
        let mut lost = 0;
        for key in &gone {
            let whole = |message: &Message| message.parts.len() == usize::from(key.total);
            lost += usize::from(!self.messages.get(key).is_some_and(whole));
            self.forget(key);
        }
        lost
    }

    /// Octets that are kept.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.octets
    }

    /// Lets the oldest messages give way to a part of this message, never that message itself unless it alone is too much.
    fn make_room(&mut self, key: &Key<O>, octets: usize) {
        loop {
            let more = usize::from(!self.messages.contains_key(key));
            let fits = self.messages.len() + more <= self.limits.messages
                && self.octets + octets <= self.limits.octets;
            if fits {
                return;
            }
            let others = self.messages.iter().filter(|(other, _)| *other != key);
            let oldest = others
                .min_by_key(|(_, message)| message.age)
                .map(|(oldest, _)| oldest.clone());
            let goes = oldest.unwrap_or_else(|| key.clone());
            self.forget(&goes);
        }
    }

    fn forget(&mut self, key: &Key<O>) {
        if let Some(message) = self.messages.remove(key) {
            let octets: usize = message.parts.values().map(Vec::len).sum();
            self.octets = self.octets.saturating_sub(octets);
        }
    }
}
