//! What a server that has proven itself asks for, one message at a time: `dm1x.md` §1.5, M04, M18, M27.
//!
//! A message's changes are one plan, applied before its statuses leave. Only what has to be in the tree before a node is executed or the user is asked is
//! applied before that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use omadm_bootstrap::{Account, CompletionState, DeviceView, Utc};
use omadm_dm1::credential::Nonce;
use omadm_dm1::syncml::{
    Alert, AlertCode, Command, Item, Message, Meta, Results, Status, StatusCode,
};
use omadm_mo::standard::{dev_detail, dev_info1};
use omadm_mo::{Miid, Moid, Node, TreeError};

use super::authentication::{HandOver, Judgement};
use super::bootstrap_event::plain;
use super::commands::{self, Answer, CommandOutcome, Need, Paused, Progress};
use super::effect::{Dm1Effect, Dm1Input, Dm1Outcome, Dm1SessionEvent};
use super::incoming::{answer, is_abort};
use super::large_object::{ObjectIn, Taken};
use super::live::live_instances;
use super::machine::{State, Talk};
use super::object_out::tellable;
use super::outbox::{About, Outgoing};
use super::settlement::Settlement;
use super::user_alert::{UserAlert, UserAnswer};
use super::workspace::Workspace;
use crate::client::{Cause, EffectId};

/// A message that is being carried out.
pub(super) struct Run {
    pub(super) judgement: Judgement,
    pub(super) r#final: bool,
    pub(super) aborts: bool,
    pub(super) statuses: Vec<Status>,
    pub(super) commands: VecDeque<Command>,
    /// What is told of it, without the status of the header.
    pub(super) answers: Vec<Outgoing>,
    pub(super) settlement: Settlement,
    /// Status and nonce for the server's credential, once it is known that a message is due.
    pub(super) accepted: Option<(StatusCode, Option<HandOver>)>,
    pub(super) live: BTreeMap<(Moid, Miid), Node>,
    /// Status of the command that is begun, as if it had succeeded.
    pub(super) current: Option<Command>,
    /// The command that waits, with the answer it waited for.
    pub(super) resumes: Option<(Paused, Answer)>,
    pub(super) segment: Segment,
    pub(super) wait: Wait,
    pub(super) replans: u8,
}

/// Where a plan begins: what it is made anew from where the tree changed under it.
#[derive(Clone, Default)]
pub(super) struct Segment {
    pub(super) commands: VecDeque<Command>,
    pub(super) answers: usize,
    pub(super) object: ObjectIn,
    pub(super) resumes: Option<(Paused, Answer)>,
}

pub(super) enum Wait {
    Nothing,
    Live(EffectId, Option<Paused>),
    Apply(EffectId, Then),
    Exec(EffectId, Paused),
    User(EffectId, UserAlert, Asked),
}

/// What follows once a plan is applied.
pub(super) enum Then {
    Need(Need, Paused),
    Ask(UserAlert, Asked),
    Reply,
    /// The commands' plan was not applied, this one holds what the message settles.
    ReplyAnyway,
}

/// Who asks the user.
#[derive(Clone)]
pub(super) enum Asked {
    /// An alert of its own.
    Alert(Alert),
    /// A member of a group.
    Member(Paused),
}

/// Where the commands of a segment stopped.
enum Stop {
    End,
    Need(Need, Paused),
    Ask(UserAlert, Asked),
}

impl Run {
    pub(super) fn new(judgement: Judgement, message: Message, nonce: Option<Nonce>) -> Self {
        let aborts = message.commands.iter().any(is_abort);
        let mut statuses = Vec::new();
        let mut commands = VecDeque::new();
        for command in message.commands {
            match command {
                Command::Status(status) => statuses.push(status),
                command => commands.push_back(command),
            }
        }
        if aborts {
            commands.clear();
        }
        Self {
            judgement,
            r#final: message.r#final,
            aborts,
            statuses,
            commands,
            answers: Vec::new(),
            settlement: Settlement {
                client_nonce: nonce,
                ..Settlement::default()
            },
            accepted: None,
            live: BTreeMap::new(),
            current: None,
            resumes: None,
            segment: Segment::default(),
            wait: Wait::Nothing,
            replans: 0,
        }
    }
}

