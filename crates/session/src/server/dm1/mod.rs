//! The server's end of a DM 1.x session (`dm1x.md` §1, §3, §6): a reducer over stored state, like that of DM 2.0.
//!
//! The rim reads a message with [`identify`], loads account and session by what that says, calls [`advance`], commits state and delta, and answers. Sections
//! named without a file are of `dm1x.md`.

mod advance;
mod alerts;
mod answer;
mod causes;
mod challenge;
mod device_model;
mod facts;
mod generations;
mod identified;
mod object_in;
mod opening;
mod own_proof;
mod proof;
mod received;
mod rotation;
mod sending;
mod state;
mod step;
mod turn;

pub use advance::advance;
pub use causes::{
    AbortReason, Aborter, ChallengeCause, Dm1Refusal, HeldCause, Irregularity, MessageRefusal,
    NotSentCause,
};
pub use device_model::{
    AppAuthNames, DevInfoPattern, DeviceModel, ImsiKeyForm, NonceForm, Quirks, RespUriUse,
    ResyncNonceForm, SessionIdForm,
};
pub use facts::{
    AccountFacts, Brought, ClientNonces, Dm1Limits, Failures, KeptSecret, LastEvent, ServerFacts,
    ServerSide, WantedCommand1,
};
pub use generations::take_recovery_back;
pub use identified::{Identified, identify};
pub use state::{Dm1SessionState, Dm1SessionStateError, token_hash};
pub use step::{
    BootstrapReport, Channel, CommandOutcome1, Direction, Dm1Delta, Dm1Event, Dm1Reply, Dm1Step,
    MessageIn, Outcome, OwnCommand1, OwnOutcome1, ReceivedAlert, ResultItem,
};
