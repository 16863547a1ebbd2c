//! The proof of a pushed bootstrap of DM 1.x, judged before anything of the document is read (`dm1x.md` §5.2, §5.4, §5.7; `push.md` §4).

use std::fmt;

use omadm_dm1::bootstrap_mac::{
    BootstrapProfileKind, ImsiKey, NetworkId, bootstrap_mac, joined_key, user_pin_mac_code,
};
use omadm_mo::Secret;
use omadm_push::wsp::{Mac, Sec, Security};

/// Longest document of a push in octets (§5.10).
pub const MAX_DOCUMENT: usize = 32 << 10;

/// A bootstrap as a push brought it.
#[derive(Clone, PartialEq)]
pub struct PushedBootstrap {
    /// Its profile, by the media type.
    pub profile: BootstrapProfileKind,
    /// SEC and MAC of the media type.
    pub security: Option<Security>,
    /// The document, which is not read before its proof is right.
    pub document: Secret,
}

/// What the device knows and takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PushKeys {
    /// The subscribers of its cards, or in CDMA its own number.
    pub subscribers: Vec<NetworkId>,
    /// Whether a code that the user types may be all the proof there is: `USERPINMAC`.
    pub user_pin_mac: bool,
}

/// What was proved about a push: the event's `sec` (§6.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PushProof {
    /// Its sender knows the PIN.
    UserPin,
    /// Its sender knows the subscriber's number, which is no secret (§5.10).
    NetworkId,
    /// Both.
    Both,
}

/// What a push comes to.
#[derive(Clone, PartialEq, Debug)]
pub enum PushJudged {
    /// It may be read.
    Proved(PushProof),
    /// The user has to be asked for a PIN.
    NeedsPin(AwaitedPin),
    /// It is dropped without being read; nobody is told but the log (§5.10).
    Dropped(PushFault),
}

/// Why a push is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PushFault {
    /// No SEC, or no MAC where one belongs.
    #[error("nobody signed it")]
    Unsigned,
    /// The device knows no subscriber to check it by.
    #[error("it is signed by the network's identity, and the device knows none")]
    NoSubscriber,
    /// Another key, or another document.
    #[error("its MAC is wrong")]
    WrongMac,
    /// Policy does not take a typed code for a proof.
    #[error("its proof is a typed code, which the device does not take")]
    UserPinMac,
    /// Longer than [`MAX_DOCUMENT`].
    #[error("it has {0} octets, more than {MAX_DOCUMENT}")]
    TooLong(usize),
    /// The user gave a wrong PIN three times.
    #[error("three PINs were wrong")]
    Exhausted,
}

/// A push that waits for the user's PIN. Whoever keeps it over a restart keeps [`Self::tries_left`] with it, else a restart would give tries back.
#[derive(Clone, PartialEq, Debug)]
pub struct AwaitedPin {
    pushed: PushedBootstrap,
    tries_left: u8,
}

/// What a PIN comes to.
#[derive(Clone, PartialEq, Debug)]
pub enum PinJudged {
    /// It is right: the document may be read.
    Right(PushProof, PushedBootstrap),
    /// It is wrong; so many tries are left.
    Wrong(AwaitedPin),
    /// It was the last try: the push is dropped.
    Exhausted,
}

impl PushedBootstrap {
    /// Judges what can be judged without the user.
    #[must_use]
    pub fn judge(&self, keys: &PushKeys) -> PushJudged {
        if self.document.len() > MAX_DOCUMENT {
            return PushJudged::Dropped(PushFault::TooLong(self.document.len()));
        }
        let Some(security) = &self.security else {
            return PushJudged::Dropped(PushFault::Unsigned);
        };
        match (security.sec, &security.mac) {
            (Sec::UserPinMac, _) if !keys.user_pin_mac => {
                PushJudged::Dropped(PushFault::UserPinMac)
            }
            (Sec::NetwPin | Sec::UserPin | Sec::UserNetwPin, None) => {
                PushJudged::Dropped(PushFault::Unsigned)
            }
            (Sec::NetwPin | Sec::UserNetwPin, _) if keys.subscribers.is_empty() => {
                PushJudged::Dropped(PushFault::NoSubscriber)
            }
            (Sec::NetwPin, _) if self.is_proved(None, keys) => {
                PushJudged::Proved(PushProof::NetworkId)
            }
            (Sec::NetwPin, _) => PushJudged::Dropped(PushFault::WrongMac),
            (Sec::UserPin | Sec::UserNetwPin | Sec::UserPinMac, _) => {
                PushJudged::NeedsPin(AwaitedPin {
                    pushed: self.clone(),
                    tries_left: AwaitedPin::TRIES,
                })
            }
        }
    }

