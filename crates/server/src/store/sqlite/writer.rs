//! The one thread that writes, and with it the one that gives events their positions.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::apply::{NotApplied, Sequencer, apply_delta, apply_loose, apply_mark};
use super::fault::fault;
use super::queue::{Group, Queue, Step};
use crate::store::{CommitCounts, CommitError, Committed};

pub(super) struct Writer {
    pub(super) file: String,
    pub(super) connection: Connection,
    pub(super) sequencer: Sequencer,
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    /// Given up after the connection, when this is dropped.
    pub(super) _lock: File,
}

#[derive(Default)]
pub(super) struct Counters {
    deltas: AtomicU64,
    deferred: AtomicU64,
    transactions: AtomicU64,
}

/// What became of a group's steps.
#[derive(Default)]
struct Outcome {
    /// One for each delta, in order.
    deltas: Vec<Result<Committed, CommitError>>,
    /// One for each loose write, in order.
    loose: Vec<Result<(), CommitError>>,
    /// Marks that changed something and rode on no delta.
    deferred: u64,
    /// Whether there is anything to commit.
    changed: bool,
}

impl Counters {
    pub(super) fn read(&self) -> CommitCounts {
        CommitCounts {
            deltas: self.deltas.load(Ordering::Relaxed),
            deferred: self.deferred.load(Ordering::Relaxed),
            transactions: self.transactions.load(Ordering::Relaxed),
        }
    }
}

impl Writer {
    /// Writes group after group until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            let group = self.queue.take();
            let last = group.last;
            self.write(group);
            if last {
                break;
            }
        }
        // What is left in the log is durable without this; it only shortens the next start.
        if let Err(err) = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            tracing::warn!(file = self.file, error = %err, "the store's log stays beside it");
        }
    }

    fn write(&mut self, group: Group) {
        let result = self
            .transaction(&group.steps)
            .map_err(|err| fault(&self.file, &err));
        let Group {
            steps,
            flushes,
            last,
        } = group;
        match result {
            Ok(outcome) => {
                self.count(&outcome);
                answer(steps, outcome);
                flushes
                    .into_iter()
                    .for_each(|flush| drop(flush.send(Ok(()))));
            }
            Err(err) => {
                self.roll_back();
                tracing::error!(file = self.file, steps = steps.len(), error = %err, "a group was not committed");
                let mut marks = Vec::new();
                for step in steps {
                    match step {
                        Step::Delta(_, answer) => drop(answer.send(Err(err.clone().into()))),
                        Step::Loose(_, answer) => drop(answer.send(Err(err.clone().into()))),
                        Step::Mark { mark, .. } => marks.push(mark),
                    }
                }
                flushes
                    .into_iter()
                    .for_each(|flush| drop(flush.send(Err(err.clone()))));
                if !last {
                    self.queue.defer(marks);
                }
            }
        }
    }

    /// All steps in one transaction, each in a savepoint of its own. On an error nothing of the group is durable.
    fn transaction(&mut self, steps: &[Step]) -> rusqlite::Result<Outcome> {
        let mut outcome = Outcome::default();
        if steps.is_empty() {
            return Ok(outcome);
        }
        let mut sequencer = self.sequencer;
        self.execute("BEGIN IMMEDIATE")?;
        for step in steps {
            match step {
                Step::Delta(delta, _) => {
                    let result = self
                        .in_savepoint(&mut sequencer, |conn, log| apply_delta(conn, log, delta))?;
                    outcome.changed |= result.is_ok();
                    outcome.deltas.push(result);
                }
                Step::Loose(statements, _) => {
                    let result =
                        self.in_savepoint(&mut sequencer, |conn, _| apply_loose(conn, statements))?;
                    outcome.changed |= matches!(result, Ok(true));
                    outcome.loose.push(result.map(drop));
                }
                Step::Mark { mark, alone } => {
                    match self
                        .in_savepoint(&mut sequencer, |conn, log| apply_mark(conn, log, mark))?
                    {
                        Ok(changed) => {
                            outcome.changed |= changed;
                            outcome.deferred += u64::from(changed && *alone);
                        }
                        Err(err) => {
                            tracing::warn!(file = self.file, error = %err, "a deferred mark is lost");
                        }
                    }
                }
            }
        }
        if outcome.changed {
            if sequencer != self.sequencer {
                sequencer.save(&self.connection)?;
            }
            self.execute("COMMIT")?;
            self.sequencer = sequencer;
        } else {
            self.execute("ROLLBACK")?;
        }
        Ok(outcome)
    }

    fn in_savepoint<T>(
        &self,
        sequencer: &mut Sequencer,
        work: impl FnOnce(&Connection, &mut Sequencer) -> Result<T, NotApplied>,
    ) -> rusqlite::Result<Result<T, CommitError>> {
        let before = *sequencer;
        self.execute("SAVEPOINT step")?;
        let result = match work(&self.connection, sequencer) {
            Ok(value) => Ok(value),
            Err(NotApplied::Database(err)) => return Err(err),
            Err(NotApplied::Refused(err)) => {
                self.execute("ROLLBACK TO step")?;
                *sequencer = before;
                Err(err)
            }
        };
        self.execute("RELEASE step")?;
        Ok(result)
    }

    fn execute(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn roll_back(&self) {
        // SQLite may have rolled back by itself, for one when the disk is full.
        if !self.connection.is_autocommit()
            && let Err(err) = self.execute("ROLLBACK")
        {
            tracing::error!(file = self.file, error = %err, "a transaction could not be rolled back");
        }
    }

    fn count(&self, outcome: &Outcome) {
        let committed = outcome
            .deltas
            .iter()
            .filter(|result| result.is_ok())
            .count();
        self.counters
            .deltas
            .fetch_add(committed as u64, Ordering::Relaxed);
        self.counters
            .deferred
            .fetch_add(outcome.deferred, Ordering::Relaxed);
        self.counters
            .transactions
            .fetch_add(u64::from(outcome.changed), Ordering::Relaxed);
    }
}

/// Answers the writes of a committed group. Who waited for one may be gone.
fn answer(steps: Vec<Step>, outcome: Outcome) {
    let (mut deltas, mut loose) = (outcome.deltas.into_iter(), outcome.loose.into_iter());
    for step in steps {
        match step {
            Step::Delta(_, answer) => drop(deltas.next().map(|result| answer.send(result))),
            Step::Loose(_, answer) => drop(loose.next().map(|result| answer.send(result))),
            Step::Mark { .. } => {}
        }
    }
}
