//! What the DM Server remembers, as values: devices with their credentials, bootstrap records, sessions, events.

mod allow_entry;
mod awaited_receipt;
mod bootstrap_push;
mod bootstrap_record;
mod credential;
mod delta;
mod deployment;
mod device;
mod event;
mod failed_cred;
mod notify_settings;
mod object;
mod queued_command;
mod repeated_call;
mod session_row;
mod trigger;
mod waiting_device;

pub use allow_entry::AllowEntry;
pub use awaited_receipt::{AwaitedReceipt, ReceiptChange};
pub use bootstrap_push::{BootstrapPush, PushCarrierKind, PushSec, PushSecurity};
pub(crate) use bootstrap_record::of_dm2;
pub use bootstrap_record::{BootstrapRecord, BootstrapState, RecordId};
pub(crate) use credential::psk_octets;
pub use credential::{
    Credential, CredentialProof, CredentialScope, Generation, PskRow, RevokedCertificate,
};
pub use delta::{
    BootstrapChange, CommandChange, CredentialChange, DeferredMark, DeviceChange, ExchangeDelta,
    ObjectChange, SessionChange,
};
pub use deployment::Deployment;
pub use device::{Device, DeviceEpoch};
pub use event::{Event, EventKind, EventLag, StoredEvent};
pub use failed_cred::FailedCred;
pub use notify_settings::NotifySettings;
pub use object::{
    INLINE_OCTETS, Object, ObjectContent, ObjectHead, ObjectOwner, PIECE_OCTETS, Piece,
    RepositoryUse, UploadId,
};
pub(crate) use object::{etag, etag_of};
pub use queued_command::{CommandId, CommandState, QueuedCommand};
pub use repeated_call::{CallChange, RepeatedCall};
pub use session_row::{DmGeneration, SessionRow};
pub use trigger::Trigger;
pub use waiting_device::{WaitingChange, WaitingDevice, WaitingId, WaitingState, WaitingWrite};
