//! Smartcard bootstrap over real processes, from the server's record to the card's removal: the card lies in a file, all that reads it is real.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod smartcard_bench;

use std::time::Duration;

use omadm_server::operator::types::NewBootstrap;
use omadm_tests::process::{Card, PATIENCE, Signal};
use serde_json::Value;
use smartcard_bench::{Bench, CARD, DEVICE, OTHER, SRV, of_server, until};

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
