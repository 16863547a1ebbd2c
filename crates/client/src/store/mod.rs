//! The tree store: DM tree, DM Accounts, owed completions and queued alerts in one redb file, every change one durable transaction (DESIGN §6).
//!
//! Tables, all of octet strings: `moids` (a number for each MOID, by which keys are short), `trees` (see `node_key`, `node_value`; before the root of each
//! instance its `instance_row`), `lists` (number of creation, 8 octets: what lists are made from), `counted` (highest MIID per MOID, D72), `accounts` (in
//! the order in which they were added), `shadows` (former credentials of accounts, D82), `alerts` (per server and number), `properties` (see
//! `properties_row`), `facts`.

mod alerts;
mod at_hand;
mod completion;
mod device_tables;
mod device_write;
mod executions;
mod facts;
mod instance_row;
mod node_key;
mod node_value;
mod notifications;
mod open;
mod properties_row;
mod pushed;
mod rights_row;
mod shadow;
mod storage_error;
mod subscriptions;
mod tree_store;
mod upgrade;
mod wap_pushes;

#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod power_cut_card_tests;
#[cfg(test)]
mod power_cut_tests;
#[cfg(test)]
mod tests;

pub use alerts::{MOST_ALERTS, QueuedAlert};
pub use device_tables::{DeviceTables, Snapshot};
pub(crate) use executions::{ExecReport, Execution, ExecutionState};
pub use notifications::OwedNotification;
pub use open::StoreOpenError;
pub use pushed::WaitingPush;
pub use tree_store::TreeStore;
pub use wap_pushes::{MOST_WAP_PUSHES, WaitingWapPush, WapPushKept};
