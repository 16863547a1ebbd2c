use omadm_dm1::bootstrap_mac::{
    BootstrapProfileKind, Esn, Imsi, ImsiKey, bootstrap_mac, user_pin_mac_code,
};
use omadm_mo::Secret;
use omadm_push::wsp::{Mac, Sec, Security};

use super::{
    AwaitedPin, MAX_DOCUMENT, PinJudged, PushFault, PushJudged, PushKeys, PushProof,
    PushedBootstrap, push_key,
};

const IMSI: &str = "310150123456789";
const PIN: &[u8] = b"1234";
/// What it holds is nobody's business before the proof is right.
const DOCUMENT: &[u8] = b"\x03\x0b\x6a\x00 no document at all";

fn pin(digits: &[u8]) -> Secret {
    Secret::new(digits.to_vec())
}

fn keys() -> PushKeys {
    PushKeys {
        subscribers: vec![
            Imsi::parse("25001123456789").unwrap().into(),
            Imsi::parse(IMSI).unwrap().into(),
        ],
        user_pin_mac: false,
    }
}

fn signed(sec: Sec, profile: BootstrapProfileKind, form: ImsiKey) -> PushedBootstrap {
    let imsi = Imsi::parse(IMSI).unwrap().into();
    let key = push_key(sec, profile, Some(&imsi), Some(&pin(PIN)), form).unwrap();
    PushedBootstrap {
        profile,
        security: Some(Security {
            sec,
            mac: Some(Mac::new(bootstrap_mac(key.expose(), DOCUMENT))),
        }),
        document: Secret::new(DOCUMENT.to_vec()),
    }
}

fn awaited(pushed: &PushedBootstrap, keys: &PushKeys) -> AwaitedPin {
    match pushed.judge(keys) {
        PushJudged::NeedsPin(awaited) => awaited,
        other => panic!("{other:?}"),
    }
}

#[test]
fn b1_c_02_a_push_is_proved_by_network_id_pin_or_both_in_either_profile() {
    for profile in [BootstrapProfileKind::Cp, BootstrapProfileKind::Dm] {
        let by_network = signed(Sec::NetwPin, profile, ImsiKey::SemiOctet);
        let proved = PushJudged::Proved(PushProof::NetworkId);
        assert_eq!(by_network.judge(&keys()), proved, "{profile:?}");
        for (sec, proof) in [
            (Sec::UserPin, PushProof::UserPin),
            (Sec::UserNetwPin, PushProof::Both),
        ] {
            let pushed = signed(sec, profile, ImsiKey::SemiOctet);
            let judged = awaited(&pushed, &keys()).answer(&pin(PIN), &keys());
            assert_eq!(judged, PinJudged::Right(proof, pushed), "{profile:?}");
        }
    }
}

#[test]
fn b1_c_02_a_cdma_device_proves_a_push_by_its_esn() {
    let esn = Esn::parse("80A1B2C3").unwrap().into();
    let keys = PushKeys {
        subscribers: vec![esn],
        user_pin_mac: false,
    };
    let typed = pin(PIN);
    for (sec, profile, key) in [
        (
            Sec::NetwPin,
            BootstrapProfileKind::Cp,
            b"\x80\xA1\xB2\xC3".to_vec(),
        ),
        (Sec::NetwPin, BootstrapProfileKind::Dm, b"80A1B2C3".to_vec()),
        (
            Sec::UserNetwPin,
            BootstrapProfileKind::Cp,
            b"\x80\xA1\xB2\xC31234".to_vec(),
        ),
        (
            Sec::UserNetwPin,
            BootstrapProfileKind::Dm,
            b"1234:\x80\xA1\xB2\xC3".to_vec(),
        ),
    ] {
        let mac = Mac::new(bootstrap_mac(&key, DOCUMENT));
        let pushed = PushedBootstrap {
            profile,
            security: Some(Security {
                sec,
                mac: Some(mac),
            }),
            document: Secret::new(DOCUMENT.to_vec()),
        };
        match sec {
            Sec::NetwPin => {
                let proved = PushJudged::Proved(PushProof::NetworkId);
                assert_eq!(pushed.judge(&keys), proved, "{profile:?}");
            }
            _ => {
                let judged = awaited(&pushed, &keys).answer(&typed, &keys);
                let right = PinJudged::Right(PushProof::Both, pushed);
                assert_eq!(judged, right, "{profile:?}");
            }
        }
    }
}

#[test]
fn b1_c_02_the_worked_documents_are_proved_by_their_worked_macs() {
    let document = hex(include_str!("../../tests/data/cp-bootstrap.hex"));
    for (sec, mac) in [
        (Sec::NetwPin, "97F464972D78E7ECA7C6FD348718B1CBA6F96EC7"),
        (Sec::UserPin, "4C6FAC2BBE4D6F24AE1157B2EF7AC9014E19564F"),
        (Sec::UserNetwPin, "5C535C7C1CE378328EE7D5FB96DC0387EA438FDE"),
    ] {
        let pushed = PushedBootstrap {
            profile: BootstrapProfileKind::Cp,
            security: Some(Security {
                sec,
                mac: Some(Mac::parse(mac).unwrap()),
            }),
            document: Secret::new(document.clone()),
        };
        match pushed.judge(&keys()) {
            PushJudged::Proved(_) => assert_eq!(sec, Sec::NetwPin),
            PushJudged::NeedsPin(awaited) => {
                let judged = awaited.answer(&pin(PIN), &keys());
                assert!(matches!(judged, PinJudged::Right(..)), "{sec:?}");
            }
            PushJudged::Dropped(fault) => panic!("{sec:?}: {fault}"),
        }
    }
}

