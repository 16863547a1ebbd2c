use std::fmt;

/// The options of `dm20.md` §11.3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OptionName {
    /// 1
    ServerId,
    /// 2
    PreferredConType,
    /// 3
    NotificationId,
    /// 4
    Sha256Digest,
    /// 5
    Timestamp,
    /// 6
    ReqMos,
}

impl OptionName {
    const ALL: [Self; 6] = [
        Self::ServerId,
        Self::PreferredConType,
        Self::NotificationId,
        Self::Sha256Digest,
        Self::Timestamp,
        Self::ReqMos,
    ];

    /// The option of a number; none where §11.3 lists none, which readers skip (D37).
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|name| u16::from(name.number()) == number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::ServerId => 1,
            Self::PreferredConType => 2,
            Self::NotificationId => 3,
            Self::Sha256Digest => 4,
            Self::Timestamp => 5,
            Self::ReqMos => 6,
        }
    }

    /// Its name in the specification.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerId => "SERVER-ID",
            Self::PreferredConType => "PREFERRED-CON-TYPE",
            Self::NotificationId => "NOTIFICATION-ID",
            Self::Sha256Digest => "SHA256-DIGEST",
            Self::Timestamp => "TIMESTAMP",
            Self::ReqMos => "REQ-MOS",
        }
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
