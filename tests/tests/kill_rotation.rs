//! SIGKILL at every step of a rotation of DM 2.0, on either side: both ends come to hold the same secrets, the former ones are kept, and no device is locked out
//! (DESIGN §4). With `OMADM_TEST_NODES=2` a client that is killed has two nodes that answer in turn.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use omadm_tests::kill::{
    First, Nodes, PATIENCE, Rotation, Server, Site, Told, Victim, wanted_site,
};

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");

/// A step of a message of its own.
fn message(step: u64) -> String {
    format!("message:{step}")
}

fn assert_walked(walked: &[String]) {
    println!("{} steps walked: {walked:#?}", walked.len());
    for needed in ["before a commit", "after a commit", "POST /dm/2.0 -> 200"] {
        let times = walked.iter().filter(|name| *name == needed).count();
        assert!(times >= 2, "{needed}: {times}");
    }
    let secrets = walked.iter().filter(|name| name.starts_with("GET /repo/"));
    assert!(secrets.count() >= 2, "one fetch a secret");
}

#[test]
fn a_rotation_locks_no_device_out_whichever_step_the_server_dies_at() {
    let mut server = Server::make().unwrap();
    let mut walked = Vec::new();
    for step in 1.. {
        let device = Rotation.prepare(&mut server).unwrap();
        server.stop().unwrap();
        let victim = server.victim(KILL_SERVER, message(step)).unwrap();
        let job = Rotation.start(&server, &device).unwrap();
        let name = job.until_halt(&victim).unwrap();
        assert!(victim.kill().unwrap(), "ended by SIGKILL");
        server.start().unwrap();
        let what = format!("step {step}: {name:?}");
        job.done().unwrap_or_else(|fault| panic!("{what}: {fault}"));
        Rotation.judge(&server, &device, &what).unwrap();
        let Some(name) = name else { break };
        walked.push(name);
    }
    server.stop().unwrap();
    assert_walked(&walked);
}

#[test]
fn a_rotation_locks_no_device_out_whichever_step_one_of_two_nodes_dies_at() {
    let mut nodes = Nodes::make().unwrap();
    let mut walked = Vec::new();
    for first in [First::Victim, First::Staying] {
        for step in 1.. {
            let device = Rotation.prepare(&mut nodes).unwrap();
            let victim = nodes.victim(KILL_SERVER, message(step)).unwrap();
            nodes.take_turns(first).unwrap();
            let job = Rotation.start(&nodes, &device).unwrap();
            let name = job.until_halt(&victim).unwrap();
            assert!(victim.kill().unwrap(), "ended by SIGKILL");
            let what = format!("{first:?}, step {step}: {name:?}");
            job.done().unwrap_or_else(|fault| panic!("{what}: {fault}"));
            Rotation.judge(&nodes, &device, &what).unwrap();
            let Some(name) = name else { break };
            walked.push(name);
        }
    }
    nodes.stop().unwrap();
    assert_walked(&walked);
}

#[test]
fn a_rotation_locks_no_device_out_whichever_step_the_client_dies_at() {
    let mut site = wanted_site().unwrap();
    let site = &mut *site;
    let mut walked = Vec::new();
    for step in 1.. {
        let device = Rotation.prepare(site).unwrap();
        let arguments = [
            device.folder.display().to_string(),
            device.url.clone(),
            device.ca.display().to_string(),
            message(step),
        ];
        let victim = Victim::start(env!("CARGO_BIN_EXE_kill_client"), arguments).unwrap();
        let name = match victim.told(PATIENCE).unwrap() {
            Told::At(name) => Some(name),
            Told::Done => None,
            other => panic!("{other:?} after {walked:?}"),
        };
        let killed = victim.kill().unwrap();
        let what = format!("step {step}: {name:?}");
        let job = Rotation.start(site, &device).unwrap();
        job.done().unwrap_or_else(|fault| panic!("{what}: {fault}"));
        Rotation.judge(site, &device, &what).unwrap();
        let Some(name) = name else { break };
        assert!(killed, "{what}: ended by SIGKILL");
        walked.push(name);
    }
    println!("{} steps walked: {walked:#?}", walked.len());
    let answered = walked.iter().filter(|name| *name == "POST -> 200").count();
    assert!(answered >= 3, "{answered}");
}
