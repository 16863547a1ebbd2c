//! Server-initiated bootstrap: `omadm serve`, a device under `omadm client run`, `omadm bootstrap send`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use omadm_server::operator::types::NewDevice;
use omadm_tests::process::{Device, Ended, PATIENCE, Running, Server, omadm};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";
const SECRET: &str = "boot-noti-s3cret";

/// A server, and a device that it knows and has no bootstrap for.
struct Pair {
    server: Server,
    token: String,
    device: Device,
    folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server")).unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::init(&folder.path().join("device"), DEVICE);
        device.add(&server, &token, &[]);
        std::fs::write(device.file("boot.secret"), SECRET).unwrap();
        let policy = format!(
            "[[source]]\nid = 'boot'\nurl = '{}'\nca_files = ['{}']\nnoti_secret_file = 'boot.secret'\n\
             [trust]\nanchors = ['{}']\n[listen]\nudp = '127.0.0.1:0'\nbootstrap = '127.0.0.1:0'\n",
            server.url(),
            server.ca().display(),
            server.ca().display()
        );
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        Self {
            server,
            token,
            device,
            folder,
        }
    }

    /// Starts the daemon; where it takes Notifications and bootstraps.
    fn listening(&self) -> (Running, String, String) {
        let mut running = self
            .device
            .client("run")
            .env("OMADM_LOG", "info")
            .start()
            .unwrap();
        let said = running.until("the DM Client runs", PATIENCE).unwrap();
        let address = |label: &str| {
            let mut lines = said.lines();
            let address = lines.find_map(|line| line.strip_prefix(label));
            address.unwrap().trim().to_owned()
        };
        let (udp, push) = (address("notifications:"), address("pushed bootstraps:"));
        (running, udp, push)
    }

    fn send(&self, more: &[&str]) -> Ended {
        let arguments = [&["bootstrap", "send", DEVICE, "--wait", "60"], more].concat();
        self.server.reached(omadm(arguments), &self.token).run()
    }

    /// What happened to the device, oldest first.
    fn events(&self) -> Vec<Value> {
        self.server.events_of(&self.token, DEVICE)
    }
}

#[test]
fn b_09_b_10_dm_boot_005_c_o_a_bootstrap_is_pushed_to_a_device_and_completed() {
    let pair = Pair::new();
    let (running, _, push) = pair.listening();
    let sent = pair.send(&["--profile", "full", "--to", &push]).good();
    assert!(sent.stdout.contains("state:      completed"), "{sent:?}");
    // The device may be quicker to complete than the server to write down what its answer was.
    let end = Instant::now() + PATIENCE;
    let position =
        |events: &[Value], name: &str| events.iter().position(|what| what["event"] == name);
    let events = loop {
        let events = pair.events();
        if position(&events, "bootstrap-delivered").is_some() {
            break events;
        }
        assert!(Instant::now() < end, "{events:#?}");
    };
    let of = |name: &str| position(&events, name).unwrap();
    let [pushed, delivered, completed] = [
        "bootstrap-pushed",
        "bootstrap-delivered",
        "bootstrap-completed",
    ]
    .map(of);
    assert!(pushed < delivered && pushed < completed, "{events:#?}");
    assert_eq!(events[completed]["method"], "server-initiated");
    let shown = pair
        .server
        .operator(&pair.token, &["show", DEVICE])
        .run()
        .good();
    for part in [
        "bootstrapped server-initiated",
        "direct to https://",
        "the device has it",
    ] {
        assert!(shown.stdout.contains(part), "no {part}: {}", shown.stdout);
    }
    running.ended_well().unwrap();
}

#[test]
fn b_09_b_10_a_device_that_is_called_fetches_its_bootstrap_and_completes_it() {
    let pair = Pair::new();
    let (running, udp, _) = pair.listening();
    let secret = pair.device.file("boot.secret").display().to_string();
    let called = [
        "--profile",
        "minimal",
        "--to",
        &udp,
        "--source",
        "boot",
        "--noti-secret-file",
        &secret,
    ];
    let sent = pair.send(&called).good();
    assert!(sent.stdout.contains("carrier:    notification"), "{sent:?}");
    assert!(sent.stdout.contains("state:      completed"), "{sent:?}");
    let events = pair.events();
    let completed = events
        .iter()
        .find(|what| what["event"] == "bootstrap-completed");
    assert_eq!(completed.unwrap()["method"], "server-initiated");
    assert!(!format!("{events:?}{sent:?}").contains(SECRET));
    running.ended_well().unwrap();
}

#[test]
fn b_12_what_an_untrusted_server_pushes_is_refused_and_the_device_tells_of_it() {
    let pair = Pair::new();
    let (running, _, push) = pair.listening();
    // Another server knows the device, and even its certificate.
    let other = Server::start(&pair.folder.path().join("other")).unwrap();
    let token = other.token.clone().unwrap();
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        certificate: Some(std::fs::read_to_string(pair.device.file("device-cert.pem")).unwrap()),
        ..NewDevice::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(other.api(&token).unwrap().add_device(&new))
        .unwrap();
    let arguments = [
        "bootstrap",
        "send",
        DEVICE,
        "--wait",
        "60",
        "--profile",
        "minimal",
        "--to",
        &push,
    ];
    let refused = other.reached(omadm(arguments), &token).run().refused();
    assert!(refused.stdout.contains("state:      failed"), "{refused:?}");
    assert!(
        refused.stderr.contains("not one the device trusts"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("Name the source"), "{refused:?}");
    let said = running.ended_well().unwrap();
    assert!(said.contains("pushed bootstrap turned away"), "{said}");
    let accounts = pair.device.client("alerts").run().good();
    assert!(
        !accounts.stdout.contains("BootstrapComplete"),
        "{accounts:?}"
    );
}
