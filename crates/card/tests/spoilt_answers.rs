//! A card whose answers somebody spoils: every status word of `smartcard.md` §7, pulled cards, resets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/cards.rs"]
mod cards;

use std::time::Duration;

use cards::{DOCUMENT, documents, read, trouble, uicc};
use omadm_card::test_card::TestCard;
use omadm_card::{
    CardOutcome, CardPin, CardReading, CardSettings, CardTransport, CardTrouble, ReaderName,
    StatusWord, TransportError, read_card,
};
use omadm_mo::Secret;

/// A card whose answers somebody spoils: from a command on, or the first times.
struct Spoilt<F> {
    card: TestCard,
    spoil: F,
    pauses: u32,
    resets: u32,
}

impl<F: FnMut(&[u8]) -> Option<Result<u16, TransportError>>> CardTransport for Spoilt<F> {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        match (self.spoil)(command) {
            None => self.card.transmit(command),
            Some(Ok(status)) => Ok(status.to_be_bytes().to_vec()),
            Some(Err(error)) => Err(error),
        }
    }
    fn reset(&mut self) -> Result<(), TransportError> {
        self.resets += 1;
        self.card.reset()
    }
    fn pause(&mut self, _pause: Duration) {
        self.pauses += 1;
    }
}

fn spoilt<F: FnMut(&[u8]) -> Option<Result<u16, TransportError>>>(
    spoil: F,
) -> (CardReading, u32, u32) {
    let mut card = Spoilt {
        card: uicc().card(),
        spoil,
        pauses: 0,
        resets: 0,
    };
    let reading = read_card(&ReaderName::new("r"), &mut card, &CardSettings::default());
    (reading, card.pauses, card.resets)
}

/// Whether a command reads octets of the last file selected, when `count` such commands went before.
fn is_document_read(count: &mut u32, command: &[u8]) -> bool {
    *count += u32::from(command.get(1) == Some(&0xA4) && command.ends_with(&[0x64, 0x32, 0]));
    *count > 0 && command.get(1) == Some(&0xB0)
}

#[test]
fn each_status_word_of_a_reading_has_its_meaning() {
    for (status, expected) in [
        (0x6982, Some(CardTrouble::PinMissing)),
        (0x6985, Some(CardTrouble::PinMissing)),
        (0x6983, Some(CardTrouble::PinBlocked)),
        (0x6984, Some(CardTrouble::PinBlocked)),
        (0x9300, Some(CardTrouble::CardFault(StatusWord(0x9300)))),
        (0x6F00, Some(CardTrouble::CardFault(StatusWord(0x6F00)))),
        (0x6581, Some(CardTrouble::CardFault(StatusWord(0x6581)))),
        (0x9240, Some(CardTrouble::CardFault(StatusWord(0x9240)))),
        (0x6986, Some(CardTrouble::UnknownStatus(StatusWord(0x6986)))),
        (0x6981, Some(CardTrouble::UnknownStatus(StatusWord(0x6981)))),
        (0x6D00, Some(CardTrouble::UnknownStatus(StatusWord(0x6D00)))),
        (0x1234, Some(CardTrouble::UnknownStatus(StatusWord(0x1234)))),
        (0x6A82, None),
        (0x6283, None),
        (0x9810, None),
        (0x6B00, None),
        (0x6282, None),
    ] {
        let mut count = 0;
        let (reading, pauses, _) =
            spoilt(|command| is_document_read(&mut count, command).then_some(Ok(status)));
        let CardOutcome::Read(entries) = &reading.outcome else {
            panic!("{status:04X}: {reading:?}")
        };
        match (&entries[0].content, expected) {
            (Err(found), Some(expected)) => assert_eq!(*found, expected, "{status:04X}"),
            (Ok(None), None) => {}
            other => panic!("{status:04X}: {:?}", other.1),
        }
        assert_eq!(
            pauses,
            if matches!(expected, Some(CardTrouble::CardFault(_))) {
                3
            } else {
                0
            },
            "{status:04X}"
        );
    }
}

#[test]
fn nothing_selected_is_mended_by_selecting_again_and_a_busy_card_by_waiting() {
    for (status, times, waited) in [(0x6986, 1, 0), (0x9300, 2, 2), (0x6F00, 3, 3)] {
        let (mut count, mut left) = (0, times);
        let (reading, pauses, _) = spoilt(|command| {
            let hit = is_document_read(&mut count, command) && left > 0;
            left -= u32::from(hit);
            hit.then_some(Ok(status))
        });
        assert_eq!(documents(&reading), [DOCUMENT], "{status:04X}");
        assert_eq!(pauses, waited);
    }
}

#[test]
fn a_card_that_is_pulled_at_any_step_is_undetermined_and_gives_no_entry() {
    let mut whole = uicc().card();
    let _reading = read(&mut whole, &CardSettings::default());
    for step in 0..whole.log().count() {
        let mut left = step;
        let (reading, ..) = spoilt(|_| {
            let pulled = left == 0;
            left = left.saturating_sub(1);
            pulled.then_some(Err(CardTrouble::CardPulled.into()))
        });
        assert!(
            matches!(
                reading.outcome,
                CardOutcome::Undetermined(CardTrouble::CardPulled)
            ),
            "{step}: {reading:?}"
        );
    }
}

#[test]
fn a_reset_by_somebody_else_begins_the_reading_again_three_times_at_most() {
    for (resets, ends_well) in [(1, true), (3, true), (4, false)] {
        let mut left = resets;
        let (reading, _, seen) = spoilt(|command| {
            let hit = command.get(1) == Some(&0xB0) && left > 0;
            left -= u32::from(hit);
            hit.then_some(Err(TransportError::Reset))
        });
        if ends_well {
            assert_eq!(documents(&reading), [DOCUMENT]);
            assert_eq!(seen, resets);
        } else {
            assert!(matches!(
                reading.outcome,
                CardOutcome::Undetermined(CardTrouble::CardReset)
            ));
        }
    }
}

/// Tries of the PIN while the card answers each of them so; `None` resets it instead.
fn tries(answer: Option<u16>) -> u32 {
    let mut tried = 0;
    let mut card = Spoilt {
        card: uicc().guarded("1234", 3).card(),
        spoil: |command: &[u8]| {
            let hit = command.get(1) == Some(&0x20) && command.len() > 5;
            tried += u32::from(hit);
            hit.then_some(answer.ok_or(TransportError::Reset))
        },
        pauses: 0,
        resets: 0,
    };
    let settings = CardSettings {
        pin: Some(CardPin::new(Secret::new(b"1234".to_vec())).unwrap()),
        ..CardSettings::default()
    };
    let reading = read_card(&ReaderName::new("r"), &mut card, &settings);
    // The entry is there, and could not be read.
    let _known = trouble(&reading);
    tried
}

#[test]
fn a_pin_is_tried_once_however_the_card_answers() {
    for answer in [0x6C08, 0x6F00, 0x6581, 0x9300, 0x63C2, 0x6108] {
        assert_eq!(tries(Some(answer)), 1, "{answer:04X}");
    }
    assert_eq!(tries(None), 1);
}

#[test]
fn a_card_that_knows_no_class_and_one_that_never_ends_are_undetermined() {
    let (reading, ..) = spoilt(|_| Some(Ok(0x6E00)));
    assert!(matches!(
        reading.outcome,
        CardOutcome::Undetermined(CardTrouble::ClassUnknown)
    ));
    let (reading, ..) = spoilt(|_| Some(Ok(0x6110)));
    assert!(matches!(
        reading.outcome,
        CardOutcome::Undetermined(CardTrouble::CardMisbehaved)
    ));
}
