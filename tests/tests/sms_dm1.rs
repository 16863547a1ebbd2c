//! DM 1.x by SMS, over real processes: `omadm serve --smpp`, an SMSC that nobody here wrote (npm `smpp`), `omadm client run`; tshark and libwbxml judge every
//! octet between them (`push.md` §1 to §5, §8.3, §10).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::{Duration, Instant};

use omadm_push::sms::join;
use omadm_push::wsp::{Push, Sec};
use omadm_tests::capture::Recorder;
use omadm_tests::process::{Device, Ended, PATIENCE, Running, Server, Signal, omadm};
use omadm_tests::smsc::{Smsc, dissected, smsc_file, submissions};
use serde_json::{Value, json};

const DEVICE: &str = "IMEI:493005100592800";
const TO: &str = "sms:+15551230001";
const IMSI: &str = "310150123456789";

/// A server, a device that listens, the SMSC between them, and what is recorded on both sides of it.
struct Chain {
    folder: tempfile::TempDir,
    server: Server,
    token: String,
    device: Device,
    running: Option<Running>,
    smsc: Smsc,
    /// Between the server and the SMSC, and between the SMSC and the device: tshark tells parts of both by their reference alone.
    recorders: [Recorder; 2],
}

impl Chain {
    fn start() -> Self {
        Self::with(&json!({}))
    }

    fn with(faults: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let smsc = Smsc::start(faults);
        let recorders = [(); 2].map(|()| Recorder::before(smsc.address()).unwrap());
        let port = recorders[0].port().to_string();
        let file = smsc_file(folder.path(), &port, "secret", None);
        let arguments = ["--smpp", file.to_str().unwrap()];
        let server = Server::start_with(&folder.path().join("server"), &arguments).unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::init(&folder.path().join("device"), DEVICE);
        device.add(&server, &token, &[]);
        std::fs::write(device.file("smsc-password"), "devpw\n").unwrap();
        Self {
            folder,
            server,
            token,
            device,
            running: None,
            smsc,
            recorders,
        }
    }

    /// The device runs, with this in its policy beside the way to the SMSC.
    fn listen(&mut self, policy: &str) {
        let smpp = format!(
            "[listen.smpp]\naddress = '127.0.0.1:{}'\nsystem_id = 'dev'\npassword_file = 'smsc-password'\nnumber = '+15551230001'\ntls = false\n\
             [network]\nallow_loopback = true\n",
            self.recorders[1].port()
        );
        std::fs::write(self.device.file("policy.toml"), format!("{policy}{smpp}")).unwrap();
        let run = self.device.client("run").arg("--ca").arg(self.server.ca());
        let mut running = run.env("OMADM_LOG", "debug").start().unwrap();
        running.until("the DM Client runs", PATIENCE).unwrap();
        self.running = Some(running);
        self.smsc.process.until("bind dev ok", PATIENCE).unwrap();
    }

    fn operator(&self, arguments: &[&str]) -> Ended {
        self.server.operator(&self.token, arguments).run()
    }

    /// `omadm bootstrap send` of this form, signed so.
    fn send(&self, format: &str, more: &[&str]) -> Ended {
        let profile = ["--profile", "dm1x", "--profile-format", format, "--to", TO];
        let arguments = [&["bootstrap", "send", DEVICE][..], &profile, more].concat();
        self.server.reached(omadm(arguments), &self.token).run()
    }

    fn shown(&self) -> Value {
        let shown = self.operator(&["--json", "show", DEVICE]).good();
        serde_json::from_str(&shown.stdout).unwrap()
    }

