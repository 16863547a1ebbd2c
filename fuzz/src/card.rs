//! What a card says: its directories, its answers, and the descriptions and scripts in which it is written down.

use std::collections::BTreeMap;
use std::time::Duration;

use omadm_card::file_info::FileInfo;
use omadm_card::pkcs15::{
    DataObject, DataValue, DodfItem, OdfItem, TokenInfo, read_dir, read_dodf, read_odf,
};
use omadm_card::test_card::{CardDescription, TestCard};
use omadm_card::{
    CardFileSet, CardOutcome, CardPin, CardReading, CardSettings, CardTransport, CardTrouble,
    ReaderName, TransportError, read_card,
};
use omadm_mo::Secret;

/// Commands after which the card falls silent.
const PATIENCE: usize = 5_000;
const VERIFY: u8 = 0x20;
const SELECT: u8 = 0xA4;

/// Every file of a card's directories gives values or an error, and what was read is written as something that is read as the same.
pub fn card_directories(octets: &[u8]) {
    for template in read_dir(octets).unwrap_or_default() {
        // A path is read without its 3F00 too, and then has one identifier more than may be written.
        if template.path.as_ref().is_none_or(|path| path.len() <= 6) {
            assert_eq!(read_dir(&template.write()), Ok(vec![template]));
        }
    }
    for item in read_odf(octets).unwrap_or_default() {
        match item {
            OdfItem::Dodf(path) => {
                let written = OdfItem::write(std::slice::from_ref(&path));
                assert_eq!(read_odf(&written), Ok(vec![OdfItem::Dodf(path)]));
            }
            OdfItem::Objects(objects) => rewritten(objects),
        }
    }
    rewritten(read_dodf(octets));
    if let Ok(info) = TokenInfo::read(octets) {
        assert_eq!(TokenInfo::read(&info.write()), Ok(info));
    }
    let _fcp = FileInfo::from_fcp(octets);
    let _response = FileInfo::from_sim(octets);
}

fn rewritten(items: Vec<DodfItem>) {
    for item in items {
        let DodfItem::Object(object) = item else {
            continue;
        };
        if object.oid.is_some() && object.value != DataValue::Elsewhere {
            let written = DataObject::write_all(std::slice::from_ref(&object));
            assert_eq!(read_dodf(&written), [DodfItem::Object(object)]);
        }
    }
}

/// A description is written as one that is read as the same, and a card of it is read to an end; so is a script.
pub fn card_description(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    if let Ok(set) = CardFileSet::read_script(text) {
        let again =
            CardFileSet::read_script(&set.apdu_script()).expect("what was written is a script");
        assert!(again.files() == set.files());
    }
    let Ok(description) = CardDescription::read(text) else {
        return;
    };
    let again = CardDescription::read(&description.write()).expect("what was written is a card");
    assert!(again == description);
    if let Ok(mut card) = TestCard::new(description) {
        let _reading = read_card(&ReaderName::new("fuzz"), &mut card, &settings());
    }
}

/// Whatever a card answers, a reading ends; a card that fell silent gave nothing; no PIN is tried again that was not found right; no content is in what is printed.
pub fn card_dialogue(octets: &[u8]) {
    let mut card = Scripted {
        answers: answers(octets),
        next: 0,
        commands: 0,
        silent: 0,
        refused: BTreeMap::new(),
        selected: 0,
    };
    let reading = read_card(&ReaderName::new("fuzz"), &mut card, &settings());
    if card.silent > 0 {
        assert_eq!(card.silent, 1, "a silent card is asked no more");
        let silent = matches!(
            reading.outcome,
            CardOutcome::Undetermined(CardTrouble::CardSilent)
        );
        assert!(silent, "{reading:?}");
    }
    for (reference, refused) in card.refused {
        // A local PIN is one of each application.
        let pins = if reference & 0x80 == 0 {
            1
        } else {
            card.selected
        };
        assert!(refused <= pins, "PIN {reference:02X} tried {refused} times");
    }
    printed(&reading);
}

fn printed(reading: &CardReading) {
    let text = format!("{reading:?}");
    let CardOutcome::Read(entries) = &reading.outcome else {
        return;
    };
    assert!(!entries.is_empty());
    for entry in entries {
        if let Ok(Some(document)) = &entry.content
            && document.bytes().len() > 64
        {
            let content = String::from_utf8_lossy(document.bytes());
            assert!(!text.contains(&*content));
        }
    }
}

fn settings() -> CardSettings {
    CardSettings {
        pin: CardPin::new(Secret::new(b"1234".to_vec())).ok(),
        ..CardSettings::default()
    }
}

/// Answers in the order of the input, over and over: a length, then so many octets; without octets another program reset the card.
struct Scripted<'a> {
    answers: Vec<&'a [u8]>,
    next: usize,
    commands: usize,
    silent: usize,
    /// How often each PIN was tried and not found right.
    refused: BTreeMap<u8, usize>,
    /// SELECT commands.
    selected: usize,
}

fn answers(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut answers = Vec::new();
    while let Some((length, rest)) = octets.split_first() {
        let (answer, after) = rest.split_at(rest.len().min(usize::from(*length)));
        answers.push(answer);
        octets = after;
    }
    answers
}

impl CardTransport for Scripted<'_> {
    fn atr(&self) -> &[u8] {
        &[]
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(
            (4..=261).contains(&command.len()),
            "an APDU of {} octets",
            command.len()
        );
        self.commands += 1;
        self.selected += usize::from(command[1] == SELECT);
        let answer = self.answers.get(self.next).copied();
        if let [_, VERIFY, _, reference, 8, ..] = command
            && !answer.is_some_and(|answer| answer.ends_with(&[0x90, 0]))
        {
            *self.refused.entry(*reference).or_default() += 1;
        }
        self.next = (self.next + 1) % self.answers.len().max(1);
        match answer {
            Some(answer) if self.commands <= PATIENCE => match answer {
                [] => Err(TransportError::Reset),
                answer => Ok(answer.to_vec()),
            },
            _ => {
                self.silent += 1;
                Err(CardTrouble::CardSilent.into())
            }
        }
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn pause(&mut self, _pause: Duration) {}
}
