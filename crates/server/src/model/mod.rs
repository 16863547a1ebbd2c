//! What the DM Server remembers, as values: devices with their credentials, bootstrap records, sessions, events.

mod bootstrap_record;
mod credential;
mod delta;
mod device;
mod event;
mod session_row;

pub use bootstrap_record::{BootstrapRecord, BootstrapState, RecordId};
pub use credential::{Credential, CredentialProof, CredentialScope, Generation};
pub use delta::{
    BootstrapChange, CredentialChange, DeferredMark, DeviceChange, ExchangeDelta, SessionChange,
};
pub use device::{Device, DeviceEpoch};
pub use event::{Event, EventKind, StoredEvent};
pub use session_row::SessionRow;
