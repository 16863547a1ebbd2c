//! Two DM Server nodes over one PostgreSQL, packages alternating: one node is ended by SIGKILL and not brought back, and the other carries on.
//! Always two nodes, whatever `OMADM_TEST_NODES` says.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use omadm_client::{ClientEvent, ClientObserver, Exchange};
use omadm_server::ObservedExchange;
use omadm_server::model::{EventKind, StoredEvent};
use omadm_server::store::Store;
use omadm_server::store::postgres::PostgresOptions;
use omadm_tests::kill::{
    Bootstrap, Case, Device, Disturbed as _, First, Halt, Instants, Killed, Nodes, PATIENCE,
    Site as _, Victim, Work,
};
use omadm_tests::soak;

/// Both orders of the nodes: so each package is the killed node's once.
const ORDERS: [First; 2] = [First::Victim, First::Staying];

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");

/// In both orders kills at step 1, 2, … until the device is done before; answers how many steps there were.
fn walk(case: Case) -> usize {
    let mut nodes = Nodes::make().unwrap();
    let (bootstrap, _) = case.undisturbed(&mut nodes).unwrap();
    let walked = ORDERS.map(|first| {
        Killed::Node(&mut nodes, first)
            .walk(KILL_SERVER, &bootstrap, Halt::Step)
            .unwrap()
    });
    nodes.stop().unwrap();
    let walked = walked.concat();
    for needed in [
        "before a deferred mark",
        "after a deferred mark",
        "read sessions",
        "before a commit",
        "after a commit",
        "GET /bootstrap -> 200",
        "POST /dm/2.0 -> 200",
    ] {
        assert!(walked.iter().any(|name| name == needed), "{needed}");
    }
    walked.len()
}

/// Kills at random instants between the device's start and its end, in both orders in turn.
fn at_random_instants(case: Case, seed: u64) {
    let (mut instants, seed) = Instants::seeded(seed);
    let mut nodes = Nodes::make().unwrap();
    let (bootstrap, span) = case.undisturbed(&mut nodes).unwrap();
    println!("seed {seed}, a bootstrap takes {span:?}");
    for first in ORDERS.into_iter().cycle().take(soak::size(200)) {
        let instant = instants.before(span);
        let mut killed = Killed::Node(&mut nodes, first);
        let halt = Halt::After(instant);
        killed.round(KILL_SERVER, &bootstrap, halt).unwrap();
    }
    nodes.stop().unwrap();
}

/// A client's exchanges. After one of them a node is killed while the client waits, so that nothing is under way.
#[derive(Default)]
struct Between {
    /// After which exchange, from 1; 0 kills never.
    number: usize,
    victim: Mutex<Option<Victim>>,
    killed: Mutex<Option<Instant>>,
    statuses: Mutex<Vec<u16>>,
}

impl Between {
    fn new(number: usize, victim: Victim) -> Arc<Self> {
        Arc::new(Self {
            number,
            victim: Mutex::new(Some(victim)),
            ..Self::default()
        })
    }

    fn statuses(&self) -> Vec<u16> {
        self.statuses.lock().unwrap().clone()
    }
}

impl ClientObserver for Between {
    fn event(&self, _: &ClientEvent) {}

    fn exchange(&self, exchange: &Exchange) {
        let mut statuses = self.statuses.lock().unwrap();
        statuses.push(exchange.status);
        if statuses.len() == self.number {
            let victim = self.victim.lock().unwrap().take().unwrap();
            *self.killed.lock().unwrap() = Some(Instant::now());
            assert!(victim.kill().unwrap(), "ended by SIGKILL");
        }
    }
}

/// Does the bootstrap and everything after it.
fn observed(nodes: &Nodes, device: &Device, watch: &Arc<Between>) -> Work {
    let former = device.state().unwrap().event_id().cloned();
    let client = nodes.client(device, Arc::clone(watch) as _).unwrap();
    Work::start(&nodes.runtime, client, former)
}

