//! Cards in readers of a real PC/SC service: a private `pcscd` for each test, our test card behind its virtual driver (`smartcard.md` §10).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod smartcard_bench;

use std::time::{Duration, Instant};

use omadm_card::test_card::{CardDescription, CardProfile, TestCard};
use omadm_card::{CardFileSet, CardTrouble};
use omadm_lab::pcsc::{CardFault, InsertedCard, PrivatePcsc, SOCKET_VARIABLE};
use omadm_tests::process::{Card, Omadm, PATIENCE, Signal, omadm};
use serde_json::Value;
use smartcard_bench::{Bench, CARD, OTHER, SRV, of_server, until};

const ICCID: &str = "8949017201234567890";
const DOCUMENT: &[u8] = br#"[{"a":1}]"#;

fn card(profile: CardProfile, documents: &[&[u8]]) -> TestCard {
    TestCard::new(description(profile, documents)).unwrap()
}

fn description(profile: CardProfile, documents: &[&[u8]]) -> CardDescription {
    let set = CardFileSet::new(documents, &[1, 2, 3]).unwrap();
    set.description(profile, Some(ICCID))
}

/// `omadm card read` on a reader of a service.
fn reading(service: &PrivatePcsc, slot: u16) -> Omadm {
    omadm(["card", "read", "--json", "--reader", &service.reader(slot)])
        .env(SOCKET_VARIABLE, service.socket())
}

/// What it says of its one reader.
fn read(service: &PrivatePcsc, slot: u16) -> Value {
    let ended = reading(service, slot).run();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}

fn code(trouble: CardTrouble) -> &'static str {
    trouble.code()
}

#[test]
fn every_kind_of_card_is_read_over_a_real_service() {
    let service = PrivatePcsc::start().unwrap();
    for (profile, class) in [
        (CardProfile::Uicc, "00"),
        (CardProfile::Sim2g, "A0"),
        (CardProfile::Iso, "00"),
    ] {
        let long = vec![b'['; 32_767];
        let card = service
            .insert(0, card(profile, &[DOCUMENT, &long]))
            .unwrap();
        let read = read(&service, 0);
        assert_eq!(read["outcome"], "read", "{profile:?}: {read}");
        assert_eq!(read["card"], format!("iccid:{ICCID}"));
        assert_eq!(read["route"]["class"], class);
        assert_eq!(read["route"]["applications"], serde_json::json!(["OMA-DM"]));
        assert_eq!(read["route"]["dodf"], serde_json::json!(["3F00/7F50/6430"]));
        let octets = |entry: usize| read["detail"][entry]["document"]["octets"].clone();
        assert_eq!((octets(0), octets(1)), (9.into(), 32_767.into()));
        drop(card);
    }
}

#[test]
fn both_readers_are_read_in_their_order_and_an_empty_one_says_so() {
    let service = PrivatePcsc::start().unwrap();
    let _second = service
        .insert(1, card(CardProfile::Uicc, &[DOCUMENT]))
        .unwrap();
    let both = omadm(["card", "read", "--json"]).env(SOCKET_VARIABLE, service.socket());
    let both = both.run().good();
    let outcomes: Vec<Value> = both
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["no-card", "read"], "{both:?}");
    let named = omadm(["card", "read"]).env(SOCKET_VARIABLE, service.socket());
    let text = named
        .args(["--reader", "Test PCD 00 01"])
        .run()
        .good()
        .stdout;
    let way = "class 00; EF(DIR) OMA-DM; EF(ODF) 3F00/7F50/5031; DODF 3F00/7F50/6430";
    assert!(text.contains(way), "{text}");
}

#[test]
fn a_card_pulled_in_mid_read_is_undetermined_at_every_command() {
    let service = PrivatePcsc::start().unwrap();
    let whole = service
        .insert(0, card(CardProfile::Uicc, &[DOCUMENT]))
        .unwrap();
    assert_eq!(read(&service, 0)["outcome"], "read");
    let commands = whole.log().len();
    drop(whole);
    for at in (0..commands).step_by(5) {
        let card = service
            .insert(0, card(CardProfile::Uicc, &[DOCUMENT]))
            .unwrap();
        card.fail_at(at, CardFault::Pulled);
        let read = read(&service, 0);
        assert!(card.has_failed(), "at {at}: {read}");
        assert_eq!(read["outcome"], "undetermined", "at {at}: {read}");
        assert_eq!(
            read["detail"]["code"],
            code(CardTrouble::CardPulled),
            "at {at}"
        );
    }
}

