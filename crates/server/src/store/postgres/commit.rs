//! Commits of deltas and of deferred marks: re-run where the database gave the transaction up, settled where it is not known whether one took place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::apply::{COMMIT, NotApplied};
use super::fault::Fault;
use super::{PostgresNode, stopped};
use crate::model::{DeferredMark, DeviceEpoch, ExchangeDelta};
use crate::store::statements::{Statement, Value, of_delta};
use crate::store::{CommitError, Committed, StoreError};

/// How often a transaction that was given up is carried out again.
const RERUNS: u32 = 12;
/// Marks in one transaction.
const GROUP: usize = 64;
/// After marks could not be written.
const PAUSE: Duration = Duration::from_secs(1);

impl PostgresNode {
    /// Commits a delta, with the marks that wait for its device.
    ///
    /// Answers by `until`, or a second later where COMMIT was sent by then.
    pub(super) async fn commit(
        &self,
        delta: &ExchangeDelta,
        until: Instant,
    ) -> Result<Committed, CommitError> {
        let marks = self.marks().riding(&delta.dev_id);
        let mut unknown = false;
        let done = self.settle(delta, &marks, until, &mut unknown).await;
        match &done {
            Ok(_) => {
                self.deltas.fetch_add(1, Ordering::Relaxed);
                self.transactions.fetch_add(1, Ordering::Relaxed);
                self.happened.notify_one();
            }
            // They were rolled back with the delta.
            Err(_) if !unknown => self.defer(marks),
            // Written once more they might count twice: a mark may be lost, never doubled.
            Err(_) if marks.is_empty() => {}
            Err(err) => {
                let lost = marks.len();
                tracing::warn!(store = self.name, error = %err, lost, "deferred marks may be lost");
            }
        }
        done
    }

