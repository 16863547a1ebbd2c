//! A server calls a device by SMS: `omadm serve --smpp`, an SMSC that nobody here wrote (npm `smpp`), `omadm client run` bound to it for its own number
//! (`push.md` §8).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use omadm_tests::house::root;
use omadm_tests::process::{Device, Ended, PATIENCE, Running, Server, Signal};
use serde_json::{Value, json};

const DEVICE: &str = "IMEI:493005100592800";
const TO: &str = "sms:+15551230001";

/// An SMSC with these faults.
struct Smsc {
    process: Running,
    port: String,
}

impl Smsc {
    fn start(faults: &Value) -> Self {
        let mut wanted = json!({ "accounts": { "omadm": "secret", "dev": "devpw" } });
        let members = faults.as_object().unwrap().clone();
        wanted.as_object_mut().unwrap().extend(members);
        let mut command = Command::new("node");
        command
            .arg(root().join("tests/smsc/smsc.js"))
            .arg(wanted.to_string())
            .stdin(std::process::Stdio::piped());
        let mut process = Running::start(command).unwrap();
        let said = process.until("listening", PATIENCE).unwrap();
        let port = said.lines().next().unwrap().rsplit(' ').next().unwrap();
        Self {
            port: port.to_owned(),
            process,
        }
    }

    /// Ends it; what it told.
    fn end(self) -> String {
        self.process.signal(Signal::Term).unwrap();
        self.process.wait(PATIENCE).unwrap().stdout
    }
}

/// A server, a device that was bootstrapped and listens, and the SMSC between them.
struct Pair {
    server: Server,
    token: String,
    running: Running,
    smsc: Smsc,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn start(faults: &Value, srv_id: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let smsc = Smsc::start(faults);
        let file = smsc_file(folder.path(), &smsc.port, "secret");
        let profiles = folder.path().join("profiles");
        copy_profiles(&profiles, srv_id);
        let server = Server::start_with(
            &folder.path().join("server"),
            &[
                "--smpp",
                file.to_str().unwrap(),
                "--profiles",
                profiles.to_str().unwrap(),
            ],
        )
        .unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::init(&folder.path().join("device"), DEVICE);
        device.register(&server, &token, "sms");
        let done = device.client_at("bootstrap", &server).run().good();
        assert!(done.stdout.contains("bootstrapped"), "{done:?}");
        std::fs::write(device.file("smsc-password"), "devpw\n").unwrap();
        let policy = format!(
            "[listen.smpp]\naddress = '127.0.0.1:{}'\nsystem_id = 'dev'\npassword_file = 'smsc-password'\nnumber = '+15551230001'\ntls = false\n",
            smsc.port
        );
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        let mut running = device
            .client_at("run", &server)
            .env("OMADM_LOG", "debug")
            .start()
            .unwrap();
        running.until("the DM Client runs", PATIENCE).unwrap();
        let mut pair = Self {
            server,
            token,
            running,
            smsc,
            _folder: folder,
        };
        pair.smsc.process.until("bind dev ok", PATIENCE).unwrap();
        pair
    }

    fn notify(&self, more: &[&str]) -> Ended {
        let arguments = [&["notify", DEVICE, "--to", TO][..], more].concat();
        self.server.operator(&self.token, &arguments).run()
    }

