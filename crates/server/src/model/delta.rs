use omadm_bootstrap::{BootstrapMethod, Utc};
use omadm_mo::DevId;

use super::{
    BootstrapRecord, CallChange, CommandId, Credential, CredentialProof, DeviceEpoch, DmGeneration,
    Event, FailedCred, Generation, NotifySettings, Object, QueuedCommand, ReceiptChange, RecordId,
    SessionRow, Trigger, WaitingChange,
};

/// Everything one exchange changes, committed as a whole or not at all (DESIGN §5: writes are values).
#[derive(Clone, PartialEq, Debug)]
pub struct ExchangeDelta {
    /// The device.
    pub dev_id: DevId,
    /// The epoch the delta was made at; none registers a device that must not exist yet.
    pub expected: Option<DeviceEpoch>,
    /// When: stamps the events and `last_seen_at`.
    pub at: Utc,
    /// Changes of the device's own row, in order.
    pub device: Vec<DeviceChange>,
    /// Changes of its credentials, in order.
    pub credentials: Vec<CredentialChange>,
    /// Changes of its bootstrap records, in order.
    pub bootstraps: Vec<BootstrapChange>,
    /// What becomes of a running session.
    pub session: SessionChange,
    /// Changes of its command queue, in order.
    pub commands: Vec<CommandChange>,
    /// Changes of its part of the data repository, in order.
    pub objects: Vec<ObjectChange>,
    /// What becomes of devices that wait for an operator.
    pub waiting: Vec<WaitingChange>,
    /// The trigger that it answers. Its record is the device's; another trigger of the same key is `CommitError::Conflict`.
    pub trigger: Option<Trigger>,
    /// Changes of the receipts that are awaited of its SMS, in order.
    pub receipts: Vec<ReceiptChange>,
    /// What becomes of the call of DM 1.x that it waits for.
    pub call: CallChange,
    /// Wrong credentials from this source count no more: a right one came from it (M20).
    pub right_from: Option<String>,
    /// What happened; numbered densely by device inside this commit.
    pub events: Vec<Event>,
}

/// A change of the device's own row.
#[derive(Clone, PartialEq, Debug)]
pub enum DeviceChange {
    /// A package or fetch of the device was answered.
    Seen,
    /// A bootstrap completed by this method.
    Bootstrapped(BootstrapMethod),
    /// DevInfo was read: a JSON object.
    DevInfo(String),
    /// An operator set where and when it is called.
    Notify(NotifySettings),
}

/// A change of a credential.
#[derive(Clone, PartialEq, Debug)]
pub enum CredentialChange {
    /// A new one. One that is registered for any device is a conflict of its own, see `CommitError::CredentialTaken`.
    Add(Credential),
    /// It is of this generation from now on, and waits for nobody any more.
    Promote(CredentialProof, Generation),
    /// It was used.
    Used(CredentialProof),
    /// It waits for an operator.
    Hold(CredentialProof),
    /// No card, image or URL is to bring it back any more.
    EndEscrow(CredentialProof),
    /// It opens nothing any more.
    Revoke(CredentialProof),
    /// What is sealed in it from now on.
    Reseal(CredentialProof, Vec<u8>),
    /// A wrong bootstrap code was tried: one try less for every code of the device.
    WrongCode,
}

/// A change of a bootstrap record.
#[derive(Clone, PartialEq, Debug)]
pub enum BootstrapChange {
    /// A new record with its sealed document.
    Create(Box<BootstrapRecord>, Vec<u8>),
    /// The record as it is now; its document stays.
    Update(Box<BootstrapRecord>),
}

/// A change of the device's command queue.
#[derive(Clone, PartialEq, Debug)]
pub enum CommandChange {
    /// A new one at the end of the queue. The store numbers it.
    Add {
        /// Names it.
        id: CommandId,
        /// Name and parameters.
        words: Vec<String>,
    },
    /// The command as it is now; one that ended does not change any more. Words, number and `queued_at` stay.
    Update(Box<QueuedCommand>),
}

/// A change of the device's part of the data repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObjectChange {
    /// Stored under its path, in place of what was there, whose pieces go. Content in pieces is to be there whole, else the delta is a contradiction.
    Put(Object),
    /// What is stored under this path goes with its pieces, if there is anything.
    Remove(String),
}

/// What becomes of a running session of the device.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionChange {
    /// All stay as they are.
    Keep,
    /// This is it now, in place of any other of its generation.
    Set(SessionRow),
    /// There is none of this generation.
    End(DmGeneration),
}

/// A mark that nobody waits for: rides on the device's next commit, or leaves within a second (DESIGN §5). May be lost with the process; then the
/// state is the earlier one.
#[derive(Clone, PartialEq, Debug)]
pub enum DeferredMark {
    /// The record's document left to the device.
    Fetched {
        /// The device.
        dev_id: DevId,
        /// The record.
        record: RecordId,
        /// When.
        at: Utc,
        /// The event to append if this is the record's first fetch.
        event: Event,
    },
    /// A request was refused before any session; the event alone.
    Refused {
        /// The device the refusal is about, where a record names it.
        dev_id: Option<DevId>,
        /// When.
        at: Utc,
        /// What happened.
        event: Event,
    },
    /// A wrong credential, to be counted by every node and after a restart; no event.
    FailedCred(FailedCred),
}

impl DeferredMark {
    /// The device it is about, where a record names it.
    #[must_use]
    pub const fn dev_id(&self) -> Option<&DevId> {
        match self {
            Self::Fetched { dev_id, .. } | Self::FailedCred(FailedCred { dev_id, .. }) => {
                Some(dev_id)
            }
            Self::Refused { dev_id, .. } => dev_id.as_ref(),
        }
    }

    /// Whether an event comes with it.
    #[must_use]
    pub const fn tells(&self) -> bool {
        match self {
            Self::Fetched { .. } | Self::Refused { .. } => true,
            Self::FailedCred(_) => false,
        }
    }
}

impl CommandChange {
    /// What it adds to the device's count of open commands.
    #[must_use]
    pub fn opens(&self) -> i64 {
        match self {
            Self::Add { .. } => 1,
            Self::Update(command) if command.state.is_open() => 0,
            Self::Update(_) => -1,
        }
    }
}

impl ExchangeDelta {
    /// A delta that changes nothing yet.
    #[must_use]
    pub const fn new(dev_id: DevId, expected: Option<DeviceEpoch>, at: Utc) -> Self {
        Self {
            dev_id,
            expected,
            at,
            device: Vec::new(),
            credentials: Vec::new(),
            bootstraps: Vec::new(),
            session: SessionChange::Keep,
            commands: Vec::new(),
            objects: Vec::new(),
            waiting: Vec::new(),
            trigger: None,
            receipts: Vec::new(),
            call: CallChange::Keep,
            right_from: None,
            events: Vec::new(),
        }
    }
}
