//! The checks, in the order in which they run: the bootstrap comes first, since a completed device may be refused another.

mod alerts;
mod bootstrap;
mod commands;
mod identity;
mod json;
mod negotiation;
mod notification;
mod packages;
mod results;
mod transport;

use super::ServerKit;
use crate::conformance::check::Step;

type ServerStep = Step<ServerKit>;

/// Every check.
pub(super) fn all() -> impl Iterator<Item = &'static ServerStep> {
    let tables: [&'static [ServerStep]; 10] = [
        bootstrap::STEPS,
        packages::STEPS,
        json::STEPS,
        alerts::STEPS,
        results::STEPS,
        negotiation::STEPS,
        identity::STEPS,
        transport::STEPS,
        commands::STEPS,
        notification::STEPS,
    ];
    tables.into_iter().flatten()
}
