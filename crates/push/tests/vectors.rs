//! The worked octets of `push.md` §2, §3, §5 and §7, written and read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use omadm_push::sms::{
    Part, Ports, Reassembler, ReassemblyLimits, Reference, SegmentError, Taken, UserData,
    UserDataError, segment,
};
use omadm_push::wsp::{
    ApplicationId, ContentType, HeaderText, Mac, MediaName, Push, Sec, Security, WspFault,
    well_known,
};

/// §5.1: the client provisioning document.
const DOCUMENT: &str = "030b6a0f636f6d2e6578616d706c652e646d00c54503312e310001c6000155018736000006037737000187000138000006830001870706034578616d706c6520444d0001c600
01560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d3132000187000135000006035552490001c653018723060334343300010101c600015701
873000000600018d018733000006000193018731000006036465762d30303100018700013200000603636c69656e74707700018700012f00000603626d3975593255744d513d
3d000101c600015701873000000603434c49454e540001870001330000060001930187310000068300018700013200000603736572766572707700018700012f00000603626d
3975593255744d673d3d000101870503494e495400010101";
/// §5.2: its MAC with SEC 1 and PIN 1234.
const MAC: &str = "749020C3226ECAED28F70221862C51FF7FF9727D";
/// §5.3: its parts under reference 0x5A.
const PARTS: [&str; 3] = [
    "0b05040b8423f000035a030101062f1f2db69181923734393032304333323236454341454432384637303232313836324335314646374646393732374400030b6a0f636f6d2e6578616d706c652e646d00c54503312e310001c6000155018736000006037737000187000138000006830001870706034578616d706c6520444d0001c6000156018734000006",
    "0b05040b8423f000035a03020368747470733a2f2f646d2e6578616d706c652e636f6d2f646d3132000187000135000006035552490001c653018723060334343300010101c600015701873000000600018d018733000006000193018731000006036465762d30303100018700013200000603636c69656e74707700018700012f00000603626d3975593255",
    "0b05040b8423f000035a0303744d513d3d000101c600015701873000000603434c49454e540001870001330000060001930187310000068300018700013200000603736572766572707700018700012f00000603626d3975593255744d673d3d000101870503494e495400010101",
];
/// §5.4: the trigger of DM 1.x, its WSP and its SMS.
const TRIGGER: &str =
    "69485ccb0bca27714e52a4bbaadd8f51 02e8000000 1234 0e 636f6d2e6578616d706c652e646d";
/// §7: the type of DM 2.0 Notifications.
const NOTIFICATION_TYPE: &str = "application/vnd.oma.dm.notification";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn text(text: &str) -> HeaderText {
    HeaderText::new(text).unwrap()
}

fn signed(code: u32, sec: Sec, mac: &str) -> ContentType {
    ContentType {
        media: MediaName::Code(code),
        security: Some(Security {
            sec,
            mac: Some(Mac::parse(mac).unwrap()),
        }),
    }
}

fn provisioning() -> Push {
    Push {
        transaction_id: 1,
        content_type: signed(well_known::CONNECTIVITY_WBXML, Sec::UserPin, MAC),
        application_id: None,
        body: octets(DOCUMENT),
    }
}