#[test]
fn b1_c_02_a_wrong_mac_or_none_drops_the_push_unread() {
    let mut pushed = signed(Sec::NetwPin, BootstrapProfileKind::Cp, ImsiKey::SemiOctet);
    pushed.document = Secret::new([DOCUMENT, b"x"].concat());
    let dropped = |fault| PushJudged::Dropped(fault);
    assert_eq!(pushed.judge(&keys()), dropped(PushFault::WrongMac));
    for sec in [Sec::NetwPin, Sec::UserPin, Sec::UserNetwPin] {
        pushed.security = Some(Security { sec, mac: None });
        assert_eq!(pushed.judge(&keys()), dropped(PushFault::Unsigned));
    }
    pushed.security = None;
    assert_eq!(pushed.judge(&keys()), dropped(PushFault::Unsigned));
    let nobody = PushKeys::default();
    for sec in [Sec::NetwPin, Sec::UserNetwPin] {
        let pushed = signed(sec, BootstrapProfileKind::Dm, ImsiKey::SemiOctet);
        assert_eq!(pushed.judge(&nobody), dropped(PushFault::NoSubscriber));
    }
}

#[test]
fn a_document_that_is_too_long_is_not_even_hashed() {
    let mut pushed = signed(Sec::UserPin, BootstrapProfileKind::Cp, ImsiKey::SemiOctet);
    pushed.document = Secret::new(vec![0; MAX_DOCUMENT + 1]);
    let fault = PushFault::TooLong(MAX_DOCUMENT + 1);
    assert_eq!(pushed.judge(&keys()), PushJudged::Dropped(fault));
}

#[test]
fn a_number_as_ascii_proves_the_dm_profile_and_costs_no_try_and_never_client_provisioning() {
    let dm = signed(Sec::UserNetwPin, BootstrapProfileKind::Dm, ImsiKey::Ascii);
    let awaited = awaited(&dm, &keys());
    assert_eq!(awaited.tries_left(), 3);
    let judged = awaited.answer(&pin(PIN), &keys());
    assert_eq!(judged, PinJudged::Right(PushProof::Both, dm));
    let network = signed(Sec::NetwPin, BootstrapProfileKind::Dm, ImsiKey::Ascii);
    let proved = PushJudged::Proved(PushProof::NetworkId);
    assert_eq!(network.judge(&keys()), proved);
    let cp = signed(Sec::NetwPin, BootstrapProfileKind::Cp, ImsiKey::Ascii);
    let wrong = PushJudged::Dropped(PushFault::WrongMac);
    assert_eq!(cp.judge(&keys()), wrong);
}

#[test]
fn three_wrong_pins_drop_the_push_and_a_restart_gives_none_back() {
    let pushed = signed(Sec::UserPin, BootstrapProfileKind::Cp, ImsiKey::SemiOctet);
    let mut waits = awaited(&pushed, &keys());
    for left in [2, 1] {
        waits = match waits.answer(&pin(b"0000"), &keys()) {
            PinJudged::Wrong(waits) => waits,
            other => panic!("{other:?}"),
        };
        assert_eq!(waits.tries_left(), left);
        let again = awaited(&pushed, &keys()).with_tries_left(left);
        assert_eq!(again, waits);
    }
    let last = waits.clone().answer(&pin(b"9999"), &keys());
    assert_eq!(last, PinJudged::Exhausted);
    let over = waits.with_tries_left(0).answer(&pin(PIN), &keys());
    assert_eq!(over, PinJudged::Exhausted);
}

#[test]
fn a_typed_code_is_a_proof_where_policy_takes_it_and_the_code_is_of_this_document() {
    let pushed = PushedBootstrap {
        security: Some(Security {
            sec: Sec::UserPinMac,
            mac: None,
        }),
        ..signed(Sec::UserPin, BootstrapProfileKind::Cp, ImsiKey::SemiOctet)
    };
    let refused = PushJudged::Dropped(PushFault::UserPinMac);
    assert_eq!(pushed.judge(&keys()), refused);
    let keys = PushKeys {
        user_pin_mac: true,
        ..keys()
    };
    let code = user_pin_mac_code(&pin(b"12345678"), DOCUMENT).unwrap();
    let right = awaited(&pushed, &keys).answer(&code, &keys);
    assert!(matches!(right, PinJudged::Right(PushProof::UserPin, _)));
    let other = user_pin_mac_code(&pin(b"12345678"), b"another document").unwrap();
    for wrong in [&other, &pin(b"12345678"), &pin(b""), &pin(b"1")] {
        let judged = awaited(&pushed, &keys).answer(wrong, &keys);
        assert!(matches!(judged, PinJudged::Wrong(_)));
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| Some(u8::try_from(digit.to_digit(16)?).unwrap()))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
