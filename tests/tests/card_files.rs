//! `omadm bootstrap build --carrier smartcard`: the files of a card, read back, served by a card, and applied by a device that is switched on with them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use omadm_card::test_card::{CardDescription, TestCard};
use omadm_tests::process::{Device, Ended, Omadm, Server, omadm, profiles};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";
const RAW: [(&str, &str); 5] = [
    ("2F00-dir.bin", "2F00"),
    ("5031-odf.bin", "7F505031"),
    ("5032-tokeninfo.bin", "7F505032"),
    ("6430-dodf-bootstrap.bin", "7F506430"),
    ("6432-dm-bootstrap.bin", "7F506432"),
];

fn build(profile: &Path, out: &Path) -> Omadm {
    omadm(["bootstrap", "build", "--server", "dm.example.com:8443"])
        .args(["--carrier", "smartcard", "--out"])
        .arg(out)
        .arg(profile)
}

fn built(out: &Path, arguments: &[&str]) {
    let command = build(&profiles("minimal.toml"), out).args(["--dev-id", DEVICE]);
    let _told = command.args(arguments).run().good();
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    let file = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

fn inspect(path: &Path) -> Value {
    let told = omadm(["bootstrap", "inspect", "--json"]).arg(path);
    serde_json::from_str(&told.run().good().stdout).unwrap()
}

fn json(done: Ended) -> Value {
    serde_json::from_str(done.good().stdout.lines().next().unwrap()).unwrap()
}

/// What the described card gives of a file below the MF, as a terminal reads it.
fn served(card: &mut TestCard, below: &str, length: usize) -> Vec<u8> {
    let mut sent = |command: String| {
        let octets: Vec<u8> = (0..command.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&command[at..at + 2], 16).unwrap())
            .collect();
        let answer = card.execute(&octets);
        let (data, status) = answer.split_at(answer.len() - 2);
        assert_eq!(status, [0x90, 0x00], "{command}");
        data.to_vec()
    };
    sent(format!("00A4080C{:02X}{below}", below.len() / 2));
    if below == "2F00" {
        return sent("00B2010430".to_owned());
    }
    let mut octets = Vec::new();
    while octets.len() < length {
        let chunk = (length - octets.len()).min(255);
        octets.extend(sent(format!("00B0{:04X}{chunk:02X}", octets.len())));
    }
    octets
}

#[test]
fn the_files_of_a_card_are_the_same_each_time_and_are_what_the_card_serves() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, push] = ["one", "two", "push"].map(|name| folder.path().join(name));
    built(&one, &[]);
    built(&two, &[]);
    let made = files(&one);
    assert!(made == files(&two), "reproducible");
    let names: Vec<_> = made.keys().map(String::as_str).collect();
    let mut wanted: Vec<_> = RAW.iter().map(|(name, _)| *name).collect();
    wanted.extend(["card.apdu", "card.json", "carrier.json"]);
    assert_eq!(names, wanted);

    let described = CardDescription::read(str::from_utf8(&made["card.json"]).unwrap()).unwrap();
    let mut card = TestCard::new(described).unwrap();
    for (name, below) in RAW {
        let raw = &made[name];
        let mut given = served(&mut card, below, raw.len());
        if below == "2F00" {
            assert!(
                given
                    .split_off(raw.len())
                    .iter()
                    .all(|filler| *filler == 0xFF)
            );
        }
        assert!(given == *raw, "{name}");
    }

    // The folder, the description and the script are read back, and hold what a push of the same profile does.
    let command = omadm(["bootstrap", "build", "--server", "dm.example.com:8443"]);
    let command = command.args(["--carrier", "push", "--dev-id", DEVICE, "--out"]);
    let _told = command
        .arg(&push)
        .arg(profiles("minimal.toml"))
        .run()
        .good();
    let found = inspect(&one);
    assert_eq!(found["description"]["carrier"], "smartcard");
    assert_eq!(found["document"]["servers"][0], "dm.example.com");
    for part in [one.clone(), one.join("card.json"), one.join("card.apdu")] {
        let same = omadm(["bootstrap", "diff"]).arg(&part).arg(&push).run();
        assert_eq!(same.good().stdout.trim(), "the same octets", "{part:?}");
    }
    let card = inspect(&one.join("card.json"));
    assert_eq!(card["kind"], "card");
    assert_eq!(card["card"], found["description"]["card"]);
    assert_eq!(
        card["documents"][0]["payload_sha256"],
        found["description"]["payload_sha256"]
    );
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let preview = omadm(["bootstrap", "preview", "--json", "--dir"]);
    let change = json(preview.arg(device.file("")).arg(&one).run());
    assert_eq!(change["uri"], "urn:oma:mo:oma-dm-dmacc:1.2/1/");

    // Each of the kinds of card is one that a device reads.
    for kind in ["uicc", "sim", "iso"] {
        let out = folder.path().join(kind);
        built(
            &out,
            &[
                "--card-kind",
                kind,
                "--iccid",
                "8949017201234567890",
                "--opensc",
            ],
        );
        let read = omadm(["card", "read", "--json", "--virtual"]);
        let read = json(read.arg(out.join("card.json")).run());
        assert_eq!(read["card"], "iccid:8949017201234567890", "{kind}");
        let told = read.to_string();
        let hash = found["description"]["payload_sha256"].as_str().unwrap();
        assert!(told.contains(hash), "{kind}: {told}");
    }

    std::fs::write(one.join("5031-odf.bin"), "").unwrap();
    let refused = omadm(["bootstrap", "inspect"]).arg(&one).run().refused();
    assert!(refused.stderr.contains("5031-odf.bin"), "{refused:?}");
}

