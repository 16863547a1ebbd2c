//! The files that put DM Bootstraps on a card: from documents to octets, and back (§3).

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::pkcs15::{
    ApplicationTemplate, DataObject, DataValue, DodfItem, ObjectForm, OdfItem, PKCS15_AID,
    Pkcs15Path, TokenInfo, read_dodf, read_odf,
};
use crate::reading::LONGEST_DOCUMENT;
use crate::test_card::{
    CardApplication, CardDescription, CardFile, CardProfile, CardQuirks, HexText,
};
use crate::{CardOid, CardPath, hexadecimal};

/// DF of the application: that of telecom cards (§3).
const APPLICATION: u16 = 0x7F50;
const MF: u16 = 0x3F00;
const EF_DIR: u16 = 0x2F00;
const EF_ICCID: u16 = 0x2FE2;
const EF_ODF: u16 = 0x5031;
const EF_TOKEN_INFO: u16 = 0x5032;
pub(crate) const EF_DODF: u16 = 0x6430;
/// The first EF(DM_Bootstrap); further ones follow.
pub(crate) const EF_DM_BOOTSTRAP: u16 = 0x6432;
/// Length of a record of EF(DIR).
const DIR_RECORD: u16 = 0x30;
/// Most documents of one set.
const MOST: usize = 16;
const LABEL: &str = "OMA DM Bootstrap";
const CP_LABEL: &str = "OMA CP Bootstrap";

/// Files of a card that lead to one or more DM Bootstraps. Without `Debug`: the documents may hold secrets.
#[derive(Clone)]
pub struct CardFileSet {
    documents: Vec<Zeroizing<Vec<u8>>>,
    serial: Vec<u8>,
    /// Those of the documents' entries, as many.
    oids: Vec<CardOid>,
    opensc: bool,
}

/// Why there is no file set.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CardFileSetError {
    /// None, or more than sixteen.
    #[error("a card file set has 1 to 16 documents, not {0}")]
    Count(usize),
    /// A document is empty, or longer than READ BINARY reaches.
    #[error("document {number} has {octets} octets; a card gives 1 to 32767")]
    Length {
        /// Its number, from 0.
        number: usize,
        /// Its length.
        octets: usize,
    },
    /// The serial number is empty or too long.
    #[error("the serial number of a card has 1 to 64 octets, not {0}")]
    Serial(usize),
    /// A file that has to be there is not.
    #[error("{0} is missing")]
    Missing(CardPath),
    /// A file is not what it should be.
    #[error("{0} is no file of a card file set")]
    Unparsable(CardPath),
    /// A line of an APDU script is no command of one; it is not told, since it may hold secrets.
    #[error(
        "line {line} of the APDU script is no SELECT, UPDATE RECORD or UPDATE BINARY that follows on the one before"
    )]
    Script {
        /// Which, from 1.
        line: usize,
    },
}

impl CardFileSet {
    /// The files for these documents, the first having the highest priority, on a card of this serial number.
    ///
    /// # Errors
    /// Where a card cannot hold them.
    pub fn new(documents: &[&[u8]], serial: &[u8]) -> Result<Self, CardFileSetError> {
        if !(1..=MOST).contains(&documents.len()) {
            return Err(CardFileSetError::Count(documents.len()));
        }
        let wrong =
            |(_, document): &(usize, &&[u8])| !(1..=LONGEST_DOCUMENT).contains(&document.len());
        if let Some((number, document)) = documents.iter().enumerate().find(wrong) {
            return Err(CardFileSetError::Length {
                number,
                octets: document.len(),
            });
        }
        if !(1..=64).contains(&serial.len()) {
            return Err(CardFileSetError::Serial(serial.len()));
        }
        Ok(Self {
            documents: documents
                .iter()
                .map(|document| Zeroizing::new(document.to_vec()))
                .collect(),
            serial: serial.to_vec(),
            oids: vec![CardOid::DM_BOOTSTRAP; documents.len()],
            opensc: false,
        })
    }

    /// With entries of these OIDs instead of [`CardOid::DM_BOOTSTRAP`], one a document: client provisioning documents have [`CardOid::CP_BOOTSTRAP`]
    /// (`dm1x.md` §5.5). Documents beyond them keep theirs. A device takes those of client provisioning after the others (M23), so they stand behind them.
    #[must_use]
    pub fn named_by(mut self, oids: impl IntoIterator<Item = CardOid>) -> Self {
        for (own, oid) in self.oids.iter_mut().zip(oids) {
            *own = oid;
        }
        let mut named: Vec<_> = self.oids.into_iter().zip(self.documents).collect();
        named.sort_by_key(|(oid, _)| oid.rank());
        (self.oids, self.documents) = named.into_iter().unzip();
        self
    }

