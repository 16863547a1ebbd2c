//! Cards to read: one of each profile, and what a test changes on it.
#![allow(dead_code, reason = "each suite uses its part")]

use omadm_card::test_card::{
    CardAccess, CardApplication, CardDescription, CardFile, CardProfile, CardQuirks, HexText,
    SecretCode, TestCard,
};
use omadm_card::{CardOutcome, CardReading, CardSettings, CardTrouble, ReaderName, read_card};

pub(crate) const ICCID: &str = "8949017201234567890";
pub(crate) const DOCUMENT: &[u8] = br#"[{"a":1}]"#;

/// A description under change.
#[derive(Clone)]
pub(crate) struct Card(pub(crate) CardDescription);

pub(crate) fn uicc() -> Card {
    let mut card = card(CardProfile::Uicc);
    card.0.applications.push(CardApplication {
        aid: "A000000063504B43532D3135".to_owned().try_into().unwrap(),
        path: "3F00/7F50".parse().unwrap(),
    });
    card.records(&["61144F0CA000000063504B43532D313551043F007F50"])
}

pub(crate) fn sim() -> Card {
    card(CardProfile::Sim2g).records(&["61144F0CA000000063504B43532D313551043F007F50"])
}

pub(crate) fn iso() -> Card {
    card(CardProfile::Iso).file("3F00/2F00", "61144F0CA000000063504B43532D313551043F007F50")
}

fn card(profile: CardProfile) -> Card {
    let description = CardDescription {
        profile,
        atr: None,
        pin: None,
        adm: None,
        applications: Vec::new(),
        files: Vec::new(),
        quirks: CardQuirks::default(),
    };
    Card(description)
        .file("3F00/2FE2", "989410271032547698F0")
        .file("3F00/7F50/5031", "A706300404026430")
        .dodf(&entry("6432"))
        .raw("3F00/7F50/6432", DOCUMENT.to_vec())
}

/// An `oidDO` entry of the DM Bootstrap in this file of the application.
pub(crate) fn entry(file: &str) -> String {
    format!("A126300030120C104F4D4120444D20426F6F747374726170A10E300C0604672B070130040402{file}")
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

pub(crate) fn read(card: &mut TestCard, settings: &CardSettings) -> CardReading {
    read_card(&ReaderName::new("r"), card, settings)
}

impl Card {
    pub(crate) fn card(&self) -> TestCard {
        TestCard::new(self.0.clone()).unwrap()
    }

    /// Read without PIN and lock.
    pub(crate) fn read(&self) -> CardReading {
        read(&mut self.card(), &CardSettings::default())
    }

    /// With this file in the place of another.
    pub(crate) fn with(mut self, file: CardFile) -> Self {
        self.0.files.retain(|other| other.path != file.path);
        self.0.files.push(file);
        self
    }

    pub(crate) fn raw(self, path: &str, content: Vec<u8>) -> Self {
        self.with(CardFile::transparent(path.parse().unwrap(), content))
    }

    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        let HexText(octets) = content.to_owned().try_into().unwrap();
        self.raw(path, octets)
    }

    /// With this DODF, and filling behind it.
    pub(crate) fn dodf(self, content: &str) -> Self {
        let HexText(octets) = content.to_owned().try_into().unwrap();
        let size = u16::try_from(octets.len() + 30).unwrap();
        self.with(CardFile::transparent("3F00/7F50/6430".parse().unwrap(), octets).sized(size))
    }

    /// With these records of EF(DIR), and an empty one.
    pub(crate) fn records(self, records: &[&str]) -> Self {
        let records = records.iter().chain(&[""]);
        let records: Vec<Vec<u8>> = records
            .map(|record| HexText::try_from((*record).to_owned()).unwrap().0)
            .collect();
        self.with(CardFile::of_records(
            "3F00/2F00".parse().unwrap(),
            48,
            &records,
        ))
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        self.0.files.retain(|file| file.path.to_string() != path);
        self
    }

    /// With the PIN needed to read the document.
    pub(crate) fn guarded(mut self, pin: &str, tries: u8) -> Self {
        self.0.pin = Some(SecretCode {
            value: pin.to_owned(),
            tries,
            reference: None,
        });
        let document = CardFile::transparent("3F00/7F50/6432".parse().unwrap(), DOCUMENT.to_vec());
        self.with(document.read_by(CardAccess::Pin))
    }

    /// With a directory at another place.
    pub(crate) fn moved(mut self, from: &str, to: &str) -> Self {
        for file in &mut self.0.files {
            file.path = file.path.to_string().replace(from, to).parse().unwrap();
        }
        self
    }
}

/// The documents of a reading whose every entry holds one.
pub(crate) fn documents(reading: &CardReading) -> Vec<Vec<u8>> {
    let CardOutcome::Read(entries) = &reading.outcome else {
        panic!("{reading:?}");
    };
    let of = |entry: &omadm_card::CardEntry| {
        entry
            .content
            .as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .bytes()
            .to_vec()
    };
    entries.iter().map(of).collect()
}

/// The trouble of a reading, or of its first entry.
pub(crate) fn trouble(reading: &CardReading) -> CardTrouble {
    match &reading.outcome {
        CardOutcome::Undetermined(trouble) => *trouble,
        CardOutcome::Read(entries) => *entries[0].content.as_ref().err().unwrap(),
        _ => panic!("{reading:?}"),
    }
}
