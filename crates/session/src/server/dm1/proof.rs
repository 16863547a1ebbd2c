use omadm_dm1::credential::{BodyHash, CredentialType, MacHeader, Nonce, UserHash, basic_matches};
use omadm_mo::Secret;

use super::challenge::Challenges;
use super::{AccountFacts, KeptSecret, MessageIn, NonceForm};
use omadm_bootstrap::generation::Generation;

/// Secrets that are evaluated, always so many (M19).
const SECRETS: usize = 8;

/// What a message proves itself with.
pub(super) enum Shown<'a> {
    /// Nothing.
    Nothing,
    /// Something that is not evaluated: weaker than the account's type (M19), or unreadable.
    NotEvaluated,
    Basic(&'a str),
    Md5(&'a str),
    Mac {
        header: MacHeader,
        body: &'a [u8],
    },
}

/// Which secret and nonce a message was proven with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// Position among the account's secrets.
    pub(super) secret: usize,
    pub(super) nonce: NonceKind,
}

/// What an evaluation found, and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evaluated {
    pub(super) found: Option<Match>,
    /// Proofs that were computed and compared. For one type of credential always so many, whoever shows it (M19).
    pub(super) compared: u32,
}

/// Kinds of M16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NonceKind {
    Challenge,
    Next,
    Package,
    /// Basic has none.
    Without,
}

/// What the message shows, for an account of this type.
pub(super) fn shown<'a>(message: &MessageIn<'a>, due: CredentialType) -> Shown<'a> {
    if let Some(value) = message.mac {
        return match MacHeader::read(value) {
            Ok(header) => Shown::Mac {
                header,
                body: message.body,
            },
            Err(_) => Shown::NotEvaluated,
        };
    }
    let Some(cred) = &message.identified.header().cred else {
        return Shown::Nothing;
    };
    let found = match &cred.meta.r#type {
        Some(text) => CredentialType::of(text),
        None => Some(due),
    };
    match (found, cred.data.text()) {
        (Some(found), _) if found < due => Shown::NotEvaluated,
        (Some(CredentialType::Basic), Some(data)) => Shown::Basic(data),
        (Some(CredentialType::Md5), Some(data)) => Shown::Md5(data),
        _ => Shown::NotEvaluated,
    }
}

/// Evaluates what is shown against every secret and every nonce, whatever matches; the first in the order pending, current, boot, previous counts (§6.5).
pub(super) fn evaluate(
    account: &AccountFacts,
    challenges: &Challenges<'_>,
    msg_id: u32,
    shown: &Shown<'_>,
) -> Evaluated {
    let form = account.model.quirks.nonce;
    let nobodys = Nonce::of_entropy(&[0; 48]);
    let kept = &account.client_nonces;
    let [a, b, c, d] = challenges.accepted(msg_id);
    let nonces = [
        (Some(a), NonceKind::Challenge),
        (Some(b), NonceKind::Challenge),
        (Some(c), NonceKind::Challenge),
        (Some(d), NonceKind::Challenge),
        (kept.next.clone(), NonceKind::Next),
        (kept.package.clone(), NonceKind::Package),
    ]
    .map(|(nonce, kind)| {
        let is_one = nonce.is_some();
        (
            hashed(&nonce.unwrap_or_else(|| nobodys.clone()), form),
            kind,
            is_one,
        )
    });
    let order = ranked(&account.client_secrets);
    let nobody = Secret::new(vec![0; 32]);
    let body = match shown {
        Shown::Mac { body, .. } => Some(BodyHash::of(body)),
        _ => None,
    };
    let mut first = None;
    let mut compared = 0;
    for place in 0..SECRETS {
        let at = order.get(place).copied();
        let secret = at.and_then(|at| account.client_secrets.get(at));
        let password = secret.map_or(&nobody, |kept| &kept.secret);
        let hash = UserHash::new(&account.user, password);
        for (nonce, kind, is_one) in &nonces {
            let (equal, kind) = match shown {
                Shown::Md5(data) => (hash.md5_matches(nonce, data), *kind),
                Shown::Mac { header, .. } => {
                    let equal = body
                        .as_ref()
                        .is_some_and(|body| hash.mac_matches_hash(nonce, body, &header.mac));
                    (equal && header.username == account.user, *kind)
                }
                Shown::Basic(data) => (
                    basic_matches(&account.user, password, data),
                    NonceKind::Without,
                ),
                Shown::Nothing | Shown::NotEvaluated => continue,
            };
            compared += 1;
            let counts = equal && (*is_one || kind == NonceKind::Without);
            if let Some(secret) = at.filter(|_| counts && first.is_none()) {
                first = Some(Match {
                    secret,
                    nonce: kind,
                });
            }
        }
    }
    Evaluated {
        found: first,
        compared,
    }
}