    /// The OIDs of the documents' entries, one a document.
    #[must_use]
    pub fn oids(&self) -> &[CardOid] {
        &self.oids
    }

    /// With a second entry for each document, in the form that OpenSC knows; it stands first, since OpenSC stops at the other one (§6).
    #[must_use]
    pub const fn for_opensc(mut self) -> Self {
        self.opensc = true;
        self
    }

    /// The documents, the first having the highest priority.
    pub fn documents(&self) -> impl Iterator<Item = &[u8]> {
        self.documents.iter().map(|document| document.as_slice())
    }

    /// Every file by its path, like `3F00/7F50/6432`. EF(DIR) is one record without filling, as a plain card has it; the last ones hold the documents.
    #[must_use]
    pub fn files(&self) -> Vec<(CardPath, Zeroizing<Vec<u8>>)> {
        let mut files = vec![
            (EF_DIR, template().write()),
            (EF_ODF, OdfItem::write(&[Pkcs15Path::new(&[EF_DODF])])),
            (EF_TOKEN_INFO, self.token_info().write()),
            (EF_DODF, self.dodf()),
        ];
        let documents = (EF_DM_BOOTSTRAP..).zip(&self.documents);
        files.extend(documents.map(|(file, document)| (file, document.to_vec())));
        let placed = files
            .into_iter()
            .filter_map(|(file, octets)| Some((place(file)?, Zeroizing::new(octets))));
        placed.collect()
    }

    /// APDUs that write the files onto a card of class 00 which has them already, one a line in hexadecimal, `#` before remarks. The issuer's key has to be
    /// verified first, by a command that is the issuer's to add.
    #[must_use]
    pub fn apdu_script(&self) -> Zeroizing<String> {
        let mut script = Zeroizing::new(String::from(
            "# DM Bootstrap files (PKCS#15). The files have to exist with at least the sizes below.\n\
             # Verify the issuer's key first. Every command has to be answered 9000 or 61xx.\n",
        ));
        for (path, octets) in self.files() {
            script.push_str(&format!("# {path}, {} octets\n", octets.len()));
            let ids: String = path
                .files()
                .iter()
                .skip(1)
                .map(|file| format!("{file:04X}"))
                .collect();
            script.push_str(&format!("00A4080C{:02X}{ids}\n", ids.len() / 2));
            if path.files() == [MF, EF_DIR] {
                let mut record = octets.to_vec();
                record.resize(usize::from(DIR_RECORD), 0xFF);
                script.push_str("# a transparent EF(DIR) takes 00D60000 instead; with other applications on the card, use a free record\n");
                script.push_str(&format!(
                    "00DC0104{:02X}{}\n",
                    record.len(),
                    hexadecimal::upper(&record)
                ));
                continue;
            }
            for (number, chunk) in octets.chunks(CHUNK).enumerate() {
                let offset = number * CHUNK;
                let line = Zeroizing::new(hexadecimal::upper(chunk));
                script.push_str(&format!("00D6{offset:04X}{:02X}{}\n", chunk.len(), &*line));
            }
        }
        script
    }

    /// The whole card as a description that `omadm card read --virtual` takes, with an ICCID where one is given.
    #[must_use]
    pub fn description(&self, profile: CardProfile, iccid: Option<&str>) -> CardDescription {
        let files = self.files().into_iter().map(|(path, octets)| {
            if path.files() == [MF, EF_DIR] && profile != CardProfile::Iso {
                return CardFile::of_records(path, DIR_RECORD, &[octets.to_vec()]);
            }
            let is_text = path
                .files()
                .last()
                .is_some_and(|file| *file >= EF_DM_BOOTSTRAP);
            match str::from_utf8(&octets) {
                Ok(text) if is_text => CardFile {
                    text: Some(text.to_owned()),
                    content: None,
                    ..CardFile::transparent(path, Vec::new())
                },
                _ => CardFile::transparent(path, octets.to_vec()),
            }
        });
        let iccid =
            iccid.and_then(|digits| Some(CardFile::transparent(place(EF_ICCID)?, swapped(digits))));
        let application = CardPath::new(&[MF, APPLICATION]).map(|path| CardApplication {
            aid: HexText(PKCS15_AID.to_vec()),
            path,
        });
        CardDescription {
            profile,
            atr: None,
            pin: None,
            adm: None,
            applications: application
                .into_iter()
                .filter(|_| profile != CardProfile::Sim2g)
                .collect(),
            files: iccid.into_iter().chain(files).collect(),
            quirks: CardQuirks::default(),
        }
    }

