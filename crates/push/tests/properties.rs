//! What holds for any push and any parts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use omadm_push::sms::{
    Dropped, Ports, Reassembler, ReassemblyLimits, Reference, Taken, UserData, segment,
};
use omadm_push::wsp::{
    ApplicationId, ContentType, HeaderText, Mac, MediaName, Push, Sec, Security,
};
use proptest::prelude::*;

fn header_text() -> impl Strategy<Value = HeaderText> {
    "[!#-~][ -~]{0,60}".prop_map(|text| HeaderText::new(text).unwrap())
}

fn security() -> impl Strategy<Value = Security> {
    let sec = (0_u32..4).prop_map(|code| Sec::of(code).unwrap());
    let mac = proptest::option::of(any::<[u8; 20]>().prop_map(Mac::new));
    (sec, mac).prop_map(|(sec, mac)| Security { sec, mac })
}

fn push() -> impl Strategy<Value = Push> {
    let media = prop_oneof![
        any::<u32>().prop_map(MediaName::Code),
        header_text().prop_map(MediaName::Text)
    ];
    let id = prop_oneof![
        any::<u32>().prop_map(ApplicationId::Code),
        header_text().prop_map(ApplicationId::Uri)
    ];
    (
        any::<u8>(),
        media,
        proptest::option::of(security()),
        proptest::option::of(id),
        proptest::collection::vec(any::<u8>(), 0..600),
    )
        .prop_map(
            |(transaction_id, media, security, application_id, body)| Push {
                transaction_id,
                content_type: ContentType { media, security },
                application_id,
                body,
            },
        )
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        any::<u8>().prop_map(Reference::Octet),
        any::<u16>().prop_map(Reference::Word)
    ]
}

proptest! {
    #[test]
    fn a_push_that_is_written_is_read_as_the_same(push in push()) {
        prop_assert_eq!(Push::decode(&push.encode()).unwrap(), push);
    }

    #[test]
    fn any_octets_are_a_push_or_an_error_within_them(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Err(error) = Push::decode(&octets) {
            prop_assert!(error.at <= octets.len());
        }
    }

    #[test]
    fn parts_in_any_order_and_doubled_make_one_whole(
        datagram in proptest::collection::vec(any::<u8>(), 134..1000),
        reference in reference(),
        order in any::<[prop::sample::Index; 24]>(),
    ) {
        let parts = segment(&datagram, Ports::PUSH, reference, 8).unwrap();
        prop_assert!(parts.iter().all(|part| part.len() <= 140));
        let mut reassembler = Reassembler::new(ReassemblyLimits::default());
        let mut wholes = 0;
        let picked = order.iter().map(|index| index.get(&parts)).chain(&parts);
        for part in picked {
            let received = UserData::read(part).unwrap();
            if let Taken::Whole(whole) = reassembler.take(Duration::ZERO, &1, &received) {
                prop_assert_eq!(&whole, &datagram);
                wholes += 1;
            }
        }
        prop_assert_eq!(wholes, 1);
    }

    #[test]
    fn what_waits_stays_within_its_bounds(
        parts in proptest::collection::vec((0_u8..3, 1_u8..5, 1_u8..5, 0_usize..140, 0_u64..40), 1..200),
    ) {
        let limits = ReassemblyLimits { parts: 4, messages: 3, octets: 300, lifetime: Duration::from_secs(60) };
        let mut reassembler = Reassembler::new(limits);
        let mut now = Duration::ZERO;
        for (reference, total, index, octets, pause) in parts {
            now += Duration::from_secs(pause);
            let mut user_data = vec![0x05, 0x00, 0x03, reference, total, index.min(total)];
            user_data.resize(6 + octets, reference);
            let _taken = reassembler.take(now, &(), &UserData::read(&user_data).unwrap());
            prop_assert!(reassembler.octets() <= 300);
        }
        let _lost = reassembler.expire(now + Duration::from_secs(60));
        prop_assert_eq!(reassembler.octets(), 0);
    }
}

fn part(reference: u8, total: u8, index: u8, data: &[u8]) -> Vec<u8> {
    [&[0x05, 0x00, 0x03, reference, total, index], data].concat()
}

fn take(
    reassembler: &mut Reassembler<&str>,
    seconds: u64,
    from: &'static str,
    part: &[u8],
) -> Taken {
    let received = UserData::read(part).unwrap();
    reassembler.take(Duration::from_secs(seconds), &from, &received)
}

#[test]
fn a_part_that_comes_too_late_begins_anew() {
    let mut reassembler = Reassembler::new(ReassemblyLimits::default());
    let waiting = Taken::Waiting { have: 1, total: 2 };
    assert_eq!(
        take(&mut reassembler, 0, "a", &part(1, 2, 1, b"x")),
        waiting
    );
    assert_eq!(reassembler.expire(Duration::from_secs(599)), 0);
    assert_eq!(
        take(&mut reassembler, 600, "a", &part(1, 2, 2, b"y")),
        waiting
    );
    let whole = take(&mut reassembler, 601, "a", &part(1, 2, 1, b"x"));
    assert_eq!(whole, Taken::Whole(b"xy".to_vec()));
    assert_eq!(
        take(&mut reassembler, 602, "a", &part(1, 2, 1, b"x")),
        Taken::Duplicate
    );
    assert_eq!(reassembler.expire(Duration::from_secs(2000)), 0);
}

#[test]
fn parts_of_others_and_a_reference_in_use_again_are_never_mixed() {
    let mut reassembler = Reassembler::new(ReassemblyLimits::default());
    let waiting = Taken::Waiting { have: 1, total: 2 };
    assert_eq!(
        take(&mut reassembler, 0, "a", &part(1, 2, 1, b"x")),
        waiting
    );
    assert_eq!(
        take(&mut reassembler, 0, "b", &part(1, 2, 2, b"y")),
        waiting
    );
    assert_eq!(
        take(&mut reassembler, 1, "a", &part(1, 2, 1, b"X")),
        waiting
    );
    let whole = take(&mut reassembler, 2, "a", &part(1, 2, 2, b"Y"));
    assert_eq!(whole, Taken::Whole(b"XY".to_vec()));
    // The next message under this reference, though the last one is still known.
    assert_eq!(
        take(&mut reassembler, 3, "a", &part(1, 2, 2, b"2")),
        waiting
    );
    let whole = take(&mut reassembler, 3, "a", &part(1, 2, 1, b"1"));
    assert_eq!(whole, Taken::Whole(b"12".to_vec()));
}

#[test]
fn a_message_of_too_many_parts_is_dropped() {
    let mut reassembler = Reassembler::new(ReassemblyLimits::default());
    let dropped = take(&mut reassembler, 0, "a", &part(1, 9, 1, b"x"));
    assert_eq!(dropped, Taken::Dropped(Dropped::Parts(9, 8)));
    assert_eq!(reassembler.octets(), 0);
}
