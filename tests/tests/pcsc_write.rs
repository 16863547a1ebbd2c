//! Cards are written and erased in a reader of a real PC/SC service, and OpenSC, which nobody here wrote, reads what lies on them (`smartcard.md` §10.3).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use omadm_card::test_card::{
    CardAccess, CardDescription, CardFile, CardProfile, SecretCode, TestCard,
};
use omadm_card::{CardFileSet, CardOid, CardPath};
use omadm_lab::pcsc::{CardFault, InsertedCard, PrivatePcsc, SOCKET_VARIABLE};
use omadm_tests::process::{Omadm, omadm, profiles};
use serde_json::Value;

const ICCID: &str = "8949017201234567890";
const KEY: &str = "0102030405060708";
const ONE: &[u8] = br#"[{"a":1}]"#;
const TWO: &[u8] = br#"[{"b":[2,2]}]"#;

/// The small valid document of `smartcard.md` §6.
const V14: &[u8] = br#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dm1","SrvURI":"https://dm1.example.com/dm/2.0","Name":"DM","Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"},"2":{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2"}}}}}]"#;

/// A service, and files for a command line.
struct Desk {
    service: PrivatePcsc,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            service: PrivatePcsc::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        desk.put("adm", KEY.as_bytes());
        desk.put("one.json", ONE);
        desk.put("two.json", TWO);
        desk
    }

    fn put(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.folder.path().join(name), octets).unwrap();
    }

    fn insert(&self, card: CardDescription) -> InsertedCard {
        self.service
            .insert(0, TestCard::new(card).unwrap())
            .unwrap()
    }

    /// `omadm card COMMAND` at the first reader, in the folder's files.
    fn card(&self, command: &str, sources: &[&str]) -> Omadm {
        let mut card = omadm(["card", command]).env(SOCKET_VARIABLE, self.service.socket());
        for source in sources {
            card = card.arg(self.folder.path().join(source));
        }
        card.args(["--json", "--reader", &self.service.reader(0)])
    }

    fn keyed(&self, command: &str, sources: &[&str]) -> Omadm {
        let key = self.folder.path().join("adm");
        self.card(command, sources).arg("--adm-file").arg(key)
    }

    /// Outcome, and octets of each document.
    fn read(&self) -> (String, Vec<u64>) {
        let ended = self.card("read", &[]).run();
        let read: Value = serde_json::from_str(&ended.stdout).unwrap();
        let entries = read["detail"].as_array().cloned().unwrap_or_default();
        let octets = entries
            .iter()
            .map(|entry| entry["document"]["octets"].as_u64());
        let octets = octets.map(Option::unwrap_or_default).collect();
        (read["outcome"].as_str().unwrap().to_owned(), octets)
    }

    /// What a tool of OpenSC says, of a card that it takes for a plain one.
    fn opensc(&self, arguments: &[&str]) -> Vec<u8> {
        let conf = "app default {\n enable_default_driver = true;\n force_card_driver = default;\n card_drivers = default;\n framework pkcs15 {\n use_file_caching = false;\n enable_builtin_emulation = no;\n }\n}\n";
        self.put("opensc.conf", conf.as_bytes());
        let tool = Command::new("pkcs15-tool")
            .args(["-r", "0"])
            .args(arguments)
            .env("OPENSC_CONF", self.folder.path().join("opensc.conf"))
            .env(SOCKET_VARIABLE, self.service.socket())
            .output()
            .unwrap();
        assert!(tool.status.success(), "{tool:?}");
        tool.stdout
    }
}

fn set(documents: &[&[u8]]) -> CardFileSet {
    CardFileSet::new(documents, &[1, 2, 3])
        .unwrap()
        .for_opensc()
}

/// A card as its issuer makes it: the files are there, with room, and empty.
fn blank(profile: CardProfile) -> CardDescription {
    let mut card = set(&[ONE, TWO]).description(profile, Some(ICCID));
    card.adm = Some(SecretCode {
        value: KEY.to_owned(),
        tries: 3,
        reference: None,
    });
    for file in &mut card.files {
        let path: &CardPath = &file.path;
        let below = path.files().last().copied().unwrap();
        if below == 0x2FE2 {
            continue;
        }
        *file = if below == 0x2F00 && profile == CardProfile::Uicc {
            CardFile::of_records(path.clone(), 48, &[Vec::new(), Vec::new()])
        } else {
            CardFile::transparent(path.clone(), Vec::new()).sized(400)
        };
        file.update = CardAccess::Issuer;
    }
    card
}