    /// Commits statements that may be carried out again, so that it does not matter whether a try before took place.
    pub(super) async fn commit_loose(
        &self,
        statements: &[Statement<'_>],
        until: Instant,
    ) -> Result<(), CommitError> {
        let mut tries = 0;
        loop {
            let again = match self.transact(&[], statements, until).await {
                Ok(_) => return Ok(()),
                Err(NotApplied::Nothing(Fault::Refused(refused))) => return Err(refused),
                Err(NotApplied::Nothing(fault @ (Fault::GivenUp(_) | Fault::Cut(_)))) => {
                    fault.into_error()
                }
                Err(NotApplied::Unknown(err)) => err,
                Err(NotApplied::Nothing(fault)) => return Err(fault.into_error().into()),
            };
            if Instant::now() >= until {
                return Err(again.into());
            }
            tries += 1;
            pause(tries).await;
        }
    }

    /// `unknown` tells of an error whether the delta may have taken place all the same.
    async fn settle(
        &self,
        delta: &ExchangeDelta,
        marks: &[DeferredMark],
        until: Instant,
        unknown: &mut bool,
    ) -> Result<Committed, CommitError> {
        let statements = of_delta(delta, None)?;
        let committed = Committed {
            epoch: delta.expected.map_or(DeviceEpoch(1), DeviceEpoch::next),
        };
        let (mut reruns, mut cuts) = (0, 0);
        loop {
            match self.transact(marks, &statements, until).await {
                Ok(_) => return Ok(committed),
                // An earlier try may be what the device moved on by.
                Err(NotApplied::Nothing(Fault::Refused(
                    refused @ (CommitError::Conflict | CommitError::DeviceExists),
                ))) if *unknown => {
                    let found = timeout_at(until + COMMIT, self.took_place(delta)).await;
                    return match found.unwrap_or_else(|_| Err(self.silent()))? {
                        Some(true) => Ok(committed),
                        Some(false) => {
                            *unknown = false;
                            Err(refused)
                        }
                        None => Err(refused),
                    };
                }
                Err(NotApplied::Nothing(Fault::Refused(refused))) => return Err(refused),
                Err(NotApplied::Nothing(Fault::GivenUp(_))) if reruns < RERUNS => {
                    reruns += 1;
                    pause(reruns).await;
                }
                Err(NotApplied::Nothing(Fault::Cut(_))) if Instant::now() < until => {
                    cuts += 1;
                    pause(cuts).await;
                }
                Err(NotApplied::Unknown(_)) if Instant::now() < until => *unknown = true,
                Err(NotApplied::Nothing(fault)) => return Err(fault.into_error().into()),
                Err(NotApplied::Unknown(err)) => {
                    *unknown = true;
                    return Err(err.into());
                }
            }
        }
    }

    /// Whether this very delta is in the log. One without events cannot be told from another; its maker then decides anew.
    async fn took_place(&self, delta: &ExchangeDelta) -> Result<Option<bool>, StoreError> {
        let Some(event) = delta.events.first() else {
            return Ok(None);
        };
        let kind = serde_json::to_string(&event.kind).unwrap_or_default();
        let values = [
            Value::Text(delta.dev_id.as_str().into()),
            Value::Text(event.correlation.as_str().into()),
            Value::Text(kind.into()),
            Value::Number(delta.at.0),
        ];
        let found = "SELECT seq FROM events WHERE dev_id = ?1 AND correlation = ?2 AND kind = ?3 AND at = ?4 LIMIT 1";
        Ok(Some(!self.query(found, &values).await?.is_empty()))
    }

    /// Writes marks that ride on no delta. What could not be written waits again.
    pub(super) async fn write(&self, mut marks: Vec<DeferredMark>) -> Result<(), StoreError> {
        // Every node locks devices in one order.
        marks.sort_by(|one, other| one.dev_id().cmp(&other.dev_id()));
        while !marks.is_empty() {
            let group: Vec<_> = marks.drain(..marks.len().min(GROUP)).collect();
            if let Err((group, err)) = self.write_group(group).await {
                self.defer(group.into_iter().chain(marks));
                return Err(err);
            }
        }
        Ok(())
    }

    async fn write_group(
        &self,
        group: Vec<DeferredMark>,
    ) -> Result<(), (Vec<DeferredMark>, StoreError)> {
        let until = Instant::now() + self.options.patience;
        let (mut reruns, mut from, mut size) = (0, 0, group.len());
        while let Some(part) = group.get(from..group.len().min(from + size)) {
            if part.is_empty() {
                break;
            }
            match self.transact(part, &[], until).await {
                Ok(changed) => {
                    self.deferred.fetch_add(changed, Ordering::Relaxed);
                    self.transactions
                        .fetch_add(u64::from(changed > 0), Ordering::Relaxed);
                    if changed > 0 {
                        self.happened.notify_one();
                    }
                    from += part.len();
                }
                // One of them is at fault: each alone shows which.
                Err(NotApplied::Nothing(Fault::Refused(_))) if size > 1 => size = 1,
                Err(NotApplied::Nothing(Fault::Refused(err))) => {
                    tracing::warn!(store = self.name, error = %err, "a deferred mark is lost");
                    from += 1;
                }
                Err(NotApplied::Nothing(Fault::GivenUp(_))) if reruns < RERUNS => {
                    reruns += 1;
                    pause(reruns).await;
                }
                Err(NotApplied::Nothing(Fault::Cut(_))) if Instant::now() < until => {}
                Err(NotApplied::Nothing(fault)) => {
                    let left = group.into_iter().skip(from).collect();
                    return Err((left, fault.into_error()));
                }
                // Written once more they might count twice: a mark may be lost, never doubled.
                Err(NotApplied::Unknown(err)) => {
                    let left = group.into_iter().skip(from + size).collect();
                    return Err((left, err));
                }
            }
        }
        Ok(())
    }

    /// Writes marks when their time has come, until `stop`.
    pub(super) async fn write_marks(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let due = self.marks().due();
            let time = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {
                    // A flush waits for them.
                    let under_way = self.under_way.read().await;
                    let marks = self.marks().all();
                    let written = self.write(marks).await;
                    drop(under_way);
                    if let Err(err) = written {
                        tracing::warn!(error = %err, "deferred marks wait longer");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                () = self.marked.notified() => {}
                () = stopped(&mut stop) => return,
            }
        }
    }
}

/// Longer each time, and spread, so that those who were in each other's way are not again.
pub(super) async fn pause(reruns: u32) {
    let [octet] = crate::entropy::random::<1>().unwrap_or([128]);
    let most = 1_u64 << reruns.min(7);
    tokio::time::sleep(Duration::from_micros(most * u64::from(octet) * 4)).await;
}
