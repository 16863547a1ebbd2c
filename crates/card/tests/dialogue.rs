//! A card is read from its class to every DM Bootstrap on it, by the rules of `smartcard.md` §4 to §8 (§10.5 in process).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/cards.rs"]
mod cards;

use cards::{Card, DOCUMENT, ICCID, documents, iso, read, sim, trouble, uicc};
use omadm_card::dialogue::CardClass;
use omadm_card::test_card::{CardAccess, CardFile, SecretCode};
use omadm_card::{
    CardIdentity, CardOid, CardOutcome, CardPin, CardReading, CardSettings, CardTrouble,
    LockReason, LockValue, Octets, PinTries, ReaderName, SimLock, read_card_by_route,
};
use omadm_mo::Secret;

fn with_pin(digits: &str) -> CardSettings {
    let pin = CardPin::new(Secret::from(digits.to_owned())).unwrap();
    CardSettings {
        pin: Some(pin),
        ..CardSettings::default()
    }
}

fn locked(mcc_mnc: &[&str], iccid: &[&str], gid1: &[&str]) -> CardSettings {
    let owned = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let sim_lock = SimLock::new(&owned(mcc_mnc), &owned(iccid), &owned(gid1)).unwrap();
    CardSettings {
        sim_lock,
        ..CardSettings::default()
    }
}

#[test]
fn a_uicc_a_sim_and_a_plain_card_give_the_same_document_and_identity() {
    for (card, class) in [
        (uicc(), CardClass::Iso),
        (sim(), CardClass::Sim),
        (iso(), CardClass::Iso),
    ] {
        let mut card = card.card();
        let (reading, route) =
            read_card_by_route(&ReaderName::new("r"), &mut card, &CardSettings::default());
        assert_eq!(documents(&reading), [DOCUMENT]);
        assert_eq!(
            reading.identity,
            Some(CardIdentity::Iccid(ICCID.to_owned()))
        );
        assert_eq!(route.class, Some(class));
        let CardOutcome::Read(entries) = &reading.outcome else {
            panic!("{reading:?}")
        };
        assert_eq!(entries[0].path.to_string(), "3F00/7F50/6432");
    }
}

#[test]
fn a_uicc_is_read_with_the_commands_of_the_transcript() {
    let mut card = uicc().card();
    let _reading = read(&mut card, &CardSettings::default());
    let log: Vec<String> = card.log().map(cards::hex).collect();
    let needed = [
        "00A40004023F0000",
        "0070000001",
        "01A404040CA000000063504B43532D313500",
        "01A40804047FFF503100",
        "01A40804047FFF643000",
        "01A40804047FFF643200",
        "00708001",
    ];
    let mut left = log.iter();
    for command in needed {
        assert!(
            left.any(|sent| sent == command),
            "{command} is missing or out of order: {log:#?}"
        );
    }
    assert!(
        !log.iter().any(|sent| sent.get(2..4) == Some("20")),
        "no PIN is asked for"
    );
}

#[test]
fn a_sim_is_read_in_class_a0_alone_after_the_probe() {
    let mut card = sim().card();
    let _reading = read(&mut card, &CardSettings::default());
    assert!(card.log().skip(1).all(|command| command[0] == 0xA0));
}

#[test]
fn both_forms_the_doubly_wrapped_oid_and_a_direct_value_lead_to_a_document() {
    for (dodf, path) in [
        (
            "302430120C104F4D4120444D20426F6F74737472617030060604672B0701A106300404026432",
            "3F00/7F50/6432",
        ),
        (
            "A126300030120C104F4D4120444D20426F6F747374726170A10E300C0604672B0701300404026432",
            "3F00/7F50/6432",
        ),
        (
            "A127300030110C0F4C774D324D20426F6F747374726170A110300E06060604672B0701300404026432",
            "3F00/7F50/6432",
        ),
        (
            "302930120C104F4D4120444D20426F6F74737472617030060604672B0701A10BA00904077B2261223A317D",
            "3F00/7F50/6430#0",
        ),
    ] {
        let reading = uicc().dodf(dodf).read();
        let CardOutcome::Read(entries) = &reading.outcome else {
            panic!("{reading:?}")
        };
        assert_eq!(entries[0].path.to_string(), path);
        assert_eq!(documents(&reading).len(), 1);
    }
}

