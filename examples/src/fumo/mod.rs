//! FUMO, the Firmware Update MO 1.0, as a plug-in of the DM Client (`dm20.md` §12.5): what a device maker writes for an MO that does something.
//!
//! [`Fumo::object`] is the plug-in itself: what servers read, write and execute. It is called on the client's store thread, so it only notes what is to be
//! done; [`Fumo::run`] does it beside the sessions. Both share one record, which is written down before anything follows from it. So an EXEC outlives the
//! device's death, and its result reaches the server that sent it.

mod firmware;
mod installer;
mod object;
mod record;
mod result_code;
mod state;
mod worker;

pub use firmware::Fumo;
pub use installer::{InstallError, Installer};
pub use object::{FumoObject, MOID};
pub use record::{Record, RecordError};
pub use result_code::ResultCode;
pub use state::{FumoState, Operation, StateEvent};
pub use worker::{Step, WorkError};
