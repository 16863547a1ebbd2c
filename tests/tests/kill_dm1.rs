//! SIGKILL at every message of a first report, of a rotation and of a recovery of DM 1.x, on either side: the next session works, both ends come to hold the same
//! secrets, and every bootstrap is stored once (`dm1x.md` §6.6, M21). With `OMADM_TEST_NODES=2` a client that is killed has two nodes that answer in turn.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it walked"
)]

use omadm_tests::kill::{
    Dm1Case, Dm1Speech, First, Nodes, PATIENCE, Server, Site, Told, Victim, wanted_site,
};

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");

/// A step of a message of its own.
fn message(step: u64) -> String {
    format!("message:{step}")
}

fn assert_walked(case: Dm1Case, walked: &[String]) {
    println!("{case:?}: {} steps walked: {walked:#?}", walked.len());
    for needed in ["before a commit", "after a commit", "POST /dm/1.x -> 200"] {
        let times = walked.iter().filter(|name| *name == needed).count();
        assert!(times >= 2, "{case:?}: {needed}: {times}");
    }
}

/// Kills the server at the first, second, … step until the device is done before. It comes back on its own file.
fn walk_server(case: Dm1Case) {
    for speech in Dm1Speech::ALL {
        walk_server_of(case, speech);
    }
}

fn walk_server_of(case: Dm1Case, speech: Dm1Speech) {
    let mut server = Server::make().unwrap();
    let mut walked = Vec::new();
    for step in 1.. {
        let device = case.prepare(&mut server, speech).unwrap();
        server.stop().unwrap();
        let victim = server.victim(KILL_SERVER, message(step)).unwrap();
        let job = case.start(&server, &device).unwrap();
        let name = job.until_halt(&victim).unwrap();
        assert!(victim.kill().unwrap(), "ended by SIGKILL");
        server.start().unwrap();
        let what = format!("{case:?}, {speech:?}, step {step}: {name:?}");
        job.done().unwrap_or_else(|fault| panic!("{what}: {fault}"));
        case.judge(&server, &device, &what).unwrap();
        let Some(name) = name else { break };
        walked.push(name);
    }
    server.stop().unwrap();
    assert_walked(case, &walked);
}

/// Kills one of two nodes at the first, second, … of its steps, in both orders; the other carries on.
fn walk_node(case: Dm1Case) {
    let mut nodes = Nodes::make().unwrap();
    let mut walked = Vec::new();
    let orders = [First::Victim, First::Staying];
    for (first, speech) in orders.into_iter().zip(Dm1Speech::ALL) {
        for step in 1.. {
            let device = case.prepare(&mut nodes, speech).unwrap();
            let victim = nodes.victim(KILL_SERVER, message(step)).unwrap();
            nodes.take_turns(first).unwrap();
            let job = case.start(&nodes, &device).unwrap();
            let name = job.until_halt(&victim).unwrap();
            assert!(victim.kill().unwrap(), "ended by SIGKILL");
            let what = format!("{case:?}, {speech:?}, {first:?}, step {step}: {name:?}");
            job.done().unwrap_or_else(|fault| panic!("{what}: {fault}"));
            case.judge(&nodes, &device, &what).unwrap();
            let Some(name) = name else { break };
            walked.push(name);
        }
    }
    nodes.stop().unwrap();
    assert_walked(case, &walked);
}

/// Kills the client at the first, second, … step until it is done before, and starts it anew.
fn walk_client(case: Dm1Case, site: &mut (impl Site + ?Sized), speech: Dm1Speech) {
    let mut walked = Vec::new();
    for step in 1.. {
        let device = case.prepare(site, speech).unwrap();
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
        let what = format!("{case:?}, {speech:?}, step {step}: {name:?}");
        let job = case.start(site, &device).unwrap();
        job.done().unwrap_or_else(|fault| panic!("{what}: {fault}"));
        case.judge(site, &device, &what).unwrap();
        let Some(name) = name else { break };
        assert!(killed, "{what}: ended by SIGKILL");
        walked.push(name);
    }
    println!("{case:?}: {} steps walked: {walked:#?}", walked.len());
    let answered = walked.iter().filter(|name| *name == "POST -> 200").count();
    assert!(answered >= 3, "{case:?}: {answered}");
}

#[test]
fn dm_hlr_2_a_first_report_is_stored_once_whichever_message_the_server_dies_at() {
    walk_server(Dm1Case::Report);
}

#[test]
fn a_rotation_locks_no_device_out_whichever_message_the_server_dies_at() {
    walk_server(Dm1Case::Rotation);
}

#[test]
fn b1_s_04_a_recovery_comes_to_its_end_whichever_message_the_server_dies_at() {
    walk_server(Dm1Case::Recovery);
}

#[test]
fn dm_hlr_2_a_first_report_is_stored_once_by_the_other_node_whichever_message_one_dies_at() {
    walk_node(Dm1Case::Report);
}

#[test]
fn a_rotation_locks_no_device_out_whichever_message_one_of_two_nodes_dies_at() {
    walk_node(Dm1Case::Rotation);
}

#[test]
fn b1_s_04_a_recovery_comes_to_its_end_by_the_other_node_whichever_message_one_dies_at() {
    walk_node(Dm1Case::Recovery);
}

#[test]
fn reports_rotations_and_recoveries_come_to_their_end_whichever_message_the_client_dies_at() {
    let mut site = wanted_site().unwrap();
    for case in Dm1Case::ALL {
        for speech in Dm1Speech::ALL {
            walk_client(case, site.as_mut(), speech);
        }
    }
    site.stop().unwrap();
}
