//! The checks, in the order in which they run: what the first packages show, then one long session of the first account, then its end and what follows.

mod access;
mod again;
mod bootstrap;
mod commands;
mod delegation;
mod endings;
mod execution;
mod login;
mod negotiation;
mod notification;
mod packages;
mod push;
mod repository;
mod transport;
mod uris;

pub(super) use again::Again;
pub(super) use push::Pushed;

use super::stand::Stand;
use crate::conformance::check::Step;

type ClientStep = Step<Stand>;

/// Every check.
pub(super) fn all() -> impl Iterator<Item = &'static ClientStep> {
    let tables: [&'static [ClientStep]; 15] = [
        bootstrap::STEPS,
        transport::STEPS,
        packages::STEPS,
        commands::STEPS,
        negotiation::STEPS,
        repository::STEPS,
        uris::STEPS,
        access::STEPS,
        endings::STEPS,
        execution::STEPS,
        login::STEPS,
        delegation::STEPS,
        notification::STEPS,
        again::STEPS,
        push::STEPS,
    ];
    tables.into_iter().flatten()
}
