//! Credentials that are found by a name: HTTP users and pre-shared keys.

use http::StatusCode;
use omadm_mo::Secret;
use zeroize::Zeroizing;

use super::answer::Refused;
use super::types::{CredentialAdded, SecretText};
use crate::entropy::{random, token};
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
    Generation,
};
use crate::node::{Node, event};
use crate::problem::Problem;
use crate::psk_book::MOST_KEYS;

/// Longest name, in octets. For a PSK identity it is what RFC 4279 §5.3 obliges implementations to take.
const NAME: usize = 128;
/// A password is compared only so often (see the throttle of wrong tries), and has to stand that for years.
const PASSWORD: std::ops::RangeInclusive<usize> = 16..=128;
/// RFC 4279 §5.3 obliges implementations to take up to 64; under 16 is weaker than the cipher.
const PSK: std::ops::RangeInclusive<usize> = 16..=64;

/// What is to be issued; a secret that is missing is drawn.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) http_user: Option<&'a str>,
    pub(super) http_password: Option<&'a SecretText>,
    pub(super) psk_identity: Option<&'a str>,
    pub(super) psk: Option<&'a SecretText>,
}

impl Credential {
    /// Seals its secret.
    pub(super) fn seal(&mut self, node: &Node, secret: &Secret) -> Result<(), Refused> {
        let context = self.proof.seal_context(&self.dev_id);
        self.sealed = Some(node.sealing.seal(&context, secret)?);
        Ok(())
    }
}

impl Named<'_> {
    pub(super) const fn is_none(&self) -> bool {
        self.http_user.is_none() && self.psk_identity.is_none()
    }

    /// Adds them to a delta, beside what the device is known to have; what was drawn goes to `added`, to be shown once.
    pub(super) fn issue_into(
        &self,
        node: &Node,
        delta: &mut ExchangeDelta,
        known: &[Credential],
        added: &mut CredentialAdded,
        correlation: &str,
    ) -> Result<(), Refused> {
        if self.http_password.is_some() && self.http_user.is_none() {
            return Err(Refused::bad("http_password without http_user"));
        }
        if self.psk.is_some() && self.psk_identity.is_none() {
            return Err(Refused::bad("psk without psk_identity"));
        }
        if let Some(user) = self.http_user {
            let password = match self.http_password {
                Some(told) => password(user, told)?,
                None => token()?,
            };
            if self.http_password.is_none() {
                added.http_password = Some(String::from_utf8_lossy(password.expose()).into_owned());
            }
            let visible = |c: char| c.is_ascii_graphic();
            if user.is_empty() || user.len() > NAME || !user.chars().all(visible) {
                let detail = format!(
                    "http_user: {user:?} is none; it has 1 to {NAME} visible ASCII characters"
                );
                return Err(Refused::bad(detail));
            }
            let user = user.to_owned();
            add(
                node,
                delta,
                CredentialProof::HttpUser { user },
                Generation::Current,
                &password,
                correlation,
            )?;
        }
        if let Some(identity) = self.psk_identity {
            let key = match self.psk {
                Some(told) => key(told)?,
                None => Secret::new(random::<32>()?.to_vec()),
            };
            if self.psk.is_none() {
                let hex = key.expose().iter().map(|octet| format!("{octet:02x}"));
                added.psk = Some(hex.collect());
            }
            if identity.is_empty()
                || identity.len() > NAME
                || identity.chars().any(char::is_control)
            {
                let detail = format!(
                    "psk_identity: {identity:?} is none; it has 1 to {NAME} octets and no control character"
                );
                return Err(Refused::bad(detail));
            }
            let (nr, generation) = place(identity, known)?;
            let identity = identity.to_owned();
            add(
                node,
                delta,
                CredentialProof::Psk { identity, nr },
                generation,
                &key,
                correlation,
            )?;
        }
        Ok(())
    }
}

/// Where a key stands among those of its identity that the device is known to have: it replaces the one in use when it is first used.
fn place(identity: &str, known: &[Credential]) -> Result<(u32, Generation), Refused> {
    let (mut next, mut live) = (0, 0);
    for one in known {
        if let CredentialProof::Psk { identity: has, nr } = &one.proof
            && has == identity
        {
            next = next.max(nr.saturating_add(1));
            live += usize::from(one.revoked_at.is_none());
        }
    }
    if live >= MOST_KEYS {
        let detail = format!("the PSK identity {identity:?} has {live} keys");
        let advice = "Wait until the newer one is used in a session, or revoke one.";
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .advising(advice)
            .into());
    }
    let generation = if live == 0 {
        Generation::Current
    } else {
        Generation::Pending
    };
    Ok((next, generation))
}

fn add(
    node: &Node,
    delta: &mut ExchangeDelta,
    proof: CredentialProof,
    generation: Generation,
    secret: &Secret,
    correlation: &str,
) -> Result<(), Refused> {
    let kind = EventKind::CredentialAdded {
        proof: proof.kind().to_owned(),
        fingerprint: None,
        name: proof.name().map(str::to_owned),
    };
    let dev_id = delta.dev_id.clone();
    let mut made = Credential::new(dev_id, proof, CredentialScope::Device, generation, delta.at);
    made.seal(node, secret)?;
    delta.credentials.push(CredentialChange::Add(made));
    delta.events.push(event(kind, correlation));
    Ok(())
}

fn password(user: &str, told: &SecretText) -> Result<Secret, Refused> {
    let text = &told.0;
    if !PASSWORD.contains(&text.len()) || text.chars().any(char::is_control) {
        return Err(Refused::bad(
            "http_password: it has to have 16 to 128 octets and no control character",
        ));
    }
    if user.contains(':') && text.contains(':') {
        return Err(Refused::bad(
            "http_password: HTTP Basic parts user and password by a colon, so they cannot both have one",
        ));
    }
    Ok(Secret::from(text.clone()))
}

fn key(told: &SecretText) -> Result<Secret, Refused> {
    let digits = told.0.trim();
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len() / 2));
    let mut pairs = digits.as_bytes().chunks_exact(2);
    for pair in &mut pairs {
        let digit = |at: usize| pair.get(at).and_then(|c| char::from(*c).to_digit(16));
        let octet = digit(0).zip(digit(1)).map(|(high, low)| high << 4 | low);
        let octet = octet.and_then(|octet| u8::try_from(octet).ok());
        octets.push(octet.ok_or_else(|| Refused::bad("psk: it is not hexadecimal"))?);
    }
    if !pairs.remainder().is_empty() || !PSK.contains(&octets.len()) {
        return Err(Refused::bad(
            "psk: it has to have 16 to 64 octets, written as 32 to 128 hexadecimal digits",
        ));
    }
    Ok(Secret::new(std::mem::take(&mut *octets)))
}
