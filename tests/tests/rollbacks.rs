//! A device that was rolled back comes back by every method, whatever was rotated since (DESIGN §4, D83): `omadm serve`, `client`, `device rotate` and `notify`,
//! each a process of its own. An ordinary run takes the row with everything rotated, `./test --soak` all four of each method.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use omadm_tests::process::{Device, PATIENCE, Server, Signal, omadm};
use omadm_tests::soak;

const SESSION: &str = "session";
const NOTIFICATION: &str = "notification";
/// What is rotated in each row: nothing, what the device proves itself with, what the server does, both.
const ROWS: [&[&str]; 4] = [&[], &[SESSION], &[NOTIFICATION], &[SESSION, NOTIFICATION]];
/// The rows of an ordinary run are the last ones.
const ORDINARY: usize = 1;

/// How a document comes, and comes again after a reset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Factory,
    Smartcard,
    Client,
    Server,
}

/// A device, its server, and what brings its document back.
struct Bench<'a> {
    server: &'a Server,
    token: &'a str,
    device: Device,
    method: Method,
    /// Folder of the image or the card's files.
    carrier: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(
        server: &'a Server,
        token: &'a str,
        folder: &Path,
        method: Method,
        number: usize,
    ) -> Self {
        let dev_id = format!("IMEI:{number:015}");
        let carrier = folder.join(format!("carrier-{number}"));
        let device = Device::init(&folder.join(format!("device-{number}")), &dev_id);
        let name = match method {
            Method::Factory => "factory",
            Method::Smartcard => "smartcard",
            Method::Client | Method::Server => "",
        };
        if method == Method::Client {
            device.register(server, token, "full");
        } else if method == Method::Server {
            let _added = server
                .operator(token, &["add", &dev_id, "--csr"])
                .arg(device.file("device-csr.pem"))
                .arg("--out")
                .arg(device.file("device-cert.pem"))
                .run()
                .good();
        } else {
            let build = omadm(["bootstrap", "build", "--from-server", "--register"])
                .args(["--server-profile", "full", "--carrier", name])
                .args(["--dev-id", &dev_id, "--out"])
                .arg(&carrier);
            let _built = server.reached(build, token).run().good();
        }
        let mut policy =
            "[listen]\nudp = '127.0.0.1:0'\n[network]\nallow_loopback = true\n".to_owned();
        if method == Method::Factory {
            let image = carrier.join("factory.json");
            policy.push_str(&format!(
                "[bootstrap]\nfactory.image = '{}'\n",
                image.display()
            ));
        }
        if method == Method::Server {
            let (url, ca) = (server.url(), server.ca().display().to_string());
            policy = format!(
                "[[source]]\nid = 'boot'\nurl = '{url}'\nca_files = ['{ca}']\n[trust]\nanchors = ['{ca}']\n\
                 [listen]\nudp = '127.0.0.1:0'\nbootstrap = '127.0.0.1:0'\n[network]\nallow_loopback = true\n\
                 [bootstrap]\nclient_initiated = {{ enabled = false }}\n"
            );
        }
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        Self {
            server,
            token,
            device,
            method,
            carrier,
        }
    }

    fn client(&self, command: &str) -> omadm_tests::process::Omadm {
        if self.method == Method::Client {
            return self.device.client_at(command, self.server);
        }
        if self.method == Method::Server {
            return self.device.client(command);
        }
        let client = self
            .device
            .client(command)
            .arg("--ca")
            .arg(self.server.ca());
        if self.method == Method::Smartcard {
            return client.arg("--card").arg(self.carrier.join("card.json"));
        }
        client
    }

    /// The document is applied and reported.
    fn come(&self) {
        if self.method == Method::Server {
            return self.pushed();
        }
        let command = if self.method == Method::Client {
            "bootstrap"
        } else {
            "switch-on"
        };
        let _done = self.client(command).run().good();
    }

    /// The server brings a document to the running device, and waits until it is reported.
    fn pushed(&self) {
        let mut running = self.client("run").start().unwrap();
        let said = running.until("the DM Client runs", PATIENCE).unwrap();
        let mut lines = said.lines();
        let address = lines.find_map(|line| line.strip_prefix("pushed bootstraps:"));
        let send = omadm(["bootstrap", "send", &self.device.dev_id, "--wait", "60"]).args([
            "--profile",
            "full",
            "--to",
            address.unwrap().trim(),
        ]);
        let sent = self.server.reached(send, self.token).run().good();
        assert!(sent.stdout.contains("state:      completed"), "{sent:?}");
        running.signal(Signal::Term).unwrap();
        let _ended = running.wait(PATIENCE).unwrap().good();
    }

    fn operator(&self, arguments: &[&str]) -> omadm_tests::process::Ended {
        self.server.operator(self.token, arguments).run()
    }

    fn shown(&self) -> String {
        self.operator(&["show", &self.device.dev_id, "--all"])
            .good()
            .stdout
    }

    /// Two sessions, each called for by a Notification: the first brings what is queued, the second is opened with it.
    fn sessions(&self) {
        let mut running = self.client("run").start().unwrap();
        let said = running.until("the DM Client runs", PATIENCE).unwrap();
        let mut lines = said.lines();
        let address = lines.find_map(|line| line.strip_prefix("notifications: "));
        let id = self.device.dev_id.as_str();
        for _session in 0..2 {
            let call = ["notify", id, "--to", address.unwrap(), "--wait", "30"];
            let _called = self.operator(&call).good();
        }
        running.signal(Signal::Term).unwrap();
        let _ended = running.wait(PATIENCE).unwrap().good();
    }

    /// Generations of the secrets of a scope that are not revoked, oldest first.
    fn generations(&self, scope: &str) -> Vec<String> {
        let shown = self.shown();
        let of_scope = shown
            .lines()
            .filter(|line| line.trim_start().starts_with(scope) && !line.contains("revoked"));
        let generation = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
        of_scope.map(generation).collect()
    }

    fn in_use(&self, rotated: &[&str], row: &str) {
        for scope in [SESSION, NOTIFICATION] {
            let expected: &[&str] = if rotated.contains(&scope) {
                &["boot", "current"]
            } else {
                &["current"]
            };
            assert_eq!(
                self.generations(scope),
                expected,
                "{row}: {scope}\n{}",
                self.shown()
            );
        }
    }
}

