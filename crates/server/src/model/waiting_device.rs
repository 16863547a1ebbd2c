use aws_lc_rs::digest::{Context, SHA256};
use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

use super::AllowEntry;

/// Names a waiting device: 32 hexadecimal digits, the first half of SHA-256 over the DevID, a zero octet and the certificate's fingerprint. So it
/// names this credential of this DevID and no other, on every node and however often the device comes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WaitingId(pub EventId);

/// A device without record that waits for an operator (DESIGN §4, rule 5). It proved that it holds the certificate's key, and
/// nothing else unless somebody vouches for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingDevice {
    /// Names it.
    pub id: WaitingId,
    /// The DevID it claims.
    pub claimed: DevId,
    /// SHA-256 of the certificate it came with.
    pub fingerprint: [u8; 32],
    /// The certificate's subject, for people.
    pub subject: String,
    /// The certificate's issuer, for people.
    pub issuer: String,
    /// The certificate's end.
    pub not_after: Utc,
    /// The CA that vouches for the claim; none where the certificate proves possession of its key alone.
    pub vouched_by: Option<String>,
    /// The profile it gets unless the operator names another.
    pub profile: Option<String>,
    /// When it came first.
    pub since: Utc,
    /// When it came last, give or take a minute.
    pub seen_at: Utc,
    /// When it is forgotten.
    pub expires_at: Utc,
    /// Whether an operator rejected it.
    pub state: WaitingState,
    /// Why, in the operator's words.
    pub why: Option<String>,
}

/// Where a waiting device stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitingState {
    /// No operator decided yet.
    Waiting,
    /// An operator rejected it. It stays known until it expires, so that it does not wait again at once.
    Rejected,
}

/// A write to the waiting devices or to the allow-list that registers none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WaitingWrite {
    /// It waits from now on, or came again. A new one is `CommitError::NoPlace` where `most` of its kind (vouched for, or not) wait.
    Hold {
        /// The device.
        device: Box<WaitingDevice>,
        /// Most devices of its kind that may wait.
        most: u64,
    },
    /// An operator rejected it; `CommitError::NotWaiting` where there is none of this id.
    Reject {
        /// Which.
        id: WaitingId,
        /// Why, in the operator's words.
        why: Option<String>,
        /// When it is forgotten.
        until: Utc,
    },
    /// It is forgotten if its time was over then; `CommitError::NotWaiting` where another node did it.
    Expire {
        /// Which.
        id: WaitingId,
        /// Now.
        now: Utc,
    },
    /// Whom the entry means is let in from now on, by its profile.
    Allow(AllowEntry),
    /// The entry of this id is gone; `CommitError::NotWaiting` where there is none.
    Disallow(EventId),
}

/// What the registration of a device means for those that wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WaitingChange {
    /// This one is decided; `CommitError::NotWaiting` where it does not wait any more.
    Approved(WaitingId),
    /// Whoever else claimed this DevID waits no longer.
    Known,
}

impl WaitingId {
    /// The id of this credential of this DevID.
    #[must_use]
    pub fn of(claimed: &DevId, fingerprint: &[u8; 32]) -> Self {
        Self(half_hash(&[claimed.as_str().as_bytes(), &[0], fingerprint]))
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        EventId::parse(text).ok().map(Self)
    }
}

/// The first half of SHA-256 over all of it.
pub(super) fn half_hash(parts: &[&[u8]]) -> EventId {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut half = [0; 16];
    for (to, from) in half.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    EventId::of(half)
}

impl std::fmt::Display for WaitingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl WaitingState {
    /// Its name in the store and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Rejected]
            .into_iter()
            .find(|state| state.name() == name)
    }
}
