//! All or nothing on the DM Server: SIGKILL at every step of its side leaves one record that completes once, and the device gets through.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use omadm_bootstrap::EventId;
use omadm_client::Unobserved;
use omadm_tests::kill::{Device, DeviceState, Fault, Instants, PATIENCE, Server, Told, finish};
use omadm_tests::soak;

/// How long a step may still come after the device is done: the server's last words need no answer of the device.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// How often a process and a thread are looked at in turn.
const LOOK: Duration = Duration::from_millis(2);

/// A bootstrap whose server is killed.
#[derive(Clone, Copy)]
struct Case {
    profile: &'static str,
    /// Whether the device has an account already, of an earlier bootstrap.
    again: bool,
}

const FIRST: Case = Case {
    profile: "full",
    again: false,
};
const AGAIN: Case = Case {
    profile: "full",
    again: true,
};

/// The device's work on a thread of its own; it goes on while the server is away.
fn work(
    server: &Server,
    device: &Device,
    former: Option<EventId>,
) -> JoinHandle<Result<(), Fault>> {
    let client = server.client(device, Arc::new(Unobserved)).unwrap();
    let handle = server.runtime.handle().clone();
    std::thread::spawn(move || {
        handle.block_on(async {
            let finished = finish(&client, former.as_ref());
            tokio::time::timeout(PATIENCE, finished).await?
        })
    })
}

impl Case {
    /// A fresh device with the state it has before the bootstrap whose server is killed. The server runs in this process.
    fn prepare(self, server: &mut Server) -> (Device, DeviceState) {
        let device = server.device(self.profile).unwrap();
        if self.again {
            work(server, &device, None).join().unwrap().unwrap();
        }
        let state = device.state().unwrap();
        (device, state)
    }

    fn judge(self, server: &Server, device: &Device) -> DeviceState {
        let state = device.state().unwrap();
        let bootstraps = if self.again { 2 } else { 1 };
        server.assert_completed(device, &state, bootstraps).unwrap();
        state
    }

    /// The leaves that the document brings, as an undisturbed device has them, and how long that took.
    fn undisturbed(self, server: &mut Server) -> (BTreeSet<String>, Duration) {
        let (device, old) = self.prepare(server);
        let begun = Instant::now();
        work(server, &device, old.event_id().cloned())
            .join()
            .unwrap()
            .unwrap();
        let took = begun.elapsed();
        let state = self.judge(server, &device);
        state.assert_whole(&state.shape());
        (state.shape(), took)
    }

    /// One device's bootstrap at a server that is killed at a step, or after a time; answers the step's name where it came to it.
    fn kill_at(
        self,
        server: &mut Server,
        shape: &BTreeSet<String>,
        step: u64,
        after: Option<Duration>,
    ) -> Option<String> {
        let (device, old) = self.prepare(server);
        server.stop().unwrap();
        let victim = server
            .victim(env!("CARGO_BIN_EXE_kill_server"), step)
            .unwrap();
        let job = work(server, &device, old.event_id().cloned());
        let name = match after {
            Some(after) => {
                std::thread::sleep(after);
                None
            }
            None => loop {
                let patience = if job.is_finished() { AFTERWARDS } else { LOOK };
                match victim.told(patience).unwrap() {
                    Told::At(name) => break Some(name),
                    Told::Nothing if patience == AFTERWARDS => break None,
                    Told::Nothing => {}
                    other => panic!("{other:?}"),
                }
            },
        };
        assert!(victim.kill().unwrap(), "ended by SIGKILL");
        server.start().unwrap();
        job.join().unwrap().unwrap();
        self.judge(server, &device).assert_whole(shape);
        name
    }

    /// Kills at step 1, 2, … until the device is done before; answers how many steps there were.
    fn walk(self) -> usize {
        let mut server = Server::make().unwrap();
        let (shape, _) = self.undisturbed(&mut server);
        let mut walked = Vec::new();
        for step in 1.. {
            let name = self.kill_at(&mut server, &shape, step, None);
            println!("step {step}: {name:?}");
            let Some(name) = name else { break };
            walked.push(name);
        }
        server.stop().unwrap();
        println!("{} steps walked: {walked:#?}", walked.len());
        for needed in [
            "before a deferred mark",
            "before a commit",
            "after a commit",
            "GET /bootstrap -> 200",
            "POST /dm/2.0 -> 200",
        ] {
            assert!(walked.iter().any(|name| name == needed), "{needed}");
        }
        walked.len()
    }

    /// Kills at random instants between the device's start and its end.
    fn at_random_instants(self, seed: u64) {
        let (mut instants, seed) = Instants::seeded(seed);
        let mut server = Server::make().unwrap();
        let (shape, span) = self.undisturbed(&mut server);
        println!("seed {seed}, a bootstrap takes {span:?}");
        for _ in 0..soak::size(200) {
            let instant = instants.before(span);
            println!("after {instant:?}");
            self.kill_at(&mut server, &shape, 0, Some(instant));
        }
        server.stop().unwrap();
    }
}

#[test]
fn a_first_bootstrap_completes_once_at_every_step_of_the_server() {
    assert!(FIRST.walk() >= 20);
}

#[test]
fn a_re_bootstrap_completes_once_at_every_step_of_the_server() {
    assert!(AGAIN.walk() >= 20);
}

#[test]
fn soak_a_first_bootstrap_completes_once_whenever_the_server_is_killed() {
    FIRST.at_random_instants(11_232_026);
}

#[test]
fn soak_a_re_bootstrap_completes_once_whenever_the_server_is_killed() {
    AGAIN.at_random_instants(62_023_211);
}