#[test]
fn foreign_oids_alone_are_no_bootstrap() {
    let lwm2m =
        "A127300030110C0F4C774D324D20426F6F747374726170A110300E06060604672B0901300404026432";
    assert!(matches!(
        uicc().dodf(lwm2m).read().outcome,
        CardOutcome::NoBootstrap
    ));
}

#[test]
fn entries_of_several_dodfs_come_in_the_cards_order_and_a_path_once() {
    let two = format!(
        "{}{}{}",
        cards::entry("6433"),
        cards::entry("6432"),
        cards::entry("6433")
    );
    let card = uicc()
        .dodf(&two)
        .file("3F00/7F50/5031", "A706300404026430A706300404026431")
        .file("3F00/7F50/6431", &cards::entry("6434"))
        .file("3F00/7F50/6433", "5B335D")
        .file("3F00/7F50/6434", "5B345D");
    assert_eq!(
        documents(&card.read()),
        [b"[3]".to_vec(), DOCUMENT.to_vec(), b"[4]".to_vec()]
    );
}

#[test]
fn m23_client_provisioning_comes_last_in_the_order_of_its_oids_and_only_where_it_is_asked_for() {
    let named = |arcs: &str, file| cards::entry(file).replace("672B0701", arcs);
    let dodf = [
        named("672B0503", "6433"),
        named("672B0501", "6434"),
        named("672B0701", "6432"),
        named("672B0502", "6435"),
        named("672B0501", "6436"),
    ];
    let mut card = uicc().dodf(&dodf.concat());
    for n in 3..7 {
        card = card.file(&format!("3F00/7F50/643{n}"), &format!("5B3{n}5D"));
    }
    assert_eq!(documents(&card.read()), [DOCUMENT]);
    let both = CardSettings {
        accepted: CardOid::BOTH_GENERATIONS.to_vec(),
        ..CardSettings::default()
    };
    let found = documents(&read(&mut card.card(), &both));
    let provisioning = [b"[4]", b"[6]", b"[5]", b"[3]"].map(|one| one.to_vec());
    assert_eq!(found[0], DOCUMENT);
    assert_eq!(found[1..], provisioning);
}

#[test]
fn one_bad_entry_does_not_stop_the_next_one() {
    let card = uicc()
        .dodf(&format!(
            "{}{}{}",
            cards::entry("6433"),
            "30053000A1FF00",
            cards::entry("6432")
        ))
        .file("3F00/7F50/6433", "3C786D6C3E");
    let reading = card.read();
    let CardOutcome::Read(entries) = &reading.outcome else {
        panic!("{reading:?}")
    };
    let codes: Vec<_> = entries
        .iter()
        .map(|entry| entry.content.as_ref().err().map(|trouble| trouble.code()))
        .collect();
    assert_eq!(
        codes,
        [Some("unsupported-encoding"), Some("dodf-unparsable"), None]
    );
}

#[test]
fn files_of_20_kb_and_of_32767_octets_are_read_whole_and_filling_is_cut() {
    for length in [20_000, 32_767] {
        let mut document = vec![b' '; length];
        (document[0], document[length - 1]) = (b'[', b']');
        for card in [uicc(), sim(), iso()] {
            let card = card.raw("3F00/7F50/6432", document.clone());
            assert_eq!(documents(&card.read()), [document.clone()]);
        }
    }
    let padded = uicc().raw("3F00/7F50/6432", [DOCUMENT, &[0xFF; 700]].concat());
    assert_eq!(documents(&padded.read()), [DOCUMENT]);
}

#[test]
fn a_slice_is_read_exactly_and_one_that_is_cut_short_is_trouble() {
    let entry =
        |length: u8| format!("3018300030060604672B0701A10C300A040264320201038001{length:02X}");
    let card = |length| {
        uicc()
            .dodf(&entry(length))
            .raw("3F00/7F50/6432", b"xxx{\"a\":1}zzz".to_vec())
    };
    assert_eq!(documents(&card(7).read()), [b"{\"a\":1}".to_vec()]);
    assert_eq!(
        trouble(&card(20).read()),
        CardTrouble::ContentCutShort(Octets(10))
    );
}

