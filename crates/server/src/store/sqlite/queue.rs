//! What waits for the writer: deltas up to a limit, marks up to another, flushes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::model::{DeferredMark, ExchangeDelta};
use crate::store::marks::Marks;
use crate::store::statements::Statement;
use crate::store::{CommitError, Committed, StoreError};

/// Loose writes that may wait: a piece of an upload each, so 256 KiB.
const LOOSE: usize = 128;

/// Where the outcome of a delta goes. Its receiver may be gone.
pub(super) type Answer = oneshot::Sender<Result<Committed, CommitError>>;

/// Where the outcome of loose statements goes. Its receiver may be gone.
pub(super) type LooseAnswer = oneshot::Sender<Result<(), CommitError>>;

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    deltas: usize,
}

/// What the writer puts into one transaction.
#[derive(Default)]
pub(super) struct Group {
    pub(super) steps: Vec<Step>,
    pub(super) flushes: Vec<oneshot::Sender<Result<(), StoreError>>>,
    /// Nothing comes after it.
    pub(super) last: bool,
}

pub(super) enum Step {
    /// A mark; `alone` where no delta of its device follows.
    Mark {
        mark: DeferredMark,
        alone: bool,
    },
    Delta(ExchangeDelta, Answer),
    /// What belongs to no exchange: the pieces of an upload.
    Loose(Vec<Statement<'static>>, LooseAnswer),
}

struct Waiting {
    deltas: VecDeque<(ExchangeDelta, Answer)>,
    loose: Vec<(Vec<Statement<'static>>, LooseAnswer)>,
    marks: Marks,
    flushes: Vec<oneshot::Sender<Result<(), StoreError>>>,
    closing: bool,
}

impl Queue {
    pub(super) fn new(deltas: usize, marks: usize, interval: Duration) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                deltas: VecDeque::new(),
                loose: Vec::new(),
                marks: Marks::new(marks, interval),
                flushes: Vec::new(),
                closing: false,
            }),
            wake: Condvar::new(),
            deltas,
        }
    }

    pub(super) fn submit(&self, delta: ExchangeDelta, answer: Answer) -> Result<(), CommitError> {
        let mut waiting = self.lock();
        if waiting.closing {
            return Err(StoreError::Closed.into());
        }
        if waiting.deltas.len() >= self.deltas {
            return Err(CommitError::Busy);
        }
        waiting.deltas.push_back((delta, answer));
        self.wake.notify_one();
        Ok(())
    }

    /// Statements that belong to no exchange. Few wait at once: each upload hands over its next piece after the one before.
    pub(super) fn submit_loose(
        &self,
        statements: Vec<Statement<'static>>,
        answer: LooseAnswer,
    ) -> Result<(), CommitError> {
        let mut waiting = self.lock();
        if waiting.closing {
            return Err(StoreError::Closed.into());
        }
        if waiting.loose.len() >= LOOSE {
            return Err(CommitError::Busy);
        }
        waiting.loose.push((statements, answer));
        self.wake.notify_one();
        Ok(())
    }

    /// Marks may be lost, see [`Marks::defer`].
    pub(super) fn defer(&self, marks: impl IntoIterator<Item = DeferredMark>) {
        let mut waiting = self.lock();
        for mark in marks {
            if waiting.marks.defer(mark) {
                self.wake.notify_one();
            }
        }
    }

    pub(super) fn flush(&self, answer: oneshot::Sender<Result<(), StoreError>>) {
        let mut waiting = self.lock();
        if !waiting.closing {
            waiting.flushes.push(answer);
            self.wake.notify_one();
        }
    }

    pub(super) fn backlog(&self) -> usize {
        self.lock().deltas.len()
    }

    /// Takes nothing more; what waits is written.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for something to write and takes all there is, in the order of submission. Marks go before the first delta of their device; the others
    /// when their time has come.
    pub(super) fn take(&self) -> Group {
        let mut waiting = self.lock();
        loop {
            let due = waiting.marks.due().is_some_and(|due| due <= Instant::now());
            let writes = !waiting.deltas.is_empty() || !waiting.loose.is_empty();
            if due || waiting.closing || writes || !waiting.flushes.is_empty() {
                return waiting.group(due);
            }
            waiting = match waiting.marks.due() {
                Some(due) => {
                    let left = due.saturating_duration_since(Instant::now());
                    self.wake
                        .wait_timeout(waiting, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .wake
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn group(&mut self, due: bool) -> Group {
        let mut steps = Vec::with_capacity(self.deltas.len());
        for (delta, answer) in std::mem::take(&mut self.deltas) {
            let riding = self.marks.riding(&delta.dev_id).into_iter();
            steps.extend(riding.map(|mark| Step::Mark { mark, alone: false }));
            steps.push(Step::Delta(delta, answer));
        }
        let loose = std::mem::take(&mut self.loose).into_iter();
        steps.extend(loose.map(|(statements, answer)| Step::Loose(statements, answer)));
        if due || self.closing || !self.flushes.is_empty() {
            let all = self.marks.all().into_iter();
            steps.extend(all.map(|mark| Step::Mark { mark, alone: true }));
        }
        Group {
            steps,
            flushes: std::mem::take(&mut self.flushes),
            last: self.closing,
        }
    }
}
