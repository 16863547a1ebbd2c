use omadm_dm1::syncml::{AlertCode, Command, Group, StatusCode};

use super::super::workspace::Workspace;
use super::outcome::CommandOutcome;
use super::{Answer, At, Paused, Progress, Server};

/// A `Sequence` whose member behind `next` waits.
#[derive(Clone, Debug)]
pub(super) struct SequencePaused {
    group: Group,
    done: Vec<CommandOutcome>,
    next: usize,
    member: Paused,
}

impl Server<'_> {
    /// `Atomic`: every member, or none.
    pub(super) fn atomic(
        self,
        workspace: &mut Workspace<'_>,
        atomic: &Command,
        group: &Group,
    ) -> Vec<CommandOutcome> {
        let inside = Server {
            in_atomic: true,
            ..self
        };
        let before = workspace.savepoint();
        let mut outcomes = vec![CommandOutcome::of(atomic, StatusCode::OK)];
        let mut members = group.members.iter();
        let mut failed = false;
        for member in members.by_ref() {
            let done = inside.member(workspace, member);
            failed = done.iter().any(|one| !one.code.is_success());
            outcomes.extend(done);
            if failed {
                break;
            }
        }
        if !failed {
            return outcomes;
        }
        let undone = match workspace.roll_back(before) {
            Ok(()) => StatusCode::ROLLED_BACK,
            Err(_) => StatusCode::ROLL_BACK_FAILED,
        };
        for one in outcomes.iter_mut().filter(|one| one.code.is_success()) {
            one.code = undone;
            one.items.clear();
        }
        if let Some(own) = outcomes.first_mut() {
            own.code = StatusCode::ATOMIC_FAILED;
        }
        for member in members {
            outcomes.push(CommandOutcome::of(member, StatusCode::NOT_EXECUTED));
            not_executed(member, &mut outcomes);
        }
        outcomes
    }

    /// A command inside an Atomic: nothing of it waits.
    fn member(self, workspace: &mut Workspace<'_>, member: &Command) -> Vec<CommandOutcome> {
        match self.begin(workspace, member) {
            Progress::Done(outcomes) => outcomes,
            Progress::Wait(..) => vec![CommandOutcome::of(member, StatusCode::NOT_SUPPORTED)],
        }
    }

    /// `Sequence`: every member in turn, until the user rejects something.
    pub(super) fn sequence(self, workspace: &mut Workspace<'_>, group: &Group) -> Progress {
        self.members(workspace, group.clone(), Vec::new(), 0)
    }

    pub(super) fn sequence_goes_on(
        self,
        workspace: &mut Workspace<'_>,
        paused: SequencePaused,
        answer: Answer,
    ) -> Progress {
        let SequencePaused {
            group,
            mut done,
            next,
            member,
        } = paused;
        match self.resume(workspace, member, answer) {
            Progress::Wait(need, member) => {
                let paused = SequencePaused {
                    group,
                    done,
                    next,
                    member,
                };
                Progress::Wait(need, Paused::at(At::Sequence(paused)))
            }
            Progress::Done(outcomes) => {
                let stops = self.stops(group.members.get(next), &outcomes);
                done.extend(outcomes);
                let next = if stops {
                    skip(&group, next + 1, &mut done)
                } else {
                    next + 1
                };
                self.members(workspace, group, done, next)
            }
        }
    }

    fn members(
        self,
        workspace: &mut Workspace<'_>,
        group: Group,
        mut done: Vec<CommandOutcome>,
        mut next: usize,
    ) -> Progress {
        while let Some(member) = group.members.get(next) {
            match self.begin(workspace, member) {
                Progress::Wait(need, member) => {
                    let paused = SequencePaused {
                        group,
                        done,
                        next,
                        member,
                    };
                    return Progress::Wait(need, Paused::at(At::Sequence(paused)));
                }
                Progress::Done(outcomes) => {
                    let stops = self.stops(Some(member), &outcomes);
                    done.extend(outcomes);
                    next += 1;
                    if stops {
                        next = skip(&group, next, &mut done);
                    }
                }
            }
        }
        let sequence = Command::Sequence(group);
        let mut outcomes = vec![CommandOutcome::of(&sequence, StatusCode::OK)];
        outcomes.append(&mut done);
        Progress::Done(outcomes)
    }

    /// Whether what follows in a sequence stays undone: the user said no, gave no answer, or could not be asked for a yes; inside an Atomic after any failure.
    fn stops(self, member: Option<&Command>, outcomes: &[CommandOutcome]) -> bool {
        let failed = outcomes.iter().any(|one| !one.code.is_success());
        let Some(Command::Alert(alert)) = member else {
            return failed && self.in_atomic;
        };
        let rejected = [
            StatusCode::NOT_MODIFIED,
            StatusCode::CANCELLED,
            StatusCode::TIMED_OUT,
        ];
        let is_question = alert.code == Some(AlertCode::CONFIRM_OR_REJECT);
        failed && (is_question || outcomes.iter().any(|one| rejected.contains(&one.code)))
    }
}

/// The members from here on are not executed.
fn skip(group: &Group, from: usize, outcomes: &mut Vec<CommandOutcome>) -> usize {
    for member in group.members.iter().skip(from) {
        outcomes.push(CommandOutcome::of(member, StatusCode::NOT_EXECUTED));
        not_executed(member, outcomes);
    }
    group.members.len()
}

/// Nothing inside this command is executed: 215 for each member.
pub(super) fn not_executed(command: &Command, outcomes: &mut Vec<CommandOutcome>) {
    if let Command::Atomic(group) | Command::Sequence(group) = command {
        skip(group, 0, outcomes);
    }
}