#[test]
fn a_pin_is_verified_where_it_is_needed() {
    for card in [uicc(), sim(), iso()] {
        let card = card.guarded("1234", 3);
        assert_eq!(trouble(&card.read()), CardTrouble::PinMissing);
        assert_eq!(
            documents(&read(&mut card.card(), &with_pin("1234"))),
            [DOCUMENT]
        );
    }
}

#[test]
fn a_wrong_pin_is_tried_once_and_never_with_less_than_two_tries() {
    for card in [uicc(), sim()] {
        let mut wrong = card
            .clone()
            .guarded("1234", 3)
            .dodf(&format!("{}{}", cards::entry("6432"), cards::entry("6433")))
            .with(
                CardFile::transparent("3F00/7F50/6433".parse().unwrap(), b"[3]".to_vec())
                    .read_by(CardAccess::Pin),
            )
            .card();
        assert_eq!(
            trouble(&read(&mut wrong, &with_pin("9999"))),
            CardTrouble::PinWrong(PinTries(2))
        );
        assert_eq!(
            wrong.description().pin.unwrap().tries,
            2,
            "two entries, one try"
        );
        let mut low = card.clone().guarded("1234", 1).card();
        assert_eq!(
            trouble(&read(&mut low, &with_pin("1234"))),
            CardTrouble::PinTriesLow(PinTries(1))
        );
        let mut blocked = card.guarded("1234", 0).card();
        assert_eq!(
            trouble(&read(&mut blocked, &with_pin("1234"))),
            CardTrouble::PinBlocked
        );
    }
}

#[test]
fn a_file_that_only_the_issuer_reads_is_told_from_one_with_a_pin() {
    for card in [uicc(), sim()] {
        let file = CardFile::transparent("3F00/7F50/6432".parse().unwrap(), DOCUMENT.to_vec());
        let card = card
            .guarded("1234", 3)
            .with(file.read_by(CardAccess::Issuer));
        assert_eq!(
            trouble(&read(&mut card.card(), &with_pin("1234"))),
            CardTrouble::IssuerOnly
        );
    }
}

#[test]
fn without_ef_dir_the_application_is_found_by_aid_or_at_its_customary_places() {
    assert_eq!(documents(&uicc().without("3F00/2F00").read()), [DOCUMENT]);
    assert_eq!(documents(&sim().without("3F00/2F00").read()), [DOCUMENT]);
    assert_eq!(
        documents(&iso().without("3F00/2F00").moved("7F50", "5015").read()),
        [DOCUMENT]
    );
    let mut unnamed = uicc().without("3F00/2F00");
    unnamed.0.applications.clear();
    assert_eq!(documents(&unnamed.read()), [DOCUMENT]);
}

#[test]
fn a_card_without_pkcs15_or_odf_definitely_has_no_bootstrap() {
    for mut card in [uicc(), sim(), iso()] {
        card.0.files.retain(|file| file.path.files().len() == 2);
        card.0.applications.clear();
        assert!(matches!(card.read().outcome, CardOutcome::NoBootstrap));
    }
}

#[test]
fn a_card_without_channels_fcp_paths_or_sizes_is_read_all_the_same() {
    let set: [fn(&mut Card); 5] = [
        |card| card.0.quirks.no_channels = true,
        |card| card.0.quirks.no_fcp = true,
        |card| card.0.quirks.no_path = true,
        |card| card.0.quirks.exact_length = true,
        |card| card.0.quirks.no_sizes = true,
    ];
    for quirk in set {
        for mut card in [uicc(), iso()] {
            quirk(&mut card);
            assert_eq!(documents(&card.read()), [DOCUMENT], "{:?}", card.0.quirks);
        }
    }
}

#[test]
fn a_padded_aid_is_selected_as_ef_dir_gives_it() {
    let aid = "A000000063504B43532D313500000000";
    let mut card = uicc().records(&[&format!("61184F10{aid}51043F007F50")]);
    card.0.applications[0].aid = aid.to_owned().try_into().unwrap();
    assert_eq!(documents(&card.read()), [DOCUMENT]);
}

