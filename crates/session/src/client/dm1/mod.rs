//! The client's end of a DM 1.x session: a machine that reads a tree snapshot and asks for effects. The facts are those of `dm1x.md`.

pub mod commands;

mod effect;
mod opening;
mod user_alert;
mod workspace;

pub use effect::{
    Dm1Effect, Dm1Fault, Dm1Input, Dm1Outcome, Dm1Request, Dm1Response, Dm1SessionEvent,
};
pub use opening::{Dm1Limits, Dm1Opening, Dm1Reason, Dm1Set};
pub use user_alert::{UserAlert, UserAlertKind, UserAnswer, UserOptions};
pub use workspace::Workspace;
