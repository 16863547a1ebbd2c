use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::CardWriteError;
use crate::dialogue::{Application, Candidate, Dialogue, FileContent, Location, Refusals, joined};
use crate::file_info::{FileInfo, FileStructure};
use crate::pkcs15::{DataObject, DataValue, DodfItem, OdfItem, Pkcs15Path, read_dodf, read_odf};
use crate::tlv::{TlvWriter, elements};
use crate::trouble::Octets;
use crate::{CardOid, CardPath, CardTrouble, LONGEST_DOCUMENT};

pub(super) const EF_DIR: u16 = 0x2F00;
pub(super) const EF_ODF: u16 = 0x5031;
pub(super) const EF_TOKEN_INFO: u16 = 0x5032;

/// What is on a card before it is written.
pub(super) struct Survey {
    pub(super) application: Application,
    pub(super) odf: OldFile,
    /// In the card's order; none where the ODF names none.
    pub(super) dodfs: Vec<Dodf>,
    /// The files of the documents, in the card's order.
    pub(super) documents: Vec<OldFile>,
    /// The files that entries of others name: nothing is written there.
    pub(super) others: BTreeSet<CardPath>,
    /// EF(DIR), where the application is not in it and it could be.
    pub(super) dir: Option<OldFile>,
    /// EF(TokenInfo), where it is there and empty.
    pub(super) token_info: Option<OldFile>,
}

/// A directory of data objects.
pub(super) struct Dodf {
    pub(super) file: OldFile,
    /// Whether it has entries that are ours.
    pub(super) ours: bool,
    /// Everything that is not.
    pub(super) others: Zeroizing<Vec<u8>>,
}

/// A file as it is.
pub(super) struct OldFile {
    pub(super) at: Location,
    pub(super) info: FileInfo,
    pub(super) octets: Zeroizing<Vec<u8>>,
    /// Length of a record, where it has records.
    pub(super) record: Option<usize>,
}

impl Survey {
    /// Finds the application, its directories and documents.
    pub(super) fn of(
        dialogue: &mut Dialogue<'_, '_>,
        provisions_dm: Option<fn(&[u8]) -> bool>,
    ) -> Result<Self, CardWriteError> {
        let directory = dialogue.read_directory()?;
        if let Some(trouble) = directory.trouble {
            return Err(trouble.into());
        }
        let named = directory.named();
        let mut refusals = Refusals::default();
        // What EF(DIR) is to say needs the path, which the AID alone does not give.
        let mut customary = Candidate::customary();
        customary.rotate_left(1);
        for candidate in named.iter().cloned().chain(customary) {
            let selected =
                dialogue.select_application(&candidate, directory.of_records, &mut refusals)?;
            let Some(application) = selected else {
                continue;
            };
            let Some(at) = application.locate(&Pkcs15Path::new(&[EF_ODF])) else {
                continue;
            };
            let Some(odf) = OldFile::read(dialogue, &application, at)? else {
                continue;
            };
            let dir = if named.is_empty() {
                let at = Location::of_mf(EF_DIR).ok_or(CardWriteError::NoApplication)?;
                OldFile::read(dialogue, &application, at)?
            } else {
                None
            };
            return Self::follow(dialogue, application, odf, dir, provisions_dm);
        }
        Err(refusals
            .trouble()
            .map_or(CardWriteError::NoApplication, CardWriteError::Trouble))
    }

    fn follow(
        dialogue: &mut Dialogue<'_, '_>,
        application: Application,
        odf: OldFile,
        dir: Option<OldFile>,
        provisions_dm: Option<fn(&[u8]) -> bool>,
    ) -> Result<Self, CardWriteError> {
        let ownership = Ownership {
            accepted: dialogue.accepted().to_vec(),
            provisions_dm,
        };
        let items = read_odf(&odf.octets).map_err(|_| CardTrouble::OdfUnparsable)?;
        let (mut dodfs, mut documents) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for item in items {
            let path = match item {
                OdfItem::Dodf(path) if path.slice.is_none() => path,
                OdfItem::Dodf(_) => return Err(CardWriteError::Structure(odf.at.path)),
                OdfItem::Objects(objects) => {
                    if objects.iter().any(|object| ownership.is_certain(object)) {
                        return Err(CardWriteError::Structure(odf.at.path));
                    }
                    continue;
                }
            };
            let at = application.locate(&path);
            let at = at.ok_or(CardTrouble::OdfUnparsable)?;
            if !seen.insert(at.path.to_string()) {
                continue;
            }
            let path = at.path.clone();
            let file = OldFile::read(dialogue, &application, at)?;
            let file = file.ok_or(CardWriteError::Missing(path))?;
            let (others, ours, not_ours) =
                ownership.parted(dialogue, &application, &file.octets)?;
            for object in &not_ours {
                if let DataValue::Path(path) = &object.value {
                    let whole = Pkcs15Path::new(&path.files);
                    taken.extend(application.locate(&whole).map(|at| at.path));
                }
            }
            for object in &ours {
                let DataValue::Path(path) = &object.value else {
                    continue;
                };
                let whole = Pkcs15Path::new(&path.files);
                let at = application.locate(&whole);
                let at = at.ok_or(CardTrouble::DodfUnparsable)?;
                if seen.insert(at.path.to_string()) {
                    documents.extend(OldFile::read(dialogue, &application, at)?);
                }
            }
            dodfs.push(Dodf {
                file,
                ours: !ours.is_empty(),
                others,
            });
        }
        let token_info = application.locate(&Pkcs15Path::new(&[EF_TOKEN_INFO]));
        let token_info = match token_info {
            Some(at) => OldFile::read(dialogue, &application, at)?,
            None => None,
        };
        let is_blank = |file: &OldFile| matches!(file.octets.first(), Some(0x00 | 0xFF));
        Ok(Self {
            token_info: token_info.filter(is_blank),
            application,
            odf,
            dodfs,
            documents,
            others: taken,
            dir,
        })
    }
}