    /// Waits until the newest bootstrap is in this state.
    fn until(&self, state: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown();
            if shown["bootstraps"][0]["state"] == state {
                return shown;
            }
            assert!(Instant::now() < end, "it is not {state}: {shown}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends the device; its log.
    fn stop(&mut self) -> String {
        let Some(running) = self.running.take() else {
            return String::new();
        };
        running.signal(Signal::Term).unwrap();
        running.wait(PATIENCE).unwrap().good().stderr
    }

    /// Ends all; what the SMSC told, the columns of both captures, and the device's log.
    fn end(mut self) -> (String, impl Fn(&str) -> [Vec<String>; 2], String) {
        let device = self.stop();
        let server = self.server.end().unwrap();
        assert_eq!(server.code, Some(0), "{server:?}");
        let told = self.smsc.end();
        let kept = ["submitted.pcap", "delivered.pcap"].map(|name| self.folder.path().join(name));
        for (recorder, file) in self.recorders.iter().zip(&kept) {
            recorder.write_pcap(file, 2775).unwrap();
        }
        let folder = self.folder;
        let column = move |field: &str| -> [Vec<String>; 2] {
            let _kept = &folder;
            kept.each_ref().map(|file| {
                let rows = dissected(file, &[field]).into_iter().flatten();
                let cells =
                    rows.flat_map(|cell| cell.split(',').map(str::to_owned).collect::<Vec<_>>());
                cells.filter(|cell| !cell.is_empty()).collect()
            })
        };
        for wrong in ["_ws.malformed", "_ws.expert.message"] {
            for hop in column(wrong) {
                assert_eq!(hop, [""; 0], "{wrong}");
            }
        }
        (told, column, device)
    }
}

/// The push that these submissions are the parts of.
fn push_of(submitted: &[&str]) -> Push {
    let parts = submitted.iter().map(|line| {
        let digits = line.rsplit(' ').next().unwrap();
        let octets = (0..digits.len()).step_by(2);
        octets
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect::<Vec<_>>()
    });
    let parts: Vec<Vec<u8>> = parts.collect();
    Push::decode(&join(&parts).unwrap()).unwrap()
}

/// A document as libwbxml reads it.
fn by_libwbxml(document: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["in.wbxml", "out.xml"].map(|name| folder.path().join(name));
    std::fs::write(&from, document).unwrap();
    let mut read = Command::new("wbxml2xml");
    let read = read
        .args(["-m", "0", "-o"])
        .arg(&to)
        .arg(&from)
        .output()
        .unwrap();
    assert!(read.status.success(), "{read:?}");
    std::fs::read_to_string(to).unwrap()
}

fn pin_file(chain: &Chain, pin: &str) -> String {
    let file = chain.folder.path().join("pin");
    std::fs::write(&file, format!("{pin}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_package_0_by_sms_starts_a_session_and_tshark_reads_it() {
    let mut chain = Chain::start();
    let image = chain.device.file("image.wbxml");
    let image = image.to_str().unwrap().to_owned();
    let added = [
        "dm1",
        "add",
        DEVICE,
        "--profile",
        "dm1x",
        "--format",
        "cp",
        "--out",
        &image,
    ];
    let _added = chain.operator(&added).good();
    chain.listen("[bootstrap]\nfactory = { image = 'image.wbxml' }\n");
    let end = Instant::now() + PATIENCE;
    while !chain
        .operator(&["show", DEVICE])
        .good()
        .stdout
        .contains("bootstrapped factory")
    {
        assert!(Instant::now() < end, "the device did not come");
        std::thread::sleep(Duration::from_millis(100));
    }
    let called = chain.operator(&[
        "notify",
        DEVICE,
        "--to",
        TO,
        "--ui-mode",
        "background",
        "--wait",
        "30",
    ]);
    assert!(called.good().stdout.contains("answered:"));
    let (told, column, device) = chain.end();
    let submitted = submissions(&told);
    assert_eq!(submitted.len(), 1, "{told}");
    assert_eq!(
        column("wsp.header.content_type"),
        [["application/vnd.syncml.notification"]; 2]
    );
    let application = column("wsp.header.x_wap_application_id");
    assert_eq!(application.map(|hop| hop.len()), [1; 2]);
    assert_eq!(
        column("gsm_sms.destination_port"),
        [["2948"]; 2],
        "once to the SMSC, once to the device"
    );
    let push = push_of(&submitted);
    let body: String = push
        .body
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert!(submitted[0].ends_with(&body), "{told}");
    assert!(
        body.contains("02d8000000"),
        "version 11, background, by the server: {body}"
    );
    assert!(device.contains("session"), "{device}");
}

/// HMAC-SHA1 as OpenSSL makes it, by a key of these hexadecimal digits.
fn mac_by_openssl(key: &str, document: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document");
    std::fs::write(&file, document).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha1", "-mac", "HMAC", "-macopt"]);
    let made = openssl
        .arg(format!("hexkey:{key}"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).unwrap();
    text.trim().rsplit(' ').next().unwrap().to_uppercase()
}

#[test]
fn b1_s_01_tshark_openssl_and_libwbxml_read_every_octet_of_a_pushed_bootstrap() {
    // The keys of `push.md` §4: the PIN's digits; the IMSI in semi-octets.
    let (pin, imsi) = ("3132333435363738", "3901511032547698");
    for (format, sec, number, key, media, inside) in [
        (
            "cp",
            Sec::UserPin,
            "0x01",
            pin.to_owned(),
            "application/vnd.wap.connectivity-wbxml",
            "PROVIDER-ID",
        ),
        (
            "dm",
            Sec::NetwPin,
            "0x00",
            imsi.to_owned(),
            "application/vnd.syncml.dm+wbxml",
            "./Inbox",
        ),
    ] {
        let mut chain = Chain::start();
        chain.listen("");
        let pin = pin_file(&chain, "12345678");
        let signed = match sec {
            Sec::UserPin => ["--pin-file", &pin],
            _ => ["--imsi", IMSI],
        };
        let sent = chain.send(format, &signed).good();
        assert!(sent.stdout.contains("wap to sms:+15551230001"), "{sent:?}");
        assert!(
            sent.stdout.contains("signed:"),
            "what it is worth is told: {sent:?}"
        );
        let shown = chain.until("delivered");
        assert_eq!(shown["bootstraps"][0]["profile_format"], format);
        assert!(
            !shown.to_string().contains("12345678"),
            "the PIN is not kept"
        );
        let (told, column, _) = chain.end();
        let submitted = submissions(&told);
        assert!(
            submitted
                .iter()
                .all(|line| line.contains(" 64 4 0 0b05040b8423f0")),
            "{told}"
        );
        let push = push_of(&submitted);
        let security = push.content_type.security.as_ref().unwrap();
        assert_eq!(security.sec, sec);
        assert_eq!(
            column("wsp.header.content_type"),
            [[media]; 2],
            "to the SMSC, and to the device"
        );
        assert_eq!(column("wsp.parameter.sec"), [[number]; 2]);
        let made = [mac_by_openssl(&key, &push.body)];
        assert_eq!(column("wsp.parameter.mac"), [made.clone(), made]);
        assert_eq!(column("wbxml.charset"), [["106"]; 2], "UTF-8");
        let whole = [push.encode().len().to_string()];
        let lengths = column("gsm_sms_ud.reassembled.length");
        assert_eq!(lengths, [whole.clone(), whole]);
        let xml = by_libwbxml(&push.body);
        assert!(
            xml.contains(inside) && xml.contains("org.example.dm"),
            "{xml}"
        );
    }
}

/// A bootstrap that the server pushes to a device which takes it: applied, told by its event, its secrets replaced; then a Package 0 calls the device.
fn pushed_and_called(format: &str, policy: &str, signed: impl Fn(&Chain) -> [String; 2]) {
    let mut chain = Chain::start();
    let table = format!("[dm1]\npushed_bootstraps = ['{format}']\n{policy}\n");
    chain.listen(&table);
    let [way, with] = signed(&chain);
    let _sent = chain.send(format, &[&way, &with]).good();
    let shown = chain.until("completed");
    let record = &shown["bootstraps"][0];
    assert_eq!(record["profile_format"], format);
    assert_eq!(record["kind"], "first", "{record}");
    assert!(record["event_id"].is_string(), "{record}");
    let events = shown["events"].as_array().unwrap();
    let completed = events
        .iter()
        .filter(|event| event["what"]["event"] == "bootstrap-completed");
    let completed: Vec<_> = completed.collect();
    assert_eq!(completed.len(), 1, "{shown}");
    assert_eq!(completed[0]["what"]["bootstrap"], record["id"]);
    let end = Instant::now() + PATIENCE;
    while !chain
        .running
        .as_ref()
        .unwrap()
        .stderr()
        .contains("EventSettled")
    {
        assert!(Instant::now() < end, "the event is not acknowledged");
        std::thread::sleep(Duration::from_millis(100));
    }
    let called = ["notify", DEVICE, "--to", TO, "--wait", "30"];
    let called = chain.operator(&called).good();
    assert!(called.stdout.contains("answered:"), "{called:?}");
    let device = chain.stop();
    let status = chain.device.client("status").run().good().stdout;
    assert!(status.contains("acknowledged"), "{status}");
    let (told, _, _) = chain.end();
    assert!(submissions(&told).len() > 2, "{told}");
    assert_eq!(device.matches("Triggered {").count(), 1, "{device}");
    assert!(!device.contains("12345678"), "{device}");
}

#[test]
fn a_provisioning_document_with_a_pin_is_applied_and_acknowledged_and_a_package_0_opens_a_session()
{
    let pin = "pin = { command = ['/bin/sh', '-c', 'cat > /dev/null; echo 12345678'] }";
    pushed_and_called("cp", pin, |chain| {
        ["--pin-file".into(), pin_file(chain, "12345678")]
    });
}

#[test]
fn a_dm_message_with_the_imsi_is_applied_and_acknowledged_and_a_package_0_opens_a_session() {
    let policy = format!("imsi = ['{IMSI}']");
    pushed_and_called("dm", &policy, |_| ["--imsi".into(), IMSI.into()]);
}

#[test]
fn a_push_that_the_smsc_lost_is_told_and_tried_again_with_the_same_octets() {
    let mut chain = Chain::with(&json!({ "fate": 5 }));
    chain.listen("");
    let _sent = chain.send("cp", &["--imsi", IMSI]).good();
    let end = Instant::now() + PATIENCE;
    let mut trouble = None;
    loop {
        let shown = chain.shown();
        let of = |kind: &str| -> Vec<&Value> {
            let events = shown["events"].as_array().unwrap().iter();
            let what = events.map(|event| &event["what"]);
            what.filter(|what| what["event"] == kind).collect()
        };
        let (pushed, failed) = (of("bootstrap-pushed"), of("bootstrap-push-failed"));
        if let ([_], [failed]) = (&pushed[..], &failed[..]) {
            assert!(failed["retry_at"].is_string(), "{failed}");
            trouble = Some(shown["bootstraps"][0]["push"]["trouble"].to_string());
        }
        if pushed.len() > 1 {
            break;
        }
        assert!(Instant::now() < end, "it is not tried again: {shown}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let trouble = trouble.unwrap();
    assert!(trouble.contains("cannot be delivered"), "{trouble}");
    std::thread::sleep(Duration::from_secs(1));
    let (told, _, _) = chain.end();
    let submitted = submissions(&told);
    let (first, second) = submitted.split_at(submitted.len() / 2);
    assert_eq!(push_of(first).body, push_of(second).body, "{told}");
}
