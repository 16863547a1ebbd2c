//! What the commands of a message do to the tree: `dm1x.md` §1.7, with the statuses of §1.8.
//!
//! A command is judged in this order: what it lacks (412) or says wrongly (400, 406, 414), whether its target stands (404, 418), what the DDF allows anybody
//! (405), what the ACL allows this server (425), the value (415, 400), what the device can do (403, 420, 510).

mod access;
mod add;
mod copy;
mod delete;
mod exec;
mod get;
mod group;
mod list;
mod outcome;
mod property;
mod replace;
mod target;
#[cfg(test)]
mod tests;
mod tnds;
mod value;

use std::collections::BTreeMap;

use omadm_bootstrap::Account;
use omadm_dm1::syncml::{Alert, Command, Item, Meta, Named, NodeCommand, StatusCode};
use omadm_mo::{ExecOutcome, Miid, Moid, Node, NodeAddress};

pub use outcome::CommandOutcome;

use self::exec::ExecPaused;
use self::group::SequencePaused;
use self::outcome::{Fate, ItemOutcome, Items};
use super::workspace::Workspace;
use crate::client::Cause;

/// How far a command came.
#[derive(Debug)]
pub enum Progress {
    /// It is done, with one outcome for each status that it gets, in their order (M04, M05).
    Done(Vec<CommandOutcome>),
    /// It waits for this. Before that is carried out, what the workspace holds has to be applied.
    Wait(Need, Paused),
}

/// What a command waits for.
#[derive(Debug)]
pub enum Need {
    /// Instances whose values live outside the store.
    Live(Vec<NodeAddress>),
    /// A node is to be executed; where that takes long, a generic alert with this correlator brings the result.
    Exec(NodeAddress, Option<String>),
    /// The user is to be told or asked.
    Alert(Alert),
}

/// A command that waits: all that [`resume`] needs, on whatever workspace.
#[derive(Clone, Debug)]
pub struct Paused(Box<At>);

#[derive(Clone, Debug)]
enum At {
    Exec(ExecPaused),
    Alert(Alert),
    Sequence(SequencePaused),
}

/// What a command waited for.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of [`Need::Live`].
    Live(BTreeMap<(Moid, Miid), Node>),
    /// Of [`Need::Exec`].
    Exec(Result<ExecOutcome, Cause>),
    /// Of [`Need::Alert`]: its status, with what the user said.
    Alert(StatusCode, Vec<Item>),
}

/// Who commands what, and where.
#[derive(Clone, Copy)]
struct Server<'a> {
    account: &'a Account,
    /// Within an Atomic nothing waits, and nothing is read.
    in_atomic: bool,
}

/// Carries a command out as far as it goes. Commands that get no status have no outcome.
pub fn begin(workspace: &mut Workspace<'_>, account: &Account, command: &Command) -> Progress {
    let server = Server {
        account,
        in_atomic: false,
    };
    server.begin(workspace, command)
}

/// Goes on with a command that waited.
pub fn resume(
    workspace: &mut Workspace<'_>,
    account: &Account,
    paused: Paused,
    answer: Answer,
) -> Progress {
    let server = Server {
        account,
        in_atomic: false,
    };
    server.resume(workspace, paused, answer)
}

impl Paused {
    fn at(at: At) -> Self {
        Self(Box::new(at))
    }
}

impl Server<'_> {
    fn begin(self, workspace: &mut Workspace<'_>, command: &Command) -> Progress {
        let simple = |code| Progress::Done(vec![CommandOutcome::of(command, code)]);
        if command.cmd_id().is_none() && !matches!(command, Command::Status(_)) {
            return simple(StatusCode::BAD_REQUEST);
        }
        match command {
            Command::Get(_) if self.in_atomic => simple(StatusCode::COMMAND_FAILED),
            Command::Get(get) => self.each(workspace, command, get, Self::get),
            Command::Add(add) => self.each(workspace, command, add, Self::add),
            Command::Replace(replace) => self.each(workspace, command, replace, Self::replace),
            Command::Delete(delete) => self.each(workspace, command, delete, Self::delete),
            Command::Copy(copy) => self.each(workspace, command, copy, Self::copy),
            Command::Exec(_) | Command::Alert(_) if self.in_atomic => {
                simple(StatusCode::NOT_SUPPORTED)
            }
            Command::Exec(exec) => self.exec(workspace, exec),
            Command::Alert(alert) => Progress::Wait(
                Need::Alert(alert.clone()),
                Paused::at(At::Alert(alert.clone())),
            ),
            Command::Atomic(_) if self.in_atomic => {
                let mut outcomes = vec![CommandOutcome::of(command, StatusCode::COMMAND_FAILED)];
                group::not_executed(command, &mut outcomes);
                Progress::Done(outcomes)
            }
            Command::Atomic(group) => Progress::Done(self.atomic(workspace, command, group)),
            Command::Sequence(group) => self.sequence(workspace, group),
            Command::Status(_) => Progress::Done(Vec::new()),
            Command::Results(_) => simple(StatusCode::NOT_SUPPORTED),
            Command::Other(named) => simple(unused(named)),
        }
    }

    fn resume(self, workspace: &mut Workspace<'_>, paused: Paused, answer: Answer) -> Progress {
        match (*paused.0, answer) {
            (At::Exec(paused), Answer::Exec(outcome)) => self.executed(workspace, paused, &outcome),
            (At::Alert(alert), Answer::Alert(code, items)) => {
                let mut outcome = CommandOutcome::of(&Command::Alert(alert), code);
                outcome.items = items;
                Progress::Done(vec![outcome])
            }
            (At::Sequence(paused), answer) => self.sequence_goes_on(workspace, paused, answer),
            (At::Exec(paused), _) => {
                self.executed(workspace, paused, &Err(Cause::Unreachable(String::new())))
            }
            (At::Alert(alert), _) => {
                let failed = CommandOutcome::of(&Command::Alert(alert), StatusCode::COMMAND_FAILED);
                Progress::Done(vec![failed])
            }
        }
    }

    /// Every item on its own: one that fails changes nothing, and hinders none that follow; what an Atomic holds is taken back by the Atomic.
    fn each(
        self,
        workspace: &mut Workspace<'_>,
        command: &Command,
        node_command: &NodeCommand,
        one: fn(Self, &mut Workspace<'_>, &Item, &Meta) -> Fate<ItemOutcome>,
    ) -> Progress {
        let mut items = Items::of(command, &node_command.items);
        for item in &node_command.items {
            let before = workspace.savepoint();
            let meta = item.meta.over(&node_command.meta);
            let outcome = one(self, workspace, item, &meta).or_else(|failure| {
                workspace.roll_back(before)?;
                Ok::<_, outcome::Failure>(failure.into())
            });
            items.push(outcome.unwrap_or_else(Into::into));
        }
        Progress::Done(items.outcomes())
    }
}

/// Elements that DM does not use are optional features (§1.2); others nobody knows.
fn unused(named: &Named) -> StatusCode {
    const UNUSED: [&str; 6] = ["Map", "MapItem", "Move", "Put", "Search", "Sync"];
    if UNUSED.contains(&named.name.as_str()) {
        StatusCode::NOT_SUPPORTED
    } else {
        StatusCode::NOT_IMPLEMENTED
    }
}