impl Talk {
    /// Takes the statuses of a message, then its commands.
    pub(super) fn begin(&mut self, now: Utc, view: &dyn DeviceView, mut run: Run) {
        run.settlement.session = self.session;
        run.settlement.mutual = self.taken;
        run.settlement.last_type = self.client.used();
        run.settlement.encoding = self.other_encoding_tried.then_some(self.encoding);
        if let Some(event) = self.withheld.take().filter(|_| self.taken) {
            // It goes on where the event is left out: so it cannot take the event (§6.3).
            run.settlement.event = Some((event, CompletionState::Unsupported));
        }
        for status in std::mem::take(&mut run.statuses) {
            self.takes_status(&mut run, &status);
        }
        // The device's own objects are nowhere else.
        let opening = &self.opening;
        let own = [
            (dev_info1::moid(), opening.dev_info.to_node()),
            (dev_detail::moid(), opening.dev_detail.to_node()),
        ];
        run.live = own
            .map(|(moid, node)| ((moid, Miid::counted(1)), node))
            .into();
        let live = live_instances(view, &self.layout, &self.opening.live, run.commands.iter());
        if live.is_empty() {
            self.go_on(now, view, run);
        } else {
            let id = self.id();
            self.effects.push_back(Dm1Effect::ReadLive(id, live));
            run.wait = Wait::Live(id, None);
            self.state = State::Running(Box::new(run));
        }
    }

    /// M04: by reference only, in any order, also of an earlier message (M06).
    fn takes_status(&mut self, run: &mut Run, status: &Status) {
        let Some(code) = status.code.filter(|_| !status.is_of_header()) else {
            return;
        };
        let msg_id = status.msg_ref.unwrap_or_else(|| self.last_msg_id());
        let Some(cmd_ref) = status.cmd_ref.clone() else {
            return;
        };
        let key = (msg_id, cmd_ref);
        let Some(about) = self.refs.remove(&key) else {
            return;
        };
        match about {
            About::Nothing => {}
            About::Event => {
                if let (Some(event), Some(state)) = (self.event.clone(), self.event_state(code)) {
                    run.settlement.event = Some((event, state));
                } else {
                    self.refs.insert(key, about);
                }
            }
            About::Alert(index) => self.alert_answered(index, code),
            About::Chunk(_) if code.is_success() => {}
            About::Chunk(alert) => {
                self.outbox.drop_object();
                if let Some(index) = alert {
                    self.alert_answered(index, code);
                }
            }
        }
    }

    /// A status of one of the alerts that the session was opened with: for good, unless it says that the alert may be taken later.
    fn alert_answered(&mut self, index: usize, status: StatusCode) {
        if !matches!(status.0, 401 | 407 | 408 | 417 | 500..) {
            self.report(Dm1SessionEvent::AlertAnswered { index, status });
        }
    }

    /// Takes what an effect brought.
    pub(super) fn resume(
        &mut self,
        now: Utc,
        view: &dyn DeviceView,
        mut run: Run,
        input: Dm1Input,
    ) {
        match (std::mem::replace(&mut run.wait, Wait::Nothing), input) {
            (Wait::Live(id, paused), Dm1Input::ReadLiveDone(done, read)) if id == done => {
                let read = read.unwrap_or_default();
                let read = read
                    .into_iter()
                    .map(|(at, node)| ((at.moid, at.miid), node));
                run.live.extend(read);
                if let Some(paused) = paused {
                    run.resumes = Some((paused, Answer::Live(run.live.clone())));
                }
                self.go_on(now, view, run);
            }
            (Wait::Exec(id, paused), Dm1Input::ExecDone(done, outcome)) if id == done => {
                run.resumes = Some((paused, Answer::Exec(outcome)));
                self.go_on(now, view, run);
            }
            (Wait::User(id, alert, asked), Dm1Input::UserAnswered(done, given)) if id == done => {
                self.told(&mut run, &alert, asked, &given);
                self.go_on(now, view, run);
            }
            (Wait::Apply(id, then), Dm1Input::ApplyDone(done, applied)) if id == done => {
                self.applied(now, view, run, then, applied);
            }
            (wait, _) => {
                run.wait = wait;
                self.state = State::Running(Box::new(run));
            }
        }
    }

