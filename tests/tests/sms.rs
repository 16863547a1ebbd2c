//! A server calls a device by SMS: `omadm serve --smpp`, an SMSC that nobody here wrote (npm `smpp`), `omadm client run` bound to it for its own number
//! (`push.md` §8).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use omadm_tests::capture::Recorder;
use omadm_tests::house::root;
use omadm_tests::process::{Device, Ended, PATIENCE, Running, Server, Signal};
use omadm_tests::smsc::{Smsc, dissected, smsc_file, submissions};
use omadm_tls::{CertificateValidity, DevelopmentCa, UnixTime, pem};
use serde_json::{Value, json};

const DEVICE: &str = "IMEI:493005100592800";
const TO: &str = "sms:+15551230001";

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
        let smsc = Smsc::start(faults);
        let port = smsc.port.clone();
        Self::over(tempfile::tempdir().unwrap(), smsc, &port, None, srv_id)
    }

    /// The server reaches the SMSC at this port; with a CA both ends reach it by TLS.
    fn over(
        folder: tempfile::TempDir,
        smsc: Smsc,
        port: &str,
        ca: Option<&Path>,
        srv_id: Option<&str>,
    ) -> Self {
        let file = smsc_file(folder.path(), port, "secret", ca);
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
        let device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "sms");
        std::fs::write(device.file("smsc-password"), "devpw\n").unwrap();
        let policy = format!(
            "[listen.smpp]\naddress = '127.0.0.1:{}'\nsystem_id = 'dev'\npassword_file = 'smsc-password'\nnumber = '+15551230001'\n",
            smsc.port
        );
        let way = match ca {
            None => "tls = false\n".to_owned(),
            Some(ca) => format!("[trust]\nanchors = ['{}']\n", ca.display()),
        };
        std::fs::write(device.file("policy.toml"), policy + &way).unwrap();
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
        let events = self.server.events_of(&self.token, DEVICE).into_iter();
        events
            .filter(|event| event["event"] == name)
            .map(|event| event["outcome"].as_str().unwrap().to_owned())
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

/// A CA, and the certificate and key of an SMSC by it: the CA's file, and the SMSC's members.
fn tls_files(folder: &Path, name: &str) -> (PathBuf, Value) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (now, hour) = (now.unwrap(), Duration::from_secs(3600));
    let validity = CertificateValidity {
        not_before: UnixTime::since_unix_epoch(now - hour),
        not_after: UnixTime::since_unix_epoch(now + hour),
    };
    let authority = DevelopmentCa::create(name, validity).unwrap();
    let identity = authority.issue_server(&["127.0.0.1"], validity).unwrap();
    let file = |kind: &str| folder.join(format!("{name}-{kind}.pem"));
    let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
    std::fs::write(&ca, authority.certificate_pem()).unwrap();
    std::fs::write(&cert, identity.chain_pem()).unwrap();
    let secret = pem::encode_private_key(identity.key());
    std::fs::write(&key, secret.expose()).unwrap();
    (ca, json!({ "key": key, "cert": cert }))
}

/// A server's name that makes its Notification too long for one SMS.
fn long_name() -> String {
    format!("dm-{}.example.com", "a".repeat(60))
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
    let file = smsc_file(folder.path(), &smsc.port, "wrong", None);
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
    let _device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "full");
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
    let _device = Device::bootstrapped(&folder.path().join("device"), DEVICE, &server, "full");
    for (to, told) in [(TO, "--smpp"), ("file:x", "--push-dir")] {
        let refused = server.operator(&token, &["notify", DEVICE, "--to", to]);
        let refused = refused.run().refused();
        assert!(refused.stderr.contains(told), "{refused:?}");
    }
}

#[test]
fn a_device_is_called_over_tls_by_an_smsc_whose_ca_both_ends_know_and_by_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, members) = tls_files(folder.path(), "known");
    let smsc = Smsc::start(&members);
    let port = smsc.port.clone();
    let (strange, _) = tls_files(folder.path(), "strange");
    let pair = Pair::over(folder, smsc, &port, Some(&ca), None);
    let called = pair.notify(&["--wait", "30"]).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    assert_eq!(pair.receipt(), "delivered");

    let beside = tempfile::tempdir().unwrap();
    let file = smsc_file(beside.path(), &port, "secret", Some(&strange));
    let arguments = ["--smpp", file.to_str().unwrap()];
    let server = Server::start_with(&beside.path().join("server"), &arguments).unwrap();
    let token = server.token.clone().unwrap();
    let _device = Device::bootstrapped(&beside.path().join("device"), DEVICE, &server, "full");
    let refused = ["notify", DEVICE, "--to", TO];
    let refused = server.operator(&token, &refused).run().refused();
    assert!(refused.stderr.contains("no TLS connection"), "{refused:?}");
    let _ended = server.end().unwrap().good();

    let (told, device) = pair.end();
    assert_eq!(told.matches("bind omadm ok").count(), 1, "{told}");
    assert_eq!(submissions(&told).len(), 1, "{told}");
    assert!(device.contains("Notification accepted"), "{device}");
}

