use omadm_dm1::bootstrap_mac::{
    BootstrapProfileKind, Imsi, ImsiKey, bootstrap_mac, joined_key, user_pin_mac_code,
};
use omadm_mo::Secret;
use omadm_push::wsp::{Mac, Sec, Security};

use super::{Dm1Format, Dm1Security};
use crate::{BootstrapFailureCause as Cause, Refusal};

/// What a device lets a typed PIN prove.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PinPolicy {
    /// Whether a code that holds the MAC's digits counts (`USERPINMAC`); it proves as many decimal digits as the PIN has, so it is off by default (§5.4).
    pub user_pin_mac: bool,
}

/// The check of a pushed document, before anything of it is parsed (§5.7). It asks for a PIN at most [`Self::STRIKES`] times; then the message is dropped.
///
/// No `Debug`: it lends the document.
#[derive(Clone)]
pub struct PushCheck<'a> {
    document: &'a [u8],
    format: Dm1Format,
    sec: Sec,
    mac: Option<Mac>,
    imsi: Option<&'a Imsi>,
    strikes: u8,
}

/// What a check came to.
#[derive(Clone)]
pub enum PushStep<'a> {
    /// The document is what its sender sent, and this is what proves it.
    Verified(Dm1Security),
    /// Ask the user for the PIN, then [`PushCheck::answer`].
    AskPin(PushCheck<'a>),
}

impl<'a> PushCheck<'a> {
    /// Wrong PINs after which a message is dropped (§5.4).
    pub const STRIKES: u8 = 3;

    /// Begins with what the content type of the push says. `imsi` is the subscriber's number where the device knows it.
    ///
    /// # Errors
    /// [`Refusal`]: no SEC, no MAC, a MAC that is wrong, an IMSI that the device does not know.
    pub fn begin(
        document: &'a [u8],
        format: Dm1Format,
        security: Option<&Security>,
        imsi: Option<&'a Imsi>,
        policy: PinPolicy,
    ) -> Result<PushStep<'a>, Refusal> {
        let Some(Security { sec, mac }) = security.cloned() else {
            return Err(Cause::PushUnproven.refusal());
        };
        let typed = sec == Sec::UserPinMac;
        if mac.is_none() != typed || typed && !policy.user_pin_mac {
            return Err(Cause::PushUnproven.refusal());
        }
        if imsi.is_none() && matches!(sec, Sec::NetwPin | Sec::UserNetwPin) {
            return Err(Cause::PushUnproven
                .refusal()
                .because("the device knows no IMSI to check it with"));
        }
        let check = Self {
            document,
            format,
            sec,
            mac,
            imsi,
            strikes: 0,
        };
        if sec != Sec::NetwPin {
            return Ok(PushStep::AskPin(check));
        }
        if check.imsi_keys().iter().any(|key| check.proves(key)) {
            Ok(PushStep::Verified(Dm1Security::NetworkId))
        } else {
            Err(Cause::PushMacWrong.refusal())
        }
    }

    /// How many PINs were wrong so far.
    #[must_use]
    pub const fn strikes(&self) -> u8 {
        self.strikes
    }

    /// What the user answered; none where nobody would. Both forms of an IMSI are tried with one PIN (§5.2).
    ///
    /// # Errors
    /// [`Refusal`]: nobody answered, or the last strike was used.
    pub fn answer(mut self, pin: Option<&Secret>) -> Result<PushStep<'a>, Refusal> {
        let pin = pin.ok_or_else(|| Cause::ConsentRefused.refusal().because("no PIN was typed"))?;
        let verified = match self.sec {
            Sec::UserPinMac => self.is_code(pin).then_some(Dm1Security::UserPin),
            Sec::UserPin => self.proves(pin.expose()).then_some(Dm1Security::UserPin),
            Sec::NetwPin | Sec::UserNetwPin => {
                let kind = match self.format {
                    Dm1Format::Cp => BootstrapProfileKind::Cp,
                    Dm1Format::Dm => BootstrapProfileKind::Dm,
                };
                let keys = self.imsi_keys();
                let mut keys = keys.iter().map(|imsi| joined_key(kind, imsi, pin));
                keys.any(|key| self.proves(key.expose()))
                    .then_some(Dm1Security::Both)
            }
        };
        if let Some(security) = verified {
            return Ok(PushStep::Verified(security));
        }
        self.strikes += 1;
        if self.strikes >= Self::STRIKES {
            return Err(Cause::PushMacWrong
                .refusal()
                .because(format!("{} wrong PINs", self.strikes)));
        }
        Ok(PushStep::AskPin(self))
    }

    /// Semi-octets; of a DM message, whose text leaves it open, then ASCII (§5.2, §5.4).
    fn imsi_keys(&self) -> Vec<Vec<u8>> {
        let forms: &[ImsiKey] = match self.format {
            Dm1Format::Cp => &[ImsiKey::SemiOctet],
            Dm1Format::Dm => &[ImsiKey::SemiOctet, ImsiKey::Ascii],
        };
        let imsi = self.imsi.into_iter();
        imsi.flat_map(|imsi| forms.iter().map(|form| imsi.key(*form)))
            .collect()
    }

    fn proves(&self, key: &[u8]) -> bool {
        self.mac == Some(Mac::new(bootstrap_mac(key, self.document)))
    }

    /// The PIN and as many digits of the MAC behind it (§5.4).
    fn is_code(&self, typed: &Secret) -> bool {
        let typed = typed.expose();
        let (pin, _) = typed.split_at(typed.len() / 2);
        let code = user_pin_mac_code(&Secret::new(pin.to_vec()), self.document);
        code.is_some_and(|code| {
            let pairs = code.expose().iter().zip(typed);
            let differ = pairs.fold(0, |differ, (one, other)| differ | (one ^ other));
            code.len() == typed.len() && differ == 0
        })
    }
}
