//! SIGKILL on the DM Server while a device works through its command queue: no command is lost, none is answered twice, and what was sent again shows it.
//! Of several nodes the other one goes on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use omadm_bootstrap::EventId;
use omadm_client::{ClientEvent, ClientObserver, Exchange, Unobserved};
use omadm_mo::DevId;
use omadm_server::model::{
    CommandChange, CommandId, CommandState, EventKind, ExchangeDelta, QueuedCommand,
};
use omadm_server::store::Store;
use omadm_server::{Clock as _, SystemClock};
use omadm_tests::kill::{Case, Device, First, Nodes, Server, Site, Victim, Work};

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");
/// More than one Package#2 takes.
const GETS: usize = 34;
const LEAF: &str = "urn:oma:mo:oma-dm-devinfo:1.2//Man";
/// Bootstrapped, with its first session over: what follows is the queue's alone.
const KNOWN: Case = Case::AGAIN;

/// The commands of one round, and where its events begin.
struct Round {
    ids: Vec<CommandId>,
    before: u64,
}

/// Queues GETs, and an EXEC that comes with the last of them.
async fn queue(store: &dyn Store, dev_id: &DevId) -> Round {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let device = store.device(dev_id).await.unwrap().unwrap();
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), SystemClock.now());
    let mut ids = Vec::new();
    for name in ["GET"].into_iter().cycle().take(GETS).chain(["EXEC"]) {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let id = CommandId(EventId::of(octets));
        delta.commands.push(CommandChange::Add {
            id: id.clone(),
            words: vec![name.to_owned(), LEAF.to_owned()],
        });
        ids.push(id);
    }
    store.commit(delta).await.unwrap();
    let before = device.next_event_seq - 1;
    Round { ids, before }
}

/// What an operator does with an EXEC whose outcome is unknown; tells whether there was one.
async fn release(store: &dyn Store, dev_id: &DevId) -> bool {
    let device = store.device(dev_id).await.unwrap().unwrap();
    let open = store.open_commands(dev_id).await.unwrap();
    let Some(mut held) = open.into_iter().next() else {
        return false;
    };
    assert_eq!(held.state, CommandState::Held, "{held:?}");
    assert_eq!(held.words[0], "EXEC");
    held.state = CommandState::Queued;
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.epoch), SystemClock.now());
    delta.commands.push(CommandChange::Update(Box::new(held)));
    store.commit(delta).await.unwrap();
    true
}

/// Every command was answered once, and was sent as often as its events say; answers the commands and how many sessions there were.
async fn judge(store: &dyn Store, dev_id: &DevId, round: &Round) -> (Vec<QueuedCommand>, usize) {
    let mut events = Vec::new();
    loop {
        let after = round.before + events.len() as u64;
        let page = store.events_of(dev_id, after, 500).await.unwrap();
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    let (mut sent, mut answered) = (BTreeMap::new(), BTreeMap::new());
    let (mut begun, mut over) = (0, 0);
    for event in &events {
        match &event.event.kind {
            EventKind::CommandSent { id: Some(id), .. } => {
                *sent.entry(id.clone()).or_insert(0_u32) += 1;
            }
            EventKind::CommandAnswered { id: Some(id), .. } => {
                *answered.entry(id.clone()).or_insert(0_u32) += 1;
            }
            EventKind::SessionStarted { .. } => begun += 1,
            EventKind::SessionEnded { .. }
            | EventKind::SessionSuperseded { .. }
            | EventKind::SessionAborted { .. } => over += 1,
            _ => {}
        }
    }
    assert_eq!(begun, over, "every session has its end");
    let mut commands = Vec::new();
    for id in &round.ids {
        let command = store.command(dev_id, id).await.unwrap().unwrap();
        assert_eq!(command.state, CommandState::Answered, "{command:?}");
        assert_eq!(answered.get(&id.to_string()), Some(&1), "answered once");
        assert_eq!(sent.get(&id.to_string()), Some(&command.sends));
        if command.words[0] == "GET" {
            assert_eq!(command.status, Some(200));
            assert!(command.result.as_ref().unwrap().contains("Acme"));
        }
        commands.push(command);
    }
    let device = store.device(dev_id).await.unwrap().unwrap();
    assert_eq!(device.open_commands, 0);
    (commands, begun)
}

fn work(site: &impl Site, device: &Device) -> Work {
    let client = site.client(device, Arc::new(Unobserved)).unwrap();
    Work::start(site.runtime(), client, None)
}

/// Does something after one of a client's exchanges, while the client waits, so that nothing is under way.
struct After {
    /// Which exchange, from 1.
    number: usize,
    statuses: Mutex<Vec<u16>>,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl After {
    fn new(number: usize, act: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            number,
            statuses: Mutex::default(),
            act: Mutex::new(Some(Box::new(act))),
        })
    }

    fn statuses(&self) -> Vec<u16> {
        self.statuses.lock().unwrap().clone()
    }
}

impl ClientObserver for After {
    fn event(&self, _: &ClientEvent) {}