fn rows(method: Method) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let server = Server::start_with(&state, &["--re-bootstrap", "same"]).unwrap();
    let token = server.token.clone().unwrap();
    let taken = (soak::size(40) / 10).max(ORDINARY);
    for (number, rotated) in ROWS.iter().enumerate().skip(ROWS.len() - taken) {
        let row = format!("rotated: {rotated:?}");
        let bench = Bench::new(&server, &token, folder.path(), method, number);
        bench.come();
        bench.in_use(&[], &row);
        for scope in *rotated {
            let id = bench.device.dev_id.as_str();
            let _queued = bench.operator(&["rotate", id, "--scope", scope]).good();
        }
        bench.sessions();
        bench.in_use(rotated, &row);
        assert!(!bench.shown().contains("rebootstrapped"), "{row}");
        // Rolled back, twice: what was provisioned counts again, what was rotated is dead, and is rotated anew.
        for times in 1..=2 {
            let _reset = bench
                .device
                .client("factory-reset")
                .arg("--yes")
                .run()
                .good();
            bench.come();
            let shown = bench.shown();
            if method == Method::Server {
                // Each push brings secrets of its own: those in use give way to them, whatever they were.
                let completed = shown.matches("bootstrap-completed").count();
                assert_eq!(completed, 1 + times, "{row}: {shown}");
                bench.sessions();
                for scope in [SESSION, NOTIFICATION] {
                    let live = bench.generations(scope);
                    let current = live.iter().filter(|one| *one == "current").count();
                    let last = live.last().map(String::as_str);
                    assert_eq!((current, last), (1, Some("current")), "{row}: {scope}");
                }
                continue;
            }
            let told = shown.matches("rebootstrapped").count();
            assert_eq!(told, times, "{row}: {shown}");
            bench.sessions();
            bench.in_use(rotated, &row);
        }
        if method == Method::Server {
            continue;
        }
        let dead = bench.shown().matches(" revoked ").count();
        assert!(dead >= 2 * rotated.len(), "{row}: {}", bench.shown());
    }
    server.end().unwrap();
}

#[test]
fn soak_b_32_a_device_comes_back_by_its_factory_image_whatever_was_rotated() {
    rows(Method::Factory);
}

#[test]
fn soak_b_32_a_device_comes_back_by_its_card_whatever_was_rotated() {
    rows(Method::Smartcard);
}

#[test]
fn soak_b_32_a_device_comes_back_by_its_url_whatever_was_rotated() {
    rows(Method::Client);
}

#[test]
fn soak_b_32_a_device_comes_back_by_a_push_whatever_was_rotated() {
    rows(Method::Server);
}
