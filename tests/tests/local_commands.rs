//! `omadm client tree|get|set|exec`: the tree of a device in hand, for whoever writes an object for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Device, Server};
use serde_json::{Value, json};

const DEVICE: &str = "IMEI:493005100592800";
const REPORTING: &str = "urn:example:mo:reporting:1.0";

#[test]
fn a_device_in_hand_is_shown_read_and_set_and_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "full");
    let client = |command: &str, words: &[&str]| device.client(command).args(words).run();

    let interval = format!("{REPORTING}//IntervalSeconds");
    let read = || {
        let told = client("get", &["--json", &interval]).good().stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        told["MOData"]["IntervalSeconds"].clone()
    };
    assert_ne!(read(), json!(7));
    let set = client("set", &[&interval, "7"]).good();
    assert!(
        set.stdout.starts_with(&format!("set: {REPORTING}/")),
        "{set:?}"
    );
    assert_eq!(read(), json!(7));

    let tree = client("tree", &[]).good().stdout;
    let mut lines = tree.lines();
    let head = lines.find(|line| line.starts_with(REPORTING)).unwrap();
    for part in [
        "  cv ",
        "  created by dm-full.example.com",
        "  dm-full.example.com RWXD",
    ] {
        assert!(head.contains(part), "{head}");
    }
    let leaf = lines.find_map(|line| line.strip_prefix("  IntervalSeconds"));
    let mut words = leaf.unwrap().split_whitespace();
    assert_eq!(words.next(), Some("int"));
    let access = words.next().unwrap();
    assert!(access.contains('G') && access.contains('R'), "{access}");
    assert_eq!(words.next(), Some("\"7\""));

    let odd = client("set", &[&interval, "often"]).refused();
    assert!(odd.stderr.contains("nothing was set"), "{odd:?}");
    let absent = client("get", &[&format!("{REPORTING}//Colour")]).refused();
    assert!(absent.stderr.contains("omadm client tree"), "{absent:?}");
    let leaf = client("exec", &[&interval]).refused();
    assert!(leaf.stderr.contains("nothing was executed"), "{leaf:?}");
    assert_eq!(read(), json!(7));
}
