//! The files of a card that carries a DM Bootstrap, under the names by which they lie in a folder (`smartcard.md` §3).

use std::fmt;
use std::str::FromStr;

use omadm_bootstrap::PayloadHash;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document, Dm1Format, document_octets};
use omadm_card::test_card::{CardDescription, CardProfile, TestCard};
use omadm_card::{
    CardFileSet, CardFileSetError, CardIdentity, CardOid, CardOutcome, CardPath, CardPin,
    CardReading, CardSettings, ReaderName, read_card,
};
use omadm_dm1::markup::MarkupLimits;
use omadm_mo::{DevId, Secret};

use crate::carrier::CarrierFile;
use crate::{CarriedDocument, CarrierError};

/// Each file of the card by its path.
const FILES: [(&str, &[u16]); 5] = [
    ("2F00-dir.bin", &[0x3F00, 0x2F00]),
    ("5031-odf.bin", &[0x3F00, 0x7F50, 0x5031]),
    ("5032-tokeninfo.bin", &[0x3F00, 0x7F50, 0x5032]),
    ("6430-dodf-bootstrap.bin", &[0x3F00, 0x7F50, 0x6430]),
    ("6432-dm-bootstrap.bin", &[0x3F00, 0x7F50, 0x6432]),
];
/// Name of the APDU script.
const SCRIPT: &str = "card.apdu";
/// Name of the description that `--card` and `--virtual` read.
pub(crate) const DESCRIPTION: &str = "card.json";
/// Octets of a serial number that is made from the DevID.
const SERIAL: usize = 8;

/// What is decided about a card, the document left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardOptions {
    /// The kind of the described card.
    pub kind: CardProfile,
    /// EF(ICCID) of the described card; a real one has its own.
    pub iccid: Option<Iccid>,
    /// Serial number in EF(TokenInfo), 1 to 64 octets; else the first eight of the DevID's SHA-256.
    pub serial: Option<Vec<u8>>,
    /// Whether a second entry is there, in the form that OpenSC knows.
    pub opensc: bool,
}

/// The number of a card: 18 to 20 digits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Iccid(String);

/// A text that is no ICCID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an ICCID has 18 to 20 digits")]
pub struct IccidError;

impl Default for CardOptions {
    fn default() -> Self {
        Self {
            kind: CardProfile::Uicc,
            iccid: None,
            serial: None,
            opensc: false,
        }
    }
}

impl FromStr for Iccid {
    type Err = IccidError;

    fn from_str(text: &str) -> Result<Self, IccidError> {
        let digits = text.bytes().all(|digit| digit.is_ascii_digit());
        if digits && (18..=20).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IccidError)
        }
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl CardOptions {
    /// Which card a device with the described card says it has.
    fn identity(&self, serial: &[u8]) -> CardIdentity {
        match &self.iccid {
            Some(iccid) => CardIdentity::Iccid(iccid.0.clone()),
            None => CardIdentity::TokenSerial(serial.to_vec()),
        }
    }

    /// Over everything here.
    pub(crate) fn digest(&self) -> PayloadHash {
        PayloadHash::of(format!("{self:?}").as_bytes())
    }
}

/// The OID that names a document on a card (`dm1x.md` §5.5, M23).
#[must_use]
pub fn card_oid(format: Option<Dm1Format>) -> CardOid {
    match format {
        None | Some(Dm1Format::Dm) => CardOid::DM_BOOTSTRAP,
        Some(Dm1Format::Cp) => CardOid::CP_BOOTSTRAP,
    }
}

/// Whether what an entry of client provisioning holds is for a DM Client: a DM Account is among it. Such documents configure others, too.
#[must_use]
pub fn provisions_dm(file: &[u8]) -> bool {
    let document = document_octets(file).unwrap_or(file);
    let limits = MarkupLimits {
        octets: document.len(),
        ..MarkupLimits::UNPROVEN_BOOTSTRAP
    };
    let read = Dm1Document::read(document, AppSrvIs::default(), limits);
    read.is_ok_and(|read| !read.accounts.is_empty())
}

/// The files for this document and its device, and the card's identity.
pub(crate) fn write(
    document: &CarriedDocument,
    options: &CardOptions,
) -> Result<(Vec<CarrierFile>, CardIdentity), CarrierError> {
    let derived = || {
        let device = document.device().map_or("", DevId::as_str);
        let hash = PayloadHash::of(device.as_bytes());
        hash.octets().iter().copied().take(SERIAL).collect()
    };
    let serial = options.serial.clone().unwrap_or_else(derived);
    let set = CardFileSet::new(&[document.document().expose()], &serial)?;
    let mut set = set.named_by([card_oid(document.format())]);
    if options.opensc {
        set = set.for_opensc();
    }
    let mut files = Vec::new();
    for (path, octets) in set.files() {
        let known = FILES.iter().find(|(_, ids)| path.files() == *ids);
        let (name, _) = known.ok_or(CardFileSetError::Unparsable(path))?;
        files.push(CarrierFile::new(*name, Secret::new(octets.to_vec())));
    }
    let script = Secret::new(set.apdu_script().as_bytes().to_vec());
    files.push(CarrierFile::new(SCRIPT, script));
    let iccid = options.iccid.as_ref().map(|iccid| iccid.0.as_str());
    let described = set.description(options.kind, iccid).write();
    files.push(CarrierFile::new(DESCRIPTION, Secret::from(described)));
    Ok((files, options.identity(&serial)))
}

