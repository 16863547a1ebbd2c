//! Writers that keep account of what they were told, and the audit of the store against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use omadm_mo::DevId;
use tokio::task::JoinHandle;

use crate::model::{DeferredMark, DeviceEpoch, Event, EventKind, ExchangeDelta};
use crate::store::battery::{START, dev};
use crate::store::postgres::PostgresStore;
use crate::store::{Commit as _, CommitError, Devices as _, Events as _, StoreError};

/// Longer than anything takes that goes on, on however busy a machine.
pub(super) const HUNG: Duration = Duration::from_secs(300);

/// What the writer of one device was told of its deltas and marks, each by its correlation.
pub(super) struct Account {
    dev_id: DevId,
    committed: BTreeSet<String>,
    unknown: BTreeSet<String>,
    refused: BTreeSet<String>,
    marks: BTreeSet<String>,
    longest: Duration,
}

/// Writers at work, each at a device of its own.
pub(super) struct Writers {
    stop: Arc<AtomicBool>,
    /// Deltas that were acknowledged.
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Account>>,
    lateness: JoinHandle<Duration>,
}

impl Writers {
    /// A writer a device; the stores take turns.
    pub(super) fn start(stores: &[Arc<PostgresStore>], devices: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let tasks = (0..devices)
            .zip(stores.iter().cycle())
            .map(|(number, store)| {
                let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
                tokio::spawn(write(Arc::clone(store), number, stop, done))
            })
            .collect();
        let lateness = tokio::spawn(lateness(Arc::clone(&stop)));
        Self {
            stop,
            done,
            tasks,
            lateness,
        }
    }

    /// Waits until so many more deltas are acknowledged, however slow the machine is.
    pub(super) async fn progress(&self, more: u64) {
        let until = self.done.load(Ordering::Relaxed) + more;
        let reached = async {
            while self.done.load(Ordering::Relaxed) < until {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(HUNG, reached).await;
        reached.expect("nothing is acknowledged any more");
    }

    /// Ends them; each has had its last delta committed by then. Tells too by how much the machine let a timer wait at most.
    pub(super) async fn stop(self) -> (Vec<Account>, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        let mut accounts = Vec::with_capacity(self.tasks.len());
        for task in self.tasks {
            accounts.push(task.await.unwrap());
        }
        (accounts, self.lateness.await.unwrap())
    }
}

/// The most by which a timer came too late until the writers ended.
async fn lateness(stop: Arc<AtomicBool>) -> Duration {
    let (tick, mut most) = (Duration::from_millis(20), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        tokio::time::sleep(tick).await;
        most = most.max(began.elapsed().saturating_sub(tick));
    }
    most
}

async fn write(
    store: Arc<PostgresStore>,
    device: usize,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Account {
    let mut account = Account {
        dev_id: dev(device),
        committed: BTreeSet::new(),
        unknown: BTreeSet::new(),
        refused: BTreeSet::new(),
        marks: BTreeSet::new(),
        longest: Duration::ZERO,
    };
    let mut expected = None;
    // Whether a delta that was answered by an error may still take place.
    let mut doubt = false;
    for number in 0_u32.. {
        let correlation = format!("{device:08x}{number:08x}");
        if number % 4 == 3 {
            let correlation = format!("{device:08x}m{number:07x}");
            account.marks.insert(correlation.clone());
            store.defer(DeferredMark::Refused {
                dev_id: Some(account.dev_id.clone()),
                at: START,
                event: event(correlation),
            });
        }
        let mut delta = ExchangeDelta::new(account.dev_id.clone(), expected, START);
        delta.events.push(event(correlation.clone()));
        let began = Instant::now();
        let answer = store.commit(delta).await;
        account.longest = account.longest.max(began.elapsed());
        match answer {
            Ok(committed) => {
                done.fetch_add(1, Ordering::Relaxed);
                account.committed.insert(correlation);
                expected = Some(committed.epoch);
                doubt = false;
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                continue;
            }
            Err(CommitError::Busy | CommitError::Store(StoreError::Unavailable(..))) => {
                account.unknown.insert(correlation);
                doubt = true;
            }
            Err(CommitError::Conflict | CommitError::DeviceExists) if doubt => {
                account.refused.insert(correlation);
            }
            Err(other) => panic!("{correlation} at {expected:?}: {other}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        expected = epoch(&store, &account.dev_id).await;
    }
    account
}

async fn epoch(store: &PostgresStore, dev_id: &DevId) -> Option<DeviceEpoch> {
    loop {
        match store.device(dev_id).await {
            Ok(device) => return device.map(|device| device.epoch),
            Err(StoreError::Unavailable(..)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(other) => panic!("{other}"),
        }
    }
}

fn event(correlation: String) -> Event {
    Event {
        kind: EventKind::SessionEnded { session: None },
        correlation,
    }
}

/// Everything acknowledged is there, once; everything else once or not at all; events are dense, by device and as a whole.
/// No commit was longer than `patience` and the second that COMMIT is given, as far as a machine keeps time that was so late with a timer.
pub(super) async fn audit(
    store: &PostgresStore,
    accounts: &[Account],
    patience: Duration,
    lateness: Duration,
) {
    // A commit waits for several timers, and gets a connection first.
    let slack = Duration::from_secs(2) + 4 * lateness;
    store.flush().await.unwrap();
    let mut total = 0;
    for account in accounts {
        let log = store
            .events_of(&account.dev_id, 0, usize::MAX)
            .await
            .unwrap();
        let seqs: Vec<_> = log.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=log.len() as u64).collect::<Vec<_>>());
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for stored in &log {
            *counts.entry(&stored.event.correlation).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count == 1), "{counts:?}");
        for acknowledged in &account.committed {
            assert!(counts.contains_key(acknowledged.as_str()), "{acknowledged}");
        }
        for found in counts.keys().copied() {
            assert!(!account.refused.contains(found), "{found}");
            let known = [&account.committed, &account.unknown, &account.marks];
            assert!(known.iter().any(|known| known.contains(found)), "{found}");
        }
        let deltas = counts
            .keys()
            .filter(|found| !account.marks.contains(**found))
            .count() as u64;
        let device = store.device(&account.dev_id).await.unwrap().unwrap();
        assert_eq!(
            (device.epoch, device.next_event_seq),
            (DeviceEpoch(deltas), log.len() as u64 + 1)
        );
        let most = patience + Duration::from_secs(1) + slack;
        assert!(account.longest < most, "{:?}", account.longest);
        total += log.len() as u64;
    }
    let log = store.events_after(0, usize::MAX).await.unwrap();
    let positions: Vec<_> = log.iter().map(|event| event.position.unwrap()).collect();
    assert_eq!(positions, (1..=total).collect::<Vec<_>>());
}

/// How many deltas were acknowledged, and of how many nothing is known.
pub(super) fn counts(accounts: &[Account]) -> (usize, usize) {
    let sum = |of: fn(&Account) -> usize| accounts.iter().map(of).sum();
    (
        sum(|account| account.committed.len()),
        sum(|account| account.unknown.len()),
    )
}
