use omadm_bootstrap::push_key;
use omadm_dm1::bootstrap_mac::{
    BootstrapProfileKind, ImsiKey, NetworkId, bootstrap_mac, user_pin_mac_code,
};
use omadm_mo::Secret;
use omadm_push::wsp::{Mac, Sec, Security};

/// What a user can give to verify the MAC of a pushed bootstrap.
#[derive(Default)]
pub struct MacKeys {
    /// The PIN.
    pub pin: Option<Secret>,
    /// The subscriber's number, or that of a CDMA device.
    pub network: Option<NetworkId>,
}

/// What became of a MAC (`push.md` §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacVerdict {
    /// Nobody signed: a device must not install it.
    Unsigned,
    /// What its SEC demands was not given.
    NotChecked {
        /// The PIN is missing.
        pin: bool,
        /// IMSI and ESN are missing.
        network: bool,
    },
    /// By the key as the standard has it.
    Valid,
    /// By the digits of the `IMSI` or `ESN` as ASCII, as some servers sign.
    ValidByAscii(&'static str),
    /// Another key or another document.
    Invalid,
    /// `USERPINMAC`: the user types the proof; what it is can be told from the PIN.
    TypedByUser,
}

impl MacVerdict {
    /// One line for people.
    #[must_use]
    pub fn sentence(self) -> String {
        match self {
            Self::Unsigned => "not signed: a device must not install it".into(),
            Self::NotChecked { pin, network } => {
                let options: Vec<&str> = [(pin, "--pin"), (network, "--imsi or --esn")]
                    .into_iter()
                    .filter_map(|(missing, option)| missing.then_some(option))
                    .collect();
                format!("MAC not checked ({} checks it)", options.join(" and "))
            }
            Self::Valid => "MAC valid".into(),
            Self::ValidByAscii(name) => format!("MAC valid, by the {name}'s digits as ASCII"),
            Self::Invalid => "MAC INVALID: another key, or the document was changed".into(),
            Self::TypedByUser => "no MAC: the user types it (USERPINMAC)".into(),
        }
    }

    /// Whether a check was asked for and failed.
    #[must_use]
    pub const fn failed(self) -> bool {
        matches!(self, Self::Invalid)
    }
}

impl MacKeys {
    /// Judges the signature of a document.
    #[must_use]
    pub fn judge(
        &self,
        security: Option<&Security>,
        profile: BootstrapProfileKind,
        document: &[u8],
    ) -> MacVerdict {
        let Some(security) = security else {
            return MacVerdict::Unsigned;
        };
        let Some(mac) = &security.mac else {
            return match security.sec {
                Sec::UserPinMac => MacVerdict::TypedByUser,
                Sec::NetwPin | Sec::UserPin | Sec::UserNetwPin => MacVerdict::Unsigned,
            };
        };
        let needs_pin = security.sec != Sec::NetwPin;
        let needs_network = matches!(security.sec, Sec::NetwPin | Sec::UserNetwPin);
        let (pin, network) = (
            needs_pin && self.pin.is_none(),
            needs_network && self.network.is_none(),
        );
        if pin || network {
            return MacVerdict::NotChecked { pin, network };
        }
        let is_by = |form| {
            push_key(
                security.sec,
                profile,
                self.network.as_ref(),
                self.pin.as_ref(),
                form,
            )
            .is_some_and(|key| Mac::new(bootstrap_mac(key.expose(), document)) == *mac)
        };
        if is_by(ImsiKey::SemiOctet) {
            return MacVerdict::Valid;
        }
        let network = self.network.as_ref().filter(|_| needs_network);
        match network.filter(|_| is_by(ImsiKey::Ascii)) {
            Some(network) => MacVerdict::ValidByAscii(network.name()),
            None => MacVerdict::Invalid,
        }
    }

    /// What the user types for `USERPINMAC`, if the PIN was given.
    #[must_use]
    pub fn typed_code(&self, document: &[u8]) -> Option<Secret> {
        user_pin_mac_code(self.pin.as_ref()?, document)
    }
}
