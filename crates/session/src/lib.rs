//! The DM session without I/O: the client is a machine that asks for effects, the server a reducer over stored state (DESIGN §3).
//!
//! `client` and `server` mirror each other. Time, entropy and the tree are arguments; [`pair`] runs both ends against each other under virtual time.

pub mod client;
pub mod pair;
pub mod server;