#[test]
fn opensc_reads_what_card_write_put_on_a_card() {
    let desk = Desk::new();
    let card = desk.insert(blank(CardProfile::Iso));
    let done = desk
        .keyed("write", &["one.json"])
        .arg("--opensc")
        .run()
        .good();
    assert!(done.stdout.contains("3F00/7F50/6432"), "{done:?}");
    assert_eq!(desk.read(), ("read".to_owned(), vec![9]));
    let listed = String::from_utf8(desk.opensc(&["--list-data-objects"])).unwrap();
    assert!(
        listed.contains("OMA DM Bootstrap") && listed.contains("2.23.43.7.1"),
        "{listed}"
    );
    let read = desk.opensc(&["--read-data-object", "2.23.43.7.1", "--raw"]);
    let filling = read.strip_prefix(ONE).unwrap();
    assert!(filling.iter().all(|octet| *octet == 0xFF), "{filling:?}");
    drop(card);
}

#[test]
fn opensc_reads_a_card_file_set_as_a_device_does() {
    let desk = Desk::new();
    let set = set(&[V14]);
    let _card = desk.insert(set.description(CardProfile::Iso, Some(ICCID)));
    assert_eq!(desk.read(), ("read".to_owned(), vec![233]));
    let read = desk.opensc(&["--read-data-object", "2.23.43.7.1", "--raw"]);
    assert_eq!(read, V14);
}

#[test]
fn opensc_reads_the_card_of_a_dm_1x_bootstrap_under_the_oid_of_its_format() {
    let desk = Desk::new();
    for (format, oid) in [("cp", "2.23.43.5.1"), ("dm", "2.23.43.7.1")] {
        let folder = desk.folder.path().join(format);
        let command = omadm(["bootstrap", "build", "--server", "dm.example.com"])
            .args(["--profile-format", format, "--carrier", "smartcard"])
            .args(["--card-kind", "iso", "--opensc", "--dev-id", "IMEI:1", "-o"])
            .arg(&folder);
        let _built = command.arg(profiles("dm1x.toml")).run().good();
        let document = std::fs::read(folder.join("6432-dm-bootstrap.bin")).unwrap();
        let text = std::fs::read_to_string(folder.join("card.json")).unwrap();
        let card = desk.insert(CardDescription::read(&text).unwrap());
        let listed = String::from_utf8(desk.opensc(&["--list-data-objects"])).unwrap();
        assert!(listed.contains(oid), "{listed}");
        let read = desk.opensc(&["--read-data-object", oid, "--raw"]);
        assert!(read == document, "{format}");
        drop(card);

        // What lies in the folder is put on an empty card of the same files.
        let mut empty = blank(CardProfile::Iso);
        for file in &mut empty.files {
            if file.path.files().last() == Some(&0x6432) {
                *file = CardFile::transparent(file.path.clone(), Vec::new()).sized(4000);
                file.update = CardAccess::Issuer;
            }
        }
        let card = desk.insert(empty);
        let _done = desk.keyed("write", &[format]).arg("--opensc").run().good();
        let read = desk.opensc(&["--read-data-object", oid, "--raw"]);
        let filling = read.strip_prefix(&document[..]).unwrap();
        assert!(filling.iter().all(|octet| *octet == 0xFF), "{filling:?}");
        drop(card);
    }
}

