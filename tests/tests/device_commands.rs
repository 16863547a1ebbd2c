//! Commands as an operator queues them: `omadm device send`, `commands`, `command`, `cancel`, `show`, each a process of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use omadm_tests::process::{Device, Server};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";
const LEAF: &str = "urn:oma:mo:oma-dm-devinfo:1.2//DevID";

#[test]
fn x_cmd_001_a_command_of_the_command_line_is_answered_in_the_next_session_and_told_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");
    let operator = |arguments: &[&str]| server.operator(&token, arguments).run();

    let queued = operator(&["--json", "send", DEVICE, "GET", LEAF]).good();
    let queued: Value = serde_json::from_str(&queued.stdout).unwrap();
    assert_eq!(queued["state"], "queued");
    let id = queued["id"].as_str().unwrap();
    let end = operator(&["send", DEVICE, "END"]).refused();
    assert!(end.stderr.contains("ends a session by itself"), "{end:?}");
    let missing = operator(&["send", DEVICE, "EXEC"]).refused();
    assert!(missing.stderr.contains("ClientURI"), "{missing:?}");
    assert!(
        missing
            .stderr
            .contains("\n  do: mend what the reason names"),
        "{missing:?}"
    );
    let unknown = operator(&["send", "IMEI:2", "GET", LEAF]).refused().stderr;
    assert!(
        unknown.contains("\n  why: no device IMEI:2 is registered\n  do: Look at the DevID;"),
        "{unknown}"
    );
    let closed = server
        .operator("0123456789", &["list"])
        .run()
        .refused()
        .stderr;
    assert!(
        closed.contains("\n  do: check --api, --ca and the token;"),
        "{closed}"
    );
    let late = operator(&["send", DEVICE, "GET", LEAF, "--wait", "1"]).refused();
    assert!(late.stderr.contains("has not answered yet"), "{late:?}");

    let exec = operator(&["--json", "send", DEVICE, "EXEC", LEAF]).good();
    let exec: Value = serde_json::from_str(&exec.stdout).unwrap();
    let exec = exec["id"].as_str().unwrap();
    let cancelled = operator(&["cancel", DEVICE, exec]).good();
    assert!(cancelled.stdout.contains("cancelled"), "{cancelled:?}");
    let release = operator(&["release", DEVICE, exec]).refused();
    assert!(release.stderr.contains("is not held"), "{release:?}");

    let done = device.client_at("bootstrap", &server).run().good();
    assert!(done.stdout.contains("bootstrapped:"), "{done:?}");
    let told = operator(&["command", DEVICE, id]).good();
    assert!(told.stdout.contains("answered 200  GET"), "{told:?}");
    assert!(told.stdout.contains(&format!("\"DevID\": \"{DEVICE}\"")));
    let listed = operator(&["commands", DEVICE]).good();
    let states: Vec<_> = listed
        .stdout
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(states, ["cancelled", "answered", "answered"]);

    let shown = operator(&["show", DEVICE, "--all"]).good();
    let mut story = shown.stdout.as_str();
    for next in [
        &format!("command-queued      GET {LEAF}  (command {id})"),
        "command-cancelled   EXEC",
        "session-started     urn:oma:at:dm:2.0:BootstrapComplete",
        "command-sent        GET urn:oma:mo:oma-dm-devinfo:1.2//  (session ",
        ")  (the server's own)\n",
        &format!("command-sent        GET {LEAF}  (session "),
        &format!(")  (command {id})\n"),
        "command-answered    GET urn:oma:mo:oma-dm-devinfo:1.2//: 200",
        ")  (the server's own)\n",
        &format!("command-answered    GET {LEAF}: 200 after "),
        &format!(")  (command {id})\n"),
        "session-ended       END",
    ] {
        let at = story.find(next);
        let at = at.unwrap_or_else(|| panic!("no {next:?} where it belongs: {}", shown.stdout));
        story = &story[at + next.len()..];
    }
}
