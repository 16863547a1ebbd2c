//! DM 1.x by a card in a reader of a real PC/SC service: applied, acknowledged, left alone, removed with the card, and recovered when the card comes back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use omadm_lab::pcsc::{InsertedCard, PrivatePcsc, SOCKET_VARIABLE};
use omadm_tests::process::{Card, Device, Ended, Omadm, PATIENCE, Server, Signal, omadm};
use serde_json::Value;

const ICCID: &str = "894901720123456789";
const SRV: &str = "org.example.dm";

/// One device with a card reader, and its server.
struct Desk<'a> {
    server: &'a Server,
    token: &'a str,
    dev_id: &'a str,
    device: Device,
    service: &'a PrivatePcsc,
    /// The device's card.
    card: Card,
}

impl<'a> Desk<'a> {
    /// A device that is to be bootstrapped by a card with a document of this format, and the line that tells of it.
    fn new(
        server: &'a Server,
        token: &'a str,
        (folder, service): (&std::path::Path, &'a PrivatePcsc),
        (format, dev_id): (&str, &'a str),
    ) -> Self {
        let device = Device::init(&folder.join(format), dev_id);
        let file = |name: &str| device.file(name).to_str().unwrap().to_owned();
        let (csr, certificate) = (file("device-csr.pem"), file("device-cert.pem"));
        let document = file("document.wbxml");
        let operator = |words: &[&str]| server.operator(token, words).run().good();
        operator(&["add", dev_id, "--csr", &csr, "--out", &certificate]);
        let profile = ["--profile", "dm1x", "--format", format, "--out", &document];
        operator(&[&["dm1", "add", dev_id][..], &profile].concat());
        let policy =
            "[network]\nallow_loopback = true\n[bootstrap.smartcard]\nreaders = [\"Test PCD*\"]\n";
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        // As a card comes: the file is larger than the document.
        let mut content = std::fs::read(&document).unwrap();
        content.extend([0xFF; 40]);
        let card = if format == "cp" {
            Card::provisioning(ICCID, &[content])
        } else {
            Card::new(ICCID, &[content])
        };
        Self {
            server,
            token,
            dev_id,
            device,
            service,
            card,
        }
    }

    fn insert(&self) -> InsertedCard {
        self.service.insert(0, self.card.card()).unwrap()
    }

    fn operator(&self, words: &[&str]) -> String {
        let arguments = [words, &[self.dev_id]].concat();
        let operator = self.server.operator(self.token, &arguments);
        operator.run().good().stdout
    }

    fn client(&self, command: &str) -> Omadm {
        let client = self.device.client(command);
        let client = client.arg("--ca").arg(self.server.ca());
        client.env(SOCKET_VARIABLE, self.service.socket())
    }

    fn switch_on(&self) -> Ended {
        self.client("switch-on").run()
    }

    /// A session, and how the secrets stand behind it.
    fn session(&self) -> String {
        let session = self.client("session").run().good();
        let ended = "ended by the server";
        assert!(session.stdout.contains(ended), "{session:?}");
        self.operator(&["dm1", "show"])
    }

    /// How often the server noted a bootstrap.
    fn bootstraps(&self) -> usize {
        let shown = self.operator(&["show"]);
        shown.matches("method=smartcard").count()
    }

    fn has_account(&self) -> bool {
        let status = self.device.client("status").run().good();
        status.stdout.contains(SRV)
    }
}

fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn b1_c_06_b1_c_07_b1_s_04_a_card_s_account_is_acknowledged_goes_with_it_and_is_recovered_as_it_comes_back()
 {
    let folder = tempfile::tempdir().unwrap();
    let service = PrivatePcsc::start().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    for (format, dev_id, called) in [
        ("cp", "IMEI:493005100592800", "DM 1.x, client provisioning"),
        ("dm", "IMEI:493005100592801", "DM 1.x, DM profile"),
    ] {
        let place = (folder.path(), &service);
        let desk = Desk::new(&server, &token, place, (format, dev_id));
        let card = desk.insert();
        let reader = service.reader(0);
        let read = omadm(["card", "read", "--json", "--reader", &reader]);
        let read = read.env(SOCKET_VARIABLE, service.socket()).run().good();
        let read: Value = serde_json::from_str(&read.stdout).unwrap();
        let document = &read["detail"][0]["document"];
        assert_eq!(
            (&document["generation"], &document["format"]),
            (&"1.x".into(), &format.into())
        );

        let done = desk.switch_on().good();
        let applied = format!("3F00/7F50/6432: applied for {SRV} ({called})");
        assert!(done.stdout.contains(&applied), "{done:?}");
        let status = desk.device.client("status").run().good();
        for part in ["acknowledged", called, "last smartcard from card iccid:"] {
            assert!(status.stdout.contains(part), "no {part:?}: {status:?}");
        }
        let shown = desk.operator(&["show"]);
        for part in ["bootstrapped smartcard at ", "kind=first  method=smartcard"] {
            assert!(shown.contains(part), "no {part:?}: {shown}");
        }

        // Rotated, and the card does not undo it: nothing is applied, nothing told.
        desk.operator(&["dm1", "rotate"]);
        let _sent = desk.session();
        let used = desk.session();
        let rotated = "client secrets: boot (can be brought back), current";
        assert!(used.contains(rotated), "{used}");
        let before = desk.bootstraps();
        let again = desk.switch_on().good();
        assert!(
            again.stdout.contains(&format!("unchanged for {SRV}")),
            "{again:?}"
        );
        assert_eq!(desk.bootstraps(), before);
        let used = desk.session();
        assert!(used.contains(rotated), "{used}");

        // The card is gone at the next start, and so is the account.
        drop(card);
        let removed = format!("{SRV}: removed, no longer on a card");
        until("the removal", || desk.switch_on().stdout.contains(&removed));
        assert!(!desk.has_account());

        // It comes back with the secrets that were replaced: at a start, or while the device runs.
        let card = if format == "cp" {
            let card = desk.insert();
            let done = desk.switch_on().good();
            assert!(done.stdout.contains(&applied), "{done:?}");
            card
        } else {
            let running = desk.client("run").args(["--log-filter", "info"]).start();
            let running = running.unwrap();
            let empty = format!("{reader}: no card");
            until("the first look", || running.stderr().contains(&empty));
            let card = desk.insert();
            until("the event", || desk.bootstraps() > before);
            running.signal(Signal::Term).unwrap();
            let _ended = running.wait(PATIENCE).unwrap();
            card
        };
        let shown = desk.operator(&["show"]);
        for part in [
            "replaced secrets came back and count again: dm1-client",
            "a new dm1 secret, because of: session",
        ] {
            assert!(shown.contains(part), "no {part:?}: {shown}");
        }
        // New secrets are pending until a session uses them: the next one. Where the running device was ended before it had them, the next one sends them and the one after uses them.
        let left = desk.operator(&["dm1", "show"]);
        let next = desk.session();
        let whole = format == "cp";
        assert!(
            !whole || next.contains(rotated),
            "left: {left}\nnext: {next}"
        );
        let used = desk.session();
        assert!(
            used.contains(rotated),
            "left: {left}\nnext: {next}\nused: {used}"
        );

        // A reset with the card in its reader: the same, and the device says what it was.
        let reset = desk.device.client("factory-reset").arg("--yes");
        let _reset = reset.run().good();
        let done = desk.switch_on().good();
        assert!(done.stdout.contains(&applied), "{done:?}");
        let shown = desk.operator(&["show"]);
        assert!(shown.contains("kind=reset  method=smartcard"), "{shown}");
        let used = desk.session();
        assert!(used.contains(rotated), "{used}");
        drop(card);
        until("the empty reader", || {
            let read = omadm(["card", "read", "--reader", &reader]);
            let read = read.env(SOCKET_VARIABLE, service.socket()).run();
            read.stdout.contains("no card")
        });
    }
}