#[test]
fn a_card_is_written_written_anew_left_alone_and_erased_over_a_real_service() {
    let desk = Desk::new();
    for profile in [CardProfile::Uicc, CardProfile::Iso] {
        let card = desk.insert(blank(profile));
        let refused = desk.card("write", &["one.json"]).run().refused();
        assert!(refused.stderr.contains("as before"), "{refused:?}");
        assert!(refused.stderr.contains("issuer's key"), "{refused:?}");
        let _done = desk.keyed("write", &["one.json", "two.json"]).run().good();
        assert_eq!(desk.read(), ("read".to_owned(), vec![9, 13]), "{profile:?}");
        let again = desk.card("write", &["one.json", "two.json"]).run().good();
        assert!(again.stdout.contains(r#""files":[]"#), "{again:?}");
        let _done = desk.keyed("write", &["two.json"]).run().good();
        assert_eq!(desk.read(), ("read".to_owned(), vec![13]), "{profile:?}");
        let verified = |card: &InsertedCard| {
            let sent = card.log();
            sent.iter()
                .filter(|one| one[1] == 0x20 && one.len() > 5)
                .count()
        };
        assert_eq!(verified(&card), 2, "once for each write that asked for it");
        let erased = desk.keyed("erase", &[]).run().good();
        assert!(erased.stdout.contains(r#""documents":[]"#), "{erased:?}");
        assert_eq!(desk.read().0, "no-bootstrap", "{profile:?}");
        assert!(
            !card.description().write().contains("7B2261223A31"),
            "wiped"
        );
    }
}

#[test]
fn both_generations_go_on_a_card_together_and_off_it_and_provisioning_of_others_stays() {
    let desk = Desk::new();
    // A provisioning document with nothing in it.
    let bookmark: &[u8] = &[0x03, 0x0B, 0x6A, 0x00, 0x05];
    let folder = desk.folder.path().join("cp");
    let command = omadm(["bootstrap", "build", "--server", "dm.example.com"])
        .args(["--profile-format", "cp", "--carrier", "smartcard"])
        .args(["--dev-id", "IMEI:1", "-o"])
        .arg(&folder);
    let _built = command.arg(profiles("dm1x.toml")).run().good();
    let document = std::fs::read(folder.join("6432-dm-bootstrap.bin")).unwrap();

    let set = CardFileSet::new(&[bookmark], &[1]).unwrap();
    let set = set.named_by([CardOid::CP_BOOTSTRAP]);
    let mut card = set.description(CardProfile::Iso, Some(ICCID));
    card.adm = blank(CardProfile::Iso).adm;
    for file in &mut card.files {
        if file.path.files().last() == Some(&0x6430) {
            file.size = Some(400);
        }
        file.update = CardAccess::Issuer;
    }
    for path in ["3F00/7F50/6433", "3F00/7F50/6434"] {
        let mut file = CardFile::transparent(path.parse().unwrap(), Vec::new()).sized(4000);
        file.update = CardAccess::Issuer;
        card.files.push(file);
    }
    let _card = desk.insert(card);
    let octets = |octets: &[u8]| u64::try_from(octets.len()).unwrap();
    let theirs = octets(bookmark);

    let _done = desk.keyed("write", &["cp", "one.json"]).run().good();
    let (outcome, read) = desk.read();
    assert_eq!((outcome.as_str(), read.len()), ("read", 3));
    assert!((read[0], read[2]) == (9, theirs) && read[1] >= octets(&document));
    let _done = desk.keyed("write", &["two.json"]).run().good();
    assert_eq!(desk.read(), ("read".to_owned(), vec![13, theirs]));
    let _done = desk.keyed("write", &["cp"]).run().good();
    assert_eq!(desk.read().1.len(), 2);
    let _done = desk.keyed("erase", &[]).run().good();
    assert_eq!(desk.read(), ("read".to_owned(), vec![theirs]));
    let _done = desk
        .keyed("erase", &[])
        .args(["--oid", "2.23.43.5.1"])
        .run()
        .good();
    assert_eq!(desk.read().0, "no-bootstrap");
}

#[test]
fn a_card_pulled_while_it_is_written_has_the_former_bootstrap_or_none() {
    let desk = Desk::new();
    let mut card = blank(CardProfile::Uicc);
    let first = desk.insert(card.clone());
    let _done = desk.keyed("write", &["one.json"]).run().good();
    let commands = first.log().len();
    let _done = desk.keyed("write", &["two.json"]).run().good();
    let commands = first.log().len() - commands;
    drop(first);
    let made = desk.insert(card);
    let _done = desk.keyed("write", &["one.json"]).run().good();
    card = made.pull();
    let mut seen = Vec::new();
    for at in (5..commands).step_by(9) {
        let pulled = desk.insert(card.clone());
        pulled.fail_at(at, CardFault::Pulled);
        let refused = desk.keyed("write", &["two.json"]).run().refused();
        let _back = desk.insert(pulled.pull());
        let (outcome, octets) = desk.read();
        let former = (outcome.as_str(), octets.as_slice()) == ("read", &[9]);
        let none = outcome == "no-bootstrap";
        let new = (outcome.as_str(), octets.as_slice()) == ("read", &[13]);
        assert!(
            former || none || new,
            "at {at}: {outcome} {octets:?} {refused:?}"
        );
        seen.push(outcome);
    }
    assert!(seen.contains(&"no-bootstrap".to_owned()) && seen.contains(&"read".to_owned()));
}

#[test]
fn a_described_card_is_written_and_erased_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, source) = (
        folder.path().join("card.json"),
        folder.path().join("one.json"),
    );
    let key = folder.path().join("adm");
    std::fs::write(&file, blank(CardProfile::Uicc).write()).unwrap();
    std::fs::write(&source, ONE).unwrap();
    std::fs::write(&key, KEY).unwrap();
    let at = |command: &str| {
        let card = omadm(["card", command]).arg("--virtual").arg(&file);
        card.arg("--adm-file").arg(&key)
    };
    let done = at("write").arg(&source).run().good();
    assert!(
        done.stdout.contains("bootstraps: 3F00/7F50/6432"),
        "{done:?}"
    );
    let read = omadm(["card", "read", "--virtual"]).arg(&file).run().good();
    assert!(read.stdout.contains("DM 2.0, 9 octets"), "{read:?}");
    let done = at("erase").run().good();
    assert!(
        done.stdout.contains("no DM Bootstrap is on the card now"),
        "{done:?}"
    );
    let read = omadm(["card", "read", "--virtual"]).arg(&file).run().good();
    assert!(
        read.stdout.contains("no DM Bootstrap on this card"),
        "{read:?}"
    );
}
