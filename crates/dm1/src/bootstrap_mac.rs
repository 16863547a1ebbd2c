//! The proof of a pushed bootstrap: HMAC-SHA1 over the document as sent, by keys that both sides are thought to know (§5.2, §5.4, `push.md` §4).

use hmac::{Hmac, KeyInit as _, Mac as _};
use omadm_mo::Secret;
use sha1::Sha1;

/// The number of a subscriber, 6 to 15 digits. An identifier, not a secret (§5.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imsi(Box<str>);

/// The number of a CDMA device, 32 bits: the maker's eight, then a serial number. An identifier, not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esn(u32);

/// What a network knows a device by: the network's part of a key (`push.md` §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkId {
    /// Of a subscriber, in GSM and what followed it.
    Imsi(Imsi),
    /// Of a device, in CDMA.
    Esn(Esn),
}

/// How an IMSI or ESN becomes the key; by device model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImsiKey {
    /// An IMSI as the card holds it, without its length octet (GSM 11.11). Of an ESN, whose form no source tells, the four octets, highest first: local
    /// decision.
    #[default]
    SemiOctet,
    /// Its digits as ASCII; what some devices take instead. An ESN has eight hexadecimal ones, upper case.
    Ascii,
}

/// Which profile signs: they join IMSI and PIN differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapProfileKind {
    /// Client provisioning: IMSI, then PIN.
    Cp,
    /// DM: PIN, a colon, IMSI.
    Dm,
}

/// A text that is no IMSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an IMSI is 6 to 15 decimal digits")]
pub struct ImsiError;

/// A text that is no ESN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an ESN is 8 hexadecimal digits, or 11 decimal ones: 3 of the maker, up to 255, and 8 up to 16777215"
)]
pub struct EsnError;

impl Imsi {
    /// Reads digits.
    ///
    /// # Errors
    ///
    /// [`ImsiError`].
    pub fn parse(digits: &str) -> Result<Self, ImsiError> {
        if (6..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()) {
            Ok(Self(digits.into()))
        } else {
            Err(ImsiError)
        }
    }

    /// The key that an IMSI is.
    #[must_use]
    pub fn key(&self, form: ImsiKey) -> Vec<u8> {
        match form {
            ImsiKey::Ascii => self.0.as_bytes().to_vec(),
            ImsiKey::SemiOctet => self.semi_octets(),
        }
    }

    /// Odd: nibble 9 before the digits; even: 1 before and F behind. Then the nibbles of each pair are swapped.
    fn semi_octets(&self) -> Vec<u8> {
        let digits = self.0.bytes().map(|digit| digit - b'0');
        let nibbles: Vec<u8> = if self.0.len() % 2 == 1 {
            std::iter::once(9).chain(digits).collect()
        } else {
            std::iter::once(1).chain(digits).chain([0xf]).collect()
        };
        nibbles
            .chunks_exact(2)
            .map(|pair| pair[1] << 4 | pair[0])
            .collect()
    }
}

impl Esn {
    /// Reads what is printed on devices: 8 hexadecimal digits, or 11 decimal ones.
    ///
    /// # Errors
    ///
    /// [`EsnError`].
    pub fn parse(text: &str) -> Result<Self, EsnError> {
        let is_decimal = text.bytes().all(|digit| digit.is_ascii_digit());
        if text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let number = u32::from_str_radix(text, 16);
            return number.map(Self).map_err(|_| EsnError);
        }
        let (maker, serial) = text
            .split_at_checked(3)
            .filter(|_| is_decimal && text.len() == 11)
            .ok_or(EsnError)?;
        let maker: u8 = maker.parse().map_err(|_| EsnError)?;
        let serial: u32 = serial.parse().map_err(|_| EsnError)?;
        if serial >= 1 << 24 {
            return Err(EsnError);
        }
        Ok(Self(u32::from(maker) << 24 | serial))
    }

    /// The key that an ESN is.
    #[must_use]
    pub fn key(self, form: ImsiKey) -> Vec<u8> {
        match form {
            ImsiKey::SemiOctet => self.0.to_be_bytes().to_vec(),
            ImsiKey::Ascii => format!("{:08X}", self.0).into_bytes(),
        }
    }
}

impl NetworkId {
    /// The key that it is.
    #[must_use]
    pub fn key(&self, form: ImsiKey) -> Vec<u8> {
        match self {
            Self::Imsi(imsi) => imsi.key(form),
            Self::Esn(esn) => esn.key(form),
        }
    }

    /// `IMSI` or `ESN`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Imsi(_) => "IMSI",
            Self::Esn(_) => "ESN",
        }
    }
}

impl From<Imsi> for NetworkId {
    fn from(imsi: Imsi) -> Self {
        Self::Imsi(imsi)
    }
}

impl From<Esn> for NetworkId {
    fn from(esn: Esn) -> Self {
        Self::Esn(esn)
    }
}

/// The key of IMSI or ESN, as octets, and PIN together.
#[must_use]
pub fn joined_key(profile: BootstrapProfileKind, network: &[u8], pin: &Secret) -> Secret {
    Secret::new(match profile {
        BootstrapProfileKind::Cp => [network, pin.expose()].concat(),
        BootstrapProfileKind::Dm => [pin.expose(), b":", network].concat(),
    })
}

/// The MAC of a document.
#[must_use]
pub fn bootstrap_mac(key: &[u8], document: &[u8]) -> [u8; 20] {
    match Hmac::<Sha1>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(document);
            mac.finalize().into_bytes().into()
        }
        // HMAC takes a key of any length.
        Err(_) => [0; 20],
    }
}

/// What a user types with `USERPINMAC`: the PIN, then one digit of the MAC for each of its digits (§5.4). `None` for a PIN of no or more than 20 digits.
#[must_use]
pub fn user_pin_mac_code(pin: &Secret, document: &[u8]) -> Option<Secret> {
    let digits = pin.expose();
    if digits.is_empty() || digits.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mac = bootstrap_mac(digits, document);
    let derived = mac[..digits.len()].iter().map(|octet| b'0' + octet % 10);
    Some(Secret::new(digits.iter().copied().chain(derived).collect()))
}