    /// Reads a set back from its files.
    ///
    /// # Errors
    /// Names the file that is missing or is not what it should be.
    pub fn read(files: &[(CardPath, Vec<u8>)]) -> Result<Self, CardFileSetError> {
        let find = |ids: &[u16]| {
            let octets = files
                .iter()
                .find(|(path, _)| path.files() == ids)
                .map(|(_, octets)| octets.as_slice());
            let path = CardPath::new(ids).or_else(|| place(EF_ODF));
            octets.ok_or_else(|| path.map_or(CardFileSetError::Count(0), CardFileSetError::Missing))
        };
        let at = |file| [MF, APPLICATION, file];
        let wrong =
            |file| place(file).map_or(CardFileSetError::Count(0), CardFileSetError::Unparsable);
        let items = read_odf(find(&at(EF_ODF))?).map_err(|_| wrong(EF_ODF))?;
        let (mut documents, mut seen, mut opensc) = (Vec::new(), BTreeSet::new(), false);
        let mut oids = Vec::new();
        for item in items {
            let OdfItem::Dodf(path) = item else { continue };
            for object in read_dodf(find(&absolute(&path))?) {
                let DodfItem::Object(object) = object else {
                    return Err(wrong(EF_DODF));
                };
                let DataValue::Path(path) = &object.value else {
                    continue;
                };
                let Some(oid) = object.oid.filter(|oid| OIDS.contains(oid)) else {
                    continue;
                };
                opensc |= object.form == ObjectForm::OpaqueDo;
                let path = absolute(path);
                if seen.insert(path.clone()) {
                    documents.push(find(&path)?);
                    oids.push(oid);
                }
            }
        }
        let info = TokenInfo::read(find(&at(EF_TOKEN_INFO))?).map_err(|_| wrong(EF_TOKEN_INFO))?;
        let set = Self::new(&documents, &info.serial)?.named_by(oids);
        Ok(Self { opensc, ..set })
    }

    /// Whether OpenSC reads it, too.
    pub(crate) const fn is_for_opensc(&self) -> bool {
        self.opensc
    }

    /// What EF(TokenInfo) says.
    pub(crate) fn token_info(&self) -> TokenInfo {
        TokenInfo {
            serial: self.serial.clone(),
            manufacturer: None,
            label: Some("OMA DM".to_owned()),
        }
    }

    fn dodf(&self) -> Vec<u8> {
        let files = (EF_DM_BOOTSTRAP..).zip(&self.documents);
        let places: Vec<_> = files
            .map(|(file, _)| Pkcs15Path::new(&[MF, APPLICATION, file]))
            .collect();
        entries(&places, &self.oids, self.opensc)
    }
}

/// The entries of a DODF for documents at these places, by their OIDs, the first having the highest priority.
pub(crate) fn entries(places: &[Pkcs15Path], oids: &[CardOid], for_opensc: bool) -> Vec<u8> {
    let object = |form, (path, oid): (&Pkcs15Path, &CardOid)| {
        let label = if oid.is_provisioning() {
            CP_LABEL
        } else {
            LABEL
        };
        DataObject::in_file(form, label.to_owned(), oid.clone(), path.clone())
    };
    let named = || places.iter().zip(oids);
    // OpenSC resolves absolute paths alone in this place (§6, V6 then V8a).
    let opaque = named().filter(|_| for_opensc);
    let opaque = opaque.map(|one| object(ObjectForm::OpaqueDo, one));
    let objects: Vec<_> = opaque
        .chain(named().map(|one| object(ObjectForm::OidDo, one)))
        .collect();
    DataObject::write_all(&objects)
}

/// The OIDs of sets that are read back.
const OIDS: [CardOid; 2] = [CardOid::DM_BOOTSTRAP, CardOid::CP_BOOTSTRAP];
/// Octets of one UPDATE BINARY.
const CHUNK: usize = 255;

fn template() -> ApplicationTemplate {
    ApplicationTemplate {
        aid: PKCS15_AID.to_vec(),
        label: Some(crate::dialogue::LABEL.to_owned()),
        path: Some(vec![MF, APPLICATION]),
    }
}

/// Where a file of the set lies: EF(DIR) and EF(ICCID) under the MF, the others in the application.
fn place(file: u16) -> Option<CardPath> {
    match file {
        EF_DIR | EF_ICCID => CardPath::new(&[MF, file]),
        _ => CardPath::new(&[MF, APPLICATION, file]),
    }
}

fn absolute(path: &Pkcs15Path) -> Vec<u16> {
    match path.files.as_slice() {
        [MF, ..] => path.files.clone(),
        below => [&[MF, APPLICATION], below].concat(),
    }
}

