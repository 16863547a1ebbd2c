//! A store that is in use or damaged: the process refuses to start, says which file, and leaves it as it is.
//! One node, whatever `OMADM_TEST_NODES` says: the files are those of one process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use omadm_tests::process::{Device, PATIENCE, Server, Signal};

const DEVICE: &str = "IMEI:493005100592800";

/// Every file below a folder with its octets.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_second_server_on_the_same_state_refuses_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let first = Server::start_one(&state).unwrap();
    let second = Server::command(&state).run().refused();
    assert!(
        second.stderr.contains("server.sqlite is in use"),
        "{}",
        second.stderr
    );
    assert_eq!(second.stdout, "");
    let token = first.token.clone().unwrap();
    let _works = first.operator(&token, &["list"]).run().good();
    let _ended = first.end().unwrap().good();
    let _again = Server::start_one(&state).unwrap();
}

#[test]
fn a_second_client_on_the_same_device_refuses_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_one(&folder.path().join("server")).unwrap();
    let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "minimal");

    let mut first = device.client("run").start().unwrap();
    first.until("the DM Client runs", PATIENCE).unwrap();
    let refused = device.client("session").run().refused();
    assert!(
        refused.stderr.contains("tree.redb is in use"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("end its `omadm client run`"),
        "{}",
        refused.stderr
    );
    let _told = device.client("alerts").run().good();
    let second = device.client("run").run().refused();
    assert!(
        second.stderr.contains("tree.redb is in use"),
        "{}",
        second.stderr
    );
    first.signal(Signal::Term).unwrap();
    let _ended = first.wait(PATIENCE).unwrap().good();
    let _free = device.client("alerts").run().good();
}

#[test]
fn a_daemon_that_nothing_can_bring_an_account_to_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let mut daemon = device.client("run").start().unwrap();
    daemon
        .until("it has no account and asks nobody for one", PATIENCE)
        .unwrap();
    daemon.signal(Signal::Term).unwrap();
    let _ended = daemon.wait(PATIENCE).unwrap().good();
}

#[test]
fn a_damaged_server_store_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let _ended = Server::start_one(&state).unwrap().end().unwrap().good();
    let store = state.join("server.sqlite");
    let good = std::fs::read(&store).unwrap();
    for bad in [
        &b"no database, but long enough to be one"[..],
        &good[..good.len() / 2],
    ] {
        std::fs::write(&store, bad).unwrap();
        let refused = Server::command(&state).run().refused();
        assert!(
            refused.stderr.contains("server.sqlite"),
            "{}",
            refused.stderr
        );
        assert_eq!(std::fs::read(&store).unwrap(), bad, "the file is as it was");
    }
}

#[test]
fn a_server_state_without_its_keys_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let _ended = Server::start_one(&state).unwrap().end().unwrap().good();
    for name in ["sealing.key", "ca.key"] {
        let file = state.join(name);
        let octets = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let refused = Server::command(&state).run().refused();
        assert!(refused.stderr.contains(name), "{name}: {}", refused.stderr);
        assert!(!file.exists(), "{name} was made anew");
        std::fs::write(&file, octets).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    let _again = Server::start_one(&state).unwrap();
}

#[test]
fn a_damaged_tree_store_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("device");
    let device = Device::init(&dir, DEVICE);
    let _made = device.client("tree").run().good();
    let store = device.file("tree.redb");
    let good = std::fs::read(&store).unwrap();
    for bad in [&b"no tree store"[..], &good[..good.len() / 2]] {
        std::fs::write(&store, bad).unwrap();
        let before = files(&dir);
        for command in ["tree", "run"] {
            let refused = device.client(command).run().refused();
            assert!(refused.stderr.contains("tree.redb"), "{}", refused.stderr);
            assert!(refused.stderr.contains("do: restore"), "{}", refused.stderr);
        }
        assert_eq!(files(&dir), before, "every file is as it was");
    }
}

#[test]
fn a_server_whose_store_is_lost_does_not_begin_with_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let server = Server::start_one(&state).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let _ended = server.end().unwrap().good();
    let store = state.join("server.sqlite");
    std::fs::remove_file(&store).unwrap();
    let refused = Server::command(&state).run().refused();
    assert!(
        refused.stderr.contains("server.sqlite") && refused.stderr.contains("missing"),
        "{}",
        refused.stderr
    );
    assert!(!store.exists(), "made anew");
}
