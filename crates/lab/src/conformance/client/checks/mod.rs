//! The checks, in the order in which they run: what the first packages show, then one long session of the first account, then its end and what follows.

mod access;
mod bootstrap;
mod commands;
mod endings;
mod notification;
mod packages;
mod repository;
mod uris;

use super::stand::Stand;
use crate::conformance::check::Step;

type ClientStep = Step<Stand>;

/// Every check.
pub(super) fn all() -> impl Iterator<Item = &'static ClientStep> {
    let tables: [&'static [ClientStep]; 8] = [
        bootstrap::STEPS,
        packages::STEPS,
        commands::STEPS,
        repository::STEPS,
        uris::STEPS,
        access::STEPS,
        endings::STEPS,
        notification::STEPS,
    ];
    tables.into_iter().flatten()
}
