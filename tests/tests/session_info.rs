//! The Session Info object of a device, read by a server (`dm20.md` §12.3, D46).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Device, Server};
use serde_json::{Value, json};

const DEVICE: &str = "IMEI:493005100592800";
const MOID: &str = "urn:oma:mo:oma-sessioninfomo:1.0";

#[test]
fn a_server_reads_bearer_and_roaming_as_they_are_now_and_changes_neither() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "full");
    let operator = |words: &[&str]| -> Value {
        let said = server.operator(&token, &["--json"]).args(words).run();
        serde_json::from_str(&said.good().stdout).unwrap()
    };
    let root = format!("{MOID}//");
    for (bearer, roaming, told) in [
        ("unknown", "unknown", json!({"CBT": 0, "ROAMING": 0})),
        ("wlan", "home", json!({"CBT": 2, "ROAMING": 2})),
        ("cellular", "roaming", json!({"CBT": 1, "ROAMING": 1})),
    ] {
        let policy = format!(
            "[session_info]\nbearer = '{bearer}'\nroaming = '{roaming}'\n[network]\nallow_loopback = true\n"
        );
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        let queue = |words: &[&str]| {
            let queued = operator(&[&["send", DEVICE], words].concat());
            queued["id"].as_str().unwrap().to_owned()
        };
        let (get, delete) = (queue(&["GET", &root]), queue(&["DELETE", &root]));
        let session = device.client("session").arg("--ca").arg(server.ca());
        let _ended = session.run().good();
        let get = operator(&["command", DEVICE, &get]);
        // Never 304: values that live have no validator (D76).
        assert_eq!(get["status"], 200, "{get}");
        let object = get["result"][0]["MOData"].as_object().unwrap();
        assert_eq!(object.values().next(), Some(&told), "{get}");
        let delete = operator(&["command", DEVICE, &delete]);
        assert!(delete["status"].as_u64().unwrap() >= 400, "{delete}");
    }
}
