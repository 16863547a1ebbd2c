use omadm_mo::Secret;
use omadm_mo::standard::dm_acc::AuthNoti;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{DIGEST_OCTETS, OptionName, ReceivedPackage0, ServerId};

/// What SHA256-DIGEST is made with: the octets of the `bin` leaves `Auth/Noti/Secret` and `Auth/Noti/Data` (`dm20.md` §11.4).
#[derive(Clone, Copy)]
pub struct NotificationKey<'a> {
    /// server-secret
    pub secret: &'a Secret,
    /// auth-data; empty where the leaf is.
    pub auth_data: &'a [u8],
}

/// How a Notification's digest compares with that of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestCheck {
    /// There is none.
    Absent,
    /// It is that of the key.
    Right,
    /// It is another: another key, or an octet was changed on the way.
    Wrong,
}

impl DigestCheck {
    /// The word of messages and of `omadm decode --json`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Right => "right",
            Self::Wrong => "wrong",
        }
    }
}

/// What a client does with a Notification without a digest where the account has `Auth/Noti` (D38).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AbsentDigest {
    /// Ignores it: leaving the digest out must not get past it.
    #[default]
    Ignore,
    /// Takes it, as the specification leaves open.
    Accept,
}

/// A Notification that a client goes on with, and what vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authenticated {
    /// Its digest is right.
    ByDigest,
    /// Nothing: no digest was asked of it.
    Unproven,
}

/// Why a client ignores a Notification (§11.4, D42, D84).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DigestRefusal {
    /// Carries a digest that nothing is there to check with; the account's author is at fault.
    #[error("it carries SHA256-DIGEST, but the account has no `Auth/Noti` (§11.4)")]
    NoCredential,
    /// The digest is another; the sender is at fault.
    #[error("SHA256-DIGEST is wrong (§11.4)")]
    Wrong,
    /// No digest; the sender is at fault.
    #[error("SHA256-DIGEST is missing though the account has `Auth/Noti` (§11.4, D38)")]
    Missing,
    /// `Auth/Noti/Type` is none that can be checked; the account's author is at fault.
    #[error("`Auth/Noti/Type` {0} is none that can be checked (§12.2, D42)")]
    CredentialType(i64),
    /// A bootstrap source without a Noti secret; the policy's author is at fault.
    #[error("the bootstrap source has no secret for Notifications (§14.6, D84)")]
    NoBootstrapSecret,
    /// A bootstrap Notification without an option it has to have; the sender is at fault.
    #[error("a bootstrap Notification has to carry {0} (§14.6, D84)")]
    BootstrapOption(OptionName),
}

impl NotificationKey<'_> {
    /// The digest over a Notification whose SHA256-DIGEST is 32 zero octets.
    pub(super) fn digest(self, zeroed: &[u8]) -> [u8; DIGEST_OCTETS] {
        self.digest_of([zeroed])
    }

    fn digest_of<'p>(self, parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; DIGEST_OCTETS] {
        let mut hash = Sha256::new();
        hash.update(self.secret.expose());
        for part in parts {
            hash.update(part);
        }
        hash.update(self.auth_data);
        hash.finalize().into()
    }
}

impl ReceivedPackage0<'_> {
    /// Compares SHA256-DIGEST with that of a key, in constant time.
    #[must_use]
    pub fn check_digest(&self, key: NotificationKey<'_>) -> DigestCheck {
        let Some(option) = self.option(OptionName::Sha256Digest) else {
            return DigestCheck::Absent;
        };
        let octets = self.octets();
        let range = option.value.clone();
        let zeros = [0; DIGEST_OCTETS];
        let parts = [&octets[..range.start], &zeros, &octets[range.end..]];
        if key.digest_of(parts).ct_eq(&octets[range]).into() {
            DigestCheck::Right
        } else {
            DigestCheck::Wrong
        }
    }

    /// Judges the digest as a client has to before anything else of the Notification counts (§11.4). `noti` is that of the account or
    /// bootstrap source which SERVER-ID names.
    ///
    /// # Errors
    /// [`DigestRefusal`] where the Notification is to be ignored.
    pub fn authenticate(
        &self,
        noti: Option<&AuthNoti>,
        absent: AbsentDigest,
    ) -> Result<Authenticated, DigestRefusal> {
        let bootstrap = matches!(self.package().server_id, ServerId::Bootstrap(_));
        if bootstrap {
            self.has_bootstrap_options()?;
        }
        let Some(noti) = noti else {
            return match (bootstrap, self.package().digest) {
                (true, _) => Err(DigestRefusal::NoBootstrapSecret),
                (false, Some(_)) => Err(DigestRefusal::NoCredential),
                (false, None) => Ok(Authenticated::Unproven),
            };
        };
        if !noti.is_sha256_digest() {
            return Err(DigestRefusal::CredentialType(noti.kind));
        }
        if bootstrap && noti.secret.is_empty() {
            return Err(DigestRefusal::NoBootstrapSecret);
        }
        let key = NotificationKey {
            secret: &noti.secret,
            auth_data: &noti.data,
        };
        match (self.check_digest(key), absent) {
            (DigestCheck::Right, _) => Ok(Authenticated::ByDigest),
            (DigestCheck::Wrong, _) => Err(DigestRefusal::Wrong),
            (DigestCheck::Absent, AbsentDigest::Ignore) => Err(DigestRefusal::Missing),
            (DigestCheck::Absent, AbsentDigest::Accept) => Ok(Authenticated::Unproven),
        }
    }

    fn has_bootstrap_options(&self) -> Result<(), DigestRefusal> {
        [
            OptionName::Sha256Digest,
            OptionName::Timestamp,
            OptionName::NotificationId,
        ]
        .into_iter()
        .find(|name| self.option(*name).is_none())
        .map_or(Ok(()), |name| Err(DigestRefusal::BootstrapOption(name)))
    }
}
