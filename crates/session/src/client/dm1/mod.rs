//! The client's end of a DM 1.x session: a machine that reads a tree snapshot and asks for effects. The facts are those of `dm1x.md`.

pub mod commands;

mod account_facts;
mod applying;
mod authentication;
mod bootstrap_event;
mod effect;
mod ending;
mod incoming;
mod large_object;
mod live;
mod machine;
mod object_out;
mod opening;
mod outbox;
mod reverting;
mod run;
mod settlement;
mod user_alert;
mod workspace;

pub use effect::{
    Dm1Effect, Dm1Fault, Dm1Input, Dm1Outcome, Dm1Request, Dm1Response, Dm1SessionEvent,
};
pub use machine::Dm1ClientSession;
pub use opening::{Dm1Limits, Dm1Opening, Dm1Reason, Dm1Set};
pub use user_alert::{UserAlert, UserAlertKind, UserAnswer, UserOptions};
pub use workspace::Workspace;