    /// Whether its proof is made with this PIN by one of the subscribers, in one of the forms that their number may have as a key: one PIN is one try,
    /// however many forms are compared (§5.2).
    fn is_proved(&self, pin: Option<&Secret>, keys: &PushKeys) -> bool {
        let Some(security) = &self.security else {
            return false;
        };
        let document = self.document.expose();
        if security.sec == Sec::UserPinMac {
            return pin.is_some_and(|typed| is_typed_proof(typed, document));
        }
        let by = |subscriber, form| {
            let key = push_key(security.sec, self.profile, subscriber, pin, form);
            let due = key.map(|key| Mac::new(bootstrap_mac(key.expose(), document)));
            due.is_some() && due == security.mac
        };
        if security.sec == Sec::UserPin {
            return by(None, ImsiKey::SemiOctet);
        }
        let forms = forms(self.profile);
        keys.subscribers
            .iter()
            .any(|known| forms.iter().any(|form| by(Some(known), *form)))
    }
}

impl AwaitedPin {
    /// How often a user may try (§5.4).
    pub const TRIES: u8 = 3;

    /// What is left of them.
    #[must_use]
    pub const fn tries_left(&self) -> u8 {
        self.tries_left
    }

    /// The same push with fewer tries: those it had before a restart.
    #[must_use]
    pub fn with_tries_left(mut self, tries: u8) -> Self {
        self.tries_left = self.tries_left.min(tries);
        self
    }

    /// Judges a PIN.
    #[must_use]
    pub fn answer(mut self, pin: &Secret, keys: &PushKeys) -> PinJudged {
        if self.tries_left == 0 {
            return PinJudged::Exhausted;
        }
        if self.pushed.is_proved(Some(pin), keys) {
            let both =
                self.pushed.security.as_ref().map(|given| given.sec) == Some(Sec::UserNetwPin);
            let proof = if both {
                PushProof::Both
            } else {
                PushProof::UserPin
            };
            return PinJudged::Right(proof, self.pushed);
        }
        self.tries_left -= 1;
        match self.tries_left {
            0 => PinJudged::Exhausted,
            _ => PinJudged::Wrong(self),
        }
    }
}

impl PushProof {
    /// The event's word for it (§6.2).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserPin => "userpin",
            Self::NetworkId => "networkid",
            Self::Both => "both",
        }
    }
}

/// The key of a MAC; `None` where what it is made of is not there.
#[must_use]
pub fn push_key(
    sec: Sec,
    profile: BootstrapProfileKind,
    network: Option<&NetworkId>,
    pin: Option<&Secret>,
    form: ImsiKey,
) -> Option<Secret> {
    match sec {
        Sec::NetwPin => Some(Secret::new(network?.key(form))),
        Sec::UserPin | Sec::UserPinMac => pin.cloned(),
        Sec::UserNetwPin => Some(joined_key(profile, &network?.key(form), pin?)),
    }
}

/// The DM profile does not fix the form of the subscriber's number; client provisioning does (§5.2, §5.4).
const fn forms(profile: BootstrapProfileKind) -> &'static [ImsiKey] {
    match profile {
        BootstrapProfileKind::Cp => &[ImsiKey::SemiOctet],
        BootstrapProfileKind::Dm => &[ImsiKey::SemiOctet, ImsiKey::Ascii],
    }
}

/// The typed code is a PIN, and behind it as many digits that only its owner could make of this document (§5.4).
fn is_typed_proof(typed: &Secret, document: &[u8]) -> bool {
    let digits = typed.expose();
    let pin = Secret::new(digits[..digits.len() / 2].to_vec());
    user_pin_mac_code(&pin, document).is_some_and(|due| due == *typed)
}

impl fmt::Debug for PushedBootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushedBootstrap")
            .field("profile", &self.profile)
            .field("security", &self.security)
            .field("document", &format_args!("{} octets", self.document.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests;
