use omadm_bootstrap::Utc;
use omadm_dm1::credential::{Nonce, derive};
use omadm_mo::Secret;
use subtle::ConstantTimeEq as _;

/// How long a slot of time is: a challenge is accepted in its own and in the next one (M16).
const SLOT_MILLIS: i64 = 5 * 60 * 1000;

/// Challenge nonces of a session that nothing is stored of (M12, M16): derived anew from what the message says and what the account has been through.
pub(super) struct Challenges<'a> {
    pub(super) key: &'a Secret,
    pub(super) account: &'a str,
    /// How many credentials of the account were accepted: a challenge is void once any was.
    pub(super) proofs: u64,
    pub(super) session_id: &'a str,
    pub(super) now: Utc,
}

impl Challenges<'_> {
    /// The nonce that the answer to this message gives.
    pub(super) fn given(&self, msg_id: u32) -> Nonce {
        self.of(msg_id, self.slot())
    }

    /// The nonces with which this message may be proven: of the answer to the message before, and of the one that the client restarts from with the same
    /// `MsgID` (M03).
    pub(super) fn accepted(&self, msg_id: u32) -> [Nonce; 4] {
        let (slot, before) = (self.slot(), self.slot().saturating_sub(1));
        let last = msg_id.wrapping_sub(1);
        [
            self.of(last, slot),
            self.of(last, before),
            self.of(msg_id, slot),
            self.of(msg_id, before),
        ]
    }

    const fn slot(&self) -> i64 {
        self.now.0.div_euclid(SLOT_MILLIS)
    }

    fn of(&self, msg_id: u32, slot: i64) -> Nonce {
        Nonce::of_entropy(&derive(
            self.key,
            &[
                b"challenge",
                self.account.as_bytes(),
                self.session_id.as_bytes(),
                &self.proofs.to_be_bytes(),
                &msg_id.to_be_bytes(),
                &slot.to_be_bytes(),
            ],
        ))
    }

    /// A token for `RespURI` of an unproven session: it carries the number of Creds that were evaluated in it (M20).
    pub(super) fn token(&self, attempts: u8, random: &[u8; 16]) -> String {
        let mac = self.token_mac(attempts, random);
        hex(&[&random[..], &[attempts], &mac].concat())
    }

    /// How many Creds were evaluated by what a token of ours says; none for a foreign token.
    pub(super) fn attempts(&self, token: Option<&str>) -> u8 {
        let octets = token.and_then(unhex).unwrap_or_default();
        let Ok(octets) = <[u8; 33]>::try_from(octets) else {
            return 0;
        };
        let (random, rest) = octets.split_at(16);
        let (attempts, mac) = (rest[0], &rest[1..]);
        let due = self.token_mac(attempts, random);
        if bool::from(due.ct_eq(mac)) {
            attempts
        } else {
            0
        }
    }

    fn token_mac(&self, attempts: u8, random: &[u8]) -> [u8; 16] {
        derive(
            self.key,
            &[
                b"token",
                self.account.as_bytes(),
                self.session_id.as_bytes(),
                &[attempts],
                random,
            ],
        )
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        let _infallible = write!(text, "{octet:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;
    use omadm_mo::Secret;

    use super::{Challenges, SLOT_MILLIS};

    fn challenges<'a>(key: &'a Secret, now: i64, proofs: u64) -> Challenges<'a> {
        Challenges {
            key,
            account: "user",
            proofs,
            session_id: "A5",
            now: Utc(now),
        }
    }

    #[test]
    fn m16_a_challenge_is_good_for_the_next_message_in_this_slot_and_the_next_until_any_proof() {
        let key = Secret::new(vec![7; 32]);
        let given = challenges(&key, 10, 3).given(4);
        for (msg_id, now, proofs, good) in [
            (5, 20, 3, true),
            (4, 20, 3, true),
            (6, 20, 3, false),
            (3, 20, 3, false),
            (5, SLOT_MILLIS, 3, true),
            (5, 2 * SLOT_MILLIS, 3, false),
            (5, 20, 4, false),
        ] {
            let accepted = challenges(&key, now, proofs).accepted(msg_id);
            assert_eq!(accepted.contains(&given), good, "{msg_id} {now} {proofs}");
        }
        let other = Challenges {
            session_id: "A6",
            ..challenges(&key, 10, 3)
        };
        assert!(!other.accepted(5).contains(&given));
    }

    #[test]
    fn m20_a_token_tells_the_attempts_of_its_session_only_where_it_is_ours() {
        let key = Secret::new(vec![7; 32]);
        let here = challenges(&key, 10, 0);
        let token = here.token(2, &[9; 16]);
        assert_eq!(here.attempts(Some(&token)), 2);
        let other = Challenges {
            session_id: "A6",
            ..challenges(&key, 10, 0)
        };
        assert_eq!(other.attempts(Some(&token)), 0);
        let forged = token.replacen("02", "01", 1);
        for foreign in [None, Some(""), Some("zz"), Some("0"), Some(&*forged)] {
            assert_eq!(here.attempts(foreign), 0, "{foreign:?}");
        }
    }
}
