//! All or nothing on the DM Server: SIGKILL at every step of its side leaves one record that completes once, and the device gets through.
//! One node, whatever `OMADM_TEST_NODES` says: it comes back on its own file and goes on; `kill_node.rs` has the node that another stands in for.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use std::sync::Arc;

use omadm_client::Unobserved;
use omadm_tests::kill::{
    Bootstrap, Case, Disturbed as _, Halt, Instants, Killed, Server, Site as _, Work,
};
use omadm_tests::soak;

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");

/// Kills at step 1, 2, … until the device is done before; answers how many steps there were.
fn walk(case: Case) -> usize {
    let mut server = Server::make().unwrap();
    let (bootstrap, _) = case.undisturbed(&mut server).unwrap();
    let walked = Killed::Server(&mut server)
        .walk(KILL_SERVER, &bootstrap, Halt::Step)
        .unwrap();
    server.stop().unwrap();
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

/// A push by a server that is killed at a step; answers the step's name where it came to it. What the operator got no answer for is asked for again.
fn push_at(server: &mut Server, bootstrap: &Bootstrap, step: u64) -> Option<String> {
    let device = server.device_that_listens().unwrap();
    server.stop().unwrap();
    let victim = server.victim(KILL_SERVER, step).unwrap();
    let client = server.client(&device, Arc::new(Unobserved)).unwrap();
    let job = Work::start_listening(&server.runtime, client);
    let operator = server.push_meanwhile(&device, "full").unwrap();
    let name = job.until_halt(&victim).unwrap();
    assert!(victim.kill().unwrap(), "ended by SIGKILL");
    let answered = server.runtime.block_on(operator).unwrap().is_ok();
    server.start().unwrap();
    let known = server.has_bootstrap(&device).unwrap();
    assert!(known || !answered, "{name:?}: acknowledged and lost");
    if !known {
        server.push(&device, "full").unwrap();
    }
    job.done().unwrap();
    let what = format!("step {step}: {name:?}");
    bootstrap.judge(server, &device, &what).unwrap();
    name
}

#[test]
fn a_push_gets_there_and_completes_once_whichever_step_the_server_dies_at() {
    let mut server = Server::make().unwrap();
    let (bootstrap, _) = Case::FIRST.undisturbed(&mut server).unwrap();
    let mut walked = Vec::new();
    for step in 1.. {
        let name = push_at(&mut server, &bootstrap, step);
        println!("step {step}: {name:?}");
        let Some(name) = name else { break };
        walked.push(name);
    }
    server.stop().unwrap();
    println!("{} steps walked: {walked:#?}", walked.len());
    let commits = walked.iter().filter(|name| *name == "after a commit");
    assert!(
        commits.count() >= 4,
        "drafted, claimed, delivered, completed"
    );
}

/// Kills at random instants between the device's start and its end.
fn at_random_instants(case: Case, seed: u64) {
    let (mut instants, seed) = Instants::seeded(seed);
    let mut server = Server::make().unwrap();
    let (bootstrap, span) = case.undisturbed(&mut server).unwrap();
    println!("seed {seed}, a bootstrap takes {span:?}");
    for _ in 0..soak::size(200) {
        let instant = instants.before(span);
        let mut killed = Killed::Server(&mut server);
        let halt = Halt::After(instant);
        killed.round(KILL_SERVER, &bootstrap, halt).unwrap();
    }
    server.stop().unwrap();
}

#[test]
fn a_first_bootstrap_completes_once_at_every_step_of_the_server() {
    assert!(walk(Case::FIRST) >= 20);
}

#[test]
fn a_re_bootstrap_completes_once_at_every_step_of_the_server() {
    assert!(walk(Case::AGAIN) >= 20);
}

#[test]
fn soak_a_first_bootstrap_completes_once_whenever_the_server_is_killed() {
    at_random_instants(Case::FIRST, 11_232_026);
}

#[test]
fn soak_a_re_bootstrap_completes_once_whenever_the_server_is_killed() {
    at_random_instants(Case::AGAIN, 62_023_211);
}
