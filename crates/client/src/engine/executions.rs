//! Asynchronous EXEC (`dm20.md` §5.2, §5.4): 202 now, the result as a generic alert in a new session, beyond the client's death.

use std::sync::{Arc, Mutex, PoisonError};

use omadm_bootstrap::{RetrySchedule, Utc};
use omadm_mo::{
    ExecOutcome, ExecResult, ManagedObjectError, NodeAddress, ServerUri, SrvId, TreeError,
};
use omadm_session::client::{Cause, Outcome, exec_alert, exec_failed};
use tokio::time::timeout;

use super::host::{Host, Shared};
use super::{Engine, entropy};
use crate::store::{ExecReport, Execution, ExecutionState};

/// The alerts of executions that one session delivers.
#[derive(Default)]
pub(super) struct ExecAlerts {
    pub(super) executions: Vec<Execution>,
}

impl Host {
    /// Executes a node. That its result is owed is durable before the plug-in is called. One that does not come back within its deadline is taken for
    /// [`ExecOutcome::Later`], and its result is reported once it does.
    pub(super) async fn exec(
        &self,
        server: &SrvId,
        at: NodeAddress,
        wanted: ExecReport,
    ) -> Result<ExecOutcome, Cause> {
        let (server, said) = (server.clone(), Arc::new(Mutex::new(Said::Nothing)));
        let saying = Arc::clone(&said);
        let mut done = Box::pin(self.run(move |host| {
            let number = host.store.begin_execution(&server, &at, &wanted)?;
            host.calling().insert(number);
            let outcome = host
                .object(&at.moid)
                .and_then(|mut object| object.exec(&at.path));
            let ended = host.ended(number, &at, wanted.to.is_some(), outcome, &saying);
            host.calling().remove(&number);
            host.tell_change();
            Ok(ended)
        }));
        if let Ok(done) = timeout(self.deadline(), &mut done).await {
            return done?;
        }
        {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if *said == Said::Nothing {
                *said = Said::Later;
                return Ok(ExecOutcome::Later);
            }
        }
        done.await?
    }
}

/// Who was first to say how an EXEC is answered: the plug-in, or its deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    /// The deadline: 202.
    Later,
    /// The plug-in.
    Outcome,
}

impl Shared {
    /// Executes a node for a local application: nobody is owed its result.
    pub(crate) fn exec_locally(&self, at: &NodeAddress) -> Result<ExecOutcome, Cause> {
        let outcome = self.object(&at.moid)?.exec(&at.path)?;
        self.tell_change();
        Ok(outcome)
    }

    /// Notes what the plug-in said, for the alert or for nobody.
    fn ended(
        &self,
        number: u64,
        at: &NodeAddress,
        asynchronous: bool,
        outcome: Result<ExecOutcome, ManagedObjectError>,
        said: &Mutex<Said>,
    ) -> Result<ExecOutcome, Cause> {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let late = *said == Said::Later;
        if !late {
            *said = Said::Outcome;
        }
        let result = match outcome {
            Ok(ExecOutcome::Later) => return Ok(ExecOutcome::Later),
            Ok(ExecOutcome::Done) if asynchronous || late => ExecResult::new(200),
            Err(refused) if late => exec_failed(refused),
            // The status of the command says it all.
            done => {
                self.store.drop_executions(&[number])?;
                return Ok(done?);
            }
        };
        let alert = exec_alert(at, &result).write().to_compact();
        self.store.end_execution(number, &alert)?;
        Ok(ExecOutcome::Done)
    }

    /// Asks the plug-ins how their executions stand; answers whether any goes on.
    fn poll_executions(&self) -> Result<bool, TreeError> {
        let mut running = false;
        for execution in self.store.executions()? {
            if execution.state != ExecutionState::Running
                || self.calling().contains(&execution.number)
            {
                continue;
            }
            let Some(at) = execution.at() else {
                self.store.drop_executions(&[execution.number])?;
                continue;
            };
            let result = match self.free_object(&at.moid) {
                Ok(Some(mut object)) => object.finished(&at.path),
                Ok(None) => Ok(None),
                Err(gone) => Err(gone),
            };
            let result = match result {
                Ok(None) => {
                    running = true;
                    continue;
                }
                Ok(Some(result)) => result,
                Err(refused) => exec_failed(refused),
            };
            let alert = exec_alert(&at, &result).write().to_compact();
            self.store.end_execution(execution.number, &alert)?;
        }
        Ok(running)
    }
}