/// What a request is (a fetch, or a package by its media type), and its status.
fn kind(exchange: &ObservedExchange) -> (String, u16) {
    let media = exchange.request_type.as_deref().unwrap_or_default();
    let kind = format!("{} {} {media}", exchange.method, exchange.path);
    (kind, exchange.status)
}

/// Kills a node after each exchange but the last, in both orders: the other answers the next one of the same session.
fn between_any_two(case: Case) {
    let mut nodes = Nodes::make().unwrap();
    let (bootstrap, _) = case.undisturbed(&mut nodes).unwrap();
    let device = case.prepare(&mut nodes).unwrap();
    drop(nodes.answered());
    let watch = Arc::new(Between::default());
    observed(&nodes, &device, &watch).done().unwrap();
    let whole: Vec<_> = nodes.answered().iter().map(kind).collect();
    let count = |media: &str| {
        whole
            .iter()
            .filter(|(kind, _)| kind.ends_with(media))
            .count()
    };
    assert_eq!(count("initiation+json"), 1, "Package#1");
    assert!(count("response+json") >= 1, "Package#3");
    assert_eq!(watch.statuses(), vec![200; whole.len()]);
    for (first, number) in ORDERS
        .into_iter()
        .flat_map(|first| (1..whole.len()).map(move |number| (first, number)))
    {
        let device = case.prepare(&mut nodes).unwrap();
        let victim = nodes.victim(KILL_SERVER, 0).unwrap();
        nodes.take_turns(first).unwrap();
        drop(nodes.answered());
        let watch = Between::new(number, victim);
        observed(&nodes, &device, &watch).done().unwrap();
        let answered: Vec<_> = nodes.answered().iter().map(kind).collect();
        println!("{first:?}, killed after exchange {number}: the other answered {answered:?}");
        let odd = usize::from(first == First::Victim);
        let expected: Vec<_> = whole
            .iter()
            .enumerate()
            .filter(|(index, _)| *index >= number || index % 2 == odd)
            .map(|(_, kind)| kind.clone())
            .collect();
        assert_eq!(answered, expected, "in turn before, all after");
        assert_eq!(
            watch.statuses(),
            vec![200; whole.len()],
            "none was repeated"
        );
        let what = format!("{first:?}, killed after exchange {number}");
        bootstrap.judge(&nodes, &device, &what).unwrap();
        let store = nodes.staying().unwrap().store();
        let events = store.events_of(&device.dev_id, 0, 1000);
        let events = nodes.runtime.block_on(events).unwrap();
        let sessions = |event: &&StoredEvent| {
            let kind = &event.event.kind;
            matches!(kind, EventKind::SessionStarted { .. })
        };
        let begun = events.iter().filter(sessions).count();
        assert_eq!(
            begun,
            if case.again { 2 } else { 1 },
            "a session a bootstrap"
        );
    }
    nodes.stop().unwrap();
}

/// Who may give positions.
fn holder(nodes: &Nodes) -> String {
    let sql = "SELECT holder FROM sequencer WHERE lease_until > EXTRACT(EPOCH FROM clock_timestamp()) * 1000";
    nodes.database.execute(sql).unwrap()
}

