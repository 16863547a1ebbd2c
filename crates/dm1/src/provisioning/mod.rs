//! Client provisioning: a `wap-provisioningdoc` and the application `w7`, which is a DM account (§5.3, `push.md` §6).

mod document;
mod w7;

pub use document::{Characteristic, Parm, ProvisioningDocument, ProvisioningFault};
pub use w7::{AddrType, AppAddr, AppAuth, AuthLevel, Connectivity, W7, W7Fault};
