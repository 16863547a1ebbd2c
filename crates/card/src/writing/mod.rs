//! DM Bootstraps are put on a card that has the files for them, and taken off it (§3): whole or not at all, whenever the card is pulled.
//!
//! The entries of the DODF are the switch. They are taken away first, in one command, then the documents are written and read back, and last the new entries
//! are written, in one command: in between, the card has no DM Bootstrap. Entries of others stay as they are, in each of these states.

mod change;
mod survey;
mod update;

use omadm_mo::Secret;

use crate::dialogue::{CardClass, Dialogue};
use crate::reading::CardIdentity;
use crate::transport::{CardTransport, TransportError};
use crate::trouble::{Octets, PinTries, StatusWord};
use crate::{CardFileSet, CardPath, CardSettings, CardTrouble, hexadecimal};

use change::Change;
use survey::Survey;

/// What is needed to write on a card.
#[derive(Clone, Default)]
pub struct CardWriteSettings {
    /// How the card is read: OIDs of the entries that are replaced, and the PIN. The SIM lock is not looked at.
    pub reading: CardSettings,
    /// Tells of what an entry of client provisioning holds whether it is for a DM Client: other such entries stay. Without it each counts whose OID is
    /// read.
    pub provisions_dm: Option<fn(&[u8]) -> bool>,
    /// The issuer's key, verified where the card asks for it, once, and never on its last try.
    pub key: Option<IssuerKey>,
}

/// A key of the issuer (ADM). Wiped on drop, without `Debug`.
#[derive(Clone)]
pub struct IssuerKey {
    octets: Secret,
    reference: u8,
}

/// Octets that are no key; they are not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a key is 16 hexadecimal digits, or four to eight characters")]
pub struct IssuerKeyError;

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardWritten {
    /// The card, where it has an ICCID.
    pub card: Option<CardIdentity>,
    /// The files that changed, in the order of writing, the DODF last; none where everything was on the card already.
    pub files: Vec<CardPath>,
    /// Where the documents are now, the one of highest priority first.
    pub documents: Vec<CardPath>,
}

/// Why a card was not written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}")]
pub struct CardWriteFailure {
    /// Why.
    pub error: CardWriteError,
    /// Whether something was changed before: the card then has no DM Bootstrap until it is written again. Else it is as before.
    pub changed: bool,
}

/// What keeps a card from being written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CardWriteError {
    /// The card cannot be read.
    #[error(transparent)]
    Trouble(#[from] CardTrouble),
    /// A 2G SIM: these are read only (O6).
    #[error("a 2G SIM is read only")]
    Sim,
    /// There is no PKCS#15 application with an EF(ODF).
    #[error("the card has no PKCS#15 application that could hold a bootstrap")]
    NoApplication,
    /// A file that is needed is not there.
    #[error("the card has no file {0}")]
    Missing(CardPath),
    /// A file is too small.
    #[error("{path} has {size}, and {needed} are needed")]
    TooSmall {
        /// The file.
        path: CardPath,
        /// Its size.
        size: Octets,
        /// What should go into it.
        needed: Octets,
    },
    /// A file cannot take what it should, as it is made or filled.
    #[error("{0} has another structure than a bootstrap needs, or no free record")]
    Structure(CardPath),
    /// Entries of others stand in a directory that would have to be written in more than one command.
    #[error("{0} holds entries of others, and what changes in it does not go into one command")]
    Crowded(CardPath),
    /// The card asks for the issuer's key, and none was given.
    #[error("the card asks for the issuer's key to update {0}, and none was given")]
    KeyMissing(CardPath),
    /// The key is another.
    #[error("the issuer's key is not the card's; tries left: {0}")]
    KeyWrong(PinTries),
    /// The key is not tried.
    #[error("the issuer's key is not tried, since too few tries are left: {0}")]
    KeyTriesLow(PinTries),
    /// The key is blocked.
    #[error("the issuer's key is blocked")]
    KeyBlocked,
    /// The card refuses an update though every key was given.
    #[error("the card refuses to update {0}, status word {1}")]
    Refused(CardPath, StatusWord),
    /// What is read back is not what was written.
    #[error("{0} gives back other octets than were written")]
    Mismatch(CardPath),
}

impl IssuerKey {
    /// The reference of the first issuer's key, ADM1 (TS 102 221).
    pub const ADM1: u8 = 0x0A;

