use omadm_dm1::credential::{CredentialType, MacHeader, Nonce, UserHash, basic_matches};
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
) -> Option<Match> {
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
    let mut first = None;
    for place in 0..SECRETS {
        let at = order.get(place).copied();
        let secret = at.and_then(|at| account.client_secrets.get(at));
        let password = secret.map_or(&nobody, |kept| &kept.secret);
        let hash = UserHash::new(&account.user, password);
        for (nonce, kind, is_one) in &nonces {
            let (equal, kind) = match shown {
                Shown::Md5(data) => (hash.md5_matches(nonce, data), *kind),
                Shown::Mac { header, body } => (
                    hash.mac_matches(nonce, body, &header.mac) && header.username == account.user,
                    *kind,
                ),
                Shown::Basic(data) => (
                    basic_matches(&account.user, password, data),
                    NonceKind::Without,
                ),
                Shown::Nothing | Shown::NotEvaluated => (false, *kind),
            };
            let counts = equal && (*is_one || kind == NonceKind::Without);
            if let Some(secret) = at.filter(|_| counts && first.is_none()) {
                first = Some(Match {
                    secret,
                    nonce: kind,
                });
            }
        }
    }
    first
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