#[test]
fn a_card_that_refuses_every_application_is_not_known_to_have_none() {
    let mut card = uicc();
    card.0.quirks.refuses_applications = true;
    assert_eq!(documents(&card.read()), [DOCUMENT], "the path finds it");
    card.0.files.retain(|file| file.path.files().len() == 2);
    card = card.without("3F00/2F00");
    assert_eq!(trouble(&card.read()), CardTrouble::ApplicationRefused);
}

#[test]
fn a_deactivated_or_missing_file_holds_no_bootstrap() {
    for card in [uicc(), sim(), iso()] {
        let mut off = card.clone();
        off.0
            .files
            .iter_mut()
            .for_each(|file| file.deactivated |= file.path.to_string().ends_with("6432"));
        for card in [off, card.without("3F00/7F50/6432")] {
            let reading = card.read();
            let CardOutcome::Read(entries) = &reading.outcome else {
                panic!("{reading:?}")
            };
            assert!(matches!(entries[0].content, Ok(None)), "{reading:?}");
        }
    }
}

#[test]
fn without_an_iccid_the_serial_number_or_the_content_names_the_card() {
    let bare = || iso().without("3F00/2FE2");
    let serial = bare().file(
        "3F00/7F50/5032",
        "3029020100040801020304050607080C047465737480104F4D4120444D2074657374206361726403020780",
    );
    assert_eq!(
        serial.read().identity.unwrap().to_string(),
        "serial:0102030405060708"
    );
    let content = bare().without("3F00/7F50/5032").read().identity.unwrap();
    assert!(matches!(content, CardIdentity::ContentHash(_)));
}

#[test]
fn a_lock_is_judged_before_any_pkcs15_access() {
    let subscriber = |card: Card| {
        card.file("3F00/7F20/6F07", "082926101032547698")
            .file("3F00/7F20/6FAD", "00000002")
            .file("3F00/7F20/6F3E", "A1FFFFFF")
    };
    for card in [subscriber(uicc()), subscriber(sim())] {
        for (settings, reason) in [
            (locked(&["26201"], &["8949"], &["A1"]), None),
            (
                locked(&["26202"], &[], &[]),
                Some(LockReason::Foreign(LockValue::Network)),
            ),
            (
                locked(&["262010"], &[], &[]),
                Some(LockReason::Foreign(LockValue::Network)),
            ),
            (
                locked(&[], &["8901"], &[]),
                Some(LockReason::Foreign(LockValue::Iccid)),
            ),
            (
                locked(&[], &[], &["A2"]),
                Some(LockReason::Foreign(LockValue::Gid1)),
            ),
        ] {
            let mut card = card.card();
            let reading = read(&mut card, &settings);
            match (&reading.outcome, reason) {
                (CardOutcome::Rejected(found), Some(reason)) => assert_eq!(*found, reason),
                (CardOutcome::Read(_), None) => continue,
                _ => panic!("{reading:?}"),
            }
            let touched = |command: &[u8]| {
                let text = cards::hex(command);
                ["504B4353", "5031", "6430", "6432", "7F50"]
                    .iter()
                    .any(|part| text.contains(part))
            };
            assert!(!card.log().any(touched), "PKCS#15 was accessed");
        }
    }
}

#[test]
fn a_lock_whose_value_cannot_be_read_rejects_the_card() {
    let unreadable = |reading: &CardReading, value| matches!(&reading.outcome, CardOutcome::Rejected(LockReason::Unreadable(found)) if *found == value);
    assert!(unreadable(
        &read(&mut iso().card(), &locked(&["26201"], &[], &[])),
        LockValue::Network
    ));
    assert!(unreadable(
        &read(
            &mut iso().without("3F00/2FE2").card(),
            &locked(&[], &["8949"], &[])
        ),
        LockValue::Iccid
    ));
    let imsi = CardFile::transparent(
        "3F00/7F20/6F07".parse().unwrap(),
        vec![8, 0x29, 0x26, 0x10, 0x10, 0x32, 0x54, 0x76, 0x98],
    );
    let mut guarded = sim().with(imsi.read_by(CardAccess::Pin));
    guarded.0.pin = Some(SecretCode {
        value: "1234".to_owned(),
        tries: 3,
        reference: None,
    });
    assert!(unreadable(
        &read(&mut guarded.card(), &locked(&["26201"], &[], &[])),
        LockValue::Network
    ));
}
