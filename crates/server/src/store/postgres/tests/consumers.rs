//! Consumers of events while four writers run and the sequencer's holder is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omadm_mo::DevId;
use tokio::runtime::{Handle, Runtime};

use super::{Place, impatient, open};
use crate::model::{Event, EventKind, ExchangeDelta, StoredEvent};
use crate::store::battery::{START, dev, registration};
use crate::store::postgres::sequencer::{ADVANCE, GIVE, TAKE};
use crate::store::postgres::{PostgresOptions, PostgresStore, connect};
use crate::store::{Commit as _, CommitError, Devices as _, Events as _, StoreError};

const NODES: usize = 3;
const WRITERS: usize = 4;
const DEVICES: usize = 5;
/// How often a seed's holder is killed.
const KILLS: u32 = 2;

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// A node with threads of its own, which can be killed where it stands.
struct Node {
    runtime: Option<Runtime>,
    store: Arc<PostgresStore>,
}

impl Node {
    fn start(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = PostgresOptions {
            connections: 3,
            patience: Duration::from_secs(10),
            lease: Duration::from_millis(200),
            look: Duration::from_millis(10),
            ..impatient()
        };
        let store = Arc::new(runtime.block_on(open(url, &options)));
        Self {
            runtime: Some(runtime),
            store,
        }
    }

    fn handle(&self) -> Handle {
        self.runtime.as_ref().unwrap().handle().clone()
    }

    /// As SIGKILL would: every task ends where it waits, and its sockets are closed. Nothing is released.
    fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        runtime.shutdown_timeout(Duration::from_secs(10));
    }
}

/// What the threads of one seed share.
struct Scene {
    nodes: Mutex<Vec<Node>>,
    /// Correlations of deltas that were acknowledged.
    committed: Mutex<Vec<String>>,
    /// Where each seed's devices and correlations begin.
    base: usize,
    correlations: AtomicU64,
    stop: AtomicBool,
}

impl Scene {
    /// Carries something out on a node; nothing where the node is killed meanwhile.
    fn on<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        node: usize,
        act: impl FnOnce(Arc<PostgresStore>) -> F,
    ) -> Option<T> {
        let (handle, store) = {
            let nodes = self.nodes.lock().unwrap();
            let node = &nodes[node % NODES];
            (node.handle(), Arc::clone(&node.store))
        };
        let (answer, answered) = std::sync::mpsc::channel();
        let acting = act(store);
        handle.spawn(async move { answer.send(acting.await) });
        answered.recv().ok()
    }

    fn write(&self, writer: usize, mut numbers: Numbers) {
        while !self.stop.load(Ordering::Relaxed) {
            let dev_id = dev(self.base + numbers.below(DEVICES as u64) as usize);
            std::thread::sleep(Duration::from_millis(numbers.below(6)));
            let number = self.correlations.fetch_add(1, Ordering::Relaxed);
            let correlation = format!("{:08x}{number:08x}", self.base);
            let events = 1 + numbers.below(3);
            let told = correlation.clone();
            let done = self.on(writer, async move |store| {
                commit(&store, dev_id, &told, events).await
            });
            match done {
                None | Some(Err(CommitError::Conflict | CommitError::DeviceExists)) => {}
                Some(Ok(())) => {
                    let mut committed = self.committed.lock().unwrap();
                    committed.extend((0..events).map(|event| format!("{correlation}{event}")));
                }
                Some(Err(CommitError::Store(StoreError::Unavailable(..)))) => {}
                Some(Err(other)) => panic!("{other}"),
            }
        }
    }

    /// What a consumer is given after `position`, until it was given `last`.
    fn consume(&self, consumer: usize, mut position: u64, last: &AtomicU64) -> Vec<StoredEvent> {
        let mut given = Vec::new();
        while position < last.load(Ordering::Relaxed) {
            let limit = [7, 30, 100][consumer];
            let before = position;
            let page = self.on(consumer, async move |store| {
                store.events_after(position, limit).await
            });
            for event in page.and_then(Result::ok).into_iter().flatten() {
                position += 1;
                assert_eq!(event.position, Some(position), "consumer {consumer}");
                given.push(event);
            }
            if position == before {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        given
    }

    /// Kills the node that gives positions, and starts another in its place.
    fn kill_holder(&self, url: &str, holder: &str) {
        let new = Node::start(url);
        let killed = {
            let mut nodes = self.nodes.lock().unwrap();
            let at = nodes
                .iter()
                .position(|node| node.store.node_id() == holder)
                .unwrap_or_default();
            std::mem::replace(&mut nodes[at], new)
        };
        killed.kill();
    }
}

async fn commit(
    store: &PostgresStore,
    dev_id: DevId,
    correlation: &str,
    events: u64,
) -> Result<(), CommitError> {
    let device = store.device(&dev_id).await?;
    let mut delta = ExchangeDelta::new(dev_id, device.map(|device| device.epoch), START);
    delta.events = (0..events)
        .map(|event| Event {
            kind: EventKind::SessionEnded { session: None },
            correlation: format!("{correlation}{event}"),
        })
        .collect();
    store.commit(delta).await.map(drop)
}

/// Writers, consumers and kills of one seed, on a database that has `before` events; gives their number after it.
fn consumers_see_all_in_order(place: &Place, nodes: &mut Vec<Node>, seed: u64, before: u64) -> u64 {
    let url = place.0.url();
    let scene = Scene {
        nodes: Mutex::new(std::mem::take(nodes)),
        committed: Mutex::default(),
        base: 1000 * (seed as usize + 1),
        correlations: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let last = AtomicU64::new(u64::MAX);
    let given: Vec<_> = std::thread::scope(|threads| {
        let scene = &scene;
        let consumers: Vec<_> = (0..NODES)
            .map(|consumer| {
                let last = &last;
                threads.spawn(move || scene.consume(consumer, before, last))
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let numbers = Numbers(seed * 100 + writer as u64);
                threads.spawn(move || scene.write(writer, numbers))
            })
            .collect();
        let mut numbers = Numbers(seed);
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(40 + numbers.below(160)));
            let holder = place.0.execute("SELECT holder FROM sequencer").unwrap();
            scene.kill_holder(&url, &holder);
        }
        std::thread::sleep(Duration::from_millis(100));
        scene.stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
        // What a killed node sent may still be under way.
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE '%transaction%'";
        let began = Instant::now();
        while place.0.execute(idle).unwrap() != "0" && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        scene
            .on(0, async |store| store.flush().await)
            .unwrap()
            .unwrap();
        let all = place.0.execute("SELECT count(*) FROM events").unwrap();
        last.store(all.parse().unwrap(), Ordering::Relaxed);
        consumers
            .into_iter()
            .map(|consumer| consumer.join().unwrap())
            .collect()
    });
    for given in &given {
        let mut seqs: BTreeMap<DevId, u64> = BTreeMap::new();
        let mut correlations = BTreeSet::new();
        for event in given {
            let seq = seqs.entry(event.dev_id.clone().unwrap()).or_default();
            *seq += 1;
            assert_eq!(event.seq, *seq, "seed {seed}");
            assert!(correlations.insert(event.event.correlation.clone()));
        }
        for committed in scene.committed.lock().unwrap().iter() {
            assert!(correlations.contains(committed), "seed {seed}: {committed}");
        }
    }
    assert!(given.iter().all(|it| *it == given[0]));
    assert!(given[0].len() > 20, "{} events alone", given[0].len());
    *nodes = scene.nodes.into_inner().unwrap();
    last.into_inner()
}

