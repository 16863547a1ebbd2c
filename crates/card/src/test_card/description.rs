use serde::{Deserialize, Serialize};

use crate::{CardPath, hexadecimal};

/// A card as a file: what `omadm card read --virtual` reads, and what a card file set is exported as.
///
/// Directories are those that the paths of files and applications name. Octets are hexadecimal, blanks allowed. Holds what the card holds: secrets too.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardDescription {
    /// Which kind of card it is.
    pub profile: CardProfile,
    /// Answer to reset; that of the profile where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atr: Option<HexText>,
    /// The holder's PIN; none where nothing is guarded by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<SecretCode>,
    /// The issuer's key; none where the issuer writes by other means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adm: Option<SecretCode>,
    /// Applications that are selected by AID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<CardApplication>,
    /// The files.
    pub files: Vec<CardFile>,
    /// What this card does otherwise than others.
    #[serde(default, skip_serializing_if = "CardQuirks::is_none")]
    pub quirks: CardQuirks,
}

/// Kind of a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardProfile {
    /// Class 00, T=0, logical channels, `7FFF`, EF(DIR) of records.
    Uicc,
    /// Class A0, T=0, one SELECT for each step.
    Sim2g,
    /// Class 00, answers without `61xx`, EF(DIR) transparent.
    Iso,
}

/// An application and the directory its files lie in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardApplication {
    /// Its AID.
    pub aid: HexText,
    /// Its directory.
    pub path: CardPath,
}

/// A file of a card.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Where it lies.
    pub path: CardPath,
    /// Its octets, where it is transparent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<HexText>,
    /// Its octets as text, instead of `content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its records, where it is linear fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<HexText>>,
    /// Its size in octets, of a file of records that of one record; what the content leaves is filled with `FF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u16>,
    /// Who may read it.
    #[serde(default)]
    pub read: CardAccess,
    /// Who may update it.
    #[serde(default = "CardAccess::issuer")]
    pub update: CardAccess,
    /// Whether it is deactivated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deactivated: bool,
}

/// An access condition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardAccess {
    /// Anybody.
    #[default]
    Always,
    /// Whoever verified the PIN.
    Pin,
    /// Whoever verified the issuer's key.
    Issuer,
    /// Nobody.
    Never,
}

/// A PIN or key, and how often it may still be tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretCode {
    /// A PIN's digits, or a key of eight octets in hexadecimal.
    pub value: String,
    /// Tries left.
    #[serde(default = "SecretCode::tries")]
    pub tries: u8,
    /// Its reference; 1 for the PIN and 10 for the key where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<u8>,
}

/// What a card does otherwise than others of its kind.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CardQuirks {
    /// Knows no logical channels.
    pub no_channels: bool,
    /// Knows no FCP: P2 = 04 is answered `6A86`.
    pub no_fcp: bool,
    /// Knows no path in SELECT: P1 = 08 and 09 are answered `6A86`.
    pub no_path: bool,
    /// Refuses to select any application, with `6999`.
    pub refuses_applications: bool,
    /// Insists on the exact number of octets wanted: `6Cxx` otherwise.
    pub exact_length: bool,
    /// Does not tell sizes.
    pub no_sizes: bool,
}

/// Octets, written in hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexText(pub Vec<u8>);

/// A text that is not pairs of hexadecimal digits; it is not told, since it may be a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("octets are pairs of hexadecimal digits")]
pub struct HexTextError;

/// What is wrong with a description.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CardDescriptionError {
    /// No JSON of this form.
    #[error("it is no card description: {reason} at line {line}, column {column}")]
    Json {
        /// What was expected.
        reason: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A file does not lie under the MF, or its path names a part of a file.
    #[error(
        "{0} is no place of a file: it begins with 3F00, has at least one file identifier more, and names no part"
    )]
    Place(CardPath),
    /// A file has no content, or more than one.
    #[error("{0} has to have one of `content`, `text` and `records`")]
    Content(CardPath),
    /// A file does not fit its size, or a card.
    #[error(
        "{0} does not fit: its content is longer than its `size`, or than 65535 octets, or its records are none or of more than 255 octets"
    )]
    Size(CardPath),
    /// Two files at one place.
    #[error("{0} is there twice")]
    Twice(CardPath),
    /// A PIN or key that no card has.
    #[error("a PIN is four to eight digits, and a key eight octets in hexadecimal")]
    Code,
    /// An ATR or AID of a length that no card has.
    #[error("an answer to reset has 2 to 33 octets, and an AID 5 to 16")]
    Length,
}

impl CardDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// What is wrong with it, and where; without any value that could be secret.
    pub fn read(text: &str) -> Result<Self, CardDescriptionError> {
        serde_json::from_str(text).map_err(|error| CardDescriptionError::Json {
            reason: reason(&error),
            line: error.line(),
            column: error.column(),
        })
    }

    /// The description as JSON, a line for each member.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The answer to reset (§10.1).
    #[must_use]
    pub fn atr(&self) -> Vec<u8> {
        match (&self.atr, self.profile) {
            (Some(atr), _) => atr.0.clone(),
            (None, CardProfile::Uicc) => UICC_ATR.to_vec(),
            (None, CardProfile::Sim2g) => vec![0x3B, 0x02, 0x14, 0x50],
            (None, CardProfile::Iso) => vec![0x3B, 0x80, 0x80, 0x01, 0x01],
        }
    }
}

const UICC_ATR: [u8; 22] = [
    0x3B, 0x9F, 0x96, 0x80, 0x1F, 0xC7, 0x80, 0x31, 0xA0, 0x73, 0xBE, 0x21, 0x13, 0x67, 0x43, 0x20,
    0x07, 0x18, 0x00, 0x00, 0x01, 0xA5,
];

/// serde quotes the wrong value only for texts and numbers that it did not expect; the kind of error is enough.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    match text.split_once("invalid type: string ") {
        Some(_) => "a value of another type was expected".to_owned(),
        None => text.to_owned(),
    }
}

impl CardFile {
    /// A transparent file that everybody may read and the issuer update.
    #[must_use]
    pub const fn transparent(path: CardPath, content: Vec<u8>) -> Self {
        Self {
            path,
            content: Some(HexText(content)),
            text: None,
            records: None,
            size: None,
            read: CardAccess::Always,
            update: CardAccess::Issuer,
            deactivated: false,
        }
    }

    /// A linear fixed file that everybody may read and the issuer update.
    #[must_use]
    pub fn of_records(path: CardPath, length: u16, records: &[Vec<u8>]) -> Self {
        Self {
            records: Some(records.iter().cloned().map(HexText).collect()),
            content: None,
            size: Some(length),
            ..Self::transparent(path, Vec::new())
        }
    }

    /// With this size; what the content leaves is filled with `FF`.
    #[must_use]
    pub const fn sized(mut self, size: u16) -> Self {
        self.size = Some(size);
        self
    }

    /// Read only by whoever meets this condition.
    #[must_use]
    pub const fn read_by(mut self, access: CardAccess) -> Self {
        self.read = access;
        self
    }
}

impl CardAccess {
    const fn issuer() -> Self {
        Self::Issuer
    }
}

impl SecretCode {
    const fn tries() -> u8 {
        3
    }
}

impl CardQuirks {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl TryFrom<String> for HexText {
    type Error = HexTextError;

    fn try_from(text: String) -> Result<Self, HexTextError> {
        hexadecimal::read(&text).map(Self).ok_or(HexTextError)
    }
}

impl From<HexText> for String {
    fn from(octets: HexText) -> Self {
        hexadecimal::upper(&octets.0)
    }
}

impl std::fmt::Debug for HexText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}