#[test]
fn a_card_built_by_the_server_completes_its_record_on_the_device_that_is_switched_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let network = "[network]\nallow_loopback = true\n";
    std::fs::write(device.file("policy.toml"), network).unwrap();
    let out = folder.path().join("card");
    let command = omadm(["bootstrap", "build", "--from-server", "--register"])
        .args(["--server-profile", "full", "--carrier", "smartcard"])
        .args(["--dev-id", DEVICE, "--out"])
        .arg(&out);
    let told = server.reached(command, &token).run().good();
    let card = inspect(&out)["description"]["card"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(told.stdout.contains(&card), "{told:?}");
    let shown = || {
        server
            .operator(&token, &["show", DEVICE])
            .run()
            .good()
            .stdout
    };
    assert!(shown().contains("smartcard  full  drafted"), "{}", shown());
    let client = device.client("switch-on").arg("--ca").arg(server.ca());
    let done = client.arg("--card").arg(out.join("card.json")).run().good();
    assert!(
        done.stdout
            .contains("3F00/7F50/6432: applied for dm-full.example.com"),
        "{done:?}"
    );
    assert!(
        shown().contains("smartcard  full  completed"),
        "{}",
        shown()
    );
}

/// A profile whose document is longer than a card gives.
fn long_profile(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(profiles("minimal.toml")).unwrap();
    let long = format!("Example DM Server {}", "x".repeat(32_767));
    let file = folder.join("long.toml");
    std::fs::write(&file, text.replace("Example DM Server", &long)).unwrap();
    file
}

#[test]
fn what_no_card_holds_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("card");
    let refused = build(&long_profile(folder.path()), &out).args(["--dev-id", DEVICE]);
    let refused = refused.run().refused();
    assert!(refused.stderr.contains("32767"), "{refused:?}");
    assert!(refused.stderr.contains("out of the profile"), "{refused:?}");
    assert!(!out.exists(), "nothing half-made");
    let minimal = profiles("minimal.toml");
    for (arguments, told) in [
        (["--iccid", "89490172"], "18 to 20 digits"),
        (["--card-serial", "0"], "hexadecimal"),
        (["--card-serial", ""], "1 to 64 octets"),
    ] {
        let refused = build(&minimal, &out).args(["--dev-id", DEVICE]);
        let refused = refused.args(arguments).run().refused();
        assert!(refused.stderr.contains(told), "{refused:?}");
    }
    let wrong = omadm(["bootstrap", "build", "--server", "x", "--carrier", "push"])
        .args(["--opensc", "--dev-id", DEVICE, "--out"])
        .arg(&out)
        .arg(&minimal);
    let refused = wrong.run().refused();
    assert!(
        refused.stderr.contains("--carrier smartcard"),
        "{refused:?}"
    );
}

#[test]
fn a_batch_of_cards_takes_numbers_from_its_table_and_is_not_built_twice() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("devices.csv");
    let rows = "dev_id,iccid,card_serial\nIMEI:1,894901720123456789,\nIMEI:2,,0102\nIMEI:3,,\n";
    std::fs::write(&table, rows).unwrap();
    let out = folder.path().join("cards");
    let batch = || {
        let command = build(&profiles("minimal.toml"), &out).arg("--json");
        json(command.arg("--devices").arg(&table).run())
    };
    let done = batch();
    assert_eq!((&done["built"], &done["kept"]), (&3.into(), &0.into()));
    let before = files(&out);
    let identity = |device: &str| {
        let file = out.join(format!("IMEI%3A{device}.card.json"));
        inspect(&file)["card"].as_str().unwrap().to_owned()
    };
    assert_eq!(identity("1"), "iccid:894901720123456789");
    assert_eq!(identity("2"), "serial:0102");
    assert!(identity("3").starts_with("serial:"));
    std::fs::write(out.join("IMEI%3A2.card.apdu"), "").unwrap();
    let done = batch();
    assert_eq!((&done["built"], &done["kept"]), (&1.into(), &2.into()));
    assert!(files(&out) == before);
    std::fs::write(&table, rows.replace("0102", "0103")).unwrap();
    let done = batch();
    assert_eq!((&done["built"], &done["kept"]), (&1.into(), &2.into()));
    assert_eq!(identity("2"), "serial:0103");
    let found = inspect(&out);
    assert_eq!(found["kind"], "batch");
    assert_eq!(found["carrier"], "smartcard");
    std::fs::write(&table, "dev_id,iccid\nIMEI:1,12\n").unwrap();
    let refused = build(&profiles("minimal.toml"), &out).arg("--devices");
    let refused = refused.arg(&table).run().refused();
    assert!(refused.stderr.contains("line 2: iccid"), "{refused:?}");
}
