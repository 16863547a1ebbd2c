use std::fmt;

use omadm_mo::Fault;

/// One row a trouble: variant with its value, stable code, fault, sentence, what to do.
macro_rules! troubles {
    ($($variant:ident $(($value:ty))? $code:literal $fault:ident $sentence:literal $action:literal;)*) => {
        /// Why it is not known what is on a card, or what an entry of it holds (§7). Never a reason to remove anything (§9).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
        #[non_exhaustive]
        pub enum CardTrouble {
            $(
                #[doc = $sentence]
                #[error($sentence)]
                $variant $(($value))?,
            )*
        }

        impl CardTrouble {
            /// The stable code, for logs and `--json`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(troubles!(@pattern $variant $($value)?) => $code,)* }
            }

            /// Who has to act.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(troubles!(@pattern $variant $($value)?) => Fault::$fault,)* }
            }

            /// What to do next.
            #[must_use]
            pub const fn action(self) -> &'static str {
                match self { $(troubles!(@pattern $variant $($value)?) => $action,)* }
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $value:ty) => { Self::$variant(_) };
}

troubles! {
    NoService "no-service" Environment "No PC/SC service answers."
        "Start pcscd, and check that this user may use it.";
    NoReader "no-reader" Environment "There is no card reader."
        "Connect a reader, and check that its driver is installed.";
    ReaderUnknown "reader-unknown" Environment "There is no card reader of this name."
        "Look at the names with `omadm card read`; readers are named anew when they are connected anew.";
    ReaderFailed "reader-failed" Environment "The reader failed to exchange data with the card."
        "Put the card in again, or try another reader.";
    CardMute "card-mute" Peer "The card gives no valid answer to a reset."
        "Check which way round the card is; clean its contacts, or try another one.";
    CardSilent "card-silent" Peer "The card did not answer in time."
        "Put the card in again; if it happens again, the card or the reader is broken.";
    CardPulled "card-pulled" Environment "The card was pulled while it was read."
        "Put the card in and leave it there.";
    CardReset "card-reset" Environment "Another program resets the card again and again."
        "End the other program that uses the card.";
    ReaderBusy "reader-busy" Environment "Another program has the card for itself."
        "End the other program that uses the card.";
    CardMisbehaved "card-misbehaved" Peer "The card's answer is not what the standard allows."
        "Try another card; ask the card issuer about this one.";
    ClassUnknown "class-unknown" Peer "The card knows neither class 00 nor class A0."
        "Use a UICC, a SIM or a PKCS#15 card.";
    CardFault(StatusWord) "card-fault" Peer "The card reports a fault of its own, status word {0}."
        "Put the card in again; if it happens again, the card is broken.";
    PinMissing "pin-missing" Configuration "The card asks for a PIN, and none is configured."
        "Give the device the card's PIN.";
    PinWrong(PinTries) "pin-wrong" Configuration "The configured PIN is not the card's; tries left: {0}."
        "Correct the configured PIN before the next switch-on.";
    PinTriesLow(PinTries) "pin-tries-low" Configuration "The PIN is not tried, since too few tries are left: {0}."
        "Enter the right PIN by other means, for example in a phone; that restores the tries.";
    PinBlocked "pin-blocked" Content "The card's PIN is blocked."
        "Unblock it with the PUK, by the card issuer's means.";
    IssuerOnly "issuer-only" Content "The card lets only its issuer read this file."
        "Have the issuer set the file's READ condition to ALW or PIN.";
    ApplicationRefused "application-refused" Peer "The card refuses to select the PKCS#15 application."
        "Have the issuer activate the application.";
    UnknownStatus(StatusWord) "unknown-status" Peer "The card answered with the status word {0}, which is not expected here."
        "Ask the card issuer what the card means by it.";
    DirUnparsable "dir-unparsable" Content "EF(DIR) is no list of application templates."
        "Have the issuer correct EF(DIR).";
    OdfUnparsable "odf-unparsable" Content "EF(ODF) is no PKCS#15 object directory."
        "Have the issuer correct EF(ODF).";
    DodfUnparsable "dodf-unparsable" Content "The data object directory (DODF) is no list of PKCS#15 data objects."
        "Have the issuer correct the file.";
    ContentTooLong(Octets) "content-too-long" Content "The file is longer than a card can give: {0}; at most 32767 octets."
        "Shorten the bootstrap profile.";
    ContentCutShort(Octets) "content-cut-short" Content "The file ends before what its directory says: {0} are there."
        "Have the issuer correct the length in the DODF, or write the whole file.";
    UnsupportedEncoding(FirstOctet) "unsupported-encoding" Content "The content is neither JSON nor WBXML: it begins with {0}."
        "Have the issuer correct what is on the card.";
}

/// A status word, shown as four digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

/// Tries that a PIN has left before it is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PinTries(pub u8);

/// A number of octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Octets(pub u32);

/// The octet a content begins with, shown as two digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FirstOctet(pub u8);

/// Why the device does not use a card (§8). The card counts as rejected: it is read no further, and its accounts stay (§9, D5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum LockReason {
    /// The value is none of those that the lock names.
    #[error("the SIM lock does not allow this card: its {0} is another")]
    Foreign(LockValue),
    /// The card does not have the value, or does not tell it: the lock fails closed.
    #[error("the SIM lock does not allow this card: its {0} cannot be read")]
    Unreadable(LockValue),
}

/// What a SIM lock looks at (TS 22.022).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LockValue {
    /// MCC and MNC, the first digits of the IMSI.
    Network,
    /// The first digits of the ICCID.
    Iccid,
    /// Group identifier level 1: the service provider.
    Gid1,
}

impl LockReason {
    /// The stable code, for logs and `--json`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Foreign(_) => "card-foreign",
            Self::Unreadable(_) => "card-lock-unreadable",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Foreign(_) => {
                "Put in a card that the lock allows, or change `sim_lock` in the device's policy."
            }
            Self::Unreadable(LockValue::Iccid) => {
                "Put in a card with an ICCID, or change `sim_lock` in the device's policy."
            }
            Self::Unreadable(_) => {
                "Give the device the card's PIN, or change `sim_lock` in the device's policy."
            }
        }
    }
}

impl fmt::Display for LockValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "network (MCC and MNC)",
            Self::Iccid => "ICCID",
            Self::Gid1 => "service provider (GID1)",
        })
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusWord({self})")
    }
}

impl fmt::Display for PinTries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets", self.0)
    }
}

impl fmt::Display for FirstOctet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}
