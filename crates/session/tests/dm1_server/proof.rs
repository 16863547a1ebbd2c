//! Who speaks (§3, M15 to M22).

use crate::bed::{Bed, ENCODINGS, Say, nonce};

#[test]
fn m16_a_challenge_is_answered_once_and_heals_any_stale_nonce() {
    for encoding in ENCODINGS {
        let mut bed = Bed::new(encoding);
        let none = bed.say(&Say::package1("A5", 1), None);
        assert_eq!((none.code(), none.codes()), (407, vec![407, 407]));
        let stale = Say::package1("A5", 2).md5("client boot", &nonce("stale"));
        let wrong = bed.say(&stale, Some(&none.token()));
        assert_eq!((wrong.code(), wrong.codes()), (401, vec![401, 401]));
        assert_eq!(bed.account.failures.from_source, 1);
        assert!(bed.state.is_none() && !bed.delta.proven);
        let right = Say::package1("A5", 3).md5("client boot", &wrong.next_nonce());
        let octets = right.octets(encoding);
        let answer = bed.post(&octets, Some(&wrong.token()), None);
        assert_eq!(answer.code(), 212);
        assert_eq!(bed.account.failures.from_source, 0);
        let next = answer.next_nonce();
        bed.state = None;
        assert_eq!(bed.post(&octets, None, None).code(), 401, "a replay");
        let again = Say::package1("A6", 1).md5("client boot", &next);
        assert_eq!(bed.say(&again, None).code(), 212);
        bed.state = None;
        let twice = Say::package1("A7", 1).md5("client boot", &next);
        assert_eq!(bed.say(&twice, None).code(), 401, "each nonce once");
    }
}