    fn exchange(&self, exchange: &Exchange) {
        let mut statuses = self.statuses.lock().unwrap();
        statuses.push(exchange.status);
        if statuses.len() == self.number {
            let act = self.act.lock().unwrap().take().unwrap();
            act();
        }
    }
}

fn kill(victim: Victim) {
    assert!(victim.kill().unwrap(), "ended by SIGKILL");
}

#[test]
fn x_flow_001_a_server_killed_at_any_step_of_a_session_loses_no_command() {
    let mut server = Server::make().unwrap();
    let device = KNOWN.prepare(&mut server).unwrap();
    let (mut repeated, mut held, mut walked) = (0, 0, Vec::new());
    for step in 1.. {
        let store = Arc::clone(server.running().unwrap().store());
        let round = server.runtime.block_on(queue(&*store, &device.dev_id));
        drop(store);
        server.stop().unwrap();
        let victim = server.victim(KILL_SERVER, step).unwrap();
        let job = work(&server, &device);
        let name = job.until_halt(&victim).unwrap();
        println!("step {step}: {name:?}");
        kill(victim);
        server.start().unwrap();
        job.done().unwrap();
        let store = Arc::clone(server.running().unwrap().store());
        if server.runtime.block_on(release(&*store, &device.dev_id)) {
            held += 1;
            work(&server, &device).done().unwrap();
        }
        let judged = judge(&*store, &device.dev_id, &round);
        let (commands, _) = server.runtime.block_on(judged);
        let again = commands.iter().filter(|command| command.sends > 1);
        repeated += usize::from(again.count() > 0);
        let Some(name) = name else { break };
        walked.push(name);
    }
    server.stop().unwrap();
    println!(
        "{} steps walked: {repeated} with repetition, {held} with a held EXEC",
        walked.len()
    );
    for needed in [
        "read open commands",
        "after a commit",
        "POST /dm/2.0 -> 200",
    ] {
        let times = walked.iter().filter(|name| *name == needed).count();
        assert!(times >= 3, "{needed}: {times}");
    }
    assert!(repeated > 0 && held > 0, "{repeated} {held}");
}

#[test]
fn x_flow_001_between_any_two_packages_of_a_session_the_server_may_die_and_come_back() {
    let mut server = Server::make().unwrap();
    let device = KNOWN.prepare(&mut server).unwrap();
    // Package#1 and two Package#3.
    for number in 1..=2 {
        let store = Arc::clone(server.running().unwrap().store());
        let round = server.runtime.block_on(queue(&*store, &device.dev_id));
        drop(store);
        server.stop().unwrap();
        let victim = server.victim(KILL_SERVER, 0).unwrap();
        let shared = Arc::new(server);
        let back = Arc::new(Mutex::new(None));
        let (again, place) = (Arc::clone(&shared), Arc::clone(&back));
        let watch = After::new(number, move || {
            kill(victim);
            *place.lock().unwrap() = Some(again.victim(KILL_SERVER, 0).unwrap());
        });
        let client = shared.client(&device, Arc::clone(&watch) as _).unwrap();
        Work::start(&shared.runtime, client, None).done().unwrap();
        kill(back.lock().unwrap().take().unwrap());
        assert_eq!(watch.statuses(), [200; 3], "none was repeated");
        drop(watch);
        server = Arc::try_unwrap(shared).unwrap_or_else(|_| panic!("the server is in use"));
        server.start().unwrap();
        let store = Arc::clone(server.running().unwrap().store());
        let judged = judge(&*store, &device.dev_id, &round);
        let (commands, sessions) = server.runtime.block_on(judged);
        assert!(commands.iter().all(|command| command.sends == 1));
        assert_eq!(sessions, 1);
    }
    server.stop().unwrap();
}

#[test]
fn x_flow_001_between_any_two_packages_of_a_session_a_node_may_die_and_the_other_answers() {
    let mut nodes = Nodes::make().unwrap();
    let device = KNOWN.prepare(&mut nodes).unwrap();
    for (first, number) in [First::Victim, First::Staying]
        .into_iter()
        .flat_map(|first| [(first, 1), (first, 2)])
    {
        let store = Arc::clone(nodes.staying().unwrap().store());
        let round = nodes.runtime.block_on(queue(&*store, &device.dev_id));
        let victim = nodes.victim(KILL_SERVER, 0).unwrap();
        nodes.take_turns(first).unwrap();
        let watch = After::new(number, move || kill(victim));
        let client = nodes.client(&device, Arc::clone(&watch) as _).unwrap();
        Work::start(&nodes.runtime, client, None).done().unwrap();
        assert_eq!(watch.statuses(), [200; 3], "{first:?}: none was repeated");
        let judged = judge(&*store, &device.dev_id, &round);
        let (commands, sessions) = nodes.runtime.block_on(judged);
        assert!(commands.iter().all(|command| command.sends == 1));
        assert_eq!(sessions, 1);
    }
    nodes.stop().unwrap();
}
