//! What waits for the writer: deltas up to a limit, marks up to another, flushes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omadm_mo::DevId;
use tokio::sync::oneshot;

use crate::model::{DeferredMark, ExchangeDelta};
use crate::store::{CommitError, Committed, StoreError};

/// Where the outcome of a delta goes. Its receiver may be gone.
pub(super) type Answer = oneshot::Sender<Result<Committed, CommitError>>;

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    deltas: usize,
    marks: usize,
    interval: Duration,
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
}

#[derive(Default)]
struct Waiting {
    deltas: VecDeque<(ExchangeDelta, Answer)>,
    /// Marks by device, so that a delta finds its own among many.
    marks: HashMap<Option<DevId>, Vec<DeferredMark>>,
    marks_held: usize,
    /// When the marks leave at the latest.
    due: Option<Instant>,
    flushes: Vec<oneshot::Sender<Result<(), StoreError>>>,
    lost: bool,
    closing: bool,
}

impl Queue {
    pub(super) fn new(deltas: usize, marks: usize, interval: Duration) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Condvar::new(),
            deltas,
            marks,
            interval,
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

    /// Marks may be lost: where too many wait, this one is.
    pub(super) fn defer(&self, marks: impl IntoIterator<Item = DeferredMark>) {
        let mut waiting = self.lock();
        for mark in marks {
            if waiting.marks_held >= self.marks {
                // Once per time of trouble, not once per mark.
                if !std::mem::replace(&mut waiting.lost, true) {
                    tracing::warn!(
                        held = waiting.marks_held,
                        "too many deferred marks wait; further ones are lost"
                    );
                }
                return;
            }
            let dev_id = match &mark {
                DeferredMark::Fetched { dev_id, .. } => Some(dev_id.clone()),
                DeferredMark::Refused { dev_id, .. } => dev_id.clone(),
            };
            waiting.marks.entry(dev_id).or_default().push(mark);
            waiting.marks_held += 1;
            if waiting.due.is_none() {
                waiting.due = Some(Instant::now() + self.interval);
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
            let due = waiting.due.is_some_and(|due| due <= Instant::now());
            if due || waiting.closing || !waiting.deltas.is_empty() || !waiting.flushes.is_empty() {
                return waiting.group(due);
            }
            waiting = match waiting.due {
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
            if self.marks_held > 0 {
                let riding = self
                    .marks
                    .remove(&Some(delta.dev_id.clone()))
                    .unwrap_or_default();
                self.marks_held -= riding.len();
                steps.extend(
                    riding
                        .into_iter()
                        .map(|mark| Step::Mark { mark, alone: false }),
                );
            }
            steps.push(Step::Delta(delta, answer));
        }
        if due || self.closing || !self.flushes.is_empty() {
            let all = std::mem::take(&mut self.marks).into_values().flatten();
            steps.extend(all.map(|mark| Step::Mark { mark, alone: true }));
            self.marks_held = 0;
        }
        if self.marks_held == 0 {
            self.due = None;
            self.lost = false;
        }
        Group {
            steps,
            flushes: std::mem::take(&mut self.flushes),
            last: self.closing,
        }
    }
}
