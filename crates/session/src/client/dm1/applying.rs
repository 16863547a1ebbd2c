//! What follows the plan of a message: applied or not, then its answer (`dm1x.md` M04, M18).

use omadm_bootstrap::plan::TreePlan;
use omadm_bootstrap::{DeviceView, Utc};
use omadm_dm1::syncml::{AlertCode, Command, StatusCode};
use omadm_mo::{TreeError, TreeVersion};

use super::commands::{Answer, Need};
use super::effect::{Dm1Effect, Dm1Outcome, Dm1SessionEvent};
use super::machine::{State, Talk};
use super::outbox::Outgoing;
use super::run::{Asked, Run, Then, Wait, with_code};
use crate::client::Cause;

/// How often a plan is made again because the tree changed under it.
const REPLANS: u8 = 3;

impl Talk {
    /// Goes on once a plan is applied or was not.
    pub(super) fn applied(
        &mut self,
        now: Utc,
        view: &dyn DeviceView,
        mut run: Run,
        then: Then,
        applied: Result<TreeVersion, Cause>,
    ) {
        let cause = match (applied, &then) {
            (Ok(_), _) => return self.then(now, view, run, then),
            (Err(cause), Then::ReplyAnyway) => return self.finish(view, Dm1Outcome::Lost(cause)),
            (Err(cause), _) => cause,
        };
        if cause == Cause::Stale && run.replans < REPLANS {
            run.replans += 1;
            run.commands = run.segment.commands.clone();
            run.answers.truncate(run.segment.answers);
            run.resumes = run.segment.resumes.clone();
            self.object = run.segment.object.clone();
            return self.go_on(now, view, run);
        }
        self.fail(&mut run, &cause);
        match then {
            Then::Need(..) | Then::Ask(_, Asked::Member(_)) => {
                let code = failure(&cause);
                let status = run.current.take().map(|status| with_code(status, code));
                run.answers.extend(status.map(Outgoing::of));
                self.go_on(now, view, run);
            }
            Then::Ask(_, asked @ Asked::Alert(_)) => {
                self.answer_user(&mut run, asked, failure(&cause), Vec::new());
                self.go_on(now, view, run);
            }
            Then::Reply | Then::ReplyAnyway => {
                // What the message settles is stored all the same, or nothing of it is told (M18).
                let mut plan = TreePlan::at(view.version());
                let added = run.settlement.add_to(&mut plan, view, &self.facts);
                if added.is_err() {
                    return self.finish(view, Dm1Outcome::Lost(cause));
                }
                if plan.is_empty() {
                    return self.reply(view, run);
                }
                let id = self.id();
                self.effects.push_back(Dm1Effect::Apply(id, plan));
                run.wait = Wait::Apply(id, Then::ReplyAnyway);
                self.state = State::Running(Box::new(run));
            }
        }
    }

    /// Nothing of the segment was applied: none of its commands is told to have been carried out.
    fn fail(&self, run: &mut Run, cause: &Cause) {
        let code = failure(cause);
        let done = run.answers.split_off(run.segment.answers);
        for mut outgoing in done {
            match &mut outgoing.command {
                Command::Results(_) => continue,
                Command::Status(status) if status.code.is_some_and(StatusCode::is_success) => {
                    status.code = Some(code);
                    status.items.clear();
                }
                _ => {}
            }
            run.answers.push(outgoing);
        }
    }

    pub(super) fn then(&mut self, now: Utc, view: &dyn DeviceView, mut run: Run, then: Then) {
        let id = self.id();
        match then {
            Then::Reply | Then::ReplyAnyway => return self.reply(view, run),
            Then::Need(Need::Live(at), paused) => {
                self.effects.push_back(Dm1Effect::ReadLive(id, at));
                run.wait = Wait::Live(id, Some(paused));
            }
            Then::Need(Need::Exec(at, correlator), paused) => {
                self.effects.push_back(Dm1Effect::Exec(id, at, correlator));
                run.wait = Wait::Exec(id, paused);
            }
            Then::Need(Need::Alert(_), paused) => {
                let refused = Answer::Alert(StatusCode::NOT_SUPPORTED, Vec::new());
                run.resumes = Some((paused, refused));
                return self.go_on(now, view, run);
            }
            Then::Ask(alert, asked) => {
                self.effects
                    .push_back(Dm1Effect::AskUser(id, alert.clone()));
                run.wait = Wait::User(id, alert, asked);
            }
        }
        self.state = State::Running(Box::new(run));
    }

    /// Answers the message, or ends the session where nothing is due.
    fn reply(&mut self, view: &dyn DeviceView, run: Run) {
        let owed = self
            .account(view)
            .is_some_and(|account| account.owed.is_some());
        if let Some(&(_, state)) = run.settlement.event.as_ref().filter(|_| !owed) {
            let server = self.opening.server.clone();
            self.report(Dm1SessionEvent::EventSettled { server, state });
        }
        for outgoing in &run.answers {
            if let Command::Status(status) = &outgoing.command {
                let event = Dm1SessionEvent::Command {
                    name: status.cmd.clone().unwrap_or_default(),
                    targets: status.target_refs.clone(),
                    status: status.code.unwrap_or(StatusCode::COMMAND_FAILED),
                };
                self.report(event);
            }
        }
        if run.aborts {
            return self.finish(view, Dm1Outcome::Aborted);
        }
        let due = self.is_due(&run);
        for outgoing in run.answers {
            self.outbox.push(outgoing);
        }
        if !due {
            let outcome = Dm1Outcome::Ended {
                server_proven: true,
            };
            return self.finish(view, outcome);
        }
        let mut first = self.header_status(StatusCode::OK);
        if let Some((code, hand_over)) = run.accepted {
            first.code = Some(code);
            first.chal = hand_over.map(|over| over.chal);
        }
        let last = (!run.r#final).then_some(AlertCode::NEXT_MESSAGE);
        self.send(view, Some(first), last, run.r#final, None);
    }
}

/// The status of commands whose plan was not applied.
const fn failure(cause: &Cause) -> StatusCode {
    match cause {
        Cause::Tree(TreeError::NoRoom) => StatusCode::DEVICE_FULL,
        Cause::Tree(_) => StatusCode::STORE_FAILURE,
        _ => StatusCode::COMMAND_FAILED,
    }
}