fn only_part(push: &Push) -> Vec<u8> {
    let mut parts = segment(&push.encode(), Ports::PUSH, Reference::Octet(0), 8).unwrap();
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

#[test]
fn a_signed_bootstrap_is_the_pdu_of_5_2() {
    let push = provisioning();
    assert_eq!(push.body.len(), 304);
    let pdu = push.encode();
    assert_eq!(pdu.len(), 354);
    let head = octets(
        "01 06 2F 1F 2D B6 91 81 92 37343930323043333232364543414544323846373032323138363243353146463746463937323744 00",
    );
    assert_eq!(pdu[..50], head);
    assert_eq!(Push::decode(&pdu).unwrap(), push);
}

#[test]
fn a_signed_bootstrap_is_the_three_parts_of_5_3() {
    let pdu = provisioning().encode();
    let parts = segment(&pdu, Ports::PUSH, Reference::Octet(0x5A), 8).unwrap();
    assert_eq!(
        parts.iter().map(Vec::len).collect::<Vec<_>>(),
        [140, 140, 110]
    );
    assert_eq!(parts, PARTS.map(octets));
    let mut reassembler = Reassembler::new(ReassemblyLimits::default());
    for (nth, part) in [(3, 2), (1, 0), (1, 0), (2, 1)] {
        let received = UserData::read(&parts[part]).unwrap();
        assert_eq!(received.ports, Some(Ports::PUSH));
        assert_eq!(
            received.part,
            Some(Part::new(Reference::Octet(0x5A), 3, nth).unwrap())
        );
        if let Taken::Whole(whole) = reassembler.take(Duration::ZERO, &"1", &received) {
            assert_eq!(whole, pdu);
            return;
        }
    }
    unreachable!("never whole");
}

#[test]
fn a_dm_1_trigger_is_the_51_octets_of_5_4() {
    let push = Push {
        transaction_id: 2,
        content_type: MediaName::Code(well_known::SYNCML_NOTIFICATION).into(),
        application_id: Some(ApplicationId::SYNCML_DM),
        body: octets(TRIGGER),
    };
    let pdu = push.encode();
    assert_eq!(pdu.len(), 44);
    assert_eq!(pdu[..6], octets("02 06 03 C4 AF 87"));
    let sms = only_part(&push);
    assert_eq!(sms.len(), 51);
    assert_eq!(sms[..13], octets("06 05040b8423f0 020603c4af87"));
    assert_eq!(Push::decode(&pdu).unwrap(), push);
}

#[test]
fn what_a_push_proxy_makes_of_it_is_read_too() {
    let body = octets(TRIGGER);
    let mut pdu = octets(
        "01 06 45 6170706c69636174696f6e2f766e642e73796e636d6c2e6e6f74696669636174696f6e00 582d5741502d507573682d4f54412d56657273696f6e00312e3000 af87 8da6 c393",
    );
    pdu.extend(&body);
    assert_eq!(pdu.len(), 110);
    let push = Push::decode(&pdu).unwrap();
    let media = MediaName::Text(text("application/vnd.syncml.notification"));
    assert_eq!(push.content_type, media.into());
    assert_eq!(push.application_id, Some(ApplicationId::SYNCML_DM));
    assert_eq!(push.body, body);
}

#[test]
fn a_dm_profile_bootstrap_has_the_head_of_5_5() {
    let push = Push {
        transaction_id: 3,
        content_type: signed(well_known::SYNCML_DM_WBXML, Sec::NetwPin, MAC),
        application_id: Some(ApplicationId::SYNCML_DM),
        body: octets("02 A4 01 6A 00"),
    };
    let pdu = push.encode();
    assert_eq!(pdu[..9], octets("03 06 31 1F 2D C2 91 80 92"));
    assert_eq!(pdu[49..52], octets("00 AF 87"));
    assert_eq!(Push::decode(&pdu).unwrap(), push);
}

#[test]
fn a_dm_2_notification_is_the_one_sms_of_7() {
    let notification = |body: Vec<u8>| Push {
        transaction_id: 1,
        content_type: MediaName::Text(text(NOTIFICATION_TYPE)).into(),
        application_id: Some(ApplicationId::SYNCML_DM),
        body,
    };
    let push = notification(octets("11 00 13 64 6D 31 50"));
    let sms = only_part(&push);
    assert_eq!(sms.len(), 55);
    assert_eq!(
        sms,
        octets(
            "0605040b8423f00106266170706c69636174696f6e2f766e642e6f6d612e646d2e6e6f74696669636174696f6e00af87110013646d3150"
        )
    );
    assert_eq!(only_part(&notification(vec![0; 92])).len(), 140);
    let two = notification(vec![0; 93]).encode();
    assert_eq!(
        segment(&two, Ports::PUSH, Reference::Octet(0), 8)
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn the_boundaries_of_3() {
    let count = |octets: usize, reference| {
        segment(&vec![0; octets], Ports::PUSH, reference, 255).map(|parts| parts.len())
    };
    let (octet, word) = (Reference::Octet(7), Reference::Word(7));
    for (octets, reference, parts) in [
        (0, octet, 1),
        (133, octet, 1),
        (134, octet, 2),
        (256, octet, 2),
        (257, octet, 3),
        (254, word, 2),
        (255, word, 3),
        (255 * 128, octet, 255),
    ] {
        assert_eq!(count(octets, reference), Ok(parts), "{octets}");
    }
    assert_eq!(
        count(255 * 128 + 1, octet),
        Err(SegmentError::TooLong {
            octets: 255 * 128 + 1,
            parts: 256,
            most: 255
        })
    );
    let nine = segment(&[0; 128 * 9], Ports::PUSH, octet, 8);
    assert!(nine.unwrap_err().to_string().contains("need 9 SMS"));
    let word = segment(&[0; 134], Ports::PUSH, Reference::Word(0x1234), 8).unwrap();
    assert_eq!(word[1][..13], octets("0C 05040B8423F0 0804 1234 02 02"));
}

#[test]
fn elements_in_another_order_and_unknown_ones_are_read() {
    let given = octets("0F 7002AABB 0003 5A 02 01 0504 0B84 23F0 FF");
    let received = UserData::read(&given).unwrap();
    assert_eq!(received.ports, Some(Ports::PUSH));
    assert_eq!(
        received.part,
        Some(Part::new(Reference::Octet(0x5A), 2, 1).unwrap())
    );
    assert_eq!(received.data, [0xFF]);
    assert_eq!(UserData::read(&octets("00 41")).unwrap().data, [0x41]);
    for (given, fault) in [
        ("", UserDataError::Cut),
        ("05 0003", UserDataError::Cut),
        ("03 000300", UserDataError::Cut),
        ("01 00", UserDataError::Cut),
        ("04 0002 5A 02", UserDataError::Element(0, 2)),
        (
            "05 0003 5A 02 00",
            UserDataError::Part { index: 0, total: 2 },
        ),
        (
            "05 0003 5A 02 03",
            UserDataError::Part { index: 3, total: 2 },
        ),
    ] {
        assert_eq!(UserData::read(&octets(given)), Err(fault), "{given}");
    }
}

#[test]
fn security_is_read_in_every_form() {
    let digits = "37343930323043333232364543414544323846373032323138363243353146463746463937323744";
    let small: String = octets(digits)
        .iter()
        .map(|digit| format!("{:02x}", digit.to_ascii_lowercase()))
        .collect();
    let wanted = provisioning().content_type;
    for head in [
        format!("B6 91 81 92 {digits} 00"),
        format!("B6 91 81 92 7F {digits} 00"),
        format!("B6 91 81 92 22 {digits} 00"),
        format!("B6 91 01 01 92 {small} 00"),
        format!("B6 92 {digits} 00 91 81"),
        format!("B6 90 05 11 22 33 44 55 91 81 8A 41 00 78 2D 79 00 31 00 92 {digits} 00"),
        format!("01 36 91 81 92 {digits} 00"),
    ] {
        let value = octets(&head);
        let mut pdu = vec![9, 6, u8::try_from(value.len() + 2).unwrap(), 31];
        pdu.push(u8::try_from(value.len()).unwrap());
        pdu.extend(value);
        assert_eq!(Push::decode(&pdu).unwrap().content_type, wanted, "{head}");
    }
}

#[test]
fn a_broken_pdu_is_told_by_its_octet() {
    for (given, at, fault) in [
        ("", 0, WspFault::Cut),
        ("01 04 01 C4", 1, WspFault::NotPush(4)),
        ("01 06 02 C4", 3, WspFault::Cut),
        ("01 06 00", 3, WspFault::Cut),
        ("01 06 FF FF FF FF FF 01", 2, WspFault::Number),
        ("01 06 02 C4 00", 4, WspFault::HeaderName(0)),
        ("01 06 04 03 B6 91 84", 6, WspFault::Sec(4)),
        ("01 06 06 05 B6 92 41 42 00", 6, WspFault::Mac),
        ("01 06 03 61 62 63", 6, WspFault::Cut),
    ] {
        let error = Push::decode(&octets(given)).unwrap_err();
        assert_eq!((error.at, error.fault), (at, fault), "{given}");
    }
    let unsigned = format!("01 06 2D 1F 2B B6 92 {} 00", "30".repeat(40));
    let error = Push::decode(&octets(&unsigned)).unwrap_err();
    assert_eq!(error.fault, WspFault::MacWithoutSec);
}