#[test]
fn an_smsc_that_refuses_or_never_answers_is_told_and_nothing_is_sent_twice() {
    for (faults, why) in [
        (json!({ "refuse": 0x45 }), "ESME_RSUBMITFAIL"),
        (json!({ "mute": true }), "it did not say within 30 s"),
    ] {
        let pair = Pair::start(&faults, None);
        let arguments = ["notify", DEVICE, "--to", TO];
        let asked = pair.server.operator(&pair.token, &arguments);
        // A silent SMSC is waited for as long as a command may take otherwise.
        let refused = asked.start().unwrap().wait(2 * PATIENCE).unwrap().refused();
        assert!(refused.stderr.contains(why), "{refused:?}");
        let sent = pair.outcomes("notification-sent");
        assert!(sent.len() == 1 && sent[0].contains(why), "{sent:?}");
        assert!(pair.outcomes("notification-receipt").is_empty());
        let (told, device) = pair.end();
        assert_eq!(submissions(&told).len(), 1, "{told}");
        assert!(!device.contains("Notification accepted"), "{device}");
    }
}

#[test]
fn tshark_finds_nothing_wrong_with_what_the_server_puts_on_the_wire() {
    let smsc = Smsc::start(&json!({}));
    let recorder = Recorder::before(smsc.address()).unwrap();
    let port = recorder.port().to_string();
    let pair = Pair::over(
        tempfile::tempdir().unwrap(),
        smsc,
        &port,
        None,
        Some(&long_name()),
    );
    let called = pair.notify(&["--wait", "30"]).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    assert_eq!(pair.receipt(), "delivered");
    let (told, _) = pair.end();
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("smpp.pcap");
    recorder.write_pcap(&kept, 2775).unwrap();
    assert_eq!(submissions(&told).len(), 2, "{told}");
    let column = |field: &str| -> Vec<String> {
        let rows = dissected(&kept, &[field]).into_iter().flatten();
        let cells: Vec<_> = rows.collect();
        let cells = cells.iter().flat_map(|cell| cell.split(','));
        cells
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    for wrong in ["_ws.malformed", "_ws.expert.message"] {
        assert_eq!(column(wrong), [""; 0], "{wrong}");
    }
    let mut commands = column("smpp.command_id");
    commands.retain(|id| !id.ends_with("15"));
    commands.sort();
    let [bind, submit, deliver, unbind] = ["09", "04", "05", "06"];
    let mut expected = Vec::new();
    for (id, times) in [(bind, 1), (submit, 2), (deliver, 2), (unbind, 1)] {
        for answer in ["000000", "800000"] {
            expected.extend(vec![format!("0x{answer}{id}"); times]);
        }
    }
    expected.sort();
    assert_eq!(commands, expected);
    assert!(
        column("smpp.command_status")
            .iter()
            .all(|status| status.trim_start_matches("0x").bytes().all(|b| b == b'0'))
    );
    assert_eq!(column("smpp.system_id")[0], "omadm");
    assert_eq!(column("smpp.interface_version")[0], "52", "3.4");
    assert!(column("smpp.destination_addr").contains(&"15551230001".to_owned()));
    assert_eq!(
        column("wsp.header.content_type"),
        ["application/vnd.oma.dm.notification"]
    );
    assert_eq!(column("gsm_sms_ud.reassembled.length").len(), 1);
}

#[test]
fn receipts_of_what_a_killed_server_sent_are_told_when_it_runs_again() {
    // The SMSC holds every delivery until there are three.
    let pair = Pair::start(&json!({ "reorder": 3 }), None);
    let _called = pair.notify(&[]).good();
    assert_eq!(pair.outcomes("notification-receipt"), [""; 0]);
    let Pair {
        server,
        token,
        running,
        smsc,
        _folder: folder,
    } = pair;
    server.signal(Signal::Kill).unwrap();
    let state = server.state().to_owned();
    let _killed = server.end();
    let file = folder.path().join("smsc.toml");
    let server = Server::start_with(&state, &["--smpp", file.to_str().unwrap()]).unwrap();
    let pair = Pair {
        server,
        token,
        running,
        smsc,
        _folder: folder,
    };
    for _more in 0..2 {
        let _called = pair.notify(&[]).good();
    }
    let end = Instant::now() + PATIENCE;
    while pair.outcomes("notification-receipt").len() < 3 {
        assert!(Instant::now() < end, "no late receipt came");
        std::thread::sleep(Duration::from_millis(100));
    }
    let outcomes = pair.outcomes("notification-receipt");
    assert_eq!(outcomes, ["delivered"; 3]);
    let _ended = pair.server.end().unwrap().good();
}