    /// What the user said to an alert.
    fn told(&self, run: &mut Run, alert: &UserAlert, asked: Asked, given: &UserAnswer) {
        let (code, items) = alert.status(given);
        self.answer_user(run, asked, code, items);
    }

    pub(super) fn answer_user(
        &self,
        run: &mut Run,
        asked: Asked,
        code: StatusCode,
        items: Vec<Item>,
    ) {
        match asked {
            Asked::Member(paused) => run.resumes = Some((paused, Answer::Alert(code, items))),
            Asked::Alert(alert) => {
                let command = Command::Alert(alert);
                let mut status = answer(&self.header_status(code), &command, code);
                if let Command::Status(status) = &mut status {
                    status.items = items;
                }
                run.answers.push(Outgoing::of(status));
            }
        }
    }

    /// Carries out commands until one has to wait, or all are done.
    pub(super) fn go_on(&mut self, now: Utc, view: &dyn DeviceView, mut run: Run) {
        run.segment = Segment {
            commands: run.commands.clone(),
            answers: run.answers.len(),
            object: self.object.clone(),
            resumes: run.resumes.clone(),
        };
        let Some(account) = self.account(view) else {
            return self.finish(view, Dm1Outcome::NoAccount);
        };
        let live = run.live.clone();
        let layout = Arc::clone(&self.layout);
        let mut workspace = match Workspace::new(view, &layout, &live, now) {
            Ok(workspace) => workspace,
            Err(error) => return self.finish(view, Dm1Outcome::Lost(Cause::Tree(error))),
        };
        let stop = self.carry_out(&mut workspace, &account, &mut run);
        let mut plan = workspace.into_plan();
        let then = match stop {
            Stop::Need(need, paused) => Then::Need(need, paused),
            Stop::Ask(alert, asked) => Then::Ask(alert, asked),
            Stop::End => {
                self.close_object(&mut run);
                self.accept(&mut run);
                if run.settlement.add_to(&mut plan, view, &self.facts).is_err() {
                    let failed = TreeError::Storage("the account cannot be read".into());
                    return self.finish(view, Dm1Outcome::Lost(Cause::Tree(failed)));
                }
                Then::Reply
            }
        };
        if plan.is_empty() {
            return self.then(now, view, run, then);
        }
        let id = self.id();
        self.effects.push_back(Dm1Effect::Apply(id, plan));
        run.wait = Wait::Apply(id, then);
        self.state = State::Running(Box::new(run));
    }

    fn carry_out(
        &mut self,
        workspace: &mut Workspace<'_>,
        account: &Account,
        run: &mut Run,
    ) -> Stop {
        loop {
            let progress = if let Some((paused, answer)) = run.resumes.take() {
                commands::resume(workspace, account, paused, answer)
            } else {
                let Some(command) = run.commands.pop_front() else {
                    return Stop::End;
                };
                match self.own(run, command) {
                    Own::Done => continue,
                    Own::Ask(question, alert) => {
                        return Stop::Ask(question, Asked::Alert(*alert));
                    }
                    Own::Begin(command) => commands::begin(workspace, account, &command),
                }
            };
            match progress {
                Progress::Done(outcomes) => {
                    for outcome in outcomes {
                        self.outcome(run, outcome);
                    }
                }
                Progress::Wait(Need::Alert(alert), paused) => match self.asks(&alert) {
                    Ok(question) => return Stop::Ask(question, Asked::Member(paused)),
                    Err(code) => run.resumes = Some((paused, Answer::Alert(code, Vec::new()))),
                },
                Progress::Wait(need, paused) => return Stop::Need(need, paused),
            }
        }
    }

    /// What is asked of the user; else the status of the alert.
    fn asks(&self, alert: &Alert) -> Result<UserAlert, StatusCode> {
        let question = UserAlert::read(alert)?;
        if self.opening.user {
            Ok(question)
        } else {
            Err(StatusCode::NOT_SUPPORTED)
        }
    }

