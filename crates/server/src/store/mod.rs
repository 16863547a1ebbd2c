//! The store: reads in the words of the domain, one write. Back ends lie in folders of their own and pass one battery.

pub mod address;
mod allow_list;
#[cfg(test)]
pub(crate) mod battery;
mod calls;
pub mod check;
pub mod copy;
mod failed_creds;
mod marks;
pub mod migration;
pub mod postgres;
mod reads;
mod receipts;
mod rows;
mod sessions;
mod sql;
pub mod sqlite;
mod statements;
mod uploads;
mod waiting;

use async_trait::async_trait;
use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

use self::copy::side::text;
use crate::model::{
    AllowEntry, AwaitedReceipt, BootstrapRecord, CommandId, Credential, CredentialProof,
    DeferredMark, Deployment, Device, DeviceEpoch, EventLag, ExchangeDelta, FailedCred, Object,
    ObjectHead, ObjectOwner, Piece, PskRow, QueuedCommand, RecordId, RepeatedCall, RepositoryUse,
    RevokedCertificate, SessionRow, StoredEvent, Trigger, UploadId, WaitingDevice, WaitingId,
    WaitingWrite,
};

/// Reads devices and their credentials.
#[async_trait]
pub trait Devices {
    /// The device of this DevID.
    async fn device(&self, dev_id: &DevId) -> Result<Option<Device>, StoreError>;
    /// A page of devices in the order of their DevIDs, after one.
    async fn devices(&self, after: Option<&DevId>, limit: usize)
    -> Result<Vec<Device>, StoreError>;
    /// The credential a proof is registered under, revoked ones included. None for a code: it is found by its device.
    async fn credential(&self, proof: &CredentialProof) -> Result<Option<Credential>, StoreError>;
    /// PSKs that were made known at `added_since` or later and are not revoked, oldest first. `added_at` is of the clock of the node that added one, and
    /// a commit takes time: ask again from some seconds before the last time.
    async fn psks(&self, added_since: Utc) -> Result<Vec<PskRow>, StoreError>;
    /// All credentials of a device, oldest first.
    async fn credentials(&self, dev_id: &DevId) -> Result<Vec<Credential>, StoreError>;
    /// Certificates of the server's own CA that were revoked at `since` or later and have not expired by `now`, oldest revocation first: what its CRL
    /// lists.
    async fn revoked(&self, since: Utc, now: Utc) -> Result<Vec<RevokedCertificate>, StoreError>;
}

