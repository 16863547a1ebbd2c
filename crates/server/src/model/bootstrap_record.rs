use std::fmt;

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapKind, BootstrapMethod, EventId, PayloadHash, ProfileFormat, Utc,
};
use omadm_dm2::media_type;
use omadm_mo::{DevId, SrvId};

use super::{BootstrapPush, PushCarrierKind};

/// Names a bootstrap record: 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordId(pub EventId);

/// One bootstrap of one device, from its start to its terminal state (DESIGN §4). The sealed document is kept apart, under its id.
#[derive(Clone, PartialEq, Debug)]
pub struct BootstrapRecord {
    /// Names it.
    pub id: RecordId,
    /// The device.
    pub dev_id: DevId,
    /// The profile it was built from.
    pub profile: String,
    /// How its document is written: for DM 2.0, or one of the two profiles of DM 1.x.
    pub format: ProfileFormat,
    /// The server whose account it brings.
    pub srv_id: SrvId,
    /// The method it was started for; what the device reports wins once it does.
    pub method: BootstrapMethod,
    /// Whether the issued account has an `Auth/Trsp` of its own (D83).
    pub has_trsp: bool,
    /// Where it stands.
    pub state: BootstrapState,
    /// Why it failed.
    pub cause: Option<BootstrapFailureCause>,
    /// Hash of the document.
    pub payload_hash: PayloadHash,
    /// What the device reported as EventId; one event completes one record (D27).
    pub event_id: Option<EventId>,
    /// First or again, as the device reported.
    pub kind: Option<BootstrapKind>,
    /// When it was made.
    pub created_at: Utc,
    /// When it expires unless it is completed.
    pub expires_at: Utc,
    /// When its document first left.
    pub fetched_at: Option<Utc>,
    /// When it reached its terminal state.
    pub ended_at: Option<Utc>,
    /// How it is brought to the device, where the server brings it.
    pub push: Option<BootstrapPush>,
}

/// Where a bootstrap stands. The last four are terminal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BootstrapState {
    /// Document and secrets are stored.
    Drafted,
    /// Waits for its carrier.
    Queued,
    /// Handed to the carrier.
    Sent,
    /// The carrier says it arrived.
    Delivered,
    /// The device fetched the document.
    Fetched,
    /// The device reported BootstrapComplete.
    Completed,
    /// It cannot complete any more; the record says why.
    Failed,
    /// Its time ran out.
    Expired,
    /// A newer record of the same account took its place.
    Superseded,
}

impl BootstrapRecord {
    /// Whether it brings an account of DM 1.x.
    #[must_use]
    pub const fn is_dm1(&self) -> bool {
        matches!(self.format, ProfileFormat::Cp | ProfileFormat::Dm)
    }

    /// The media type of its document.
    pub(crate) const fn media_type(&self) -> &'static str {
        match Dm1Format::of_profile(self.format) {
            Some(format) => format.media_type(),
            None => media_type::MO,
        }
    }

    /// Whether what it brings went to the device in clear (`dm1x.md` §5.10).
    pub(crate) fn went_in_clear(&self) -> bool {
        let push = self.push.as_ref();
        push.is_some_and(|push| push.carrier == PushCarrierKind::Wap)
    }

    /// Whether both bring the account of one server in one generation: the newer one takes the place of the older.
    pub(crate) fn is_of_account(&self, other: &Self) -> bool {
        self.srv_id == other.srv_id && self.is_dm1() == other.is_dm1()
    }

    /// Nothing more of it is sent, and what it was to be proved with is gone.
    pub(crate) fn end_push(&mut self) {
        if let Some(push) = &mut self.push {
            (push.due, push.sealed) = (None, None);
        }
    }
}

/// Those that bring accounts of DM 2.0.
pub(crate) fn of_dm2(mut records: Vec<BootstrapRecord>) -> Vec<BootstrapRecord> {
    records.retain(|record| !record.is_dm1());
    records
}

impl BootstrapState {
    /// Every state there is.
    pub const ALL: [Self; 9] = [
        Self::Drafted,
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Fetched,
        Self::Completed,
        Self::Failed,
        Self::Expired,
        Self::Superseded,
    ];

    /// The stable name in store, API and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drafted => "drafted",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Fetched => "fetched",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Expired | Self::Superseded
        )
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