/// Reads the log like one who resumes by position, until told to stop and nothing more is there; insists that no position is missed.
async fn consume(store: Arc<dyn Store>, mut after: u64, stop: Arc<AtomicBool>) -> Vec<StoredEvent> {
    let mut seen = Vec::new();
    loop {
        let stopped = stop.load(Ordering::SeqCst);
        let page = store.events_after(after, 7).await.unwrap();
        for event in &page {
            after += 1;
            assert_eq!(event.position, Some(after), "the next position");
        }
        if page.is_empty() {
            if stopped {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        seen.extend(page);
    }
}

/// Kills the sequencer's holder between two exchanges of one device while others are under way; waits for the positions.
fn kill_the_sequencer(nodes: &mut Nodes, bootstrap: &Bootstrap, first: First) {
    let staying = holder(nodes);
    nodes.stop().unwrap();
    let victim = nodes.victim(KILL_SERVER, 0).unwrap();
    let begun = Instant::now();
    let killed = loop {
        let holder = holder(nodes);
        if !holder.is_empty() && holder != staying {
            break holder;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody took the lease");
        std::thread::sleep(Duration::from_millis(20));
    };
    nodes.start().unwrap();
    let store = Arc::clone(nodes.staying().unwrap().store());
    let before = nodes.runtime.block_on(store.lag()).unwrap();
    assert_eq!(before.waiting, 0, "the former round's end");
    let stop = Arc::new(AtomicBool::new(false));
    let consumer = consume(Arc::clone(&store), before.position, Arc::clone(&stop));
    let consumer = nodes.runtime.spawn(consumer);
    let devices: Vec<_> = (0..5).map(|_| bootstrap.prepare(nodes).unwrap()).collect();
    assert_eq!(holder(nodes), killed);
    nodes.take_turns(first).unwrap();
    let watch = Between::new(2, victim);
    let mut jobs = vec![observed(nodes, &devices[0], &watch)];
    for device in &devices[1..] {
        jobs.push(bootstrap.start(nodes, device).unwrap());
    }
    for job in jobs {
        job.done().unwrap();
    }
    let waiting = nodes.runtime.block_on(store.lag()).unwrap().waiting;
    let since = watch.killed.lock().unwrap().unwrap();
    println!("{waiting} events wait {:?} after the kill", since.elapsed());
    // The lease runs out, another third of it is between two looks; the rest is for a machine that is busy.
    let bound = PostgresOptions::default().lease * 2;
    while nodes.runtime.block_on(store.lag()).unwrap().waiting > 0 {
        assert!(since.elapsed() < bound, "events still wait");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("none waits {:?} after the kill", since.elapsed());
    assert_ne!(holder(nodes), killed);
    nodes.runtime.block_on(store.flush()).unwrap();
    stop.store(true, Ordering::SeqCst);
    let seen = nodes.runtime.block_on(consumer).unwrap();
    let mut numbers = BTreeMap::new();
    for event in &seen {
        let number = numbers.entry(event.dev_id.clone()).or_insert(0);
        *number += 1;
        assert_eq!(event.seq, *number, "a device's events in their order");
    }
    let all = nodes.database.execute("SELECT count(*) FROM events");
    let positions = before.position + seen.len() as u64;
    assert_eq!(all.unwrap(), positions.to_string(), "every event was seen");
    for device in &devices {
        bootstrap.judge(nodes, device, "the sequencer").unwrap();
    }
}

#[test]
fn between_any_two_packages_of_a_first_bootstrap_a_node_may_die() {
    between_any_two(Case::FIRST);
}

#[test]
fn between_any_two_packages_of_a_re_bootstrap_a_node_may_die() {
    between_any_two(Case::AGAIN);
}

#[test]
fn after_the_sequencer_is_killed_every_event_gets_the_next_position_by_the_other_node() {
    let mut nodes = Nodes::make().unwrap();
    let (bootstrap, _) = Case::FIRST.undisturbed(&mut nodes).unwrap();
    for first in ORDERS {
        kill_the_sequencer(&mut nodes, &bootstrap, first);
    }
    nodes.stop().unwrap();
}

#[test]
fn a_first_bootstrap_completes_once_by_the_other_node_at_every_step_of_the_one_killed() {
    assert!(walk(Case::FIRST) >= 20);
}

#[test]
fn a_re_bootstrap_completes_once_by_the_other_node_at_every_step_of_the_one_killed() {
    assert!(walk(Case::AGAIN) >= 20);
}

#[test]
fn soak_a_first_bootstrap_completes_once_whenever_a_node_is_killed() {
    at_random_instants(Case::FIRST, 23_112_026);
}

#[test]
fn soak_a_re_bootstrap_completes_once_whenever_a_node_is_killed() {
    at_random_instants(Case::AGAIN, 62_021_132);
}