/// Reads bootstrap records.
#[async_trait]
pub trait Bootstraps {
    /// The record of this id.
    async fn bootstrap(&self, id: &RecordId) -> Result<Option<BootstrapRecord>, StoreError>;
    /// All records of a device, newest first.
    async fn bootstraps_of(&self, dev_id: &DevId) -> Result<Vec<BootstrapRecord>, StoreError>;
    /// A page of records, newest first, before one.
    async fn bootstraps(
        &self,
        before: Option<&RecordId>,
        limit: usize,
    ) -> Result<Vec<BootstrapRecord>, StoreError>;
    /// The sealed document of a device's record.
    async fn sealed_document(
        &self,
        dev_id: &DevId,
        id: &RecordId,
    ) -> Result<Option<Vec<u8>>, StoreError>;
    /// Records that are not terminal and whose time is over, for the sweep.
    async fn overdue(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError>;
    /// Open records of which a push is due, the longest due first, for the sweep.
    async fn due_pushes(&self, now: Utc, limit: usize) -> Result<Vec<BootstrapRecord>, StoreError>;
}

/// Reads devices that wait for an operator, the allow-list, and triggers.
#[async_trait]
pub trait Admissions {
    /// The waiting device of this id.
    async fn waiting_device(&self, id: &WaitingId) -> Result<Option<WaitingDevice>, StoreError>;
    /// A page of those that wait or were rejected, in the order of their ids, after one.
    async fn waiting_devices(
        &self,
        after: Option<&WaitingId>,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError>;
    /// Those whose time is over, for the sweep.
    async fn waited_too_long(
        &self,
        now: Utc,
        limit: usize,
    ) -> Result<Vec<WaitingDevice>, StoreError>;
    /// The trigger of this idempotency key.
    async fn trigger(&self, key: &str) -> Result<Option<Trigger>, StoreError>;
    /// The entries of the allow-list that may mean this device: those of its DevID, then every one with a `*`.
    async fn allowed(&self, dev_id: &DevId) -> Result<Vec<AllowEntry>, StoreError>;
    /// A page of the allow-list in the order of the ids, after one.
    async fn allow_list(
        &self,
        after: Option<&EventId>,
        limit: usize,
    ) -> Result<Vec<AllowEntry>, StoreError>;
}

/// Reads running sessions, and attempts at some.
#[async_trait]
pub trait Sessions {
    /// The running sessions of a device, one of each generation at most.
    async fn sessions(&self, dev_id: &DevId) -> Result<Vec<SessionRow>, StoreError>;
    /// Devices whose session got no package in time, for the sweep; one with two such sessions twice.
    async fn expired_sessions(&self, now: Utc, limit: usize) -> Result<Vec<DevId>, StoreError>;
    /// Wrong credentials shown for a device's account of DM 1.x after a time, the latest first.
    async fn failed_creds(
        &self,
        dev_id: &DevId,
        after: Utc,
        limit: usize,
    ) -> Result<Vec<FailedCred>, StoreError>;
}

/// Reads command queues.
#[async_trait]
pub trait Queue {
    /// A device's open commands (queued, sent, held) in their order.
    async fn open_commands(&self, dev_id: &DevId) -> Result<Vec<QueuedCommand>, StoreError>;
    /// The command of this id.
    async fn command(
        &self,
        dev_id: &DevId,
        id: &CommandId,
    ) -> Result<Option<QueuedCommand>, StoreError>;
    /// A page of a device's commands, newest first, before a number; without their results, which may be large.
    async fn commands_of(
        &self,
        dev_id: &DevId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<QueuedCommand>, StoreError>;
    /// The newest command of these words whose result came with a cache validator.
    async fn newest_result(
        &self,
        dev_id: &DevId,
        words: &[String],
    ) -> Result<Option<QueuedCommand>, StoreError>;
}

/// Reads the data repository.
#[async_trait]
pub trait Repository {
    /// What a device has under this path.
    async fn object(&self, dev_id: &DevId, path: &str) -> Result<Option<Object>, StoreError>;
    /// A page of a device's objects in the octet order of their paths, after one.
    async fn objects(
        &self,
        dev_id: &DevId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectHead>, StoreError>;
    /// What a device has in the repository under this owner; uploads that are not objects yet do not count.
    async fn repository_use(
        &self,
        dev_id: &DevId,
        owner: ObjectOwner,
    ) -> Result<RepositoryUse, StoreError>;
    /// A piece of an upload. None once the object is replaced or removed.
    async fn piece(
        &self,
        dev_id: &DevId,
        upload: &UploadId,
        nr: u32,
    ) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Whose store it is.
#[async_trait]
pub trait Deployments {
    /// The deployment whose keys fit the store; none before a server first claimed it.
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError>;
    /// Claims a store that nobody has claimed; answers whose it is then.
    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError>;
}

/// Reads the event log, the receipts that are to come into it, and the calls that are to be made again.
#[async_trait]
pub trait Events {
    /// Events after a global position, in order; those without a position yet are not among them.
    async fn events_after(
        &self,
        position: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;
    /// A device's events after a number, in order.
    async fn events_of(
        &self,
        dev_id: &DevId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError>;
    /// The newest SMS of this name at the SMSC of which a receipt is awaited.
    async fn awaited_receipt(&self, message_id: &str)
    -> Result<Option<AwaitedReceipt>, StoreError>;
    /// All of a device.
    async fn awaited_receipts(&self, dev_id: &DevId) -> Result<Vec<AwaitedReceipt>, StoreError>;
    /// The call of DM 1.x that a device waits for.
    async fn call(&self, dev_id: &DevId) -> Result<Option<RepeatedCall>, StoreError>;
    /// Calls of DM 1.x that are to be made again by now, for the sweep.
    async fn due_calls(&self, now: Utc, limit: usize) -> Result<Vec<RepeatedCall>, StoreError>;
    /// How far positions are behind.
    async fn lag(&self) -> Result<EventLag, StoreError>;
}

/// The one way to write.
#[async_trait]
pub trait Commit {
    /// Commits a delta as a whole. Once submitted it finishes even if the caller is dropped. `Committed` means durable.
    async fn commit(&self, delta: ExchangeDelta) -> Result<Committed, CommitError>;
    /// Makes a piece of an upload durable. Its device's epoch stays.
    async fn put_piece(&self, piece: Piece) -> Result<(), CommitError>;
    /// Gives an upload up that did not become an object; its pieces go.
    async fn give_up_upload(&self, dev_id: &DevId, upload: &UploadId) -> Result<(), CommitError>;
    /// Gives up all uploads of which nothing came since.
    async fn sweep_uploads(&self, since: Utc) -> Result<(), CommitError>;
    /// Forgets wrong credentials of before.
    async fn sweep_failed_creds(&self, before: Utc) -> Result<(), CommitError>;
    /// Makes durable what becomes of a waiting device, or of the allow-list. No device has an epoch for it.
    async fn write_waiting(&self, write: WaitingWrite) -> Result<(), CommitError>;
    /// Hands over a mark that nobody waits for.
    fn defer(&self, mark: DeferredMark);
    /// Writes out what was deferred, waits for it, and until every event committed before has its position.
    async fn flush(&self) -> Result<(), StoreError>;
    /// How many durable commits there were since the start, deferred marks that left alone included.
    fn commits(&self) -> CommitCounts;
    /// How many deltas are under way or wait to be written: `Retry-After` grows with it.
    fn backlog(&self) -> usize;
}

/// Whether a store with this deployment is the target of a copy that did not end.
pub(crate) fn is_unfinished_copy(deployment: &Deployment) -> bool {
    let Deployment { ca, sealing_key } = deployment;
    let row = vec![statements::Value::Number(1), text(ca), text(sealing_key)];
    copy::is_unfinished(&row)
}

/// A back end.
pub trait Store:
    Devices
    + Bootstraps
    + Admissions
    + Sessions
    + Queue
    + Repository
    + Deployments
    + Events
    + Commit
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Devices
        + Bootstraps
        + Admissions
        + Sessions
        + Queue
        + Repository
        + Deployments
        + Events
        + Commit
        + Send
        + Sync
{
}

/// A delta is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The device's epoch now.
    pub epoch: DeviceEpoch,
}

/// Counts of durable commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommitCounts {
    /// Deltas that were committed.
    pub deltas: u64,
    /// Deferred marks that changed something without riding on a delta of their device.
    pub deferred: u64,
    /// Commits of the database: one may carry many deltas.
    pub transactions: u64,
}

/// Why a delta was not committed. Nothing of it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitError {
    /// The device moved on since the delta was made: reload and decide again.
    #[error("the device changed in the meantime")]
    Conflict,
    /// The device that was to be registered exists.
    #[error("the device exists already")]
    DeviceExists,
    /// The certificate or the name is registered, for this device or another.
    #[error("the credential is registered already")]
    CredentialTaken,
    /// The delta contradicts itself or the store: it names a credential or record that the device does not have, or adds one that exists. Its maker is
    /// at fault; trying again does not help.
    #[error("the delta contradicts the store: {0}")]
    Contradiction(&'static str),
    /// As many devices wait for an operator as may.
    #[error("as many devices wait for an operator as may")]
    NoPlace,
    /// No device waits under this id any more, or no entry of the allow-list has it.
    #[error("nothing is there under this id")]
    NotWaiting,
    /// More deltas wait than the queue holds: the measured capacity (503).
    #[error("the store is at its capacity")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store failed. The environment is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// No room is left.
    #[error("the store has no room left ({0})")]
    NoRoom(String),
    /// Another process holds the file.
    #[error("{0} is in use by another process")]
    Locked(String),
    /// The file is no store of this program, or damaged. It is never recreated.
    #[error("{0} is not a sound store: {1}")]
    Corrupt(String, String),
    /// A newer program made it.
    #[error("{0} was made by a newer version (schema {1})")]
    Newer(String, i64),
    /// The database does not answer now, or gave a transaction up; it may answer again by itself. Whether a commit that was under way took place is
    /// not known. The environment is at fault (503).
    #[error("{0} does not answer now: {1}")]
    Unavailable(String, String),
    /// The address names no store, or asks for what this program does not do.
    #[error("{0} cannot be used: {1}")]
    Address(String, String),
    /// User or password are wrong.
    #[error("{0} does not let this server in: {1}")]
    Login(String, String),
    /// There is no such database.
    #[error("{0}: there is no such database")]
    NoDatabase(String),
    /// The user lacks a right.
    #[error("{0}: a right is missing: {1}")]
    MissingRight(String, String),
    /// It takes no writes: a standby, or set read-only.
    #[error("{0} is read-only: {1}")]
    ReadOnly(String, String),
    /// Its schema is of an older version, 0 where there is none; only `store migrate` changes that.
    #[error("{0} has schema {1}, this version needs {2}")]
    Unmigrated(String, i64, i64),
    /// Other keys belong to it.
    #[error("{0} belongs to another deployment: {1}")]
    Foreign(String, String),
    /// The operating system or database failed.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// What an operator can do about it: one sentence.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoRoom(_) => "make room and start it again",
            Self::Locked(_) => "stop the server that has it open, and start it again",
            Self::Corrupt(..) => {
                "check the address; put the store back from a backup if it is the right one"
            }
            Self::Newer(..) => "use the omadm that made it, or a newer one",
            Self::Unavailable(..) => "start it again when the database answers",
            Self::Address(..) => "mend the address",
            Self::Login(..) => "mend user or password; PGPASSWORD serves as well",
            Self::NoDatabase(_) => "create the database, then omadm store migrate",
            Self::MissingRight(..) => "let the database's owner grant it",
            Self::ReadOnly(..) => "name the primary, or let this user write to the database",
            Self::Unmigrated(..) => "omadm store migrate makes or upgrades the schema",
            Self::Foreign(..) => "name the store of this deployment",
            Self::Failed(_) | Self::Closed => "mend what it says, and start it again",
        }
    }
}