#[test]
fn a_pin_that_was_verified_for_us_is_forgotten_as_we_let_go_of_the_card() {
    let service = PrivatePcsc::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pin = folder.path().join("pin");
    std::fs::write(&pin, "1234\n").unwrap();
    let guarded = Card::new(CARD, &[DOCUMENT]).with_pin("1234").card();
    let _card = service.insert(0, guarded).unwrap();
    let unlocked = reading(&service, 0)
        .arg("--pin-file")
        .arg(&pin)
        .run()
        .good();
    assert!(unlocked.stdout.contains(r#""octets":9"#), "{unlocked:?}");
    let after = read(&service, 0);
    assert_eq!(
        after["detail"][0]["trouble"]["code"],
        code(CardTrouble::PinMissing),
        "{after}"
    );
}

#[test]
fn a_card_that_never_answers_is_given_up_in_time() {
    let service = PrivatePcsc::start().unwrap();
    let silent = service
        .insert(0, card(CardProfile::Uicc, &[DOCUMENT]))
        .unwrap();
    silent.fail_at(3, CardFault::Silent);
    let begun = Instant::now();
    let ended = reading(&service, 0)
        .args(["--timeout", "2"])
        .run()
        .refused();
    let read: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(read["detail"]["code"], code(CardTrouble::CardSilent));
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn without_a_service_or_with_a_hung_one_the_reading_says_what_to_do() {
    let mut service = PrivatePcsc::start().unwrap();
    let _card = service
        .insert(0, card(CardProfile::Uicc, &[DOCUMENT]))
        .unwrap();
    service.freeze();
    let ended = reading(&service, 0)
        .args(["--timeout", "1"])
        .run()
        .refused();
    let read_: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        read_["detail"]["code"],
        code(CardTrouble::NoService),
        "hung"
    );
    service.thaw();
    service.kill();
    let ended = reading(&service, 0).run().refused();
    assert!(ended.stderr.contains("Start pcscd"), "{ended:?}");
    let all = omadm(["card", "read"]).env(SOCKET_VARIABLE, service.socket());
    let ended = all.run().refused();
    assert!(ended.stderr.contains("no card was read"), "{ended:?}");
    assert_eq!(
        read(&service, 0)["detail"]["code"],
        code(CardTrouble::NoService)
    );
    service.restart().unwrap();
    until("the reading after the restart", || {
        read(&service, 0)["outcome"] == "read"
    });
    let ended = omadm(["card", "read", "--json", "--reader", "No such"])
        .env(SOCKET_VARIABLE, service.socket())
        .run()
        .refused();
    assert!(
        ended.stdout.contains(code(CardTrouble::ReaderUnknown)),
        "{ended:?}"
    );
}

/// Reads a card that answers this status word at a command, the last of those that are chosen; what came of its one entry.
fn at_fault(service: &PrivatePcsc, card: &InsertedCard, at: usize, status: u16) -> Value {
    card.fail_at(at, CardFault::Status(status));
    let read = read(service, 0);
    assert!(card.has_failed(), "{status:04X}: {read}");
    assert_eq!(read["outcome"], "read", "{status:04X}: {read}");
    let entry = &read["detail"][0];
    match entry["trouble"]["code"].as_str() {
        Some(code) => code.into(),
        None => entry["document"]["octets"].clone(),
    }
}

/// The place of the last command that is so, in a reading of this card.
fn place(service: &PrivatePcsc, card: &InsertedCard, so: impl Fn(&[u8]) -> bool) -> usize {
    assert_eq!(read(service, 0)["outcome"], "read");
    card.log().iter().rposition(|command| so(command)).unwrap()
}

#[test]
fn status_words_of_a_uicc_come_through_the_real_stack() {
    let service = PrivatePcsc::start().unwrap();
    let inserted = || {
        service
            .insert(0, card(CardProfile::Uicc, &[DOCUMENT]))
            .unwrap()
    };
    let whole = Value::from(9);
    let card = inserted();
    // READ BINARY of the document.
    let at = place(&service, &card, |command| command[1] == 0xB0);
    for (status, expected) in [
        (0x6A82, Value::Null),
        (0x6283, Value::Null),
        (0x6A83, Value::Null),
        (0x6B00, Value::Null),
        (0x6282, Value::Null),
        (0x6982, "pin-missing".into()),
        (0x6985, "pin-missing".into()),
        (0x6983, "pin-blocked".into()),
        (0x6984, "pin-blocked".into()),
        (0x6981, "unknown-status".into()),
        (0x6D00, "unknown-status".into()),
        (0x6F42, "unknown-status".into()),
        // Tried again.
        (0x6F00, whole.clone()),
        (0x9300, whole.clone()),
        (0x6581, whole.clone()),
        (0x9240, whole.clone()),
        // Selected again.
        (0x6986, whole.clone()),
        (0x9400, whole.clone()),
    ] {
        assert_eq!(
            at_fault(&service, &card, at, status),
            expected,
            "{status:04X}"
        );
    }
    // No channel: the basic one. No application by its AID: by its path.
    drop(card);
    let card = inserted();
    let channel = place(&service, &card, |command| {
        command[1] == 0x70 && command[2] == 0
    });
    drop(card);
    let card = inserted();
    let by_aid = place(&service, &card, |command| {
        command[1] == 0xA4 && command[2] == 4
    });
    for (at, statuses) in [
        (channel, [0x6881, 0x6A81, 0x6D00, 0x6E00]),
        (by_aid, [0x6A82, 0x6999, 0x6283, 0x6F42]),
    ] {
        for status in statuses {
            assert_eq!(at_fault(&service, &card, at, status), whole, "{status:04X}");
        }
    }
}

#[test]
fn status_words_of_a_sim_come_through_the_real_stack() {
    let service = PrivatePcsc::start().unwrap();
    let card = service
        .insert(0, card(CardProfile::Sim2g, &[DOCUMENT]))
        .unwrap();
    let at = place(&service, &card, |command| command[1] == 0xB0);
    for (status, expected) in [
        (0x9404, Value::Null),
        (0x9402, Value::Null),
        (0x9810, Value::Null),
        (0x9802, "pin-missing".into()),
        (0x9804, "pin-missing".into()),
        (0x9808, "pin-missing".into()),
        (0x9840, "pin-blocked".into()),
        (0x9408, "unknown-status".into()),
        (0x9240, 9.into()),
        (0x9400, 9.into()),
    ] {
        assert_eq!(
            at_fault(&service, &card, at, status),
            expected,
            "{status:04X}"
        );
    }
}

#[test]
fn watch_tells_insertions_removals_and_readers_that_come_and_go() {
    let mut service = PrivatePcsc::start().unwrap();
    let mut watch = omadm(["card", "watch"])
        .env(SOCKET_VARIABLE, service.socket())
        .start()
        .unwrap();
    watch
        .until("Test PCD 00 01  an empty reader", PATIENCE)
        .unwrap();
    let first = service
        .insert(0, card(CardProfile::Uicc, &[DOCUMENT]))
        .unwrap();
    watch.until("SHA-256", PATIENCE).unwrap();
    drop(first);
    watch
        .until("Test PCD 00 00  the card was taken out", PATIENCE)
        .unwrap();
    let second = service
        .insert(1, card(CardProfile::Iso, &[b"[]", DOCUMENT]))
        .unwrap();
    watch
        .until("Test PCD 00 01  a card was put in", PATIENCE)
        .unwrap();
    watch.until("3F00/7F50/6433", PATIENCE).unwrap();
    service.kill();
    watch
        .until("Test PCD 00 01  the reader is gone", PATIENCE)
        .unwrap();
    drop(second);
    service.restart().unwrap();
    watch
        .until("gone\nTest PCD 00 00  an empty reader", PATIENCE)
        .unwrap();
    let _third = service
        .insert(1, card(CardProfile::Iso, &[b"[]", DOCUMENT, b"{}"]))
        .unwrap();
    watch.until("3F00/7F50/6434", PATIENCE).unwrap();
    watch.signal(Signal::Term).unwrap();
    let _ended = watch.wait(PATIENCE).unwrap();
}

/// A device whose readers are those of a service.
fn bench(service: &PrivatePcsc) -> Bench {
    let bench = Bench::new();
    let text =
        "[network]\nallow_loopback = true\n[bootstrap.smartcard]\nreaders = [\"Test PCD*\"]\n";
    std::fs::write(bench.device.file("policy.toml"), text).unwrap();
    assert!(service.socket().exists());
    bench
}

fn client(bench: &Bench, service: &PrivatePcsc, command: &str) -> Omadm {
    let client = bench
        .device
        .client(command)
        .arg("--ca")
        .arg(bench.server.ca());
    client.env(SOCKET_VARIABLE, service.socket())
}

#[test]
fn a_running_device_follows_insertion_swap_loss_of_the_service_and_a_card_after_it() {
    let mut service = PrivatePcsc::start().unwrap();
    let bench = bench(&service);
    let document = bench.document();
    let running = client(&bench, &service, "run");
    let running = running.args(["--log-filter", "info"]).start().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let card = service
        .insert(0, Card::new(CARD, &[&document]).card())
        .unwrap();
    until("the completion", || bench.record().state == "completed");
    // Another card in its place, before anybody looks.
    drop(card);
    let two = [document.clone(), of_server(&document, "b.example.com")];
    let card = service.insert(0, Card::new(OTHER, &two).card()).unwrap();
    let applied = "applied for b.example.com";
    until("the other card", || running.stderr().contains(applied));
    // The service is lost, comes back without readers, then with them, and another card in the other one.
    service.kill();
    drop(card);
    std::thread::sleep(Duration::from_millis(300));
    service.unplug().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    service.restart().unwrap();
    let three = [&two[..], &[of_server(&document, "c.example.com")]].concat();
    let _card = service.insert(1, Card::new(CARD, &three).card()).unwrap();
    let applied = "applied for c.example.com";
    until("the card after the loss", || {
        running.stderr().contains(applied)
    });
    running.signal(Signal::Term).unwrap();
    let ended = running.wait(PATIENCE).unwrap();
    let tree = bench.tree();
    for server in [SRV, "b.example.com", "c.example.com"] {
        assert!(tree.contains(server), "{server}: {tree} {ended:?}");
    }
}

#[test]
fn a_running_device_gets_over_a_card_that_never_answers() {
    let service = PrivatePcsc::start().unwrap();
    let bench = bench(&service);
    let document = bench.document();
    let running = client(&bench, &service, "run");
    let running = running.args(["--log-filter", "info"]).start().unwrap();
    let looked = "Test PCD 00 01: no card";
    until("the first look", || running.stderr().contains(looked));
    let silent = TestCard::new(description(CardProfile::Uicc, &[&document])).unwrap();
    let silent = service
        .insert_with(0, silent, Some((4, CardFault::Silent)))
        .unwrap();
    let given_up = "did not answer in time";
    until("the end of patience", || {
        running.stderr().contains(given_up)
    });
    drop(silent);
    let _card = service
        .insert(0, Card::new(CARD, &[&document]).card())
        .unwrap();
    until("the completion", || bench.record().state == "completed");
    running.signal(Signal::Term).unwrap();
    let _ended = running.wait(PATIENCE).unwrap();
}

#[test]
fn a_device_whose_policy_turns_cards_off_touches_none() {
    let service = PrivatePcsc::start().unwrap();
    let bench = bench(&service);
    let policy = bench.device.file("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{text}enabled = false\n")).unwrap();
    let document = bench.document();
    let card = service
        .insert(0, Card::new(CARD, &[&document]).card())
        .unwrap();
    let off = client(&bench, &service, "switch-on").run();
    assert!(off.stdout.contains("smartcard bootstrap is off"), "{off:?}");
    assert_eq!(card.log(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_device_keeps_its_accounts_in_doubt_and_removes_them_when_the_reader_is_empty() {
    let mut service = PrivatePcsc::start().unwrap();
    let bench = bench(&service);
    let document = bench.document();
    let check = || {
        let ended = client(&bench, &service, "switch-on").arg("--json").run();
        let line = ended.stdout.lines().next().unwrap_or_default();
        serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{ended:?}"))["cards"].clone()
    };
    let card = service
        .insert(0, Card::new(CARD, &[&document]).card())
        .unwrap();
    assert_eq!(check()["applied"], serde_json::json!([SRV]));
    card.fail_at(20, CardFault::Pulled);
    let told = check();
    assert_eq!(told["in_doubt"], true, "{told}");
    assert!(bench.tree().contains(SRV), "pulled in mid-read");
    drop(card);
    service.kill();
    let told = client(&bench, &service, "switch-on").arg("--json").run();
    assert!(told.stdout.contains("No PC/SC service"), "{told:?}");
    assert!(bench.tree().contains(SRV), "no service");
    service.unplug().unwrap();
    let told = client(&bench, &service, "switch-on").arg("--json").run();
    assert!(told.stdout.contains("no card reader"), "{told:?}");
    assert!(bench.tree().contains(SRV), "no reader");
    service.restart().unwrap();
    let told = client(&bench, &service, "switch-on").arg("--json").run();
    assert!(told.stdout.contains("no card"), "{told:?}");
    assert!(
        !bench.tree().contains(SRV),
        "empty for five seconds: {told:?}"
    );
}