impl OldFile {
    /// Reads a file whole; none where it is not there.
    pub(super) fn read(
        dialogue: &mut Dialogue<'_, '_>,
        application: &Application,
        at: Location,
    ) -> Result<Option<Self>, CardWriteError> {
        let (info, content) = dialogue.read_file(&at.ways, &application.pins)?;
        let parts = match content {
            FileContent::Octets(parts) => parts,
            FileContent::Missing => return Ok(None),
            FileContent::Trouble(trouble) => return Err(trouble.into()),
        };
        let record = match info.structure {
            Some(FileStructure::Records { .. }) => parts.first().map(|record| record.len()),
            _ => None,
        };
        Ok(Some(Self {
            octets: joined(&parts),
            at,
            info,
            record,
        }))
    }

    /// The same file filled with these octets, then `FF`.
    pub(super) fn filled(&self, with: &[u8]) -> Result<Zeroizing<Vec<u8>>, CardWriteError> {
        // A document has to be read back: READ BINARY reaches so far.
        let size = self.octets.len().min(LONGEST_DOCUMENT + 1);
        if with.len() > size {
            let octets = |count: usize| Octets(u32::try_from(count).unwrap_or(u32::MAX));
            return Err(CardWriteError::TooSmall {
                path: self.path(),
                size: octets(size),
                needed: octets(with.len()),
            });
        }
        let mut filled = Zeroizing::new(with.to_vec());
        filled.resize(self.octets.len(), 0xFF);
        Ok(filled)
    }

    pub(super) fn path(&self) -> CardPath {
        self.at.path.clone()
    }
}

/// Whose an entry is.
struct Ownership {
    accepted: Vec<CardOid>,
    provisions_dm: Option<fn(&[u8]) -> bool>,
}

/// What is of others in a DODF, as it stands there; our entries; and the entries of others.
type Parted = (Zeroizing<Vec<u8>>, Vec<DataObject>, Vec<DataObject>);

impl Ownership {
    /// Whether an entry is ours by its OID alone.
    fn is_certain(&self, item: &DodfItem) -> bool {
        matches!(item, DodfItem::Object(object) if self.may_be(object) && self.judge(object).is_none())
    }

    fn may_be(&self, object: &DataObject) -> bool {
        let oid = object.oid.as_ref();
        oid.is_some_and(|oid| self.accepted.contains(oid))
    }

    /// What judges by the content.
    fn judge(&self, object: &DataObject) -> Option<fn(&[u8]) -> bool> {
        let oid = object.oid.as_ref()?;
        self.provisions_dm.filter(|_| oid.is_provisioning())
    }

    fn parted(
        &self,
        dialogue: &mut Dialogue<'_, '_>,
        application: &Application,
        dodf: &[u8],
    ) -> Result<Parted, CardWriteError> {
        let mut others = TlvWriter::default();
        let (mut ours, mut not_ours) = (Vec::new(), Vec::new());
        for element in elements(dodf) {
            let element = element.map_err(|_| CardTrouble::DodfUnparsable)?;
            let alone = TlvWriter::default().element(element.tag, element.value);
            match read_dodf(alone.octets()).pop() {
                Some(DodfItem::Object(object)) if self.may_be(&object) => {
                    let is_ours = match self.judge(&object) {
                        None => true,
                        Some(judge) => content_of(dialogue, application, &object)?
                            .is_some_and(|content| judge(&content)),
                    };
                    if is_ours {
                        ours.push(object);
                        continue;
                    }
                    not_ours.push(object);
                }
                Some(DodfItem::Object(object)) => not_ours.push(object),
                // It would stay in doubt beside the new entries.
                Some(DodfItem::Unparsable(_)) => return Err(CardTrouble::DodfUnparsable.into()),
                _ => {}
            }
            others = others.element(element.tag, element.value);
        }
        Ok((Zeroizing::new(others.octets().to_vec()), ours, not_ours))
    }
}

/// What an entry holds; none where that cannot be told.
fn content_of(
    dialogue: &mut Dialogue<'_, '_>,
    application: &Application,
    object: &DataObject,
) -> Result<Option<Zeroizing<Vec<u8>>>, CardWriteError> {
    let path = match &object.value {
        DataValue::Path(path) => path,
        DataValue::Direct(content) => return Ok(Some(Zeroizing::new(content.expose().to_vec()))),
        DataValue::Elsewhere => return Ok(None),
    };
    let Some(at) = application.locate(&Pkcs15Path::new(&path.files)) else {
        return Ok(None);
    };
    let Some(file) = OldFile::read(dialogue, application, at)? else {
        return Ok(None);
    };
    let Some(slice) = path.slice else {
        return Ok(Some(file.octets));
    };
    let [from, length] = [slice.offset, slice.length].map(usize::from);
    let part = file.octets.get(from..from.saturating_add(length));
    Ok(part.map(|part| Zeroizing::new(part.to_vec())))
}
