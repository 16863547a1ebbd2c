//! Smartcard bootstrap over real processes, from the server's record to the card's removal: the card lies in a file, all that reads it is real.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use omadm_mo::DevId;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{BootstrapBody, NewBootstrap};
use omadm_tests::process::{Card, Device, Ended, Omadm, PATIENCE, Server, Signal};
use serde_json::Value;
use tokio::runtime::Runtime;

const DEVICE: &str = "IMEI:493005100592800";
const SRV: &str = "dm-full.example.com";
const CARD: &str = "894901720123456789";
const OTHER: &str = "894901720999999999";

/// A server with a device that is to be bootstrapped by card, and the file of the device's card reader.
struct Bench {
    folder: tempfile::TempDir,
    runtime: Runtime,
    server: Server,
    token: String,
    api: ApiClient,
    device: Device,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server")).unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::init(&folder.path().join("device"), DEVICE);
        let _added = server
            .operator(
                &token,
                &[
                    "add",
                    DEVICE,
                    "--profile",
                    "full",
                    "--method",
                    "smartcard",
                    "--csr",
                ],
            )
            .arg(device.file("device-csr.pem"))
            .arg("--out")
            .arg(device.file("device-cert.pem"))
            .run()
            .good();
        let network = "[network]\nallow_loopback = true\n";
        std::fs::write(device.file("policy.toml"), network).unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            api: server.api(&token).unwrap(),
            folder,
            server,
            token,
            device,
        }
    }

    fn reader(&self) -> PathBuf {
        self.folder.path().join("card.json")
    }

    /// The newest record of the device.
    fn record(&self) -> BootstrapBody {
        let detail = self.runtime.block_on(self.api.device(DEVICE)).unwrap();
        detail.bootstraps[0].clone()
    }

    /// The document of the newest record, as it goes onto the card.
    fn document(&self) -> Vec<u8> {
        let id = self.record().id;
        let document = self.runtime.block_on(self.api.bootstrap_document(&id));
        document.unwrap().expose().to_vec()
    }

    fn client(&self, command: &str) -> Omadm {
        let client = self
            .device
            .client(command)
            .arg("--ca")
            .arg(self.server.ca());
        client.arg("--card").arg(self.reader())
    }

    fn switch_on(&self) -> Ended {
        self.client("switch-on").run()
    }

    fn shown(&self) -> String {
        self.server
            .operator(&self.token, &["show", DEVICE])
            .run()
            .good()
            .stdout
    }

    fn tree(&self) -> String {
        self.device.client("tree").run().good().stdout
    }
}

/// The same document for the account of another server.
fn of_server(document: &[u8], srv_id: &str) -> Vec<u8> {
    let mut items: Value = serde_json::from_slice(document).unwrap();
    let accounts = items.as_array_mut().unwrap();
    accounts.retain(|item| item["MOData"]["DMAcc"].is_object());
    accounts[0]["MOData"]["DMAcc"]["SrvID"] = srv_id.into();
    items.to_string().into_bytes()
}

