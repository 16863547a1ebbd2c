//! A DM message: `SyncML` with its header, commands, statuses and results (§1.2 to §1.8).
//!
//! Written strictly, in the order of the content models; read in any order, with what §1.11 (M13) tolerates. What a command targets, what authenticates it
//! and its limits are never guessed.

mod alert;
mod command;
mod data;
mod header;
mod item;
mod message;
mod meta;
mod read;
mod status;
mod status_code;
mod write;

pub use alert::{Alert, AlertCode};
pub use command::{CmdId, Command, Exec, Group, Named, NodeCommand, Results};
pub use data::Data;
pub use header::{Cred, Location, SyncHdr, VER_DTD, VER_PROTO};
pub use item::Item;
pub use message::{Encoding, Message};
pub use meta::Meta;
pub use read::{MAX_ITEMS, MessageFault, UnreadableMessage};
pub use status::{Chal, Status};
pub use status_code::{Fault, StatusCode};