/// Positions in the order in which secrets count.
fn ranked(secrets: &[KeptSecret]) -> Vec<usize> {
    let rank = |at: &usize| match secrets.get(*at) {
        Some(kept) if kept.previous => 3,
        Some(kept) => match kept.standing.generation {
            Generation::Pending => 0,
            Generation::Current => 1,
            Generation::Boot => 2,
        },
        None => 4,
    };
    let mut order: Vec<_> = (0..secrets.len()).collect();
    order.sort_by_key(rank);
    order
}

/// What the device hashes as this nonce (§10.1).
pub(super) fn hashed(nonce: &Nonce, form: NonceForm) -> Nonce {
    match form {
        NonceForm::Octets => nonce.clone(),
        NonceForm::Base64Text => {
            Nonce::new(nonce.base64().into_bytes()).unwrap_or_else(|_| nonce.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::Utc;
    use omadm_bootstrap::generation::Standing;
    use omadm_dm1::credential::{MacHeader, Nonce, UserHash};
    use omadm_mo::Secret;

    use super::{Generation, KeptSecret, SECRETS, Shown, evaluate};
    use crate::server::dm1::AccountFacts;
    use crate::server::dm1::challenge::Challenges;

    /// Secrets in all their generations, so many.
    fn account(secrets: usize) -> AccountFacts {
        let kept = |nr: usize| KeptSecret {
            secret: Secret::new(vec![u8::try_from(nr).unwrap() + 65; 32]),
            standing: Standing {
                generation: Generation::ALL[nr % Generation::ALL.len()],
                escrowed: nr.is_multiple_of(2),
                revoked: nr.is_multiple_of(3),
                coming: false,
            },
            previous: nr == 3,
            brought: None,
        };
        let mut account = AccountFacts::nobody("meter-7");
        account.client_secrets = (0..secrets).map(kept).collect();
        if secrets > 0 {
            account.client_nonces.next = Nonce::new(vec![7; 24]).ok();
        }
        account
    }

    #[test]
    fn m19_a_credential_costs_as_much_whoever_shows_it_right_or_wrong() {
        let key = Secret::new(vec![1; 32]);
        let challenges = Challenges {
            key: &key,
            account: "meter-7",
            proofs: 0,
            session_id: "A5",
            now: Utc(0),
        };
        let right = UserHash::new("meter-7", &Secret::new(vec![65; 32]));
        let nonce = Nonce::new(vec![7; 24]).unwrap();
        let body = b"a message";
        let header = |mac| MacHeader {
            username: "meter-7".to_owned(),
            mac,
        };
        let md5 = right.md5(&nonce);
        let shown = [
            (Shown::Md5(&md5), true),
            (Shown::Md5("AAAAAAAAAAAAAAAAAAAAAA=="), false),
            (Shown::Md5("no base64"), false),
            (Shown::Md5(""), false),
            (
                Shown::Mac {
                    header: header(right.mac(&nonce, body)),
                    body,
                },
                true,
            ),
            (
                Shown::Mac {
                    header: header("AAAA".to_owned()),
                    body,
                },
                false,
            ),
            (Shown::Basic("bWV0ZXItNzpndWVzcw=="), false),
        ];
        let nonces = 6;
        for (shown, is_right) in &shown {
            for secrets in [0, 1, 2, 4] {
                let evaluated = evaluate(&account(secrets), &challenges, 1, shown);
                assert_eq!(evaluated.found.is_some(), *is_right && secrets > 0);
                let due = u32::try_from(SECRETS * nonces).unwrap();
                assert_eq!(evaluated.compared, due, "{secrets} secrets");
            }
        }
        for nothing in [Shown::Nothing, Shown::NotEvaluated] {
            assert_eq!(evaluate(&account(1), &challenges, 1, &nothing).compared, 0);
        }
    }
}