#[test]
fn b_02_b_04_b_06_a_card_completes_its_record_is_left_alone_and_its_server_goes_with_it() {
    let bench = Bench::new();
    let drafted = bench.record();
    assert_eq!(
        (drafted.method.as_str(), drafted.state.as_str()),
        ("smartcard", "drafted")
    );
    let document = bench.document();
    Card::new(CARD, &[&document]).insert(&bench.reader());

    let previewed = bench.client("switch-on").arg("--preview").run().good();
    assert!(
        previewed
            .stdout
            .contains("would add urn:oma:mo:oma-dm-dmacc:1.2/1/"),
        "{previewed:?}"
    );
    assert!(!bench.tree().contains(SRV), "a preview changes nothing");

    let done = bench.switch_on().good();
    assert!(
        done.stdout
            .contains("3F00/7F50/6432: applied for dm-full.example.com"),
        "{done:?}"
    );
    assert!(
        bench.shown().contains("bootstrapped smartcard at "),
        "{}",
        bench.shown()
    );
    let completed = bench.record();
    assert_eq!(completed.id, drafted.id);
    assert_eq!(
        (completed.state.as_str(), completed.kind.as_deref()),
        ("completed", Some("first"))
    );

    let again = bench.client("switch-on").arg("--json").run().good();
    let told: Value = serde_json::from_str(again.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        told["cards"]["entries"][0]["outcome"],
        "unchanged for dm-full.example.com"
    );
    assert_eq!(told["cards"]["applied"], Value::Array(Vec::new()));

    // The card is bootstrapped anew: another document, a record of its own, Kind `re`.
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("full".to_owned()),
        method: Some("smartcard".to_owned()),
        ..NewBootstrap::default()
    };
    bench
        .runtime
        .block_on(bench.api.start_bootstrap(&new))
        .unwrap();
    Card::new(CARD, &[&bench.document()]).insert(&bench.reader());
    let _done = bench.switch_on().good();
    let again = bench.record();
    assert_ne!(again.id, drafted.id);
    assert_eq!(
        (again.state.as_str(), again.kind.as_deref()),
        ("completed", Some("re"))
    );

    // The server goes from the card; then what the bootstrap brought goes from the tree.
    Card::new::<&[u8]>(CARD, &[]).insert(&bench.reader());
    let gone = bench.switch_on();
    assert!(
        gone.stdout
            .contains("dm-full.example.com: removed, no longer on a card: "),
        "{gone:?}"
    );
    assert!(
        gone.stdout.contains("urn:example:mo:reporting:1.0/1/"),
        "{gone:?}"
    );
    let tree = bench.tree();
    assert!(!tree.contains(SRV) && !tree.contains("reporting"), "{tree}");
}

#[test]
fn b_05_every_state_of_the_reader_leads_to_what_the_table_says() {
    let bench = Bench::new();
    let document = bench.document();
    let two = [document.clone(), of_server(&document, "b.example.com")];
    let one = [two[1].clone()];
    let on_card = |documents: &[Vec<u8>]| Card::new(CARD, documents);
    let keeps_both = |what: &str| {
        let tree = bench.tree();
        assert!(
            tree.contains(SRV) && tree.contains("b.example.com"),
            "{what}: {tree}"
        );
    };
    let policy = |text: &str| {
        let file = bench.device.file("policy.toml");
        let network = "[network]\nallow_loopback = true";
        std::fs::write(file, format!("{network}\n[bootstrap.smartcard]\n{text}\n")).unwrap();
    };
    let check = || {
        let done = bench.client("switch-on").arg("--json").run();
        let line = done.stdout.lines().next().unwrap_or_default().to_owned();
        serde_json::from_str::<Value>(&line).unwrap_or(Value::String(done.stderr))["cards"].clone()
    };
    on_card(&two).insert(&bench.reader());
    assert_eq!(check()["applied"].as_array().unwrap().len(), 2);

    // Another card that the SIM lock does not allow: kept, not marked.
    policy("sim_lock = { iccid_prefix = [\"894901720123\"] }");
    Card::new(OTHER, &one).insert(&bench.reader());
    let told = check();
    assert!(
        told["readers"][0]["found"]
            .as_str()
            .unwrap()
            .contains("SIM lock"),
        "{told}"
    );
    assert_eq!(told["accounts"][0]["fate"], "kept, its card was not read");
    keeps_both("rejected");

    // Turned off: no card is looked at, nothing goes.
    policy("enabled = false");
    std::fs::remove_file(bench.reader()).unwrap();
    assert_eq!(check(), Value::Null);
    keeps_both("off");

    // In doubt: no card description, an invalid entry, a PIN that is not known.
    policy("");
    std::fs::write(bench.reader(), "{").unwrap();
    let told = check();
    assert_eq!(told["in_doubt"], true);
    keeps_both("no card description");
    on_card(&[two[0].clone(), b"[{".to_vec()]).insert(&bench.reader());
    let told = check();
    assert!(
        told["entries"][1]["outcome"]
            .as_str()
            .unwrap()
            .starts_with("refused: "),
        "{told}"
    );
    assert_eq!(
        told["accounts"][1]["fate"],
        "kept, unverified: it is not known what is on its card"
    );
    keeps_both("an invalid entry");
    on_card(&one).with_pin("1234").insert(&bench.reader());
    let told = check();
    assert!(
        told["entries"][0]["outcome"]
            .as_str()
            .unwrap()
            .starts_with("unreadable: "),
        "{told}"
    );
    assert_eq!(
        told["actions"],
        serde_json::json!(["Give the device the card's PIN."])
    );
    keeps_both("PIN missing");

    // With the PIN the answer is definite: the first server is gone.
    std::fs::write(bench.device.file("pin"), "1234\n").unwrap();
    policy("pin_file = \"pin\"");
    let told = check();
    assert_eq!(told["removed"], serde_json::json!([SRV]));
    assert_eq!(told["accounts"][0]["fate"], "on the card");

    // Another card brings its own, and takes those of the former away.
    policy("");
    Card::new(OTHER, &[of_server(&document, "c.example.com")]).insert(&bench.reader());
    let told = check();
    assert_eq!(told["removed"], serde_json::json!(["b.example.com"]));
    assert_eq!(told["applied"], serde_json::json!(["c.example.com"]));
    // A deactivated file is no bootstrap.
    let last = [of_server(&document, "c.example.com")];
    Card::new(OTHER, &last)
        .deactivated()
        .insert(&bench.reader());
    assert_eq!(check()["removed"], serde_json::json!(["c.example.com"]));

    // And the empty reader.
    on_card(&two).insert(&bench.reader());
    assert_eq!(check()["applied"].as_array().unwrap().len(), 2);
    std::fs::remove_file(bench.reader()).unwrap();
    let told = check();
    assert_eq!(told["readers"][0]["found"], "no card");
    assert_eq!(told["removed"].as_array().unwrap().len(), 2);
}

