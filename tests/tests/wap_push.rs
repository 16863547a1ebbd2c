//! WAP pushes of DM 1.x over real processes: an SMSC that nobody here wrote (npm `smpp`), `omadm client run` bound to it for its own number, and a server that
//! the device meets afterwards (`push.md` §5, §8).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use omadm_bootstrap::dm1::{Dm1Document, Dm1Format};
use omadm_bootstrap::plan::dm1::Dm1Rules;
use omadm_bootstrap::{PushSigner, PushedBootstrap};
use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Imsi, ImsiKey};
use omadm_dm1::credential::UserHash;
use omadm_dm1::trigger::{Initiator, Trigger, UiMode, VERSION};
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthLevel1;
use omadm_push::PhoneNumber;
use omadm_push::sms::{Ports, Reference, segment};
use omadm_push::wsp::{ApplicationId, ContentType, MediaName, Push, Sec, well_known};
use omadm_smpp::{Esme, EsmeConfig, Outgoing};
use omadm_tests::process::{Device, Ended, PATIENCE, Running, Server, Signal};
use omadm_tests::smsc::Smsc;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const IMSI: &str = "310150123456789";
const PIN: &str = "20481632";
const NUMBER: &str = "+15551230001";

/// The server of the device, an SMSC, and somebody who submits SMS to it.
struct Bed {
    server: Server,
    token: String,
    device: Device,
    /// The document that makes the device one of the server's.
    document: Vec<u8>,
    profile: BootstrapProfileKind,
    smsc: Smsc,
    runtime: Runtime,
    sender: Esme,
    _folder: tempfile::TempDir,
}

impl Bed {
    fn start(format: Dm1Format, faults: &Value, more_policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server")).unwrap();
        let token = server.token.clone().unwrap();
        let dev_id = "IMEI:493005100592800";
        let device = Device::init(&folder.path().join("device"), dev_id);
        let (name, profile) = match format {
            Dm1Format::Cp => ("cp", BootstrapProfileKind::Cp),
            Dm1Format::Dm => ("dm", BootstrapProfileKind::Dm),
        };
        let [request, certificate] =
            ["device-csr.pem", "device-cert.pem"].map(|name| device.file(name));
        let operator = |words: &[&str], more: &[&str]| {
            let arguments = [words, &[dev_id], more].concat();
            server.operator(&token, &arguments).run().good()
        };
        let [request, certificate] = [&request, &certificate].map(|file| file.to_str().unwrap());
        operator(&["add"], &["--csr", request, "--out", certificate]);
        let file = folder.path().join("document.wbxml");
        let made = ["--profile", "dm1x", "--format", name, "--out"];
        let made = [&made[..], &[file.to_str().unwrap()]].concat();
        operator(&["dm1", "add"], &made);
        let document = std::fs::read(&file).unwrap();
        let smsc = Smsc::start(faults);
        std::fs::write(device.file("smsc-password"), "devpw\n").unwrap();
        let policy = format!(
            "[dm1]\npushed_bootstraps = ['cp', 'dm']\nimsi = ['{IMSI}']\n{more_policy}\n[network]\nallow_loopback = true\n\
             [listen.smpp]\naddress = '127.0.0.1:{}'\nsystem_id = 'dev'\npassword_file = 'smsc-password'\nnumber = '{NUMBER}'\ntls = false\n",
            smsc.port
        );
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        let runtime = Runtime::new().unwrap();
        let port = smsc.port.parse().unwrap();
        let secret = Secret::from("secret".to_owned());
        let config = EsmeConfig::new("127.0.0.1", port, "omadm", secret).unwrap();
        let (delivered, _) = mpsc::channel(8);
        let (sender, link) = Esme::new(config, delivered, None);
        runtime.spawn(link);
        Self {
            server,
            token,
            device,
            document,
            profile,
            smsc,
            runtime,
            sender,
            _folder: folder,
        }
    }

    fn run(&mut self) -> Running {
        let mut running = self.device.client("run");
        running = running.arg("--ca").arg(self.server.ca());
        let mut running = running.env("OMADM_LOG", "debug").start().unwrap();
        running.until("the DM Client runs", PATIENCE).unwrap();
        self.smsc.process.until("bind dev ok", PATIENCE).unwrap();
        running
    }

    fn submit(&self, parts: Vec<Vec<u8>>) {
        for user_data in parts {
            let to = PhoneNumber::parse(NUMBER).unwrap();
            let submitted = self.sender.submit(Outgoing { to, user_data });
            self.runtime.block_on(submitted).unwrap();
        }
    }

    fn push(&self, push: &Push, reference: u8) -> Vec<Vec<u8>> {
        segment(&push.encode(), Ports::PUSH, Reference::Octet(reference), 16).unwrap()
    }

