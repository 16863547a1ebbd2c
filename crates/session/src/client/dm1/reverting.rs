//! Going back to the set before the last bootstrap, once the server was met with it (`dm1x.md` M25).

use omadm_bootstrap::plan::dm1::plan_revert;
use omadm_bootstrap::{DeviceView, Utc};
use omadm_mo::TreeVersion;

use super::effect::{Dm1Effect, Dm1Outcome, Dm1SessionEvent};
use super::machine::{State, Talk};
use super::run::Run;
use crate::client::Cause;

/// How often the plan is made again because the tree changed under it.
const REPLANS: u8 = 3;

/// The message that proved the server, and waits until the former set is restored.
pub(super) struct Reverting {
    run: Run,
    replans: u8,
}

impl Talk {
    /// The server proved itself with the former set. What it sent is carried out on an account that has that set again: a command may change it at once.
    pub(super) fn revert(&mut self, now: Utc, view: &dyn DeviceView, run: Run) {
        if !self.taken {
            // It did not say that it believed us: both have to be met.
            return self.finish(view, Dm1Outcome::NotBelieved);
        }
        self.plan_revert(now, view, Reverting { run, replans: 0 });
    }

    fn plan_revert(&mut self, now: Utc, view: &dyn DeviceView, reverting: Reverting) {
        let event_id = self.facts.account.provenance.event_id.clone();
        match plan_revert(view, &self.opening.server, event_id, Some(now)) {
            Ok(Some(plan)) => {
                let id = self.id();
                self.effects.push_back(Dm1Effect::Apply(id, plan));
                self.state = State::Reverting(id, Box::new(reverting));
            }
            Ok(None) => self.finish(view, Dm1Outcome::NoAccount),
            Err(error) => self.finish(view, Dm1Outcome::Lost(Cause::Tree(error))),
        }
    }

    pub(super) fn reverted(
        &mut self,
        now: Utc,
        view: &dyn DeviceView,
        mut reverting: Reverting,
        applied: Result<TreeVersion, Cause>,
    ) {
        match applied {
            Ok(_) => {
                self.reverts = false;
                let server = self.opening.server.clone();
                self.report(Dm1SessionEvent::Reverted { server });
                self.begin(now, view, reverting.run);
            }
            Err(Cause::Stale) if reverting.replans < REPLANS => {
                reverting.replans += 1;
                self.plan_revert(now, view, reverting);
            }
            Err(cause) => self.finish(view, Dm1Outcome::Lost(cause)),
        }
    }
}
