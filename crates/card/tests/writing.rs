//! DM Bootstraps are written on a card and taken off it: whole or not at all, whenever it is pulled (§3).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/cards.rs"]
mod cards;

use std::time::Duration;

use cards::{Card, documents, hex, read};
use omadm_card::test_card::{
    CardAccess, CardDescription, CardFile, CardProfile, SecretCode, TestCard,
};
use omadm_card::{
    CardFileSet, CardOid, CardOutcome, CardPin, CardSettings, CardTransport, CardTrouble,
    CardWriteError, CardWriteFailure, CardWriteSettings, CardWritten, IssuerKey, PinTries,
    TransportError, erase_card, write_card,
};
use omadm_mo::Secret;
use proptest::prelude::*;

const KEY: &str = "0102030405060708";
const A: &[u8] = br#"[{"a":1}]"#;
const B: &[u8] = br#"[{"bee":[2,2,2]}]"#;
const C: &[u8] = b"[3]";
/// An LwM2M bootstrap, which is not ours.
const FOREIGN: &str =
    "A127300030110C0F4C774D324D20426F6F747374726170A110300E06060604672B0901300404026434";

/// What a write is given.
fn settings() -> CardWriteSettings {
    CardWriteSettings {
        key: Some(IssuerKey::new(&Secret::from(KEY.to_owned()), IssuerKey::ADM1).unwrap()),
        ..CardWriteSettings::default()
    }
}

fn set(documents: &[&[u8]]) -> CardFileSet {
    CardFileSet::new(documents, &[1, 2, 3]).unwrap()
}

/// A card as its issuer makes it: every file is there, with room, and empty.
fn blank(profile: CardProfile) -> Card {
    let mut card = Card(set(&[A]).description(profile, Some("8949017201234567890")));
    card.0.adm = Some(SecretCode {
        value: KEY.to_owned(),
        tries: 3,
        reference: None,
    });
    let usim = "61124F10A0000000871002FFFFFFFF8907090000";
    let dir = match profile {
        CardProfile::Iso => {
            let dir = hexadecimal(usim);
            CardFile::transparent("3F00/2F00".parse().unwrap(), dir).sized(96)
        }
        _ => CardFile::of_records(
            "3F00/2F00".parse().unwrap(),
            48,
            &[hexadecimal(usim), Vec::new()],
        ),
    };
    card = card.with(dir);
    for (path, size) in [
        ("3F00/7F50/5031", 64),
        ("3F00/7F50/5032", 80),
        ("3F00/7F50/6430", 240),
        ("3F00/7F50/6432", 700),
        ("3F00/7F50/6433", 300),
    ] {
        card = card.with(CardFile::transparent(path.parse().unwrap(), Vec::new()).sized(size));
    }
    card
}

/// The same with these documents, and an entry of somebody else where `foreign`.
fn holding(profile: CardProfile, held: &[&[u8]], foreign: bool) -> Card {
    let mut card = blank(profile);
    if foreign {
        let dodf = CardFile::transparent("3F00/7F50/6430".parse().unwrap(), hexadecimal(FOREIGN));
        let odf = hexadecimal("A706300404026430");
        card = card
            .with(dodf.sized(240))
            .with(CardFile::transparent("3F00/7F50/5031".parse().unwrap(), odf).sized(64));
    }
    if held.is_empty() {
        return card;
    }
    let mut made = card.card();
    written(&mut made, &set(held)).unwrap();
    Card(made.description())
}

fn hexadecimal(digits: &str) -> Vec<u8> {
    omadm_card::test_card::HexText::try_from(digits.to_owned())
        .unwrap()
        .0
}

fn written(card: &mut TestCard, set: &CardFileSet) -> Result<CardWritten, CardWriteFailure> {
    let done = write_card(card, set, &settings());
    card.power_on();
    done
}

/// What a device finds.
fn held(card: &mut TestCard) -> Vec<Vec<u8>> {
    card.power_on();
    let reading = read(card, &CardSettings::default());
    match &reading.outcome {
        CardOutcome::NoBootstrap => Vec::new(),
        _ => documents(&reading),
    }
}

fn owned(documents: &[&[u8]]) -> Vec<Vec<u8>> {
    documents.iter().map(|one| one.to_vec()).collect()
}