    /// Outcomes of events of this name, oldest first.
    fn outcomes(&self, name: &str) -> Vec<String> {
        let shown = self
            .server
            .operator(&self.token, &["--json", "show", DEVICE])
            .run()
            .good();
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let events = shown["events"].as_array().unwrap().iter();
        events
            .filter(|event| event["what"]["event"] == name)
            .map(|event| event["what"]["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits for the SMSC's word.
    fn receipt(&self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(outcome) = self.outcomes("notification-receipt").pop() {
                return outcome;
            }
            assert!(Instant::now() < end, "no receipt came");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends all of it; what the SMSC told, and the device.
    fn end(self) -> (String, String) {
        let server = self.server.end().unwrap();
        assert_eq!(server.code, Some(0), "{server:?}");
        assert!(!server.stderr.contains("secret"), "{server:?}");
        self.running.signal(Signal::Term).unwrap();
        let device = self.running.wait(PATIENCE).unwrap().good();
        assert!(!device.stderr.contains("devpw"), "{device:?}");
        (self.smsc.end(), device.stderr)
    }
}

fn smsc_file(folder: &Path, port: &str, password: &str) -> std::path::PathBuf {
    let file = folder.join("smsc.toml");
    let text = format!(
        "host = '127.0.0.1'\nport = {port}\nsystem_id = 'omadm'\npassword_file = 'smsc.password'\nsource = '+15550001'\ntls = false\n"
    );
    std::fs::write(&file, text).unwrap();
    std::fs::write(folder.join("smsc.password"), format!("{password}\n")).unwrap();
    file
}

/// The minimal profile with a Notification secret, as `sms.toml`.
fn copy_profiles(folder: &Path, srv_id: Option<&str>) {
    std::fs::create_dir(folder).unwrap();
    let text = std::fs::read_to_string(root().join("profiles/minimal.toml")).unwrap();
    let given = text
        .lines()
        .find(|line| line.starts_with("srv_id"))
        .unwrap()
        .to_owned();
    let text = match srv_id {
        Some(srv_id) => text.replace(&given, &format!("srv_id = \"{srv_id}\"")),
        None => text,
    };
    std::fs::write(
        folder.join("sms.toml"),
        format!("{text}\n[account.noti]\ntype = 1\n"),
    )
    .unwrap();
}

/// A server's name that makes its Notification too long for one SMS.
fn long_name() -> String {
    format!("dm-{}.example.com", "a".repeat(60))
}

/// Each submission, as `number to esm_class data_coding status octets`.
fn submissions(told: &str) -> Vec<&str> {
    told.lines()
        .filter_map(|line| line.strip_prefix("submit "))
        .collect()
}

#[test]
fn a_device_that_is_called_by_sms_opens_its_session_and_the_receipt_says_delivered() {
    let pair = Pair::start(&json!({}), None);
    let called = pair.notify(&["--wait", "30"]).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    assert_eq!(pair.receipt(), "delivered");
    assert_eq!(pair.outcomes("notification-sent"), ["sent"]);
    let (told, device) = pair.end();
    let submitted = submissions(&told);
    assert_eq!(submitted.len(), 1, "{told}");
    assert!(
        submitted[0].starts_with("1 15551230001 64 4 0 06"),
        "{told}"
    );
    assert!(
        told.contains("unbind omadm") && told.contains("unbind dev"),
        "{told}"
    );
    assert!(device.contains("Notification accepted"), "{device}");
}

#[test]
fn parts_that_come_twice_and_in_reverse_make_one_session() {
    let pair = Pair::start(&json!({ "twice": true, "reorder": 2 }), Some(&long_name()));
    let called = pair.notify(&["--wait", "30"]).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    assert_eq!(pair.receipt(), "delivered");
    let (told, device) = pair.end();
    assert_eq!(submissions(&told).len(), 2, "{told}");
    assert_eq!(
        device.matches("Notification accepted").count(),
        1,
        "{device}"
    );
}

#[test]
fn a_connection_lost_between_parts_is_bound_again_and_only_the_lost_part_is_sent_again() {
    let pair = Pair::start(&json!({ "drop": 2 }), Some(&long_name()));
    let called = pair.notify(&["--wait", "30"]).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    let (told, device) = pair.end();
    let submitted = submissions(&told);
    assert_eq!(told.matches("bind omadm ok").count(), 2, "{told}");
    let octets = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    let lost = submitted
        .iter()
        .find(|line| line.contains("dropped"))
        .unwrap();
    let times = submitted
        .iter()
        .filter(|line| octets(line) == octets(lost))
        .count();
    assert_eq!(times, 2, "{told}");
    assert_eq!(
        device.matches("Notification accepted").count(),
        1,
        "{device}"
    );
}

#[test]
fn a_throttling_and_a_late_smsc_get_the_same_sms_again() {
    let pair = Pair::start(&json!({ "throttle": 2, "late": 500 }), None);
    let called = pair.notify(&["--wait", "30"]).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    let (told, _) = pair.end();
    let submitted = submissions(&told);
    assert_eq!(submitted.len(), 3, "{told}");
    let octets = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    assert!(
        submitted
            .iter()
            .all(|line| octets(line) == octets(submitted[0])),
        "{told}"
    );
}

#[test]
fn an_sms_that_never_arrives_is_told_by_its_receipt() {
    let pair = Pair::start(&json!({ "fate": 3 }), None);
    let _called = pair.notify(&[]).good();
    let outcome = pair.receipt();
    assert!(outcome.contains("SMS 1 of 1 expired"), "{outcome}");
    let _told = pair.end();
}

#[test]
fn an_smsc_that_says_no_is_told_with_what_to_do() {
    let pair = Pair::start(&json!({}), None);
    let unknown = ["notify", DEVICE, "--to", "sms:+4990"];
    let unknown = pair.server.operator(&pair.token, &unknown).run().refused();
    for part in ["ESME_RINVDSTADR", "no route"] {
        assert!(unknown.stderr.contains(part), "no {part}: {unknown:?}");
    }
    let _told = pair.end();

    let folder = tempfile::tempdir().unwrap();
    let smsc = Smsc::start(&json!({}));
    let file = smsc_file(folder.path(), &smsc.port, "wrong");
    let drop = folder.path().join("drop");
    std::fs::create_dir(&drop).unwrap();
    let server = Server::start_with(
        &folder.path().join("server"),
        &[
            "--smpp",
            file.to_str().unwrap(),
            "--push-dir",
            drop.to_str().unwrap(),
        ],
    )
    .unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "full");
    let _done = device.client_at("bootstrap", &server).run().good();
    let refused = ["notify", DEVICE, "--to", TO];
    let refused = server.operator(&token, &refused).run().refused();
    for part in ["refused the bind", "ESME_RBINDFAIL", "system_id"] {
        assert!(refused.stderr.contains(part), "no {part}: {refused:?}");
    }
    let filed = ["notify", DEVICE, "--to", "file:meter-7"];
    let filed = server.operator(&token, &filed).run().good();
    assert!(filed.stdout.contains("sent"), "{filed:?}");
    let files: Vec<_> = std::fs::read_dir(&drop).unwrap().collect();
    assert_eq!(files.len(), 1);
    let _ended = server.end().unwrap().good();
}

#[test]
fn without_an_smsc_the_way_to_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "full");
    let _done = device.client_at("bootstrap", &server).run().good();
    for (to, told) in [(TO, "--smpp"), ("file:x", "--push-dir")] {
        let refused = server.operator(&token, &["notify", DEVICE, "--to", to]);
        let refused = refused.run().refused();
        assert!(refused.stderr.contains(told), "{refused:?}");
    }
}
