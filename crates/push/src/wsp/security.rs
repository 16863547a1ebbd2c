use std::fmt;

use subtle::ConstantTimeEq as _;

/// SEC and MAC of a signed DM 1.x bootstrap: parameters of its content type (`push.md` §2, §4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Security {
    /// What the key is made of.
    pub sec: Sec,
    /// What proves the document. None with [`Sec::UserPinMac`], where the user types it, and in what nobody signed.
    pub mac: Option<Mac>,
}

/// What the key of a MAC is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sec {
    /// The IMSI, or the ESN in CDMA.
    NetwPin,
    /// A PIN that the user knows.
    UserPin,
    /// The IMSI and the PIN.
    UserNetwPin,
    /// A PIN with the MAC's digits in it.
    UserPinMac,
}

/// HMAC-SHA1 of a document.
#[derive(Clone, Copy)]
pub struct Mac([u8; 20]);

/// Not forty hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a MAC is 40 hexadecimal digits")]
pub struct MacError;

impl Sec {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::NetwPin => 0,
            Self::UserPin => 1,
            Self::UserNetwPin => 2,
            Self::UserPinMac => 3,
        }
    }

    /// That of a number on the wire.
    #[must_use]
    pub const fn of(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::NetwPin,
            1 => Self::UserPin,
            2 => Self::UserNetwPin,
            3 => Self::UserPinMac,
            _ => return None,
        })
    }
}

impl Mac {
    /// A MAC of these octets.
    #[must_use]
    pub const fn new(octets: [u8; 20]) -> Self {
        Self(octets)
    }

    /// Reads hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`MacError`].
    pub fn parse(digits: &str) -> Result<Self, MacError> {
        let digits: Vec<u8> = digits
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok()))
            .collect::<Option<_>>()
            .ok_or(MacError)?;
        let octets: Vec<u8> = digits
            .chunks(2)
            .filter_map(|pair| match pair {
                [high, low] => Some(high << 4 | low),
                _ => None,
            })
            .collect();
        match digits.len() {
            40 => octets.try_into().map(Self).map_err(|_| MacError),
            _ => Err(MacError),
        }
    }

    /// Its octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 20] {
        &self.0
    }
}

/// In constant time.
impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mac {}

/// Forty upper-case digits, as on the wire.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
