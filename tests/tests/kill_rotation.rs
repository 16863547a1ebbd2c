//! SIGKILL at every step of a rotation of DM 2.0, on either side: both ends come to hold the same secrets, the former ones are kept, and no device is locked out
//! (DESIGN §4). With `OMADM_TEST_NODES=2` a client that is killed has two nodes that answer in turn.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::kill::{First, Halt, Killed, Nodes, Rotation, Server, Site as _, wanted_site};

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");

/// The steps at which a server was killed.
fn walk(mut killed: Killed<'_>) -> Vec<String> {
    killed.walk(KILL_SERVER, &Rotation, Halt::Message).unwrap()
}

fn assert_walked(walked: &[String]) {
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
    let walked = walk(Killed::Server(&mut server));
    server.stop().unwrap();
    assert_walked(&walked);
}

#[test]
fn a_rotation_locks_no_device_out_whichever_step_one_of_two_nodes_dies_at() {
    let mut nodes = Nodes::make().unwrap();
    let orders = [First::Victim, First::Staying];
    let walks = orders.map(|first| walk(Killed::Node(&mut nodes, first)));
    nodes.stop().unwrap();
    assert_walked(&walks.concat());
}

#[test]
fn a_rotation_locks_no_device_out_whichever_step_the_client_dies_at() {
    let mut site = wanted_site().unwrap();
    let walked = Killed::Client(site.as_mut())
        .walk(env!("CARGO_BIN_EXE_kill_client"), &Rotation, Halt::Message)
        .unwrap();
    let answered = walked.iter().filter(|name| *name == "POST -> 200").count();
    assert!(answered >= 3, "{answered}");
}