fn seeds(seeds: impl Iterator<Item = u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let place = runtime.block_on(Place::new());
    let mut nodes = (0..NODES).map(|_| Node::start(&place.0.url())).collect();
    seeds.fold(0, |before, seed| {
        consumers_see_all_in_order(&place, &mut nodes, seed, before)
    });
    for node in nodes {
        node.kill();
    }
}

#[test]
fn a_consumer_misses_nothing_and_sees_order_while_the_sequencer_is_killed() {
    seeds(0..12);
}

#[test]
fn a_consumer_misses_nothing_and_sees_order_while_the_sequencer_is_killed_again() {
    seeds(12..24);
}

#[test]
fn soak_a_consumer_misses_nothing_and_sees_order_while_the_sequencer_is_killed() {
    let full = std::env::var("OMADM_SOAK_SIZE").is_ok_and(|size| size == "full");
    seeds(1000..if full { 2000 } else { 1002 });
}

/// A node that took the lease, gave positions and stands still before COMMIT.
async fn stuck(url: &str, lease_ms: i64, ended_after_ms: u32) -> tokio_postgres::Client {
    let client = connect(&url.parse().unwrap()).await.unwrap();
    let begin = format!("SET idle_in_transaction_session_timeout = {ended_after_ms}; BEGIN");
    client.batch_execute(&begin).await.unwrap();
    let taken = client
        .query_one(TAKE, &[&"stuck", &lease_ms])
        .await
        .unwrap();
    let next: i64 = taken.get(0);
    let given = client.execute(GIVE, &[&next, &1000_i64]).await.unwrap();
    assert_eq!(given, 3);
    client.execute(ADVANCE, &[&3_i64]).await.unwrap();
    client
}

/// Three events without position, which no node is there to give.
async fn waiting(place: &Place) {
    let options = PostgresOptions {
        lease: Duration::from_millis(200),
        ..impatient()
    };
    let store = open(&place.0.url(), &options).await;
    for number in 1..=3 {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    store.flush().await.unwrap();
    drop(store);
    let again = "UPDATE events SET position = NULL;
        UPDATE sequencer SET next_position = 1, holder = NULL, lease_until = 0";
    tokio::time::sleep(Duration::from_millis(300)).await;
    place.0.execute(again).unwrap();
}

async fn positions(store: &PostgresStore) -> Vec<(u64, DevId)> {
    let log = store.events_after(0, 100).await.unwrap();
    log.into_iter()
        .map(|event| (event.position.unwrap(), event.dev_id.unwrap()))
        .collect()
}

fn dense(devices: usize) -> Vec<(u64, DevId)> {
    (1..=devices)
        .map(|number| (number as u64, dev(number)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_stuck_in_a_batch_keeps_its_positions_from_others() {
    let place = Place::new().await;
    waiting(&place).await;
    // Its lease is over at once: it has the row alone.
    let stuck = stuck(&place.0.url(), 0, 60_000).await;
    let store = open(&place.0.url(), &impatient()).await;
    store.commit(registration(&dev(4))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(positions(&store).await, []);
    stuck.batch_execute("COMMIT").await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(positions(&store).await, dense(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_stays_stuck_is_ended_and_its_positions_are_given_anew() {
    let place = Place::new().await;
    waiting(&place).await;
    let stuck = stuck(&place.0.url(), 3_600_000, 700).await;
    let store = open(&place.0.url(), &impatient()).await;
    store.commit(registration(&dev(4))).await.unwrap();
    while positions(&store).await.len() < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(positions(&store).await, dense(4));
    stuck.batch_execute("COMMIT").await.unwrap_err();
    assert_eq!(positions(&store).await, dense(4));
}
