//! WSP, SMS user data and SMPP.

use std::time::Duration;

use omadm_push::sms::{Ports, Reassembler, ReassemblyLimits, Reference, Taken, UserData, segment};
use omadm_push::wsp::Push;
use omadm_smpp::delivered;

use crate::parts;

/// Small bounds, so that inputs of a few octets reach them.
const SMALL: ReassemblyLimits = ReassemblyLimits {
    parts: 4,
    messages: 3,
    octets: 200,
    lifetime: Duration::from_secs(100),
};

/// A push that was read is written as one that is read as the same.
pub fn wsp_push(octets: &[u8]) {
    match Push::decode(octets) {
        Ok(push) => {
            let again = Push::decode(&push.encode()).expect("what was written is a push");
            assert_eq!(again, push);
        }
        Err(error) => assert!(error.at <= octets.len()),
    }
}

/// What waits stays within its bounds, whoever sends what when; a datagram that was cut is whole again, once, in whatever order its parts come.
pub fn sms_reassembly(octets: &[u8]) {
    let mut reassembler = Reassembler::new(SMALL);
    let mut now = Duration::ZERO;
    for part in parts(octets) {
        let [originator, pause, user_data @ ..] = part else {
            continue;
        };
        now += Duration::from_secs(u64::from(*pause));
        let Ok(received) = UserData::read(user_data) else {
            continue;
        };
        match reassembler.take(now, originator, &received) {
            Taken::Whole(whole) if received.part.is_none() => assert_eq!(whole, received.data),
            Taken::Whole(whole) => assert!(whole.len() <= SMALL.octets),
            Taken::Waiting { have, total } => assert!(have < total && total <= SMALL.parts),
            Taken::Duplicate | Taken::Dropped(_) => {}
        }
        assert!(reassembler.octets() <= SMALL.octets);
    }
    let _lost = reassembler.expire(now + SMALL.lifetime);
    assert_eq!(reassembler.octets(), 0);

    let [reference, datagram @ ..] = octets else {
        return;
    };
    let Ok(mut cut) = segment(datagram, Ports::PUSH, Reference::Octet(*reference), 32) else {
        return;
    };
    let turn = usize::from(*reference) % cut.len();
    cut.rotate_left(turn);
    let limits = ReassemblyLimits {
        parts: 32,
        ..ReassemblyLimits::default()
    };
    let mut reassembler = Reassembler::new(limits);
    let mut wholes = 0;
    for part in cut.iter().chain(cut.iter().skip(1)) {
        let received = UserData::read(part).expect("what was cut is user data");
        if let Taken::Whole(whole) = reassembler.take(now, &0, &received) {
            assert_eq!(whole, datagram);
            wholes += 1;
        }
    }
    assert_eq!(wholes, 1);
}

/// What a stream delivers is what any beginning of it delivers and more; a command that cannot be read costs no other.
pub fn smpp(octets: &[u8]) {
    let (begins, _) = octets.split_at(octets.len() / 2);
    let first = delivered(begins);
    let Ok(all) = delivered(octets) else {
        return;
    };
    let first = first.expect("what goes on well began well");
    assert!(all.starts_with(&first));
    for message in all {
        let Ok(user_data) = message.user_data() else {
            continue;
        };
        assert!(user_data.data.len() <= octets.len());
        if user_data.part.is_none() && user_data.ports == Some(Ports::PUSH) {
            wsp_push(user_data.data);
        }
    }
}
