//! What one look at one reader gave: a value that the power-on check judges (§9).

use std::fmt;
use std::str::FromStr;

use omadm_mo::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hexadecimal::{lower, read};
use crate::trouble::{FirstOctet, Octets};
use crate::{CardOid, CardPath, CardTrouble, LockReason};

/// Longest DM Bootstrap on a card: READ BINARY has offsets of 15 bits (§3.4).
pub const LONGEST_DOCUMENT: usize = 32_767;

/// The name of a reader, as PC/SC gives it or the configuration does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReaderName(String);

/// Which card it is, for provenance (§8). Its text, as `iccid:8949…`, `serial:0102…` or `content:3180…`, is what provenance keeps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CardIdentity {
    /// The digits of EF(ICCID).
    Iccid(String),
    /// `serialNumber` of EF(TokenInfo), where the card has no ICCID.
    TokenSerial(Vec<u8>),
    /// SHA-256 of EF(ODF) and the DODFs, where it has neither.
    ContentHash([u8; 32]),
}

/// A text that names no card.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} names no card: it begins with `iccid:`, `serial:` or `content:`")]
pub struct CardIdentityError(pub String);

/// How a document on a card is encoded (D62).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DocumentEncoding {
    /// MO serialization of DM 2.0.
    Json,
    /// WBXML of DM 1.x; skipped where that generation is off.
    Wbxml,
}

/// A DM Bootstrap as read from a card: no octets that only fill the file, no byte order mark. Wiped on drop; without `Debug`, since it may hold secrets.
#[derive(Clone)]
pub struct CardDocument {
    bytes: Secret,
    encoding: DocumentEncoding,
    /// SHA-256 of the bytes: what D51 compares.
    pub sha256: [u8; 32],
}

/// An entry of the card's directories that names a DM Bootstrap.
///
/// `Debug` tells sizes and hashes, no content.
#[derive(Clone)]
pub struct CardEntry {
    /// Which of the accepted OIDs it has.
    pub oid: CardOid,
    /// Where the content lies.
    pub path: CardPath,
    /// The content; none where the file is missing, deactivated or holds nothing: "no bootstrap here" (§3.4, §7). Trouble leaves the entry undetermined.
    pub content: Result<Option<CardDocument>, CardTrouble>,
}

/// What one look at one reader gave.
#[derive(Clone, Debug)]
pub struct CardReading {
    /// The reader.
    pub reader: ReaderName,
    /// The card in it; none where there is none, or it could not be told.
    pub identity: Option<CardIdentity>,
    /// What was found.
    pub outcome: CardOutcome,
}

/// What was found on the card of a reader (§9).
#[derive(Clone, Debug)]
pub enum CardOutcome {
    /// Every entry, the one of highest priority first; at least one. A DODF that could not be read stands among them with its own path and its trouble.
    Read(Vec<CardEntry>),
    /// Definite: the card has no PKCS#15 application, or no entry with an accepted OID.
    NoBootstrap,
    /// Definite: the reader was empty for five seconds on end.
    NoCard,
    /// The SIM lock does not allow the card; its PKCS#15 application was not looked at.
    Rejected(LockReason),
    /// It is not known what is on the card.
    Undetermined(CardTrouble),
}

impl ReaderName {
    /// The reader of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CardDocument {
    /// Takes a document out of a file (§3.4): trailing `FF` is cut where the directory gave no length, then trailing `00` and blanks, then a byte order mark.
    /// None where nothing is left.
    ///
    /// # Errors
    /// `UnsupportedEncoding` where what is left is neither JSON nor WBXML, `ContentTooLong` where it is longer than [`LONGEST_DOCUMENT`].
    pub fn from_file(octets: &[u8], length_given: bool) -> Result<Option<Self>, CardTrouble> {
        let filler = |octet: u8| matches!(octet, 0 | b' ' | b'\t' | b'\r' | b'\n');
        let mut rest = octets;
        while let [head @ .., 0xFF] = rest
            && !length_given
        {
            rest = head;
        }
        while let [head @ .., last] = rest
            && filler(*last)
        {
            rest = head;
        }
        let rest = rest.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(rest);
        let Some(first) = rest.trim_ascii_start().first() else {
            return Ok(None);
        };
        if rest.len() > LONGEST_DOCUMENT {
            let octets = Octets(u32::try_from(rest.len()).unwrap_or(u32::MAX));
            return Err(CardTrouble::ContentTooLong(octets));
        }
        let encoding = match first {
            b'{' | b'[' => DocumentEncoding::Json,
            1..=3 => DocumentEncoding::Wbxml,
            other => return Err(CardTrouble::UnsupportedEncoding(FirstOctet(*other))),
        };
        Ok(Some(Self {
            bytes: Secret::new(rest.to_vec()),
            encoding,
            sha256: Sha256::digest(rest).into(),
        }))
    }

    /// The document. The caller must not copy it into a log.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// How it is encoded.
    #[must_use]
    pub const fn encoding(&self) -> DocumentEncoding {
        self.encoding
    }
}