/// A card that is pulled after a number of commands, and one that loses an UPDATE though it confirms it.
struct Faulty<'c> {
    card: &'c mut TestCard,
    pulled_after: Option<usize>,
    loses: Option<usize>,
}

impl CardTransport for Faulty<'_> {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if let Some(left) = &mut self.pulled_after {
            *left = left.checked_sub(1).ok_or(CardTrouble::CardPulled)?;
        }
        if command[1] == 0xD6
            && let Some(left) = self.loses
        {
            self.loses = left.checked_sub(1);
            if left == 0 {
                return Ok(vec![0x90, 0]);
            }
        }
        Ok(self.card.execute(command))
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.card.reset()
    }

    fn pause(&mut self, _: Duration) {}
}

#[test]
fn what_is_written_is_read_back_on_a_uicc_and_a_plain_card() {
    for profile in [CardProfile::Uicc, CardProfile::Iso] {
        for set in [set(&[A, B]), set(&[A, B]).for_opensc()] {
            let mut card = blank(profile).card();
            let done = written(&mut card, &set).unwrap();
            let places: Vec<_> = done.documents.iter().map(ToString::to_string).collect();
            assert_eq!(places, ["3F00/7F50/6432", "3F00/7F50/6433"]);
            assert_eq!(done.card.unwrap().to_string(), "iccid:8949017201234567890");
            assert_eq!(done.files.last().unwrap().to_string(), "3F00/7F50/6430");
            assert_eq!(held(&mut card), owned(&[A, B]));
            let route = omadm_card::read_card_by_route(
                &omadm_card::ReaderName::new("r"),
                &mut card,
                &CardSettings::default(),
            )
            .1;
            assert_eq!(route.applications.len(), 2, "the USIM is still named");
        }
    }
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let mut card = holding(CardProfile::Uicc, &[A, B], true).card();
    let again = written(&mut card, &set(&[A, B])).unwrap();
    assert_eq!(again.files, []);
    assert!(
        !card
            .log()
            .any(|command| matches!(command[1], 0xD6 | 0xDC | 0x20)),
        "nothing was updated, no key was needed"
    );
}

#[test]
fn erasing_leaves_no_bootstrap_no_document_and_the_entries_of_others() {
    let mut card = holding(CardProfile::Uicc, &[A, B], true).card();
    let done = erase_card(&mut card, &settings()).unwrap();
    assert_eq!(done.documents, []);
    assert_eq!(held(&mut card), owned(&[]));
    let left = card.description().write();
    assert!(left.contains(FOREIGN));
    assert!(!left.contains(&hex(A)) && !left.contains(&hex(B)));
    card.power_on();
    assert_eq!(erase_card(&mut card, &settings()).unwrap().files, []);
}

/// What counts as for a DM Client in these tests.
fn is_ours(content: &[u8]) -> bool {
    content.starts_with(b"[")
}

#[test]
fn client_provisioning_for_others_stays_where_it_is_and_so_does_its_file() {
    let theirs = b"\x03\x0B\x6A\x00\x05";
    let made = set(&[theirs, A]).named_by(vec![CardOid::CP_BOOTSTRAP; 2]);
    let mut card = blank(CardProfile::Uicc);
    card = card.with(CardFile::transparent("3F00/7F50/6434".parse().unwrap(), vec![]).sized(300));
    let mut card = card.card();
    written(&mut card, &made).unwrap();
    let both = CardWriteSettings {
        reading: CardSettings {
            accepted: CardOid::BOTH_GENERATIONS.to_vec(),
            ..CardSettings::default()
        },
        provisions_dm: Some(is_ours),
        ..settings()
    };
    let read = |card: &mut TestCard| {
        card.power_on();
        let reading = read(card, &both.reading);
        match &reading.outcome {
            CardOutcome::NoBootstrap => Vec::new(),
            _ => documents(&reading),
        }
    };
    card.power_on();
    let mixed = set(&[C, B]).named_by([CardOid::CP_BOOTSTRAP]);
    let done = write_card(&mut card, &mixed, &both).unwrap();
    let places: Vec<_> = done.documents.iter().map(ToString::to_string).collect();
    assert_eq!(places, ["3F00/7F50/6433", "3F00/7F50/6434"], "not theirs");
    assert_eq!(read(&mut card), owned(&[B, C, theirs]));
    let done = erase_card(&mut card, &both).unwrap();
    assert_eq!(done.documents, []);
    assert_eq!(read(&mut card), owned(&[theirs]));
    card.power_on();
    let told = CardWriteSettings {
        provisions_dm: None,
        ..both.clone()
    };
    erase_card(&mut card, &told).unwrap();
    assert_eq!(read(&mut card), owned(&[]), "who names OIDs means them all");
    assert!(!card.description().write().contains(&hex(theirs)));
}

