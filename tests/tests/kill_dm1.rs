//! SIGKILL at every message of a first report, of a rotation and of a recovery of DM 1.x, on either side: the next session works, both ends come to hold the same
//! secrets, and every bootstrap is stored once (`dm1x.md` §6.6, M21). With `OMADM_TEST_NODES=2` a client that is killed has two nodes that answer in turn.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::kill::{
    Dm1Case, Dm1Speech, Dm1Work, First, Halt, Killed, Nodes, Server, Site as _, wanted_site,
};

const KILL_SERVER: &str = env!("CARGO_BIN_EXE_kill_server");

/// The steps at which a server was killed.
fn walk(mut killed: Killed<'_>, case: Dm1Case, speech: Dm1Speech) -> Vec<String> {
    killed
        .walk(KILL_SERVER, &Dm1Work { case, speech }, Halt::Message)
        .unwrap()
}

fn assert_walked(case: Dm1Case, walked: &[String]) {
    for needed in ["before a commit", "after a commit", "POST /dm/1.x -> 200"] {
        let times = walked.iter().filter(|name| *name == needed).count();
        assert!(times >= 2, "{case:?}: {needed}: {times}");
    }
}

fn walk_server(case: Dm1Case) {
    for speech in Dm1Speech::ALL {
        let mut server = Server::make().unwrap();
        let walked = walk(Killed::Server(&mut server), case, speech);
        server.stop().unwrap();
        assert_walked(case, &walked);
    }
}

/// In both orders, each of a device that speaks otherwise.
fn walk_node(case: Dm1Case) {
    let mut nodes = Nodes::make().unwrap();
    let mut walked = Vec::new();
    let orders = [First::Victim, First::Staying];
    for (first, speech) in orders.into_iter().zip(Dm1Speech::ALL) {
        walked.extend(walk(Killed::Node(&mut nodes, first), case, speech));
    }
    nodes.stop().unwrap();
    assert_walked(case, &walked);
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
            let walked = Killed::Client(site.as_mut())
                .walk(
                    env!("CARGO_BIN_EXE_kill_client"),
                    &Dm1Work { case, speech },
                    Halt::Message,
                )
                .unwrap();
            let answered = walked.iter().filter(|name| *name == "POST -> 200").count();
            assert!(answered >= 3, "{case:?}: {answered}");
        }
    }
    site.stop().unwrap();
}