/// The document in a folder's files; `read` gives one of them.
pub(crate) fn read<E>(
    read: impl Fn(&str) -> Result<Vec<u8>, E>,
) -> Result<Result<Secret, CardFileSetError>, E> {
    let mut files = Vec::new();
    for (name, ids) in FILES {
        if let Some(path) = CardPath::new(ids) {
            files.push((path, read(name)?));
        }
    }
    Ok(CardFileSet::read(&files).and_then(|set| first(&set)))
}

/// The documents of an APDU script.
pub(crate) fn read_script(script: &str) -> Result<Vec<Secret>, CardFileSetError> {
    let set = CardFileSet::read_script(script)?;
    let documents = set.documents();
    Ok(documents
        .map(|document| Secret::new(document.to_vec()))
        .collect())
}

/// Reads a described card as a device with its PIN would.
pub(crate) fn look(description: CardDescription) -> Result<CardReading, crate::FoundError> {
    let pin = description.pin.as_ref();
    let pin = pin.and_then(|pin| CardPin::new(Secret::from(pin.value.clone())).ok());
    let settings = CardSettings {
        pin,
        accepted: vec![CardOid::DM_BOOTSTRAP, CardOid::CP_BOOTSTRAP],
        ..CardSettings::default()
    };
    let mut card = TestCard::new(description)?;
    Ok(read_card(
        &ReaderName::new(DESCRIPTION),
        &mut card,
        &settings,
    ))
}

/// What a reading gave: documents, and what is in doubt.
pub(crate) fn contents(outcome: &CardOutcome) -> (Vec<Secret>, Vec<String>) {
    let (mut documents, mut troubles) = (Vec::new(), Vec::new());
    match outcome {
        CardOutcome::Read(entries) => {
            for entry in entries {
                match &entry.content {
                    Ok(Some(document)) => documents.push(Secret::new(document.bytes().to_vec())),
                    Ok(None) => {}
                    Err(trouble) => troubles.push(format!("{}: {trouble}", entry.path)),
                }
            }
        }
        CardOutcome::NoBootstrap | CardOutcome::NoCard => {}
        CardOutcome::Rejected(reason) => troubles.push(reason.to_string()),
        CardOutcome::Undetermined(trouble) => troubles.push(trouble.to_string()),
    }
    (documents, troubles)
}

fn first(set: &CardFileSet) -> Result<Secret, CardFileSetError> {
    let document = set.documents().next().ok_or(CardFileSetError::Count(0))?;
    Ok(Secret::new(document.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &[u8] = br#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//"}]"#;

    fn files(options: &CardOptions) -> Vec<CarrierFile> {
        let device = DevId::parse("IMEI:493005100592800").unwrap();
        let document = CarriedDocument::new(Secret::new(DOCUMENT.to_vec()), Some(&device));
        write(&document.unwrap(), options).unwrap().0
    }

    fn octets<'a>(files: &'a [CarrierFile], name: &str) -> &'a [u8] {
        let file = files.iter().find(|file| file.name == name).unwrap();
        file.octets.expose()
    }

    #[test]
    fn raw_files_script_and_description_give_the_same_document() {
        for kind in [CardProfile::Uicc, CardProfile::Sim2g, CardProfile::Iso] {
            for opensc in [false, true] {
                let options = CardOptions {
                    kind,
                    opensc,
                    ..CardOptions::default()
                };
                let files = files(&options);
                assert!(files == self::files(&options), "the same octets each time");
                let raw = read(|name| Ok::<_, ()>(octets(&files, name).to_vec()));
                assert_eq!(raw.unwrap().unwrap().expose(), DOCUMENT);
                let script = str::from_utf8(octets(&files, SCRIPT)).unwrap();
                assert_eq!(read_script(script).unwrap()[0].expose(), DOCUMENT);
                let text = str::from_utf8(octets(&files, DESCRIPTION)).unwrap();
                let reading = look(CardDescription::read(text).unwrap()).unwrap();
                let (documents, troubles) = contents(&reading.outcome);
                assert!(troubles.is_empty(), "{troubles:?}");
                assert_eq!(documents[0].expose(), DOCUMENT);
            }
        }
    }

    #[test]
    fn each_device_has_a_card_of_its_own_unless_told_otherwise() {
        let identity = |device: &str, options: &CardOptions| {
            let device = DevId::parse(device).unwrap();
            let document = CarriedDocument::new(Secret::new(DOCUMENT.to_vec()), Some(&device));
            let written = write(&document.unwrap(), options).unwrap();
            written.1.to_string()
        };
        let mut options = CardOptions::default();
        assert_ne!(identity("IMEI:1", &options), identity("IMEI:2", &options));
        options.serial = Some(vec![1, 2]);
        assert_eq!(identity("IMEI:1", &options), "serial:0102");
        options.iccid = Some("8949017201234567890".parse().unwrap());
        assert_eq!(identity("IMEI:1", &options), "iccid:8949017201234567890");
        for wrong in ["894901720123456", "89490172012345678x", ""] {
            assert!(wrong.parse::<Iccid>().is_err(), "{wrong}");
        }
    }
}