    /// Takes the key of this reference: sixteen hexadecimal digits for eight octets, or four to eight ASCII characters, filled with `FF`.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn new(text: &Secret, reference: u8) -> Result<Self, IssuerKeyError> {
        let octets = text.expose();
        let digits = std::str::from_utf8(octets).map_err(|_| IssuerKeyError)?;
        let octets = match octets.len() {
            16 => hexadecimal::read(digits).ok_or(IssuerKeyError)?,
            4..=8 if octets.iter().all(u8::is_ascii_graphic) => {
                let mut block = octets.to_vec();
                block.resize(8, 0xFF);
                block
            }
            _ => return Err(IssuerKeyError),
        };
        Ok(Self {
            octets: Secret::new(octets),
            reference,
        })
    }
}

impl CardWriteError {
    /// The stable code, for `--json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Trouble(trouble) => trouble.code(),
            Self::Sim => "card-read-only",
            Self::NoApplication => "card-no-application",
            Self::Missing(_) => "card-file-missing",
            Self::TooSmall { .. } => "card-file-too-small",
            Self::Structure(_) => "card-file-structure",
            Self::Crowded(_) => "card-directory-crowded",
            Self::KeyMissing(_) => "card-key-missing",
            Self::KeyWrong(_) => "card-key-wrong",
            Self::KeyTriesLow(_) => "card-key-tries-low",
            Self::KeyBlocked => "card-key-blocked",
            Self::Refused(..) => "card-update-refused",
            Self::Mismatch(_) => "card-mismatch",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Trouble(trouble) => trouble.action(),
            Self::Sim => "Use a UICC or a PKCS#15 card, or have the SIM's issuer write it.",
            Self::NoApplication | Self::Missing(_) | Self::Structure(_) => {
                "Have the issuer create the files; `omadm bootstrap build --carrier smartcard` tells them with their sizes."
            }
            Self::TooSmall { .. } => {
                "Shorten the bootstrap profile, or have the issuer make the file larger."
            }
            Self::Crowded(_) => "Have the issuer write the directory.",
            Self::KeyMissing(_) => "Give the issuer's key.",
            Self::KeyWrong(_) => "Correct the issuer's key, or its reference, before the next try.",
            Self::KeyTriesLow(_) | Self::KeyBlocked => {
                "Ask the card issuer: a blocked key of his cannot be unblocked."
            }
            Self::Refused(..) => {
                "Ask the card issuer which key the file needs, and give it with its reference."
            }
            Self::Mismatch(_) => "Write the card again; if it happens again, the card is broken.",
        }
    }
}

/// Puts the documents of a set on a card, in place of those on it. The card's own layout is followed: its DODF, its files for documents as far as there
/// are any; else the customary places. Sizes and the right to update are checked before anything is changed.
///
/// The caller holds the card for itself while this runs, and has it forget the keys afterwards.
///
/// # Errors
/// Why it was not written, and whether the card is as before.
pub fn write_card(
    transport: &mut dyn CardTransport,
    set: &CardFileSet,
    settings: &CardWriteSettings,
) -> Result<CardWritten, CardWriteFailure> {
    update_card(transport, Some(set), settings)
}

/// Takes every DM Bootstrap off a card: the entries, and what the files hold.
///
/// The caller holds the card for itself while this runs, and has it forget the keys afterwards.
///
/// # Errors
/// Why it was not erased, and whether the card is as before.
pub fn erase_card(
    transport: &mut dyn CardTransport,
    settings: &CardWriteSettings,
) -> Result<CardWritten, CardWriteFailure> {
    update_card(transport, None, settings)
}

fn update_card(
    transport: &mut dyn CardTransport,
    set: Option<&CardFileSet>,
    settings: &CardWriteSettings,
) -> Result<CardWritten, CardWriteFailure> {
    let mut changed = false;
    let mut all = || {
        let mut dialogue = Dialogue::open(transport, &settings.reading)?;
        if dialogue.class() == CardClass::Sim {
            return Err(CardWriteError::Sim);
        }
        let card = dialogue.iccid()?.map(CardIdentity::Iccid);
        let survey = Survey::of(&mut dialogue, settings.provisions_dm)?;
        let change = Change::plan(&mut dialogue, &survey, set)?;
        let files = update::carry_out(&mut dialogue, &change, settings, &mut changed)?;
        dialogue.close()?;
        Ok(CardWritten {
            card,
            files,
            documents: change.documents(),
        })
    };
    all().map_err(|error| CardWriteFailure { error, changed })
}

impl From<TransportError> for CardWriteError {
    fn from(error: TransportError) -> Self {
        Self::Trouble(match error {
            TransportError::Reset => CardTrouble::CardReset,
            TransportError::Trouble(trouble) => trouble,
        })
    }
}
