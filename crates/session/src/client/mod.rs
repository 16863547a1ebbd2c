//! The client's end of a DM session: a machine that reads a tree snapshot and asks for effects.

mod address_rule;
mod background;
mod commands;
mod dac_view;
pub mod dm1;
mod effect;
mod live;
mod machine;
mod opening;
mod redirect;
mod rights;

pub use address_rule::AddressRule;
pub use background::{
    ChangeReport, EXEC_COMPLETE, change_report, exec_alert, exec_failed, plan_missing,
};
pub use effect::{
    Cause, Effect, EffectId, Fetched, Input, Outcome, Request, Response, SessionEvent, UploadMethod,
};
pub use live::LiveOverlay;
pub use machine::{ClientSession, Opening, SessionReason};
pub use redirect::{REDIRECTS, redirected};
pub use rights::ServerSight;