/// Pulls the card at every command; tells whether the states in between are those that are allowed.
fn pull_everywhere(before: &Card, former: &[&[u8]], wanted: Option<&CardFileSet>, foreign: bool) {
    let new = wanted.map_or_else(Vec::new, |set| {
        set.documents().map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    let former = owned(former);
    for commands in 0.. {
        let mut card = before.card();
        let mut pulled = Faulty {
            card: &mut card,
            pulled_after: Some(commands),
            loses: None,
        };
        let done = match wanted {
            Some(set) => write_card(&mut pulled, set, &settings()),
            None => erase_card(&mut pulled, &settings()),
        };
        let there = held(&mut card);
        match &done {
            Ok(_) => assert_eq!(there, new),
            Err(failure) => {
                assert_eq!(
                    failure.error,
                    CardWriteError::Trouble(CardTrouble::CardPulled)
                );
                let allowed = there == former || there.is_empty() || there == new;
                assert!(allowed, "after {commands} commands: {there:?}");
                assert!(
                    failure.changed || there == former,
                    "after {commands} commands"
                );
            }
        }
        if foreign {
            assert!(
                card.description().write().contains(FOREIGN),
                "after {commands}"
            );
        }
        if done.is_ok() {
            assert!(commands > 10, "the card was pulled somewhere");
            return;
        }
        // Whatever the state, the next write makes it good.
        card.power_on();
        match wanted {
            Some(set) => drop(write_card(&mut card, set, &settings()).unwrap()),
            None => drop(erase_card(&mut card, &settings()).unwrap()),
        }
        assert_eq!(
            held(&mut card),
            new,
            "after {commands} commands, written again"
        );
    }
}

#[test]
fn a_card_pulled_at_any_command_has_the_former_bootstrap_none_or_the_new_one() {
    let long = vec![b'['; 600];
    for profile in [CardProfile::Uicc, CardProfile::Iso] {
        for (former, new, foreign) in [
            (&[][..], Some(&[A, B][..]), false),
            (&[A], Some(&[B]), true),
            (&[A, B], Some(&[C]), true),
            (&[A], Some(&[&long, C]), false),
            (&[A, B], None, true),
        ] {
            let before = holding(profile, former, foreign);
            let new = new.map(set);
            pull_everywhere(&before, former, new.as_ref(), foreign);
        }
    }
}

#[test]
fn a_directory_of_several_commands_is_switched_off_first_and_on_last() {
    let many: Vec<Vec<u8>> = (0..6)
        .map(|number| format!("[{number}]").into_bytes())
        .collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).collect();
    let other: Vec<Vec<u8>> = (0..5)
        .map(|number| format!("[1{number}]").into_bytes())
        .collect();
    let other: Vec<&[u8]> = other.iter().map(Vec::as_slice).collect();
    let mut card = blank(CardProfile::Uicc);
    for file in 0x6432..0x6438 {
        let path = format!("3F00/7F50/{file:04X}").parse().unwrap();
        card = card.with(CardFile::transparent(path, Vec::new()).sized(20));
    }
    let dodf = CardFile::transparent("3F00/7F50/6430".parse().unwrap(), Vec::new());
    let card = card.with(dodf.sized(800));
    pull_everywhere(&card, &[], Some(&set(&many).for_opensc()), false);
    let mut made = card.card();
    written(&mut made, &set(&many).for_opensc()).unwrap();
    let made = Card(made.description());
    pull_everywhere(&made, &many, Some(&set(&other).for_opensc()), false);
}

#[test]
fn entries_of_others_are_not_put_at_risk() {
    let others = FOREIGN.repeat(6);
    let dodf = CardFile::transparent("3F00/7F50/6430".parse().unwrap(), hexadecimal(&others));
    let mut card = holding(CardProfile::Uicc, &[], true)
        .with(dodf.sized(600))
        .card();
    let failure = written(&mut card, &set(&[A])).unwrap_err();
    assert_eq!(
        failure.error,
        CardWriteError::Crowded("3F00/7F50/6430".parse().unwrap())
    );
    assert!(!failure.changed);
}

/// A write that is refused before anything is changed.
fn refused(card: &Card, set: &CardFileSet, settings: &CardWriteSettings) -> CardWriteError {
    let mut made = card.card();
    let failure = write_card(&mut made, set, settings).unwrap_err();
    assert!(!failure.changed, "{failure}");
    assert!(!failure.error.action().is_empty() && !failure.error.code().is_empty());
    let tries = |mut description: CardDescription| {
        description.adm.as_mut().unwrap().tries = 3;
        description
    };
    assert!(tries(made.description()) == tries(card.card().description()));
    failure.error
}

#[test]
fn sizes_and_files_are_checked_before_anything_is_written() {
    let card = holding(CardProfile::Uicc, &[A], false);
    let long = vec![b'['; 301];
    assert_eq!(
        refused(&card, &set(&[B, &long]), &settings()),
        CardWriteError::TooSmall {
            path: "3F00/7F50/6433".parse().unwrap(),
            size: omadm_card::Octets(300),
            needed: omadm_card::Octets(301),
        }
    );
    assert_eq!(
        refused(&card, &set(&[B, C, A]), &settings()),
        CardWriteError::Missing("3F00/7F50/6434".parse().unwrap())
    );
    let small = card.clone().with(CardFile::transparent(
        "3F00/7F50/6432".parse().unwrap(),
        A.to_vec(),
    ));
    assert!(matches!(
        refused(&small, &set(&[B]), &settings()),
        CardWriteError::TooSmall { .. }
    ));
    let mut none = blank(CardProfile::Uicc);
    none.0.files.retain(|file| file.path.files().len() == 2);
    none.0.applications.clear();
    assert_eq!(
        refused(&none, &set(&[B]), &settings()),
        CardWriteError::NoApplication
    );
    let full = blank(CardProfile::Uicc).with(CardFile::of_records(
        "3F00/2F00".parse().unwrap(),
        48,
        &[hexadecimal("61124F10A0000000871002FFFFFFFF8907090000")],
    ));
    assert_eq!(
        refused(&full, &set(&[B]), &settings()),
        CardWriteError::Structure("3F00/2F00".parse().unwrap())
    );
}

#[test]
fn the_key_is_verified_once_where_the_card_asks_and_never_on_its_last_try() {
    let card = holding(CardProfile::Uicc, &[A], false);
    assert!(matches!(
        refused(&card, &set(&[B]), &CardWriteSettings::default()),
        CardWriteError::KeyMissing(_)
    ));
    let with_key = |text: &str, reference| CardWriteSettings {
        key: Some(IssuerKey::new(&Secret::from(text.to_owned()), reference).unwrap()),
        ..CardWriteSettings::default()
    };
    assert_eq!(
        refused(
            &card,
            &set(&[B]),
            &with_key("FFFFFFFFFFFFFFFF", IssuerKey::ADM1)
        ),
        CardWriteError::KeyWrong(PinTries(2))
    );
    let tries = |tries| {
        let mut card = card.clone();
        card.0.adm.as_mut().unwrap().tries = tries;
        card
    };
    assert_eq!(
        refused(&tries(1), &set(&[B]), &settings()),
        CardWriteError::KeyTriesLow(PinTries(1))
    );
    assert_eq!(
        refused(&tries(0), &set(&[B]), &settings()),
        CardWriteError::KeyBlocked
    );
    let mut made = card.card();
    written(&mut made, &set(&[B])).unwrap();
    let verified = made
        .log()
        .filter(|command| command[1] == 0x20 && command.len() > 5);
    assert_eq!(verified.count(), 1);
    for wrong in ["", "010", "01020304050607080", "010203040506070G"] {
        assert!(
            IssuerKey::new(&Secret::from(wrong.to_owned()), 1).is_err(),
            "{wrong}"
        );
    }
    assert!(IssuerKey::new(&Secret::from("12345678".to_owned()), 1).is_ok());
}

#[test]
fn files_that_the_holder_may_update_are_updated_with_the_pin() {
    let mut card = holding(CardProfile::Iso, &[A], false);
    card.0.pin = Some(SecretCode {
        value: "1234".to_owned(),
        tries: 3,
        reference: None,
    });
    for file in &mut card.0.files {
        file.update = CardAccess::Pin;
    }
    let with_pin = CardWriteSettings {
        reading: CardSettings {
            pin: Some(CardPin::new(Secret::from("1234".to_owned())).unwrap()),
            ..CardSettings::default()
        },
        key: None,
        provisions_dm: None,
    };
    let mut made = card.card();
    write_card(&mut made, &set(&[B]), &with_pin).unwrap();
    assert_eq!(held(&mut made), owned(&[B]));
}

#[test]
fn the_card_s_own_layout_is_followed() {
    let card = cards::uicc()
        .dodf(&cards::entry("6F01"))
        .without("3F00/7F50/6432")
        .with(CardFile::transparent("3F00/7F50/6F01".parse().unwrap(), A.to_vec()).sized(50));
    let mut made = Card(CardDescription {
        adm: blank(CardProfile::Uicc).0.adm,
        ..card.0
    })
    .card();
    let done = written(&mut made, &set(&[B])).unwrap();
    assert_eq!(done.documents[0].to_string(), "3F00/7F50/6F01");
    assert_eq!(held(&mut made), owned(&[B]));
}

#[test]
fn a_card_that_confirms_and_does_not_write_is_found_out() {
    let before = holding(CardProfile::Uicc, &[A], false);
    // Probes come first; every later UPDATE BINARY is lost in turn.
    let mut found = 0;
    for lost in 0..12 {
        let mut card = before.card();
        let mut faulty = Faulty {
            card: &mut card,
            pulled_after: None,
            loses: Some(lost),
        };
        match write_card(&mut faulty, &set(&[B]), &settings()) {
            Ok(_) => assert_eq!(held(&mut card), owned(&[B])),
            Err(failure) => {
                assert!(
                    matches!(failure.error, CardWriteError::Mismatch(_)),
                    "{failure}"
                );
                found += 1;
            }
        }
    }
    assert!(found >= 3, "clearing, document and entries: {found}");
}

#[test]
fn a_sim_is_read_only() {
    assert_eq!(
        refused(&holding_sim(), &set(&[B]), &settings()),
        CardWriteError::Sim
    );
}

fn holding_sim() -> Card {
    let mut card = blank(CardProfile::Sim2g);
    card.0.applications.clear();
    card
}

/// A blank card whose ODF names a DODF that holds these octets, then filling.
fn with_dodf(content: Vec<u8>) -> Card {
    let odf = hexadecimal("A706300404026430");
    let file = |path: &str, content| CardFile::transparent(path.parse().unwrap(), content);
    blank(CardProfile::Uicc)
        .with(file("3F00/7F50/5031", odf).sized(64))
        .with(file("3F00/7F50/6430", content).sized(400))
}

/// Written as a whole, or refused as it is.
fn written_or_as_before(card: &Card) -> Result<(), TestCaseError> {
    let mut made = card.card();
    match written(&mut made, &set(&[A])) {
        Ok(_) => prop_assert_eq!(held(&mut made), owned(&[A])),
        Err(failure) => {
            prop_assert!(!failure.changed, "{}", failure);
            prop_assert!(made.description() == card.card().description());
        }
    }
    Ok(())
}

#[test]
fn a_broken_entry_is_left_to_the_issuer() {
    let broken = format!("{}{FOREIGN}", "A103300030");
    assert_eq!(
        refused(&with_dodf(hexadecimal(&broken)), &set(&[A]), &settings()),
        CardWriteError::Trouble(CardTrouble::DodfUnparsable)
    );
}

proptest! {
    #[test]
    fn any_directory_is_written_or_left_as_it_is(content in proptest::collection::vec(any::<u8>(), 0..60)) {
        written_or_as_before(&with_dodf(content))?;
    }

    #[test]
    fn a_real_directory_with_an_octet_changed_is_written_or_left_as_it_is(at in 0_usize..80, octet in any::<u8>()) {
        let mut content = hexadecimal(&format!("{}{FOREIGN}", cards::entry("6432")));
        if let Some(place) = content.get_mut(at) {
            *place = octet;
        }
        written_or_as_before(&with_dodf(content))?;
    }
}
