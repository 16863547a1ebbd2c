//! HTTPS of the client: one connection at a time, kept while origin, credential and trust stay what they were (D79).

mod connection;
mod cookies;
mod login;
mod pool;
mod reach;
mod streaming;
mod target;

pub(crate) use login::Login;
pub(crate) use reach::{Reach, resolve};
pub(crate) use target::{Credential, Target, Trust};

pub(crate) use pool::{Call, Https, HttpsOptions, accept_mo};