impl fmt::Debug for CardEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.oid, self.path)?;
        match &self.content {
            Ok(Some(document)) => {
                let [a, b, c, d, ..] = document.sha256;
                let (octets, hash) = (document.bytes().len(), lower(&[a, b, c, d]));
                write!(
                    f,
                    "{:?}, {octets} octets, SHA-256 {hash}…",
                    document.encoding
                )
            }
            Ok(None) => f.write_str("nothing"),
            Err(trouble) => write!(f, "{}", trouble.code()),
        }
    }
}

impl fmt::Display for ReaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CardIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iccid(digits) => write!(f, "iccid:{digits}"),
            Self::TokenSerial(serial) => write!(f, "serial:{}", lower(serial)),
            Self::ContentHash(hash) => write!(f, "content:{}", lower(hash)),
        }
    }
}

impl FromStr for CardIdentity {
    type Err = CardIdentityError;

    fn from_str(text: &str) -> Result<Self, CardIdentityError> {
        let of_kind = || match text.split_once(':')? {
            ("iccid", digits) => Some(Self::Iccid(digits.to_owned())),
            ("serial", digits) => Some(Self::TokenSerial(read(digits)?)),
            ("content", digits) => Some(Self::ContentHash(read(digits)?.try_into().ok()?)),
            _ => None,
        };
        of_kind().ok_or_else(|| CardIdentityError(text.to_owned()))
    }
}

impl TryFrom<String> for CardIdentity {
    type Error = CardIdentityError;

    fn try_from(text: String) -> Result<Self, CardIdentityError> {
        text.parse()
    }
}

impl From<CardIdentity> for String {
    fn from(identity: CardIdentity) -> Self {
        identity.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(octets: &[u8], length_given: bool) -> Vec<u8> {
        let document = CardDocument::from_file(octets, length_given).expect("an encoding we know");
        document.expect("a document").bytes().to_vec()
    }

    #[test]
    fn what_fills_the_file_is_no_part_of_the_document() {
        assert_eq!(document(b"{}\xFF\xFF", false), b"{}");
        assert_eq!(document(b"{} \n\0\0\xFF", false), b"{}");
        assert_eq!(document(b"\xEF\xBB\xBF [] ", false), b" []");
        assert_eq!(document(b"{}\0 ", true), b"{}");
        // A length says where the document ends: FF is then its own.
        assert_eq!(document(b"\x03\x01\xFF", true), b"\x03\x01\xFF");
    }

    #[test]
    fn a_file_of_nothing_but_filling_holds_no_bootstrap() {
        for octets in [&b""[..], b"\xFF\xFF", b"\0 \n\xFF", b"\xEF\xBB\xBF"] {
            assert!(matches!(CardDocument::from_file(octets, false), Ok(None)));
        }
    }

    #[test]
    fn the_first_octet_tells_the_encoding() {
        for (octets, encoding) in [
            (&b"{"[..], DocumentEncoding::Json),
            (b" [", DocumentEncoding::Json),
            (b"\x01", DocumentEncoding::Wbxml),
            (b"\x03", DocumentEncoding::Wbxml),
        ] {
            let document = CardDocument::from_file(octets, false)
                .expect("known")
                .expect("some");
            assert_eq!(document.encoding(), encoding);
        }
        let trouble = CardDocument::from_file(b"<xml>", false).err();
        assert_eq!(
            trouble,
            Some(CardTrouble::UnsupportedEncoding(FirstOctet(0x3C)))
        );
    }

    #[test]
    fn a_document_of_32768_octets_is_too_long() {
        let mut octets = vec![b'['; LONGEST_DOCUMENT];
        assert_eq!(document(&octets, false).len(), LONGEST_DOCUMENT);
        octets.push(b'[');
        let trouble = CardDocument::from_file(&octets, false).err();
        assert_eq!(trouble, Some(CardTrouble::ContentTooLong(Octets(32_768))));
    }

    #[test]
    fn an_identity_is_written_and_read_back() {
        for identity in [
            CardIdentity::Iccid("8949017201234567890".to_owned()),
            CardIdentity::TokenSerial(vec![1, 2, 0xAB]),
            CardIdentity::ContentHash([7; 32]),
        ] {
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
        for text in ["8949", "serial:x", "content:00", "card:1"] {
            assert!(text.parse::<CardIdentity>().is_err(), "{text}");
        }
    }

    #[test]
    fn debug_of_an_entry_tells_size_and_hash_and_nothing_of_the_content() {
        let entry = CardEntry {
            oid: CardOid::DM_BOOTSTRAP,
            path: "3F00/7F50/6432".parse().expect("a path"),
            content: CardDocument::from_file(br#"{"ClientSecretKey":"x"}"#, false),
        };
        let text = format!("{entry:?}");
        assert!(
            text.starts_with("2.23.43.7.1 3F00/7F50/6432: Json, 23 octets"),
            "{text}"
        );
        assert!(!text.contains("Secret"), "{text}");
    }
}