    /// The document, signed.
    fn signed(&self, sec: Sec) -> Push {
        let pin = Secret::from(PIN.to_owned());
        let signer = PushSigner {
            sec,
            network: Some(&Imsi::parse(IMSI).unwrap().into()),
            form: ImsiKey::SemiOctet,
            pin: Some(&pin),
        };
        let document = Secret::new(self.document.clone());
        let signed = PushedBootstrap::signed(self.profile, document, &signer);
        signed.unwrap().to_push(1)
    }

    /// A Package 0 of the server, by the secret and nonce of the document.
    fn package_0(&self, session_id: u16) -> Push {
        let rules = Dm1Rules::default();
        let read = Dm1Document::read(&self.document, rules.app_srv, rules.limits).unwrap();
        let account = &read.accounts[0].account;
        let auth = account.auth(AuthLevel1::SrvCred).unwrap();
        let key = UserHash::new(account.server_id.as_str(), auth.secret.as_ref().unwrap());
        let trigger = Trigger {
            version: VERSION,
            ui_mode: UiMode::Background,
            initiator: Initiator::Server,
            session_id,
            server_id: account.server_id.as_str().to_owned(),
            vendor: Vec::new(),
        };
        let nonce = auth.nonce.as_ref().unwrap().expose();
        Push {
            transaction_id: 2,
            content_type: ContentType::from(MediaName::Code(well_known::SYNCML_NOTIFICATION)),
            application_id: Some(ApplicationId::SYNCML_DM),
            body: trigger.encode(&key, nonce).unwrap(),
        }
    }

    fn shown(&self) -> String {
        let show = ["show", &self.device.dev_id];
        self.server.operator(&self.token, &show).run().good().stdout
    }