/// Digits as EF(ICCID) holds them: ten octets of swapped nibbles, filled with F.
fn swapped(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = digits
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .map(|digit| digit as u8)
        .collect();
    let at = |place: usize| nibbles.get(place).copied().unwrap_or(0x0F);
    (0..10)
        .map(|octet| at(2 * octet) | at(2 * octet + 1) << 4)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_card::TestCard;
    use crate::{CardOutcome, CardSettings, CardTransport as _, ReaderName, read_card};

    const ONE: &[u8] = br#"[{"a":1}]"#;

    fn set() -> CardFileSet {
        let long = vec![b'['; 700];
        CardFileSet::new(&[ONE, &long], &[1, 2, 3]).expect("a set")
    }

    #[test]
    fn every_profile_of_card_with_the_files_gives_the_documents_in_order() {
        for set in [set(), set().for_opensc()] {
            for profile in [CardProfile::Uicc, CardProfile::Sim2g, CardProfile::Iso] {
                let description = set.description(profile, Some("8949017201234567890"));
                let again = CardDescription::read(&description.write()).expect("our own JSON");
                let mut card = TestCard::new(again).expect("a card");
                let reading = read_card(&ReaderName::new("r"), &mut card, &CardSettings::default());
                assert_eq!(
                    reading.identity.map(|card| card.to_string()).as_deref(),
                    Some("iccid:8949017201234567890")
                );
                let CardOutcome::Read(entries) = reading.outcome else {
                    panic!("{profile:?}")
                };
                let read: Vec<_> = entries
                    .iter()
                    .filter_map(|entry| entry.content.as_ref().ok()?.as_ref())
                    .map(crate::CardDocument::bytes)
                    .collect();
                assert_eq!(read, set.documents().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_set_is_read_back_from_its_files() {
        let provisioning = set().named_by(vec![CardOid::CP_BOOTSTRAP; 2]);
        let both = set().named_by([CardOid::CP_BOOTSTRAP]);
        assert_eq!(
            both.oids(),
            [CardOid::DM_BOOTSTRAP, CardOid::CP_BOOTSTRAP],
            "client provisioning counts behind"
        );
        assert_eq!(both.documents().last(), Some(ONE));
        for set in [
            set(),
            both,
            set().for_opensc(),
            provisioning.clone(),
            provisioning.for_opensc(),
        ] {
            let files: Vec<_> = set
                .files()
                .into_iter()
                .map(|(path, octets)| (path, octets.to_vec()))
                .collect();
            let read = CardFileSet::read(&files).expect("our own files");
            assert!(read.files() == set.files());
            assert_eq!(read.oids(), set.oids());
            for (left_out, _) in files.iter().skip(1) {
                let rest: Vec<_> = files
                    .iter()
                    .filter(|(path, _)| path != left_out)
                    .cloned()
                    .collect();
                assert_eq!(
                    CardFileSet::read(&rest).err(),
                    Some(CardFileSetError::Missing(left_out.clone()))
                );
            }
        }
    }

    #[test]
    fn the_script_writes_the_files_onto_a_card_that_has_them() {
        let set = set();
        let mut blank = set.description(CardProfile::Uicc, None);
        blank.adm = Some(crate::test_card::SecretCode {
            value: "0102030405060708".to_owned(),
            tries: 3,
            reference: None,
        });
        for file in &mut blank.files {
            let length = file.text.take().map_or_else(
                || file.content.as_ref().map_or(0, |content| content.0.len()),
                |text| text.len(),
            );
            match &mut file.records {
                Some(records) => records.iter_mut().for_each(|record| record.0.clear()),
                None => file.content = Some(HexText(vec![0xFF; length])),
            }
        }
        let mut card = TestCard::new(blank).expect("a card");
        let mut sent = vec!["0020000A080102030405060708".to_owned()];
        let script = set.apdu_script();
        sent.extend(
            script
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(str::to_owned),
        );
        for line in sent {
            let answer = card.execute(&hexadecimal::read(&line).expect("hexadecimal"));
            assert_eq!(answer, [0x90, 0x00], "{line}");
        }
        card.reset().expect("a card in this process");
        let reading = read_card(&ReaderName::new("r"), &mut card, &CardSettings::default());
        let CardOutcome::Read(entries) = reading.outcome else {
            panic!("nothing was written")
        };
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn what_no_card_holds_is_refused() {
        assert_eq!(
            CardFileSet::new(&[], &[1]).err(),
            Some(CardFileSetError::Count(0))
        );
        assert_eq!(
            CardFileSet::new(&[b""], &[1]).err(),
            Some(CardFileSetError::Length {
                number: 0,
                octets: 0
            })
        );
        assert_eq!(
            CardFileSet::new(&[ONE], &[]).err(),
            Some(CardFileSetError::Serial(0))
        );
        let long = vec![b' '; LONGEST_DOCUMENT + 1];
        assert!(CardFileSet::new(&[&long], &[1]).is_err());
    }
}