#[test]
fn two_cards_are_united_and_the_first_reader_wins() {
    let bench = Bench::new();
    let document = bench.document();
    let second = bench.folder.path().join("second.json");
    Card::new(CARD, &[of_server(&document, "a.example.com")]).insert(&bench.reader());
    let on_second = [
        of_server(&document, "a.example.com"),
        of_server(&document, "b.example.com"),
    ];
    Card::new(OTHER, &on_second).insert(&second);
    let both = || {
        bench
            .client("switch-on")
            .arg("--card")
            .arg(&second)
            .run()
            .stdout
    };
    let told = both();
    assert!(
        told.contains("overruled: an entry before it has a.example.com"),
        "{told}"
    );
    assert!(told.contains("applied for b.example.com"), "{told}");
    // The first reader falls into doubt: what it brought stays; the second is judged.
    std::fs::write(bench.reader(), "{").unwrap();
    Card::new::<&[u8]>(OTHER, &[]).insert(&second);
    let told = both();
    assert!(told.contains("a.example.com: kept, unverified"), "{told}");
    assert!(told.contains("b.example.com: removed"), "{told}");
}

/// Waits until something is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_card_put_into_a_running_device_completes_its_record_and_a_pulled_one_counts_at_the_next_start()
{
    let bench = Bench::new();
    let document = bench.document();
    let running = bench.client("run").start().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    Card::new(CARD, &[&document]).insert(&bench.reader());
    until("the completion", || bench.record().state == "completed");
    std::fs::remove_file(bench.reader()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    running.signal(Signal::Term).unwrap();
    let _ended = running.wait(PATIENCE).unwrap();
    assert!(
        bench.tree().contains(SRV),
        "pulled while it ran: nothing changed"
    );
    let gone = bench.switch_on();
    assert!(
        gone.stdout.contains("dm-full.example.com: removed"),
        "{gone:?}"
    );
    assert!(!bench.tree().contains(SRV));
}

#[test]
fn a_reader_that_this_build_does_not_have_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::init(Path::new(&folder.path().join("device")), DEVICE);
    let dev_id = DevId::parse(DEVICE).unwrap();
    assert_eq!(dev_id.as_str(), device.dev_id);
    let text = "[bootstrap.smartcard]\nreaders = [\"ACR38 00 00\"]\n";
    std::fs::write(device.file("policy.toml"), text).unwrap();
    let refused = device.client("switch-on").run().refused();
    assert!(refused.stderr.contains("ACR38 00 00"), "{refused:?}");
}
