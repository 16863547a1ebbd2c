//! A card that another program uses too, over a real PC/SC service (`smartcard.md` §7): held, reset, powered down; and one that does not answer a reset.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod smartcard_bench;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use omadm_card::test_card::{HexText, TestCard};
use omadm_lab::pcsc::{PrivatePcsc, SOCKET_VARIABLE};
use omadm_tests::process::{Card, Ended, Omadm, PATIENCE, Signal, omadm};
use serde_json::Value;
use smartcard_bench::{Bench, CARD, OTHER, SRV, of_server, until};

const DOCUMENT: &[u8] = br#"[{"a":1}]"#;

/// Another program that holds the card of a reader. Dropping it ends it.
struct Holder(Child);

impl Holder {
    fn begin(service: &PrivatePcsc, how: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hold_card"))
            .args([how, &service.reader(0)])
            .env(SOCKET_VARIABLE, service.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = BufReader::new(child.stdout.take().unwrap()).read_line(&mut line);
        let holder = Self(child);
        assert!(said.is_ok() && line == "held\n", "{line}");
        holder
    }

    /// Lets go of the card, and leaves it so.
    fn end(mut self, how: &str) {
        let mut told = self.0.stdin.take().unwrap();
        writeln!(told, "{how}").unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Both fail where it ended.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn reading(service: &PrivatePcsc) -> Omadm {
    omadm(["card", "read", "--json", "--reader", &service.reader(0)])
        .env(SOCKET_VARIABLE, service.socket())
}

fn told(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

/// A device that looks at every reader there is: its policy names none.
fn client(bench: &Bench, service: &PrivatePcsc, command: &str) -> Omadm {
    let client = bench.device.client(command);
    client
        .arg("--ca")
        .arg(bench.server.ca())
        .env(SOCKET_VARIABLE, service.socket())
}

/// What a start of the device says of its cards.
fn switch_on(bench: &Bench, service: &PrivatePcsc) -> Value {
    let ended = client(bench, service, "switch-on").arg("--json").run();
    let line = ended.stdout.lines().next().unwrap_or_default();
    serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{ended:?}"))["cards"].clone()
}

#[test]
fn a_card_that_another_program_has_for_itself_is_asked_for_again_and_then_told_with_what_to_do() {
    let service = PrivatePcsc::start().unwrap();
    let _card = service
        .insert(0, Card::new(CARD, &[DOCUMENT]).card())
        .unwrap();
    let other = Holder::begin(&service, "alone");
    let ended = reading(&service).run().refused();
    let found = told(&ended);
    assert_eq!(found["outcome"], "undetermined", "{found}");
    assert_eq!(found["detail"]["code"], "reader-busy", "{found}");
    assert!(ended.stderr.contains("End the other program"), "{ended:?}");
    // Let go of while it is asked for.
    let running = reading(&service).start().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    other.end("leave");
    let found = told(&running.wait(PATIENCE).unwrap());
    assert_eq!(found["outcome"], "read", "{found}");
}

#[test]
fn a_card_that_another_program_resets_or_powers_down_under_us_is_read_all_the_same() {
    let service = PrivatePcsc::start().unwrap();
    let _card = service
        .insert(0, Card::new(CARD, &[DOCUMENT]).card())
        .unwrap();
    for how in ["leave", "reset", "unpower"] {
        let other = Holder::begin(&service, "meanwhile");
        let running = reading(&service).start().unwrap();
        // It waits for its turn by now.
        std::thread::sleep(Duration::from_millis(500));
        other.end(how);
        let found = told(&running.wait(PATIENCE).unwrap());
        assert_eq!(found["outcome"], "read", "{how}: {found}");
        assert_eq!(
            found["detail"][0]["document"]["octets"], 9,
            "{how}: {found}"
        );
    }
    let _other = Holder::begin(&service, "meanwhile");
    let given_up = reading(&service).args(["--timeout", "1"]).run().refused();
    assert_eq!(told(&given_up)["detail"]["code"], "reader-busy");
}

#[test]
fn a_card_whose_answer_to_reset_is_none_is_doubt() {
    let service = PrivatePcsc::start().unwrap();
    let mut codes = Vec::new();
    for atr in [&[0x00, 0x00][..], &[0x3B, 0x80, 0x0E, 0x8E], &[0x3B, 0x80]] {
        let mut mute = Card::new(CARD, &[DOCUMENT]).card().description();
        mute.atr = Some(HexText(atr.to_vec()));
        let _card = service.insert(0, TestCard::new(mute).unwrap()).unwrap();
        let found = told(&reading(&service).run());
        codes.push(found["detail"]["code"].as_str().map(str::to_owned));
    }
    assert_eq!(
        codes,
        ["card-mute", "card-mute", "card-mute"].map(|code| Some(code.to_owned()))
    );
}

#[test]
fn a_device_whose_policy_names_no_reader_looks_at_every_one_and_a_busy_one_harms_no_account() {
    let mut service = PrivatePcsc::start().unwrap();
    let bench = Bench::new();
    let document = bench.document();
    let card = service
        .insert(0, Card::new(CARD, &[&document]).card())
        .unwrap();
    let found = switch_on(&bench, &service);
    assert_eq!(found["applied"], serde_json::json!([SRV]), "{found}");
    assert_eq!(found["readers"].as_array().unwrap().len(), 2, "{found}");

    let other = Holder::begin(&service, "alone");
    let found = switch_on(&bench, &service);
    assert_eq!(found["in_doubt"], true, "{found}");
    let text = client(&bench, &service, "switch-on").run().stdout;
    assert!(text.contains("End the other program"), "{text}");
    assert!(text.contains(&format!("{SRV}: kept, unverified")), "{text}");
    other.end("leave");
    let text = client(&bench, &service, "switch-on").run().good().stdout;
    assert!(text.contains(&format!("unchanged for {SRV}")), "{text}");

    // No service: no trouble, and nothing goes.
    service.kill();
    drop(card);
    let ended = client(&bench, &service, "switch-on").run().good();
    assert!(ended.stdout.contains("no PC/SC service"), "{ended:?}");
    assert!(!ended.stderr.contains("WARN"), "{ended:?}");
    assert!(bench.tree().contains(SRV));
    // It comes while the device runs.
    let mut running = client(&bench, &service, "run")
        .args(["--log-filter", "info"])
        .start()
        .unwrap();
    running.until("the DM Client runs", PATIENCE).unwrap();
    service.restart().unwrap();
    let two = [document.clone(), of_server(&document, "b.example.com")];
    let _card = service.insert(1, Card::new(OTHER, &two).card()).unwrap();
    until("the card in the other reader", || {
        running.stderr().contains("applied for b.example.com")
    });
    running.signal(Signal::Term).unwrap();
    let _ended = running.wait(PATIENCE).unwrap();

    // With an empty list no reader is touched.
    let policy = bench.device.file("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let none = "[bootstrap.smartcard]\nreaders = []\n";
    std::fs::write(&policy, format!("{text}{none}")).unwrap();
    let text = client(&bench, &service, "switch-on").run().stdout;
    assert!(text.contains("cards: none looked at: no reader"), "{text}");
}