    fn until_shown(&self, what: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.shown().contains(what) {
            assert!(Instant::now() < end, "no {what}: {}", self.shown());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn pushes(&self, more: &[&str]) -> Ended {
        let pushes = self
            .device
            .client("pushes")
            .arg("--ca")
            .arg(self.server.ca());
        pushes.args(more).run()
    }
}

/// The device's log of a session that begins.
const STARTED: &str = "DM 1.x session begins";

fn until_told(running: &Running, what: &str, times: usize) {
    let end = Instant::now() + PATIENCE;
    while running.stderr().matches(what).count() < times {
        assert!(Instant::now() < end, "no {what}: {}", running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn end(running: Running) -> String {
    running.signal(Signal::Term).unwrap();
    running.wait(PATIENCE).unwrap().good().stderr
}

#[test]
fn a_dm_message_in_parts_that_come_twice_and_in_disorder_is_applied_once_and_a_package_0_opens_one_session()
 {
    let faults = json!({ "twice": true, "reorder": 3 });
    let mut bed = Bed::start(Dm1Format::Dm, &faults, "");
    let running = bed.run();
    let mut parts = bed.push(&bed.signed(Sec::NetwPin), 7);
    assert!(parts.len() > 8, "{}", parts.len());
    // The SMSC holds three at a time.
    while !parts.len().is_multiple_of(3) {
        parts.push(parts[0].clone());
    }
    bed.submit(parts);
    bed.until_shown("method=server");
    until_told(&running, "EventSettled", 1);
    let package_0 = bed.push(&bed.package_0(0x0A5A), 8);
    bed.submit([package_0.clone(), package_0.clone(), package_0].concat());
    until_told(&running, STARTED, 2);
    until_told(&running, "was asked for before", 1);
    std::thread::sleep(Duration::from_millis(500));
    let told = end(running);
    assert_eq!(told.matches(STARTED).count(), 2, "{told}");
    assert_eq!(told.matches("is proved: networkid").count(), 1, "{told}");
    assert_eq!(told.matches("Triggered {").count(), 1, "{told}");
    let status = bed.device.client("status").run().good().stdout;
    assert!(status.contains("acknowledged"), "{status}");
}

#[test]
fn a_provisioning_document_waits_for_its_pin_over_restarts_and_is_applied_when_somebody_gives_it() {
    let mut bed = Bed::start(Dm1Format::Cp, &json!({}), "");
    let running = bed.run();
    let mut lost = bed.push(&bed.signed(Sec::UserPin), 3);
    lost.remove(1);
    bed.submit(lost);
    bed.submit(bed.push(&bed.signed(Sec::UserNetwPin), 4));
    until_told(&running, "waits for its PIN as number 1", 1);
    let _told = end(running);
    let wrong = bed.device.file("wrong");
    std::fs::write(&wrong, "0000\n").unwrap();
    let right = bed.device.file("right");
    std::fs::write(&right, format!("{PIN}\n")).unwrap();
    for left in [2, 1] {
        let tried = ["--answer", "1", "--pin-file", wrong.to_str().unwrap()];
        let refused = bed.pushes(&tried).refused();
        let words = format!("tries left: {left}");
        assert!(refused.stderr.contains(&words), "{refused:?}");
    }
    let listed = bed.pushes(&[]).good().stdout;
    assert!(listed.contains("push 1: cp bootstrap"), "{listed}");
    assert!(listed.contains("tries left: 1"), "{listed}");
    let given = ["--answer", "1", "--pin-file", right.to_str().unwrap()];
    let given = bed.pushes(&given).good().stdout;
    assert!(given.contains("bootstrapped: org.example.dm"), "{given}");
    bed.until_shown("method=server");
    let listed = bed.pushes(&[]).good().stdout;
    assert!(listed.contains("no pushed bootstrap waits"), "{listed}");
}

#[test]
fn a_program_of_the_device_is_asked_for_the_pin() {
    let pin = format!("pin = {{ command = ['/bin/sh', '-c', 'cat > /dev/null; echo {PIN}'] }}");
    let mut bed = Bed::start(Dm1Format::Cp, &json!({}), &pin);
    let running = bed.run();
    bed.submit(bed.push(&bed.signed(Sec::UserPin), 4));
    bed.until_shown("method=server");
    let told = end(running);
    assert!(told.contains("is proved: userpin"), "{told}");
    assert!(!told.contains(PIN), "{told}");
}

#[test]
fn the_client_that_holds_the_device_takes_the_pin_and_answers_what_is_asked_of_the_device() {
    let mut bed = Bed::start(Dm1Format::Cp, &json!({}), "");
    let running = bed.run();
    bed.submit(bed.push(&bed.signed(Sec::UserNetwPin), 4));
    until_told(&running, "waits for its PIN as number 1", 1);
    let [wrong, right] = [("wrong", "0000"), ("right", PIN)].map(|(name, pin)| {
        let file = bed.device.file(name);
        std::fs::write(&file, format!("{pin}\n")).unwrap();
        file.to_str().unwrap().to_owned()
    });
    let none = bed.device.client("status").run().good().stdout;
    assert!(none.contains("no DM Account"), "{none}");
    let listed = bed.pushes(&["--json"]).good().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed["number"], &listed["tries_left"]),
        (&json!(1), &json!(3))
    );
    let refused = bed.pushes(&["--answer", "1", "--pin-file", &wrong]);
    let refused = refused.refused().stderr;
    assert!(refused.contains("tries left: 2"), "{refused}");
    let other = bed.pushes(&["--discard", "7"]).refused().stderr;
    assert!(other.contains("no push 7 waits"), "{other}");
    let given = bed.pushes(&["--answer", "1", "--pin-file", &right]);
    let given = given.good().stdout;
    assert!(given.contains("bootstrapped: org.example.dm"), "{given}");
    // The client that runs reports it by itself.
    bed.until_shown("method=server");
    let status = bed.device.client("status").run().good().stdout;
    assert!(status.contains("org.example.dm"), "{status}");
    let tree = bed.device.client("tree").run().good().stdout;
    assert!(tree.contains("./DMAcc/"), "{tree}");
    let get = bed
        .device
        .client("get")
        .arg("urn:oma:mo:oma-dm-devinfo:1.2//Man");
    assert!(get.run().good().stdout.contains("unknown"));
    let unknown = bed.device.client("get").arg("urn:oma:mo:none:1.0//A");
    let unknown = unknown.run().refused().stderr;
    assert!(unknown.contains("nothing was read"), "{unknown}");

    let folder = bed.device.file("run");
    let mode = std::fs::metadata(&folder).unwrap().permissions();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
        0o700
    );
    let told = end(running);
    assert!(!told.contains(PIN), "{told}");
    assert!(!folder.join("client.sock").exists());
    let status = bed.device.client("status").run().good().stdout;
    assert!(status.contains("org.example.dm"), "{status}");
}

#[test]
fn a_message_of_more_parts_than_policy_takes_is_dropped() {
    let mut bed = Bed::start(Dm1Format::Dm, &json!({}), "");
    let file = bed.device.file("policy.toml");
    let policy = std::fs::read_to_string(&file).unwrap();
    for (parts, told) in [("0", "1 to 255"), ("256", "1 to 255")] {
        std::fs::write(&file, format!("{policy}parts = {parts}\n")).unwrap();
        let refused = bed.device.client("status").run().refused().stderr;
        assert!(refused.contains(told), "{refused}");
    }
    let push = bed.push(&bed.signed(Sec::NetwPin), 7);
    let most = push.len() - 1;
    std::fs::write(&file, format!("{policy}parts = {most}\n")).unwrap();
    let running = bed.run();
    bed.submit(push);
    until_told(&running, &format!("at most {most} are taken"), most + 1);
    let told = end(running);
    assert!(!told.contains("is proved"), "{told}");
    std::fs::write(&file, format!("{policy}parts = {}\n", most + 1)).unwrap();
    let running = bed.run();
    bed.submit(bed.push(&bed.signed(Sec::NetwPin), 8));
    bed.until_shown("method=server");
    let _told = end(running);
}