impl Engine {
    /// Asks how executions stand and opens the sessions in which their results are due; with `at_once` those too that wait for a later try. Answers when to
    /// look again.
    pub(super) async fn report_executions(&self, at_once: bool) -> Result<Option<Utc>, TreeError> {
        let polled = self
            .host
            .within_deadline(|host| Ok(host.poll_executions()?))
            .await;
        let running = match polled {
            Some(Ok(running)) => running,
            Some(Err(Cause::Tree(error))) => return Err(error),
            Some(Err(_)) | None => true,
        };
        let now = self.now();
        for (server, to) in self.sessions_due(at_once).await? {
            self.session_at(&server, to).await?;
        }
        let waiting = self.host.run(|host| host.store.executions()).await?;
        let ended = waiting
            .iter()
            .filter(|one| one.state != ExecutionState::Running && one.server().is_some());
        let next = ended.map(|one| one.not_before.unwrap_or(now));
        let poll = running.then(|| now.plus_millis(POLL_MILLIS));
        Ok(next.chain(poll).min())
    }

    /// Where the results that are due have to go.
    async fn sessions_due(
        &self,
        at_once: bool,
    ) -> Result<Vec<(SrvId, Option<ServerUri>)>, TreeError> {
        let now = self.now();
        let mut due = Vec::new();
        for execution in self.host.run(|host| host.store.executions()).await? {
            let ended = execution.state != ExecutionState::Running;
            let in_time = execution.not_before.is_none_or(|at| at <= now);
            if !ended || !(at_once || in_time) {
                continue;
            }
            let Some(server) = execution.server() else {
                continue;
            };
            let place = (server, execution.report_to());
            if !due.contains(&place) {
                due.push(place);
            }
        }
        Ok(due)
    }

    /// Nobody is owed a result any more: the server's account is gone.
    pub(super) async fn forget_executions(&self, server: &SrvId) -> Result<(), TreeError> {
        let server = server.clone();
        let forgotten = self.host.run(move |host| {
            let all = host.store.executions()?.into_iter();
            let own = all.filter(|one| one.server().as_ref() == Some(&server));
            let numbers: Vec<u64> = own.map(|one| one.number).collect();
            host.store.drop_executions(&numbers)
        });
        forgotten.await
    }

    /// What becomes of the alerts that a session did not deliver: an HTTP error moves them into the server's queue, for the next session (D07); a lost
    /// connection is tried again.
    pub(super) async fn note_exec_alerts(
        &self,
        alerts: ExecAlerts,
        outcome: &Outcome,
    ) -> Result<(), TreeError> {
        let mut executions = alerts.executions;
        if executions.is_empty() {
            return Ok(());
        }
        if matches!(outcome, Outcome::Refused { .. }) {
            return self
                .host
                .run(move |host| host.store.queue_executions(&executions))
                .await;
        }
        let [jitter] = entropy().unwrap_or([128]);
        let now = self.now();
        for execution in &mut executions {
            execution.attempts = execution.attempts.saturating_add(1);
            let wait = RetrySchedule::wait_millis(execution.attempts, jitter);
            execution.not_before = Some(now.plus_millis(wait));
        }
        let noted = self.host.run(move |host| {
            executions
                .iter()
                .try_for_each(|one| host.store.note_execution(one))
        });
        noted.await
    }
}

/// How often a plug-in is asked whether its execution is over.
const POLL_MILLIS: i64 = 1000;

impl ExecAlerts {
    /// Those that are due at this place: none for `SrvURI`.
    pub(super) fn at(
        host: &Shared,
        server: &SrvId,
        to: Option<&ServerUri>,
    ) -> Result<Self, TreeError> {
        let mut executions = host.store.executions()?;
        executions.retain(|one| {
            one.state != ExecutionState::Running
                && one.server().as_ref() == Some(server)
                && one.report_to().as_ref() == to
        });
        Ok(Self { executions })
    }

    /// Leaves all but the first so many out: they wait for another session.
    pub(super) fn keep(&mut self, count: usize) {
        self.executions.truncate(count);
    }

    /// Their numbers.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.executions.iter().map(|one| one.number).collect()
    }

    /// The alerts as JSON.
    pub(super) fn json(&self) -> impl Iterator<Item = &str> {
        self.correlated().map(|(alert, _)| alert)
    }

    /// The alerts as JSON, each with the `Correlator` of its `Exec`.
    pub(super) fn correlated(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.executions.iter().filter_map(|one| match &one.state {
            ExecutionState::Ended(alert) => Some((alert.as_str(), one.correlator.as_deref())),
            ExecutionState::Running => None,
        })
    }
}
