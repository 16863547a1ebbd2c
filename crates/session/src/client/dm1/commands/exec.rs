use omadm_dm1::syncml::{Command, Exec, Item, StatusCode};
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{AclCommand, ExecOutcome, ManagedObjectError, NodeAddress, TreeError};

use super::super::workspace::Workspace;
use super::access::described;
use super::outcome::{Fate, ItemOutcome, Items};
use super::target::{Standing, Target};
use super::{At, Need, Paused, Progress, Server};
use crate::client::Cause;

/// An `Exec` that waits for the item behind those that are done.
#[derive(Clone, Debug)]
pub(super) struct ExecPaused {
    exec: Exec,
    done: Vec<ItemOutcome>,
}

impl Server<'_> {
    /// `Exec`: items one after the other, each with its effect.
    pub(super) fn exec(self, workspace: &Workspace<'_>, exec: &Exec) -> Progress {
        let paused = ExecPaused {
            exec: exec.clone(),
            done: Vec::new(),
        };
        self.next_exec(workspace, paused)
    }

    pub(super) fn executed(
        self,
        workspace: &Workspace<'_>,
        mut paused: ExecPaused,
        outcome: &Result<ExecOutcome, Cause>,
    ) -> Progress {
        let code = match outcome {
            Ok(ExecOutcome::Done) => StatusCode::OK,
            Ok(ExecOutcome::Later) => StatusCode::ACCEPTED,
            Err(cause) => refusal(cause),
        };
        paused.done.push(ItemOutcome::of(code));
        self.next_exec(workspace, paused)
    }

    fn next_exec(self, workspace: &Workspace<'_>, mut paused: ExecPaused) -> Progress {
        while let Some(item) = paused.exec.items.get(paused.done.len()) {
            match self.executable(workspace, item) {
                Ok(at) => {
                    let correlator = paused.exec.correlator.clone();
                    return Progress::Wait(
                        Need::Exec(at, correlator),
                        Paused::at(At::Exec(paused)),
                    );
                }
                Err(failure) => paused.done.push(failure.into()),
            }
        }
        let command = Command::Exec(paused.exec);
        let Command::Exec(exec) = &command else {
            return Progress::Done(Vec::new());
        };
        let mut items = Items::of(&command, &exec.items);
        for one in paused.done {
            items.push(one);
        }
        Progress::Done(items.outcomes())
    }

    fn executable(self, workspace: &Workspace<'_>, item: &Item) -> Fate<NodeAddress> {
        let target = Target::of(workspace, item)?.plain()?;
        let Standing::Node(at, _) = self.find(workspace, &target)? else {
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        described(workspace, &at, AccessTypes::EXEC)?;
        self.may(workspace, &at, AclCommand::Exec)?;
        Ok(at)
    }
}

/// The status of an execution that could not be begun.
const fn refusal(cause: &Cause) -> StatusCode {
    match cause {
        Cause::ManagedObject(ManagedObjectError::NoSuchNode) => StatusCode::NOT_FOUND,
        Cause::ManagedObject(ManagedObjectError::NotAllowed) => StatusCode::NOT_ALLOWED,
        Cause::ManagedObject(ManagedObjectError::BadValue) => StatusCode::BAD_REQUEST,
        Cause::ManagedObject(ManagedObjectError::Busy) => StatusCode::FORBIDDEN,
        Cause::Tree(TreeError::NoRoom) => StatusCode::DEVICE_FULL,
        Cause::Tree(_) => StatusCode::STORE_FAILURE,
        _ => StatusCode::COMMAND_FAILED,
    }
}