    /// Commands of the session itself, and chunks; what is left is for the tree.
    fn own(&mut self, run: &mut Run, command: Command) -> Own {
        let code = match &command {
            Command::Status(_) => return Own::Done,
            _ if command.cmd_id().is_none() => StatusCode::BAD_REQUEST,
            Command::Alert(alert) => match alert.code {
                Some(AlertCode::NEXT_MESSAGE) => StatusCode::OK,
                Some(AlertCode::NO_END_OF_DATA) => {
                    self.outbox.drop_object();
                    StatusCode::OK
                }
                _ => match self.asks(alert) {
                    Ok(question) => return Own::Ask(question, Box::new(alert.clone())),
                    Err(code) => code,
                },
            },
            // A server sends none.
            Command::Results(_) => StatusCode::NOT_SUPPORTED,
            _ => {
                if let Some(target) = self.object.broken_by(Some(&command)) {
                    run.answers.push(broken(target));
                }
                let max = self.opening.limits.max_obj_size as u64;
                let ours = answer(
                    &self.header_status(StatusCode::OK),
                    &command,
                    StatusCode::OK,
                );
                match self.object.take(command, max) {
                    Taken::Whole(command) => {
                        run.current = Some(ours);
                        return Own::Begin(command);
                    }
                    Taken::Chunk(code) => {
                        run.answers.push(Outgoing::of(with_code(ours, code)));
                        return Own::Done;
                    }
                }
            }
        };
        let status = answer(&self.header_status(code), &command, code);
        run.answers.push(Outgoing::of(status));
        Own::Done
    }

    /// Status, and right behind it the results (M04). Results that the server cannot be told make the status 413 (M07).
    fn outcome(&self, run: &mut Run, outcome: CommandOutcome) {
        let results = outcome.results.map(|items| Results {
            cmd_id: None,
            msg_ref: self.header_status(StatusCode::OK).msg_ref,
            cmd_ref: outcome.cmd_id.clone(),
            meta: Meta::default(),
            items,
        });
        let had_results = results.is_some();
        let told = results
            .filter(|results| tellable(results, self.encoding, self.room(), self.max_obj_size));
        let code = if had_results && told.is_none() {
            StatusCode::TOO_LARGE
        } else {
            outcome.code
        };
        run.answers.push(Outgoing::of(Command::Status(Status {
            cmd_ref: outcome.cmd_id,
            cmd: Some(outcome.cmd),
            target_refs: outcome.target_refs,
            items: outcome.items,
            ..self.header_status(code)
        })));
        run.answers
            .extend(told.map(|told| Outgoing::of(Command::Results(told))));
    }

    /// The server's package is over, an object in it is not (§1.6).
    fn close_object(&mut self, run: &mut Run) {
        if run.r#final
            && let Some(target) = self.object.broken_by(None)
        {
            run.answers.push(broken(target));
        }
    }

    /// A message is due unless it would hold the header's status alone (§1.5/8).
    pub(super) fn is_due(&self, run: &Run) -> bool {
        let is_done = run.r#final && run.answers.is_empty() && self.outbox.is_empty();
        !run.aborts && !is_done
    }

    /// Accepts the server's credential where a message is due that can say so: only then a new nonce for it is made (M17).
    fn accept(&mut self, run: &mut Run) {
        if run.accepted.is_none() && run.judgement == Judgement::Right && self.is_due(run) {
            let (code, hand_over) = self.server.accept(&mut self.nonces);
            run.settlement.hand_over = hand_over.clone();
            run.accepted = Some((code, hand_over));
        }
    }
}

/// Whose a command is.
enum Own {
    /// The session's; its status is noted.
    Done,
    /// The user's.
    Ask(UserAlert, Box<Alert>),
    /// The tree's.
    Begin(Box<Command>),
}

pub(super) fn with_code(status: Command, code: StatusCode) -> Command {
    match status {
        Command::Status(status) => Command::Status(Status {
            code: Some(code),
            ..status
        }),
        other => other,
    }
}

/// Alert 1225: the chunks of an object broke off.
fn broken(target: String) -> Outgoing {
    Outgoing::of(Command::Alert(Alert {
        items: vec![Item::at(target)],
        ..plain(AlertCode::NO_END_OF_DATA)
    }))
}
